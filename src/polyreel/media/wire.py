"""What the decoding worker says to its parent: a JSON header and bytes, length-prefixed. Nothing is
unpickled.

The parent trusts no length: a worker that was taken over by a crafted file can at most send wrong pictures.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

__all__ = ["LONG", "MAX_HEADER", "MAX_PAYLOAD", "read_message", "write_message"]

LONG = struct.Struct("q")  # how numbers come from the fork server
MAX_HEADER = 64 << 20  # subtitles of a whole video travel in one header
MAX_PAYLOAD = 64 << 20  # one picture
_LENGTHS = struct.Struct("<II")


def write_message(stream: BinaryIO, header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """Send one message and flush it.

    Args:
        stream: Where to; flushed at the end.
        header: Anything that JSON can hold.
        payload: Bytes that follow the header.
    """
    text = json.dumps(header, ensure_ascii=True).encode()
    stream.write(_LENGTHS.pack(len(text), len(payload)))
    stream.write(text)
    stream.write(payload)
    stream.flush()


def read_message(read: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """Receive one message through ``read``, which returns exactly as many bytes as it is asked for.

    Raises:
        ValueError: the lengths are beyond what a worker may send, or the header is no JSON object.
    """
    header_size, payload_size = _LENGTHS.unpack(read(_LENGTHS.size))
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise ValueError(f"message of {header_size} + {payload_size} bytes")
    header = json.loads(read(header_size))
    if not isinstance(header, dict):
        raise ValueError(f"header of type {type(header).__name__}")  # noqa: TRY004  the bytes are wrong
    return header, read(payload_size) if payload_size else b""
