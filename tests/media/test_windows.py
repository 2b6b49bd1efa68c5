"""Frames -> clips of at most ten seconds that begin at hard cuts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.media.windows import MAX_CLIP_S, Span, Windower

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((24, 32, 3), colour, np.uint8)


def cut(
    shots: list[tuple[float, tuple[int, int, int]]], *, end_s: float, max_s: float = MAX_CLIP_S
) -> list[tuple[Span, list[float]]]:
    """Each span with the times of its own frames, for frames of one colour at given times."""
    windower, spans, waiting = Windower(max_s), [], []
    for time_s, colour in shots:
        if (span := windower.add(time_s, picture(colour))) is not None:
            spans.append((span, waiting))
            waiting = []
        waiting.append(time_s)
    if (last := windower.finish(end_s)) is not None:
        spans.append((last, waiting))
    return spans


def every_second(*colours: tuple[int, int, int]) -> list[tuple[float, tuple[int, int, int]]]:
    return [(float(second), colour) for second, colour in enumerate(colours)]


films = st.lists(
    st.tuples(st.floats(0.01, 15), st.sampled_from([BLACK, WHITE, RED])), min_size=1, max_size=60
).map(
    lambda gaps: [
        (float(time_s), colour)
        for time_s, (_, colour) in zip(
            np.cumsum([0.0, *(gap for gap, _ in gaps[1:])]).round(3), gaps, strict=True
        )
    ]
)
longest = st.sampled_from([2.0, 5.0, MAX_CLIP_S])


@given(films, longest, st.floats(0, 20))
def test_spans_are_short_ordered_and_apart(film, max_s, rest_s):
    spans = [span for span, _ in cut(film, end_s=film[-1][0] + rest_s, max_s=max_s)]
    assert spans[0].start_s == film[0][0]
    assert all(0 <= span.end_s - span.start_s <= max_s + 1e-9 for span in spans)
    assert all(before.end_s <= after.start_s for before, after in pairwise(spans))


@given(films, longest, st.floats(0.01, 20))
def test_each_frame_lies_in_its_own_span(film, max_s, rest_s):
    for span, times in cut(film, end_s=film[-1][0] + rest_s, max_s=max_s):
        assert times, "no span is without a frame"
        assert all(span.start_s <= time_s < span.end_s for time_s in times)


@given(films, longest)
def test_the_middle_is_the_own_frame_nearest_to_the_centre(film, max_s):
    for span, times in cut(film, end_s=film[-1][0] + 1, max_s=max_s):
        centre = (span.start_s + span.end_s) / 2
        assert 0 <= span.middle < len(times)
        assert abs(times[span.middle] - centre) == min(abs(time_s - centre) for time_s in times)


@given(films, longest)
def test_only_the_last_span_may_be_shorter_than_two_seconds(film, max_s):
    *spans, _last = cut(film, end_s=film[-1][0] + 1, max_s=max_s)
    assert all(span.end_s - span.start_s >= 2.0 - 1e-9 for span, _ in spans)


@given(films, longest)
def test_gaps_between_spans_are_stretches_without_frames(film, max_s):
    for (before, _), (after, times) in pairwise(cut(film, end_s=film[-1][0] + 1, max_s=max_s)):
        if after.start_s > before.end_s:
            assert before.end_s - before.start_s == pytest.approx(max_s)
            assert after.start_s == times[0]


@given(st.integers(2, 9), st.integers(1, 9))
def test_a_hard_cut_starts_a_span(first, second):
    spans = cut(every_second(*[BLACK] * first, *[WHITE] * second), end_s=first + second)
    assert [(span.start_s, span.end_s) for span, _ in spans] == [(0, first), (first, first + second)]


def test_a_steady_picture_is_cut_every_ten_seconds():
    spans = cut(every_second(*[RED] * 25), end_s=25.0)
    assert [(span.start_s, span.end_s) for span, _ in spans] == [(0, 10), (10, 20), (20, 25)]


def test_flashes_do_not_shatter_a_scene():
    quick = [(0.25 * i, WHITE if i % 2 else BLACK) for i in range(40)]
    spans = [span for span, _ in cut(quick, end_s=10.0)]
    assert len(spans) == 5
    assert all(span.end_s - span.start_s >= 2.0 for span in spans)


def test_a_fade_is_no_cut():
    fade = [(0.5 * i, (12 * i, 12 * i, 12 * i)) for i in range(20)]
    assert len(cut(fade, end_s=10.0)) == 1


@pytest.mark.parametrize("end_s", [0.0, 3.0, 4.0])
def test_no_span_is_of_zero_seconds(end_s):
    spans = cut([(4.0, RED)], end_s=end_s)
    assert [(span.start_s, span.end_s) for span, _ in spans] == [(4.0, 4.04)]


def test_without_frames_there_is_no_span():
    assert Windower().finish(5.0) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 400), (9, 9)])
def test_pictures_of_any_size_are_compared(size):
    windower = Windower()
    assert windower.add(0.0, np.zeros((*size, 3), np.uint8)) is None
    assert windower.add(3.0, np.full((*size, 3), 255, np.uint8)) == Span(0.0, 3.0, 0)
