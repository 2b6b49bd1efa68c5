"""The units: clips and captions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.clips import Caption, Clip

seconds = st.floats(0, 1e6)


@given(st.lists(st.tuples(seconds, seconds).map(sorted), min_size=2, max_size=10))
def test_clips_and_their_keys_sort_by_time(spans):
    clips = sorted(Clip("video", start_s, end_s) for start_s, end_s in spans)
    assert [clip.start_s for clip in clips] == sorted(start_s for start_s, _ in spans)
    assert [clip.clip_id for clip in clips] == sorted(clip.clip_id for clip in clips)


def test_a_key_holds_the_video_and_milliseconds():
    assert Clip("abc", 61.5, 70.0).clip_id == "abc@0000061500"


@pytest.mark.parametrize("span", [(-1.0, 2.0), (3.0, 2.0), (math.nan, 2.0), (0.0, math.nan)])
def test_impossible_spans_are_refused(span):
    with pytest.raises(ValueError, match="0 <= start_s <= end_s"):
        Clip("video", *span)


def test_units_are_values():
    assert Clip("v", 0, 1) == Clip("v", 0.0, 1.0)
    assert len({Caption("a", "en", 0, 1), Caption("a", "en", 0, 1)}) == 1
    with pytest.raises(AttributeError):
        Clip("v", 0, 1).start_s = 2
