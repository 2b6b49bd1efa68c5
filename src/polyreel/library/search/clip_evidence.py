"""What speaks for clips of one commit of a library, given one query: what they show, and what lines say.

All of it follows from the query and the library: not from how many hits are wanted, nor from what else was
found. So clips have one order, and hits may be asked for one after the other.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyreel.encoders.card import EncoderCard
from polyreel.encoders.text_roles import against_lines
from polyreel.library.line_kinds import LINE_KINDS
from polyreel.library.results import FAIR
from polyreel.library.search.asked_words import AskedWords
from polyreel.library.search.calibration import (
    Calibration,
    provisional,
    provisional_closeness,
    provisional_of_words,
)
from polyreel.library.search.evidence import EXACT, LINES, PICTURES, WORDS, Weights, weight_of
from polyreel.library.search.exact import best_rows
from polyreel.library.search.search_query import SearchQuery, Vector, compare
from polyreel.library.search.searched_vectors import Cosines
from polyreel.library.search.snapshot import Snapshot
from polyreel.library.search.word_index import query_terms
from polyreel.library.store.words import indexed_words

__all__ = ["NO_LINE", "ClipEvidence", "Mask", "Place", "Pool", "Weighed"]

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Deviations = NDArray[np.float32]
Place = tuple[float, float, int]
"""What clips are sorted by: weight and closeness, both negative, and row."""

NO_LINE = -1


@dataclass(frozen=True, eq=False)
class Weighed:
    """Clips, and what speaks for each of them; of those for which nothing does there are none.

    Attributes:
        rows: (clips,) ascending.
        cosines: (clips,) with the query.
        pictures: (clips,) weight of what they show; 0 where that is not looked at.
        lines: (clips,) weight of the line of each that says most; 0 where none does.
        line: (clips,) row of that line, or ``NO_LINE``.
        meaning: (clips,) best cosine of a line that counts by what it means; -inf where none does.
        words: (clips,) best BM25 score of a line that shares words; -inf where none does.
        by_sight, by_lines: what is looked at: by sight alone the cosine ranks them, which is there whether or
            not it can be told what it means.
    """

    rows: Rows
    cosines: NDArray[np.float32]
    pictures: Weights
    lines: Weights
    line: Rows
    meaning: NDArray[np.float32]
    words: NDArray[np.float32]
    by_sight: bool
    by_lines: bool

    @functools.cached_property
    def weights(self) -> Weights:
        """(clips,) of all that speaks for them."""
        return self.pictures + self.lines

    @property
    def closeness(self) -> NDArray[np.float32]:
        """(clips,) what comes first of those of equal weight."""
        return self.cosines if self.by_sight else self.meaning

    @functools.cached_property
    def ranked(self) -> list[int]:
        """Their places here, best first."""
        weights = self.weights if self.by_lines else np.zeros(len(self.rows))
        order: list[int] = np.lexsort((self.rows, -self.closeness, -weights)).tolist()
        return order

    def place(self, at: int) -> Place:
        """What one of them is sorted by among all clips."""
        weight = float(self.weights[at]) if self.by_lines else 0.0
        return -weight, -float(self.closeness[at]), int(self.rows[at])


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The clips for which most speaks by any one kind of evidence.

    Attributes:
        clips: of them.
        behind: no other clip comes before this place; None if there is no other for which anything speaks.
        best_cosine: of all that is seen; -1 where nothing is looked at.
    """

    clips: Weighed
    behind: Place | None
    best_cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class _Unseen:
    """Lines that count and were not found: what they weigh at most, and without shared words.

    Attributes:
        weight, meaning: those.
        place: none of their clips comes before, where lines alone are looked at.
        worded: all lines that share words, where not all of them were found.
    """

    weight: float
    meaning: float
    place: Place
    worded: Rows


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """Lines that say something: which of those looked at; and of each that does, its numbers as of a clip."""

    counts: Mask
    weights: Weights
    cosines: NDArray[np.float32]
    meaning: NDArray[np.float32]
    words: NDArray[np.float32]


