"""Search a library: text, a picture or another moment in; moments with their evidence out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.runtime import Bundle
from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import UNKNOWN, detect, normalise, parse_tag
from polyreel.library.results import (
    MODES,
    ClipScore,
    Hit,
    Mode,
    Question,
    SearchResult,
    SubtitleEvidence,
    Vector,
    VideoPooling,
)
from polyreel.library.search.calibration import FALSE_ALARM_RATE, calibrate, load_background
from polyreel.library.search.exact import best_rows
from polyreel.library.search.examples import encode_example
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.fusion import Moment, Ranked, clips_of_lines, fuse, moments
from polyreel.library.search.search_index import CACHE
from polyreel.library.search.snapshot import LibrarySnapshot, Video
from polyreel.library.store.state import LibraryState, generation_of, require_bundle, require_state

__all__ = ["Library"]

_CANDIDATES = 200
# Words are searched in all lines; a filter then keeps those of its videos, of which enough should be left.
_FILTERED_LINES = 10_000


class Library:
    """A library opened for searching, by any number of threads.

    Args:
        folder: the library.
        load_bundle: gives the bundle for the location that the library states.
        refresh: whether later commits show by themselves at each search, or "when asked" by ``refresh``, so
            that no search waits for a new commit to be laid out.

    Raises:
        LibraryError: there is no library, or it cannot be read.
        BundleMismatchError: the bundle at that location is not the one that the library was made by.
    """

    def __init__(
        self,
        folder: Path,
        load_bundle: Callable[[str], Bundle],
        *,
        refresh: Literal["at each search", "when asked"] = "at each search",
    ) -> None:
        self.folder = folder
        state = require_state(folder)
        self.bundle = load_bundle(state.generation.location)
        self._require_own_bundle(state)
        self._refresh_policy = refresh
        self._view: LibrarySnapshot | None = None
        self._refreshing = threading.Lock()

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        only: Filter = EVERYTHING,
    ) -> SearchResult:
        """The moments that match ``query`` best.

        Args:
            query: text in any language.
            top: how many hits to return.
            mode: "visual" looks at pictures, "subtitles" at words spoken, "hybrid" at both.
            language: BCP-47 tag of the query; "auto" detects it.
            only: which videos may be found.

        Raises:
            QueryError: the query is empty or too long.
            UsageError: ``top`` is below 1, or the language is no language.
            UnknownNameError: there is no such mode.
        """
        return self.answer([self.question(query, top=top, mode=mode, language=language, only=only)])[0]

    def search_vector(
        self, vector: Vector, *, top: int = 10, only: Filter = EVERYTHING, but: str | None = None
    ) -> SearchResult:
        """The moments whose pictures are nearest to a unit vector (dim,) of the bundle's space.

        Args:
            vector: of a picture, a clip or anything else that the bundle encodes.
            top: how many hits to return.
            only: which videos may be found.
            but: ``clip_id`` of a clip that is not to be found.
        """
        _require_count(top)
        return self.answer([Question("", UNKNOWN, top, "visual", only, vector, but)])[0]

    def search_like(self, clip_id: str, *, top: int = 10, only: Filter = EVERYTHING) -> SearchResult:
        """The moments that look most like a clip of the library.

        Raises:
            NotFoundError: the library holds no such clip.
        """
        vector = self.vector_of(clip_id)
        return self.search_vector(vector, top=top, only=only, but=clip_id)

    def search_example(self, path: Path, *, top: int = 10, only: Filter = EVERYTHING) -> SearchResult:
        """The moments that look most like a picture or a clip, which is decoded as if it came from anyone.

        Raises:
            MediaError: the file is neither a picture nor a video.
            LimitError: decoding it took too much time or memory.
        """
        return self.search_vector(encode_example(path, self.bundle).vector, top=top, only=only)

    def question(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        only: Filter = EVERYTHING,
    ) -> Question:
        """Check a search without doing it. Arguments and errors are those of ``search``."""
        if mode not in MODES:
            raise UnknownNameError("search mode", mode, MODES)
        _require_count(top)
        text = normalise(query)
        tag = detect(text).language if language == "auto" else _language(language)
        return Question(text, tag, top, mode, only)

    def answer(self, questions: Sequence[Question]) -> list[SearchResult]:
        """Answer many questions at once: one run of the encoder and one product for all of them."""
        view = self._current()
        began = time.perf_counter()
        vectors = self.encode(questions)
        if len(questions) == 1:  # one vector: the product that reads the matrix only once is the faster one
            scores = (view.searchable.clip_vectors @ vectors[0])[None]
        else:
            scores = vectors @ view.searchable.clip_vectors.T
        return [
            self._answer(view, question, vector, row, began)
            for question, vector, row in zip(questions, vectors, scores, strict=True)
        ]

    def encode(self, questions: Sequence[Question]) -> NDArray[np.float32]:
        """Vectors of the questions, (questions, dim)."""
        texts = [question.text for question in questions if question.vector is None]
        encoded: Iterator[Vector] = iter(self.bundle.encode_text(texts) if texts else ())
        return np.stack([next(encoded) if each.vector is None else each.vector for each in questions])

    def clips_of(self, video_id: str, query: str, *, language: str = "auto") -> list[ClipScore]:
        """How well each clip of a video matches ``query``, in order of time.

        Raises:
            NotFoundError: the library holds no such video.
            QueryError: the query is empty or too long.
        """
        return self.score_clips(video_id, self.question(query, language=language))

    def score_clips(self, video_id: str, question: Question) -> list[ClipScore]:
        """As ``clips_of``, for a question that has been checked."""
        view = self._current()
        rows = view.clip_rows(view.video_row(video_id))
        cosines = view.searchable.clip_vectors[rows] @ self.encode([question])[0]
        table = view.searchable.clips.slice(rows.start, rows.stop - rows.start).to_pylist()
        return [
            ClipScore(
                clip["clip_id"],
                clip["start_s"],
                clip["end_s"],
                float(cosine),
                self._strength(view, float(cosine), None, question.language),
                str(self.folder / clip["thumbnail"]),
            )
            for clip, cosine in zip(table, cosines, strict=True)
        ]

    def plain_clips(self, video_id: str) -> list[ClipScore]:
        """The clips of a video in order of time, without a query to score them by: ``visual`` is 0.

        Raises:
            NotFoundError: the library holds no such video.
        """
        nothing = np.zeros(self.bundle.card.dim, np.float32)
        clips = self.score_clips(video_id, Question("", UNKNOWN, 1, "visual", EVERYTHING, nothing))
        return [replace(clip, strength=None) for clip in clips]

    def vector_of(self, clip_id: str) -> Vector:
        """The vector of a clip, (dim,).

        Raises:
            NotFoundError: the library holds no such clip.
        """
        view = self._current()
        return np.array(view.searchable.clip_vectors[view.clip_row(clip_id)])

    def clip(self, clip_id: str) -> tuple[Video, float, float, Path]:
        """A clip's video, start and end in seconds, and thumbnail.

        Raises:
            NotFoundError: the library holds no such clip.
        """
        view = self._current()
        row = view.clip_row(clip_id)
        clip = view.searchable.clips.slice(row, 1).to_pylist()[0]
        return self.video(clip["video"]), clip["start_s"], clip["end_s"], self.folder / clip["thumbnail"]

    def video(self, video_id: str) -> Video:
        """A video of the library.

        Raises:
            NotFoundError: the library holds no such video.
        """
        view = self._current()
        return view.video(view.video_row(video_id))

    def videos(self, *, skip: int = 0, top: int = 100, only: Filter = EVERYTHING) -> list[Video]:
        """Videos in order of path, ``top`` of them from the one after ``skip``."""
        view = self._current()
        rows = np.flatnonzero(view.allowed_videos(only))[skip : skip + top]
        return [view.video(int(row)) for row in rows]

    @property
    def view(self) -> LibrarySnapshot:
        """What searches see now."""
        return self._current()

    def refresh(self) -> bool:
        """Take up what was committed since; whether there was anything. Searches go on meanwhile."""
        with self._refreshing:
            state = require_state(self.folder)
            if self._view is not None and state.commit == self._view.state.commit:
                return False
            self._require_own_bundle(state)
            self._view = LibrarySnapshot(self.folder, state)
            return True

    def calibrate(self) -> None:
        """Measure what unrelated queries reach, so that results can say how much a match means.

        The first time takes seconds; it lasts until the next commit is taken up.
        """
        view = self._current()
        view.calibration = calibrate(view.searchable, load_background(self.bundle, self.folder / CACHE))

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
        searchable = self._current().searchable
        paths = searchable.videos["path"].to_pylist()
        starts = searchable.videos["first"].to_numpy()
        if pooling == "mean":
            sums = np.add.reduceat(searchable.clip_vectors, starts, axis=0)
            means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-12))
            return paths, vectors @ means.T
        scores = vectors @ searchable.clip_vectors.T
        return paths, np.maximum.reduceat(scores, starts, axis=1)

    def _answer(
        self,
        view: LibrarySnapshot,
        question: Question,
        vector: Vector,
        scores: NDArray[np.float32],
        began: float,
    ) -> SearchResult:
        allowed = _allowed(view, question)
        depth = max(_CANDIDATES, 5 * question.top)
        visual = Ranked(*best_rows(scores, depth, allowed))
        lists = [] if question.mode == "subtitles" else [visual]
        line_of: dict[int, int] = {}
        lines = _NO_LINES
        if question.mode != "visual" and len(view.searchable.subtitles):
            lines = self._lines(view, question, vector, depth, allowed)
            lists += [clips_of_lines(each, view.searchable, line_of) for each in (lines.near, lines.worded)]
        found = moments(fuse(lists), lists, view.searchable, top=question.top)
        clips = view.searchable.clips.take([moment.best for moment in found]).to_pylist() if found else []
        hits = tuple(
            self._hit(view, moment, clip, question, float(scores[moment.best]), line_of)
            for moment, clip in zip(found, clips, strict=True)
        )
        best = float(visual.scores[0]) if len(visual.scores) else -1.0
        confident = self._confident(view, question, best, lines, hits)
        return SearchResult(
            question.text,
            question.language,
            self.bundle.card.name,
            question.mode,
            round((time.perf_counter() - began) * 1000, 2),
            hits,
            bool(hits) and confident,
            None if view.calibration is None else FALSE_ALARM_RATE,
        )

    def _lines(
        self,
        view: LibrarySnapshot,
        question: Question,
        vector: Vector,
        depth: int,
        allowed: NDArray[np.bool_] | None,
    ) -> _Lines:
        """Subtitle lines by meaning and by words."""
        clips = view.searchable.subtitles["clip"].to_numpy()
        within = None if allowed is None else allowed[clips]
        rows, scores = best_rows(view.searchable.subtitle_vectors @ vector, depth, within)
        near = scores >= self.bundle.card.confidence.subtitle
        worded = view.search_words(question.text, depth if within is None else _FILTERED_LINES)
        worded = [(row, score) for row, score in worded if within is None or within[row]][:depth]
        return _Lines(
            float(scores[0]) if len(scores) else -1.0,
            Ranked(rows[near], scores[near]),
            Ranked(
                np.array([row for row, _ in worded], np.int64),
                np.array([score for _, score in worded], np.float32),
            ),
        )

    def _confident(
        self,
        view: LibrarySnapshot,
        question: Question,
        best_clip: float,
        lines: _Lines,
        hits: tuple[Hit, ...],
    ) -> bool:
        first = hits[0].subtitle if hits else None
        if view.calibration is None:
            return best_clip >= self.bundle.card.confidence.clip or first is not None
        # Two chances to pass by accident share the one rate between them.
        searched_lines = question.mode != "visual" and len(view.searchable.subtitles) > 0
        chances = (question.mode != "subtitles") + searched_lines
        wanted = 1 - FALSE_ALARM_RATE / max(chances, 1)
        by_sight = question.mode != "subtitles" and (
            view.calibration.strength_of_clip(best_clip, question.language) >= wanted
        )
        by_words = searched_lines and (
            view.calibration.strength_of_line(lines.best, question.language) >= wanted
        )
        return by_sight or by_words or (first is not None and _says(first.text, question.text))

    def _hit(
        self,
        view: LibrarySnapshot,
        moment: Moment,
        clip: Mapping[str, Any],
        question: Question,
        cosine: float,
        line_of: Mapping[int, int],
    ) -> Hit:
        row = next((line_of[row] for row in [moment.best, *moment.rows] if row in line_of), None)
        subtitle = None
        if row is not None:
            subtitle = SubtitleEvidence(
                view.searchable.subtitles["text"][row].as_py(),
                view.searchable.subtitles["language"][row].as_py(),
            )
        return Hit(
            video=clip["path"],
            start_s=moment.start_s,
            end_s=moment.end_s,
            score=moment.score,
            rank=moment.rank,
            thumbnail=f"{self.folder}/{clip['thumbnail']}",
            visual=None if question.mode == "subtitles" else cosine,
            subtitle=subtitle,
            video_id=clip["video"],
            clip_id=clip["clip_id"],
            strength=self._strength(view, cosine, question.mode, question.language),
        )

    def _strength(
        self, view: LibrarySnapshot, cosine: float, mode: Mode | None, language: str
    ) -> float | None:
        if view.calibration is None or mode == "subtitles":
            return None
        return view.calibration.strength_of_clip(cosine, language)

    def _current(self) -> LibrarySnapshot:
        view = self._view
        if view is None or self._refresh_policy == "at each search":
            self.refresh()
            view = self._view
        assert view is not None
        return view

    def _require_own_bundle(self, state: LibraryState) -> None:
        require_bundle(self.folder, state, generation_of(self.bundle.card, str(self.bundle.folder)))


@dataclass(frozen=True, slots=True)
class _Lines:
    """Subtitle lines: the best cosine of all, those near in meaning, and those that share words."""

    best: float
    near: Ranked
    worded: Ranked


_NOTHING = Ranked(np.zeros(0, np.int64), np.zeros(0, np.float32))
_NO_LINES = _Lines(-1.0, _NOTHING, _NOTHING)


def _allowed(view: LibrarySnapshot, question: Question) -> NDArray[np.bool_] | None:
    """Which clips may be found, (clips,); None for all."""
    if not question.only and question.but is None:
        return None
    allowed = view.allowed_clips(question.only)
    if question.but is not None:
        allowed[view.clip_row(question.but)] = False
    return allowed


def _says(line: str, query: str) -> bool:
    """Whether a line holds the whole query, word for word."""
    return query.casefold() in line.casefold()


def _require_count(top: int) -> None:
    if top < 1:
        raise UsageError("the number of hits must be at least 1", value=top)


def _language(tag: str) -> str:
    parsed = parse_tag(tag)
    if parsed is None:
        raise UsageError(
            "not a language tag", value=repr(tag), remedy="Use a tag such as en, de or sw, or auto"
        )
    return parsed
