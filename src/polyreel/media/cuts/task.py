"""Parts of films in the worker: "cut" says ``passed`` as it goes on and then ``done`` with a ``report``.

The task "facts" says ``done`` with ``facts``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyreel.media.cuts.request import CutRequest
from polyreel.media.cuts.writing import cut_video
from polyreel.media.film_facts import film_facts

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


def _facts(path: Path, _request: dict[str, Any], send: Callable[..., None]) -> None:
    send("done", facts=film_facts(path).to_json())


CUT_TASKS: Mapping[str, Callable[[Path, dict[str, Any], Callable[..., None]], None]] = {
    "cut": _cut,
    "facts": _facts,
}
