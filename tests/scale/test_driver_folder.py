"""What drivers that were killed left behind goes at the next start; nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from polyreel.scale.driver_folder import driver_folder

DRIVER = """
import sys
from pathlib import Path
from polyreel.scale.driver_folder import driver_folder
with driver_folder(Path(sys.argv[1])) as folder:
    (folder / "r").mkdir()
    (folder / "r" / "log").write_text("said")
    print(folder, flush=True)
    sys.stdin.read()
"""


def started(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """A driver, and its folder."""
    command = [sys.executable, "-c", DRIVER, str(place)]
    driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    return driver, Path(driver.stdout.readline().strip())


def test_a_folder_is_ours_alone_and_goes_with_its_driver(tmp_path):
    with driver_folder(tmp_path) as folder:
        assert folder.name.startswith("polyreel-ray-")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_driver_left_goes_and_that_of_a_living_one_stays(tmp_path):
    killed, left = started(tmp_path)
    living, used = started(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (left / "r" / "log").is_file()
    with driver_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {used, folder}
        assert (used / "r" / "log").is_file()
    living.communicate()
    assert list(tmp_path.iterdir()) == []


def test_links_and_folders_that_others_may_write_stay(tmp_path):
    place, outside = tmp_path / "place", tmp_path / "outside"
    for folder in (place, outside, place / "polyreel-ray-open", place / "polyreel-ray-left"):
        folder.mkdir(mode=0o700)
    (outside / "file").touch()
    (place / "polyreel-ray-open").chmod(0o777)
    (place / "polyreel-ray-link").symlink_to(outside)
    (place / "polyreel-ray-left" / "link").symlink_to(outside)
    (place / "polyreel-ray-file").touch()
    with driver_folder(place) as own:
        names = {path.name.removeprefix("polyreel-ray-") for path in place.iterdir() if path != own}
    assert names == {"open", "link", "file"}
    assert (outside / "file").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_folders_of_other_users_stay(tmp_path):
    other = tmp_path / "polyreel-ray-other"
    other.mkdir(mode=0o700)
    os.chown(other, 12345, 12345)
    with driver_folder(tmp_path):
        assert other.is_dir()
