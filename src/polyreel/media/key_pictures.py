"""Whether decoding can begin at a packet that its container calls a key frame.

H.264 files with periodic intra refresh call pictures so that are predicted from the ones before: decoding
that begins there shows grey for a second. What the slices of the packet say is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from av.packet import Packet
from av.video.stream import VideoStream

__all__ = ["KeyTest", "key_test_of"]

KeyTest = Callable[["Packet[VideoStream]"], bool]
"""Whether decoding can begin at a packet."""

# Pictures of these codecs that are called key frames refer to no other picture. (Those of open groups, which
# are shown before one, may.) Of a codec that is not known, nothing is left out.
_TRUSTED = frozenset(
    {"av1", "dnxhd", "dvvideo", "ffv1", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "prores", "rawvideo"}
    | {"theora", "vp8", "vp9"}
)
_H264_IDR, _H264_SLICES = 5, frozenset({1, 2, 5})
_H264_INTRA = frozenset({2, 4})  # slice types I and SI, modulo 5
_HEVC_SLICES, _HEVC_INTRA = range(32), range(16, 24)
_SLICE_HEAD_BYTES = 12


def key_test_of(stream: VideoStream) -> KeyTest | None:
    """The test for the packets of a stream; None if its codec is not known."""
    codec = stream.codec_context
    extradata = codec.extradata or b""
    if codec.name == "h264":
        size = (extradata[4] & 3) + 1 if len(extradata) > 4 and extradata[0] == 1 else 0
        return lambda packet: _is_h264_intra(bytes(packet), size)
    if codec.name == "hevc":
        size = (extradata[21] & 3) + 1 if len(extradata) > 21 and extradata[0] == 1 else 0
        return lambda packet: _is_hevc_intra(bytes(packet), size)
    # The decoder's name is not the codec's: libdav1d decodes av1.
    return (lambda _packet: True) if codec.codec.canonical_name in _TRUSTED else None


def _is_h264_intra(data: bytes, length_size: int) -> bool:
    found = False
    for start, end in _units(data, length_size):
        kind = data[start] & 31
        if kind not in _H264_SLICES:
            continue
        bits = _Bits(data[start + 1 : min(end, start + _SLICE_HEAD_BYTES)])
        bits.exp_golomb()  # first_mb_in_slice
        if kind != _H264_IDR and bits.exp_golomb() % 5 not in _H264_INTRA:
            return False
        found = True
    return found


def _is_hevc_intra(data: bytes, length_size: int) -> bool:
    kinds = [data[start] >> 1 & 63 for start, _ in _units(data, length_size)]
    slices = [kind for kind in kinds if kind in _HEVC_SLICES]
    return bool(slices) and all(kind in _HEVC_INTRA for kind in slices)


def _units(data: bytes, length_size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each NAL unit that is not empty, behind its length or its start code."""
    at = 0
    if length_size:
        while at + length_size < len(data):
            start = at + length_size
            at = start + int.from_bytes(data[at:start], "big")
            if start < min(at, len(data)):
                yield start, min(at, len(data))
        return
    at = data.find(b"\0\0\1")
    while at >= 0:
        start = at + 3
        at = data.find(b"\0\0\1", start)
        end = len(data) if at < 0 else at
        if start < end:
            yield start, end


class _Bits:
    """Reads a slice's header. Emulation prevention does not reach into the few bits that are read."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def exp_golomb(self) -> int:
        """The next ue(v) of ITU-T H.264, 9.1; 1, which is no intra slice, where the data end."""
        one = self._bits.find("1", self._at)
        zeros = one - self._at
        end = one + zeros + 1
        if one < 0 or end > len(self._bits):
            return 1
        self._at = end
        return int(self._bits[one:end], 2) - 1
