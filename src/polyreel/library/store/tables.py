"""The columns of a library's tables."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from polyreel.library.store.words import WORDS

__all__ = [
    "CLIPS",
    "FAILED",
    "FILES",
    "OK",
    "PARTIAL",
    "RECOGNISED",
    "SCHEMAS",
    "SPARED",
    "SUBTITLES",
    "UNREADABLE",
    "embedding_schema",
    "embedding_table",
]

FILES, CLIPS, SUBTITLES, RECOGNISED = "files", "clips", "subtitles", "recognised"
OK, FAILED, UNREADABLE, PARTIAL, SPARED = "ok", "failed", "unreadable", "partial", "spared"

SCHEMAS: Mapping[str, pa.Schema] = {
    # One row for each path. ``video`` is the hash of the content, empty while none could be read; ``status``
    # is "ok", "failed" (the content cannot be read as video), "unreadable" (the file system refused it) or
    # "partial" (the clips of its beginning are kept; the next run goes on).
    FILES: pa.schema(
        [
            ("path", pa.string()),
            ("video", pa.string()),
            ("size_bytes", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("sidecars", pa.string()),
            ("status", pa.string()),
            ("message", pa.string()),
            ("health", pa.string()),
            ("indexed_at", pa.string()),
        ]
    ),
    CLIPS: pa.schema(
        [
            ("clip_id", pa.string()),
            ("video", pa.string()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("thumbnail", pa.string()),
        ]
    ),
    SUBTITLES: pa.schema(
        [
            ("subtitle_id", pa.string()),
            ("video", pa.string()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("text", pa.string()),
            ("language", pa.string()),
            # "speech", "screen", or where a subtitle stands; see line_kinds.py.
            ("source", pa.string()),
            # The text as it is indexed (see words.py); libraries up to schema 2 lack it.
            (WORDS, pa.string()),
        ]
    ),
    # How far a video has been recognised, a row for each kind of lines (``source``); libraries up to schema 3
    # lack the table. ``status`` is "ok", "partial" (up to ``until_s`` of ``track``), "failed", or "spared":
    # its subtitles say the same.
    RECOGNISED: pa.schema(
        [
            ("video", pa.string()),
            ("source", pa.string()),
            ("engine", pa.string()),
            ("status", pa.string()),
            ("track", pa.int32()),
            ("until_s", pa.float64()),
            ("message", pa.string()),
            ("recognised_at", pa.string()),
        ]
    ),
}


def embedding_schema(dim: int) -> pa.Schema:
    """Vectors of clips and subtitles; ``id`` is a ``clip_id`` or a ``subtitle_id``, by ``kind``."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("video", pa.string()),
            ("kind", pa.string()),
            ("vector", pa.list_(pa.float16(), dim)),
        ]
    )


def embedding_table(generation: int) -> str:
    """Name of the table that holds a generation."""
    return f"gen-{generation}"
