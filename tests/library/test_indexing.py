"""Bringing a library up to date: what is read, what is not, and what stays when things go wrong."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

import videos
from decoders import running_decoders
from films import Held, film, holdings, index_films, open_library, orphans, subtitles
from polyreel.errors import BundleMismatchError, LimitError, UsageError
from polyreel.library.index import decode_pool, indexing, scan
from polyreel.library.index.events import Committed, Planned, Progressed, Settled
from polyreel.library.store.doctor import examine
from polyreel.library.store.known_videos import forget
from polyreel.library.store.state import read_state
from polyreel.media.limited import Limits

ONE_CLIP = ((0.0, 2.0),)


@pytest.fixture
def library(tmp_path):
    return tmp_path / "library"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos").mkdir()
    return tmp_path / "videos"


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files whose pictures were decoded since it was last cleared."""
    seen: list[str] = []
    decode = decode_pool.DecodeWorker.decode

    def noting(worker, path, options):
        if options.pictures:
            seen.append(path.name)
        return decode(worker, path, options)

    monkeypatch.setattr(decode_pool.DecodeWorker, "decode", noting)
    return seen


def touch(path: Path) -> None:
    """Give the file another time of modification."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))


def ok(*lines: str) -> Held:
    return Held("ok", ONE_CLIP, lines)


def test_a_folder_becomes_a_library(folder, library, tiny_bundle, decoded):
    film(folder / "one.mp4", "red")
    film(folder / "two.mp4", "green", "blue", each_s=3)
    report = index_films(folder, library, tiny_bundle)
    assert (report.found, report.indexed, report.clips, report.failed) == (2, 2, 3, [])
    assert report.video_s == pytest.approx(8)
    assert report.changed
    assert holdings(library) == {
        str(folder / "one.mp4"): ok(),
        str(folder / "two.mp4"): Held("ok", ((0.0, 3.0), (3.0, 6.0)), ()),
    }
    assert sorted(decoded) == ["one.mp4", "two.mp4"]


def test_a_second_run_reads_nothing(folder, library, tiny_bundle, decoded, monkeypatch):
    film(folder / "one.mp4", "red")
    subtitles(folder / "one.srt", (0, 1, "the dog"))
    (folder / "broken.mp4").write_bytes(b"no video")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    state = read_state(library)
    monkeypatch.setattr(decode_pool, "content_hash", lambda found, _stop: pytest.fail(f"{found} was read"))
    report = index_films(folder, library, tiny_bundle)
    assert (report.found, report.unchanged, report.unchanged_failed) == (2, 2, 1)
    assert not report.changed
    assert decoded == []
    assert read_state(library) == state


def test_a_file_with_a_new_time_and_the_old_content_is_not_decoded(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    touch(path)
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.indexed, decoded) == (1, 0, [])
    assert holdings(library) == {str(path): ok()}
    assert index_films(folder, library, tiny_bundle).unchanged == 1


def test_a_rename_costs_no_decoding(folder, library, tiny_bundle, decoded):
    film(folder / "stays.mp4", "green")
    path = film(folder / "one.mp4", "red")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    (folder / "deep").mkdir()
    path.rename(folder / "deep" / "two.mov")
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.removed, report.indexed, decoded) == (1, 0, 0, [])
    assert holdings(library) == {str(folder / "stays.mp4"): ok(), str(folder / "deep" / "two.mov"): ok()}
    assert open_library(library).search("rot").hits[0].video == str(folder / "deep" / "two.mov")


def test_a_renamed_folder_costs_no_decoding_even_if_the_run_is_interrupted(
    folder, library, tiny_bundle, decoded
):
    for number, colour in enumerate(("red", "green", "blue")):
        film(folder / "old" / f"{number}.mp4", colour)
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    (folder / "old").rename(folder / "new")

    def interrupt(event):
        if isinstance(event, Settled):
            raise KeyboardInterrupt

    report = index_films(folder, library, tiny_bundle, commit_every_s=0, on_event=interrupt)
    assert (report.interrupted, report.removed) == (True, 0)
    report = index_films(folder, library, tiny_bundle)
    # What was linked before the interrupt had two paths until now.
    assert (report.linked + report.copies_removed, report.removed, decoded) == (3, 0, [])
    assert holdings(library) == {str(folder / "new" / f"{number}.mp4"): ok() for number in range(3)}


def test_renaming_the_only_video_leaves_no_ghost(folder, library, tiny_bundle):
    path = film(folder / "a.mp4", "red")
    index_films(folder, library, tiny_bundle)
    path.rename(folder / "b.mp4")
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.removed, report.kept) == (1, 0, [])
    assert [hit.video for hit in open_library(library).search("red").hits] == [str(folder / "b.mp4")]


def test_a_copy_does_not_rename_what_was_known_before(folder, library, tiny_bundle):
    known = film(folder / "lecture.mp4", "red")
    index_films(folder, library, tiny_bundle)
    copy = folder / "a copy.mp4"
    shutil.copy(known, copy)
    touch(known)
    subtitles(folder / "lecture.srt", (0, 1, "the dog"))
    index_films(folder, library, tiny_bundle)
    opened = open_library(library)
    (hit,) = opened.search("red", top=1).hits
    assert (hit.video, opened.videos()[0].copies) == (str(known), (copy.name,))
    assert examine(library).copies == {str(copy): str(known)}
    known.unlink()
    (hit,) = opened.search("red", top=1).hits
    assert hit.video == str(copy)


def test_a_copy_costs_no_decoding_and_survives_its_original(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    copy = Path(shutil.copy(path, folder / "two.mp4"))
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.unchanged, decoded) == (1, 1, [])
    assert len(open_library(library).search("red").hits) == 1  # one video, wherever it lies
    path.unlink()
    assert index_films(folder, library, tiny_bundle).copies_removed == 1
    assert holdings(library) == {str(copy): ok()}
    assert open_library(library).search("red").hits[0].video == str(copy)


def test_duplicates_within_one_run_are_decoded_once(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    for name in ("two.mp4", "three.mp4"):
        shutil.copy(path, folder / name)
    report = index_films(folder, library, tiny_bundle, workers=3)
    assert (report.indexed, report.linked, len(decoded), report.clips) == (1, 2, 1, 1)
    assert holdings(library) == {str(folder / name): ok() for name in ("one.mp4", "two.mp4", "three.mp4")}


def test_changed_content_replaces_the_old(folder, library, tiny_bundle):
    path = film(folder / "one.mp4", "red")
    film(folder / "other.mp4", "white")
    subtitles(folder / "one.srt", (0, 1, "old words"))
    index_films(folder, library, tiny_bundle)
    film(path, "green", "blue")
    subtitles(folder / "one.srt", (0, 1, "new words"))
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.unchanged) == (1, 1)
    assert holdings(library)[str(path)] == Held("ok", ((0.0, 2.0), (2.0, 4.0)), ("new words",))
    assert orphans(library) == set()
    found = open_library(library)
    assert found.search("red", mode="visual").confident is False
    assert found.search("blue").hits[0].start_s == 2.0


def test_a_file_that_became_a_copy_of_another_leaves_nothing_behind(folder, library, tiny_bundle, decoded):
    path, other = film(folder / "one.mp4", "red"), film(folder / "two.mp4", "green")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    shutil.copy(other, path)
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.indexed, decoded) == (1, 0, [])
    assert holdings(library) == {str(path): ok(), str(other): ok()}
    assert orphans(library) == set()


def test_content_that_comes_back_is_there_once(folder, library, tiny_bundle, monkeypatch):
    """A run that was killed before it removed the old rows must not let them be added a second time."""
    path = film(folder / "one.mp4", "red")
    red = path.read_bytes()
    index_films(folder, library, tiny_bundle)
    film(path, "green")
    with monkeypatch.context() as patch:
        patch.setattr(indexing._Run, "finish", lambda run: run._commit())
        index_films(folder, library, tiny_bundle)
    assert len(orphans(library)) == 1
    path.write_bytes(red)
    index_films(folder, library, tiny_bundle)
    assert holdings(library) == {str(path): ok()}
    assert orphans(library) == set()


def test_deleted_files_leave_with_all_that_was_theirs(folder, library, tiny_bundle):
    film(folder / "stays.mp4", "green")
    film(folder / "it's" / "gone.mp4", "red")
    subtitles(folder / "it's" / "gone.srt", (0, 1, "gone too"))
    index_films(folder, library, tiny_bundle)
    shutil.rmtree(folder / "it's")
    report = index_films(folder, library, tiny_bundle)
    assert (report.removed, report.unchanged) == (1, 1)
    assert holdings(library) == {str(folder / "stays.mp4"): ok()}
    assert orphans(library) == set()
    assert open_library(library).search("gone", mode="subtitles").hits == ()


def test_a_drive_that_is_not_mounted_costs_nothing(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    index_films(folder, library, tiny_bundle)
    away = path.rename(folder.parent / "away.mp4")
    report = index_films(folder, library, tiny_bundle)
    assert (report.found, report.kept, report.removed) == (0, [str(path)], 0)
    away.rename(path)
    decoded.clear()
    assert index_films(folder, library, tiny_bundle).unchanged == 1
    path.unlink()
    report = index_films(folder, library, tiny_bundle, prune=True)
    assert (report.removed, report.kept) == (1, [])
    assert holdings(library) == {}
    assert open_library(library).search("red").hits == ()


def test_folders_can_be_indexed_one_after_the_other(folder, library, tiny_bundle):
    for name, colour in (("a", "red"), ("b", "green")):
        film(folder / name / "film.mp4", colour)
        index_films(folder / name, library, tiny_bundle)
    assert sorted(holdings(library)) == [str(folder / name / "film.mp4") for name in "ab"]


def test_a_path_that_does_not_exist_changes_nothing(folder, library, tiny_bundle):
    film(folder / "one.mp4", "red")
    with pytest.raises(UsageError, match="no such file or folder"):
        index_films([folder, folder / "missing"], library, tiny_bundle)
    assert not library.exists()


def test_another_bundle_changes_nothing(folder, library, tiny_bundle, other_bundle):
    film(folder / "one.mp4", "red")
    index_films(folder, library, tiny_bundle)
    before = read_state(library)
    with pytest.raises(BundleMismatchError):
        index_films(folder, library, other_bundle)
    assert read_state(library) == before


def test_a_file_that_was_named_stays_while_it_is_there(folder, library, tiny_bundle):
    named = film(folder / "red.mp4", "red").rename(folder / "red.dat")
    (folder / "notes.txt").write_text("no film")
    film(folder / "green.mp4", "green")
    assert index_films([named, folder / "notes.txt"], library, tiny_bundle).indexed == 1
    # What no run could read was told when it was named.
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.unchanged, set(holdings(library))) == (
        1,
        1,
        {str(named), str(folder / "green.mp4")},
    )
    film(folder / "blue.mp4", "blue").replace(named)
    assert index_films(folder, library, tiny_bundle).reread == 1
    assert index_films(folder, library, tiny_bundle, exclude=["*.dat"]).removed == 1
    assert set(holdings(library)) == {str(folder / "green.mp4")}


def test_a_folder_that_cannot_be_listed_keeps_what_is_known_of_it(folder, library, tiny_bundle, monkeypatch):
    film(folder / "open.mp4", "green")
    film(folder / "locked" / "film.mp4", "red")
    index_films(folder, library, tiny_bundle)
    list_folder = os.scandir  # tests run as root, whom no permission stops

    def refuse(where):
        if Path(where).name == "locked":
            raise PermissionError(13, "Permission denied", str(where))
        return list_folder(where)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        report = index_films(folder, library, tiny_bundle)
    assert (report.removed, len(report.failed)) == (0, 1)
    assert "the folder cannot be read" in str(report.failed[0])
    assert len(holdings(library)) == 2


def test_a_file_without_permission_is_tried_at_every_run(folder, library, tiny_bundle, monkeypatch):
    path = film(folder / "one.mp4", "red")

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(decode_pool, "content_hash", refuse)
            report = index_films(folder, library, tiny_bundle)
        (problem,) = map(str, report.failed)
        assert problem.startswith(f"the file cannot be read: {path} (Permission denied).")
        assert holdings(library)[str(path)] == Held("unreadable", (), ())
        assert [each.path for each in examine(library).failed] == [str(path)]
    assert index_films(folder, library, tiny_bundle).indexed == 1
    assert holdings(library) == {str(path): ok()}


def test_names_in_any_script_can_be_indexed_and_found(folder, library, tiny_bundle):
    paths = [
        film(folder / "家庭视频" / "红色 的 车.mp4", "red"),
        film(folder / "🎬🐕.mp4", "green"),
        film(folder / 'it\'s 100% "new".mp4', "blue"),
        film(folder / "فيلم.mp4", "white"),
    ]
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.failed) == (4, [])
    assert holdings(library) == {str(path): ok() for path in paths}
    found = open_library(library)
    for path, query in zip(paths, ("红色", "green", "blau", "белый"), strict=True):
        assert found.search(query).hits[0].video == str(path)


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"caf\xe9/film.mp4"])
def test_a_name_that_is_not_utf8_costs_that_file_only(folder, library, tiny_bundle, name):
    film(folder / "fine.mp4", "red")
    bad = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))  # noqa: PTH118  bytes
    bad.parent.mkdir(exist_ok=True)
    shutil.copy(folder / "fine.mp4", bad)
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, len(report.failed)) == (1, 1)
    assert "not valid UTF-8" in str(report.failed[0])
    assert list(holdings(library)) == [str(folder / "fine.mp4")]


def test_no_video_at_all_is_an_empty_library(folder, library, tiny_bundle):
    report = index_films(folder, library, tiny_bundle)
    assert (report.found, report.changed, report.failed) == (0, False, [])
    assert holdings(library) == {}
    assert open_library(library).search("red").hits == ()


def test_a_file_that_vanishes_before_it_is_read_is_reported_and_not_recorded(folder, library, tiny_bundle):
    film(folder / "one.mp4", "red")
    gone = film(folder / "two.mp4", "green")

    def remove(event):
        if isinstance(event, Planned):
            gone.unlink()

    report = index_films(folder, library, tiny_bundle, on_event=remove)
    assert [str(error) for error in report.failed] == [f"the file is gone: {gone}. Run index again."]
    assert list(holdings(library)) == [str(folder / "one.mp4")]


def test_a_file_that_vanishes_while_it_is_read_is_reported_and_not_recorded(folder, library, tiny_bundle):
    gone = film(folder / "one.mp4", "red", "green", "blue")

    def remove(event):
        if isinstance(event, Progressed):
            gone.unlink(missing_ok=True)

    report = index_films(folder, library, tiny_bundle, on_event=remove)
    assert (report.indexed, len(report.failed)) == (0, 1)
    assert holdings(library) == {}
    assert orphans(library) == set()


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(folder, library, tiny_bundle):
    growing = film(folder / "one.mp4", "red", "green", "blue")

    def touch_once(event):
        if isinstance(event, Progressed):
            touch(growing)

    report = index_films(folder, library, tiny_bundle, on_event=touch_once)
    assert [str(error) for error in report.failed] == [
        f"the file changed while it was read: {growing}. Run index again."
    ]
    assert holdings(library) == {}
    assert orphans(library) == set()
    assert index_films(folder, library, tiny_bundle).indexed == 1


def test_a_copy_of_a_file_that_vanished_is_not_passed_over_in_silence(folder, library, tiny_bundle):
    first, second = film(folder / "one.mp4", "red", "green"), folder / "two.mp4"
    shutil.copy(first, second)

    def remove(event):
        if isinstance(event, Progressed):
            first.unlink(missing_ok=True)

    report = index_films(folder, library, tiny_bundle, on_event=remove)
    assert report.indexed + len(report.failed) == report.found == 2
    index_films(folder, library, tiny_bundle)
    assert list(holdings(library)) == [str(second)]


BROKEN = {
    "empty.mp4": lambda path: path.write_bytes(b""),
    "text.mp4": lambda path: path.write_text("dear diary"),
    "sound.m4a": lambda path: videos.write_sound(path),
    "no index.mp4": lambda path: videos.strip_box(film(path, "red"), b"moov"),
    "codec.mp4": lambda path: videos.rename_codec(film(path, "red")),
}


def test_files_that_cannot_be_read_are_recorded_once_and_left_alone(folder, library, tiny_bundle, decoded):
    for name, make in BROKEN.items():
        make(folder / name)
    (folder / "sound.m4a").rename(folder / "sound.mp4")
    film(folder / "fine.mp4", "red")
    report = index_films(folder, library, tiny_bundle)
    assert (report.found, report.indexed, len(report.failed)) == (6, 1, 5)
    for error in report.failed:
        assert str(folder) in str(error)
    assert len({error.what for error in report.failed}) >= 3
    health = examine(library)
    assert [problem.path for problem in health.failed] == sorted(
        str(folder / name).replace(".m4a", ".mp4") for name in BROKEN
    )
    assert {problem.message for problem in health.failed} == {str(error) for error in report.failed}
    assert (health.videos, health.paths, health.usable) == (1, 6, True)
    decoded.clear()
    report = index_films(folder, library, tiny_bundle)
    assert (report.unchanged, report.unchanged_failed, report.failed, decoded) == (6, 5, [], [])


def test_failed_files_are_read_again_when_asked_for_and_when_they_changed(
    folder, library, tiny_bundle, decoded
):
    path = folder / "one.mp4"
    path.write_text("no video")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    report = index_films(folder, library, tiny_bundle, retry_failed=True)
    assert (decoded, len(report.failed)) == (["one.mp4"], 1)
    assert len(examine(library).failed) == 1
    film(path, "red")
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.failed) == (1, [])
    assert holdings(library) == {str(path): ok()}
    assert examine(library).failed == ()


def test_copies_of_a_broken_file_fail_together_and_are_decoded_once(folder, library, tiny_bundle, decoded):
    for name in ("one.mp4", "two.mp4"):
        (folder / name).write_text("no video")
    for options in ({}, {"retry_failed": True}):
        report = index_films(folder, library, tiny_bundle, **options)
        assert (len(report.failed), len(decoded)) == (2, 1)
        assert {held.status for held in holdings(library).values()} == {"failed"}
        assert len(examine(library).failed) == 2
        decoded.clear()
    assert index_films(folder, library, tiny_bundle).unchanged_failed == 2
    (folder / "three.mp4").write_text("no video")
    report = index_films(folder, library, tiny_bundle)
    assert (len(report.failed), decoded) == (1, [])
    assert holdings(library)[str(folder / "three.mp4")].status == "failed"


def test_a_broken_file_that_moved_is_left_out_once_under_its_name_now(folder, library, tiny_bundle, decoded):
    """Whether or not its former place is looked at again."""
    old, new = folder / "old" / "one.mp4", folder / "new" / "one.mp4"
    old.parent.mkdir()
    old.write_text("no video")
    film(folder / "fine.mp4", "red")
    index_films(folder, library, tiny_bundle)
    old.parent.rename(new.parent)
    decoded.clear()
    report = index_films(new.parent, library, tiny_bundle)
    assert (len(report.failed), report.failed_entirely, report.kept, decoded) == (1, True, [], [])
    (problem,) = examine(library).failed
    assert (problem.path, str(new) in problem.message, str(old) in problem.message) == (str(new), True, False)
    report = index_films(folder, library, tiny_bundle)
    assert (report.failed_before, report.removed) == ([problem.message], 0)
    # A copy is no move, and what is gone altogether can be forgotten.
    shutil.copy(new, folder / "two.mp4")
    index_films(folder / "two.mp4", library, tiny_bundle)
    assert [each.path for each in examine(library).failed] == [str(new), str(folder / "two.mp4")]
    for path in (new, folder / "two.mp4"):
        path.unlink()
    assert examine(library).left_out_gone == (str(new), str(folder / "two.mp4"))
    forget(library, [new, folder / "two.mp4"])
    assert (examine(library).failed, examine(library).left_out_gone) == ((), ())


def test_what_a_retry_can_read_is_read(folder, library, tiny_bundle):
    """A limit may have been too tight, or a decoder too old: the content is known but not good for ever."""
    for name in ("one.mp4", "two.mp4"):
        film(folder / name, "red")
    tight = Limits(base_s=0.0, per_video_s=0.0)
    report = index_films(folder, library, tiny_bundle, limits=tight)
    assert len(report.failed) == 2
    assert isinstance(report.failed[0], LimitError)
    assert index_films(folder, library, tiny_bundle).unchanged_failed == 2
    report = index_films(folder, library, tiny_bundle, retry_failed=True)
    assert (report.indexed, report.linked, report.failed) == (1, 1, [])
    assert holdings(library) == {str(folder / name): ok() for name in ("one.mp4", "two.mp4")}


def test_a_damaged_file_is_indexed_as_far_as_it_goes_with_a_remark(folder, library, tiny_bundle):
    path = videos.truncate(videos.write_video(folder / "one.mp4", seconds=10, faststart=True), 0.5)
    subtitles(folder / "one.srt", (0, 1, "words"))
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.failed) == (1, [])
    (remark,) = examine(library).remarks
    assert remark.path == str(path)
    assert report.remarks == {str(path): remark.message}
    assert "the file states" in remark.message
    subtitles(folder / "one.srt", (0, 1, "other words"))
    assert index_films(folder, library, tiny_bundle).resubtitled == 1
    assert examine(library).remarks == (remark,)


def test_subtitles_that_come_later_are_read_without_the_pictures(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    film(folder / "other.mp4", "green")
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    for lines in (("the dog",), ("the dog runs", "and runs"), ("chien",)):
        subtitles(folder / "one.en.srt", *((place, place + 1, text) for place, text in enumerate(lines)))
        report = index_films(folder, library, tiny_bundle)
        assert (report.resubtitled, report.unchanged, report.indexed) == (1, 1, 0)
        assert report.subtitles == len(lines)
        assert holdings(library)[str(path)] == ok(*lines)
    (folder / "one.en.srt").unlink()
    assert index_films(folder, library, tiny_bundle).resubtitled == 1
    assert holdings(library)[str(path)] == ok()
    assert decoded == []
    assert index_films(folder, library, tiny_bundle).unchanged == 2


def test_every_subtitle_file_of_a_video_counts(folder, library, tiny_bundle):
    film(folder / "one.mp4", "red")
    subtitles(folder / "one.en.srt", (0, 1, "the dog"))
    subtitles(folder / "one.sw.srt", (0, 1, "mbwa"))
    report = index_films(folder, library, tiny_bundle)
    assert report.subtitles == 2
    assert set(holdings(library)[str(folder / "one.mp4")].subtitles) == {"the dog", "mbwa"}


def test_broken_subtitles_cost_no_video(folder, library, tiny_bundle):
    film(folder / "one.mp4", "red")
    (folder / "one.srt").write_bytes(b"\x00\x01\x02 no subtitles")
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.failed) == (1, [])
    assert "one.srt" in examine(library).remarks[0].message


@pytest.mark.parametrize("names", [("a.mp4", "b.mp4"), ("b.mp4", "a.mp4")])
def test_a_copy_may_bring_the_subtitles(folder, library, tiny_bundle, decoded, names):
    """Which of two equal files is read first must not decide whether their words can be found."""
    bare, spoken = (folder / name for name in names)
    film(bare, "red")
    shutil.copy(bare, spoken)
    subtitles(spoken.with_suffix(".srt"), (0, 1, "the dog"))
    index_films(folder, library, tiny_bundle)
    assert holdings(library) == {str(path): ok("the dog") for path in (bare, spoken)}
    assert len(decoded) == 1
    assert index_films(folder, library, tiny_bundle).unchanged == 2


def test_a_renamed_video_keeps_its_subtitles_and_takes_new_ones(folder, library, tiny_bundle, decoded):
    path = film(folder / "one.mp4", "red")
    subtitles(folder / "one.srt", (0, 1, "the dog"))
    index_films(folder, library, tiny_bundle)
    decoded.clear()
    path.rename(folder / "two.mp4")
    (folder / "one.srt").unlink()
    subtitles(folder / "two.srt", (0, 1, "the dog"), (1, 2, "runs"))
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.removed, decoded) == (1, 0, [])
    assert holdings(library) == {str(folder / "two.mp4"): ok("the dog", "runs")}


def test_a_video_that_is_renamed_alone_has_the_subtitles_that_a_new_library_gives_it(
    folder, library, tiny_bundle, decoded
):
    path = film(folder / "chaplin.mp4", "red")
    subtitles(folder / "chaplin.srt", (0, 1, "the dog"))
    index_films(folder, library, tiny_bundle)
    path.rename(folder / "charlie.mp4")
    decoded.clear()
    report = index_films(folder, library, tiny_bundle)
    assert (report.linked, report.resubtitled, report.removed, decoded) == (1, 1, 0, [])
    assert holdings(library) == {str(folder / "charlie.mp4"): ok()}
    film(folder / "blue.mp4", "blue").replace(folder / "charlie.mp4")  # gone by being written over
    assert index_films(folder, library, tiny_bundle).resubtitled == 0


@pytest.mark.parametrize("is_moved_later", [False, True])
def test_lines_of_a_copy_that_goes_do_not_stay_where_only_its_folder_is_indexed(
    folder, library, tiny_bundle, is_moved_later
):
    first, copy = folder / "a" / "r.mp4", folder / "c" / "r.mp4"
    film(first, "red")
    index_films(folder, library, tiny_bundle)
    copy.parent.mkdir()
    shutil.copy(first, copy)
    subtitles(copy.with_suffix(".srt"), (0, 1, "the elephant"))
    index_films(copy.parent, library, tiny_bundle)
    assert holdings(library)[str(first)] == ok("the elephant")
    first.rename(first.with_name("s.mp4"))  # which a run over the other folder does not see
    if is_moved_later:
        copy.rename(copy.with_name("t.mp4"))
    else:
        copy.unlink()
    copy.with_suffix(".srt").unlink()
    film(copy.with_name("blue.mp4"), "blue")
    index_films(copy.parent, library, tiny_bundle)
    index_films(folder, library, tiny_bundle)
    assert holdings(library)[str(first.with_name("s.mp4"))] == ok()
    assert index_films(folder, library, tiny_bundle).resubtitled == 0


def test_copies_have_the_subtitles_of_the_first_that_has_any(folder, library, tiny_bundle, decoded):
    paths = [folder / f"{name}.mp4" for name in ("a", "b", "c")]
    a, b, c = paths
    film(c, "red")
    settled = []

    def holds(*lines):
        report = index_films(folder, library, tiny_bundle, on_event=settled.append)
        assert holdings(library) == {str(path): ok(*lines) for path in paths if path.exists()}
        return report

    subtitles(folder / "c.srt", (0, 1, "of c"))
    holds("of c")
    shutil.copy(c, b)
    subtitles(folder / "b.srt", (0, 1, "of b"))
    holds("of b")
    shutil.copy(c, a)
    holds("of b")
    subtitles(folder / "c.srt", (0, 1, "of c again"))
    settled.clear()
    assert (holds("of b").resubtitled, [each.path for each in settled if isinstance(each, Settled)]) == (
        1,
        [c],
    )
    b.unlink()
    assert holds("of c again").copies_removed == 1
    subtitles(folder / "a.srt", (0, 1, "of a"))
    holds("of a")
    (folder / "a.srt").unlink()
    holds("of c again")
    film(folder / "other.mp4", "red", "blue").replace(c)
    index_films(folder, library, tiny_bundle)
    assert holdings(library)[str(a)] == ok()
    assert len(decoded) == 2


def test_copies_whose_subtitles_change_together_have_them_once(folder, library, tiny_bundle):
    for name in ("one", "two"):
        film(folder / f"{name}.mp4", "red")
        subtitles(folder / f"{name}.srt", (0, 1, "the dog"))
    index_films(folder, library, tiny_bundle)
    for text in ("the dog runs", "and runs"):
        for name in ("one", "two"):
            subtitles(folder / f"{name}.srt", (0, 1, text))
        assert index_films(folder, library, tiny_bundle).resubtitled == 2
        assert holdings(library) == {str(folder / f"{name}.mp4"): ok(text) for name in ("one", "two")}


def test_events_tell_of_every_file_and_of_every_commit(folder, library, tiny_bundle):
    for name in ("one.mp4", "two.mp4"):
        film(folder / name, "red" if name == "one.mp4" else "green")
    (folder / "broken.mp4").write_text("no video")
    events = []
    index_films(folder, library, tiny_bundle, on_event=events.append, commit_every_s=0)
    sizes = sum(path.stat().st_size for path in folder.iterdir())
    assert events[0] == Planned(3, sizes)
    settled = [event for event in events if isinstance(event, Settled)]
    assert {event.path.name: event.error is None for event in settled} == {
        "one.mp4": True,
        "two.mp4": True,
        "broken.mp4": False,
    }
    assert sum(event.size_bytes for event in events if isinstance(event, Progressed)) == pytest.approx(sizes)
    committed = [path for event in events if isinstance(event, Committed) for path in event.paths]
    assert sorted(committed) == sorted(map(str, folder.iterdir()))


def test_a_committed_event_comes_after_the_commit(folder, library, tiny_bundle):
    for number, colour in enumerate(("red", "green", "blue")):
        film(folder / f"{number}.mp4", colour)

    def check(event):
        if isinstance(event, Committed):
            assert set(event.paths) <= set(holdings(library))

    index_films(folder, library, tiny_bundle, on_event=check, commit_every_s=0)


@pytest.mark.parametrize("commit_every_s", [0, 60])
def test_an_interrupt_keeps_what_is_finished_and_the_next_run_goes_on(
    folder, library, tiny_bundle, decoded, commit_every_s
):
    paths = [
        film(folder / f"{number}.mp4", colour)
        for number, colour in enumerate(("red", "green", "blue", "white"))
    ]
    settled = []

    def interrupt(event):
        if isinstance(event, Settled):
            settled.append(str(event.path))
            if len(settled) == 2:
                raise KeyboardInterrupt

    report = index_films(folder, library, tiny_bundle, on_event=interrupt, commit_every_s=commit_every_s)
    assert report.interrupted
    assert sorted(holdings(library)) == sorted(settled)
    decoded.clear()
    report = index_films(folder, library, tiny_bundle)
    assert (report.indexed, report.unchanged, len(decoded)) == (2, 2, 2)
    assert holdings(library) == {str(path): ok() for path in paths}


def test_an_interrupted_commit_is_done_again_by_the_next_run(folder, library, tiny_bundle, monkeypatch):
    for number, colour in enumerate(("red", "green")):
        film(folder / f"{number}.mp4", colour)
        subtitles(folder / f"{number}.srt", (0, 1, "the dog"))

    def interrupted(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(indexing.Writer, "_append_vectors", interrupted)
        assert index_films(folder, library, tiny_bundle, commit_every_s=0).interrupted
    assert not library.exists()
    assert index_films(folder, library, tiny_bundle).indexed == 2
    assert len(holdings(library)) == 2


def test_a_run_that_fails_in_the_middle_ends_its_decoders(folder, library, tiny_bundle, monkeypatch):
    for number in range(3):
        film(folder / f"{number}.mp4", "red", "green", each_s=2 + number)
    others = running_decoders()

    def failing(*_arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr(tiny_bundle, "encode_video", failing)
    with pytest.raises(RuntimeError, match="a bug"):
        index_films(folder, library, tiny_bundle, workers=2)
    assert running_decoders() <= others


def test_a_run_reads_the_subtitle_files_that_its_scan_found(folder, library, tiny_bundle):
    """No folder is listed once more for each of its videos; what comes later is for the next run."""
    film(folder / "one.mp4", "red")
    subtitles(folder / "one.en.srt", (0, 1, "the dog"))

    def add(event):
        if isinstance(event, Planned):
            subtitles(folder / "one.sw.srt", (0, 1, "mbwa"))

    assert index_films(folder, library, tiny_bundle, on_event=add).subtitles == 1
    assert holdings(library)[str(folder / "one.mp4")] == ok("the dog")
    assert index_films(folder, library, tiny_bundle).resubtitled == 1
    assert set(holdings(library)[str(folder / "one.mp4")].subtitles) == {"the dog", "mbwa"}


def test_remarks_that_name_files_of_any_bytes_can_be_kept(folder, library, tiny_bundle):
    film(folder / "one.mp4", "red")
    for name in (b"one.\xe9.srt", b"one.\x1b[2J.srt"):
        (folder / os.fsdecode(name)).write_text("rubbish")
    subtitles(folder / os.fsdecode(b"one.\xe8.srt"), (0, 1, "the dog"))
    assert index_films(folder, library, tiny_bundle).failed == []
    assert holdings(library)[str(folder / "one.mp4")] == ok("the dog")
    (remark,) = examine(library).remarks
    assert "one.\\udce9.srt" in remark.message
    assert "one.\\x1b[2J.srt" in remark.message


def test_lines_are_encoded_in_batches_between_which_others_are_committed(
    folder, library, tiny_bundle, monkeypatch
):
    lines = [(number / 20, number / 20 + 0.04, f"line {number}") for number in range(600)]
    film(folder / "one.mp4", "red")
    subtitles(folder / "one.srt", *lines)
    sizes = []
    encode = tiny_bundle.encode_text
    monkeypatch.setattr(
        type(tiny_bundle), "encode_text", lambda _bundle, texts: sizes.append(len(texts)) or encode(texts)
    )
    commits = []
    monkeypatch.setattr(indexing._Run, "_commit_if_due", lambda _run: commits.append(len(sizes)))
    assert index_films(folder, library, tiny_bundle).subtitles == 600
    assert sizes == [256, 256, 88]
    assert {1, 2, 3} <= set(commits)
    held = holdings(library)[str(folder / "one.mp4")].subtitles
    assert sorted(held) == sorted(text for _, _, text in lines)


# Ctrl-C, killed decoders and drives that fail


class Interrupted:
    """Sends SIGINT, as Ctrl-C does, ``after_s`` seconds from an event; says how long the run went on then."""

    def __init__(self, when: type, after_s: float = 0.3) -> None:
        self._when, self._after_s, self.at = when, after_s, 0.0

    def __call__(self, event) -> None:
        if isinstance(event, self._when):
            threading.Timer(self._after_s, self._send).start()

    def _send(self) -> None:
        self.at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_heard_while_a_long_file_is_hashed(folder, library, tiny_bundle):
    with (folder / "endless.mp4").open("wb") as file:
        file.truncate(1 << 40)
    interrupt = Interrupted(Planned)
    report = index_films(folder, library, tiny_bundle, on_event=interrupt)
    assert time.monotonic() - interrupt.at < 2
    assert (report.interrupted, report.failed) == (True, [])
    assert not library.exists()


def test_ctrl_c_is_heard_while_a_decoder_is_silent(folder, library, tiny_bundle, monkeypatch):
    """The harmless stand-in for a file that keeps a decoder busy is a decoder that was stopped."""
    film(folder / "one.mp4", "red")
    running = decode_pool.DecodeWorker._running

    def asleep(worker):
        process = running(worker)
        os.kill(process.pid, signal.SIGSTOP)
        return process

    monkeypatch.setattr(decode_pool.DecodeWorker, "_running", asleep)
    interrupt = Interrupted(Planned)
    report = index_films(folder, library, tiny_bundle, on_event=interrupt)
    assert time.monotonic() - interrupt.at < 2
    assert report.interrupted


def test_ctrl_c_is_heard_while_folders_are_searched(folder, library, tiny_bundle, monkeypatch):
    film(folder / "one.mp4", "red")
    entries = os.scandir

    def slow(*arguments):
        time.sleep(30)
        return entries(*arguments)

    monkeypatch.setattr(scan.os, "scandir", slow)
    interrupt = Interrupted(object)
    interrupt(None)
    with pytest.raises(KeyboardInterrupt):
        index_films(folder, library, tiny_bundle)
    assert time.monotonic() - interrupt.at < 2
    assert not library.exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_a_first_run_that_commits_nothing_leaves_no_library(folder, library, tiny_bundle, stop):
    film(folder / "one.mp4", "red")

    def fail(_event):
        raise stop

    library.mkdir()
    (library / "notes.txt").write_text("mine")
    for place, left in ((library, ["notes.txt"]), (folder.parent / "other", None)):
        with contextlib.suppress(RuntimeError):
            assert index_films(folder, place, tiny_bundle, on_event=fail).interrupted
        assert (sorted(path.name for path in place.iterdir()) if place.exists() else None) == left


def test_a_library_that_is_there_stays_when_a_run_fails(folder, library, tiny_bundle):
    assert index_films(folder, library, tiny_bundle).found == 0
    film(folder / "one.mp4", "red")

    def fail(_event):
        raise KeyboardInterrupt

    assert index_films(folder, library, tiny_bundle, on_event=fail).interrupted
    assert holdings(library) == {}


@pytest.mark.parametrize("gone", [False, True], ids=["dying", "gone before it is asked"])
@pytest.mark.parametrize("kills", [1, 100])
def test_a_decoder_that_is_killed_from_outside_is_no_verdict_on_the_file(
    folder, library, tiny_bundle, monkeypatch, kills, gone
):
    paths = [film(folder / "one.mp4", "red"), film(folder / "two.mp4", "green")]
    shutil.copy(paths[0], folder / "three.mp4")
    left = [kills]
    running = decode_pool.DecodeWorker._running

    def wounded(worker):
        process = running(worker)
        if left[0]:
            left[0] -= 1
            process.kill()
            if gone:
                process.wait()
        return process

    with monkeypatch.context() as patch:
        patch.setattr(decode_pool.DecodeWorker, "_running", wounded)
        report = index_films(folder, library, tiny_bundle)
    assert {held.status for held in holdings(library).values()} == ({"ok"} if kills == 1 else {"unreadable"})
    assert len(report.failed) == (0 if kills == 1 else 3)
    again = index_films(folder, library, tiny_bundle)
    assert (again.indexed, again.linked, again.unchanged) == ((0, 0, 3) if kills == 1 else (2, 1, 0))
    assert {held.status for held in holdings(library).values()} == {"ok"}


class Growing(io.RawIOBase):
    """A file that has more to read, and is longer, each time."""

    def __init__(self, path: Path) -> None:
        self._file, self._path = path.open("rb", buffering=0), path

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer) -> int:
        with self._path.open("ab") as file:
            file.write(b"more")
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class Failing(Growing):
    """A file on a drive that fails: opened, but not to be read."""

    def readinto(self, _buffer) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def open_as(monkeypatch, name: str, kind: type[Growing]) -> None:
    """Let the file of this name be opened as another kind of file."""
    plain = Path.open

    def opened(path, *arguments, **options):
        if path.name != name or options.get("buffering") != 0:
            return plain(path, *arguments, **options)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", plain)
            return kind(path)

    monkeypatch.setattr(Path, "open", opened)


def test_a_file_that_grows_as_it_is_hashed_is_left_for_the_next_run(
    folder, library, tiny_bundle, monkeypatch
):
    path, other = film(folder / "one.mp4", "red"), film(folder / "two.mp4", "green")
    whole = path.read_bytes()
    with monkeypatch.context() as patch:
        open_as(patch, "one.mp4", Growing)
        report = index_films(folder, library, tiny_bundle)
    (problem,) = map(str, report.failed)
    assert problem == f"the file changed while it was read: {path}. Run index again."
    assert holdings(library) == {str(other): ok()}
    path.write_bytes(whole)
    assert index_films(folder, library, tiny_bundle).indexed == 1


def test_a_broken_file_that_is_still_written_is_no_verdict(folder, library, tiny_bundle):
    path = folder / "one.mp4"
    path.write_bytes(b"the beginning of a film")

    def write(event):
        if isinstance(event, Planned):
            path.write_bytes(b"the beginning of a film, and its next part")

    report = index_films(folder, library, tiny_bundle, on_event=write)
    assert "changed while it was read" in str(report.failed[0])
    assert holdings(library) == {}


def test_a_drive_that_fails_costs_its_file_alone(folder, library, tiny_bundle, monkeypatch):
    path, other = film(folder / "one.mp4", "red"), film(folder / "two.mp4", "green")
    with monkeypatch.context() as patch:
        open_as(patch, "one.mp4", Failing)
        report = index_films(folder, library, tiny_bundle)
    (problem,) = map(str, report.failed)
    assert problem.startswith(f"the file cannot be read: {path} (Input/output error). Check its drive")
    assert holdings(library) == {str(path): Held("unreadable", (), ()), str(other): ok()}
    assert index_films(folder, library, tiny_bundle).indexed == 1


@pytest.mark.parametrize("year", [1, 2500])
def test_a_file_of_any_date_is_indexed(folder, library, tiny_bundle, year):
    path = film(folder / "one.mp4", "red")
    seconds = (year - 1970) * 31_556_952
    try:
        os.utime(path, (seconds, seconds))
    except OSError:
        pytest.skip("this file system does not know such dates")
    assert index_films(folder, library, tiny_bundle).indexed == 1
    assert index_films(folder, library, tiny_bundle).unchanged == 1
