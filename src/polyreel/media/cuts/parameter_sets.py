"""H.264 as containers hold it: coded pictures in units, and the parameter sets that decoders begin with.

Pictures of two encoders lie in one stream if each finds parameter sets under numbers of its own
(ISO/IEC 14496-15, 5.3.3.1: a configuration record may hold several).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Self

from polyreel.media.nal_units import first_numbers, nal_units

__all__ = ["ParameterSets", "is_instant_refresh", "with_lengths"]

# Kinds of NAL units (ITU-T H.264, table 7-1).
_PICTURE, _INSTANT_REFRESH, _SEQUENCE, _PICTURE_SET = 1, 5, 7, 8
_LENGTH_BYTES = 4
_MOST_SETS = 32


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a configuration record (avcC) holds.

    Attributes:
        head: version, profile, compatibility and level.
        length_bytes: how long the lengths of units are in this stream.
        sequence, picture: parameter sets, each a unit without a start code.
        tail: what follows them, for profiles above Main.
    """

    head: bytes
    length_bytes: int
    sequence: tuple[bytes, ...]
    picture: tuple[bytes, ...]
    tail: bytes = b""

    @classmethod
    def read(cls, extradata: bytes) -> Self:
        """From a configuration record or from units behind start codes.

        Raises:
            ValueError: it is neither, or holds no parameter sets.
        """
        read = cls._of_record(extradata) if extradata[:1] == b"\x01" else cls._of_units(extradata)
        if not read.sequence or not read.picture or any(len(each) < 4 for each in read.sequence):
            raise ValueError("the stream states no parameter sets")
        return read

    @classmethod
    def _of_record(cls, data: bytes) -> Self:
        try:
            at, found = 5, []
            for mask in (0x1F, 0xFF):
                count, at = data[at] & mask, at + 1
                sets = []
                for _ in range(count):
                    (length,) = struct.unpack_from(">H", data, at)
                    sets.append(data[at + 2 : at + 2 + length])
                    at += 2 + length
                found.append(tuple(sets))
        except (IndexError, struct.error) as error:
            raise ValueError("the configuration record is cut short") from error
        return cls(data[:4], (data[4] & 3) + 1, found[0], found[1], data[at:])

    @classmethod
    def _of_units(cls, data: bytes) -> Self:
        units = _marked_units(data)
        sequence = tuple(unit for unit in units if unit[0] & 31 == _SEQUENCE)
        picture = tuple(unit for unit in units if unit[0] & 31 == _PICTURE_SET)
        head = b"\x01" + (sequence[0][1:4] if sequence else b"")
        return cls(head, 0, sequence, picture)

    @property
    def free_number(self) -> int:
        """A number that none of the parameter sets has.

        Raises:
            ValueError: all are taken.
        """
        taken = {first_numbers(each[4:], 1)[0] for each in self.sequence}
        for each in self.picture:
            taken.update(first_numbers(each[1:], 2))
        free = next((number for number in range(1, _MOST_SETS) if number not in taken), None)
        if free is None:
            raise ValueError("all numbers of parameter sets are taken")
        return free

    def joined(self, other: Self) -> Self:
        """Those of both, under the higher profile and level."""
        higher = max(self.head[1], other.head[1])
        level = max(self.head[3], other.head[3])
        head = bytes([1, higher, self.head[2] if higher == self.head[1] else other.head[2], level])
        return replace(
            self,
            head=head,
            sequence=self.sequence + other.sequence,
            picture=self.picture + other.picture,
            tail=self.tail or other.tail,
        )

    def record(self) -> bytes:
        """The configuration record; lengths of units are four bytes unless the stream has others."""
        length_bytes = self.length_bytes or _LENGTH_BYTES
        parts = [self.head, bytes([0xFC | length_bytes - 1])]
        for mark, sets in ((0xE0, self.sequence), (0, self.picture)):
            parts.append(bytes([mark | len(sets)]))
            parts.extend(struct.pack(">H", len(each)) + each for each in sets)
        return b"".join([*parts, self.tail])


def _marked_units(data: bytes) -> list[bytes]:
    """The units of a stream that marks them with start codes."""
    return [data[start:end] for start, end in nal_units(data, 0)]


def with_lengths(data: bytes, length_bytes: int) -> bytes:
    """A picture whose units are marked by start codes, with lengths in their place; parameter sets go."""
    units = (unit for unit in _marked_units(data) if unit[0] & 31 not in {_SEQUENCE, _PICTURE_SET})
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


def is_instant_refresh(data: bytes, length_bytes: int) -> bool:
    """Whether a picture refers to none before it, nor does any that follows: decoders may begin anew here.

    Args:
        data: a packet.
        length_bytes: of the lengths before units; 0 where start codes mark them.
    """
    kinds = (data[start] & 31 for start, _ in nal_units(data, length_bytes))
    return next((kind == _INSTANT_REFRESH for kind in kinds if _PICTURE <= kind <= _INSTANT_REFRESH), False)
