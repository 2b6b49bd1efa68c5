"""The library on disk: what a commit, a crash and a second process may and may not do to it."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import lancedb
import numpy as np
import pytest

from polyreel.errors import BundleMismatchError, LibraryBusyError, LibraryError, LibraryVersionError
from polyreel.library.store import store
from polyreel.library.store import table_files as durable
from polyreel.library.store.state import Generation, read_state
from polyreel.library.store.store import Commit, create_library, open_snapshot, writing
from polyreel.library.store.tables import CLIPS, FILES, SUBTITLES

OWN = Generation(bundle="own", identity="a" * 64, location="own", dim=4)
OTHER = Generation(bundle="other", identity="b" * 64, location="/elsewhere/other", dim=4)
TABLES = (FILES, CLIPS, SUBTITLES, "gen-1")


def one_video(video: str, path: str, *, text: str = "a red dog") -> Commit:
    """A path with one clip and one subtitle."""
    ids = [f"{video}@0", f"{video}#0"]
    return Commit(
        files=[
            {
                "path": path,
                "video": video,
                "size_bytes": 1,
                "mtime_ns": 2,
                "sidecars": "",
                "status": "ok",
                "message": "",
                "health": "",
                "indexed_at": "",
            }
        ],
        clips=[{"clip_id": ids[0], "video": video, "start_s": 0.0, "end_s": 1.0, "thumbnail": ""}],
        subtitles=[
            {
                "subtitle_id": ids[1],
                "video": video,
                "start_s": 0.0,
                "end_s": 1.0,
                "text": text,
                "language": "en",
                "source": "x.srt",
            }
        ],
        embeddings=[
            {"id": item, "video": video, "kind": "clip" if "@" in item else "subtitle"} for item in ids
        ],
        vectors=[np.full(4, 0.5, np.float32)] * 2,
    )


def paths_in(library: Path) -> list[str]:
    return sorted(open_snapshot(library).read(FILES)["path"].to_pylist())


def rows(videos: int) -> dict[str, int]:
    """How many rows so many videos make: a clip and a subtitle each, with a vector each."""
    return {FILES: videos, CLIPS: videos, SUBTITLES: videos, "gen-1": 2 * videos}


def counts(library: Path) -> dict[str, int]:
    snapshot = open_snapshot(library)
    return {name: len(snapshot.read(name)) for name in TABLES}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(durable, "sync", lambda _path: None)


@pytest.fixture
def library(tmp_path):
    create_library(tmp_path / "library", OWN)
    return tmp_path / "library"


def test_a_new_library_is_empty(library):
    state = read_state(library)
    assert state is not None
    assert (state.commit, state.generation) == (0, OWN)
    assert counts(library) == rows(0)


def test_creating_a_library_where_one_is_changes_nothing(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    create_library(library, OWN)
    assert paths_in(library) == ["/a"]


def test_a_commit_shows_to_readers_that_open_after_it_only(library):
    before = open_snapshot(library)
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
        assert len(before.read(FILES)) == 0
        assert paths_in(library) == ["/a"]
        during = open_snapshot(library)
        writer.commit(one_video("w", "/b"))
    assert len(before.read(FILES)) == 0
    assert during.read(FILES)["path"].to_pylist() == ["/a"]
    assert paths_in(library) == ["/a", "/b"]


def test_a_commit_replaces_the_row_of_a_path(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("old", "/a"))
        writer.commit(one_video("new", "/a"))
    assert open_snapshot(library).read(FILES)["video"].to_pylist() == ["new"]


def test_every_row_is_read_however_many_there_are(library):
    change = Commit()
    for number in range(2_500):
        change.files += one_video(f"v{number}", f"/{number:04d}").files
    with writing(library, OWN) as writer:
        writer.commit(change)
        assert len(paths_in(library)) == 2_500
        writer.commit(Commit(removed_paths=[f"/{number:04d}" for number in range(2_499)]))
    assert paths_in(library) == ["/2499"]


AWKWARD = ["/it's", "/''", '/say "no"', "/100%_\\n", "/new\nline", "/文件夹/🎬.mp4", "/x' OR 'a'='a", "/--"]


def test_names_are_data_whatever_is_in_them(library):
    with writing(library, OWN) as writer:
        for number, path in enumerate([*AWKWARD, "/plain"]):
            writer.commit(one_video(f"v'{number}", path))
        assert paths_in(library) == sorted([*AWKWARD, "/plain"])
        for path in AWKWARD:
            writer.commit(one_video("same'video", path))
        writer.commit(Commit(files=one_video("w'", AWKWARD[0]).files, replaced_subtitles=["same'video"]))
        assert writer.drop_orphans() == len(AWKWARD)
        for path in AWKWARD:
            writer.commit(Commit(removed_paths=[path]))
            assert path not in paths_in(library)
    assert paths_in(library) == ["/plain"]


def test_rows_that_a_killed_writer_left_are_taken_back(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    database = lancedb.connect(library)
    for name in TABLES:
        held = database.open_table(name).search().to_arrow()
        database.open_table(name).add(held)  # all tables written, library.json not
    assert counts(library) == rows(1)
    with writing(library, OWN) as writer:
        writer.commit(one_video("w", "/b"))
    assert counts(library) == rows(2)
    assert paths_in(library) == ["/a", "/b"]


def test_rows_that_a_killed_writer_deleted_come_back(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    lancedb.connect(library).open_table(CLIPS).delete("true")
    with writing(library, OWN) as writer:
        writer.commit(one_video("w", "/b"))
    assert counts(library) == rows(2)


@pytest.mark.parametrize("text", ["No space left on device", "File too large"])
def test_a_commit_on_a_full_disk_leaves_the_library_as_it_was(library, monkeypatch, text):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))

    def full(*_arguments):
        raise OSError(28, text)

    with monkeypatch.context() as patch, writing(library, OWN) as writer:
        patch.setattr(store, "write_state", full)
        with pytest.raises(LibraryError, match="the disk is full") as caught:
            writer.commit(one_video("w", "/b"))
    assert caught.value.item == library
    assert paths_in(library) == ["/a"]
    with writing(library, OWN) as writer:
        writer.commit(one_video("w", "/b"))
    assert counts(library) == rows(2)


def test_an_interrupted_commit_is_whole_or_not_there(library, monkeypatch):
    """Ctrl-C in the middle: whatever the run still writes afterwards must not publish half a commit."""

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
        with monkeypatch.context() as patch:
            patch.setattr(store.Writer, "_append_vectors", interrupted)
            with pytest.raises(KeyboardInterrupt):
                writer.commit(one_video("w", "/b"))
        writer.tidy()
        writer.commit(one_video("x", "/c"))
    assert paths_in(library) == ["/a", "/c"]
    assert counts(library) == rows(2)


def test_ctrl_c_waits_for_the_commit_under_way(library, monkeypatch):
    append = store.Writer._append_vectors

    def signalled(*arguments):
        signal.raise_signal(signal.SIGINT)
        append(*arguments)

    with writing(library, OWN) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(store.Writer, "_append_vectors", signalled)
            with pytest.raises(KeyboardInterrupt):
                writer.commit(one_video("v", "/a"))
        assert paths_in(library) == ["/a"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert counts(library) == rows(1)


@pytest.mark.parametrize("made", range(5))
def test_a_library_whose_making_was_cut_short_is_made_anew(tmp_path, monkeypatch, made):
    def killed(*_arguments):
        raise KeyboardInterrupt

    library = tmp_path / "library"
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_state", killed)
        with pytest.raises(KeyboardInterrupt):
            create_library(library, OWN)
    for name in TABLES[made:]:
        shutil.rmtree(library / f"{name}.lance")
    for name in TABLES[made : made + 1]:
        (library / f"{name}.lance" / "_versions").mkdir(parents=True)  # a table before its first version
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    assert counts(library) == rows(1)


def test_tables_without_their_library_json_are_not_overwritten(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    saved = (library / "library.json").rename(library / "elsewhere.json")
    with pytest.raises(LibraryError, match=r"library\.json is missing"), writing(library, OWN):
        pass
    with pytest.raises(LibraryError, match="no library is here"):
        open_snapshot(library)
    saved.rename(library / "library.json")
    assert counts(library) == rows(1)


def test_a_newer_schema_is_refused(library):
    facts = json.loads((library / "library.json").read_text())
    text = json.dumps({"schema_version": 5, "something": "new"} | {"commit": facts["commit"]})
    (library / "library.json").write_text(text)
    for attempt in (lambda: open_snapshot(library), lambda: create_library(library, OWN)):
        with pytest.raises(LibraryVersionError, match=r"schema 5, .* up to 4.*Update polyreel"):
            attempt()
    assert (library / "library.json").read_text() == text


def test_a_library_of_the_first_schema_is_read_and_gets_an_id_with_its_next_commit(library):
    facts = json.loads((library / "library.json").read_text())
    own = (facts.pop("library_id"), facts.pop("revision"))
    assert all(own)
    (library / "library.json").write_text(json.dumps(facts | {"schema_version": 1}))
    before = read_state(library)
    assert (before.library_id, before.schema_version) == ("", 1)
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
        first = read_state(library)
        writer.commit(one_video("w", "/b"))
    after = read_state(library)
    assert (after.schema_version, after.library_id) == (4, first.library_id)
    assert first.library_id
    assert len({state.key for state in (before, first, after)}) == 3


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\x00" * 40, '{"schema_version": 1}', '{"schema_version": "one"}']
)
def test_a_damaged_library_json_is_refused_and_left_alone(library, text):
    (library / "library.json").write_text(text)
    for attempt in (lambda: open_snapshot(library), lambda: create_library(library, OWN)):
        with pytest.raises(
            LibraryError, match=r"library\.json is damaged.*Restore it from a backup"
        ) as caught:
            attempt()
        assert not isinstance(caught.value, LibraryVersionError)
    assert (library / "library.json").read_text() == text


def test_another_bundle_is_refused_and_the_way_on_is_named(library):
    with pytest.raises(BundleMismatchError) as caught, writing(library, OTHER):
        pass
    message = str(caught.value)
    assert OWN.label in message
    assert OTHER.label in message
    assert "--bundle own" in message
    assert "polyreel bundles set /elsewhere/other" in message


def test_a_second_writer_is_told_to_wait_while_readers_go_on(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
        with pytest.raises(LibraryBusyError, match="another index run is writing this library"):
            create_library(library, OWN)
        with pytest.raises(LibraryBusyError, match="searching goes on meanwhile"), writing(library, OWN):
            pass
        assert paths_in(library) == ["/a"]
    with writing(library, OWN) as writer:
        writer.commit(one_video("w", "/b"))
    assert paths_in(library) == ["/a", "/b"]


def test_tidying_keeps_every_row_and_old_snapshots(library):
    with writing(library, OWN) as writer:
        for number in range(20):
            writer.commit(one_video(f"v{number}", f"/{number:02d}"))
        early = open_snapshot(library)
        for number in range(20, 40):
            writer.commit(one_video(f"v{number}", f"/{number:02d}"))
        before = sum(1 for _ in (library / "clips.lance" / "data").iterdir())
        writer.tidy()
        fragments = writer._tables[CLIPS].stats()["fragment_stats"]["num_fragments"]
        assert before == 40
        assert fragments == 1
    assert counts(library) == rows(40)
    assert {name: len(early.read(name)) for name in TABLES} == rows(20)


def test_a_crash_while_tidying_loses_nothing(library, monkeypatch):
    """What library.json names must outlive the compaction that is to replace it, however old it is."""

    def killed(*_arguments):
        raise KeyboardInterrupt

    with writing(library, OWN) as writer:
        for number in range(40):
            writer.commit(one_video(f"v{number}", f"/{number:02d}"))
    monkeypatch.setattr(store, "_KEEP_VERSIONS", timedelta(milliseconds=1))
    with monkeypatch.context() as patch, writing(library, OWN) as writer:
        patch.setattr(store, "write_state", killed)
        with pytest.raises(KeyboardInterrupt):
            writer.tidy()
    assert counts(library) == rows(40)
    with writing(library, OWN) as writer:
        writer.tidy()
    assert counts(library) == rows(40)


def test_tidying_frees_what_no_commit_names_any_more(library, monkeypatch):
    with writing(library, OWN) as writer:
        for number in range(40):
            writer.commit(one_video(f"v{number}", f"/{number:02d}"))
        monkeypatch.setattr(store, "_KEEP_VERSIONS", timedelta(milliseconds=1))
        writer.tidy()
    assert sum(1 for _ in (library / "clips.lance" / "data").iterdir()) == 1
    assert counts(library) == rows(40)


def test_tidying_twice_changes_nothing_the_second_time(library):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
        writer.tidy()
        first = read_state(library)
        writer.tidy()
    assert read_state(library) == first


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_is_one_clear_error(library, name):
    with writing(library, OWN) as writer:
        writer.commit(one_video("v", "/a"))
    shutil.rmtree(library / f"{name}.lance")
    with pytest.raises(LibraryError, match="cannot be read"):
        open_snapshot(library).read(name)
    with pytest.raises(LibraryError), writing(library, OWN):
        pass


def test_a_library_cannot_be_made_where_a_file_is(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(LibraryError, match="cannot be written"):
        create_library(tmp_path / "film.mp4", OWN)
    assert read_state(tmp_path / "film.mp4") is None
