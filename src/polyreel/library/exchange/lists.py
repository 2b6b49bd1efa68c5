"""Play lists and tables of hits."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from polyreel.library.exchange.moments import address_of
from polyreel.library.results import Hit
from polyreel.units import clock, printable

__all__ = ["as_csv", "as_m3u"]

_COLUMNS = (
    "rank",
    "video",
    "start_s",
    "end_s",
    "start",
    "end",
    "score",
    "strength",
    "grade",
    "language",
    "text",
    "clip_id",
    "line_start_s",
    "line_end_s",
)
# A spreadsheet takes what begins so for a formula, which can send its neighbours away.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_m3u(hits: Sequence[Hit], title: str) -> str:
    """An extended M3U in UTF-8; VLC plays each film from the start of the hit to its end.

    Args:
        hits: in the order in which they are to be played.
        title: of the list.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{_line(title)}"]
    for hit in hits:
        path = Path(hit.video)
        start_s, end_s = hit.watch_start_s, hit.watch_end_s  # it is to be watched
        length_s = max(1, round(end_s - start_s))
        lines += [
            f"#EXTINF:{length_s},{_line(path.stem)} {clock(start_s)}",
            f"#EXTVLCOPT:start-time={start_s:.3f}",
            f"#EXTVLCOPT:stop-time={end_s:.3f}",
            address_of(path),
        ]
    return "\n".join(lines) + "\n"


def as_csv(hits: Sequence[Hit], _title: str) -> str:
    """A table with a row a hit, for spreadsheets and programs.

    Args:
        hits: in order.
        _title: not shown in a table.
    """
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for hit in hits:
        line = hit.evidence.subtitle
        strength = "" if hit.strength is None else f"{hit.strength:.6f}"
        writer.writerow(
            (
                hit.rank,
                _cell(hit.video),
                f"{hit.start_s:.3f}",
                f"{hit.end_s:.3f}",
                clock(hit.start_s, digits=3),
                clock(hit.end_s, digits=3),
                f"{hit.score:.6f}",
                strength,
                hit.grade or "",
                line.language if line else "",
                _cell(line.text) if line else "",
                hit.clip_id,
                _seconds(line.start_s if line else None),
                _seconds(line.end_s if line else None),
            )
        )
    return made.getvalue()


def _seconds(time_s: float | None) -> str:
    return "" if time_s is None else f"{time_s:.3f}"


def _cell(text: str) -> str:
    shown = printable(text)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def _line(text: str) -> str:
    return " ".join(printable(text).split())
