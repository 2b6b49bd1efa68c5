"""Rank the moments of one commit of a library for one query, and say how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import EncoderCard
from polyreel.library.results import Evidence, Hit, SearchResult, SubtitleEvidence
from polyreel.library.search.calibration import FALSE_ALARM_RATE
from polyreel.library.search.exact import best_rows
from polyreel.library.search.fusion import Moment, Ranked, clips_of_lines, fuse, merge_adjacent
from polyreel.library.search.search_query import SearchQuery, Vector
from polyreel.library.search.snapshot import LibrarySnapshot

__all__ = ["Ranking"]

_CANDIDATES = 200
# Words are searched in all lines; a filter then keeps those of its videos, of which enough should be left.
_FILTERED_LINES = 10_000


@dataclass(frozen=True, slots=True)
class _Lines:
    """Subtitle lines: the best cosine of all, those near in meaning, and those that share words."""

    best: float
    near: Ranked
    worded: Ranked


class Ranking:
    """Ranks the moments of a snapshot for one query.

    Args:
        snapshot: what is searched.
        card: of the bundle that made the embeddings.
        query: the checked search.
        vector: (dim,) unit vector of the query.
    """

    def __init__(
        self, snapshot: LibrarySnapshot, card: EncoderCard, query: SearchQuery, vector: Vector
    ) -> None:
        self._snapshot, self._card, self._query, self._vector = snapshot, card, query, vector
        self._allowed = _allowed_clips(snapshot, query)
        self._depth = max(_CANDIDATES, 5 * query.top)

    def result(self, scores: NDArray[np.float32]) -> SearchResult:
        """The moments for cosines of the query and all clips, (clips,); ``took_ms`` is 0."""
        index, query = self._snapshot.index, self._query
        encoded = _both(self._allowed, self._snapshot.encoded_clips)
        visual = Ranked(*best_rows(scores, self._depth, encoded))
        lists = [] if query.mode == "subtitles" else [visual]
        line_of: dict[int, int] = {}
        lines = None
        if query.mode != "visual" and len(index.subtitles):
            lines = self._lines()
            lists += [clips_of_lines(each, index, line_of) for each in (lines.near, lines.worded)]
        found = merge_adjacent(fuse(lists), lists, index, top=query.top)
        clips = index.clips.take([moment.best for moment in found]).to_pylist() if found else []
        hits = tuple(
            self._hit(moment, clip, float(scores[moment.best]), line_of)
            for moment, clip in zip(found, clips, strict=True)
        )
        best_clip = float(visual.scores[0]) if len(visual.scores) else -1.0
        return SearchResult(
            query=query.text,
            language=query.language,
            bundle=self._card.name,
            mode=query.mode,
            took_ms=0.0,
            hits=hits,
            confident=bool(hits) and self._is_confident(best_clip, lines, hits[0].evidence.subtitle),
            false_alarm_rate=None if self._snapshot.calibration is None else FALSE_ALARM_RATE,
            pictures_left_out=0 if query.mode == "subtitles" else self._snapshot.pictures_left_out,
        )

    def _lines(self) -> _Lines:
        """Subtitle lines by meaning and by words."""
        index = self._snapshot.index
        within = None if self._allowed is None else self._allowed[index.subtitles["clip"].to_numpy()]
        encoded = _both(within, self._snapshot.encoded_lines)
        rows, scores = best_rows(index.subtitle_vectors @ self._vector, self._depth, encoded)
        near = scores >= self._card.confidence.subtitle
        worded = self._snapshot.search_words(
            self._query.text, self._depth if within is None else _FILTERED_LINES
        )
        worded = [(row, score) for row, score in worded if within is None or within[row]][: self._depth]
        return _Lines(
            float(scores[0]) if len(scores) else -1.0,
            Ranked(rows[near], scores[near]),
            Ranked(
                np.array([row for row, _ in worded], np.int64),
                np.array([score for _, score in worded], np.float32),
            ),
        )

    def _is_confident(self, best_clip: float, lines: _Lines | None, first: SubtitleEvidence | None) -> bool:
        """Whether anything matches well, given the best cosines and the line of the first hit."""
        calibration, query = self._snapshot.calibration, self._query
        if calibration is None:
            return best_clip >= self._card.confidence.clip or first is not None
        # Two chances to pass by accident share the one rate between them.
        chances = (query.mode != "subtitles") + (lines is not None)
        wanted = 1 - FALSE_ALARM_RATE / max(chances, 1)
        by_sight = query.mode != "subtitles" and calibration.strength_of_clip(best_clip) >= wanted
        by_words = lines is not None and calibration.strength_of_line(lines.best) >= wanted
        # A line that holds the whole query, word for word, always counts.
        quoted = first is not None and query.text.casefold() in first.text.casefold()
        return by_sight or by_words or quoted

    def _hit(self, moment: Moment, clip: Mapping[str, Any], cosine: float, line_of: Mapping[int, int]) -> Hit:
        snapshot = self._snapshot
        row = next((line_of[row] for row in [moment.best, *moment.rows] if row in line_of), None)
        line = None
        if row is not None:
            text, language = (snapshot.index.subtitles[name][row].as_py() for name in ("text", "language"))
            line = SubtitleEvidence(text=text, language=language)
        by_sight = self._query.mode != "subtitles" and bool(clip["encoded"])
        path = snapshot.file_of(clip["video"]).path
        return Hit(
            video=snapshot.locator.video(path, snapshot.root),
            video_id=clip["video"],
            clip_id=clip["clip_id"],
            start_s=moment.start_s,
            end_s=moment.end_s,
            score=moment.score,
            rank=moment.rank,
            thumbnail=snapshot.thumbnail(clip),
            media=snapshot.locator.media(clip["video"], path, moment.start_s),
            evidence=Evidence(
                visual=cosine if by_sight else None,
                strength=snapshot.strength(cosine) if by_sight else None,
                subtitle=line,
            ),
        )


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Where both are true; None is true everywhere."""
    return other if one is None else one if other is None else one & other


def _allowed_clips(snapshot: LibrarySnapshot, query: SearchQuery) -> NDArray[np.bool_] | None:
    """Which clips may be found, (clips,); None for all."""
    if not query.filters and query.exclude_clip is None:
        return None
    allowed = snapshot.allowed_clips(query.filters)
    if query.exclude_clip is not None:
        allowed[snapshot.clip_row(query.exclude_clip)] = False
    return allowed
