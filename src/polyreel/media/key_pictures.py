"""Whether decoding can begin at a packet that its container calls a key frame.

H.264 files with periodic intra refresh call pictures so that are predicted from the ones before: decoding
that begins there shows grey for a second. What the slices of the packet say is the truth.
"""

from __future__ import annotations

from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

from polyreel.media.nal_units import first_numbers, nal_units

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
    for start, end in nal_units(data, length_size):
        kind = data[start] & 31
        if kind not in _H264_SLICES:
            continue
        if kind != _H264_IDR and not _is_intra_slice(data[start + 1 : end]):
            return False
        found = True
    return found


def _is_intra_slice(header: bytes) -> bool:
    try:
        _first_block, slice_type = first_numbers(header, 2)
    except ValueError:
        return False
    return slice_type % 5 in _H264_INTRA


def _is_hevc_intra(data: bytes, length_size: int) -> bool:
    kinds = [data[start] >> 1 & 63 for start, _ in nal_units(data, length_size)]
    slices = [kind for kind in kinds if kind in _HEVC_SLICES]
    return bool(slices) and all(kind in _HEVC_INTRA for kind in slices)
