"""Lines by the words they share with a query, and by the exact words that it has in quotes.

An inverted index: each word's lines, and how often it stands in each of them. What it adds to their BM25
scores is reckoned from these and from how long and how many all lines are, so that the indexes of several
libraries can be searched as one. It is laid out beside the matrices of ``search_index``, mapped into memory
like them, and made anew as they are, so that a search loads no database. A word is what stands between spaces
in what ``words`` of the store makes of a text. Chinese, Japanese, Thai and others that put no spaces between
words are indexed by letter and by pair of neighbours, and searched by pairs (or by the letter, if there is
but one), which needs no dictionary.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex
from numpy.typing import NDArray

from polyreel.library.search.exact import best_rows
from polyreel.library.store.words import indexed_words

__all__ = [
    "UNSPACED",
    "WORD_PARTS",
    "LineLengths",
    "SearchedWords",
    "WordIndex",
    "lengths_of",
    "make_word_index",
    "phrases_in",
    "query_terms",
    "read_word_index",
    "spelt",
    "stands_in",
    "unquoted",
    "write_word_index",
]

_TERMS, _ROWS, _TIMES, _LENGTHS = "terms.arrow", "term-rows.npy", "term-times.npy", "line-lengths.npy"
WORD_PARTS = (_TERMS, _ROWS, _TIMES, _LENGTHS)
"""The files of an index."""

# Okapi BM25 (Robertson and Zaragoza 2009), and Lucene's logarithm, which is never negative.
_K1, _B = 1.2, 0.75

# Straight quotes, and those of English, German, Czech, French, Russian and Chinese.
_QUOTED = regex.compile('"([^"]+)"|[“„]([^“”„]+)[”“]|«([^«»]+)»|「([^「」]+)」')
# The signs of length and of repetition belong to several scripts.
_UNSPACED_CLASS = r"[\p{Han}\p{Hiragana}\p{Katakana}ー々〆\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
UNSPACED = regex.compile(_UNSPACED_CLASS)
"""A letter of a script that puts no spaces between words."""
_LETTERS = regex.compile(rf"{_UNSPACED_CLASS}\p{{M}}*")
_RUNS = regex.compile(rf"(?:{_UNSPACED_CLASS}\p{{M}}*)+|(?:(?!{_UNSPACED_CLASS})\S)+")
# Small Latin letters that are no letter with a mark to Unicode, though people without the key type them so.
_LATIN_NAME = regex.compile("LATIN SMALL LETTER ([A-Z]) WITH .+")
_AS_TYPED = {"æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i", "ĸ": "q", "ŋ": "n"}
_LATIN_BLOCKS = (range(0xC0, 0x250), range(0x250, 0x2B0), range(0x1D80, 0x1DC0), range(0x2C60, 0x2C80))
# Lines that hold all words of a phrase are looked at so many at a time, the best first.
_LOOKED_AT = 256
# A word that stands in a line more often counts no more.
_MOST_TIMES = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class LineLengths:
    """How many lines there are, how many have terms, and how many terms they have in all."""

    lines: int
    worded: int
    terms: int

    def rarity(self, held_by: int) -> float:
        """What a term counts that so many lines hold."""
        return float(np.log1p((self.lines - held_by + 0.5) / (held_by + 0.5)))

    def norms(self, lengths: NDArray[np.int32]) -> NDArray[np.float64]:
        """What the length of lines, (lines,), takes from their scores."""
        mean = max(self.terms / max(self.worded, 1), 1.0)
        return np.asarray(_K1 * (1 - _B + _B * lengths / mean), np.float64)


class SearchedWords(ABC):
    """Lines that can be searched by their words."""

    def search(
        self, text: str, limit: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[int, float]]:
        """Lines that share words with ``text``: row and BM25 score, best first.

        What stands in quotes has to stand in a line word for word; see ``stands_in``.

        Args:
            text: any text; nothing in it is a command.
            limit: how many lines at most.
            allowed: which lines may be returned, (lines,); None for all.
        """
        scores = self.scores(list(dict.fromkeys(query_terms(indexed_words(text)))))
        found_in = scores > 0 if allowed is None else allowed & (scores > 0)
        phrases = phrases_in(text)
        if not phrases:
            rows, found = best_rows(scores, limit, found_in)
            return list(zip(rows.tolist(), found.tolist(), strict=True))
        terms = {term for phrase in phrases for term in query_terms(phrase)}
        rows, found = best_rows(scores, len(scores), self.lines_with_all(terms) & found_in)
        said: list[tuple[int, float]] = []
        for start in range(0, len(rows), _LOOKED_AT):
            part = slice(start, start + _LOOKED_AT)
            lines = self.texts_of(rows[part])
            said += [
                (row, score)
                for row, score, line in zip(rows[part].tolist(), found[part].tolist(), lines, strict=True)
                if all(stands_in(phrase, line) for phrase in phrases)
            ]
            if len(said) >= limit:
                break
        return said[:limit]

    @abstractmethod
    def scores(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """BM25 scores of all lines, (lines,), for terms of which none comes twice."""

    @abstractmethod
    def letters(self, terms: Iterable[str]) -> NDArray[np.int32]:
        """How many letters the terms have together that each line holds, (lines,); none comes twice."""

    @abstractmethod
    def lines_with_all(self, terms: Iterable[str]) -> NDArray[np.bool_]:
        """Which lines hold every term, (lines,)."""

    @abstractmethod
    def texts_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Lines by row."""


