"""What an index run decides to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyreel.library.index.plan import make_plan
from polyreel.library.index.scan import FoundVideo, Scan
from polyreel.library.store.file_version import FileVersion
from polyreel.library.store.tables import FAILED, OK, UNREADABLE

ROOT = Path("/videos")


def found(name: str, *, size: int = 10, mtime: int = 20, sidecars: str = "") -> FoundVideo:
    return FoundVideo(ROOT / name, FileVersion(size, mtime), sidecars)


def row(name: str, *, status: str = OK, size: int = 10, mtime: int = 20, sidecars: str = ""):
    facts = {"size_bytes": size, "mtime_ns": mtime, "sidecars": sidecars, "status": status, "video": name}
    return {str(ROOT / name): {"path": str(ROOT / name), **facts}}


def scanned(*videos: FoundVideo, roots: list[Path] | None = None, unseen: list[Path] | None = None) -> Scan:
    return Scan(roots=roots or [ROOT], videos=list(videos), unseen=unseen or [])


def test_new_files_are_read():
    plan = make_plan(scanned(found("a"), found("b")), row("b"))
    assert [video.path.name for video in plan.read] == ["a"]
    assert plan.unchanged == 1


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime": 21}, {"mtime": 19}])
@pytest.mark.parametrize("status", [OK, FAILED, UNREADABLE])
def test_changed_files_are_read(change, status):
    plan = make_plan(scanned(found("a", **change)), row("a", status=status))
    assert [video.path.name for video in plan.read] == ["a"]
    assert (plan.unchanged, plan.failed_before, plan.removed) == (0, [], [])


def test_a_file_that_failed_is_left_alone_unless_asked_for():
    known = row("a", status=FAILED)
    plan = make_plan(scanned(found("a")), known)
    assert (plan.read, plan.unchanged, plan.failed_before) == ([], 1, [str(ROOT / "a")])
    plan = make_plan(scanned(found("a")), known, retry_failed=True)
    assert ([video.path.name for video in plan.read], plan.unchanged) == (["a"], 0)


def test_a_file_that_could_not_be_read_is_tried_again():
    assert len(make_plan(scanned(found("a")), row("a", status=UNREADABLE)).read) == 1


@pytest.mark.parametrize(
    ("before", "now"), [("", "a.srt:1:2"), ("a.srt:1:2", "a.srt:1:3"), ("a.srt:1:2", "")]
)
def test_changed_subtitles_are_read_without_the_pictures(before, now):
    plan = make_plan(scanned(found("a", sidecars=now)), row("a", sidecars=before))
    assert [(video.path.name, known["video"]) for video, known in plan.resubtitle] == [("a", "a")]
    assert (plan.read, plan.unchanged) == ([], 0)


def test_deleted_files_leave():
    plan = make_plan(scanned(found("a")), row("a") | row("gone") | row("folder/gone"))
    assert plan.removed == ["/videos/folder/gone", "/videos/gone"]
    assert plan.kept == []


def test_a_folder_in_which_nothing_is_left_keeps_its_rows_unless_told_to_prune():
    known = row("a") | row("b")
    plan = make_plan(scanned(), known)
    assert (plan.removed, sorted(plan.kept)) == ([], ["/videos/a", "/videos/b"])
    plan = make_plan(scanned(), known, prune=True)
    assert (plan.removed, plan.kept) == (["/videos/a", "/videos/b"], [])


def test_a_folder_in_which_everything_has_a_new_name_is_not_an_empty_one():
    plan = make_plan(scanned(found("new name")), row("old name"))
    assert (plan.removed, plan.kept) == (["/videos/old name"], [])


def test_each_folder_is_judged_by_itself():
    roots = [ROOT / "full", ROOT / "empty"]
    known = row("full/a") | row("full/gone") | row("empty/b")
    plan = make_plan(scanned(found("full/a"), roots=roots), known)
    assert (plan.removed, plan.kept) == (["/videos/full/gone"], ["/videos/empty/b"])


def test_what_lies_elsewhere_is_nobodys_business():
    known = row("a") | {"/videos2/b": row("b")["/videos/b"]} | {"/other/c": row("c")["/videos/c"]}
    plan = make_plan(scanned(found("a")), known)
    assert (plan.removed, plan.kept) == ([], [])


def test_what_lies_in_a_folder_that_could_not_be_listed_stays():
    known = row("a") | row("gone") | row("locked/b") | row("locked/deep/c")
    plan = make_plan(scanned(found("a"), unseen=[ROOT / "locked"]), known, prune=True)
    assert (plan.removed, plan.kept) == (["/videos/gone"], [])


def test_a_single_file_is_a_root_too():
    plan = make_plan(scanned(found("a"), roots=[ROOT / "a"]), row("a") | row("b"))
    assert (plan.unchanged, plan.removed, plan.kept) == (1, [], [])


def test_an_empty_folder_below_a_root_may_be_a_drive_that_is_not_mounted():
    known = {**row("drive/a/b"), **row("drive/c"), **row("gone"), **row("stays")}
    scan = scanned(found("stays"))
    scan.empty = [ROOT / "drive"]
    plan = make_plan(scan, known)
    assert plan.kept == [str(ROOT / "drive/a/b"), str(ROOT / "drive/c")]
    assert plan.removed == [str(ROOT / "gone")]
    plan = make_plan(scan, known, prune=True)
    assert (plan.kept, len(plan.removed)) == ([], 3)


def test_what_a_pattern_excludes_goes_even_if_nothing_else_is_there():
    scan = scanned()
    scan.excluded = [ROOT / "raw"]
    plan = make_plan(scan, {**row("raw/a"), **row("b")})
    assert (plan.removed, plan.kept) == ([str(ROOT / "raw/a")], [str(ROOT / "b")])
