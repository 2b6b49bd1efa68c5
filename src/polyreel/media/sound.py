"""Sound of a media file as 16 kHz mono on the player's clock, in one sequential pass.

Decoders hand out samples one after another; where they lie is told by their time stamps alone. Sound that
begins after the pictures, or stops in the middle, would move everything behind it if samples were counted.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from numpy.typing import NDArray

from polyreel.errors import MediaError
from polyreel.languages import UNKNOWN, parse_tag
from polyreel.media.decode import clock_start_s, open_container, out_of_memory, packets_of

__all__ = ["SAMPLE_RATE", "AudioTrack", "Sound", "SoundEnd", "SoundReader"]

SAMPLE_RATE = 16_000
_PIECE_S = 10.0
# Stamps of sound are inexact: containers round them to a millisecond, and encoders add some samples.
_INEXACT_S = 0.1
# A hole as long as this is filled with silence; a longer one is left out, and what follows has its own time.
_FILLED_S = 2.0
# As in ``decode``: a step back beyond this is a clock that starts again; this far ahead and past the stated
# end, a stamp is a stray one.
_BACK_S, _AHEAD_S, _END_TOLERANCE_S = 0.5, 10.0, 1.5


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One sound track of a file.

    Attributes:
        number: its place among the file's sound tracks; 0 is the first.
        language: BCP-47 tag that the file states; "und" where it states none.
        is_default: whether a player that is not told otherwise plays it.
        duration_s: its stated length in seconds, else that of the file; None if neither is stated.
    """

    number: int
    language: str
    is_default: bool
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound; pieces come in order, and one that starts where the last one ended goes on from it.

    Attributes:
        start_s: seconds from the start of the video.
        samples: (samples,) int16, mono, ``SAMPLE_RATE`` a second.
    """

    start_s: float
    samples: NDArray[np.int16]

    @property
    def end_s(self) -> float:
        """Seconds from the start of the video to the end of the piece."""
        return self.start_s + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class SoundEnd:
    """The last event of a track: the file's tracks, and a sentence for each thing that was amiss."""

    tracks: tuple[AudioTrack, ...]
    remarks: tuple[str, ...]


class SoundReader:
    """Reads one sound track of a file from start to end, once.

    Args:
        path: a video, or a file of sound alone.

    Attributes:
        tracks: all sound tracks; empty if there is none.

    Raises:
        MediaError: the file is missing, unreadable, empty, or not a media file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container = open_container(path)
        self._zero_s = clock_start_s(self._container)
        self._bad_packets = self._jumps = 0
        self._remarks: list[str] = []
        streams = self._container.streams.audio
        default = _default_of(streams)
        self.tracks = tuple(
            AudioTrack(
                number=number,
                language=parse_tag(stream.language or "") or UNKNOWN,
                is_default=number == default,
                duration_s=_stated_length_s(stream, self._container),
            )
            for number, stream in enumerate(streams)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was not as it should be; complete once ``pieces`` is exhausted."""
        found = list(self._remarks)
        if self._jumps:
            found.append(f"the time stamps of the sound jump {self._jumps} times; times go on")
        if self._bad_packets:
            found.append(f"{self._bad_packets} damaged packets of sound were passed over")
        return tuple(found)

    def pieces(self, track: int) -> Iterator[Sound]:
        """The sound of a track, in pieces of about ten seconds.

        Raises:
            MediaError: there is no such track, or no decoder for it, or nothing in it decodes.
            LimitError: the decoder could not have the memory it asked for.
        """
        if not 0 <= track < len(self.tracks):
            raise MediaError(
                "the file has no such sound track",
                item=self._path,
                value=f"track {track + 1} of {len(self.tracks)}",
            )
        stream = self._container.streams.audio[track]
        if stream.codec_context is None:
            raise MediaError("no decoder for the codec of this sound", item=self._path)
        stated_s = self.tracks[track].duration_s
        line = _Timeline(stated_s)
        mixer = _Mixer()
        decoded = False
        for frame in self._frames(stream):
            try:
                samples = mixer.mono(frame)
            except (MemoryError, av.error.MemoryError) as error:
                raise out_of_memory(self._path) from error
            except (av.error.FFmpegError, ValueError) as error:
                self._bad_packets += 1
                self._remark(f"sound that cannot be mixed to one channel was passed over: {error}")
                continue
            decoded = True
            yield from line.add(samples, self._time_s(frame))
            self._jumps = line.jumps
        yield from line.finish(mixer.rest())
        if not decoded:
            raise MediaError(
                "nothing of the sound decodes",
                item=self._path,
                value=f"{stream.codec_context.name}, {self._bad_packets} damaged packets",
                remedy="Play the file elsewhere or convert it again from its source",
            )

    def _time_s(self, frame: AudioFrame) -> float | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return float(frame.pts * frame.time_base) - self._zero_s

    def _remark(self, text: str) -> None:
        if text not in self._remarks:
            self._remarks.append(text)

    def _frames(self, stream: AudioStream) -> Iterator[AudioFrame]:
        def note(error: av.error.FFmpegError) -> None:
            self._remark(f"the file cannot be read to its end: {error.strerror}")

        for packet in packets_of(self._container, stream, on_error=note):
            yield from self._decode(stream, packet)
        yield from self._decode(stream, None)

    def _decode(self, stream: AudioStream, packet: Packet[AudioStream] | None) -> list[AudioFrame]:
        try:
            return stream.codec_context.decode(packet)
        except (MemoryError, av.error.MemoryError) as error:
            raise out_of_memory(self._path) from error
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            if error.errno == errno.ENOMEM:
                raise out_of_memory(self._path) from error
            self._bad_packets += 1
            return []


