"""Moving a library to another bundle: searches go on, nothing is mixed, everything can be taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from films import film, holdings, index_films, open_library, slow_fade, subtitles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import LibraryBusyError, LibraryError, NotFoundError, UnknownNameError, UsageError
from polyreel.library.index import filling, generations
from polyreel.library.index.events import Committed, Progressed, Settled, VectorIndexBegun
from polyreel.library.index.filling import Filler
from polyreel.library.index.generations import MoveReport, drop_generation, estimate_move, move_library
from polyreel.library.index.progress_file import read_progress
from polyreel.library.search.search import Library
from polyreel.library.store import vector_index
from polyreel.library.store.doctor import examine
from polyreel.library.store.frame_features import FrameFeatures
from polyreel.library.store.state import read_state
from polyreel.library.store.store import MOVE_FILE, Commit, moving, open_snapshot, writing
from polyreel.library.store.tables import embedding_table
from tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A bundle of another dimension, picture size and frame rate; what does not match has a cosine of 0.5."""
    folder = tmp_path_factory.mktemp("bundles") / "wide"
    return Bundle(write_tiny_bundle(folder, name="wide", spare=1, side_px=24, fps=2.0))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    film(folder / "a.mp4", "red", "blue", each_s=3)
    film(folder / "b.mp4", "green", "yellow")
    subtitles(folder / "b.en.srt", (0, 1, "the dog"), (2, 3, "runs"))
    film(folder / "drive" / "c.mp4", "white")
    return folder


@pytest.fixture
def library(videos, tmp_path, tiny_bundle):
    index_films(videos, tmp_path / "library", tiny_bundle)
    return tmp_path / "library"


def move(library: Path, bundle: Bundle, **options: object) -> MoveReport:
    return move_library(library, bundle, **{"location": str(bundle.folder), "workers": 1, **options})


def vectors(library: Path) -> dict[str, np.ndarray]:
    """Of the generation that searches use, by id; ``holdings`` checks that none is doubled or left over."""
    holdings(library)
    rows = open_snapshot(library).read(open_snapshot(library).embeddings).to_pylist()
    return {row["id"]: np.array(row["vector"], np.float32) for row in rows}


def bundle_of(library: Path, query: str = "red", clips: int = 5) -> str:
    """The bundle that a search uses, after a look whether every score is one of its own."""
    opened = open_library(library)
    found = opened.search(query, mode="visual", top=100)
    worst = min(hit.evidence.visual for hit in found.hits)
    assert opened.snapshot.index.clips["encoded"].to_pylist() == [True] * clips
    assert found.hits[0].evidence.visual == pytest.approx(1, abs=1e-3)
    assert worst == pytest.approx({"tiny": 0.0, "wide": 0.5}[found.bundle], abs=2e-3)
    return found.bundle


def test_a_moved_library_is_that_of_an_index_run(library, videos, tmp_path, tiny_bundle, wide):
    assert bundle_of(library) == "tiny"
    report = move(library, wide)
    assert (report.switched, report.clips, report.lines, report.videos) == (True, 5, 2, 3)
    assert (report.previous, report.bundle, report.left) == (tiny_bundle.card.label, wide.card.label, [])
    assert report.video_s == pytest.approx(6 + 4 + 2, abs=0.3)
    index_films(videos, tmp_path / "afresh", wide)
    afresh, moved = vectors(tmp_path / "afresh"), vectors(library)
    assert moved.keys() == afresh.keys()
    assert all(np.allclose(moved[key], afresh[key], atol=1e-3) for key in moved)
    assert bundle_of(library) == "wide"
    assert not (library / MOVE_FILE).exists()
    assert index_films(videos, library, wide).unchanged == 3


def test_searches_use_the_old_bundle_until_the_switch_and_keep_their_cache(library, wide):
    keys, bundles = set(), set()

    def look(event: object) -> None:
        if isinstance(event, Settled):
            keys.add(read_state(library).key)
            bundles.add(bundle_of(library))

    before = read_state(library)
    move(library, wide, commit_every_s=0, on_event=look)
    assert bundles == {"tiny"}
    assert keys == {before.key}
    assert read_state(library).commit > before.commit + 3
    assert read_state(library).key != before.key


def test_the_new_vectors_get_an_index_where_they_are_so_many(
    library, tiny_bundle, wide, tmp_path, monkeypatch
):
    monkeypatch.setattr(vector_index, "PLANES_BYTES", 0)
    monkeypatch.setattr(vector_index, "_FEWEST_PARTITIONS", 1)
    events: list[object] = []
    assert wide.card.dim % 8  # Lance takes no such vectors
    move(library, wide, on_event=events.append)
    assert VectorIndexBegun(7) not in events
    assert bundle_of(library) == "wide"

    fit = write_tiny_bundle(tmp_path / "fit", name="fit", spare=-tiny_bundle.card.dim % 8 + 8)
    move(library, Bundle(fit), on_event=events.append)

    assert VectorIndexBegun(7) in events
    snapshot = open_snapshot(library)
    facts = vector_index.index_facts(snapshot.table(snapshot.embeddings))
    assert facts == vector_index.IndexFacts("vectors-7", 7, 0)
    assert open_library(library).search("red").bundle == "fit"


