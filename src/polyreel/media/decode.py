"""Video file -> upright frames with true times, in one sequential pass.

Decoding is sequential because seeking is inexact on several containers (docs/architecture.md), and each
packet is decoded on its own so that a damaged one costs its own frames only.
"""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import av
import av.error
import av.logging
import numpy as np
from av.audio.stream import AudioStream
from av.codec.codec import Codec
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from polyreel.errors import DecodeError, LimitError, MediaError
from polyreel.files import open_regular
from polyreel.media.appearance import (
    UPRIGHT,
    Orientation,
    has_opacity,
    is_hdr,
    on_white,
    orientation_of,
    pixel_aspect,
    tone_mapped,
)
from polyreel.media.closed_captions import ClosedCaptions, carries_captions
from polyreel.media.health import Health
from polyreel.media.key_pictures import key_test_of
from polyreel.media.key_probe import KeyProbe
from polyreel.media.last_image import LastImage
from polyreel.media.likeness import Likeness
from polyreel.media.sampling import PacketSelector, Sampling, SelectedPacket, next_due_s
from polyreel.media.scaling import STRETCH, Scaling

__all__ = [
    "DeviceFailed",
    "Frame",
    "Picture",
    "VideoReader",
    "clock_start_s",
    "is_sound_alone",
    "open_container",
    "out_of_memory",
    "packets_of",
    "shown_for_s",
    "video_stream",
]

# Sampling a few frames a second from a faster video may skip frames that no other frame refers to: their
# times stay true and a third of the work is saved.
_SKIPPABLE_RATE_FPS = 10.0
_SKIPPABLE_AFTER = 16  # frames in a row that came at such a rate
# A frame may lie this far past the end that its container states before the difference is worth a remark.
_DURATION_TOLERANCE_S = 1.5
_TIME_EPSILON_S = 1e-6
_PRIMING_S = 0.1
# Sound that begins this long before the pictures has time stamps of its own.
_LONGEST_LEAD_S = 3_600.0
# Time stamps that begin later than this, in seconds, say the time of day and not that of the video.
_LATEST_START_S = 86_400.0
_FORMATS_OF_BROWSERS = frozenset({"matroska", "mov", "mp4", "webm"})
# A step back by more than reordered frames make is a clock that starts again; one this far ahead may be a
# stray time stamp.
_BACK_S = 0.5
_AHEAD_S = 10.0
# More frames than fit into the time that they cover, by this factor, are worth a remark.
_CROWDED = 3.0
# Of files that are streams without a container, and so without times, as their names say.
_BARE_SUFFIXES = frozenset([".264", ".265", ".h264", ".h265", ".hevc", ".m1v", ".m2v", ".mjpeg", ".mjpg"])
# AVI makes times of a rate; one above this is a damaged number.
_FASTEST_FPS = 1_000.0
# Frames of animated pictures that ask for this or less are shown as long as those that ask for nothing
# (Firefox and Chromium alike).
_SHORTEST_DELAY_S, _DEFAULT_DELAY_S = 0.01, 0.1
_HEAD_BYTES = 1_024
# Formats that FFmpeg reads by opening other files.
_PLAYLIST = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:ffconcat version|#EXTM3U|\[playlist\]"
    rb"|(?:<\?xml[^>]*>\s*)?<(?:MPD|SmoothStreamingMedia|ASX)\b)",
    re.IGNORECASE,
)
# FFmpeg's own drop the second layer of pictures in which these codecs keep opacity.
_DECODERS_WITH_OPACITY = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_CODECS_WITH_CAPTIONS = frozenset({"h264", "hevc", "mpeg2video"})
# They count pictures by a few low bits: across a gap the order of showing comes out wrong.
_CODECS_THAT_COUNT = frozenset({"h264", "hevc"})
_LOOKED_AT_PX = (224, 224)
_STILL_CODECS = frozenset({"bmp", "gif", "mjpeg", "png", "tiff", "webp"})


