"""The copy of a library that is laid out for searching: always right, never needed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from disks import make_read_only, small_disk
from films import film, index_films, open_library, subtitles
from polyreel.errors import LibraryError
from polyreel.library.search import search_index as searchable
from polyreel.library.search.search_index import load_search_index
from polyreel.library.search.word_index import WORD_PARTS
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state
from polyreel.library.store.store import create_library


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("made")
    film(folder / "videos" / "a.mp4", "red", "blue", each_s=3)
    film(folder / "videos" / "b.mp4", "green")
    subtitles(folder / "videos" / "a.srt", (0, 1, "early"), (4, 5, "late"), (50, 60, "after the end"))
    subtitles(folder / "videos" / "b.srt", (1, 2, "the dog"))
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder / "library"


@pytest.fixture
def library(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "library"))


@pytest.fixture
def layouts(monkeypatch):
    """How often the tables were read."""
    counted: list[int] = []
    lay_out = searchable._lay_out

    def counting(snapshot):
        counted.append(snapshot.state.commit)
        return lay_out(snapshot)

    monkeypatch.setattr(searchable, "_lay_out", counting)
    return counted


def load(library: Path) -> searchable.SearchIndex:
    return load_search_index(library, read_state(library))


def cached(library: Path) -> Path:
    (folder,) = (path for path in (library / "cache").iterdir() if not path.name.startswith("."))
    return folder


def same(one: searchable.SearchIndex, other: searchable.SearchIndex) -> bool:
    return (
        one.clips == other.clips
        and one.subtitles == other.subtitles
        and np.array_equal(one.clip_vectors, other.clip_vectors)
        and np.array_equal(one.subtitle_vectors, other.subtitle_vectors)
        and one.words.search("the late dog", 9) == other.words.search("the late dog", 9)
    )


def test_clips_lie_in_order_of_path_and_time_with_their_own_vectors(library, tiny_bundle):
    laid_out = load(library)
    rows = laid_out.clips.select(["path", "start_s"]).to_pylist()
    assert [(Path(row["path"]).stem, row["start_s"]) for row in rows] == [("a", 0), ("a", 3), ("b", 0)]
    colours = tiny_bundle.encode_text(["red", "blue", "green"])
    np.testing.assert_allclose(laid_out.clip_vectors, colours, atol=1e-2)
    assert np.asarray(laid_out.clip_vectors).dtype == np.float32


def test_each_subtitle_belongs_to_the_clip_that_holds_its_middle(library):
    rows = load(library).subtitles.select(["text", "clip"]).to_pylist()
    assert {row["text"]: row["clip"] for row in rows} == {
        "early": 0,
        "late": 1,
        "after the end": 1,
        "the dog": 2,
    }


def test_lines_lie_in_order_of_clip_and_time_whenever_they_were_indexed(library, tmp_path, tiny_bundle):
    videos = Path(load(library).videos["path"][0].as_py()).parent
    late = tmp_path / "late"
    for name in ("b", "a"):
        index_films(videos / f"{name}.mp4", late, tiny_bundle)
    texts = load(late).subtitles["text"].to_pylist()
    assert texts == load(library).subtitles["text"].to_pylist()
    assert texts == ["early", "late", "after the end", "the dog"]


def test_indexing_leaves_it_ready(library, layouts):
    load(library)
    assert layouts == []
    assert [path.name for path in (library / "cache").iterdir()] == [cached(library).name]


def test_a_search_from_it_reads_no_table(library, layouts):
    for name in ("clips", "files", "gen-1", "subtitles"):
        shutil.rmtree(library / f"{name}.lance")
    assert Path(open_library(library).search("green").hits[0].video).stem == "b"
    assert open_library(library).search("dog", mode="subtitles").hits[0].evidence.subtitle.text == "the dog"
    assert layouts == []


def test_without_it_the_library_is_the_same_and_it_comes_back(library, layouts):
    before = load(library)
    shutil.rmtree(library / "cache")
    assert same(load(library), before)
    assert len(layouts) == 1
    assert same(load(library), before)
    assert len(layouts) == 1


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def scramble(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [Path.unlink, empty, cut, zero, scramble])
@pytest.mark.parametrize(
    "part", ["clips.arrow", "clips.npy", "subtitles.arrow", "subtitles.npy", *WORD_PARTS]
)
def test_a_damaged_copy_is_made_anew(library, layouts, part, damage):
    before = load(library)
    replacement = cached(library) / "replacement"
    shutil.copy(cached(library) / part, replacement)  # the open maps keep the old file
    damage(replacement) if damage is not Path.unlink else replacement.unlink()
    if replacement.exists():
        replacement.replace(cached(library) / part)
    else:
        (cached(library) / part).unlink()
    assert same(load(library), before)
    assert len(layouts) == 1
    assert same(load(library), before)
    assert len(layouts) == 1, "the copy was not repaired"


@pytest.mark.parametrize("part", ["clips.arrow", "clips.npy"])
def test_a_pipe_in_place_of_a_part_is_not_waited_for(library, layouts, part):
    before = load(library)
    (cached(library) / part).unlink()
    os.mkfifo(cached(library) / part)
    assert same(load(library), before)
    assert len(layouts) == 1
    assert (cached(library) / part).is_file(), "the copy was not repaired"


def paths(library: Path) -> list[str]:
    return [Path(path).name for path in load(library).videos["path"].to_pylist()]


def test_restoring_an_old_library_json_shows_what_was_there_then(library, tiny_bundle, layouts):
    videos = library.parent / "videos"
    old = (library / "library.json").read_bytes()
    film(videos / "new.mp4", "red")
    index_films(videos, library, tiny_bundle)
    assert "new.mp4" in paths(library)
    (library / "library.json").write_bytes(old)
    assert "new.mp4" not in paths(library)
    film(videos / "other.mp4", "blue")
    (videos / "new.mp4").unlink()
    index_films(videos, library, tiny_bundle)  # the same number of a commit, and other contents
    assert "new.mp4" not in paths(library)
    assert "other.mp4" in paths(library)


def test_the_cache_of_another_library_is_not_taken(library, tmp_path, tiny_bundle):
    film(tmp_path / "one" / "one.mp4", "red")
    other = Path(shutil.copytree(library, tmp_path / "other"))
    film(tmp_path / "two" / "two.mp4", "red")
    index_films(tmp_path / "one", library, tiny_bundle)
    index_films(tmp_path / "two", other, tiny_bundle)
    shutil.rmtree(library / "cache")
    shutil.copytree(other / "cache", library / "cache")
    assert "one.mp4" in paths(library)
    assert "two.mp4" not in paths(library)


PARTS = ("clips.arrow", "clips.npy", "subtitles.arrow", "subtitles.npy", "videos.arrow", *WORD_PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_another_cache_does_not_fit(library, tmp_path, tiny_bundle, layouts, part):
    before = load(library)
    film(tmp_path / "one" / "one.mp4", "red", "blue", "green", "red", each_s=3)
    subtitles(tmp_path / "one" / "one.srt", (0, 1, "a"), (1, 2, "b"), (2, 3, "c"), (3, 4, "d"), (4, 5, "e"))
    index_films(tmp_path / "one", tmp_path / "other", tiny_bundle)
    layouts.clear()
    shutil.copy(cached(tmp_path / "other") / part, cached(library) / "replacement")
    (cached(library) / "replacement").replace(cached(library) / part)
    assert same(load(library), before)
    assert len(layouts) == 1


def test_it_can_be_done_without_where_nothing_can_be_written(library, layouts, monkeypatch):
    before = load(library)
    shutil.rmtree(library / "cache")

    def refuse(*_arguments, **_options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(searchable, "_write", refuse)
    assert same(load(library), before)
    assert not (library / "cache").exists()
    assert Path(open_library(library).search("green").hits[0].video).stem == "b"


def test_a_file_in_its_place_does_no_harm(library):
    before = load(library)
    shutil.rmtree(library / "cache")
    (library / "cache").write_text("in the way")
    assert same(load(library), before)


def test_old_copies_go_and_those_of_other_processes_stay(library, layouts):
    home = library / "cache"
    old, abandoned, in_work = home / "1-1-1", home / ".writing-old", home / ".writing-new"
    for folder in (old, abandoned, in_work):
        folder.mkdir()
    os.utime(abandoned, (time.time() - 7_200,) * 2)
    shutil.rmtree(cached_of(library))
    load(library)
    assert sorted(path.name for path in home.iterdir()) == sorted([in_work.name, cached_of(library).name])


def cached_of(library: Path) -> Path:
    return library / "cache" / f"{read_state(library).key}-{searchable._LAYOUT}"


def test_an_open_search_outlives_its_copy(library):
    opened = open_library(library)
    before = opened.search("green").hits
    shutil.rmtree(library / "cache")
    assert opened.search("green").hits == before


def test_the_copy_of_an_empty_library_is_read_like_any_other(tmp_path, tiny_bundle, layouts):
    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    layouts.clear()
    assert len(load(tmp_path / "library").clips) == 0
    assert layouts == []


def test_a_library_on_a_read_only_disk_can_be_searched(made, tmp_path):
    with small_disk(tmp_path / "disk", size_bytes=64 << 20) as disk:
        library = Path(shutil.copytree(made, disk / "library"))
        shutil.rmtree(library / "cache")
        make_read_only(disk)
        opened = open_library(library)
        for query, mode in (("green", "hybrid"), ("dog", "subtitles")):
            assert Path(opened.search(query, mode=mode).hits[0].video).stem == "b"
        assert examine(library).usable
        with pytest.raises(LibraryError, match=r"cannot be written.*Read-only file system"):
            create_library(library, read_state(library).generation)