class ClipEvidence:
    """What speaks for clips, given a query.

    Args:
        snapshot: what is searched.
        card: of the bundle that made the embeddings.
        query: the checked search.
        vector: (dim,) unit vector of the query.
        cosines: of the query and all clips.
    """

    def __init__(
        self, snapshot: Snapshot, card: EncoderCard, query: SearchQuery, vector: Vector, cosines: Cosines
    ) -> None:
        self._snapshot, self._card, self._query, self._vector = snapshot, card, query, vector
        self._cosines = cosines
        self.allowed = _allowed_clips(snapshot, query)
        self._asked = AskedWords.of(query.text)
        # What texts reach is no scale for pictures that are searched with.
        self.calibration: Calibration | None = snapshot.calibration if query.text else None
        self._looks_at_lines = bool(query.lines) and len(snapshot.index.subtitles) > 0

    @property
    def approximate(self) -> bool:
        """Whether an index chose what was compared, until now."""
        by_lines = self._looks_at_lines and self.line_cosines.approximate
        return self._cosines.approximate or by_lines

    def pool(self, depth: int, allowed: Mask | None) -> Pool:
        """Clips among which the best are.

        Args:
            depth: how many of each kind of evidence.
            allowed: which clips may be found, (clips,); None for all.
        """
        rows, best_cosine = np.zeros(0, np.int64), -1.0
        seen: Place | None = None  # behind which the clips are that were not found by what they show
        encoded, by_sight = self._snapshot.encoded_clips, self._query.by_sight
        if by_sight:
            rows, cosines = self._cosines.best(depth, _both(allowed, encoded))
            best_cosine = float(cosines[0]) if len(cosines) else -1.0
            if len(rows) >= depth:
                last = self._weights_of_pictures(cosines[-1:])[0] if self._query.lines else 0.0
                seen = (-float(last), -float(cosines[-1]), int(rows[-1]))
            elif encoded is None:  # these are all
                return Pool(self.of(np.sort(rows)), None, best_cosine)
        if not self._looks_at_lines:
            return Pool(self.of(np.sort(rows)), seen, best_cosine)
        found, most = self._clips_of_lines(depth, allowed)
        if not by_sight:  # what lines do not tell apart is in the order of rows
            return Pool(self.of(found), None if most is None else most.place, best_cosine)
        behind = seen
        if most is not None:
            # Where all pictures were seen, these clips have none, and come last of those of equal weight.
            behind = (-most.weight, -np.inf, -1) if seen is None else (seen[0] - most.meaning, *seen[1:])
        if seen is not None and most is not None and len(most.worded):
            # A word that many lines share tells clips apart by what they show.
            worded = np.zeros(len(self._snapshot.index.clips), bool)
            worded[self._clip_of_line[most.worded]] = True
            also, cosines = self._cosines.best(depth, _meets(worded, _both(allowed, encoded)))
            found = np.union1d(found, also)
            if len(also) >= depth:
                weight = float(self._weights_of_pictures(cosines[-1:])[0]) + most.weight
                behind = min(behind or seen, (-weight, -float(cosines[-1]), int(also[-1])))
            elif encoded is not None:
                behind = min(behind or seen, (-most.weight, -np.inf, -1))
        return Pool(self.of(np.union1d(rows, found)), behind, best_cosine)

    def of(self, rows: Rows) -> Weighed:
        """What speaks for some clips, without those for which nothing does.

        Args:
            rows: of them, ascending.
        """
        cosines = self._cosines.of(rows)
        pictures = np.zeros(len(rows))
        counts = np.zeros(len(rows), bool)
        if self._query.by_sight:
            encoded = self._snapshot.encoded_clips
            counts |= True if encoded is None else encoded[rows]
            pictures[counts] = self._weights_of_pictures(cosines[counts])
        lines, line = np.zeros(len(rows)), np.full(len(rows), NO_LINE, np.int64)
        meaning, words = (np.full(len(rows), -np.inf, np.float32) for _ in range(2))
        if self._looks_at_lines:
            own, at = self._lines_of(rows)
            said = self._weigh_lines(own)
            own, at = own[said.counts], at[said.counts]
            np.maximum.at(meaning, at, said.meaning)
            np.maximum.at(words, at, said.words)
            # Of each clip the first in this order: what weighs most, then what is closest.
            order = np.lexsort((own, -said.cosines, -said.weights, at))
            clips, first = np.unique(at[order], return_index=True)
            lines[clips], line[clips] = said.weights[order][first], own[order][first]
            counts |= line != NO_LINE
        kept = slice(None) if counts.all() else counts
        return Weighed(
            rows[kept],
            cosines[kept],
            pictures[kept],
            lines[kept],
            line[kept],
            meaning[kept],
            words[kept],
            by_sight=self._query.by_sight,
            by_lines=bool(self._query.lines),
        )

    @functools.cached_property
    def line_cosines(self) -> Cosines:
        """Of the query and all lines."""
        asked = self._asked_of_lines[None]
        (cosines,) = compare(self._snapshot.index.subtitle_vectors, [self._query], asked)
        return cosines

    def _clips_of_lines(self, depth: int, allowed: Mask | None) -> tuple[Rows, _Unseen | None]:
        """Clips of the lines that say most, each once; and what other lines there are that count."""
        within = self._lines_within(allowed)
        rows, scores = self.line_cosines.best(depth, _both(within, self._snapshot.encoded_lines))
        near = self._near(scores)
        worded = np.flatnonzero(_meets(self._bm25 > 0, within))
        unseen: _Unseen | None = None
        if len(rows) >= depth and near[-1]:
            meaning = float(self._weights_of_meaning(scores[-1:])[0])
            unseen = _Unseen(meaning, meaning, (-meaning, -float(scores[-1]), -1), worded[:0])
        if len(worded) > depth:
            # Lines that were not taken mean no more than the first that was not near, or the last.
            least = scores[~near][:1] if not near.all() else scores[-1:]
            first, weight = self._most_worded(worded, depth, least)
            # Of lines that weigh as much the first were taken.
            place = (-weight, np.inf, int(self._clip_of_line[first[-1]]))
            if unseen is None:
                unseen = _Unseen(weight, 0.0, place, worded)
            else:
                place = min((-max(weight, unseen.weight), unseen.place[1], -1), unseen.place)
                unseen = _Unseen(max(weight, unseen.weight), unseen.meaning, place, worded)
            worded = first
        lines = np.concatenate([rows[near], worded])
        return np.unique(self._clip_of_line[lines]).astype(np.int64), unseen

    def _most_worded(self, rows: Rows, depth: int, least: NDArray[np.float32]) -> tuple[Rows, float]:
        """Of lines that share words those that may say most, and what the others weigh at most.

        Args:
            rows: of them.
            depth: how many.
            least: (1,) cosine that others do not surpass, where theirs are not known; or none.
        """
        by_words = self._most_by_words(rows)
        cosines = self.line_cosines.at_most(rows)
        if cosines is None:  # then what else they mean is looked at for these alone
            first = np.lexsort((rows, -self._bm25[rows], -by_words))[:depth]
            return rows[first], float(by_words[first[-1]] + self._weights_of_meaning(least).sum())
        first, most = best_rows(by_words + self._weights_of_meaning(cosines), depth)
        return rows[first], float(most[-1])

    def _lines_of(self, clips: Rows) -> tuple[Rows, Rows]:
        """The lines of some clips, those of kinds that are looked at: rows, and places of their clips."""
        begin, end = (np.searchsorted(self._clip_of_line, clips, side) for side in ("left", "right"))
        counts = end - begin
        at = np.repeat(np.arange(len(clips)), counts)
        rows = np.arange(len(at)) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
        if self._kinds is not None:
            kept = self._kinds[rows]
            rows, at = rows[kept], at[kept]
        return rows.astype(np.int64), at

    def _weigh_lines(self, rows: Rows) -> _Said:
        cosines, encoded = self.line_cosines.of(rows), self._snapshot.encoded_lines
        weights = self._weights_of_meaning(cosines)
        near, worded = self._near(cosines), self._bm25[rows] > 0
        if encoded is not None:
            weights *= encoded[rows]
            near &= encoded[rows]
        if self._asked.phrases:  # what lacks them is not what was asked for, whatever it means
            either = np.flatnonzero(near | worded)
            lacks = either[[not self._asked.allow(text) for text in self._texts(rows[either])]]
            near[lacks] = worded[lacks] = False
        weights[worded] += self._weights_of_words(rows[worded])
        counts = near | worded
        return _Said(
            counts,
            weights[counts],
            cosines[counts],
            np.where(near, cosines, -np.inf)[counts].astype(np.float32),
            np.where(worded, self._bm25[rows], -np.inf)[counts].astype(np.float32),
        )

    def _near(self, cosines: NDArray[np.float32]) -> Mask:
        """Which lines are evidence by their meaning, (rows,): by the bundle's threshold, or as fair matches.

        In a library of few lines unrelated queries reach little, so a cosine below the threshold, which was
        found among many, can stand out.
        """
        if self._ranks_any_line:
            return np.ones(len(cosines), bool)
        near = cosines >= self._card.confidence.subtitle
        if self.calibration is not None:
            near |= self._weights_of_meaning(cosines) >= weight_of(FAIR)
        return np.asarray(near, bool)

    @functools.cached_property
    def _ranks_any_line(self) -> bool:
        """Whether lines are ranked however weak they are, as pictures are: the verdict says that they are.

        With pictures or words to rank, lines that mean something else would be noise among them.
        """
        if self.calibration is None or self._query.by_sight:
            return False
        within = self._lines_within(self.allowed)
        if _meets(self._bm25 > 0, within).any():
            return False
        _, best = self.line_cosines.best(1, _both(within, self._snapshot.encoded_lines))
        threshold, fair = self._card.confidence.subtitle, weight_of(FAIR)
        return not (len(best) and (best[0] >= threshold or self._weights_of_meaning(best)[0] >= fair))

    def _lines_within(self, allowed: Mask | None) -> Mask | None:
        """Which lines may be looked at; None for all."""
        return _both(None if allowed is None else allowed[self._clip_of_line], self._kinds)

    @functools.cached_property
    def _kinds(self) -> Mask | None:
        every = len(self._query.lines) == len(LINE_KINDS)
        return None if every else self._snapshot.index.lines_of(self._query.lines)

    @functools.cached_property
    def _clip_of_line(self) -> Rows:
        """(lines,) row of the clip of each, ascending."""
        clips: Rows = self._snapshot.index.subtitles["clip"].to_numpy()
        return clips

    @functools.cached_property
    def _asked_of_lines(self) -> Vector:
        return against_lines(self._card, self._vector)

    @functools.cached_property
    def _terms(self) -> list[str]:
        """The words of the query, each once, in their order: sums of scores depend on it."""
        return list(dict.fromkeys(query_terms(indexed_words(self._query.text))))

    @functools.cached_property
    def _bm25(self) -> NDArray[np.float32]:
        """(lines,) above 0 where a line shares words with the query."""
        scores = self._snapshot.index.words.scores(self._terms)
        if self._asked.phrases:
            terms = {term for phrase in self._asked.phrases for term in query_terms(phrase)}
            scores = np.where(self._snapshot.index.words.lines_with_all(terms), scores, np.float32(0))
        return scores

    @functools.cached_property
    def _shares(self) -> NDArray[np.float64]:
        """(lines,) share of the query's letters that belongs to words of each line."""
        letters = self._snapshot.index.words.letters(self._terms)
        return letters / max(sum(map(len, self._terms)), 1)

    def _weights_of_words(self, rows: Rows) -> Weights:
        """How much the words of lines speak for them, (rows,)."""
        shares = self._shares[rows]
        weights = self._by_share(shares)
        # A line that holds the whole query, word for word, always counts.
        whole = np.flatnonzero(shares == 1)
        # One word that a line has stands in it, unless it is a part of a word of several scripts.
        one_word = len(self._terms) == 1 and not self._asked.phrases
        exact = [
            (one_word and text.isascii()) or self._asked.stand_in(text) for text in self._texts(rows[whole])
        ]
        weights[whole[np.array(exact, bool)]] = EXACT
        return weights

    def _most_by_words(self, rows: Rows) -> Weights:
        """What the words of lines may count at most, (rows,), without a look at the lines."""
        shares = self._shares[rows]
        weights = self._by_share(shares)
        return np.where(shares == 1, np.maximum(weights, EXACT), weights)

    def _by_share(self, shares: NDArray[np.float64]) -> Weights:
        measured = self.calibration
        return WORDS.weigh((measured.deviations_of_words if measured else provisional_of_words)(shares))

    def _texts(self, rows: Rows) -> list[str]:
        texts: list[str] = self._snapshot.index.subtitles["text"].take(pa.array(rows)).to_pylist()
        return texts

    def _weights_of_pictures(self, cosines: NDArray[np.float32]) -> Weights:
        """How much clips show, by their cosines, (clips,); before a calibration, a guess."""
        if self.calibration is None:
            return PICTURES.weigh(provisional(cosines, self._card.confidence.clip, self._cosines))
        scale = self.calibration.clips
        if scale is None:  # evidence that tells no query from another
            return PICTURES.weigh(np.full(cosines.shape, -np.inf, np.float32))
        return PICTURES.weigh(scale.deviations(cosines))

    def _weights_of_meaning(self, cosines: NDArray[np.float32]) -> Weights:
        """How much the meaning of lines speaks for them, by their cosines, (lines,); or a guess."""
        if self.calibration is None:
            threshold = self._card.confidence.subtitle
            guess = provisional(cosines, threshold, self.line_cosines)
            return LINES.weigh(guess, guess, provisional_closeness(cosines, threshold, self.line_cosines))
        scale = self.calibration.lines
        if scale is None:
            return np.zeros(len(cosines))
        own = scale.own_deviations(self._asked_of_lines, cosines)
        return LINES.weigh(scale.deviations(cosines), own, self.calibration.texts.of(cosines))


def _meets(one: Mask, other: Mask | None) -> Mask:
    return one if other is None else one & other


def _both(one: Mask | None, other: Mask | None) -> Mask | None:
    """Where both are true; None is true everywhere."""
    return other if one is None else _meets(one, other)


def _allowed_clips(snapshot: Snapshot, query: SearchQuery) -> Mask | None:
    """Which clips may be found, (clips,); None for all."""
    if not query.filters and query.exclude_clip is None:
        return None
    allowed = snapshot.allowed_clips(query.filters)
    if query.exclude_clip is not None:
        allowed[snapshot.clip_row(query.exclude_clip)] = False
    return allowed
