"""Boxes of text in the map that a detector makes: of each pixel, how probably it is in the core of a line.

The map is that of Differentiable Binarization (Liao et al. 2020): cores are shrunk lines, which are told
apart by that, and are grown again by area x ratio / perimeter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TextBox", "find_boxes"]

_CORE = 0.3
_LEAST_SCORE = 0.5
_GROWTH = 1.6
_LEAST_PX = 3.0
_MOST_BOXES = 200
# A box along the axes is preferred to a tilted one unless it is this much larger.
_UPRIGHT_AREA = 1.2


@dataclass(frozen=True, slots=True)
class TextBox:
    """Where a line of text stands.

    Attributes:
        corners: (4, 2) x and y in pixels, from the top left one on clockwise; a tilted box begins with the
            corner that is the top left one after turning it by less than 45 degrees.
        score: mean probability in its core, 0 to 1.
    """

    corners: NDArray[np.float32]
    score: float

    @property
    def width(self) -> float:
        """Length of its upper side in pixels."""
        return float(np.hypot(*(self.corners[1] - self.corners[0])))

    @property
    def height(self) -> float:
        """Length of its left side in pixels."""
        return float(np.hypot(*(self.corners[3] - self.corners[0])))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels."""
        left, top = self.corners.min(axis=0)
        right, bottom = self.corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


def find_boxes(probabilities: NDArray[np.float32], size: tuple[int, int]) -> list[TextBox]:
    """Boxes in a picture, of which at most the ``200`` surest.

    Args:
        probabilities: (height, width) of each pixel of the reduced picture.
        size: width and height in pixels of the whole one, in which the boxes are.
    """
    height, width = probabilities.shape
    scale = np.array([size[0] / width, size[1] / height], np.float32)
    scored = [(_mean_in(probabilities, runs), runs) for runs in _regions(probabilities > _CORE)]
    sure = sorted((each for each in scored if each[0] >= _LEAST_SCORE), key=lambda each: -each[0])
    boxes = []
    for score, runs in sure[:_MOST_BOXES]:
        corners = _around(runs)
        if corners is None:
            continue
        inside = np.clip(corners * scale, 0, np.array(size, np.float32))
        box = TextBox(np.asarray(inside, np.float32), score)
        if min(box.width, box.height) >= _LEAST_PX:
            boxes.append(box)
    return boxes


def _regions(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Regions of pixels that touch, by side or corner: of each, (runs, 3) row, first column, past last."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    runs = np.stack([rows, starts, ends], axis=1)
    parent = list(range(len(runs)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(len(mask) + 1))
    for row in range(1, len(mask)):
        above, here = int(first[row - 1]), int(first[row])
        while above < first[row] and here < first[row + 1]:
            if starts[above] <= ends[here] and starts[here] <= ends[above]:
                parent[root(here)] = root(above)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(run) for run in range(len(runs))], np.int64)
    order = np.argsort(roots, kind="stable")
    cuts = np.flatnonzero(np.diff(roots[order])) + 1
    return [runs[part] for part in np.split(order, cuts)] if len(runs) else []


def _mean_in(probabilities: NDArray[np.float32], runs: NDArray[np.int64]) -> float:
    total = sum(float(probabilities[row, start:end].sum()) for row, start, end in runs)
    return total / float((runs[:, 2] - runs[:, 1]).sum())


def _around(runs: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Corners of the box of a region, grown; None if it is too small to be read."""
    rows, starts, ends = runs.T.astype(np.float32)
    points = np.concatenate([np.stack([x, y], axis=1) for x in (starts, ends) for y in (rows, rows + 1)])
    origin, turn, extent = _smallest_rectangle(_hull(points))
    if min(extent) < _LEAST_PX:
        return None
    grown = float(extent[0] * extent[1] * _GROWTH / (2 * (extent[0] + extent[1])))
    low, high = origin - grown, origin + extent + grown
    box = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]], np.float32)
    return np.asarray(box @ turn, np.float32)


def _smallest_rectangle(
    hull: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The low corner and extent of the smallest rectangle around a hull in turned axes, and these (2, 2)."""
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(edges[:, 1], edges[:, 0])
    angles = np.concatenate([[0.0], (angles + np.pi / 4) % (np.pi / 2) - np.pi / 4])
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    turned = np.stack([along @ hull.T, across @ hull.T], axis=1)  # (angles, 2, points)
    low, high = turned.min(axis=2), turned.max(axis=2)
    areas = (high - low).prod(axis=1)
    best = int(areas.argmin())
    if areas[0] <= _UPRIGHT_AREA * areas[best]:
        best = 0
    axes = np.stack([along[best], across[best]]).astype(np.float32)
    return low[best].astype(np.float32), axes, (high[best] - low[best]).astype(np.float32)


def _hull(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners of the convex hull (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, np.unique(points, axis=0).tolist()))

    def half(sequence: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        chain: list[tuple[float, ...]] = []
        for point in sequence:
            while len(chain) > 1 and _turns_right(chain[-2], chain[-1], point):
                chain.pop()
            chain.append(point)
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]), np.float32)


def _turns_right(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) <= 0
