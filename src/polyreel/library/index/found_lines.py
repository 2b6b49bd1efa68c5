"""What recognising a video comes to, wherever it is done: lines with their vectors, stretch by stretch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import MediaError
from polyreel.library.index.encoding import naming
from polyreel.recognition.protocol import START, LineRecogniser, Place, RecognisedLine
from polyreel.remote.spool import UnreachableError, reached_file

__all__ = [
    "FindLines",
    "LineEvent",
    "LineJob",
    "LinesEnded",
    "LinesFound",
    "NotRead",
    "find_lines",
    "primary",
]

# So much speech in languages of its subtitles, and the rest of a video is taken to be said by those, too.
_TOLD_S = 30.0


@dataclass(frozen=True, slots=True)
class LineJob:
    """A video whose lines are to be found.

    Attributes:
        video: hash of its content.
        path: its file.
        begin: where to begin.
        subtitled: primary languages of its subtitles, in which what is said is no news.
        subtitled_s, other_s: seconds of speech in those languages and in others that were heard before
            ``begin``, in this run.
    """

    video: str
    path: Path
    begin: Place = START
    subtitled: frozenset[str] = frozenset()
    subtitled_s: float = 0.0
    other_s: float = 0.0

    @property
    def is_told(self) -> bool:
        """Whether its subtitles say what is said in it, so that the rest can be left out."""
        return self.subtitled_s >= _TOLD_S and not self.other_s

    def after(self, lines: Sequence[RecognisedLine], until: Place) -> LineJob:
        """What is left of it behind a stretch with these lines."""
        subtitled_s, other_s = self.subtitled_s, self.other_s
        for line in lines:
            if primary(line.language) in self.subtitled:
                subtitled_s += line.end_s - line.start_s
            else:
                other_s += line.end_s - line.start_s
        return replace(self, begin=until, subtitled_s=subtitled_s, other_s=other_s)


@dataclass(frozen=True, slots=True)
class LinesFound:
    """Event: the next stretch of a video is recognised.

    Attributes:
        lines: that no subtitles say.
        vectors: of these, (lines, dim).
        rest: what is left of the video.
        remarks: what was not as it should be.
    """

    lines: tuple[RecognisedLine, ...]
    vectors: NDArray[np.float32]
    rest: LineJob
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinesEnded:
    """Event: the video is recognised to its end, or to where its subtitles say the rest."""


@dataclass(frozen=True, slots=True)
class NotRead:
    """Event: the video could not be recognised for reasons of its surroundings; what was found holds."""

    error: MediaError


LineEvent = LinesFound | LinesEnded | NotRead | MediaError
"""The last event of a video is not ``LinesFound``."""


class FindLines(Protocol):
    """What recognises videos, here or on other machines."""

    def __call__(self, jobs: Iterator[LineJob], *, count: int) -> Generator[tuple[LineJob, LineEvent]]:
        """Events of all ``jobs``, those of one job in order.

        Args:
            jobs: what to recognise, each taken when its turn comes.
            count: how many there are, at most.
        """


def find_lines(
    job: LineJob, recogniser: LineRecogniser, encoder: Encoder, languages: Sequence[str]
) -> Iterator[LineEvent]:
    """The lines of one video, from where it was left.

    Args:
        job: the video.
        recogniser: what hears or reads.
        encoder: what encodes the lines.
        languages: BCP-47 tags of languages that are likely.

    Raises:
        UsageError: the recogniser or the encoder cannot be used, or knows no such language.
        FetchError: weights cannot be had.
    """
    if job.is_told:
        yield LinesEnded()
        return
    rest = job
    try:
        with reached_file(job.path):  # held, so that what is fetched of a bucket is fetched once
            for stretch in recogniser.recognise(job.path, languages=languages, begin=job.begin):
                rest = rest.after(stretch.lines, stretch.until)
                new = tuple(line for line in stretch.lines if primary(line.language) not in job.subtitled)
                yield LinesFound(new, _encoded(encoder, job.path, new), rest, stretch.remarks)
                if rest.is_told:
                    break
    except UnreachableError as error:
        yield NotRead(error)
        return
    except MediaError as error:
        yield error
        return
    yield LinesEnded()


def _encoded(encoder: Encoder, path: Path, lines: Sequence[RecognisedLine]) -> NDArray[np.float32]:
    if not lines:
        return np.zeros((0, encoder.card.dim), np.float32)
    with naming(path, at="what is said or shown"):
        return encode_lines(encoder, [line.text for line in lines], [line.language for line in lines])


def primary(tag: str) -> str:
    """The language of a BCP-47 tag, without script and region."""
    return tag.partition("-")[0]
