"""A film as its page shows it: one part of its time at full detail, and a few moments of the whole.

A film of five hours has thousands of clips. All of them at once are more than a browser draws at ease and
than anyone looks at, so the page holds one part, and links to the others.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyreel.library.results import ClipScore, LibraryLine

__all__ = ["Film", "Section", "film_of", "sections_of"]

_SECTION_S = 600.0
# What stays beyond the last full part belongs to it, unless it is half of one or more.
_REST = 0.5
# A part with more is halved: so much keeps the page below 200 kB.
_MOST_CLIPS, _MOST_LINES = 100, 250
_LEAST_S = 1.0
_GLANCES = 12


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a film's time.

    Attributes:
        start_s, end_s: the part, seconds.
        clips, lines: those that begin in it.
    """

    start_s: float
    end_s: float
    clips: Sequence[ClipScore]
    lines: Sequence[LibraryLine]


@dataclass(frozen=True, slots=True)
class Film:
    """What the page of a film shows.

    Attributes:
        sections: all parts, in order.
        here: place of the part that is shown at full detail.
        glances: a few moments of the whole; empty where the only part shows all there are.
        languages: BCP-47 tag -> lines, of all the film's lines; those with the most first.
        language: tag of the lines that are shown; empty if there are none.
    """

    sections: Sequence[Section]
    here: int
    glances: Sequence[ClipScore]
    languages: dict[str, int]
    language: str

    @property
    def section(self) -> Section:
        """The part that is shown."""
        return self.sections[self.here]


def film_of(
    duration_s: float,
    clips: Sequence[ClipScore],
    lines: Sequence[LibraryLine],
    *,
    at_s: float = 0.0,
    wanted: Sequence[str] = (),
) -> Film:
    """What the page shows of a film.

    Args:
        duration_s: length of the film, seconds.
        clips: all its clips, by time.
        lines: all its lines, by time.
        at_s: a time in the part to show, seconds.
        wanted: BCP-47 tags of languages for the lines, the most wanted first.
    """
    languages = dict(Counter(line.language for line in lines).most_common())
    language = next((tag for tag in (*wanted, *languages) if tag in languages), "")
    sections = sections_of(duration_s, clips, [line for line in lines if line.language == language])
    here = max(0, bisect.bisect_right([each.start_s for each in sections], at_s) - 1)
    return Film(sections, here, _glances(clips) if len(sections) > 1 else (), languages, language)


def sections_of(duration_s: float, clips: Sequence[ClipScore], lines: Sequence[LibraryLine]) -> list[Section]:
    """Parts of ten minutes, and of less where much happens; nothing is left out, nothing is there twice.

    Args:
        duration_s: length of the film, seconds.
        clips: its clips, by time.
        lines: its lines, by time; those that begin after the film's end are in its last part.
    """
    count = max(1, math.ceil(duration_s / _SECTION_S - _REST))
    edges = [*(_SECTION_S * place for place in range(count)), max(duration_s, 0.0)]
    clip_cuts, line_cuts = (_cuts(moments, edges) for moments in (clips, lines))
    return [
        section
        for place in range(count)
        for section in _halved(
            Section(
                edges[place],
                edges[place + 1],
                clips[clip_cuts[place] : clip_cuts[place + 1]],
                lines[line_cuts[place] : line_cuts[place + 1]],
            )
        )
    ]


def _halved(section: Section) -> Iterator[Section]:
    fits = len(section.clips) <= _MOST_CLIPS and len(section.lines) <= _MOST_LINES
    if fits or section.end_s - section.start_s < 2 * _LEAST_S:
        yield section
        return
    middle_s = (section.start_s + section.end_s) / 2
    edges = [section.start_s, middle_s, section.end_s]
    (_, clip, _), (_, line, _) = (_cuts(moments, edges) for moments in (section.clips, section.lines))
    yield from _halved(Section(edges[0], middle_s, section.clips[:clip], section.lines[:line]))
    yield from _halved(Section(middle_s, edges[2], section.clips[clip:], section.lines[line:]))


def _cuts(moments: Sequence[ClipScore] | Sequence[LibraryLine], edges: Sequence[float]) -> list[int]:
    """Where each part begins in ``moments``; the first part has all before it, the last all after it."""
    starts = [moment.start_s for moment in moments]
    return [0, *(bisect.bisect_left(starts, edge) for edge in edges[1:-1]), len(starts)]


def _glances(clips: Sequence[ClipScore]) -> list[ClipScore]:
    """From each twelfth the clip that matches best; without a query, where all are alike, its middle."""
    cuts = [place * len(clips) // _GLANCES for place in range(_GLANCES + 1)]
    twelfths = [clips[first:last] for first, last in itertools.pairwise(cuts) if last > first]
    found = []
    for own in twelfths:
        best = max(own, key=lambda clip: clip.visual)
        found.append(best if best.visual else own[len(own) // 2])
    return found
