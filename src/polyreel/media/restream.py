"""A video from a second on, written as browsers play it while it is sent."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from polyreel.errors import DecodeError
from polyreel.media.decode import Picture
from polyreel.media.playable import MP4, WEBM, how_to_copy
from polyreel.media.seeking import ReadingPlace, SeekableVideo

__all__ = ["restream"]

_MAX_HEIGHT_PX = 480
# HDR costs several times as much for each pixel, and has to come as fast as it is watched.
_MAX_HDR_HEIGHT_PX = 288
_DECODING_THREADS = 2
_MAX_FPS = 32.0
_SOUND_RATE = 48_000
_MILLISECOND = Fraction(1, 1_000)
_CODEC_OPTIONS = {"deadline": "realtime", "cpu-used": "12", "crf": "12", "error-resilient": "0"}
_BITRATE = 1_200_000
_KEY_EVERY_S = 4
_SOUND_CODECS = {MP4: "aac", WEBM: "libopus"}
# Pieces are written as soon as they can be played: half a second each.
_OPTIONS = {
    MP4: {"movflags": "frag_keyframe+delay_moov+default_base_moof", "frag_duration": "500000"},
    WEBM: {"cluster_time_limit": "500"},
}

Write = Callable[[bytes, float], None]


class _Pipe:
    """What FFmpeg writes to: it passes everything on, with the second up to which pictures have come."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.time_s = 0.0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._write(piece, self.time_s)
        return len(piece)


def restream(path: Path, start_s: float, end_s: float, write: Write) -> None:
    """Write a video from ``start_s`` on, as fragmented MP4 or as WebM.

    Pictures are copied if browsers know their codec; else they are coded as VP8, at most 480 lines and 32 a
    second of them. Sound becomes AAC or Opus. The first picture has the time 0.

    Args:
        path: the file.
        start_s: what is to be seen first, seconds. Copied pictures may begin before it (``how_to_copy``).
        end_s: where to end, seconds; infinity is the end of the file.
        write: takes each piece, and the second of the video up to which pictures have come.

    Raises:
        DecodeError: no picture comes out of the file from there on.
        MediaError: the file cannot be read as video.
    """
    with SeekableVideo(path, threads=_DECODING_THREADS) as film:
        playback, place = how_to_copy(film, start_s)
        pipe = _Pipe(write)
        options = {**_OPTIONS[playback.kind], "flush_packets": "1"}
        with av.open(pipe, "w", format=playback.kind.removeprefix("video/"), options=options) as out:
            # A WebM that cannot be gone back in has its length from here.
            last_s = min(end_s, film.duration_s or math.inf)
            if math.isfinite(last_s):
                out.metadata["DURATION"] = _clock(max(0.0, last_s - playback.begins_s))
            writer = _Copying if playback.way == "copy" else _Encoding
            writer(film, out, pipe, playback.begins_s).run(place, end_s)


class _Writing(ABC):
    """Pictures and sound of one video on their way into one container.

    Args:
        film: where they come from.
        out: where they go.
        pipe: what has to know the time.
        begins_s: second of the film that becomes 0.
    """

    def __init__(self, film: SeekableVideo, out: OutputContainer, pipe: _Pipe, begins_s: float) -> None:
        self.film, self.out, self.pipe, self.begins_s = film, out, pipe, begins_s
        self.has_pictures = False
        self._sound: AudioStream | None = None

    def run(self, place: ReadingPlace, end_s: float) -> None:
        """Write everything up to ``end_s``."""
        for packet in self.film.packets(place, with_sound=True):
            if packet.stream.index != self.film.stream.index:
                self._hear(packet)
            elif not self.see(packet, end_s):
                break
        self.finish(end_s)
        if not self.has_pictures:
            raise DecodeError(
                "nothing in the video stream decodes",
                item=self.film.path,
                value=f"from {self.begins_s:.1f} s on",
                remedy="Play the file elsewhere or convert it again from its source",
            )
        if self._sound is not None:
            self.out.mux(self._sound.encode(None))

    @abstractmethod
    def see(self, packet: Packet[Any], end_s: float) -> bool:
        """Write a packet's pictures; whether there may be more before ``end_s``."""

    @abstractmethod
    def finish(self, end_s: float) -> None:
        """Write the pictures that are still held back."""

    def add_sound(self) -> None:
        """Add a stream for the sound, if the film has any."""
        if self.film.sound is not None:
            kind = WEBM if self.out.format.name == "webm" else MP4
            added = self.out.add_stream(_SOUND_CODECS[kind], rate=_SOUND_RATE)
            assert isinstance(added, AudioStream)
            added.codec_context.layout = "stereo"
            self._sound = added

    def _hear(self, packet: Packet[Any]) -> None:
        if self._sound is None or self.film.sound is None:
            return
        try:
            frames = self.film.sound.codec_context.decode(packet)
        except MemoryError:
            raise
        except av.error.FFmpegError:  # a damaged packet is silent
            return
        for frame in frames:
            at_s = self.film.time_s(frame)
            if at_s is None or at_s < self.begins_s or not frame.sample_rate:
                continue
            frame.time_base = Fraction(1, frame.sample_rate)
            frame.pts = round((at_s - self.begins_s) * frame.sample_rate)
            self.out.mux(self._sound.encode(frame))