def test_a_library_that_is_open_follows_the_move(library, wide):
    opened = open_library(library)
    like = opened.search("red").hits[0].clip_id
    assert opened.search("red").bundle == "tiny"
    move(library, wide)
    assert opened.search("red").bundle == "wide"
    assert opened.search_like(like).bundle == "wide"
    assert opened.bundle.card.name == "wide"
    asked = Library(library, lambda location: Bundle(Path(location)), refresh="when asked")
    old = asked.vector_of(like)
    move(library, Bundle(Path(read_state(library).generations[1].location)))
    assert asked.search("red").bundle == "wide"
    with pytest.raises(UsageError, match=r"not of the bundle's width.*\(9,\), expected \(8,\)"):
        opened.search_vector(old)


def test_going_back_is_done_at_once_and_needs_no_file(library, videos, tiny_bundle, wide):
    move(library, wide)
    for path in videos.rglob("*.mp4"):
        path.rename(path.with_suffix(".away"))
    report = move(library, tiny_bundle)
    assert (report.switched, report.clips, report.lines) == (True, 0, 0)
    assert bundle_of(library) == "tiny"
    again = move(library, wide)
    assert (again.switched, again.clips) == (True, 0)
    assert bundle_of(library) == "wide"


def test_going_back_encodes_what_has_come_since(library, videos, tiny_bundle, wide):
    move(library, wide)
    film(videos / "new.mp4", "red")
    (videos / "b.mp4").unlink()
    index_films(videos, library, wide)
    assert bundle_of(library, clips=4) == "wide"
    report = move(library, tiny_bundle)
    assert (report.switched, report.clips, report.lines) == (True, 1, 0)
    assert not read_state(library).gaps
    assert bundle_of(library, clips=4) == "tiny"


def test_what_is_indexed_meanwhile_is_in_both(library, videos, tiny_bundle, wide):
    told = []

    def index_another(event: object) -> None:
        if isinstance(event, Settled) and not told:
            told.append(event)
            film(videos / "new.mp4", "red")
            subtitles(videos / "b.en.srt", (0, 1, "red"), (2, 3, "runs"))
            assert index_films(videos, library, tiny_bundle).indexed == 1

    report = move(library, wide, on_event=index_another)
    assert (report.switched, report.videos) == (True, 4)
    assert bundle_of(library, clips=6) == "wide"
    texts = open_library(library).search("red", mode="subtitles")
    assert texts.hits[0].evidence.subtitle.text == "red"
    move(library, tiny_bundle)
    assert bundle_of(library, clips=6) == "tiny"


def test_an_interrupted_move_goes_on_where_it_was(library, wide, monkeypatch):
    encoded: list[int] = []
    encode = Bundle.encode_video
    monkeypatch.setattr(
        Bundle, "encode_video", lambda bundle, clips: encoded.append(1) or encode(bundle, clips)
    )

    def interrupt(event: object) -> None:
        if isinstance(event, Settled):
            raise KeyboardInterrupt

    first = move(library, wide, on_event=interrupt)
    assert (first.interrupted, first.switched) == (True, False)
    assert bundle_of(library) == "tiny"
    stays = move(
        library, Bundle(Path(read_state(library).generation.location))
    )  # goes back before the switch
    assert (stays.switched, stays.clips, bundle_of(library)) == (False, 0, "tiny")
    second = move(library, wide)
    assert (second.interrupted, second.switched) == (False, True)
    assert first.clips > 0
    assert first.clips + second.clips == 5 == len(encoded)
    assert bundle_of(library) == "wide"


def test_a_move_interrupted_within_a_film_makes_the_vectors_of_one_that_was_not(tmp_path, tiny_bundle, wide):
    slow_fade(tmp_path / "videos" / "fade.mp4", seconds=30)
    for name in ("at once", "in parts"):
        index_films(tmp_path / "videos", tmp_path / name, tiny_bundle)
    events: list[Progressed] = []

    def interrupt(event: object) -> None:
        if isinstance(event, Progressed) and events.append(event) is None and len(events) == 3:
            raise KeyboardInterrupt

    first = move(tmp_path / "in parts", wide, commit_every_s=0, on_event=interrupt)
    assert (first.interrupted, first.clips) == (True, 2)
    assert move(tmp_path / "in parts", wide).clips == 1
    move(tmp_path / "at once", wide)
    whole, parts = vectors(tmp_path / "at once"), vectors(tmp_path / "in parts")
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)


