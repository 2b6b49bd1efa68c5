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

    def frame_of(self, key: Packet[VideoStream], like: VideoFrame) -> VideoFrame | None:
        """The picture of a key frame, as it is stored; None if it cannot be had from this packet alone.

        Args:
            key: its packet.
            like: a picture of the stream, which says what colours are meant: often the container alone tells.
        """
        try:
            codec = self._opened()
            frames = [*codec.decode(key), *codec.decode(None)]
            codec.flush_buffers()
        except (MemoryError, av.error.FFmpegError):
            self._codec = None
            return None
        if len(frames) != 1 or frames[0].is_corrupt:
            return None
        frame = frames[0]
        frame.colorspace, frame.color_range = like.colorspace, like.color_range
        frame.color_primaries, frame.color_trc = like.color_primaries, like.color_trc
        return frame

    def _opened(self) -> VideoCodecContext:
        if self._codec is None:
            codec = CodecContext.create(self._like.codec, "r")
            assert isinstance(codec, VideoCodecContext)
            codec.extradata, codec.thread_count = self._like.extradata, 1
            self._codec = codec
        return self._codec
