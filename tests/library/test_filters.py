"""Filters, and the names that videos go by."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from films import film, index_films, open_library, subtitles
from polyreel.errors import NotFoundError, UsageError
from polyreel.library.search.filters import EVERYTHING, Filter


@pytest.fixture(scope="module")
def library(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("filters")
    videos = folder / "videos"
    film(videos / "a" / "old.mp4", "red")
    film(videos / "a-b" / "long.mp4", "red", "blue", "red", each_s=4)
    film(videos / "a" / "deep" / "talk.mp4", "red", "green")
    subtitles(videos / "a" / "deep" / "talk.de.srt", (0, 1, "rot"), (2, 3, "grün"))
    subtitles(videos / "a" / "deep" / "talk.fr.srt", (0, 1, "rouge"))
    os.utime(videos / "a" / "old.mp4", (1_000_000_000, 1_000_000_000))  # 2001-09-09
    index_films(videos, folder / "library", tiny_bundle)
    return open_library(folder / "library")


def found(library, filters: Filter, **options) -> set[str]:
    return {Path(hit.video).stem for hit in library.search("rot", filters=filters, **options).hits}


TODAY = date.today()


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (EVERYTHING, {"old", "long", "talk"}),
        (Filter(folder="a"), {"old", "talk"}),
        (Filter(folder="a/"), {"old", "talk"}),
        (Filter(folder="./a/deep/.."), {"old", "talk"}),
        (Filter(folder="a/deep"), {"talk"}),
        (Filter(folder="a/old.mp4"), {"old"}),
        (Filter(folder=".."), {"old", "long", "talk"}),
        (Filter(min_duration_s=5), {"long"}),
        (Filter(max_duration_s=3), {"old"}),
        (Filter(subtitles="fr"), {"talk"}),
        (Filter(subtitles="en"), set()),
        (Filter(before=date(2001, 9, 9)), {"old"}),
        (Filter(before=date(2001, 9, 8)), set()),
        (Filter(after=date(2001, 9, 10)), {"long", "talk"}),
        (Filter(after=TODAY + timedelta(days=2)), set()),
        (Filter(folder="a", max_duration_s=3, before=date(2010, 1, 1)), {"old"}),
    ],
)
def test_conditions_hold_all_at_once(library, filters, names):
    assert found(library, filters) == names
    assert found(library, filters, mode="visual") == names
    assert {Path(video.media).stem for video in library.videos(filters=filters)} == names


def test_subtitles_are_filtered_by_meaning_and_by_words(library):
    assert found(library, Filter(subtitles="de"), mode="subtitles") == {"talk"}
    assert found(library, Filter(folder="a-b"), mode="subtitles") == set()


def test_a_folder_that_holds_no_video_is_refused_with_the_nearest(library):
    for folder, said in (
        ("a/depe", "'a/depe'. Did you mean 'a/deep'?"),
        ("nowhere", "videos list"),
        ("a/d", ""),
    ):
        with pytest.raises(NotFoundError, match="no video below this folder") as refused:
            library.search("rot", filters=Filter(folder=folder))
        assert said in str(refused.value)
    with pytest.raises(NotFoundError, match="no video below this folder"):
        library.videos(filters=Filter(folder="nowhere"))


def test_spans_that_hold_nothing_are_refused():
    with pytest.raises(UsageError, match=r"no video can match this filter.*Swap the two"):
        Filter(min_duration_s=2, max_duration_s=1)
    with pytest.raises(UsageError, match="no video can match"):
        Filter(after=date(2020, 1, 2), before=date(2020, 1, 1))


def test_videos_go_by_what_tells_them_apart(library):
    snapshot = library.snapshot
    assert [video.name for video in library.videos()] == [
        "a-b/long.mp4",
        "a/deep/talk.mp4",
        "a/old.mp4",
    ]
    assert snapshot.folders == ("a", "a-b", "a/deep")
    assert snapshot.languages == ("de", "fr")
    talk = library.videos(skip=1, top=1)[0]
    assert (talk.subtitles, talk.clips, talk.duration_s) == (("de", "fr"), 2, pytest.approx(4.0))
    assert library.video(talk.id) == talk
    for row, video in enumerate(library.videos()):
        own = snapshot.clip_rows(row)
        assert set(snapshot.index.clips["video"][own].to_pylist()) == {video.id}
        assert snapshot.video_row(video.id) == row


def test_clips_of_a_video_are_scored_in_order(library):
    talk = library.videos(skip=1, top=1)[0]
    clips = library.timeline(talk.id, "grün").clips
    assert [(clip.start_s, round(clip.visual)) for clip in clips] == [(0.0, 0), (2.0, 1)]
    assert all(Path(clip.thumbnail).is_file() for clip in clips)
    assert {clip.visual for clip in library.score_clips(talk.id, None)} == {0.0}


def test_like_a_clip_is_without_that_clip(library):
    best = library.search("blau", mode="visual").hits[0]
    found = library.search_like(best.clip_id)
    assert best.clip_id not in {hit.clip_id for hit in found.hits}
    clip = library.clip(best.clip_id)
    assert (Path(clip.video.media).stem, clip.start_s, clip.end_s) == ("long", 4.0, pytest.approx(8.0))
    assert Path(clip.thumbnail).is_file()


@pytest.mark.parametrize("name", ["", "x", "0" * 32, "0" * 32 + "@0000000000", "../../etc", "é" * 1_000])
def test_what_is_not_there_is_not_found(library, name):
    for call in (library.video, library.search_like, library.clip, library.vector_of):
        with pytest.raises(NotFoundError, match="holds no such"):
            call(name)
    with pytest.raises(NotFoundError):
        library.timeline(name, "rot")


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"min_duration_s": "long"}, "'min_duration_s' of a filter must be a number"),
        ({"max_duration_s": -1}, "'max_duration_s' of a filter is out of range"),
        ({"min_duration_s": float("nan")}, "out of range.*Give seconds from 0 to 32,000,000"),
        ({"after": "2024-01-01"}, "'after' of a filter must be date"),
        ({"before": datetime(2024, 1, 1, tzinfo=UTC)}, "'before' of a filter is a day.*Take its date"),
        ({"folder": 3}, "'folder' of a filter must be text or a path"),
        ({"subtitles": b"en"}, "'subtitles' of a filter must be text"),
    ],
)
def test_a_condition_of_another_type_is_refused_by_name(conditions, said):
    with pytest.raises(UsageError, match=said):
        Filter(**conditions)


def test_a_folder_of_a_filter_may_be_a_path():
    assert Filter(folder=Path("a") / "b") == Filter(folder="a/b")