@dataclass(frozen=True, slots=True)
class WordIndex(SearchedWords):
    """Which lines hold which words.

    Attributes:
        terms: (terms,) sorted by code points.
        first: (terms + 1,) where the entries of each term begin, and where the last ends.
        rows: (entries,) int32, lines by row, ascending within a term.
        times: (entries,) uint16, how often the term stands in the line.
        lengths: (lines,) int32, terms of each line.
        texts: (lines,) the lines, for what stands in quotes.
        all_lengths: of ``lengths``.
    """

    terms: pa.StringArray
    first: NDArray[np.int64]
    rows: NDArray[np.int32]
    times: NDArray[np.uint16]
    lengths: NDArray[np.int32]
    texts: pa.ChunkedArray
    all_lengths: LineLengths

    def scores(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """BM25 scores of all lines, (lines,), for terms of which none comes twice."""
        entries = [self.entries(term) for term in terms]
        rarities = [self.all_lengths.rarity(own.stop - own.start) for own in entries]
        return self.scores_of(entries, rarities, self.all_lengths)

    def scores_of(
        self, entries: Sequence[slice], rarities: Sequence[float], among: LineLengths
    ) -> NDArray[np.float32]:
        """BM25 scores of all lines, (lines,).

        Args:
            entries: of each term.
            rarities: what each term counts.
            among: all lines that these are searched with.
        """
        scores = np.zeros(len(self.texts), np.float32)
        for own, rarity in zip(entries, rarities, strict=True):
            rows, times = self.rows[own], self.times[own]
            norms = among.norms(self.lengths[rows])
            scores[rows] += (rarity * times * (_K1 + 1) / (times + norms)).astype(np.float32)
        return scores

    def letters(self, terms: Iterable[str]) -> NDArray[np.int32]:
        """How many letters the terms have together that each line holds, (lines,); none comes twice."""
        letters = np.zeros(len(self.texts), np.int32)
        for term in terms:
            letters[self.rows[self.entries(term)]] += len(term)
        return letters

    def lines_with_all(self, terms: Iterable[str]) -> NDArray[np.bool_]:
        """Which lines hold every term, (lines,)."""
        held = np.ones(len(self.texts), bool)
        for term in terms:
            own = np.zeros(len(held), bool)
            own[self.rows[self.entries(term)]] = True
            held &= own
        return held

    def texts_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Lines by row."""
        found: list[str] = self.texts.take(pa.array(rows)).to_pylist()
        return found

    def entries(self, term: str) -> slice:
        """Where in ``rows`` those of a term stand; nowhere if no line holds it."""
        place = bisect_left(self.terms, term, key=lambda each: each.as_py())
        if place == len(self.terms) or self.terms[place].as_py() != term:
            return slice(0, 0)
        return slice(int(self.first[place]), int(self.first[place + 1]))


def make_word_index(texts: pa.ChunkedArray, words: pa.ChunkedArray) -> WordIndex:
    """Index lines.

    Args:
        texts: (lines,) of strings.
        words: (lines,) what ``indexed_words`` makes of them.
    """
    lists = pc.split_pattern(words, " ")
    line_of_word = np.repeat(np.arange(len(words)), pc.list_value_length(lists).to_numpy())
    split = (
        pa.concat_arrays([chunk.flatten() for chunk in lists.chunks])
        if len(words)
        else pa.array([], "string")
    )
    spelt = split.dictionary_encode()
    # A word that many lines share is cut into its terms once.
    numbers: dict[str, int] = {}
    pieces, ends = array("q"), array("q", [0])
    for word in spelt.dictionary.to_pylist():
        pieces.extend(numbers.setdefault(term, len(numbers)) for term in _indexed_terms(word))
        ends.append(len(pieces))
    terms = sorted(numbers)
    places = np.empty(len(terms), np.int64)
    places[[numbers[term] for term in terms]] = np.arange(len(terms))
    found, lines = _spread(spelt.indices.to_numpy(zero_copy_only=False), line_of_word, pieces, ends)
    # An entry for each term of a line, in order of term and line.
    keys, times = np.unique(places[found] * max(len(words), 1) + lines, return_counts=True)
    term_of, rows = np.divmod(keys, max(len(words), 1))
    lengths = np.bincount(rows, times, minlength=len(words)).astype(np.int32)
    return WordIndex(
        pa.array(terms, pa.string()),
        np.searchsorted(term_of, np.arange(len(terms) + 1)).astype(np.int64),
        rows.astype(np.int32),
        np.minimum(times, _MOST_TIMES).astype(np.uint16),
        lengths,
        texts,
        lengths_of(lengths),
    )


def _spread(
    codes: NDArray[np.integer], lines: NDArray[np.int64], pieces: array[int], ends: array[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From words to terms: the number of each term, and its line.

    Args:
        codes: (words,) what each is in the dictionary.
        lines: (words,) where each stands.
        pieces: numbers of the terms of all words of the dictionary, one word after the other.
        ends: where those of each begin, and where the last ends.
    """
    begin = np.frombuffer(ends, np.int64)
    lengths = np.diff(begin)[codes]
    first = (
        np.repeat(begin[codes] - np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64), lengths)
        if len(codes)
        else np.zeros(0, np.int64)
    )
    numbers = np.frombuffer(pieces, np.int64) if len(pieces) else np.zeros(0, np.int64)
    return numbers[first + np.arange(len(first))], np.repeat(lines, lengths)