class DeviceFailed(Exception):  # noqa: N818  nothing is wrong with the file, so far
    """A device did not decode a packet; the CPU may."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video.

    Attributes:
        time_s: seconds from the start of the video.
        image: (height, width, 3) uint8 RGB, upright.
    """

    time_s: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame that has not been converted yet.

    Attributes:
        time_s: seconds from the start of the video.
    """

    time_s: float
    _frame: VideoFrame
    _orientation: Orientation = UPRIGHT
    _pixel_aspect: Fraction = Fraction(1)
    _last: LastImage | None = None

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height in pixels of the upright picture with square pixels."""
        width, height = round(self._frame.width * self._pixel_aspect), self._frame.height
        return (height, width) if self._orientation.transposed else (width, height)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but scaling brings it to how it is shown."""
        return self._orientation == UPRIGHT and not self.is_hdr and not has_opacity(self._frame)

    @property
    def is_hdr(self) -> bool:
        """Whether its light is brought down to that of other pictures, which takes long."""
        return is_hdr(self._frame)

    def image(self, size: tuple[int, int] | None = None, scaling: Scaling = STRETCH) -> NDArray[np.uint8]:
        """The upright picture, (height, width, 3) uint8 RGB, scaled to ``size`` (width, height) if given."""
        wanted = size or self.display_size
        width, height = scaling.scaled_size(self.display_size, wanted)
        if self._orientation.transposed:
            width, height = height, width
        asked = (width, height, wanted, scaling, self._orientation)
        if self._last is not None and (same := self._last.of(self._frame, *asked)) is not None:
            return same
        frame = on_white(self._frame) if has_opacity(self._frame) else self._frame
        hdr = is_hdr(frame)
        # One thread: starting more for each frame costs ten times what scaling it does.
        scaled = frame.reformat(
            width,
            height,
            format="rgb48le" if hdr else "rgb24",
            interpolation=scaling.interpolation,
            threads=1,
        ).to_ndarray()
        upright = self._orientation.apply(tone_mapped(scaled, frame) if hdr else scaled)
        image = _middle(upright, wanted)
        if self._last is not None:
            self._last.keep(self._frame, image, *asked)
        return image


def _middle(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """What lies in the middle of a picture that is at least of ``size`` (width, height)."""
    (height, width), (wanted_width, wanted_height) = picture.shape[:2], size
    if (width, height) == size:
        return picture
    top, left = (height - wanted_height) // 2, (width - wanted_width) // 2
    return np.ascontiguousarray(picture[top : top + wanted_height, left : left + wanted_width])


class VideoReader:
    """Reads one video file from start to end, once.

    Args:
        path: the file.
        threads: decoding threads; 0 lets the decoder choose.
        hwaccel: device that decodes; its pictures come to ordinary memory. What it does not decode raises
            ``DeviceFailed`` where a CPU passes over a damaged packet.

    Attributes:
        closed_captions: those that came with the pictures; complete once ``pictures`` is exhausted.

    Raises:
        MediaError: the file is missing, unreadable, empty, no video, or of a codec that cannot be decoded.
    """

    def __init__(self, path: Path, *, threads: int = 1, hwaccel: HWAccel | None = None) -> None:
        self._path, self._is_on_device = path, hwaccel is not None
        self._container = open_container(path, hwaccel=hwaccel)
        try:
            self._stream = video_stream(self._container, path)
        except MediaError:
            self._container.close()
            raise
        codec = self._codec = _decoder_of(self._stream)
        codec.thread_count = threads
        codec.thread_type = "AUTO" if threads != 1 else "NONE"
        self._rotation_deg = 0
        self._size = (self._stream.width, self._stream.height)
        self._decoded = self._sampled = self._damaged = self._bad_packets = 0
        self._last_s = self._repeated_until_s = 0.0
        self._jumps = 0
        self._last_image = LastImage()
        self._shown: VideoFrame | None = None  # of the picture that was sampled last
        self._key_probe = KeyProbe(codec)
        # The clock of players: other than the first picture's where sound begins before it.
        self._zero_s = clock_start_s(self._container)
        self._unit_s = float(self._stream.time_base or 0)
        self._is_avi = self._container.format.name == "avi"
        self._gif_end_s = 0.0 if self._container.format.name == "gif" else None
        self._remarks: list[str] = []
        self._has_times = False
        self._skipped: Literal["DEFAULT", "NONREF"] = "DEFAULT"
        self._sampling: Sampling = "exact"
        self._selector: PacketSelector | None = None
        self._reading_failed: str | None = None
        # Of these FFmpeg hands out what accompanies the pictures.
        self._may_have_captions = codec.name in _CODECS_WITH_CAPTIONS
        self.closed_captions = ClosedCaptions()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def codec(self) -> Codec:
        """What decodes it."""
        return self._codec.codec

    @property
    def kind(self) -> tuple[str, str | None, str | None, int, int]:
        """What a decoder has to know beforehand: codec, profile, format of pixels, width and height."""
        codec = self._codec
        return codec.name, codec.profile, codec.pix_fmt, codec.width, codec.height

    @property
    def duration_asked_s(self) -> float | None:
        """Length of the video in seconds as its container states it."""
        unit = self._stream.time_base
        if self._stream.duration is not None and unit is not None:
            lead_s = float((self._stream.start_time or 0) * unit) - self._zero_s
            return float(self._stream.duration * unit) + max(0.0, lead_s)
        if self._container.duration is not None:
            end_s = self._container.duration / av.time_base
            # Matroska states the time of its end, which is its length only if it starts at 0.
            return end_s - max(0.0, self._zero_s) if "matroska" in self._container.format.name else end_s
        return None

    @property
    def jumps(self) -> int:
        """How often time stamps jumped so far; times went on from the frame before."""
        return self._jumps

    @property
    def health(self) -> Health:
        """What has come out so far; complete once ``pictures`` is exhausted."""
        remarks = list(self._remarks)
        asked = self.duration_asked_s
        last_s = self._last_s if self._selector is None else max(self._last_s, self._selector.passed_s)
        got = max(last_s + self._frame_length_s, self._repeated_until_s)
        if asked is not None and asked - got > max(_DURATION_TOLERANCE_S, 0.02 * asked):
            remarks.append(f"the pictures end at {got:.1f} s of the {asked:.1f} s that the file states")
        if self._jumps:
            remarks.append(f"the time stamps jump {self._jumps} times; times go on from the frame before")
        decoded_s = self._decoded * self._frame_length_s
        if decoded_s > _CROWDED * got + _DURATION_TOLERANCE_S:
            remarks.append(f"{self._decoded} frames, {decoded_s:.1f} s by their rate, cover {got:.1f} s only")
        bare = self._path.suffix.lower() in _BARE_SUFFIXES
        if self._decoded > 1 and not self._has_times and not bare:
            rate = 1 / self._frame_length_s if self._frame_length_s else 0.0
            remarks.append(f"the file states no times: its frames are counted, {rate:g} a second")
        elif self._is_avi and 0 < self._frame_length_s < 1 / _FASTEST_FPS:
            remarks.append(f"the file states {1 / self._frame_length_s:,.0f} frames a second")
        if self._bad_packets:
            remarks.append(f"{self._bad_packets} damaged packets were passed over")
        if self._damaged:
            remarks.append(f"{self._damaged} of {self._decoded} frames are damaged in parts")
        return Health(
            codec=self._codec.name,
            width_px=self._size[0],
            height_px=self._size[1],
            rotation_deg=self._rotation_deg,
            duration_asked_s=asked,
            duration_got_s=got,
            frames_decoded=self._decoded,
            frames_sampled=self._sampled,
            bad_packets=self._bad_packets,
            damaged_frames=self._damaged,
            closed_captions=self.closed_captions.are_there,
            sound_tracks=len(self._container.streams.audio),
            sampling=self._sampling,
            remarks=tuple(remarks),
        )

    @property
    def _frame_length_s(self) -> float:
        rate = self._stream.average_rate
        return 1.0 / float(rate) if rate else 0.0

    def pictures(self, fps: float = 1.0, sampling: Sampling = "exact") -> Iterator[Picture]:
        """Pictures at, or near, each multiple of ``1 / fps`` seconds: see ``Sampling``.

        A video with fewer frames than that gives each of its frames once. A file that is damaged, or whose
        time stamps jump, is sampled exactly from there on.

        Args:
            fps: pictures for each second of video.
            sampling: how far from its time a picture may lie, so that less has to be decoded.

        Raises:
            DecodeError: no frame comes out of the file.
            LimitError: the decoder could not have the memory it asked for.
        """
        self._sampling, self._selector = sampling, self._selector_for(fps, sampling)
        rate = self._stream.average_rate
        fast = rate is not None and float(rate) >= max(_SKIPPABLE_RATE_FPS, 4 * fps) and not self._is_avi
        dense = 0
        due_s = 0.0
        for time_s, frame in self._timed_frames():
            if self._may_have_captions:
                self.closed_captions.take(frame, time_s)
            # The rate is only what the file states: a screen recording may show one picture for minutes.
            # Frames without time stamps are counted, so none of those may be skipped.
            is_near = frame.pts is not None and time_s - self._last_s < 2 / _SKIPPABLE_RATE_FPS
            self._last_s = max(self._last_s, time_s)
            if (selector := self._selecting()) is not None:
                is_due = selector.takes(time_s)
            else:
                dense = dense + 1 if is_near else 0
                skips = fast and dense > _SKIPPABLE_AFTER and not self.closed_captions.are_there
                self._skip("NONREF" if skips else "DEFAULT")
                is_due = time_s >= due_s - _TIME_EPSILON_S
            if not is_due:
                continue
            due_s = next_due_s(time_s, fps)
            self._sampled += 1
            self._shown = frame
            picture = self._picture(time_s, frame)
            self._rotation_deg, self._size = -frame.rotation % 360, picture.display_size
            yield picture
        if not self._decoded:
            raise DecodeError(
                "nothing in the video stream decodes",
                item=self._path,
                value=f"{self._codec.name}, {self._bad_packets} damaged packets",
                remedy="Play the file elsewhere or convert it again from its source",
            )

    def _picture(self, time_s: float, frame: VideoFrame) -> Picture:
        orientation = orientation_of(frame, self._stream.codec_context.name)
        return Picture(time_s, frame, orientation, pixel_aspect(self._stream), self._last_image)

    def _selector_for(self, fps: float, sampling: Sampling) -> PacketSelector | None:
        is_key = None if sampling == "exact" else key_test_of(self._stream)
        # Without such times, or where frames are counted, every frame is needed to tell those of the others.
        has_clock = self._stream.start_time is not None and self._unit_s > 0
        if is_key is None or not has_clock or self._is_avi or self._gif_end_s is not None:
            return None
        return PacketSelector(
            fps,
            unit_s=self._unit_s,
            zero_s=self._zero_s,
            is_key=is_key,
            key_frames_alone=sampling == "fast",
            shows_nothing_new=None if self._is_on_device else self._shows_nothing_new,
            pixels=self._stream.width * self._stream.height,
        )

    def _shows_nothing_new(self, key: Packet[VideoStream]) -> bool:
        """Whether a key frame shows what the picture shows that was sampled last."""
        last = self._shown
        if last is None or (frame := self._key_probe.frame_of(key, last)) is None:
            return False
        next_one, last_one = (Likeness.of(Picture(0.0, each).image(_LOOKED_AT_PX)) for each in (frame, last))
        return not next_one.differs_from(last_one)

    def _selecting(self) -> PacketSelector | None:
        """What chooses pictures ahead of decoding; None once that could lose any."""
        # What is damaged may hide what was chosen.
        is_odd = self.closed_captions.are_there or self._jumps or self._bad_packets or self._damaged
        if self._selector is not None and is_odd:
            self._selector.is_off = True
        return None if self._selector is None or self._selector.is_off else self._selector

    def timed_frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """All frames as the decoder gives them, with their times in seconds; errors as in ``pictures``."""
        yield from self._timed_frames()

    def _timed_frames(self) -> Iterator[tuple[float, VideoFrame]]:
        """Frames with their times on the player's clock. Where time stamps jump, time goes on."""
        shift_s = -self._zero_s
        # A GIF states what it asks for, not how long it is shown.
        stated_s = math.inf if self._gif_end_s is not None else self.duration_asked_s or math.inf
        last_s: float | None = None
        held: tuple[float, VideoFrame] | None = None  # far ahead of the frame before; the next one tells
        first_stamp_s = None
        for frame in self._all_frames():
            self._decoded += frame is not self._shown
            self._damaged += frame.is_corrupt
            stamp_s = self._stamp_s(frame)
            if stamp_s is None:
                ahead = 1 if held is None else 2
                time_s = (self._decoded - 1) * self._frame_length_s
                time_s = time_s if last_s is None else last_s + ahead * self._frame_length_s
            else:
                self._has_times = True
                if first_stamp_s is None:
                    first_stamp_s = stamp_s
                    if self._stream.start_time is None or self._is_avi:
                        shift_s = -stamp_s
                time_s = stamp_s + shift_s
            if held is not None and last_s is not None:
                is_stray = time_s < held[0] - _BACK_S
                if is_stray or held[0] > stated_s + _DURATION_TOLERANCE_S:
                    self._jumps += 1
                    step_s = last_s + self._frame_length_s - held[0]
                    held = held[0] + step_s, held[1]
                    if not is_stray:
                        shift_s, time_s = shift_s + step_s, time_s + step_s
                last_s = held[0]
                yield held
                held = None
            if last_s is not None and time_s < last_s - max(_BACK_S, 4 * self._frame_length_s):
                self._jumps += 1
                step_s = last_s + self._frame_length_s - time_s
                shift_s, time_s = shift_s + step_s, time_s + step_s
            elif last_s is not None and time_s > last_s + _AHEAD_S:
                held = time_s, frame
                continue
            last_s = time_s
            # Frames that lie before the start belong to an edit list and are not shown.
            yield max(0.0, time_s), frame
        if held is not None and last_s is not None:
            is_stray = held[0] > stated_s + _DURATION_TOLERANCE_S
            self._jumps += is_stray
            yield (last_s + self._frame_length_s if is_stray else held[0]), held[1]

    def _stamp_s(self, frame: VideoFrame) -> float | None:
        # AVI knows the order of decoding alone. What FFmpeg makes of it for showing is wrong behind dropped
        # frames; the time of the packet that brought the frame out is right but for a constant.
        if self._gif_end_s is not None:
            began_s = self._gif_end_s
            self._gif_end_s += shown_for_s(frame.duration * self._unit_s)
            return began_s
        stamp = frame.dts if frame.pts is None or self._is_avi else frame.pts
        return None if stamp is None else stamp * self._unit_s

    def _all_frames(self) -> Iterator[VideoFrame]:
        packets = self._packets()
        selector = self._selector
        for each in map(SelectedPacket, packets) if selector is None else selector.select(packets):
            if each.packet.size == 0:  # the frame before is shown on; a decoder would take it for the end
                self._note_repeat(each.packet)
                continue
            if each.is_repeat:
                yield from self._shown_again(each.packet)
                continue
            if each.is_after_cut and self._codec.name in _CODECS_THAT_COUNT:
                yield from self._decode(None)
                self._codec.flush_buffers()
            if self._selecting() is not None:
                self._skip("DEFAULT" if each.is_kept else "NONREF")
            yield from self._decode(each.packet)
        yield from self._decode(None)
        if self._reading_failed is not None:
            self._remarks.append(
                f"the file cannot be read on after {self._last_s:.1f} s: {self._reading_failed}"
            )

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self._container.demux(self._stream):
                if self._selector is not None and self._may_have_captions and carries_captions(packet):
                    self._selector.is_off = True  # they come with all pictures
                yield packet
        except av.error.FFmpegError as error:
            self._reading_failed = error.strerror

    def _note_repeat(self, packet: Packet[VideoStream]) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and not self._jumps:
            end_s = stamp * self._unit_s - self._zero_s + self._frame_length_s
            self._repeated_until_s = max(self._repeated_until_s, end_s)

    def _shown_again(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
        """The picture that was sampled last, at the time of a packet that need not be decoded."""
        yield from self._decode(None)  # what the decoder holds back comes before it
        self._codec.flush_buffers()
        if self._shown is not None:
            self._shown.pts, self._shown.dts = packet.pts, packet.dts
            yield self._shown

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._codec.decode(packet)
        except av.error.EOFError:
            return []
        except (MemoryError, av.error.FFmpegError) as error:
            if self._is_on_device:
                raise DeviceFailed(str(getattr(error, "strerror", None) or error)) from error
            if getattr(error, "errno", errno.ENOMEM) == errno.ENOMEM or self._memory_is_short():
                raise out_of_memory(self._path) from error
            self._bad_packets += 1
            return []

    def _skip(self, frames: Literal["DEFAULT", "NONREF"]) -> None:
        if frames != self._skipped:
            self._codec.skip_frame = self._skipped = frames

    def _memory_is_short(self) -> bool:
        # The H.264 decoder calls a frame that it finds no memory for "invalid data".
        stream = self._stream
        try:
            _two = [VideoFrame(stream.width, stream.height, stream.pix_fmt or "yuv420p") for _ in range(2)]
        except MemoryError:
            return True
        return False


def clock_start_s(container: InputContainer) -> float:
    """Time stamp in seconds at which a player's clock reads zero.

    That is 0 in the containers that browsers play (Chromium 140 shows the time stamps of MP4, MOV, Matroska
    and WebM as they are), and where the first picture or sound begins in the others. A difference as small as
    the priming of a sound codec or the reordering of frames is none.
    """
    stream = _main_stream(container)
    first_picture_s = None if stream is None else _start_s(stream)
    is_for_browsers = not _FORMATS_OF_BROWSERS.isdisjoint(container.format.name.split(","))
    if is_for_browsers and _PRIMING_S < (first_picture_s or 0.0) < _LATEST_START_S:
        return 0.0
    sounds = [start_s for sound in container.streams.audio if (start_s := _start_s(sound)) is not None]
    if first_picture_s is None:
        return min(sounds, default=0.0)
    lead_s = first_picture_s - min(sounds, default=first_picture_s)
    return first_picture_s - (lead_s if _PRIMING_S < lead_s < _LONGEST_LEAD_S else 0.0)


def _start_s(stream: VideoStream | AudioStream) -> float | None:
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)


