"""The film that is cut: its packets from a key frame on, in order of decoding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from polyreel.errors import MediaError
from polyreel.media.cuts.plan import REORDERED
from polyreel.media.cuts.request import CutRequest
from polyreel.media.decode import clock_start_s, open_container, packets_of, video_stream

__all__ = ["BEYOND_S", "NoTimesError", "SourceFilm", "check_times", "nothing_there"]

# Containers in which seeking finds a key frame before an instant; the others are read from their start.
_SEEKABLE = frozenset({"matroska", "mov", "mp4", "webm"})
_SEEK_MARGINS_S = (0, 2, 15, 120)
BEYOND_S = 0.5  # a film may end this much before the end that is asked for
_DEFAULT_RATE = Fraction(25)


class NoTimesError(Exception):
    """The file does not say when each packet is shown."""


class SourceFilm:
    """The source, opened as often as it is read in parallel."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path, self._stack = path, stack
        self.container = self.open()
        self.stream = video_stream(self.container, path)
        assert self.stream.time_base is not None
        self.unit: Fraction = self.stream.time_base
        self.codec: str = self.stream.codec_context.codec.canonical_name
        self.zero_s = Fraction(clock_start_s(self.container)).limit_denominator(1_000_000)
        names = self.container.format.name.split(",")
        self.seekable = not _SEEKABLE.isdisjoint(names)
        self.is_mp4 = "mp4" in names
        self.has_times = "avi" not in names and "gif" not in names
        self.length_s = self._length_s()

    def _length_s(self) -> float:
        """Where pictures and sound end, as the file states it; subtitles may go on."""
        streams = [*self.container.streams.video, *self.container.streams.audio]
        stated = [(each.start_time or 0) + each.duration for each in streams if each.duration]
        units = [each.time_base or 0 for each in streams if each.duration]
        ends = [float(end * unit) for end, unit in zip(stated, units, strict=True)]
        return max(ends) if ends else (self.container.duration or 0) / av.time_base

    @property
    def rate(self) -> Fraction:
        """Frames a second, as far as the file knows."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return rate if rate and 1 <= rate <= 1000 else _DEFAULT_RATE

    def open(self, options: dict[str, str] | None = None) -> InputContainer:
        """The file once more, to be read apart from the others; closed with the film."""
        return self._stack.enter_context(open_container(self.path, options))

    def packets(self, from_stamp: int) -> tuple[VideoStream, Iterator[Packet[VideoStream]]]:
        """Packets in order of decoding from a key frame at or before a stamp, or else from the first one.

        The same call gives the same packets.
        """
        container = self.open()
        stream = container.streams[self.stream.index]
        assert isinstance(stream, VideoStream)
        for margin_s in _SEEK_MARGINS_S if self.seekable else ():
            to = from_stamp - round(margin_s / self.unit)
            if to <= (stream.start_time or 0):
                break
            container.seek(to, stream=stream)
            found = self._from_key(container, stream, from_stamp)
            if found is not None:
                return stream, found
        if self.seekable:
            container.seek(min(0, stream.start_time or 0), stream=stream)
        packets = _with_times(container, stream)
        return stream, itertools.dropwhile(lambda packet: not packet.is_keyframe, packets)

    def _from_key(
        self, container: InputContainer, stream: VideoStream, stamp: int
    ) -> Iterator[Packet[VideoStream]] | None:
        packets, later = _with_times(container, stream), 0
        for packet in packets:
            assert packet.pts is not None
            if packet.is_keyframe and packet.pts <= stamp:
                return itertools.chain([packet], packets)
            later = later + 1 if packet.pts > stamp else 0
            if later > REORDERED:
                break
        return None


def _with_times(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    for packet in packets_of(container, stream):  # those without dts are real ones
        if packet.pts is None:
            raise NoTimesError
        yield packet


def check_times(film: SourceFilm, request: CutRequest, pictures_end_s: float) -> None:
    """Refuse times that the film does not have.

    Args:
        film: the source.
        request: what is asked for.
        pictures_end_s: where its pictures end, as far as they were looked at.

    Raises:
        MediaError: it ends before.
    """
    end_s = max(film.length_s if film.seekable else 0.0, pictures_end_s)
    for what, at_s in (("start", request.start_s), ("end", request.end_s)):
        if at_s > end_s + (BEYOND_S if what == "end" else 0.0):
            raise MediaError(
                f"the {what} lies beyond the end of the film",
                item=film.path,
                value=f"{at_s:g} s of {end_s:.3f} s",
                remedy="Give times within it",
            )


def nothing_there(film: SourceFilm, request: CutRequest) -> MediaError:
    """The error for a cut without pictures."""
    return MediaError(
        "the film shows no picture there",
        item=film.path,
        value=f"{request.start_s:g} to {request.end_s:g} s",
        remedy="Its pictures may begin later, or end before; look at it in a player",
    )
