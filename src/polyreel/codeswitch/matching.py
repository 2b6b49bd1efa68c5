"""Where lexicons match a text: for each word and language the longest expression that begins there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from polyreel.codeswitch.english import ENGLISH_STOP_WORDS, english_lemmas
from polyreel.codeswitch.lexicons import MAX_EXPRESSION_WORDS, Lexicon, fold
from polyreel.languages import split_words

__all__ = ["Match", "Matcher", "Prepared"]

_STOP_WORDS = {"en": ENGLISH_STOP_WORDS}
_LEMMAS: dict[str, Callable[[str], tuple[str, ...]]] = {"en": english_lemmas}
# Enough for MSR-VTT. What is beyond is taken apart anew each time: forgetting the oldest would, when epoch
# follows epoch, forget every text just before it comes again.
_KEPT_TEXTS = 200_000
_KEPT_WORDS = 500_000

# Plain tuples, down to the strings: the garbage collector forgets those, and else would go through all texts
# that are kept again and again, which made switching two to three times slower.
Match = tuple[int, tuple[str, ...], bool]
"""Translations into one language of what begins at one word: how many words it is long, what it can become,
and whether it was found by its lemma only."""
Matches = tuple[Match | None, ...]
"""A match for each language; empty if there is none at all."""
Prepared = tuple[tuple[str, ...], int, tuple[tuple[int, Matches], ...]]
"""A text taken apart: pieces (words at odd places, what lies between at even ones), number of words, and
those words at which something matches, by number."""

_Entry = tuple[Matches, tuple[str, ...], frozenset[str]]
"""What is known of one word as it is written: its matches, its forms (folded, and its lemma), and the forms
that the next word must have for a longer expression to begin here."""


class Matcher:
    """Takes texts apart; knows words and texts again.

    Longer expressions are found in languages that write spaces.

    Args:
        lexicons: language -> lexicon, all with the source language ``source``.
        source: BCP-47 tag of the texts.
        candidates: how many translations of a word to keep.
        lemmas: whether what a lexicon lacks is looked up by its lemma.
    """

    def __init__(
        self, lexicons: Mapping[str, Lexicon], source: str, *, candidates: int, lemmas: bool
    ) -> None:
        self._source = source
        self._candidates = candidates
        self._lemmas = _LEMMAS.get(source) if lemmas else None
        self._stop_words = _STOP_WORDS.get(source, frozenset())
        self._entries = [lexicon.entries for lexicon in lexicons.values()]
        heads = frozenset[str]().union(*self._entries)
        self._seconds = _second_words(heads)
        self._vocabulary = heads.union(*(head.split(" ") for head in heads if " " in head))
        self._words: dict[str, _Entry] = {}
        self._expressions: dict[tuple[str, ...], Matches] = {}
        self._texts: dict[str, Prepared] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Another process fills its own.
        return self.__dict__ | {"_words": {}, "_expressions": {}, "_texts": {}}

    def prepare(self, text: str) -> Prepared:
        """The text with all that matches in it."""
        prepared = self._texts.get(text)
        if prepared is None:
            prepared = self._take_apart(text)
            if len(self._texts) < _KEPT_TEXTS:
                self._texts[text] = prepared
        return prepared

    def _take_apart(self, text: str) -> Prepared:
        pieces = tuple(split_words(text, self._source))
        known = self._words
        entries = [known.get(word) or self._learn(word) for word in pieces[1::2]]
        matches = [entry[0] for entry in entries]
        # Nearly all pairs of words end at this condition, and so does the cost of looking for expressions.
        for number, ((_, _, seconds), (_, forms, _)) in enumerate(pairwise(entries)):
            if seconds and not seconds.isdisjoint(forms):
                matches[number] = self._longest(pieces, number, matches[number])
        places = tuple([place for place in enumerate(matches) if place[1]])
        return pieces, len(entries), places

    def _learn(self, word: str) -> _Entry:
        head = fold(word)
        lemma = self._lemma(head)
        forms = (head,) if lemma is None else (head, lemma)
        if head in self._stop_words or not any(map(str.isalpha, word)):
            entry: _Entry = ((), forms, frozenset())
        else:
            seconds = frozenset[str]().union(*(self._seconds.get(form, ()) for form in forms))
            entry = (self._matches((word,), forms), forms, seconds)
        if len(self._words) < _KEPT_WORDS:
            self._words[word] = entry
        return entry

    def _lemma(self, head: str) -> str | None:
        """The likeliest lemma that any lexicon knows, so that all languages look up the same one."""
        if self._lemmas is None:
            return None
        return next((lemma for lemma in self._lemmas(head) if lemma in self._vocabulary), None)

    def _longest(self, pieces: tuple[str, ...], number: int, matches: Matches) -> Matches:
        """``matches`` of the word with that number, longer expressions taking their place."""
        first = 2 * number + 1
        for count in range(2, MAX_EXPRESSION_WORDS + 1):
            end = first + 2 * count - 1
            if end > len(pieces) or pieces[end - 2] not in (" ", "-"):
                break
            words = pieces[first:end:2]
            found = self._expressions.get(words)
            if found is None:
                found = self._learn_expression(words)
            if found:
                matches = tuple(
                    longer or shorter
                    for longer, shorter in zip(found, matches or (None,) * len(found), strict=True)
                )
        return matches

    def _learn_expression(self, words: tuple[str, ...]) -> Matches:
        folded = tuple(map(fold, words))
        matches: Matches = ()
        if folded[-1] not in self._stop_words:  # "standing in" a kitchen is no expression
            first, last = self._lemma(folded[0]), self._lemma(folded[-1])
            variants = [folded]
            variants += [(*folded[:-1], last)] if last else []  # swimming pools
            variants += [(first, *folded[1:])] if first else []  # riding a bike
            matches = self._matches(words, tuple(map(" ".join, variants)))
        if len(self._expressions) < _KEPT_WORDS:
            self._expressions[words] = matches
        return matches

    def _matches(self, words: tuple[str, ...], forms: tuple[str, ...]) -> Matches:
        """What the lexicons have for the first of ``forms`` that each of them holds: the words, or lemmas."""
        head = forms[0]
        capital = words[0][0].isupper()
        found: list[Match | None] = []
        for entries in self._entries:
            known = next((form for form in forms if form in entries), None)
            options = entries[known] if known is not None else ()
            different = [option for option in options if fold(option) != head][: self._candidates]
            if different:
                written = tuple(option[0].upper() + option[1:] if capital else option for option in different)
                found.append((len(words), written, known != head))
            else:
                found.append(None)
        return tuple(found) if any(found) else ()


def _second_words(heads: Iterable[str]) -> dict[str, set[str]]:
    """First word of an expression -> the words that come second."""
    seconds: dict[str, set[str]] = {}
    for head in heads:
        first, *rest = head.split(" ")
        if rest:
            seconds.setdefault(first, set()).add(rest[0])
    return seconds