def shown_for_s(delay_s: float) -> float:
    """How long browsers show a frame of an animated picture that asks for ``delay_s`` seconds."""
    return delay_s if delay_s > _SHORTEST_DELAY_S else _DEFAULT_DELAY_S


def open_container(
    path: Path, options: dict[str, str] | None = None, *, hwaccel: HWAccel | None = None
) -> InputContainer:
    """A media file, opened by FFmpeg but for formats that name other files.

    Args:
        path: the file.
        options: those of FFmpeg's demuxer.
        hwaccel: device that decodes, which has to be there.

    Raises:
        MediaError: it is missing, unreadable, empty, or not a video.
        LimitError: there is no memory for it.
    """
    log: list[tuple[int, str, str]] = []
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise MediaError(
            "no such file", item=path, remedy="Check the path: was it moved, or is its drive not mounted?"
        ) from error
    except PermissionError as error:
        raise MediaError(
            "no permission to read the file", item=path, remedy="Change its permissions"
        ) from error
    except OSError as error:
        raise _not_a_video(path, error.strerror) from error
    if not head:
        raise MediaError("the file is empty", item=path, value="0 bytes", remedy="Copy it again")
    if _PLAYLIST.match(head):
        raise MediaError(
            "the file is a playlist, which names other files",
            item=path,
            remedy="Index the files that it names",
        )
    try:
        with _logged_errors() as log:
            # The "file:" prefix keeps a name such as "http:x" or "concat:x" from being read as a protocol.
            return av.open(f"file:{path}", options=options or {}, metadata_errors="replace", hwaccel=hwaccel)
    except (MemoryError, av.error.MemoryError) as error:
        raise out_of_memory(path) from error
    except (av.error.FFmpegError, OSError) as error:
        detail = next((text.strip() for _, _, text in reversed(log) if text.strip()), str(error.strerror))
        raise _not_a_video(path, detail) from error


