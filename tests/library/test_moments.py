"""Which moments of a ranking are shown: no repeats, the best of each video, long enough to be watched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from films import film, index_films, open_library, subtitles
from polyreel.library.results import FAIR
from polyreel.library.search import ranking
from polyreel.library.search.clip_evidence import NO_LINE, Weighed
from polyreel.library.search.moments import Moment, RankedMoments, watchable
from polyreel.library.search.searched_vectors import ExactVectors

SAME, OTHER = (1.0, 0.0), (0.0, 1.0)
NOTHING = -np.inf


def weighed(
    cosines: list[float], lines: dict[int, float] | None = None, pictures: list[float] | None = None
) -> Weighed:
    """Clips of a video in order of time, by their cosines; of some a line says something, so close it is."""
    count, said = len(cosines), lines or {}
    return Weighed(
        rows=np.arange(count),
        cosines=np.array(cosines, np.float32),
        pictures=np.array(pictures or cosines, np.float64),
        lines=np.array([said.get(row, 0.0) for row in range(count)]),
        line=np.array([row if row in said else NO_LINE for row in range(count)]),
        meaning=np.array([said.get(row, NOTHING) for row in range(count)], np.float32),
        words=np.full(count, NOTHING, np.float32),
        by_sight=True,
        by_lines=lines is not None,
    )


def moments_of(
    clips: Weighed, spans: list[tuple[float, float]], shown: list[tuple[float, float]] | None = None
) -> list[Moment]:
    starts, ends = (np.array(times, np.float64) for times in zip(*spans, strict=True))
    vectors = np.array(shown or [(0, 0)] * len(spans), np.float32)
    moments = RankedMoments(clips, starts, ends, ExactVectors(vectors))
    found = []
    while moments.place is not None:
        found.append(moments.take())
    return found


def spans_of(found: list[Moment]) -> list[tuple[float, float]]:
    return [(moment.start_s, moment.end_s) for moment in found]


TENS = [(0, 10), (10, 20), (20, 30), (40, 50)]


def test_adjacent_clips_that_are_nearly_as_good_are_one_moment():
    found = moments_of(weighed([1.0, 0.98, 0.99, 0.97]), TENS)
    assert spans_of(found) == [(0, 30), (40, 50)]
    assert [moment.rows for moment in found] == [(0, 1, 2), (3,)]


def test_a_much_worse_neighbour_stays_apart():
    assert spans_of(moments_of(weighed([0.9, 1.0, 0.5]), TENS[:3])) == [(0, 20), (20, 30)]


def test_a_line_that_says_it_needs_a_line_beside_it():
    both, one = ({0: 1.0, 1: 0.9}, {0: 1.0})
    assert spans_of(moments_of(weighed([0.1, 0.1], both), TENS[:2])) == [(0, 20)]
    assert spans_of(moments_of(weighed([0.1, 0.1], one), TENS[:2])) == [(0, 10), (10, 20)]


def test_pictures_that_say_next_to_nothing_do_not_part_what_is_said():
    said = {0: 1.0, 1: 0.9}
    assert spans_of(moments_of(weighed([0.02, -0.3], said, [0.01, 0.0]), TENS[:2])) == [(0, 20)]
    assert spans_of(moments_of(weighed([0.4, 0.1], said, [0.5, 0.1]), TENS[:2])) == [(0, 10), (10, 20)]


def test_a_moment_shows_the_line_of_its_best_clip_or_of_another():
    clips = weighed([0.9, 1.0, 0.8], {0: 0.0})
    (moment,) = moments_of(clips, [(0, 1), (1, 2), (2, 2.5)], None)[:1]
    assert (moment.best, moment.line) == (1, 0)


def test_a_neighbour_that_shows_the_same_is_no_moment_of_its_own():
    row_of_shots = [0.2, 1.0, 0.5, 0.1]
    spans = [(0, 10), (10, 20), (20, 30), (31, 40)]
    assert [m.best for m in moments_of(weighed(row_of_shots), spans, [SAME] * 4)] == [1]
    shown = [SAME, SAME, OTHER, SAME]
    assert [m.best for m in moments_of(weighed(row_of_shots), spans, shown)] == [1, 2, 3]


def test_what_is_apart_or_said_stays():
    pair = [1.0, 0.2]
    assert len(moments_of(weighed(pair), [(0, 10), (11.5, 20)], [SAME] * 2)) == 2
    assert len(moments_of(weighed(pair, {1: 0.1}), TENS[:2], [SAME] * 2)) == 2
    assert len(moments_of(weighed(pair, {0: 0.1}), TENS[:2], [SAME] * 2)) == 1
    # A clip that no bundle has encoded shows nothing that is known.
    assert len(moments_of(weighed(pair), TENS[:2], [(0, 0)] * 2)) == 2


@given(
    st.floats(0, 1e5),
    st.floats(0, 100, allow_subnormal=False),
    st.floats(0, 100, allow_subnormal=False),
)
def test_a_moment_can_be_watched_and_stays_within_its_video(start_s, length_s, after_s):
    end_s = start_s + length_s
    duration_s = end_s + after_s
    begin_s, stop_s = watchable(start_s, end_s, duration_s)
    assert 0 <= begin_s <= start_s + 1e-9
    assert end_s - 1e-9 <= stop_s <= duration_s + 1e-9
    assert stop_s - begin_s >= min(4, duration_s) - 1e-6
    if length_s >= 4:
        assert (begin_s, stop_s) == (start_s, end_s)


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("grouped")
    film(folder / "videos" / "many.mp4", *["red", "blue"] * 4, each_s=3)
    film(folder / "videos" / "one.mp4", "red", "blue", each_s=5)
    film(folder / "videos" / "none.mp4", "blue", each_s=3)
    subtitles(folder / "videos" / "many.en.srt", (0, 2, "a dog"), (6, 8, "the dog"), (12, 14, "no dog"))
    index_films(folder / "videos", folder / "library", tiny_bundle)
    opened = open_library(folder / "library")
    opened.calibrate()
    return opened


def shown(result) -> list[tuple[str, int]]:
    return [(Path(hit.video).stem, hit.more) for hit in result.hits]


def test_hits_are_grouped_by_video_and_what_is_folded_is_counted(library):
    every = library.search("red", mode="visual", top=100)
    assert {hit.more for hit in every.hits} == {0}
    grouped = library.search("red", mode="visual", per_video=1)
    assert shown(grouped) == [("many", 3), ("one", 0), ("none", 0)]
    assert [hit.rank for hit in grouped.hits] == [1, 2, 3]
    best = {Path(hit.video).stem: hit for hit in reversed(every.hits)}
    for hit in grouped.hits:
        own = best[Path(hit.video).stem]
        assert hit == own.model_copy(update={"rank": hit.rank, "more": hit.more})
    assert shown(library.search("red", mode="visual", per_video=2))[:2] == [("many", 2), ("many", 0)]
    assert shown(library.search("dog", mode="subtitles", per_video=1)) == [("many", 2)]
    red = grouped.hits[0].clip_id
    assert shown(library.search_like(red, per_video=1))[0] == ("many", 2)


def test_a_moment_is_padded_and_keeps_its_own_times(library):
    hit = library.search("red", mode="visual", per_video=1).hits[0]
    assert (hit.start_s, hit.end_s, hit.watch_start_s, hit.watch_end_s) == (0, 3, 0, 4)
    for hit in library.search("red", top=100).hits:
        assert hit.watch_start_s <= hit.start_s < hit.end_s <= hit.watch_end_s


def test_one_video_that_matches_everywhere_leaves_room_for_others(library, monkeypatch):
    wanted = [library.search(query, per_video=1).hits for query in ("red", "dog")]
    monkeypatch.setattr(ranking, "_CANDIDATES", 2)
    for query, hits in zip(("red", "dog"), wanted, strict=True):
        found = library.search(query, per_video=1).hits
        assert [(hit.clip_id, hit.strength) for hit in found] == [(hit.clip_id, hit.strength) for hit in hits]


def test_more_counts_what_matches_and_not_all_that_is_there(library):
    """Blue clips of a film that was found by its red ones are none of its matches."""
    every = library.search("red", mode="visual", top=100).hits
    weak = [hit for hit in every if (hit.strength or 0) < FAIR and hit.score < 0.5]
    assert weak
    assert sum(more for _, more in shown(library.search("red", mode="visual", per_video=1))) == 3
