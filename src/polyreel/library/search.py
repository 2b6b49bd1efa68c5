"""Search a library: text in, moments with their evidence out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.bundle import Bundle
from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import detect, normalise, parse_tag
from polyreel.library.exact import top_rows
from polyreel.library.searchable import Searchable, load_searchable
from polyreel.library.state import LibraryState, generation_of, require_bundle, require_state
from polyreel.library.store import Snapshot

__all__ = ["MODES", "Hit", "Library", "Mode", "SearchResult", "SubtitleEvidence", "VideoPooling"]

Mode = Literal["visual", "subtitles", "hybrid"]
VideoPooling = Literal["best", "mean"]
MODES: tuple[Mode, ...] = ("visual", "subtitles", "hybrid")

# Reciprocal rank fusion, Cormack et al. 2009: score = sum over lists of 1 / (60 + rank).
_RRF = 60
_CANDIDATES = 200
# An adjacent clip joins a moment if it is nearly as good as the moment's best.
_MERGE_RATIO = 0.85
_ADJACENT_S = 1.0


@dataclass(frozen=True, slots=True)
class SubtitleEvidence:
    """The subtitle line that speaks for a hit."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment: one clip, or adjacent ones merged.

    Attributes:
        video: path of the file.
        start_s, end_s: seconds from the start of the video.
        score: what hits are ranked by: the cosine where only pictures were searched, else fused ranks, 1 for
            first in every list.
        rank: 1 for the best.
        thumbnail: path of a JPEG of the best clip's middle.
        visual: cosine of query and best clip; None in mode "subtitles".
        subtitle: the best matching line, None if none speaks for it.
    """

    video: str
    start_s: float
    end_s: float
    score: float
    rank: int
    thumbnail: str
    visual: float | None
    subtitle: SubtitleEvidence | None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Answer to one query.

    Attributes:
        query: the query as it was encoded.
        language: BCP-47 tag, given or detected.
        bundle: name of the bundle that encoded it.
        mode: what was searched.
        took_ms: wall time of encoding and ranking.
        hits: best first.
        confident: False if nothing in the library matches well.
    """

    query: str
    language: str
    bundle: str
    mode: Mode
    took_ms: float
    hits: tuple[Hit, ...]
    confident: bool


