"""Lines by the words they share with a query, and by the exact words that it has in quotes."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import regex

if TYPE_CHECKING:
    from lancedb.table import Table

__all__ = ["lines_with_words"]

# Straight quotes, and those of English, German, Czech, French, Russian and Chinese.
_QUOTED = regex.compile('"([^"]+)"|[“„]([^“”„]+)[”“]|«([^«»]+)»|「([^「」]+)」')
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
# Lines that share words with a phrase and may hold it. Its words are rarer together than alone.
_CANDIDATES_OF_PHRASE = 2_000


def lines_with_words(table: Table, text: str, limit: int) -> list[tuple[str, float]]:
    """Lines of an indexed table that share words with ``text``: id and BM25 score, best first.

    What stands in quotes has to occur in a line word for word, whatever its case.

    Args:
        table: subtitle lines with a full-text index of ``text``.
        text: any text; nothing in it is a command.
        limit: how many lines at most.
    """
    from lancedb.query import FullTextOperator, MatchQuery

    phrases = [_folded(next(filter(None, found))) for found in _QUOTED.findall(text)]
    # Not the bare text: the store takes quotes in it for syntax of its own.
    all_words = phrases and _is_quoted(text)
    operator = FullTextOperator.AND if all_words else FullTextOperator.OR
    query = MatchQuery(text, "text", operator=operator)  # type: ignore[call-arg]  # the stub knows no defaults
    wanted = max(limit, _CANDIDATES_OF_PHRASE) if phrases else limit
    columns = ["subtitle_id", "_score", *(["text"] if phrases else [])]
    found = table.search(query, query_type="fts").select(columns).limit(wanted).to_arrow()
    if phrases:
        lines = [_folded(line) for line in found["text"].to_pylist()]
        said = [all(_occurs(phrase, line) for phrase in phrases) for line in lines]
        found = found.filter(pa.array(said, pa.bool_()))
    ids, scores = found["subtitle_id"].to_pylist(), found["_score"].to_pylist()
    return list(zip(ids, scores, strict=True))[:limit]


def _is_quoted(text: str) -> bool:
    """Whether there is nothing but quotations."""
    return not any(character.isalnum() for character in _QUOTED.sub("", text))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _occurs(phrase: str, line: str) -> bool:
    """Whether the phrase stands in the line, and not within a longer word."""
    before = "" if _UNSPACED.match(phrase[:1]) else r"(?<!\w)"
    after = "" if _UNSPACED.match(phrase[-1:]) else r"(?!\w)"
    return regex.search(before + regex.escape(phrase) + after, line) is not None
