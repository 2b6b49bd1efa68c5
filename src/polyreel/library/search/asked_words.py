"""The words of a query, and how much of them a line has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from polyreel.library.search.word_index import phrases_in, query_terms, spelt, stands_in, unquoted
from polyreel.library.store.words import indexed_words

__all__ = ["AskedWords"]


@dataclass(frozen=True, slots=True)
class AskedWords:
    """The words of a query.

    Attributes:
        words: each once; of scripts without spaces, each two neighbouring letters.
        phrases: what stands in quotes, and has to stand in a line.
        whole: what a line has that holds the whole query: the query, or where all of it is in quotes, those.
    """

    words: frozenset[str]
    phrases: tuple[str, ...]
    whole: tuple[str, ...]

    @classmethod
    def of(cls, query: str) -> Self:
        """The words of any text."""
        phrases = phrases_in(query)
        whole = phrases if phrases and not unquoted(query) else (spelt(query),)
        return cls(frozenset(query_terms(indexed_words(query))), phrases, whole)

    def share_in(self, line: str) -> float:
        """Share of their letters that belongs to words of ``line``, 0 to 1: long words are the rarer ones."""
        if not self.words:
            return 0.0
        shared = self.words.intersection(query_terms(indexed_words(line)))
        return sum(map(len, shared)) / sum(map(len, self.words))

    def stand_in(self, line: str) -> bool:
        """Whether ``line`` has the whole query, word for word; capitals, accents and marks aside."""
        return all(stands_in(words, line) for words in self.whole)

    def allow(self, line: str) -> bool:
        """Whether ``line`` has all that stands in quotes."""
        return all(stands_in(phrase, line) for phrase in self.phrases)
