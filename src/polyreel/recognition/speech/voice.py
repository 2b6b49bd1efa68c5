"""Where somebody speaks, and windows of speech for a model that always looks at half a minute."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyreel.media.sound import SAMPLE_RATE, Sound

__all__ = ["WINDOW_S", "Block", "SpeechWindow", "Utterance", "blocks", "join_spans", "speech_spans"]

WINDOW_S = 30.0
# As much sound is looked at in one go, and as much work a kill may cost.
_BLOCK_S = 120.0
# Speech that lasts until a block ends is looked at again with what follows.
_OPEN_S = 0.5
# Of utterances; what is longer is cut at its longest pause. It leaves room for the margins in a window.
_LONGEST_S = 28.0
_SHORTEST_S = 0.25
_PAUSE_S = 0.5
_MARGIN_S = 0.2
_FULL_SCALE = 32_768.0


@dataclass(frozen=True, slots=True)
class Block:
    """Sound without a hole.

    Attributes:
        start_s: seconds from the start of the video.
        samples: (samples,) float32, -1 to 1, ``SAMPLE_RATE`` a second.
        goes_on: whether the next block continues it.
    """

    start_s: float
    samples: NDArray[np.float32]
    goes_on: bool

    @property
    def end_s(self) -> float:
        """Seconds from the start of the video to its end."""
        return self.start_s + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Utterance:
    """An utterance: samples from ``start`` to ``end`` of a block."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class SpeechWindow:
    """Utterances one after another, without the pauses between them, as long as a model can take at once.

    Attributes:
        block: where they are from.
        spans: they.
    """

    block: Block
    spans: tuple[Utterance, ...]

    @property
    def samples(self) -> NDArray[np.float32]:
        """Its sound, (samples,)."""
        return np.concatenate([self.block.samples[span.start : span.end] for span in self.spans])

    @property
    def seconds(self) -> float:
        """How long it is."""
        return sum(span.seconds for span in self.spans)

    def utterance_at(self, time_s: float) -> int:
        """Number of the utterance that is heard at ``time_s`` of the window."""
        ends = np.cumsum([span.seconds for span in self.spans])
        return min(bisect.bisect_right(list(ends), time_s), len(self.spans) - 1)

    def video_time_s(self, time_s: float, span: int) -> float:
        """When in the video ``time_s`` of the window is, taken to lie in one of its utterances.

        Args:
            time_s: seconds from the start of the window.
            span: number of the utterance, which the answer does not leave.
        """
        before_s = sum(each.seconds for each in self.spans[:span])
        inside_s = min(max(0.0, time_s - before_s), self.spans[span].seconds)
        return self.block.start_s + self.spans[span].start / SAMPLE_RATE + inside_s


def blocks(pieces: Iterable[Sound]) -> Iterator[tuple[Block, tuple[Utterance, ...]]]:
    """Blocks of at most about two minutes with their utterances, of which none goes across two blocks."""
    parts: list[NDArray[np.float32]] = []
    start_s = end_s = 0.0
    for piece in pieces:
        if parts and abs(piece.start_s - end_s) > 1 / SAMPLE_RATE:
            yield _closed(start_s, parts)
            parts = []
        if not parts:
            start_s = piece.start_s
        parts.append(piece.samples.astype(np.float32) / _FULL_SCALE)
        end_s = piece.end_s
        if end_s - start_s >= _BLOCK_S:
            block, spans, rest = _cut(start_s, parts)
            if len(block.samples):
                yield block, spans
            start_s, parts = block.end_s, [rest]
    if parts:
        yield _closed(start_s, parts)


def _closed(start_s: float, parts: Sequence[NDArray[np.float32]]) -> tuple[Block, tuple[Utterance, ...]]:
    samples = np.concatenate(parts)
    return Block(start_s, samples, goes_on=False), tuple(speech_spans(samples))


def _cut(
    start_s: float, parts: Sequence[NDArray[np.float32]]
) -> tuple[Block, tuple[Utterance, ...], NDArray[np.float32]]:
    """A block up to its last utterance, if that is not over, and what is left for the next one."""
    samples = np.concatenate(parts)
    spans = speech_spans(samples)
    end = len(samples)
    if spans and spans[-1].end > end - _OPEN_S * SAMPLE_RATE:
        end = spans.pop().start
    return Block(start_s, samples[:end], goes_on=True), tuple(spans), samples[end:]


def speech_spans(samples: NDArray[np.float32]) -> list[Utterance]:
    """Utterances in sound, by Silero's detector, which faster-whisper brings.

    Args:
        samples: (samples,) -1 to 1, ``SAMPLE_RATE`` a second.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_speech_duration_ms=round(_SHORTEST_S * 1000),
        max_speech_duration_s=_LONGEST_S,
        min_silence_duration_ms=round(_PAUSE_S * 1000),
        speech_pad_ms=round(_MARGIN_S * 1000),
    )
    return [Utterance(found["start"], found["end"]) for found in get_speech_timestamps(samples, options)]


def join_spans(block: Block, spans: Iterable[Utterance]) -> list[SpeechWindow]:
    """Windows that are as full as they can be: each costs the model the same, however little is in it."""
    windows: list[SpeechWindow] = []
    held: list[Utterance] = []
    for span in spans:
        if held and sum(each.seconds for each in held) + span.seconds > WINDOW_S:
            windows.append(SpeechWindow(block, tuple(held)))
            held = []
        held.append(span)
    if held:
        windows.append(SpeechWindow(block, tuple(held)))
    return windows
