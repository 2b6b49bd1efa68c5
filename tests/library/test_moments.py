"""Which moments of a ranking are shown: no repeats, the best of each video, long enough to be watched."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from films import film, index_films, open_library, subtitles
from polyreel.library.results import FAIR
from polyreel.library.search import ranking
from polyreel.library.search.fusion import Moment
from polyreel.library.search.moments import watchable, without_repeats

SAME, OTHER = (1.0, 0.0), (0.0, 1.0)


def moments(*spans: tuple[str, float, float]) -> list[Moment]:
    """Moments in order of rank; the place of each is its row."""
    return [
        Moment(video, (row,), row, start_s, end_s, 1 - row / 10, row)
        for row, (video, start_s, end_s) in enumerate(spans)
    ]


def left(ranked: list[Moment], vectors: list[tuple[float, float]], spoken: Iterable[int] = ()) -> list[int]:
    kept = without_repeats(ranked, np.array(vectors, np.float32), set(spoken))
    return [moment.best for moment in kept]


def test_a_neighbour_that_shows_the_same_is_no_moment_of_its_own():
    row_of_shots = moments(("a", 10, 20), ("a", 20, 30), ("a", 0, 10), ("a", 31, 40))
    assert left(row_of_shots, [SAME, SAME, SAME, SAME]) == [0]
    assert left(row_of_shots, [SAME, OTHER, SAME, SAME]) == [0, 1, 3]


def test_what_is_apart_in_another_video_or_said_stays():
    assert left(moments(("a", 0, 10), ("b", 10, 20)), [SAME, SAME]) == [0, 1]
    assert left(moments(("a", 0, 10), ("a", 11.5, 20)), [SAME, SAME]) == [0, 1]
    assert left(moments(("a", 0, 10), ("a", 10, 20)), [SAME, SAME], {1}) == [0, 1]
    assert left(moments(("a", 0, 10), ("a", 10, 20)), [SAME, SAME], {0}) == [0]
    # A clip that no bundle has encoded shows nothing that is known.
    assert left(moments(("a", 0, 10), ("a", 10, 20)), [(0, 0), (0, 0)]) == [0, 1]


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
    monkeypatch.setattr(ranking, "_DEPTH_PER_HIT", 0)
    for query, hits in zip(("red", "dog"), wanted, strict=True):
        found = library.search(query, per_video=1).hits
        assert [(hit.clip_id, hit.strength) for hit in found] == [(hit.clip_id, hit.strength) for hit in hits]


def test_more_counts_what_matches_and_not_all_that_is_there(library):
    """Blue clips of a film that was found by its red ones are none of its matches."""
    every = library.search("red", mode="visual", top=100).hits
    weak = [hit for hit in every if (hit.strength or 0) < FAIR and hit.score < 0.5]
    assert weak
    assert sum(more for _, more in shown(library.search("red", mode="visual", per_video=1))) == 3
