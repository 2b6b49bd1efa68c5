"""The units (NAL) that H.264 and HEVC are made of, and the numbers at the beginning of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["first_numbers", "nal_units"]

_START_CODE = re.compile(b"\x00\x00\x00?\x01")
_READ_BYTES = 12


def nal_units(data: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """Start and end of each unit that is not empty. The last one may be cut short.

    Args:
        data: a packet, or parameter sets.
        length_bytes: of the lengths before units; 0 where start codes mark them.
    """
    if not length_bytes:
        codes = list(_START_CODE.finditer(data))
        ends = [*(code.start() for code in codes[1:]), len(data)]
        spans = ((code.end(), end) for code, end in zip(codes, ends[: len(codes)], strict=True))
        yield from ((start, end) for start, end in spans if start < end)
        return
    at = 0
    while at + length_bytes < len(data):
        start = at + length_bytes
        at = start + int.from_bytes(data[at:start], "big")
        if start < at:
            yield start, min(at, len(data))


def first_numbers(payload: bytes, count: int) -> list[int]:
    """The first Exp-Golomb numbers of a unit (ITU-T H.264, 9.1); emulation prevention does not reach so far.

    Args:
        payload: what is behind the byte that says its kind.
        count: how many.

    Raises:
        ValueError: the unit is cut short.
    """
    bits = int.from_bytes(payload[:_READ_BYTES].ljust(_READ_BYTES, b"\0"), "big")
    at, numbers = 8 * _READ_BYTES, []
    for _ in range(count):
        zeros = 0
        while at > 0 and not bits >> (at - 1) & 1:
            zeros, at = zeros + 1, at - 1
        at -= zeros + 1
        if at < 0:
            raise ValueError("a unit is cut short")
        numbers.append((bits >> at & (1 << zeros + 1) - 1) - 1)
    return numbers
