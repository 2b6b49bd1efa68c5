"""Show a moment in a player that is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from polyreel.errors import NotFoundError, UsageError
from polyreel.remote.address import BucketPath
from polyreel.remote.spool import reached_file

__all__ = ["open_moment"]

# Those that can begin at a time, then what opens a file with the program that the desktop has for it. The
# path is absolute, so that none takes it for an option or an address.
_FROM_A_TIME: Mapping[str, tuple[str, ...]] = {
    "mpv": ("--start={start_s:.3f}", "--", "{path}"),
    "vlc": ("--start-time={start_s:.3f}", "{path}"),
    "ffplay": ("-loglevel", "error", "-ss", "{start_s:.3f}", "-i", "{path}"),
}
_DESKTOP: Mapping[str, tuple[str, ...]] = {"xdg-open": ("{path}",), "open": ("{path}",)}
# A player that finds no screen ends within this time.
_PATIENCE_S = 0.5

# What was started and goes on: Python warns of a program that nobody waits for.
_running: list[subprocess.Popen[bytes]] = []


def _open_fetched(video: BucketPath, start_s: float) -> tuple[str, bool]:
    with reached_file(video) as file:
        return open_moment(file, start_s)


def open_moment(video: Path, start_s: float) -> tuple[str, bool]:
    """Start a player on a video, and do not wait for its end.

    Args:
        video: absolute path of the file.
        start_s: where to begin, seconds from its start.

    Returns:
        Name of the program, and whether it begins at that time; else it begins at the start.

    Raises:
        NotFoundError: the file is not there.
        UsageError: there is no program to show it, or it fails at once.
    """
    if isinstance(video, BucketPath):
        return _open_fetched(video, start_s)
    if not video.is_file():
        raise NotFoundError(
            "the video is not there now", item=video, remedy="Connect its disk, or run 'polyreel index'"
        )
    players = {**_FROM_A_TIME, **_DESKTOP}
    name, program = next(((name, found) for name in players if (found := shutil.which(name))), ("", None))
    if program is None:
        raise UsageError(
            "no player was found", value=f"looked for {', '.join(players)}", remedy="Install mpv or VLC"
        )
    arguments = [part.format(start_s=start_s, path=video) for part in players[name]]
    try:
        started = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it outlives the terminal
        )
    except OSError as error:
        raise UsageError("the player cannot be started", item=program, value=error.strerror) from error
    try:
        code = started.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        _running.append(started)
        code = 0
    if code:
        raise UsageError(
            "the player ended at once",
            item=program,
            value=f"status {code}",
            remedy="Try it on the video by hand"
            if name in _FROM_A_TIME
            else "It found no program that shows videos: install mpv or VLC, which are looked for first, or "
            "set the desktop's default program for videos",
        )
    return name, name in _FROM_A_TIME
