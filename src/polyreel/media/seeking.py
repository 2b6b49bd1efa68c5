"""A video read from any second of it, from the picture before that decodes alone.

Indexing never seeks, because that is inexact in several containers. Playing has to: nobody waits for an hour
of film to be decoded. Here it is checked where a seek led, and done again from further back if that was too
late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from polyreel.media.appearance import orientation_of, pixel_aspect
from polyreel.media.decode import Picture, clock_start_s, open_container, packets_of, video_stream

__all__ = ["ReadingPlace", "SeekableVideo"]

_NEAR_S = 0.01
# How far before the wanted second a seek is tried, one after the other.
_BACK_S = (0.0, 3.0, 12.0, 40.0)
_MOST_PACKETS = 20_000


@dataclass(frozen=True, slots=True)
class ReadingPlace:
    """Where to begin to read.

    Attributes:
        key_s: time of a picture that decodes alone, seconds on the clock of players.
        seek_s: what to seek to before reading on to that picture; None is the beginning of the file.
    """

    key_s: float = 0.0
    seek_s: float | None = None


class SeekableVideo:
    """A video file that is read from any second.

    Args:
        path: the file.
        threads: decoding threads.

    Attributes:
        path: the file.
        stream, sound: the pictures, and what is heard with them if anything is.
        rate: pictures a second, as the file states it; 25 where it states none.

    Raises:
        MediaError: the file is missing, unreadable, not a video, or of a codec that cannot be decoded.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path, self._threads = path, threads
        self._open()

    def _open(self) -> None:
        self.container = open_container(self.path)
        try:
            self.stream: VideoStream = video_stream(self.container, self.path)
        except BaseException:
            self.container.close()
            raise
        self.stream.codec_context.thread_count = self._threads
        self.stream.codec_context.thread_type = "AUTO" if self._threads != 1 else "NONE"
        self.sound: AudioStream | None = _sound_of(self.container.streams.audio)
        self.rate = float(self.stream.average_rate or 25)
        self._zero_s = clock_start_s(self.container)
        self.is_avi = self.container.format.name == "avi"
        self._was_read = False
        self._begin(ReadingPlace())

    def _begin(self, place: ReadingPlace) -> None:
        self._key_s = place.key_s
        self._last_s: float | None = None
        self._first_dts: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.container.close()

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as the container states it."""
        return None if self.container.duration is None else self.container.duration / av.time_base

    def time_s(self, stamped: Packet[Any] | VideoFrame | AudioFrame) -> float | None:
        """When it is shown or heard, seconds on the clock of players; None if it has no time stamp."""
        # AVI knows the order of decoding alone; what FFmpeg makes of it for showing may be wrong.
        own = stamped.dts if self.is_avi or stamped.pts is None else stamped.pts
        if own is None or stamped.time_base is None:
            return None
        return float(own * stamped.time_base) - self._zero_s

    def stamp_at(self, time_s: float) -> int:
        """The time stamp of the pictures for a second on the clock of players."""
        return round((time_s + self._zero_s) / float(self.stream.time_base or 1))

    def key_before(self, time_s: float) -> ReadingPlace:
        """The last picture at or before ``time_s`` that decodes alone; the beginning where none is found."""
        if time_s <= _NEAR_S:
            return ReadingPlace()
        for back_s in _BACK_S:
            seek_s = time_s - back_s if time_s > back_s else None
            if not self._go_to(seek_s):
                break
            key_s = None
            for _, packet in zip(range(_MOST_PACKETS), self._demux(self.stream), strict=False):
                at_s = self.time_s(packet)
                if at_s is None:
                    continue
                if packet.is_keyframe and at_s <= time_s + _NEAR_S:
                    key_s = at_s
                if at_s > time_s + _NEAR_S:
                    break
            if key_s is not None:
                return ReadingPlace(max(0.0, key_s), seek_s)
            if seek_s is None:
                break
        return ReadingPlace()

    def packets(self, place: ReadingPlace, *, with_sound: bool = False) -> Iterator[Packet[Any]]:
        """Packets of the pictures from ``place`` on, and of the sound between them.

        Args:
            place: where to begin.
            with_sound: whether those of the sound are wanted.
        """
        if not self._go_to(place.seek_s):
            place = ReadingPlace()
            self._go_to(None)
        self._begin(place)
        wanted = [self.stream, self.sound] if with_sound and self.sound is not None else [self.stream]
        has_begun = place == ReadingPlace()
        for packet in self._demux(*wanted):
            if packet.stream.index == self.stream.index and not has_begun:
                at_s = self.time_s(packet)
                has_begun = packet.is_keyframe and at_s is not None and at_s > place.key_s - _NEAR_S
                if not has_begun:
                    continue
            yield packet

    def pictures(self, packet: Packet[Any] | None) -> Iterator[tuple[float, VideoFrame]]:
        """Frames that a packet of the pictures brings, with their times; None brings the last ones.

        A damaged packet brings none.
        """
        try:
            frames = self.stream.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            return
        for frame in frames:
            if self.is_avi and frame.dts is not None and frame.time_base is not None:
                # The packet that brought the frame out is later than that of the frame, always by as much.
                first_dts = frame.dts if self._first_dts is None else self._first_dts
                at_s = self._key_s + float((frame.dts - first_dts) * frame.time_base)
                self._first_dts = first_dts
            else:
                stamped_s = self.time_s(frame)
                counted_s = self._key_s if self._last_s is None else self._last_s + 1 / self.rate
                at_s = counted_s if stamped_s is None else stamped_s
            self._last_s = at_s
            yield at_s, frame

    def picture(self, time_s: float, frame: VideoFrame) -> Picture:
        """A frame of the pictures as it is meant to be shown."""
        turned = orientation_of(frame, self.stream.codec_context.name)
        return Picture(time_s, frame, turned, pixel_aspect(self.stream))

    def _go_to(self, seek_s: float | None) -> bool:
        """Read on from about there, or from the beginning; whether the file lets itself be sought in."""
        if seek_s is None:
            if self._was_read:
                self.container.close()
                self._open()
            return True
        self._was_read = True
        try:
            self.container.seek(round((seek_s + self._zero_s) * av.time_base))
        except (av.error.FFmpegError, OSError, OverflowError):
            return False
        return True

    def _demux(self, *streams: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
        self._was_read = True
        return packets_of(self.container, *streams)


def _sound_of(streams: tuple[AudioStream, ...]) -> AudioStream | None:
    """The sound that players take: the one that the file says is its own, or the first that decodes."""
    decodable = [stream for stream in streams if stream.codec_context is not None and stream.rate]
    default = av.stream.Disposition.default
    return next((stream for stream in decodable if stream.disposition & default), next(iter(decodable), None))
