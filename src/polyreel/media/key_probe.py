"""Looks at a key frame ahead of its turn, by a decoder of its own."""

from __future__ import annotations

import av.error
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

__all__ = ["KeyProbe"]


class KeyProbe:
    """Decodes single key frames of a stream, and leaves the decoder that reads the stream as it is.

    Args:
        codec: the decoder that reads the stream.
    """

    def __init__(self, codec: VideoCodecContext) -> None:
        self._like = codec
        self._codec: VideoCodecContext | None = None

    def frame_of(self, key: Packet[VideoStream]) -> VideoFrame | None:
        """The picture of a key frame; None if it cannot be had from this packet alone."""
        try:
            codec = self._opened()
            frames = [*codec.decode(key), *codec.decode(None)]
            codec.flush_buffers()
        except (MemoryError, av.error.FFmpegError):
            self._codec = None
            return None
        return frames[0] if len(frames) == 1 and not frames[0].is_corrupt else None

    def _opened(self) -> VideoCodecContext:
        if self._codec is None:
            codec = CodecContext.create(self._like.codec, "r")
            assert isinstance(codec, VideoCodecContext)
            codec.extradata, codec.thread_count = self._like.extradata, 1
            self._codec = codec
        return self._codec
