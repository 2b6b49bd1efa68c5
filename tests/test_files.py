"""A file is replaced as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from polyreel import files as durable
from polyreel.files import write_atomically


def test_the_new_content_replaces_the_old_and_others_may_read_it(tmp_path):
    path = tmp_path / "state.json"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [child.name for child in tmp_path.iterdir()] == ["state.json"]
    beside = tmp_path / "beside"
    beside.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, fails):
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync", refuse), "replace": (type(path), "replace", refuse)}[fails])
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [child.name for child in tmp_path.iterdir()] == ["state.json"]


def test_content_and_name_are_on_the_disk_before_it_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        durable.os, "fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").readlink())
    )
    write_atomically(tmp_path / "a", b"1")
    content, folder = synced
    assert (content.parent, content.name[:3], folder) == (tmp_path, ".a-", tmp_path)
