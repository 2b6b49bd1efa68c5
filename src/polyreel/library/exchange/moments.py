"""Hits as editors count: in frames of their film."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from polyreel.errors import MediaError
from polyreel.library.results import Hit
from polyreel.media.film_facts import FilmFacts
from polyreel.media.frame_rates import count_of_timecode

__all__ = ["FilmMoment", "address_of", "common_rate", "in_frames", "moments_of"]

# Times of hits are rounded to milliseconds somewhere on their way: less than this of a frame.
_TOLERANCE = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class FilmMoment:
    """A hit and its film.

    Attributes:
        hit: the hit.
        path: its file, as the hit names it: absolute, or from the folder that holds all films.
        film: facts of it.
        first: frame of the film that it begins with; 0 is the film's first one.
        length: how many frames.
    """

    hit: Hit
    path: Path
    film: FilmFacts
    first: int
    length: int

    @property
    def begins_at(self) -> int:
        """Number of the film's first frame: what its time code says, 0 if it has none."""
        stated = self.film.timecode
        return (count_of_timecode(stated, self.film.rate) if stated else None) or 0

    @property
    def name(self) -> str:
        """What editors call it: the film's name."""
        return self.path.name


def address_of(path: Path) -> str:
    """The address of a file, from where the list is if the path is not absolute."""
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def moments_of(
    hits: Iterable[Hit], facts: Callable[[Path], FilmFacts]
) -> tuple[list[FilmMoment], list[MediaError]]:
    """Hits with their films, and what is wrong with those whose film cannot be read.

    Args:
        hits: in the order in which they are to follow each other.
        facts: reads a film; asked once for each.
    """
    moments: list[FilmMoment] = []
    problems: list[MediaError] = []
    known: dict[Path, FilmFacts | None] = {}
    for hit in hits:
        path = Path(hit.video)
        if path not in known:
            try:
                known[path] = facts(path)
            except MediaError as error:
                known[path] = None
                problems.append(error)
        film = known[path]
        if film is not None:
            first, length = in_frames(hit.start_s, hit.end_s, film.rate, film.pictures)
            moments.append(FilmMoment(hit, path, film, first, length))
    return moments, problems


def in_frames(start_s: float, end_s: float, rate: Fraction, frames: int | None = None) -> tuple[int, int]:
    """The first frame of a span, and how many there are until its end, at least one.

    Args:
        start_s, end_s: the span, seconds.
        rate: frames a second.
        frames: how many the film has; None if that is not known.
    """
    first = math.floor(Fraction(start_s) * rate + _TOLERANCE)
    end = math.ceil(Fraction(end_s) * rate - _TOLERANCE)
    if frames is not None:
        first, end = min(first, frames - 1), min(end, frames)
    return first, max(1, end - first)


def common_rate(moments: Sequence[FilmMoment]) -> Fraction:
    """The rate of most films; of several that are as frequent, that of the first."""
    return Counter(moment.film.rate for moment in moments).most_common(1)[0][0]