def test_a_file_that_is_away_keeps_its_old_vectors_and_is_said_so(library, videos, tiny_bundle, wide):
    (videos / "drive").rename(videos.parent / "unplugged")
    report = move(library, wide)
    assert report.switched
    assert [Path(str(error.item)).name for error in report.left] == ["c.mp4"]
    assert "Once its drive is mounted" in str(report.left[0])
    found = open_library(library).search("white", mode="visual", top=100)
    assert found.pictures_left_out == 1
    assert all("drive" not in hit.video for hit in found.hits)  # not ranked by vectors of another bundle
    assert open_library(library).contents().pictures_left_out == 1
    (away,) = vectors_ids(library, 1) - vectors_ids(library, 2)
    with pytest.raises(NotFoundError, match="has not encoded this moment"):
        open_library(library).search_like(away)
    health = examine(library)
    assert (health.usable, health.damage) == (True, ())
    assert [Path(path).name for path in health.unencoded] == ["c.mp4"]
    with pytest.raises(UsageError, match="has not encoded everything"):
        drop_generation(library, "tiny")
    (videos.parent / "unplugged").rename(videos / "drive")
    caught_up = index_films(videos, library, wide)
    assert (caught_up.caught_up, caught_up.indexed) == (1, 0)
    assert not read_state(library).gaps
    assert bundle_of(library) == "wide"
    assert examine(library).unencoded == ()


def vectors_ids(library: Path, number: int) -> set[str]:
    return set(open_snapshot(library).read(embedding_table(number), ["id"])["id"].to_pylist())


def test_nothing_moves_if_no_file_can_be_read(library, videos, wide):
    videos.rename(videos.parent / "unplugged")
    with pytest.raises(LibraryError, match=r"no video of the library could be read.*a\.mp4"):
        move(library, wide)
    assert bundle_of(library) == "tiny"


def test_a_file_that_was_replaced_is_not_taken_for_the_indexed_one(library, videos, wide):
    film(videos / "a.mp4", "black", "green", "red")
    report = move(library, wide)
    assert [error.what for error in report.left] == ["the file has changed since it was indexed"]
    index_films(videos, library, wide)
    assert bundle_of(library, clips=6) == "wide"
    assert not read_state(library).gaps


def test_a_file_that_can_no_longer_be_decoded_is_left_with_the_reason(library, videos, wide):
    path = videos / "a.mp4"
    facts = path.stat()
    path.write_bytes(bytes(facts.st_size))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    report = move(library, wide)
    assert report.switched
    assert [Path(str(error.item)).name for error in report.left] == ["a.mp4"]
    assert open_library(library).search("red").pictures_left_out == 1


def test_two_moves_at_once(library, wide):
    with moving(library), pytest.raises(LibraryBusyError, match="being moved to another bundle already"):
        move(library, wide)
    with moving(library), pytest.raises(LibraryBusyError):
        drop_generation(library, "wide")
    assert move(library, wide).switched


def test_a_move_waits_for_an_index_run_to_end(library, wide, monkeypatch):
    reports = []
    monkeypatch.setattr("polyreel.library.store.store._PATIENCE_S", 0.05)
    with writing(library):
        thread = threading.Thread(target=lambda: reports.append(move(library, wide)))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(60)
    assert reports[0].switched


def test_an_index_run_waits_for_a_commit_of_a_move(library, videos, tiny_bundle):
    with writing(library, briefly=True):
        runs = []
        thread = threading.Thread(target=lambda: runs.append(index_films(videos, library, tiny_bundle)))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(60)
    assert runs[0].unchanged == 3


