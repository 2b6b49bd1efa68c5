"""A library as polyreel wrote it with schema 2: lines without a column of words, an index of bare texts."""

from __future__ import annotations

import json
from pathlib import Path

import lancedb
from lancedb.index import FTS

from polyreel.library.store.tables import SUBTITLES


def make_schema_2(library: Path, *, max_token_length: int = 40) -> Path:
    """Bring a library back to schema 2 and return it."""
    table = lancedb.connect(library).open_table(SUBTITLES)
    lines = table.search().to_arrow()
    table.add(lines.select([name for name in table.schema.names if name != "words"]), mode="overwrite")
    if len(lines):
        bare = FTS(
            base_tokenizer="icu/split",
            max_token_length=max_token_length,
            stem=False,
            remove_stop_words=False,
            ascii_folding=True,
        )
        table.create_index("text", config=bare)
    path = library / "library.json"
    state = json.loads(path.read_text())
    tables = state["tables"] | {SUBTITLES: table.version}
    path.write_text(json.dumps(state | {"schema_version": 2, "tables": tables, "revision": "old"}))
    return library
