"""Closed captions (EIA-608) that travel with the pictures of television, two bytes a frame.

FFmpeg decodes such pairs where it knows their
times, as in files of the Scenarist format; so one is written in memory.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from polyreel.media.side_data import side_data_of

__all__ = ["ClosedCaptions", "CodedCaption", "carries_captions"]

# Of A/53: a byte that says validity (4) and kind (0 is the first field, with the main language), and a pair.
_VALID_FIRST_FIELD, _VALID_AND_KIND = 0x04, 0x07
_NULL = b"\x00\x00"
_PARITY = 0x7F
_CLEAR = 0x942C
# Thirty hours without a pause; what a crafted file may cost.
_MAX_PAIRS = 3_000_000
_FRAME_MS = 33  # of FFmpeg's reader of Scenarist files


# What names them in H.264, HEVC and MPEG-2 alike stands in front of the picture.
_NAME, _HEAD_BYTES = b"GA94", 2_048


def carries_captions(packet: Packet[VideoStream]) -> bool:
    """Whether a packet looks as if captions come with its picture, without decoding it."""
    return packet.size > 0 and _NAME in bytes(memoryview(packet)[:_HEAD_BYTES])


@dataclass(frozen=True, slots=True)
class CodedCaption:
    """One caption: the text field of an event of ASS, and its times in seconds."""

    text: str
    start_s: float
    end_s: float


class ClosedCaptions:
    """Collects the pairs of the frames of one video."""

    def __init__(self) -> None:
        self._times_s, self._pairs = array("d"), array("H")
        self.are_there = False

    def take(self, frame: VideoFrame, time_s: float) -> None:
        """Take what a frame brings; frames come in the order in which they are shown."""
        found = side_data_of(frame).get(Type.A53_CC)
        if found is None or len(self._pairs) > _MAX_PAIRS:
            return
        self.are_there = True
        data = bytes(found)
        for at in range(0, len(data) - 2, 3):
            pair = data[at + 1 : at + 3]
            if data[at] & _VALID_AND_KIND == _VALID_FIRST_FIELD and bytes(b & _PARITY for b in pair) != _NULL:
                self._times_s.append(time_s)
                self._pairs.append(int.from_bytes(pair))

    def decode(self, end_s: float) -> Iterator[CodedCaption]:
        """The captions; what is still shown at the end goes then.

        Args:
            end_s: end of the video, seconds.

        Raises:
            av.error.FFmpegError: they cannot be decoded.
        """
        if not self._pairs:
            return
        with av.open(io.BytesIO(self._as_scenarist(end_s)), "r", format="scc") as container:
            decoder: Any = container.streams[0].codec_context
            for packet in container.demux():
                shown = decoder.decode2(packet)
                # The packet that ends a caption brings it out.
                if shown:
                    start_s = shown.pts / av.time_base
                    ended_s = start_s + shown.end_display_time / 1000
                    for event in shown:
                        text = event.ass.decode("utf-8", "replace").split(",", 8)[-1]
                        yield CodedCaption(text, start_s, ended_s)

    def _as_scenarist(self, end_s: float) -> bytes:
        lines = ["Scenarist_SCC V1.0"]
        lines += [
            _scenarist_line(time_s, pair) for time_s, pair in zip(self._times_s, self._pairs, strict=True)
        ]
        lines.append(_scenarist_line(max(end_s, self._times_s[-1]), _CLEAR))
        return "\n\n".join(lines).encode()


def _scenarist_line(time_s: float, pair: int) -> str:
    seconds, rest_s = divmod(time_s, 1)
    minutes, second = divmod(int(seconds), 60)
    frame = min(int(rest_s * 1000 / _FRAME_MS), 29)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}:{frame:02d}\t{pair:04x}"