def test_what_a_killed_move_leaves_holds_up_nobody(library, videos, tiny_bundle, wide):
    """Its note stays, with the number of a process that is no more; the system has freed its locks."""
    code = f"""
import os, pathlib
from polyreel.encoders.runtime import Bundle
from polyreel.library.index.generations import move_library
bundle = Bundle(pathlib.Path({str(wide.folder)!r}))
library = pathlib.Path({str(library)!r})
move_library(library, bundle, location="wide", workers=1, on_event=lambda _: os._exit(9))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    left = read_progress(library, MOVE_FILE)
    assert (left.bundle, left.is_running) == ("wide", False)
    with writing(library):
        began = time.monotonic()
        with pytest.raises(LibraryBusyError):
            index_films(videos, library, tiny_bundle)
        assert time.monotonic() - began < 30  # not the patience that a move which goes on is owed
    assert drop_generation(library, "wide") == wide.card.label
    assert not (library / MOVE_FILE).exists()
    assert move(library, wide).switched


def test_a_generation_is_dropped(library, tiny_bundle, wide):
    move(library, wide)
    with pytest.raises(UsageError, match="searches use this bundle"):
        drop_generation(library, "wide")
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        drop_generation(library, "tny")
    assert drop_generation(library, "tiny") == tiny_bundle.card.label
    assert not (library / "gen-1.lance").exists()
    assert list(read_state(library).generations) == [2]
    assert bundle_of(library) == "wide"
    back = move(library, tiny_bundle)
    assert (back.switched, back.clips) == (True, 5)


def test_an_unfinished_generation_can_be_dropped(library, wide):
    def stop(event: object) -> None:
        raise KeyboardInterrupt

    assert move(library, wide, on_event=stop).interrupted
    assert drop_generation(library, wide.card.identity[:12]) == wide.card.label
    assert bundle_of(library) == "tiny"


def test_the_estimate_says_what_is_to_be_done(library, videos, tiny_bundle, wide):
    (videos / "drive").rename(videos.parent / "unplugged")
    before = (library / "library.json").read_text()
    estimate = estimate_move(library, wide, location="wide")
    assert (estimate.clips, estimate.lines, estimate.files, len(estimate.left)) == (4, 2, 2, 1)
    assert estimate.video_s == pytest.approx(10, abs=0.3)
    assert 0 < estimate.took_s < 60
    assert estimate.disk_bytes > 6 * wide.card.dim * 2
    assert (library / "library.json").read_text() == before
    assert estimate_move(library, tiny_bundle, location="tiny").clips == 0


def test_a_full_disk_is_said_before_it_starts(library, wide, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(generations.shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(LibraryError, match="no room for the vectors of another bundle"):
        move(library, wide)
    assert list(read_state(library).generations) == [1]


def test_a_library_of_the_second_schema_moves(library, wide):
    facts = json.loads((library / "library.json").read_text())
    for name in ("shown", "gaps"):
        del facts[name]
    for made in facts["generations"].values():
        del made["served"]
    (library / "library.json").write_text(json.dumps(facts | {"schema_version": 2}))
    before = read_state(library)
    seen = []
    move(library, wide, on_event=lambda event: seen.append(read_state(library).key))
    assert before.key in seen
    assert bundle_of(library) == "wide"


def test_the_pictures_of_unencoded_clips_do_not_spoil_their_lines(library, videos, wide):
    (videos / "b.mp4").rename(videos.parent / "b.mp4")
    move(library, wide)
    found = open_library(library).search("dog")
    by_line = next(hit for hit in found.hits if hit.evidence.subtitle)
    assert by_line.evidence.visual is None
    scores = open_library(library).timeline(by_line.video_id, "green").clips
    assert [clip.visual for clip in scores] == [0.0, 0.0]
    with pytest.raises(LibraryError, match="1 of 3 videos"):
        open_library(library).score_videos(np.eye(9, dtype=np.float32)[:1])


@pytest.mark.parametrize(("takes_s", "commits"), [(1e9, 4), (1e-15, 2)])
def test_slow_commits_are_made_less_often(tmp_path, tiny_bundle, monkeypatch, takes_s, commits):
    monkeypatch.setattr(filling, "_COMMIT_TAKES_S", takes_s)
    monkeypatch.setattr(filling, "_LINES_AT_ONCE", 1)
    made = []

    def commit(change: Commit, _texts: object) -> Commit:
        time.sleep(0.001)  # by any clock
        made.append(len(change.embeddings))
        return change

    features = FrameFeatures(tmp_path, tiny_bundle.card)
    filler = Filler(
        tiny_bundle,
        commit,
        features=features,
        sampling="near",
        commit_every_s=1e-6,
        on_event=lambda _event: None,
    )
    lines = [
        {"subtitle_id": str(number), "video": "v", "text": "red", "language": "en"} for number in range(4)
    ]
    filler.lines(pa.Table.from_pylist(lines))
    filler.flush()
    assert (len(made), sum(made)) == (commits, 4)


def test_every_commit_of_a_move_is_told(library, wide):
    settled = []
    move(library, wide, on_event=lambda event: settled.append(event))
    assert sum(isinstance(event, Settled) for event in settled) == 3
    assert not any(isinstance(event, Committed) for event in settled)


def test_a_half_read_film_is_read_anew_by_the_new_bundle(library, videos, tiny_bundle, wide):
    film(videos / "long.mp4", "red", "green", "blue", "white", each_s=3)

    def interrupt(event: object) -> None:
        if isinstance(event, Progressed) and events.append(event) is None and len(events) > 2:
            raise KeyboardInterrupt

    events: list[object] = []
    run = index_films(videos, library, tiny_bundle, commit_every_s=0, on_event=interrupt)
    assert list(run.half_read) == [str(videos / "long.mp4")]
    report = move(library, wide)
    assert (report.switched, report.left, read_state(library).gaps) == (True, [], False)
    assert bundle_of(library) == "wide"
    assert index_films(videos, library, wide).indexed == 1
    assert bundle_of(library, clips=9) == "wide"