def lengths_of(lengths: NDArray[np.int32]) -> LineLengths:
    """What the lengths of lines, (lines,), come to."""
    return LineLengths(len(lengths), int(np.count_nonzero(lengths)), int(lengths.sum(dtype=np.int64)))


def write_word_index(index: WordIndex, folder: Path) -> None:
    """Write an index's ``WORD_PARTS`` into a folder."""
    schema = _term_schema(lines=len(index.texts), entries=len(index.rows))
    table = pa.table([index.terms, index.first[:-1]], schema=schema)
    with pa.OSFile(str(folder / _TERMS), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)
    np.save(folder / _ROWS, index.rows, allow_pickle=False)
    np.save(folder / _TIMES, index.times, allow_pickle=False)
    np.save(folder / _LENGTHS, index.lengths, allow_pickle=False)


def read_word_index(folder: Path, texts: pa.ChunkedArray) -> WordIndex:
    """The index in a folder, mapped into memory.

    Args:
        folder: what ``write_word_index`` wrote to.
        texts: (lines,) the lines that were indexed.

    Raises:
        OSError, ValueError: it is not there, damaged, or of other lines.
    """
    with pa.memory_map(str(folder / _TERMS)) as file:
        table = pa.ipc.open_file(file).read_all()
    rows, times, lengths = (
        np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (_ROWS, _TIMES, _LENGTHS)
    )
    fits = (
        table.schema.equals(_term_schema(lines=len(texts), entries=len(rows)), check_metadata=True)
        and rows.ndim == 1
        and rows.shape == times.shape
        and lengths.shape == (len(texts),)
        and (rows.dtype, times.dtype, lengths.dtype) == (np.int32, np.uint16, np.int32)
        and (not len(rows) or (rows.min() >= 0 and rows.max() < len(texts) and times.min() > 0))
        and (not len(lengths) or lengths.min() >= 0)
    )
    if not fits:
        raise ValueError("the parts of an index of words do not belong together")
    first = np.append(table["first"].to_numpy(), len(rows))
    if first[0] != 0 or (np.diff(first) <= 0).any():
        raise ValueError("an index of words is of other lines")
    return WordIndex(table["term"].combine_chunks(), first, rows, times, lengths, texts, lengths_of(lengths))