def packets_of(
    container: InputContainer,
    *streams: Stream,
    on_error: Callable[[av.error.FFmpegError], None] = lambda _: None,
) -> Iterator[Packet[Any]]:
    """Packets that hold something, in the order of the file, up to where it cannot be read on.

    Args:
        container: the file.
        streams: whose packets.
        on_error: told why it cannot be read on.
    """
    try:
        for packet in container.demux(*streams):
            if packet.size:  # those without anything stand for a repeat, or for the end of their stream
                yield packet
    except av.error.FFmpegError as error:
        on_error(error)


def _not_a_video(path: Path, detail: str | None) -> MediaError:
    return MediaError(
        "the file is not a video that can be opened",
        item=path,
        value=detail,
        remedy="It may be damaged, cut short or not a video at all; play it elsewhere to see",
    )


@contextmanager
def _logged_errors() -> Iterator[list[tuple[int, str, str]]]:
    """Collects FFmpeg's own words on an error, which PyAV drops by default."""
    level, skip_repeated = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skip_repeated)


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream of a container that is the film.

    Raises:
        MediaError: there is none, or no decoder for it.
    """
    stream = _main_stream(container)
    if stream is None:
        kinds = sorted(
            {"a cover picture" if s.type == "video" else s.type for s in container.streams} or {"nothing"}
        )
        raise MediaError("the file has no video stream", item=path, value=f"it holds {', '.join(kinds)}")
    if stream.codec_context is None:
        raise MediaError("no decoder for this video's codec", item=path)
    return stream


def is_sound_alone(path: Path) -> bool:
    """Whether a file has sound, and no pictures but perhaps a cover.

    Raises:
        MediaError: the file is missing, unreadable, empty, or not a media file.
    """
    with open_container(path) as container:
        return bool(container.streams.audio) and _main_stream(container) is None


def _main_stream(container: InputContainer) -> VideoStream | None:
    """The largest stream of moving pictures; a cover is none, whether or not it says so."""
    flag = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & flag]
    if container.streams.audio:
        streams = [stream for stream in streams if not _is_cover(stream)]
    return max(streams, default=None, key=_preference)


def _decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The decoder of a stream; for VP8 and VP9 with opacity the one that decodes that, too."""
    codec = stream.codec_context
    facts = {name.lower(): value for name, value in stream.metadata.items()}
    if codec.name in _DECODERS_WITH_OPACITY and facts.get("alpha_mode") == "1":
        with_opacity = CodecContext.create(_DECODERS_WITH_OPACITY[codec.name], "r")
        assert isinstance(with_opacity, VideoCodecContext)
        return with_opacity
    return codec


def _is_cover(stream: VideoStream) -> bool:
    return (
        stream.frames == 1 and stream.codec_context is not None and stream.codec_context.name in _STILL_CODECS
    )


def _preference(stream: VideoStream) -> tuple[bool, bool, int, int]:
    codec = stream.codec_context
    is_still = stream.frames == 1 or (codec is not None and codec.name in _STILL_CODECS - {"gif", "mjpeg"})
    return (
        codec is not None,
        not is_still,
        stream.width * stream.height if codec is not None else 0,
        -stream.index,
    )


def out_of_memory(path: Path) -> LimitError:
    """What is raised where a decoder could not have the memory it asked for."""
    return LimitError(
        "decoding needs more memory than one file may take",
        item=path,
        remedy="Raise --memory-limit or convert the file to a smaller size",
    )
