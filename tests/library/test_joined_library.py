"""Several libraries searched as one answer as one library of all their files would, row by row."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyreel
from polyreel.cli.app import main
from polyreel.cli.search import hit_table
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleMismatchError, LibraryError, NotFoundError, UsageError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.last_hits import recall_hit
from polyreel.library.search import joined_library
from polyreel.library.search import searched_vectors as searched
from polyreel.library.search.filters import Filter
from polyreel.library.search.joined_library import JoinedLibrary, open_joined
from polyreel.library.search.quantised import can_scan
from polyreel.library.search.search import Library
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import Commit, writing
from tiny_bundle import MEANINGS

VIDEOS, MOST_CLIPS = 30, 6
MODES = ("hybrid", "visual", "subtitles,speech,screen", "speech")
SOURCES = ("beside.srt", "speech", "screen")
# Between them, words of nine languages.
QUERIES = ("red", "chó rennt", "зелёный chien", "mbwa azul", "modrá 红色", '"the dog"', "nothing of that")


@dataclass(frozen=True)
class Made:
    """Rows of one video, and the vectors of its clips and lines."""

    path: str
    video: str
    mtime_ns: int
    clips: tuple[dict[str, Any], ...]
    lines: tuple[dict[str, Any], ...]
    vectors: np.ndarray


def make_videos(seed: int, dim: int) -> list[Made]:
    """Videos in three folders, of clips with vectors at random, some equal, and lines in nine languages."""
    rng = np.random.default_rng(seed)
    words = [*(word for meaning in MEANINGS for word in meaning), "the", "and", "of", "park", "sunset"]
    pool = unit(rng.standard_normal((12, dim)))
    made = []
    for number in range(VIDEOS):
        video = f"{rng.integers(1 << 62):032x}"
        clips = [
            {
                "clip_id": f"{video}@{place:010d}",
                "video": video,
                "start_s": 10.0 * place,
                "end_s": 10.0 * place + 10,
                "thumbnail": f"thumbs/{place}.jpg",
            }
            for place in range(rng.integers(1, MOST_CLIPS + 1))
        ]
        lines = [
            {
                "subtitle_id": f"{video}#0.{line:06d}",
                "video": video,
                "start_s": float(start_s := rng.uniform(0, 10 * len(clips))),
                "end_s": start_s + 2,
                "text": " ".join(rng.choice(words, rng.integers(1, 5))),
                "language": str(rng.choice(STUDY_LANGUAGES)),
                "source": str(rng.choice(SOURCES)),
            }
            for line in range(rng.integers(0, 5))
        ]
        vectors = unit(rng.standard_normal((len(clips) + len(lines), dim)))
        equal = rng.random(len(vectors)) < 0.4
        vectors[equal] = pool[rng.integers(len(pool), size=int(equal.sum()))]
        path = f"/videos/{'abc'[number % 3]}/{rng.integers(1000):03d}-{number}.mp4"
        day = int(rng.integers(1, 28)) * 86_400 * 10**9
        made.append(Made(path, video, day, tuple(clips), tuple(lines), vectors))
    return made


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write(folder: Path, bundle: Bundle, videos: Iterable[Made], *, measured: bool = True) -> Path:
    """A library of these videos, in two commits."""
    every = list(videos)
    with writing(folder, generation_of(bundle.card, str(bundle.folder))) as writer:
        for part in (every[: len(every) // 2], every[len(every) // 2 :]):
            writer.commit(commit_of(part))
    if measured:
        open_one(folder).calibrate()
    return folder


def commit_of(videos: Sequence[Made]) -> Commit:
    facts = dict.fromkeys(("sidecars", "message", "health", "indexed_at"), "")
    keys = [
        {"id": row["clip_id" if kind == "clip" else "subtitle_id"], "video": made.video, "kind": kind}
        for made in videos
        for kind, rows in (("clip", made.clips), ("subtitle", made.lines))
        for row in rows
    ]
    return Commit(
        files=[
            {
                "path": made.path,
                "video": made.video,
                "size_bytes": 1,
                "mtime_ns": made.mtime_ns,
                "status": "ok",
                **facts,
            }
            for made in videos
        ],
        clips=[row for made in videos for row in made.clips],
        subtitles=[row for made in videos for row in made.lines],
        embeddings=keys,
        vectors=[vector for made in videos for vector in made.vectors],
    )


def load(location: str) -> Bundle:
    return Bundle(Path(location))


def open_one(folder: Path) -> Library:
    return Library(folder, load)


def split(videos: Sequence[Made], ways: int, seed: int) -> list[list[Made]]:
    """Videos at random into so many libraries, each in an order of its own."""
    rng = np.random.default_rng(seed)
    part_of = rng.integers(ways, size=len(videos))
    order = rng.permutation(len(videos))
    return [[videos[place] for place in order if part_of[place] == part] for part in range(ways)]


def asked(library: Library | JoinedLibrary) -> dict[str, Any]:
    """Everything that a library answers, but for times and where it lies."""
    answers: dict[str, Any] = {}
    others = itertools.cycle(["folder", "long", "sw", "days"])
    filters = {
        "all": Filter(),
        "folder": Filter(folder="b"),
        "long": Filter(min_duration_s=30, max_duration_s=50),
        "sw": Filter(subtitles="sw"),
        "days": Filter(after=date(1970, 1, 5), before=date(1970, 1, 20)),
    }
    ways = itertools.cycle([(3, 1, False), (40, None, False), (7, 2, True)])
    for query, mode in itertools.product(QUERIES, MODES):
        for name in ("all", next(others)):
            top, per_video, exact = next(ways)
            found = library.search(
                query, mode=mode, filters=filters[name], top=top, per_video=per_video, exact=exact
            )
            answers[f"{query} {mode} {name} {top}"] = shown(found)
    clip = library.snapshot.index.clips["clip_id"][5].as_py()
    answers["like"] = shown(library.search_like(clip, top=30))
    answers["vector"] = shown(library.search_vector(library.vector_of(clip), top=30, per_video=1))
    answers["videos"] = [video.model_dump(exclude={"thumbnail"}) for video in library.videos(skip=3, top=20)]
    own = library.videos(top=1)[0].id
    answers["lines"] = [line.model_dump() for line in library.lines(own)]
    answers["clip"] = library.clip(f"{own}@{0:010d}").model_dump(exclude={"thumbnail", "video"})
    answers["timeline"] = [
        clip.model_dump(exclude={"thumbnail"}) for clip in library.timeline(own, "red").clips
    ]
    answers["contents"] = library.contents().model_dump(exclude={"commit"})
    queries = library.snapshot.bundle.encode_text(["red dog", "blau"])
    for pooling in ("best", "mean"):
        paths, scores = library.score_videos(queries, pooling=pooling)
        answers[pooling] = dict(zip(paths, scores.T.round(6).tolist(), strict=True))
    return answers


def shown(result: polyreel.SearchResult) -> dict[str, Any]:
    found = result.model_dump(exclude={"took_ms"})
    found["hits"] = [
        {fact: value for fact, value in hit.items() if fact not in {"library", "thumbnail"}}
        for hit in found["hits"]
    ]
    return found


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """What is measured on several libraries together is kept in the user's cache: here, in one of its own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYREEL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def videos(tiny_bundle):
    return make_videos(0, tiny_bundle.card.dim)


