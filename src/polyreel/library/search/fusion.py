"""From ranked clips to moments: adjacent clips of one video are merged."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polyreel.library.search.search_index import SearchIndex

__all__ = ["ADJACENT_S", "Moment", "Ranked", "merge_adjacent"]

# An adjacent clip joins a moment if it is nearly as good as the moment's best.
_MERGE_RATIO = 0.85
ADJACENT_S = 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """One list of clips or subtitle lines, best first: row -> its place (from 0) and score."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Moment:
    """Adjacent clips of one video, by row.

    Attributes:
        video: hash of the video's content.
        rows: its clips.
        best: the clip that ranks it.
        start_s, end_s: seconds from the start of the video.
        score: that of the best clip.
        place: of its best clip in the ranking.
    """

    video: str
    rows: tuple[int, ...]
    best: int
    start_s: float
    end_s: float
    score: float
    place: int


def merge_adjacent(ranked: list[tuple[int, float]], lists: list[Ranked], index: SearchIndex) -> list[Moment]:
    """Merge adjacent clips of one video.

    Args:
        ranked: rows and scores of clips, best first.
        lists: the evidence: clips and what speaks for them.
        index: what was searched.

    Returns:
        Moments in the order of their best clips.
    """
    rows = np.array([row for row, _ in ranked], np.int64)
    names = ["video", "start_s", "end_s"]
    columns = (column.to_pylist() for column in index.clips.select(names).take(rows).columns)
    evidence = [dict(zip(each.rows.tolist(), each.scores.tolist(), strict=True)) for each in lists]
    by_video: dict[str, list[Moment]] = {}
    for place, ((row, score), video, start_s, end_s) in enumerate(zip(ranked, *columns, strict=True)):
        clip = Moment(video, (row,), row, start_s, end_s, score, place)
        own = by_video.setdefault(video, [])
        touched = [moment for moment in own if _joins(clip, moment, evidence)]
        if not touched:
            own.append(clip)
            continue
        # A clip between two moments makes them one, under the better of the two.
        merged = functools.reduce(_merged, [*touched, clip])
        own[:] = [merged, *(moment for moment in own if moment not in touched)]
    return sorted((moment for own in by_video.values() for moment in own), key=lambda each: each.place)


def _joins(clip: Moment, moment: Moment, evidence: Sequence[Mapping[int, float]]) -> bool:
    """Whether a clip is adjacent to a moment and nearly as good as its best by all that speaks for that.

    Probabilities would not tell: they all but vanish, or hardly differ, over most of a list.
    """
    gap_s = max(clip.start_s - moment.end_s, moment.start_s - clip.end_s)
    return gap_s <= ADJACENT_S and all(
        scores.get(clip.best, -np.inf) >= _MERGE_RATIO * scores[moment.best]
        for scores in evidence
        if moment.best in scores
    )


def _merged(better: Moment, other: Moment) -> Moment:
    return replace(
        better,
        rows=(*better.rows, *other.rows),
        start_s=min(better.start_s, other.start_s),
        end_s=max(better.end_s, other.end_s),
    )
