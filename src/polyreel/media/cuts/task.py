"""Cutting in the worker: the task "cut" says ``passed`` as it goes on, at last ``done`` with a ``report``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyreel.media.cuts.request import CutRequest
from polyreel.media.cuts.writing import cut_video

__all__ = ["CUT_TASKS"]

_TELL_EVERY_S = 0.5


def _cut(path: Path, request: dict[str, Any], send: Callable[..., None]) -> None:
    told_s = -_TELL_EVERY_S

    def tell(time_s: float) -> None:
        nonlocal told_s
        if time_s >= told_s + _TELL_EVERY_S:
            told_s = time_s
            send("passed", time_s=time_s)

    report = cut_video(path, Path(request["target"]), CutRequest(**request["cut"]), tell)
    send("done", report=report.model_dump())


CUT_TASKS: Mapping[str, Callable[[Path, dict[str, Any], Callable[..., None]], None]] = {"cut": _cut}
