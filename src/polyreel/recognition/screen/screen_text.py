"""What is written in the pictures of a video, as lines with times."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from polyreel.languages import UNKNOWN
from polyreel.media.limited import DecodeWorker, Limits
from polyreel.media.looking import read_looks
from polyreel.media.looks import Look, LookEnd
from polyreel.progress import OnProgress
from polyreel.query_languages import detect_query
from polyreel.recognition.protocol import START, Place, RecognisedLine, Source, Stretch
from polyreel.recognition.screen.following import ShownLine, TextFollower
from polyreel.recognition.screen.reader import PictureReader, ReadText
from polyreel.recognition.screen.rows import TextRow, rows_of
from polyreel.recognition.screen.weights import MODEL, find_model

__all__ = ["ScreenText"]

# Whoever changes what comes out for the same pictures counts this up: files are read anew.
_REVISION = 1
# Whatever is to be read stands for two seconds and more; looking twice as often costs twice as much.
_LOOKS_A_SECOND = 0.5
_LONGEST_PX = 1_280
_STRETCH_S = 60.0
# A letter or digit alone is mostly a shape.
_LEAST_CHARS = 2
_LEAST_LETTERS = 3


class ScreenText:
    """Reads the text in the pictures of video files.

    Args:
        threads: processor threads; 0 for one each core.
        limits: what decoding the pictures of one file may take.
        download: called with what arrives of the weights.
    """

    source: Source = "screen"
    cost: float | None = 0.15

    def __init__(
        self, *, threads: int = 0, limits: Limits | None = None, download: OnProgress | None = None
    ) -> None:
        self._threads, self._limits, self._download = threads, limits, download

    @property
    def engine(self) -> str:
        """Name of the model, and of how it is used."""
        return f"{MODEL}/{_REVISION}"

    def recognise(
        self, media: Path, *, languages: Sequence[str] = (), begin: Place = START
    ) -> Iterator[Stretch]:
        """What is written in ``media``.

        Args: those of ``LineRecogniser``, as are the errors, and ``FetchError`` where there are no weights.
        """
        follower = TextFollower()
        before: list[ReadText] = []
        told_s = begin.time_s
        with DecodeWorker(self._limits) as worker:
            for event in read_looks(
                worker, media, fps=_LOOKS_A_SECOND, longest_px=_LONGEST_PX, from_s=begin.time_s
            ):
                if isinstance(event, LookEnd):
                    lines = follower.finish(event.time_s)
                    until = Place(0, max(event.time_s, told_s))
                    yield Stretch(_recognised(lines, languages), until, event.remarks)
                    return
                before = self._look(event, before, follower)
                safe_s = follower.safe_s(event.time_s)
                if safe_s - told_s >= _STRETCH_S:
                    told_s = safe_s
                    yield Stretch(_recognised(follower.lines(safe_s), languages), Place(0, safe_s))

    def _look(self, look: Look, before: list[ReadText], follower: TextFollower) -> list[ReadText]:
        if look.image is None:
            return before
        found = self._reader.read(look.image, before)
        boxes = [
            TextRow(each.text, each.confidence, each.box.bounds) for each in found if _is_text(each.text)
        ]
        follower.add(look.time_s, rows_of(boxes))
        return found

    @functools.cached_property
    def _reader(self) -> PictureReader:
        return PictureReader(find_model(download=self._download), threads=self._threads)


def _is_text(text: str) -> bool:
    return sum(char.isalnum() for char in text) >= _LEAST_CHARS


def _recognised(lines: Sequence[ShownLine], likely: Sequence[str]) -> tuple[RecognisedLine, ...]:
    return tuple(
        RecognisedLine(
            text=line.text,
            start_s=line.start_s,
            end_s=line.end_s,
            language=_language(line.text, likely),
            source=ScreenText.source,
            confidence=line.confidence,
        )
        for line in lines
    )


def _language(text: str, likely: Sequence[str]) -> str:
    if sum(char.isalpha() for char in text) < _LEAST_LETTERS:
        return UNKNOWN
    return detect_query(text, likely=likely).language
