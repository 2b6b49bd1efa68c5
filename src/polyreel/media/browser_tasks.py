"""What the worker does with a file for browsers: say how it is played, stream it, draw a strip of it.

Answers to each task: "playback" says ``playback``, "stream" says ``piece`` with bytes and ``time_s``, the
second up to which pictures have come, and "strip" says ``strip`` with a JPEG; all end with ``done``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyreel.media.film_strip import film_strip
from polyreel.media.playable import how_to_play
from polyreel.media.restream import restream
from polyreel.media.seeking import SeekableVideo

__all__ = ["BROWSER_TASKS", "Send"]

Send = Callable[..., None]

# Searches come first.
_NICENESS = 5


def _playback(path: Path, request: dict[str, Any], send: Send) -> None:
    with SeekableVideo(path) as film:
        playback, _ = how_to_play(film, request["start_s"])
    send("playback", way=playback.way, kind_sent=playback.kind, begins_s=playback.begins_s)
    send("done")


def _stream(path: Path, request: dict[str, Any], send: Send) -> None:
    os.nice(_NICENESS)
    end_s = math.inf if request["end_s"] is None else request["end_s"]
    restream(path, request["start_s"], end_s, lambda piece, time_s: send("piece", piece, time_s=time_s))
    send("done")


def _strip(path: Path, request: dict[str, Any], send: Send) -> None:
    send("strip", film_strip(path, request["start_s"], request["end_s"]))
    send("done")


BROWSER_TASKS: Mapping[str, Callable[[Path, dict[str, Any], Send], None]] = {
    "playback": _playback,
    "stream": _stream,
    "strip": _strip,
}
