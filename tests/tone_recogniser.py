"""A genuine recogniser that takes milliseconds: tones are what it hears, and colour words what it writes.

It decodes the sound of files as the one for speech does, though in this process, and gives stretches, so that
everything around it runs as it does with a model of a hundred megabytes. ``SPOKEN`` says which tone is which
word; ``tiny_bundle`` knows the words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from polyreel.errors import UsageError
from polyreel.media.cuts.files import facts_of
from polyreel.media.limited import DecodeWorker
from polyreel.media.sound import SAMPLE_RATE, Sound, SoundReader
from polyreel.recognition.protocol import START, Place, RecognisedLine, Stretch
from polyreel.remote.spool import local_file
from sounds import Tone, heard_tones

SPOKEN = {300.0: ("red", "en"), 500.0: ("kijani", "sw"), 700.0: ("blau", "de"), 900.0: ("dog runs", "en")}


def says(word: str, start_s: float, end_s: float) -> Tone:
    """The tone that stands for a word."""
    return Tone(start_s, end_s, next(hz for hz, (spoken, _) in SPOKEN.items() if spoken == word))


class ToneRecogniser:
    """Hears the tones of all sound tracks; a stretch is a piece of about ten seconds.

    Args:
        engine: name of the engine.
        before: called before each stretch is handed out.
    """

    source = "speech"
    cost = 0.001

    def __init__(self, engine: str = "tones/1", before: Callable[[Place], None] | None = None) -> None:
        self.engine, self._before = engine, before
        self.asked: list[tuple[str, tuple[str, ...], Place]] = []

    def recognise(
        self, media: Path, *, languages: Sequence[str] = (), begin: Place = START
    ) -> Iterator[Stretch]:
        """See ``LineRecogniser``; it knows the languages of ``SPOKEN``."""
        if strange := set(languages) - {language for _, language in SPOKEN.values()}:
            raise UsageError("the tones do not know a language", value=", ".join(sorted(strange)))
        self.asked.append((media.name, tuple(languages), begin))
        with SoundReader(media) as reader:
            tracks = len(reader.tracks)
        for track in range(begin.track, tracks):
            from_s = begin.time_s if track == begin.track else 0.0
            with SoundReader(media) as reader:
                for piece in reader.pieces(track):
                    if piece.start_s >= from_s - 0.01:
                        yield self._stretch(piece, track)

    def _stretch(self, piece: Sound, track: int) -> Stretch:
        until = Place(track, piece.end_s)
        lines = [
            RecognisedLine(word, tone.start_s, tone.end_s, language, "speech", 0.9)
            for tone in heard_tones(piece.samples, SAMPLE_RATE, start_s=piece.start_s)
            for hz, (word, language) in SPOKEN.items()
            if abs(tone.hz - hz) < 20
        ]
        if self._before is not None:
            self._before(until)
        return Stretch(tuple(lines), until)


class PoisonedTones(ToneRecogniser):
    """Ends its process, as a crash of native code does, behind the first stretch of one file.

    Args:
        poisoned: its name.
    """

    def __init__(self, poisoned: str) -> None:
        super().__init__(before=self._end)
        self._poisoned = poisoned

    def _end(self, until: Place) -> None:
        name, _, begin = self.asked[-1]
        if name == self._poisoned and (until.time_s > 11 or begin > START):
            os._exit(3)


class FetchedTones(ToneRecogniser):
    """Of films in buckets; has a worker look at the file first, as recognisers do that are no test's."""

    def recognise(self, media: Path, **options: Any) -> Iterator[Stretch]:
        with DecodeWorker() as worker, local_file(media) as file:
            assert facts_of(worker, media).channels
            yield from super().recognise(file, **options)
