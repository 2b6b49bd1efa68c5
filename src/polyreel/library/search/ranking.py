"""Rank the moments of one commit of a library for one query, and say how good they are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyreel.encoders.card import EncoderCard
from polyreel.encoders.text_roles import against_lines
from polyreel.library.line_kinds import LINE_KINDS
from polyreel.library.results import FAIR, Evidence, Hit, SearchResult, SubtitleEvidence, Verdict, grade_of
from polyreel.library.search.asked_words import AskedWords
from polyreel.library.search.calibration import (
    Calibration,
    provisional,
    provisional_closeness,
    provisional_of_words,
)
from polyreel.library.search.evidence import (
    EXACT,
    LINES,
    PICTURES,
    UNSURE,
    WORDS,
    Weights,
    probability,
    weight_of,
)
from polyreel.library.search.fusion import Moment, Ranked, merge_adjacent
from polyreel.library.search.moments import Folded, best_of_each_video, watchable, without_repeats
from polyreel.library.search.search_query import SearchQuery, Vector, compare
from polyreel.library.search.searched_vectors import Cosines
from polyreel.library.search.snapshot import Snapshot

__all__ = ["Ranking"]

_CANDIDATES, _DEPTH_PER_HIT = 200, 5

Deviations = NDArray[np.float32]
_SAID = ("text", "language", "kind")


@dataclass(frozen=True, slots=True)
class _Found:
    """Clips and what speaks for them.

    Attributes:
        lists: clips by what they show, by the meaning of their lines and by their words.
        pictures, lines: clip -> weight of what it shows, and of its best line.
        line_of: clip -> row of that line.
        cosines: clip -> its cosine with the query.
        cut: whether more than these might have been found.
    """

    lists: list[Ranked]
    pictures: Mapping[int, float]
    lines: Mapping[int, float]
    line_of: Mapping[int, int]
    cosines: Mapping[int, float]
    cut: bool

    def weight(self, row: int) -> float:
        """Weight of all that speaks for a clip."""
        return self.pictures.get(row, 0.0) + self.lines.get(row, 0.0)

    @property
    def best_cosine(self) -> float:
        """Of all that is seen, whether or not it is shown; -1 where nothing is looked at."""
        return max((self.cosines[row] for row in self.pictures), default=-1.0)

    def joined(self, other: _Found) -> _Found:
        """Both, of clips of different videos."""
        return _Found(
            [],
            {**self.pictures, **other.pictures},
            {**self.lines, **other.lines},
            {**self.line_of, **other.line_of},
            {**self.cosines, **other.cosines},
            other.cut,
        )


class Ranking:
    """Ranks the moments of a snapshot for one query.

    Args:
        snapshot: what is searched.
        card: of the bundle that made the embeddings.
        query: the checked search.
        vector: (dim,) unit vector of the query.
    """

    def __init__(self, snapshot: Snapshot, card: EncoderCard, query: SearchQuery, vector: Vector) -> None:
        self._snapshot, self._card, self._query, self._vector = snapshot, card, query, vector
        self._asked = AskedWords.of(query.text)
        self._allowed = _allowed_clips(snapshot, query)
        # By sight alone the cosine ranks, which is there whether or not it can be told what it means.
        self._by_cosine = not query.lines
        self._depth = max(_CANDIDATES, _DEPTH_PER_HIT * query.top)
        # What texts reach is no scale for pictures that are searched with.
        self._calibration = snapshot.calibration if query.text else None
        self._is_approximate = False

    def result(self, cosines: Cosines) -> SearchResult:
        """The moments for cosines of the query and all clips; ``took_ms`` is 0."""
        index, query, calibration = self._snapshot.index, self._query, self._calibration
        shown, found = self._shown(cosines)
        clips = index.clips.take([each.moment.best for each in shown]).to_pylist() if shown else []
        hits = tuple(
            self._hit(rank, each, clip, found)
            for rank, (each, clip) in enumerate(zip(shown, clips, strict=True), start=1)
        )
        verdict = self._verdict(hits, found)
        return SearchResult(
            query=query.text,
            language=query.language,
            bundle=self._card.name,
            mode=query.mode,
            took_ms=0.0,
            hits=hits,
            confident=self._passes_thresholds(hits, found) if verdict == "unmeasured" else verdict == "good",
            verdict=verdict,
            false_alarm_rate=None if calibration is None else self._false_alarms(calibration),
            pictures_left_out=self._snapshot.pictures_left_out if query.by_sight else 0,
            approximate=self._is_approximate,
            library_is_empty=not len(index.videos),
        )

    def _shown(self, cosines: Cosines) -> tuple[list[Folded], _Found]:
        """The moments to show, best first, and what speaks for them."""
        top, per_video = self._query.top, self._query.per_video
        found = self._found(cosines)
        moments = self._moments(found)
        if per_video is None:
            return [Folded(moment, 0) for moment in moments[:top]], found
        # Where one video takes up the lists, others are looked for without those that are found already.
        videos, further = {moment.video for moment in moments}, found
        while len(videos) < top and further.cut:
            self._leave_out(videos)
            further = self._found(cosines)
            added = self._moments(further)
            moments, found = [*moments, *added], found.joined(further)
            videos = {moment.video for moment in added} | videos
        if further is not found:
            moments.sort(key=lambda moment: self._place(moment.best, found))
        return best_of_each_video(moments, per_video, self._matches(found))[:top], found

    def _moments(self, found: _Found) -> list[Moment]:
        """All moments of what was found, best first."""
        index = self._snapshot.index
        rows = sorted(
            {int(row) for each in found.lists for row in each.rows},
            key=lambda row: self._place(row, found),
        )
        ranked = [
            (row, found.cosines[row] if self._by_cosine else probability(found.weight(row))) for row in rows
        ]
        return without_repeats(merge_adjacent(ranked, found.lists, index), index.clip_vectors, found.line_of)

    def _place(self, row: int, found: _Found) -> tuple[float, float, int]:
        """What clips are sorted by."""
        weight = 0.0 if self._by_cosine else found.weight(row)
        return -weight, -found.cosines[row], row

    def _matches(self, found: _Found) -> Callable[[Moment, Moment], bool]:
        """Whether a moment is a fair match, or half as likely one as the best of its video.

        With what a bundle sees, few matches are fair, but which are better than others is told all the same.
        """

        def matches(moment: Moment, best: Moment) -> bool:
            likely, most = (probability(found.weight(each.best)) for each in (moment, best))
            return likely >= min(FAIR, most / 2) and likely > 0

        return matches

    def _leave_out(self, videos: Iterable[str]) -> None:
        allowed = np.ones(len(self._snapshot.index.clips), bool) if self._allowed is None else self._allowed
        for video in videos:
            allowed[self._snapshot.clip_rows(self._snapshot.video_row(video))] = False
        self._allowed = allowed

    def _found(self, cosines: Cosines) -> _Found:
        """The clips that may be hits."""
        index, by_sight = self._snapshot.index, self._query.by_sight
        encoded = _both(self._allowed, self._snapshot.encoded_clips)
        lists = [Ranked(*cosines.best(self._depth, encoded))] if by_sight else []
        self._is_approximate |= cosines.approximate
        cut = any(len(each.rows) >= self._depth for each in lists)
        lines: dict[int, float] = {}
        line_of: dict[int, int] = {}
        if self._query.lines and len(index.subtitles):
            near, worded, weights_of_lines = self._lines()
            cut = cut or max(len(near.rows), len(worded.rows)) >= self._depth
            clip_of = index.subtitles["clip"].to_numpy()
            for line, weight in weights_of_lines.items():
                clip = int(clip_of[line])
                if weight > lines.get(clip, -1.0):
                    lines[clip], line_of[clip] = weight, line
            lists += [_clips_of_lines(each, clip_of) for each in (near, worded)]
        rows = np.array(sorted({int(row) for each in lists for row in each.rows}), np.int64)
        own = dict(zip(rows.tolist(), cosines.of(rows).tolist(), strict=True))
        pictures: dict[int, float] = {}
        if by_sight:
            rows = rows if encoded is None else rows[encoded[rows]]
            weights = PICTURES.weigh(self._pictures_stand_out(cosines, rows))
            pictures = dict(zip(rows.tolist(), weights.tolist(), strict=True))
        return _Found(lists, pictures, lines, line_of, own, cut)

    def _lines(self) -> tuple[Ranked, Ranked, dict[int, float]]:
        """Lines by meaning and by words, and the weight of each of them."""
        index = self._snapshot.index
        within = None if self._allowed is None else self._allowed[index.subtitles["clip"].to_numpy()]
        if len(self._query.lines) < len(LINE_KINDS):
            within = _both(within, index.lines_of(self._query.lines))
        encoded = _both(within, self._snapshot.encoded_lines)
        cosines = self._line_cosines
        rows, scores = cosines.best(self._depth, encoded)
        self._is_approximate |= cosines.approximate
        worded = index.words.search(self._query.text, self._depth, within)
        near = self._near(rows, scores)
        # Hits are ranked however weak they are, as by sight: the verdict says that they are. With pictures or
        # words to rank, lines that mean something else would be noise among them.
        if self._calibration is not None and not (self._query.by_sight or worded or near.any()):
            near = np.ones(len(rows), bool)
        if self._asked.phrases:  # what lacks them is not what was asked for, whatever it means
            said = index.subtitles["text"].take(pa.array(rows)).to_pylist()
            near &= np.array([self._asked.allow(line) for line in said], bool)
        by_words = Ranked(
            np.array([row for row, _ in worded], np.int64),
            np.array([score for _, score in worded], np.float32),
        )
        weights = dict.fromkeys([*rows[near].tolist(), *by_words.rows.tolist()], 0.0)
        every = np.array(list(weights), np.int64)
        meanings = self._weights_of_meaning(cosines, every)
        if self._snapshot.encoded_lines is not None:
            meanings *= self._snapshot.encoded_lines[every]
        for row, weight in zip(every.tolist(), meanings.tolist(), strict=True):
            weights[row] += weight
        for row, weight in self._weights_of_words(by_words.rows).items():
            weights[row] += weight
        return Ranked(rows[near], scores[near]), by_words, weights

    def _near(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which lines are evidence by their meaning, (rows,): by the bundle's threshold, or as fair matches.

        In a library of few lines unrelated queries reach little, so a cosine below the threshold, which was
        found among many, can stand out.

        Args:
            rows: of the lines.
            scores: their cosines, (rows,).
        """
        near = scores >= self._card.confidence.subtitle
        if self._calibration is not None:
            near |= self._weights_of_meaning(self._line_cosines, rows) >= weight_of(FAIR)
        return near

    @functools.cached_property
    def _line_cosines(self) -> Cosines:
        asked = self._asked_of_lines[None]
        (cosines,) = compare(self._snapshot.index.subtitle_vectors, [self._query], asked)
        return cosines

    @functools.cached_property
    def _asked_of_lines(self) -> Vector:
        return against_lines(self._card, self._vector)

    def _weights_of_words(self, rows: NDArray[np.int64]) -> dict[int, float]:
        """Lines, by row, and how much their words speak for them."""
        asked, texts = self._asked, self._snapshot.index.subtitles["text"]
        lines = texts.take(pa.array(rows)).to_pylist()
        shares = np.array([asked.share_in(line) for line in lines])
        measured = self._calibration
        weights = WORDS.weigh((measured.deviations_of_words if measured else provisional_of_words)(shares))
        # A line that holds the whole query, word for word, always counts.
        exact = np.array([asked.stand_in(line) for line in lines], bool)
        return dict(zip(rows.tolist(), np.where(exact, EXACT, weights).tolist(), strict=True))

    def _pictures_stand_out(self, cosines: Cosines, rows: NDArray[np.int64]) -> Deviations:
        """How far clips stand out, (rows,), by the cosines of all clips; before a calibration, a guess."""
        if self._calibration is None:
            return provisional(cosines.of(rows), self._card.confidence.clip, cosines)
        scale = self._calibration.clips
        return _nothing(rows) if scale is None else scale.deviations(cosines.of(rows))

    def _weights_of_meaning(self, cosines: Cosines, rows: NDArray[np.int64]) -> Weights:
        """How much the meaning of lines speaks for them, (rows,); before a calibration, a guess."""
        found, calibration = cosines.of(rows), self._calibration
        if calibration is None:
            threshold = self._card.confidence.subtitle
            guess = provisional(found, threshold, cosines)
            return LINES.weigh(guess, guess, provisional_closeness(found, threshold, cosines))
        scale = calibration.lines
        if scale is None:
            return np.zeros(len(rows))
        own = scale.own_deviations(self._asked_of_lines, found)
        return LINES.weigh(scale.deviations(found), own, calibration.texts.of(found))

    def _verdict(self, hits: tuple[Hit, ...], found: _Found) -> Verdict:
        if self._calibration is None:
            return "unmeasured"
        if not hits:
            return "poor"
        if hits[0].grade in {"strong", "fair"}:
            return "good"
        if not self._query.by_sight:
            return "poor"
        scale = self._calibration.clips
        # Of all that was found: how many hits are shown says nothing of the query.
        best = np.array([found.best_cosine], np.float32)
        stands_out = scale is None or scale.deviations(best)[0] > UNSURE
        return "unsure" if stands_out else "poor"

    def _passes_thresholds(self, hits: tuple[Hit, ...], found: _Found) -> bool:
        """Whether anything matches well by the thresholds of the bundle."""
        by_line = bool(hits) and hits[0].evidence.subtitle is not None
        return by_line or found.best_cosine >= self._card.confidence.clip

    def _false_alarms(self, calibration: Calibration) -> float:
        """Share of unrelated queries that pass by any of what is looked at."""
        pictures, lines = calibration.false_alarms
        pictures = pictures if self._query.by_sight else 0.0
        lines = lines if self._query.lines else 0.0
        return 1 - (1 - pictures) * (1 - lines)

    def _hit(self, rank: int, shown: Folded, clip: Mapping[str, Any], found: _Found) -> Hit:
        snapshot, calibration, moment = self._snapshot, self._calibration, shown.moment
        # The line that speaks for the best clip; a neighbour's only if it has none.
        best = next((row for row in [moment.best, *moment.rows] if row in found.line_of), None)
        line = None
        if best is not None:
            row = found.line_of[best]
            facts = {name: snapshot.index.subtitles[name][row].as_py() for name in _SAID}
            line = SubtitleEvidence(**facts)
        by_sight = self._query.by_sight and bool(clip["encoded"])
        can_see = by_sight and calibration is not None and calibration.clips is not None
        can_read = best is not None and calibration is not None
        strength = None
        if can_see or can_read:
            strength = probability(found.weight(moment.best))
        path = snapshot.file_of(clip["video"]).path
        duration_s = snapshot.video_facts(snapshot.video_row(clip["video"]))["duration_s"]
        watch_start_s, watch_end_s = watchable(moment.start_s, moment.end_s, duration_s)
        return Hit(
            video=snapshot.locator.video(path, snapshot.root),
            video_id=clip["video"],
            clip_id=clip["clip_id"],
            start_s=moment.start_s,
            end_s=moment.end_s,
            watch_start_s=watch_start_s,
            watch_end_s=watch_end_s,
            score=moment.score,
            rank=rank,
            more=shown.more,
            strength=strength,
            grade=None if strength is None else grade_of(strength),
            thumbnail=snapshot.thumbnail(clip),
            media=snapshot.locator.media(clip["video"], path, moment.start_s),
            library=snapshot.library_of(clip["video"]),
            evidence=Evidence(
                visual=found.cosines[moment.best] if by_sight else None,
                picture=probability(found.pictures[moment.best]) if can_see else None,
                line=probability(found.lines.get(moment.best, 0.0)) if can_read else None,
                subtitle=line,
            ),
        )


def _clips_of_lines(lines: Ranked, clip_of: NDArray[np.int64]) -> Ranked:
    """The clips that a list of lines points to, each at its best place."""
    clips = clip_of[lines.rows]
    _, first = np.unique(clips, return_index=True)
    first.sort()
    return Ranked(clips[first].astype(np.int64), lines.scores[first])


def _nothing(rows: NDArray[np.int64]) -> Deviations:
    """How far rows stand out by evidence that tells no query from another."""
    return np.full(rows.shape, -np.inf, np.float32)


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Where both are true; None is true everywhere."""
    return other if one is None else one if other is None else one & other


def _allowed_clips(snapshot: Snapshot, query: SearchQuery) -> NDArray[np.bool_] | None:
    """Which clips may be found, (clips,); None for all."""
    if not query.filters and query.exclude_clip is None:
        return None
    allowed = snapshot.allowed_clips(query.filters)
    if query.exclude_clip is not None:
        allowed[snapshot.clip_row(query.exclude_clip)] = False
    return allowed
