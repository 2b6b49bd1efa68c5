"""Units of H.264 and HEVC, from whatever a file holds in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.media.nal_units import first_numbers, nal_units


def split(data, length_bytes):
    return [data[start:end] for start, end in nal_units(data, length_bytes)]


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.sampled_from([1, 2, 4]))
def test_units_behind_lengths(units, length_bytes):
    data = b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)
    assert split(data, length_bytes) == units


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=20)), max_size=8))
def test_units_behind_start_codes(units):
    kept = [(is_long, unit.replace(b"\0", b"\2")) for is_long, unit in units]
    data = b"".join((b"\0\0\0\1" if is_long else b"\0\0\1") + unit for is_long, unit in kept)
    assert split(data, 0) == [unit for _, unit in kept]


@given(st.binary(max_size=80), st.sampled_from([0, 1, 2, 3, 4]))
def test_any_bytes_have_units_within_them(data, length_bytes):
    for start, end in nal_units(data, length_bytes):
        assert 0 < start < end <= len(data)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_numbers_are_read_as_they_were_written(numbers):
    codes = [f"{number + 1:b}" for number in numbers]
    bits = "".join("0" * (len(code) - 1) + code for code in codes)
    data = int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    assert first_numbers(data, len(numbers)) == numbers


def test_numbers_of_a_unit_that_is_cut_short():
    with pytest.raises(ValueError, match="cut short"):
        first_numbers(b"\0\0", 1)
