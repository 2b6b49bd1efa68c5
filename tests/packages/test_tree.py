"""Many files of one archive: all of them below a folder that is complete or absent."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from polyreel.errors import ChecksumError, FetchError
from polyreel.packages.extract import extract_tree
from polyreel.packages.fetch import _CLIENTS, fetch_tree
from polyreel.packages.members import Archive, sha256_of

FILES = {"data/a.txt": b"a", "data/deep/b.txt": b"b", "setup.py": b"raise SystemExit"}


def only_data(name: str) -> str | None:
    return name.removeprefix("data/") if name.startswith("data/") else None


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz") as packed:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                packed.addfile(entry, io.BytesIO(content))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Delivers one archive; gives its description."""
    delivered = pack(tmp_path / "films.zip", FILES)
    monkeypatch.setitem(
        _CLIENTS, "pypi", lambda _archive, scratch, _progress: Path(shutil.copy(delivered, scratch))
    )
    return Archive(
        registry="pypi", package="films", version="1", archive="films.zip", sha256=sha256_of(delivered)
    )


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_chosen_files_are_written_to_chosen_paths(tmp_path, kind):
    extract_tree(pack(tmp_path / kind, FILES), tmp_path / "out", only_data)
    assert contents(tmp_path / "out") == {"a.txt": b"a", "deep/b.txt": b"b"}


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("name", ["../evil", "/evil", "data/../../evil"])
def test_no_path_leads_out_of_the_folder(tmp_path, kind, name):
    archive = pack(tmp_path / kind, {name: b"evil"})
    with pytest.raises(FetchError, match="leads out"):
        extract_tree(archive, tmp_path / "out", lambda name: name)
    assert not list(tmp_path.rglob("evil"))


def test_a_tree_appears_whole_and_is_kept(tmp_path, registry, monkeypatch):
    folder = fetch_tree(registry, tmp_path / "cache" / "films-1", only_data)
    assert contents(folder) == {"a.txt": b"a", "deep/b.txt": b"b"}
    monkeypatch.delitem(_CLIENTS, "pypi")
    assert fetch_tree(registry, folder, only_data) == folder
    assert [path.name for path in folder.parent.iterdir()] == ["films-1"]


def test_another_archive_is_a_checksum_error_and_leaves_nothing(tmp_path, registry):
    wanted = registry.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ChecksumError, match=r"films\.zip"):
        fetch_tree(wanted, tmp_path / "cache" / "films-1", only_data)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_that_cannot_be_read_leaves_nothing(tmp_path, registry):
    (tmp_path / "films.zip").write_bytes(b"PK and no more")
    wanted = registry.model_copy(update={"sha256": sha256_of(tmp_path / "films.zip")})
    with pytest.raises(FetchError, match="cannot be read"):
        fetch_tree(wanted, tmp_path / "cache" / "films-1", only_data)
    assert list((tmp_path / "cache").iterdir()) == []
