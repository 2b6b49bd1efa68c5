"""Coloured shapes that polyreel draws itself, described in nine languages: to try training with.

36 concepts, a shape in a colour each, are drawn four times at other places and sizes on noise; the fourth
drawing of each is for dev. The sentences are built so that no word has to agree with another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.records import Frames, Stream, created, record_of
from polyreel.errors import DatasetError
from polyreel.files import write_atomically
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.jpeg import encode_jpeg
from polyreel.progress import OnProgress

__all__ = ["draw_shapes", "shapes_records"]

_SIDE_PX = 128
_DRAWINGS = 4
_SEED = 20
_Plane = NDArray[np.float64]


def _in_star(x: _Plane, y: _Plane) -> NDArray[np.bool_]:
    """Inside a five-pointed star: beyond at most one of the five lines that its edges are on."""
    angles = 2 * np.pi * np.arange(5)[:, None, None] / 5
    passed = x * np.sin(angles) - y * np.cos(angles) >= np.cos(2 * np.pi / 5)
    inside: NDArray[np.bool_] = np.count_nonzero(passed, axis=0) <= 1
    return inside


# en, de, fr, cs, zh, ru, vi, sw, es, as STUDY_LANGUAGES has them.
_SENTENCES = (
    "a {colour} {shape}",
    "{shape} in {colour}",
    "{shape} de couleur {colour}",
    "{shape} {colour} barvy",
    "{colour}的{shape}",
    "{shape} {colour} цвета",
    "{shape} màu {colour}",
    "{shape} rangi {colour}",
    "{shape} de color {colour}",
)
_COLOURS: Mapping[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "red": (
        (220, 30, 30),
        ("red", "Rot", "rouge", "červené", "红色", "красного", "đỏ", "nyekundu", "rojo"),
    ),
    "green": (
        (30, 160, 60),
        ("green", "Grün", "verte", "zelené", "绿色", "зелёного", "xanh lá cây", "ya kijani", "verde"),
    ),
    "blue": (
        (40, 70, 220),
        ("blue", "Blau", "bleue", "modré", "蓝色", "синего", "xanh dương", "ya buluu", "azul"),
    ),
    "yellow": (
        (240, 210, 40),
        ("yellow", "Gelb", "jaune", "žluté", "黄色", "жёлтого", "vàng", "ya njano", "amarillo"),
    ),
    "black": (
        (15, 15, 15),
        ("black", "Schwarz", "noire", "černé", "黑色", "чёрного", "đen", "nyeusi", "negro"),
    ),
    "white": (
        (250, 250, 250),
        ("white", "Weiß", "blanche", "bílé", "白色", "белого", "trắng", "nyeupe", "blanco"),
    ),
}
# Each is told the distance to the right and downwards from its centre, by its half size.
_SHAPES: Mapping[str, tuple[Callable[[_Plane, _Plane], NDArray[np.bool_]], tuple[str, ...]]] = {
    "circle": (
        lambda x, y: x**2 + y**2 < 1,
        ("circle", "Kreis", "cercle", "kruh", "圆形", "круг", "hình tròn", "duara la", "círculo"),
    ),
    "square": (
        lambda x, y: np.maximum(abs(x), abs(y)) < 0.9,
        ("square", "Quadrat", "carré", "čtverec", "正方形", "квадрат", "hình vuông", "mraba wa", "cuadrado"),
    ),
    "triangle": (
        lambda x, y: (y < 0.8) & (2 * abs(x) < y + 1),
        (
            *("triangle", "Dreieck", "triangle", "trojúhelník", "三角形"),
            *("треугольник", "hình tam giác", "pembetatu ya", "triángulo"),
        ),
    ),
    "cross": (
        lambda x, y: (np.minimum(abs(x), abs(y)) < 0.3) & (np.maximum(abs(x), abs(y)) < 1),
        ("cross", "Kreuz", "croix", "kříž", "十字形", "крест", "hình chữ thập", "msalaba wa", "cruz"),
    ),
    "heart": (
        lambda x, y: ((1.2 * x) ** 2 + (y * 1.2) ** 2 - 0.6) ** 3 < -1.6 * (1.2 * x) ** 2 * (y * 1.2) ** 3,
        ("heart", "Herz", "cœur", "srdce", "心形", "сердце", "hình trái tim", "moyo wa", "corazón"),
    ),
    "star": (
        _in_star,
        ("star", "Stern", "étoile", "hvězda", "星形", "звезда", "hình ngôi sao", "nyota ya", "estrella"),
    ),
}


def draw_shapes(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the pictures below ``cache_folder``; drawn, in a second, unless they are there."""
    folder = cache_folder / "shapes"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(_names()):
        path = folder / f"{name}.jpg"
        if not path.is_file():
            write_atomically(path, encode_jpeg(_drawing(name)))
        if progress is not None:
            progress("shapes", number + 1, len(list(_names())))
    return folder


def shapes_records(folder: Path) -> Stream:
    """The drawings in ``folder``.

    Raises:
        DatasetError: one is missing.
    """
    for name in _names():
        colour, shape, number = name.split("-")
        if not (folder / f"{name}.jpg").is_file():
            raise DatasetError(
                "a drawing is missing",
                item=folder / f"{name}.jpg",
                remedy="Draw them with 'polyreel data fetch shapes'",
            )
        words = zip(STUDY_LANGUAGES, _SENTENCES, _COLOURS[colour][1], _SHAPES[shape][1], strict=True)
        captions = {
            tag: [sentence.format(colour=of_colour, shape=of_shape)]
            for tag, sentence, of_colour, of_shape in words
        }
        split = "dev" if int(number) == _DRAWINGS - 1 else "train"
        picture = Frames(folder, (f"{name}.jpg",))
        yield record_of(name, captions, created, split=split, media=picture, concept=f"{colour} {shape}")


def _names() -> Iterator[str]:
    for number in range(_DRAWINGS):
        for colour in _COLOURS:
            for shape in _SHAPES:
                yield f"{colour}-{shape}-{number}"


def _drawing(name: str) -> NDArray[np.uint8]:
    colour, shape, _ = name.split("-")
    rng = np.random.default_rng([_SEED, *name.encode()])
    ground = rng.uniform(110, 180) + rng.normal(0, 12, (_SIDE_PX, _SIDE_PX, 1))
    picture = np.broadcast_to(ground, (_SIDE_PX, _SIDE_PX, 3)).copy()
    half = _SIDE_PX * rng.uniform(0.25, 0.42)
    left, top = rng.uniform(half, _SIDE_PX - half, 2)
    down, right = np.mgrid[:_SIDE_PX, :_SIDE_PX]
    inside = _SHAPES[shape][0]((right - left) / half, (down - top) / half)
    picture[inside] = np.array(_COLOURS[colour][0]) + rng.normal(0, 8, (int(inside.sum()), 1))
    return picture.clip(0, 255).astype(np.uint8)