class _Copying(_Writing):
    """Packets of the pictures go over as they are."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._stream: VideoStream = self.out.add_stream_from_template(self.film.stream)
        self.add_sound()
        self._origin = self.film.stamp_at(self.begins_s)
        self._last_dts: int | None = None

    def see(self, packet: Packet[Any], end_s: float) -> bool:
        """Write it."""
        at_s = self.film.time_s(packet)
        if packet.pts is None or at_s is None:
            return True
        if at_s > end_s:
            return False
        dts = packet.dts
        if dts is None:  # Matroska leaves the first ones to be counted
            first = packet.pts - round(2 / self.film.rate / float(packet.time_base or 1))
            dts = first if self._last_dts is None else self._last_dts + 1
        if self._last_dts is None or dts > self._last_dts:
            self._last_dts = dts
            packet.dts, packet.pts = dts - self._origin, packet.pts - self._origin
            packet.stream = self._stream
            self.pipe.time_s = max(self.pipe.time_s, at_s)
            self.has_pictures = True
            self.out.mux(packet)
        return True

    def finish(self, end_s: float) -> None:
        """Nothing is held back."""


class _Encoding(_Writing):
    """Pictures are decoded, made upright and small enough, and coded anew."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._stream: VideoStream | None = None
        # Of 50 or 60 pictures a second every second one is sent. A lower rate may be that of the mean.
        self._rate = max(self.film.rate, _MAX_FPS)
        self._every_s = math.ceil(self._rate / _MAX_FPS) / self._rate
        self._due_s, self._last_pts = self.begins_s, -1

    def see(self, packet: Packet[Any] | None, end_s: float) -> bool:
        """Write what it brings."""
        for at_s, frame in self.film.pictures(packet):
            self.pipe.time_s = at_s
            if at_s > end_s:
                return False
            if at_s < self._due_s - 0.5 / self._rate:
                self.pipe.write(b"")  # it tells that decoding goes on
                continue
            self._due_s = max(self._due_s + self._every_s, at_s)
            self._encode(max(0.0, at_s - self.begins_s), frame)
        return True

    def finish(self, end_s: float) -> None:
        """Write the last pictures."""
        self.see(None, end_s)
        if self._stream is not None:
            self.out.mux(self._stream.encode(None))

    def _encode(self, time_s: float, frame: VideoFrame) -> None:
        picture = self.film.picture(time_s, frame)
        if self._stream is None:
            self._stream = self._add_stream(*_size_to_send(picture))
            self.add_sound()
        width, height = self._stream.width, self._stream.height
        if not picture.is_plain:
            shown = VideoFrame.from_ndarray(picture.image((width, height)))
            shown = shown.reformat(format="yuv420p", threads=1)
        else:  # the same without a way over RGB
            shown = frame.reformat(width, height, format="yuv420p", threads=1)
        pts = max(round(time_s / _MILLISECOND), self._last_pts + 1)
        self._last_pts, self.has_pictures = pts, True
        shown.pts, shown.time_base = pts, _MILLISECOND
        self.out.mux(self._stream.encode(shown))

    def _add_stream(self, width: int, height: int) -> VideoStream:
        rate = Fraction(1 / self._every_s).limit_denominator(1_001)
        stream: VideoStream = self.out.add_stream("libvpx", rate=rate, options=_CODEC_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = _BITRATE
        codec = stream.codec_context
        codec.time_base, codec.gop_size = _MILLISECOND, round(_KEY_EVERY_S * rate)
        codec.thread_count = 1  # two of them wait for each other by spinning, which costs more than it brings
        return stream


def _size_to_send(picture: Picture) -> tuple[int, int]:
    """Even width and height of the same shape, not higher than is sent."""
    width, height = picture.display_size
    scale = min(1.0, (_MAX_HDR_HEIGHT_PX if picture.is_hdr else _MAX_HEIGHT_PX) / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{rest:012.9f}"