def _term_schema(*, lines: int, entries: int) -> pa.Schema:
    """The columns of ``_TERMS``, with what tells whether the other parts belong to it."""
    belonging = {"lines": str(lines), "entries": str(entries)}
    return pa.schema([("term", pa.string()), ("first", pa.int64())], metadata=belonging)


def _indexed_terms(word: str) -> Iterator[str]:
    for run, letters in _runs(word):
        yield from letters or [run]
        yield from map("".join, pairwise(letters))


def query_terms(words: str) -> Iterator[str]:
    """What is searched for of a text, as ``indexed_words`` makes it: words, and pairs of letters."""
    for run, letters in _runs(words):
        if len(letters) > 1:
            yield from map("".join, pairwise(letters))
        else:
            yield run


def _runs(words: str) -> Iterator[tuple[str, list[str]]]:
    """Stretches of one kind of script, each with its letters if it puts no spaces between words."""
    if words.isascii():
        for word in words.split():
            yield word, []
        return
    for run in _RUNS.findall(words):
        if UNSPACED.match(run):
            yield run, _LETTERS.findall(run)
        else:
            yield run.translate(_FOLDED), []


def _folded_letters() -> dict[int, str]:
    folded = {ord(letter): typed for letter, typed in _AS_TYPED.items()}
    for code in (code for block in _LATIN_BLOCKS for code in block):
        if match := _LATIN_NAME.fullmatch(unicodedata.name(chr(code), "")):
            folded[code] = match[1].lower()
    return folded


_FOLDED = _folded_letters()


def spelt(text: str) -> str:
    """A text as ``indexed_words`` has it, and as it is typed without a key for letters such as ł."""
    return indexed_words(text).translate(_FOLDED)


def phrases_in(query: str) -> tuple[str, ...]:
    """What stands in quotes, each as ``spelt`` has it."""
    phrases = (spelt(next(filter(None, found))) for found in _QUOTED.findall(query))
    return tuple(phrase for phrase in phrases if phrase)


def unquoted(query: str) -> str:
    """What stands outside of quotes, as ``spelt`` has it."""
    return spelt(_QUOTED.sub(" ", query))


def stands_in(words: str, line: str) -> bool:
    """Whether words, as ``spelt`` has them, stand in a line in a row; capitals, accents and marks aside."""
    said = spelt(line)
    if not words or not said:
        return False
    # A word may begin or end within a stretch of a script that puts no spaces.
    before = "" if UNSPACED.match(words[0]) else " "
    after = "" if UNSPACED.match(words[-1]) else " "
    return f"{before}{words}{after}" in f" {said} "