@pytest.fixture(scope="module")
def whole(videos, tmp_path_factory, tiny_bundle):
    """All videos in one library, and what it answers."""
    folder = write(tmp_path_factory.mktemp("whole") / "library", tiny_bundle, videos)
    return folder, asked(open_one(folder))


@pytest.fixture(scope="module")
def three(videos, tmp_path_factory, tiny_bundle):
    """The same videos in three libraries."""
    home = tmp_path_factory.mktemp("three")
    parts = enumerate(split(videos, 3, seed=3))
    return [write(home / str(number), tiny_bundle, part) for number, part in parts]


def require_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for question, answer in wanted.items():
        assert found[question] == answer, question


def test_three_libraries_answer_as_one(three, whole):
    require_same(asked(open_joined(three[::-1], load)), whole[1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_any_split_of_any_videos_answers_as_one(seed, tmp_path, tiny_bundle):
    videos = make_videos(seed, tiny_bundle.card.dim)
    whole = asked(open_one(write(tmp_path / "whole", tiny_bundle, videos)))
    for ways in (1, 2, 3, 5):
        folders = [
            write(tmp_path / f"{ways}-{number}", tiny_bundle, part)
            for number, part in enumerate(split(videos, ways, seed))
        ]
        require_same(asked(open_joined(folders[:: 1 if seed % 2 else -1], load)), whole)


@pytest.mark.skipif(not can_scan(), reason="numkong is not installed")
def test_large_libraries_answer_as_one(videos, whole, tmp_path, tiny_bundle, monkeypatch):
    """In one byte a number first; the best compared exactly have the cosines of small libraries."""
    small, large = split(videos, 2, seed=7)
    folders = [write(tmp_path / "small", tiny_bundle, small)]
    monkeypatch.setattr(searched, "EXACT_BYTES", 0)
    folders.append(write(tmp_path / "large", tiny_bundle, large))
    joined = open_joined(folders, load)
    kinds = {type(part.index.clip_vectors) for part in joined.snapshot.parts}
    assert kinds == {searched.ExactVectors, searched.QuantisedVectors}
    require_same(asked(joined), whole[1])


def test_unmeasured_libraries_are_no_measure(videos, three, tmp_path, tiny_bundle):
    parts = split(videos, 2, seed=2)
    folders = [
        write(tmp_path / str(number), tiny_bundle, part, measured=False) for number, part in enumerate(parts)
    ]
    joined = open_joined(folders, load)
    assert joined.search("red").verdict == "unmeasured"
    open_one(folders[0]).calibrate()
    assert open_joined(folders, load).search("red").verdict == "unmeasured"
    joined.calibrate()
    assert joined.search("red").verdict != "unmeasured"
    assert open_joined(folders, load).search("red").verdict != "unmeasured"


def test_a_measure_is_kept_until_the_next_commit(three, monkeypatch):
    said: list[str] = []
    first = open_joined(three, load, on_measuring=lambda: said.append("now"))
    first.snapshot.calibration_file.unlink(missing_ok=True)
    again = open_joined(three, load, on_measuring=lambda: said.append("now"))
    assert again.calibrate_if_quick()
    assert said[-1:] == ["now"]
    kept = first.snapshot.calibration_file
    monkeypatch.setattr(joined_library, "measure", None)
    assert open_joined(three[::-1], load).search("red").verdict != "unmeasured"
    assert [place.name for place in kept.parent.parent.iterdir()] == [kept.parent.name]


def test_what_no_text_is_searched_for_needs_no_measure(videos, tmp_path, tiny_bundle):
    said: list[str] = []
    folders = [write(tmp_path / str(n), tiny_bundle, part) for n, part in enumerate(split(videos, 2, seed=3))]
    joined = open_joined(folders, load, on_measuring=lambda: said.append("now"))
    clip = joined.search_vector(videos[0].vectors[0]).hits[0].clip_id
    assert joined.search_like(clip).hits
    assert joined.contents().videos == len(videos)
    assert not said
    assert joined.search("red").verdict != "unmeasured"
    assert said == ["now"]


def test_what_needs_no_measure_is_told_while_it_is_made(videos, tmp_path, tiny_bundle):
    folders = [write(tmp_path / str(n), tiny_bundle, part) for n, part in enumerate(split(videos, 2, seed=3))]
    begun, may_end = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert may_end.wait(30)

    joined = open_joined(folders, load, on_measuring=wait)
    with ThreadPoolExecutor(2) as pool:
        measured = pool.submit(joined.search, "red")
        assert begun.wait(30)
        beside = pool.submit(joined.contents)
        try:
            assert beside.result(20).videos == len(videos)
            assert not measured.done()
        finally:
            may_end.set()
        assert measured.result(30).verdict != "unmeasured"


def test_a_file_that_several_libraries_met_is_one_problem(videos, tmp_path, tiny_bundle):
    """As the one that looked at it last has it."""
    later = "2026-11-0{}T08:00:00+00:00".format
    met = {
        "bad.mp4": [("failed", "moov atom not found", later(1)), ("failed", "moov atom not found", later(2))],
        "mended.mp4": [("failed", "moov atom not found", later(1)), ("ok", "", later(2))],
        "worse.mp4": [("failed", "truncated", later(2)), ("partial", "3 damaged packets", later(1))],
    }
    folders = [tmp_path / "one", tmp_path / "other"]
    for place, folder in enumerate(folders):
        files = commit_of(videos[: len(met)]).files
        for file, (name, states) in zip(files, met.items(), strict=True):
            status, message, at = states[place]
            file |= {"path": f"/videos/{name}", "status": status, "message": message, "indexed_at": at}
        with writing(folder, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
            writer.commit(replace(commit_of(videos[: len(met)]), files=files))
    for order in (folders, folders[::-1]):
        found = open_joined(order, load).contents()
        assert found.paths == len(met)
        assert [(each.name, each.message) for each in found.problems] == [
            ("bad.mp4", "moov atom not found"),
            ("worse.mp4", "truncated"),
        ]


def test_measures_of_libraries_that_went_do_not_pile_up(three, cache, monkeypatch):
    monkeypatch.setattr(joined_library, "_SETS_KEPT", 2)
    joined = cache / "joined"
    for number in range(3):
        (joined / f"gone-{number}" / "commits").mkdir(parents=True)
        os.utime(joined / f"gone-{number}", (number, number))
    first = open_joined(three, load)
    first.snapshot.calibration_file.unlink(missing_ok=True)
    again = open_joined(three, load)
    again.calibrate()
    kept = again.snapshot.calibration_file
    assert kept.is_file()
    assert len(list(joined.iterdir())) == 2


def test_a_hit_says_which_library_it_is_from(three, whole):
    found = polyreel.open(three).search("red", top=30)
    for hit in found.hits:
        assert hit.library in map(str, three)
        assert hit.video_id in {video.id for video in open_one(Path(hit.library)).videos()}
        assert hit.thumbnail.startswith(f"{hit.library}/thumbs/")
    assert {hit.library for hit in open_one(whole[0]).search("red").hits} == {None}
    assert {hit.library for hit in polyreel.open([whole[0]]).search("red").hits} == {None}


def test_a_place_given_from_here_is_the_same_from_elsewhere(three, tmp_path, monkeypatch):
    for opened in (three, three[:1]):
        with monkeypatch.context() as here:
            here.chdir(three[0].parent)
            library = polyreel.open([each.relative_to(three[0].parent) for each in opened])
            here.chdir(tmp_path)
            hits = library.search("red", top=20).hits
        assert {hit.library for hit in hits} <= {*map(str, three), None}
        assert hits


def test_content_and_paths_of_several_libraries_count_once(videos, tmp_path, tiny_bundle):
    """As one library has them: copies of one file, and of one path what was changed last."""
    again = replace(videos[3], path="/videos/a/000-copy.mp4")
    stale = replace(videos[5], path=videos[9].path, mtime_ns=videos[9].mtime_ns - 1)
    rest = [made for place, made in enumerate(videos) if place != 5]
    one = write(tmp_path / "one", tiny_bundle, rest)
    with writing(one, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        writer.commit(replace(commit_of([again]), clips=[], subtitles=[], embeddings=[], vectors=[]))
    open_one(one).calibrate()
    parts = [rest[:20], [*rest[15:], again, stale]]
    folders = [write(tmp_path / str(number), tiny_bundle, part) for number, part in enumerate(parts)]
    require_same(asked(open_joined(folders, load)), asked(open_one(one)))


def test_of_content_in_several_libraries_the_wholest_is_searched(videos, tmp_path, tiny_bundle):
    """One has lines, or vectors, that another lacks: nothing that one finds is lost beside the other."""
    heard = next(made for made in videos if made.lines and len(made.clips) > 1)
    unheard = replace(heard, lines=(), vectors=heard.vectors[: len(heard.clips)])
    write(tmp_path / "heard", tiny_bundle, [heard])
    write(tmp_path / "unheard", tiny_bundle, [unheard])
    wanted = shown(open_one(tmp_path / "heard").search(heard.lines[0]["text"], top=30))
    assert any(hit["evidence"]["line"] for hit in wanted["hits"])
    with writing(tmp_path / "blind", generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        writer.commit(replace(commit_of([unheard]), embeddings=[], vectors=[]))
    for others in (("unheard", "heard"), ("heard", "unheard"), ("blind", "heard"), ("heard", "blind")):
        joined = open_joined([tmp_path / name for name in others], load)
        joined.calibrate()
        assert shown(joined.search(heard.lines[0]["text"], top=30)) == wanted
    assert open_joined([tmp_path / "blind", tmp_path / "unheard"], load).snapshot.pictures_left_out == 0


def test_what_a_library_commits_shows_at_the_next_search(videos, tmp_path, tiny_bundle):
    one, other = (write(tmp_path / str(n), tiny_bundle, videos[n * 5 : n * 5 + 5]) for n in range(2))
    joined = open_joined([one, other], load)
    assert len(joined.videos()) == 10
    with writing(other, generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        writer.commit(commit_of(videos[20:21]))
    assert len(joined.videos()) == 11
    assert joined.search("red").verdict == "unmeasured"
    open_one(other).calibrate()
    assert open_joined([one, other], load).search("red").verdict != "unmeasured"


def test_an_empty_library_changes_nothing(three, whole, tmp_path, tiny_bundle):
    empty = write(tmp_path / "empty", tiny_bundle, [])
    found = open_joined([empty, *three], load).search("red dog", top=20)
    assert shown(found) == shown(open_one(whole[0]).search("red dog", top=20))
    assert not open_joined([empty, write(tmp_path / "none", tiny_bundle, [])], load).search("red").hits


def test_libraries_of_different_bundles_are_refused(three, tmp_path, other_bundle, videos, tiny_bundle):
    other = write(tmp_path / "other", other_bundle, videos[:3], measured=False)
    with pytest.raises(BundleMismatchError) as caught:
        polyreel.open([three[0], other])
    said = str(caught.value)
    for part in (str(other), "other (", str(three[0]), "tiny (", f"bundles set {tiny_bundle.folder}"):
        assert part in said
    assert f"--library {other}" in said


def test_what_cannot_be_opened_as_one_is_named(three, tmp_path):
    with pytest.raises(LibraryError, match=f"no library is here: {tmp_path / 'gone'}"):
        polyreel.open([three[0], tmp_path / "gone"])
    with pytest.raises(UsageError, match=f"named twice: {three[0]}"):
        polyreel.open([three[0], three[1], f"{three[0]}/."])
    with pytest.raises(UsageError, match="no library to open"):
        polyreel.open([])
    with pytest.raises(UsageError, match="a server's library"):
        polyreel.open([three[0], "http://127.0.0.1:1"])
    with pytest.raises(NotFoundError, match="no such video"):
        polyreel.open(three).video("0" * 32)


def test_a_library_that_goes_is_named(videos, tmp_path, tiny_bundle):
    one, other = (write(tmp_path / str(n), tiny_bundle, videos[n * 5 : n * 5 + 5]) for n in range(2))
    joined = open_joined([one, other], load)
    assert joined.search("red").hits
    other.rename(tmp_path / "elsewhere")
    with pytest.raises(LibraryError, match=str(other)):
        joined.search("red")


def test_the_command_line_searches_several_libraries(three, capsys):
    libraries = [part for folder in three for part in ("--library", str(folder))]
    assert main(["search", *libraries, "red", "--json", "--all-moments"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = polyreel.open(three).search("red")
    assert [hit["clip_id"] for hit in found["hits"]] == [hit.clip_id for hit in wanted.hits]
    assert [hit["library"] for hit in found["hits"]] == [hit.library for hit in wanted.hits]
    assert len({hit["library"] for hit in found["hits"]}) > 1
    # A hit is known by its number in each of the libraries.
    for folder in three:
        assert str(recall_hit(folder, 2).video) == wanted.hits[1].video
    assert main(["search", "--like", "2", *libraries, "--json"]) == 0
    alike = json.loads(capsys.readouterr().out)
    assert alike["hits"]
    assert wanted.hits[1].clip_id not in {hit["clip_id"] for hit in alike["hits"]}


def test_a_table_of_several_libraries_says_which(three):
    hits = polyreel.open(three).search("red").hits
    table = hit_table(hits, width=120)
    (column,) = (each for each in table.columns if each.header == "library")
    assert [Path(cell).name for cell in column.cells] == [Path(hit.library).name for hit in hits]