@dataclass(frozen=True, slots=True)
class _Ranked:
    """One list of clips, best first: row -> its place (from 0) and score."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class Library:
    """A library opened for searching. Later commits show by themselves.

    Args:
        folder: the library.
        load_bundle: gives the bundle for the location that the library states.

    Raises:
        LibraryError: there is no library, or it cannot be read.
        BundleMismatchError: the bundle at that location is not the one that the library was made by.
    """

    def __init__(self, folder: Path, load_bundle: Callable[[str], Bundle]) -> None:
        self.folder = folder
        self._state = require_state(folder)
        self.bundle = load_bundle(self._state.generation.location)
        self._require_own_bundle(self._state)
        self._searchable: Searchable | None = None

    def search(
        self, query: str, *, top: int = 10, mode: Mode = "hybrid", language: str = "auto"
    ) -> SearchResult:
        """The moments that match ``query`` best.

        Args:
            query: text in any language.
            top: how many hits to return.
            mode: "visual" looks at pictures, "subtitles" at words spoken, "hybrid" at both.
            language: BCP-47 tag of the query; "auto" detects it.

        Raises:
            QueryError: the query is empty or too long.
            UsageError: ``top`` is below 1, or the language is no language.
            UnknownNameError: there is no such mode.
        """
        if mode not in MODES:
            raise UnknownNameError("search mode", mode, MODES)
        if top < 1:
            raise UsageError("the number of hits must be at least 1", value=top)
        text = normalise(query)
        tag = detect(text).language if language == "auto" else _language(language)
        searchable = self._current()
        began = time.perf_counter()
        vector = self.bundle.encode_text([text])[0]
        depth = max(_CANDIDATES, 5 * top)
        lists: list[_Ranked] = []
        subtitle_of: dict[int, int] = {}
        visual = _Ranked(*top_rows(searchable.clip_vectors, vector, depth))
        if mode != "subtitles":
            lists.append(visual)
        if mode != "visual" and len(searchable.subtitles):
            for rows in self._subtitle_lists(searchable, text, vector, depth):
                lists.append(_clips_of(rows, searchable, subtitle_of))
        hits = _moments(_fuse(lists), lists, searchable)[:top]
        finished = [self._hit(hit, searchable, vector, mode, subtitle_of) for hit in hits]
        took_ms = (time.perf_counter() - began) * 1000
        best = float(visual.scores[0]) if len(visual.scores) else -1.0
        confident = best >= self.bundle.card.confidence.clip or any(hit.subtitle for hit in finished[:1])
        return SearchResult(
            text,
            tag,
            self.bundle.card.name,
            mode,
            round(took_ms, 2),
            tuple(finished),
            bool(finished) and confident,
        )

    def score_videos(
        self, vectors: NDArray[np.float32], *, pooling: VideoPooling = "best"
    ) -> tuple[list[str], NDArray[np.float32]]:
        """How well each whole video matches, for benchmarks whose gallery is videos.

        Args:
            vectors: (queries, dim) unit vectors.
            pooling: "best" takes a video's best clip, "mean" the mean of its clips.

        Returns:
            Paths of the videos in order, and scores (queries, videos).
        """
        searchable = self._current()
        paths, owner = np.unique(searchable.clips["path"].to_numpy(zero_copy_only=False), return_inverse=True)
        if pooling == "mean":
            sums = np.zeros((len(paths), vectors.shape[1]), np.float32)
            np.add.at(sums, owner, searchable.clip_vectors)
            means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-12))
            return paths.tolist(), vectors @ means.T
        scores = vectors @ searchable.clip_vectors.T
        # Clips are in order of path, so each video's lie together.
        starts = np.searchsorted(owner, np.arange(len(paths)))
        return paths.tolist(), np.maximum.reduceat(scores, starts, axis=1)

    def _subtitle_lists(
        self, searchable: Searchable, text: str, vector: NDArray[np.float32], depth: int
    ) -> Iterable[_Ranked]:
        """Subtitle rows by meaning and by words."""
        rows, scores = top_rows(searchable.subtitle_vectors, vector, depth)
        near = scores >= self.bundle.card.confidence.subtitle
        yield _Ranked(rows[near], scores[near])
        words = Snapshot(self.folder, self._state).search_words(text, depth)
        ids = {subtitle: row for row, subtitle in enumerate(searchable.subtitles["subtitle_id"].to_pylist())}
        found = [(ids[subtitle], score) for subtitle, score in words if subtitle in ids]
        yield _Ranked(
            np.array([row for row, _ in found], np.int64), np.array([score for _, score in found], np.float32)
        )

    def _hit(
        self,
        hit: _Moment,
        searchable: Searchable,
        vector: NDArray[np.float32],
        mode: Mode,
        subtitle_of: dict[int, int],
    ) -> Hit:
        clip = {name: searchable.clips[name][hit.best].as_py() for name in ("path", "thumbnail")}
        row = next((subtitle_of[clip] for clip in [hit.best, *hit.rows] if clip in subtitle_of), None)
        subtitle = None
        if row is not None:
            subtitle = SubtitleEvidence(
                searchable.subtitles["text"][row].as_py(), searchable.subtitles["language"][row].as_py()
            )
        cosine = float(searchable.clip_vectors[hit.best] @ vector)
        return Hit(
            video=clip["path"],
            start_s=hit.start_s,
            end_s=hit.end_s,
            score=hit.score,
            rank=hit.rank,
            thumbnail=str(self.folder / clip["thumbnail"]),
            visual=None if mode == "subtitles" else cosine,
            subtitle=subtitle,
        )

    def _current(self) -> Searchable:
        state = require_state(self.folder)
        if self._searchable is None or state.commit != self._state.commit:
            self._require_own_bundle(state)
            self._searchable = load_searchable(self.folder, state)
            self._state = state
        return self._searchable

    def _require_own_bundle(self, state: LibraryState) -> None:
        require_bundle(self.folder, state, generation_of(self.bundle.card, str(self.bundle.folder)))


@dataclass(frozen=True, slots=True)
class _Moment:
    rows: tuple[int, ...]
    best: int
    start_s: float
    end_s: float
    score: float
    rank: int


def _language(tag: str) -> str:
    parsed = parse_tag(tag)
    if parsed is None:
        raise UsageError(
            "not a language tag", value=repr(tag), remedy="Use a tag such as en, de or sw, or auto"
        )
    return parsed


def _clips_of(subtitles: _Ranked, searchable: Searchable, best: dict[int, int]) -> _Ranked:
    """The clips that a list of subtitles points to, each at its best place; notes the subtitle of each."""
    clips = searchable.subtitles["clip"].to_numpy()[subtitles.rows]
    _, first = np.unique(clips, return_index=True)
    first.sort()
    for place in first:
        best.setdefault(int(clips[place]), int(subtitles.rows[place]))
    return _Ranked(clips[first].astype(np.int64), subtitles.scores[first])


def _fuse(lists: list[_Ranked]) -> list[tuple[int, float]]:
    """Rows and scores, best first. A single list keeps its own scores."""
    if len(lists) == 1:
        return list(zip(lists[0].rows.tolist(), lists[0].scores.tolist(), strict=True))
    fused: dict[int, float] = {}
    for ranked in lists:
        for place, row in enumerate(ranked.rows.tolist()):
            fused[row] = fused.get(row, 0.0) + (_RRF + 1) / (_RRF + 1 + place) / len(lists)
    return sorted(fused.items(), key=lambda item: -item[1])


def _moments(ranked: list[tuple[int, float]], lists: list[_Ranked], searchable: Searchable) -> list[_Moment]:
    """Merge adjacent clips of one video; the moments keep the order of their best clips."""
    rows = np.array([row for row, _ in ranked], np.int64)
    columns = (searchable.clips[name].take(rows).to_pylist() for name in ("video", "start_s", "end_s"))
    evidence = [dict(zip(each.rows.tolist(), each.scores.tolist(), strict=True)) for each in lists]
    moments: dict[str, list[_Moment]] = {}
    for place, ((row, score), video, start_s, end_s) in enumerate(zip(ranked, *columns, strict=True)):
        clip = _Moment((row,), row, start_s, end_s, score, place)
        own = moments.setdefault(video, [])
        touched = [moment for moment in own if _joins(clip, moment, evidence)]
        if not touched:
            own.append(clip)
            continue
        # A clip between two moments makes them one, under the better of the two.
        whole = functools.reduce(_joined, [*touched, clip])
        own[:] = [whole, *(moment for moment in own if moment not in touched)]
    best_first = sorted(
        (moment for own in moments.values() for moment in own), key=lambda moment: moment.rank
    )
    return [replace(moment, rank=place) for place, moment in enumerate(best_first, start=1)]


def _joins(clip: _Moment, moment: _Moment, evidence: list[dict[int, float]]) -> bool:
    """Whether a clip is adjacent to a moment and nearly as good as its best by all that speaks for that.

    Fused ranks would not tell: they hardly differ between neighbours in a list.
    """
    gap_s = max(clip.start_s - moment.end_s, moment.start_s - clip.end_s)
    return gap_s <= _ADJACENT_S and all(
        scores.get(clip.best, -np.inf) >= _MERGE_RATIO * scores[moment.best]
        for scores in evidence
        if moment.best in scores
    )


def _joined(better: _Moment, other: _Moment) -> _Moment:
    return replace(
        better,
        rows=(*better.rows, *other.rows),
        start_s=min(better.start_s, other.start_s),
        end_s=max(better.end_s, other.end_s),
    )