class _Mixer:
    """Mixes frames to mono at ``SAMPLE_RATE``; the format of a track may change in its middle."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None

    def mono(self, frame: AudioFrame) -> NDArray[np.int16]:
        """What comes out for a frame, (samples,); a few milliseconds stay behind for the next one."""
        format_ = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = self.rest() if format_ != self._format else _NOTHING
        if self._resampler is None:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            self._format = format_
        pts, frame.pts = frame.pts, None  # its time is kept here, where holes are seen
        try:
            mixed = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        except (av.error.FFmpegError, ValueError):
            self._resampler = None
            raise
        finally:
            frame.pts = pts
        return np.concatenate([before, *mixed])

    def rest(self) -> NDArray[np.int16]:
        """What stayed behind, (samples,); the next frame starts anew."""
        if self._resampler is None:
            return _NOTHING
        last, self._resampler = self._resampler, None
        return np.concatenate([_NOTHING, *(part.to_ndarray().reshape(-1) for part in last.resample(None))])


_NOTHING: NDArray[np.int16] = np.empty(0, np.int16)


class _Timeline:
    """Lays samples on the clock: fills short holes, leaves long ones, and goes on where stamps start again.

    Args:
        stated_s: length that the file states, seconds.
    """

    def __init__(self, stated_s: float | None) -> None:
        self._stated_s = float("inf") if stated_s is None else stated_s
        self._parts: list[NDArray[np.int16]] = []
        self._count = 0
        self._start_s = 0.0
        self._is_begun = False
        self._shift_s = 0.0
        self.jumps = 0

    def add(self, samples: NDArray[np.int16], stamp_s: float | None) -> Iterator[Sound]:
        """Take the samples of the next frame and the time at which it starts; give out full pieces."""
        due_s = self._start_s + self._count / SAMPLE_RATE
        time_s = due_s if stamp_s is None else stamp_s + self._shift_s
        if not self._is_begun:
            if time_s < 0:  # sound before the clock starts is not played
                skipped = min(len(samples), round(-time_s * SAMPLE_RATE))
                samples, time_s = samples[skipped:], time_s + skipped / SAMPLE_RATE
                if not len(samples):
                    return
            self._is_begun, self._start_s = True, time_s
        else:
            ahead_s = time_s - due_s
            is_stray = ahead_s > _AHEAD_S and time_s > self._stated_s + _END_TOLERANCE_S
            if ahead_s < -_BACK_S or is_stray:
                self.jumps += 1
                self._shift_s -= ahead_s
            elif ahead_s > _FILLED_S:
                yield from self._give()
                self._start_s = time_s
            elif ahead_s > _INEXACT_S:
                self._take(np.zeros(round(ahead_s * SAMPLE_RATE), np.int16))
            elif ahead_s < -_INEXACT_S:  # recorders whose two clocks differ make more sound than time
                samples = samples[round(-ahead_s * SAMPLE_RATE) :]
        self._take(samples)
        if self._count >= _PIECE_S * SAMPLE_RATE:
            yield from self._give()

    def finish(self, rest: NDArray[np.int16]) -> Iterator[Sound]:
        """Take what is left, and give it out."""
        self._take(rest)
        yield from self._give()

    def _take(self, samples: NDArray[np.int16]) -> None:
        self._parts.append(samples)
        self._count += len(samples)

    def _give(self) -> Iterator[Sound]:
        if self._count:
            samples = np.concatenate(self._parts)
            yield Sound(self._start_s, samples)
            self._start_s += self._count / SAMPLE_RATE
        self._parts, self._count = [], 0


def _default_of(streams: tuple[AudioStream, ...]) -> int:
    flagged = [number for number, stream in enumerate(streams) if stream.disposition & Disposition.default]
    return flagged[0] if flagged else 0


def _stated_length_s(stream: AudioStream, container: InputContainer) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float((stream.duration + max(0, stream.start_time or 0)) * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base
