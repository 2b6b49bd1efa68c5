"""Pictures of a cut that are encoded anew, as near to the film's as eyes can tell."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Any

from av.codec.codec import Codec
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.frame import VideoFrame

from polyreel.media.cuts.film import SourceFilm
from polyreel.media.cuts.parameter_sets import ParameterSets, with_lengths

__all__ = ["ENCODERS", "THREADS", "PictureEncoder", "encoded_as", "pixels_for"]

ENCODERS = {
    "av1": "libsvtav1",
    "dvvideo": "dvvideo",
    "ffv1": "ffv1",
    "h264": "libx264",
    "hevc": "libx265",
    "mjpeg": "mjpeg",
    "mpeg1video": "mpeg1video",
    "mpeg2video": "mpeg2video",
    "mpeg4": "mpeg4",
    "prores": "prores_ks",
    "rawvideo": "rawvideo",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
}
# Near what eyes can tell from the source. No picture waits for a later one: they come out as they went in.
_OPTIONS = {
    "libsvtav1": {"preset": "8", "crf": "24", "svtav1-params": "pred-struct=1:lp=2"},
    "libvpx": {"crf": "4", "b": "50M", "qmin": "0", "deadline": "good", "cpu-used": "3", "auto-alt-ref": "0"},
    "libvpx-vp9": {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "auto-alt-ref": "0"},
    "libx264": {"crf": "17", "preset": "fast", "bf": "0", "rc-lookahead": "10"},
    "libx265": {"crf": "18", "preset": "fast", "x265-params": "log-level=none:bframes=0:rc-lookahead=10"},
    "mjpeg": {"qmin": "2", "qmax": "3"},
    "mpeg1video": {"qmin": "2", "qmax": "3", "bf": "0"},
    "mpeg2video": {"qmin": "2", "qmax": "3", "bf": "0"},
    "mpeg4": {"qmin": "2", "qmax": "3", "bf": "0"},
}
_FALLBACK = "h264"
THREADS = max(1, min(4, os.cpu_count() or 1))
_PIXELS_OF_PRORES = "yuv422p10le"


def encoded_as(codec: str) -> str:
    """What becomes of a film's codec: itself, if there is an encoder for it."""
    return codec if codec in ENCODERS else _FALLBACK


class PictureEncoder:
    """An encoder of the film's kind of pictures.

    Args:
        film: the source.
        codec: of what is made.
        interlaced: whether the film's pictures are.
        beside: parameter sets of the pictures that its own will lie beside.
        context: of FFmpeg, where there is one.
    """

    def __init__(
        self,
        film: SourceFilm,
        codec: str,
        *,
        interlaced: bool,
        beside: ParameterSets | None = None,
        context: Any = None,
    ) -> None:
        source: Any = film.stream.codec_context
        name = ENCODERS[codec]
        made: Any = context or CodecContext.create(name, "w")
        made.width, made.height = source.width, source.height
        made.pix_fmt = self._pixels = pixels_for(name, source.pix_fmt)
        made.framerate, made.time_base = film.rate, 1 / film.rate
        for fact in ("color_range", "color_primaries", "color_trc", "colorspace", "sample_aspect_ratio"):
            if value := getattr(source, fact, None):
                setattr(made, fact, value)
        made.thread_count = THREADS
        made.flags |= Flags.global_header
        options = dict(_OPTIONS.get(name, {}))
        if name == "libx264" and beside is not None:
            options["x264-params"] = f"sps-id={beside.free_number}"
        made.options = options
        if interlaced:
            made.flags |= Flags.interlaced_dct
        made.open()
        self._context, self._beside, self._codec = made, beside, codec
        self.is_fresh = True

    @property
    def extradata(self) -> bytes:
        """What decoders begin with."""
        return bytes(self._context.extradata or b"")

    def encode(self, frames: Iterator[tuple[VideoFrame, int]]) -> Iterator[tuple[Packet[Any], int]]:
        """Packets, each with the stamp that came with its frame."""
        self.is_fresh = False
        stamps: deque[int] = deque()
        made = self._context
        for number, (frame, stamp) in enumerate(frames):
            stamps.append(stamp)
            if (frame.format.name, frame.width, frame.height) != (self._pixels, made.width, made.height):
                frame = frame.reformat(made.width, made.height, format=self._pixels, threads=1)
            frame.pts, frame.time_base = number, made.time_base
            frame.pict_type = 0  # what it was is not what it has to become
            for packet in made.encode(frame):
                yield self._framed(packet), stamps.popleft()
        for packet in made.encode(None):
            yield self._framed(packet), stamps.popleft()

    def _framed(self, packet: Packet[Any]) -> Packet[Any]:
        if self._beside is None or self._codec != "h264":
            return packet
        made: Packet[Any] = Packet(with_lengths(bytes(packet), self._beside.length_bytes or 4))
        made.is_keyframe = packet.is_keyframe
        return made


def pixels_for(encoder: str, wanted: str | None) -> str:
    """How the encoder stores colours: as the film does, if it can."""
    known = [each.name for each in Codec(encoder, "w").video_formats or []]
    if wanted in known or not known:
        return wanted or "yuv420p"
    return _PIXELS_OF_PRORES if encoder == "prores_ks" else known[0]
