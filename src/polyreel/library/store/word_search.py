"""Lines by the words they share with a query, and by the exact words that it has in quotes.

Lance cuts texts into words by ICU, which knows Chinese, Japanese and Thai, too. Its own folding leaves ё and
the accents of Greek, and the variant of its tokenizer that cuts at punctuation cuts at combining marks as
well ("नमस" then finds "नमस्ते"). So a column of the lines holds their texts as they are to be indexed.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import regex

from polyreel.languages import narrow

if TYPE_CHECKING:
    from lancedb.table import Table

__all__ = ["WORDS", "index_words", "indexed_words", "lines_with_words"]

WORDS = "words"  # the column that is indexed
_TEXT = "text"  # was in libraries up to schema 2
# In UTF-8. With Lance's 40, Russian words of 21 letters and Hindi words of 14 are not in the index.
_MAX_WORD_BYTES = 255

_BETWEEN_ASCII_WORDS = regex.compile("[^A-Za-z0-9]+")
_BETWEEN_WORDS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
# Zero-width joiners say how letters join, and are typed or not.
_JOINERS = regex.compile("[\u200c\u200d]")
# Marks that readers add or leave out. Of Cyrillic those of stress alone (and ё): й, ї and ў are letters, as
# are consonants with marks of Macedonian. Scripts of India, whose vowels are marks, keep all of theirs.
_OPTIONAL_MARKS = regex.compile(
    r"[\p{Latin}\p{Greek}]\K\p{Mn}+|е\K[\u0300\u0301\u0308]+|[аиоуыэюяіє]\K[\u0300\u0301]+"
    r"|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]+"
)

# Straight quotes, and those of English, German, Czech, French, Russian and Chinese.
_QUOTED = regex.compile('"([^"]+)"|[“„]([^“”„]+)[”“]|«([^«»]+)»|「([^「」]+)」')
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
# Lines that share words with a phrase and may hold it. Its words are rarer together than alone.
_CANDIDATES_OF_PHRASE = 2_000


def indexed_words(text: str) -> str:
    """A text as the index has it: letters, marks and digits between spaces.

    Capitals are small; accents of Latin and Greek letters, the dots of ё, marks of stress, and the points of
    Hebrew and Arabic are gone.
    """
    if text.isascii():  # ten times as fast, and the same
        return _BETWEEN_ASCII_WORDS.sub(" ", text.lower()).strip()
    apart = unicodedata.normalize("NFD", narrow(_JOINERS.sub("", text)).casefold())
    bare = unicodedata.normalize("NFC", _OPTIONAL_MARKS.sub("", apart))
    return _BETWEEN_WORDS.sub(" ", bare).strip()


def index_words(table: Table) -> None:
    """Make the full-text index of a table of lines."""
    from lancedb.index import FTS

    # One stemmer or stop list cannot suit nine languages. Folding turns letters such as đ and ø into ASCII.
    words = FTS(
        base_tokenizer="icu",
        max_token_length=_MAX_WORD_BYTES,
        stem=False,
        remove_stop_words=False,
        ascii_folding=True,
    )
    table.create_index(WORDS, config=words)


def lines_with_words(table: Table, text: str, limit: int) -> list[tuple[str, float]]:
    """Lines of an indexed table that share words with ``text``: id and BM25 score, best first.

    What stands in quotes has to occur in a line word for word, whatever its case.

    Args:
        table: subtitle lines with a full-text index of their words.
        text: any text; nothing in it is a command.
        limit: how many lines at most.
    """
    from lancedb.query import FullTextOperator, MatchQuery

    phrases = [_folded(next(filter(None, found))) for found in _QUOTED.findall(text)]
    is_old = WORDS not in table.schema.names
    # Not the bare text: the store takes quotes in it for syntax of its own.
    all_words = phrases and _is_quoted(text)
    operator = FullTextOperator.AND if all_words else FullTextOperator.OR
    asked, column = (text, _TEXT) if is_old else (indexed_words(text), WORDS)
    query = MatchQuery(asked, column, operator=operator)  # type: ignore[call-arg]  # the stub has no defaults
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
