"""The words of a query, and how much of them a line has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from polyreel.library.search.word_index import UNSPACED, query_terms
from polyreel.library.store.words import indexed_words

__all__ = ["AskedWords"]


@dataclass(frozen=True, slots=True)
class AskedWords:
    """The words of a query.

    Attributes:
        text: as the index of words has it.
        words: each once; of scripts without spaces, each two neighbouring letters.
    """

    text: str
    words: frozenset[str]

    @classmethod
    def of(cls, query: str) -> Self:
        """The words of any text."""
        text = indexed_words(query)
        return cls(text, frozenset(query_terms(text)))

    def share_in(self, line: str) -> float:
        """Share of their letters that belongs to words of ``line``, 0 to 1: long words are the rarer ones."""
        if not self.words:
            return 0.0
        shared = self.words.intersection(query_terms(indexed_words(line)))
        return sum(map(len, shared)) / sum(map(len, self.words))

    def stand_in(self, line: str) -> bool:
        """Whether ``line`` has all of them in a row, word for word; capitals, accents and marks aside."""
        said = indexed_words(line)
        if not self.text or not said:
            return False
        # A word may begin or end within a stretch of a script that puts no spaces.
        before = "" if UNSPACED.match(self.text[0]) else " "
        after = "" if UNSPACED.match(self.text[-1]) else " "
        return f"{before}{self.text}{after}" in f" {said} "
