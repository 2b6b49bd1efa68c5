"""A file or a folder is replaced as a whole or not at all; a lock is held by one process."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from polyreel import files as durable
from polyreel.errors import UsageError
from polyreel.files import exclusive_lock, finished_file, new_folder, read_regular, write_atomically


def test_the_new_content_replaces_the_old_and_others_may_read_it(tmp_path):
    path = tmp_path / "state.json"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [child.name for child in tmp_path.iterdir()] == ["state.json"]
    beside = tmp_path / "beside"
    beside.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)


def test_what_would_wait_or_never_end_is_not_read(tmp_path, monkeypatch):
    pipe, folder, file = tmp_path / "pipe", tmp_path / "folder", tmp_path / "file"
    os.mkfifo(pipe)
    listener = socket.socket(socket.AF_UNIX)
    # By its name in the folder: a socket's path is short.
    monkeypatch.chdir(tmp_path)
    listener.bind("socket")
    folder.mkdir()
    file.write_bytes(b"content")
    for path in (pipe, Path("/dev/zero"), tmp_path / "socket"):
        with pytest.raises(OSError, match="Not a regular file") as caught:
            read_regular(path)
        assert caught.value.filename == str(path)
    with pytest.raises(IsADirectoryError):
        read_regular(folder)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")
    assert read_regular(file) == b"content"
    listener.close()


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


def test_a_new_folder_replaces_the_old_one_and_others_may_read_it(tmp_path):
    folder = tmp_path / "deep" / "bundle"
    for content in ("old", "new"):
        with new_folder(folder) as work:
            (work / content).write_text(content)
            assert folder.exists() == (content == "new")
        assert [path.name for path in folder.iterdir()] == [content]
    beside = tmp_path / "beside"
    beside.mkdir()
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_folder_that_cannot_be_filled_leaves_the_old_one_and_nothing_else(tmp_path):
    folder = tmp_path / "bundle"
    with new_folder(folder) as work:
        (work / "old").touch()

    def fill(work):
        (work / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), new_folder(folder) as work:
        fill(work)
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_all_of_a_new_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable, "sync", lambda path: synced.append((path.name, (tmp_path / "a").exists())))
    with new_folder(tmp_path / "a") as work:
        (work / "in").mkdir()
        (work / "in" / "deep").touch()
    assert synced == [("in", False), ("deep", False), ("work", False), (tmp_path.name, True)]


@pytest.mark.parametrize(
    ("asked", "named"), [("no/x.csv", "no"), ("folder", "folder"), ("file/x.csv", "file")]
)
def test_a_file_that_cannot_be_there_is_refused_by_its_own_name(tmp_path, asked, named):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with (
        pytest.raises(OSError, match=r"No such file|Is a directory") as refused,
        finished_file(tmp_path / asked, overwrite=True),
    ):
        pytest.fail("it may be written")
    assert refused.value.filename == str(tmp_path / named)


def test_a_lock_is_held_by_one_process_and_names_it(tmp_path):
    def busy():
        return UsageError("another process runs this study", item="study", remedy="Wait")

    for _ in range(2):
        with exclusive_lock(tmp_path / ".lock", busy=busy()):
            holder = rf"another process runs this study: study \(process {os.getpid()} on .+\)\. Wait\."
            with pytest.raises(UsageError, match=holder), exclusive_lock(tmp_path / ".lock", busy=busy()):
                pass


def test_who_waits_for_a_lock_can_say_so_once(tmp_path):
    lock, told, done = tmp_path / ".lock", [], threading.Event()

    def wait() -> None:
        with exclusive_lock(lock, waiting=lambda: told.append("waiting")):
            done.set()

    with exclusive_lock(lock, waiting=lambda: told.append("free")):
        thread = threading.Thread(target=wait)
        thread.start()
        while not told:
            time.sleep(0.01)
        assert not done.is_set()
    thread.join(60)
    assert done.is_set()
    assert told == ["waiting"]


def kill_while_holding(lock: Path, how: str = "") -> None:
    code = f"""
import os, pathlib, polyreel.files
with polyreel.files.exclusive_lock(pathlib.Path({str(lock)!r}), {how}):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    kill_while_holding(tmp_path / ".lock")
    with exclusive_lock(tmp_path / ".lock", busy=UsageError("busy")):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


def test_one_who_holds_a_lock_briefly_is_waited_for_and_no_other(tmp_path):
    lock, taken = tmp_path / ".lock", threading.Event()

    def hold_briefly() -> None:
        with exclusive_lock(lock, briefly=True):
            taken.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold_briefly)
    thread.start()
    assert taken.wait(60)
    with pytest.raises(UsageError, match="for a moment"), exclusive_lock(lock, busy=UsageError("busy")):
        pass
    with exclusive_lock(lock, busy=UsageError("busy"), patience_s=60):
        thread.join(60)
        began = time.monotonic()
        with pytest.raises(UsageError), exclusive_lock(lock, busy=UsageError("busy"), patience_s=60):
            pass
        assert time.monotonic() - began < 30
    kill_while_holding(lock, "briefly=True")
    with exclusive_lock(lock, busy=UsageError("busy")):
        began = time.monotonic()
        with pytest.raises(UsageError), exclusive_lock(lock, busy=UsageError("busy"), patience_s=60):
            pass
        assert time.monotonic() - began < 30
