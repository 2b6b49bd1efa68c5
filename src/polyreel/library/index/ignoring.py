"""What a walk through folders passes over: patterns of the owner, and folders that other programs keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

__all__ = ["IGNORE_FILE", "SERVICE_FOLDERS", "Ignored"]

IGNORE_FILE = ".polyreelignore"
"""Patterns, as in a ``.gitignore``, for the folder that it lies in and all below."""

# What a backslash stands before, and "[...]", in which a "]" that comes first is one of the characters.
_CLOSED = re.compile(r"\\.|\[[!^]?(?:\\.|[^\\])(?:\\.|[^\]\\])*\]")
_OPEN_BRACKET = re.compile(r"\[")

# Kept by network drives, file systems and desktops, for thumbnails, snapshots and what was deleted.
SERVICE_FOLDERS = frozenset(
    [
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "@Recently-Snapshot",
        "@Recycle",
        "@eaDir",
        "RECYCLER",
        "System Volume Information",
        "lost+found",
    ]
)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Patterns that hold in a folder: those of the folders above it, and its own."""

    specs: tuple[tuple[Path, GitIgnoreSpec], ...] = ()

    def below(self, folder: Path, patterns: Iterable[str]) -> Ignored:
        """These patterns, and ``patterns`` relative to ``folder``.

        Raises:
            ValueError: one is malformed; git takes it for a pattern that nothing matches.
        """
        patterns = list(patterns)
        for pattern in patterns:
            if not pattern.startswith("#") and _OPEN_BRACKET.search(_CLOSED.sub("", pattern)):
                message = f"{pattern!r}: a bracket is not closed"
                raise ValueError(message)
        spec = GitIgnoreSpec.from_lines(patterns)
        return Ignored((*self.specs, (folder, spec))) if len(spec) else self

    def matches(self, path: Path, is_folder: bool) -> bool:
        """Whether the last pattern that says anything of ``path`` excludes it."""
        verdict = False
        for folder, spec in self.specs:
            name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
            said = spec.check_file(name).include
            verdict = verdict if said is None else said
        return verdict
