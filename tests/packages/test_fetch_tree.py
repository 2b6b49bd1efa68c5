"""Many files of one archive, in less usual cases: see test_tree for the usual ones."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import ValidationError

from polyreel.errors import FetchError
from polyreel.packages.extract import extract_tree
from polyreel.packages.fetch import _CLIENTS, fetch_tree
from polyreel.packages.members import Archive

FILES = {"package/a.png": b"A", "package/deep/b.png": b"B", "package/run.sh": b"echo"}


def keep(name: str) -> str | None:
    return name.removeprefix("package/") if name.endswith(".png") else None


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("package/folder.png/", b"")
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("package/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return path


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def delivered(tmp_path, monkeypatch):
    """An archive, as its client brings it."""
    source = packed(tmp_path / "some-1.tgz", FILES)
    monkeypatch.setitem(
        _CLIENTS, "npm", lambda _archive, scratch, _progress: Path(shutil.copy(source, scratch))
    )
    return source


def archive(path: Path, **changes: object) -> Archive:
    facts = {"registry": "npm", "package": "some", "version": "1", "archive": path.name}
    return Archive.model_validate(
        {**facts, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **changes}
    )


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_only_regular_files_that_are_wanted_are_written(tmp_path, name):
    extract_tree(packed(tmp_path / name, FILES), tmp_path / "out", keep)
    assert content_of(tmp_path / "out") == {"a.png": b"A", "deep/b.png": b"B"}


def test_a_name_that_occurs_twice_is_not_overwritten(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as both:
        for content in (b"1", b"2"):
            entry = tarfile.TarInfo("a.png")
            entry.size = 1
            both.addfile(entry, BytesIO(content))
    with pytest.raises(FetchError, match="cannot be read"):
        extract_tree(tmp_path / "a.tar", tmp_path / "out", keep)


def test_what_another_process_has_just_fetched_is_taken(delivered, tmp_path):
    folder = tmp_path / "cache" / "some-1"

    def keep_and_lose(name):
        folder.mkdir(exist_ok=True)
        (folder / "theirs").touch()
        return keep(name)

    assert fetch_tree(archive(delivered), folder, keep_and_lose) == folder
    assert [path.name for path in folder.iterdir()] == ["theirs"]


def test_debian_is_asked_for_exactly_that_version(tmp_path, monkeypatch):
    tool = tmp_path / "apt-get"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 1\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    wanted = Archive(registry="debian", package="some", version="1.2-3", archive="some.deb", sha256="0" * 64)
    with pytest.raises(FetchError, match="debian did not deliver"):
        fetch_tree(wanted, tmp_path / "some", keep)
    assert (tmp_path / "asked").read_text().split() == ["-q", "download", "some=1.2-3"]


@pytest.mark.parametrize("change", [{"sha256": "short"}, {"version": None}, {"member": "a"}])
def test_an_archive_that_is_not_fully_described_is_refused(tmp_path, change):
    with pytest.raises(ValidationError):
        archive(packed(tmp_path / "a.tgz", {}), **change)
