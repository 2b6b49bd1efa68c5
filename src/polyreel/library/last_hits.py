"""What the last search of a library found, so that a hit can be named by its rank.

It is kept beside what can be deleted of the library, for each user, or where a library cannot be written, in
the user's own cache. Nothing is locked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from polyreel.errors import NotFoundError
from polyreel.files import read_regular, write_atomically
from polyreel.packages.members import cache_dir
from polyreel.remote.address import place

__all__ = ["LastHit", "recall_hit", "remember_hits"]

_SCHEMA = 3


class LastHit(NamedTuple):
    """A hit of the last search; the attributes are those of ``Hit``."""

    video: Path
    start_s: float
    end_s: float
    watch_start_s: float
    watch_end_s: float
    clip_id: str


_FACTS = ("rank", *LastHit._fields)


def remember_hits(library: Path, hits: Iterable[Mapping[str, Any]]) -> None:
    """Keep what a search found, in place of the one before; where nothing can be kept, do without.

    Args:
        library: folder of the library.
        hits: as the JSON of a ``SearchResult`` has them.
    """
    kept = [{fact: hit[fact] for fact in _FACTS} for hit in hits]
    data = json.dumps({"schema": _SCHEMA, "hits": kept}).encode()
    for file in _places(library):
        with contextlib.suppress(OSError):
            file.parent.mkdir(exist_ok=True)
            write_atomically(file, data)
            file.chmod(0o600)
            return


def recall_hit(library: Path, rank: int) -> LastHit:
    """A hit of the last search.

    Args:
        library: folder of the library.
        rank: as the search gave it; 1 is the best.

    Raises:
        NotFoundError: no search is remembered, or it had no such hit.
    """
    newest = max((file for file in _places(library) if file.is_file()), key=_modified, default=None)
    if newest is None:
        raise NotFoundError(
            "no search of this library is remembered",
            item=library,
            remedy="Search first, with the same --library, or name a video file",
        )
    try:
        kept = json.loads(read_regular(newest))
        hits = {
            int(hit["rank"]): LastHit(
                place(hit["video"]),
                float(hit["start_s"]),
                float(hit["end_s"]),
                float(hit["watch_start_s"]),
                float(hit["watch_end_s"]),
                str(hit["clip_id"]),
            )
            for hit in kept["hits"]
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotFoundError(
            "what the last search found cannot be read", item=newest, remedy="Search again"
        ) from error
    if rank not in hits:
        found = f"it had {len(hits)}" if hits else "it found nothing"
        raise NotFoundError(
            "the last search of this library has no such hit",
            item=rank,
            value=found,
            remedy="Search again, or with a larger --top",
        )
    return hits[rank]


def _places(library: Path) -> tuple[Path, ...]:
    name = hashlib.sha256(os.fsencode(library.resolve())).hexdigest()[:24]
    return library / "cache" / f"last-hits-{os.getuid()}.json", cache_dir() / f"last-hits-{name}.json"


def _modified(path: Path) -> float:
    return path.stat().st_mtime
