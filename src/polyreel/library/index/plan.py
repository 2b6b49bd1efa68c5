"""Compare what a scan found with what the library holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyreel.library.index.scan import FoundVideo, Scan
from polyreel.library.store.file_version import FileVersion
from polyreel.library.store.tables import FAILED, PARTIAL, UNREADABLE
from polyreel.remote.address import is_below

__all__ = ["Plan", "make_plan"]


@dataclass(slots=True)
class Plan:
    """What an index run has to do.

    Attributes:
        read: new and changed files, and those that could not be read last time, or not to their end.
        resubtitle: files whose pictures are known but whose subtitle files have changed, with their rows.
        removed: paths that the library knows and that are gone.
        unchanged: number of files that need nothing.
        failed_before: paths of those among them that failed before and have not changed since.
        kept: paths that were not found but stay, because nothing at all lies where they were.
    """

    read: list[FoundVideo] = field(default_factory=list)
    resubtitle: list[tuple[FoundVideo, Mapping[str, Any]]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    failed_before: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def make_plan(
    scan: Scan, known: Mapping[str, Mapping[str, Any]], *, retry_failed: bool = False, prune: bool = False
) -> Plan:
    """Decide by size and time of modification which files of ``scan`` are new, changed, gone or as they were.

    Args:
        scan: what lies in the folders now.
        known: path -> row of the library's table of files.
        retry_failed: read files again that failed before.
        prune: let paths go even where a whole root is empty.
    """
    plan = Plan()
    for video in scan.videos:
        row = known.get(str(video.path))
        if row is None or _changed(video, row) or row["status"] in {PARTIAL, UNREADABLE}:
            plan.read.append(video)
        elif row["status"] == FAILED:
            if retry_failed:
                plan.read.append(video)
            else:
                plan.unchanged += 1
                plan.failed_before.append(str(video.path))
        elif row["sidecars"] != video.sidecars:
            plan.resubtitle.append((video, row))
        else:
            plan.unchanged += 1
    found = {str(video.path) for video in scan.videos}
    for root in scan.roots:
        below = [path for path in known if is_below(path, root)]
        gone = [path for path in below if path not in found and not _within(path, scan.unseen)]
        empty = len(gone) == len(below) and not any(is_below(path, root) for path in found)
        for path in gone:
            # An empty folder is more often a drive that is not mounted than an archive that was emptied.
            unmounted = (empty or _within(path, scan.empty)) and not _within(path, scan.excluded)
            (plan.kept if unmounted and not prune else plan.removed).append(path)
    plan.kept = sorted(set(plan.kept))
    plan.removed = sorted(set(plan.removed) - set(plan.kept))
    return plan


def _within(path: str, folders: Iterable[Path]) -> bool:
    return any(is_below(path, folder) for folder in folders)


def _changed(video: FoundVideo, row: Mapping[str, Any]) -> bool:
    return FileVersion(row["size_bytes"], row["mtime_ns"]) != video.version
