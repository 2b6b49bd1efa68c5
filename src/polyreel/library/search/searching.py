"""What a library, or several as one, can be asked: text, a picture or a clip in, moments out."""

from __future__ import annotations

import contextlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_queries
from polyreel.errors import BundleMismatchError, LibraryError, NotFoundError, UsageError
from polyreel.library.results import (
    ClipScore,
    Contents,
    LibraryClip,
    LibraryLine,
    Mode,
    SearchResult,
    Timeline,
    Video,
    VideoPooling,
)
from polyreel.library.search.background import Background
from polyreel.library.search.calibration import calibrate
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.ranking import Ranking
from polyreel.library.search.search_query import (
    SearchQuery,
    Vector,
    compare,
    example_file,
    text_query,
    vector_query,
)
from polyreel.library.search.searched_vectors import DamagedVectorsError, Vectors
from polyreel.library.search.snapshot import Snapshot

__all__ = ["SearchedLibrary", "measure"]


class SearchedLibrary(ABC):
    """What a library, or several as one, can be asked, by any number of threads."""

    @property
    @abstractmethod
    def snapshot(self) -> Snapshot:
        """What searches see now."""

    @abstractmethod
    def _laid_out_anew(self, snapshot: Snapshot) -> Snapshot:
        """The same from its tables; what was laid out of it before is damaged."""

    def _measure_for_texts(self, snapshot: Snapshot) -> None:
        """Measure what matches of texts mean where that is done before the first search for one."""
        return

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; a search opens it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def search(
        self,
        query: str,
        *,
        top: int = 10,
        mode: Mode = "hybrid",
        language: str = "auto",
        likely: Sequence[str] = (),
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that match ``query`` best.

        Args:
            query: text in any language.
            top: how many hits to return.
            mode: "visual" looks at pictures, "speech", "subtitles" and "screen" at lines of that kind;
                several are joined by commas, and "hybrid" is all of them.
            language: BCP-47 tag of the query; "auto" detects it.
            likely: BCP-47 tags that help to detect it: of who asks, the likeliest first.
            filters: which videos may be found.
            per_video: how many hits of one video at most, the best of which says how ``more`` there are; None
                for all.
            exact: compare with every vector as it is. Small libraries are always searched so; large ones
                (see ``searched_vectors``) by their signs and in one byte a number first.

        Raises:
            QueryError: the query is empty or too long.
            UsageError: ``top`` or ``per_video`` is below 1, or ``language`` is not a language tag.
            UnknownNameError: there is no such mode.
        """
        snapshot = self.snapshot
        checked = text_query(
            query,
            top=top,
            mode=mode,
            language=language,
            likely=[*likely, *snapshot.languages],
            filters=filters,
            per_video=per_video,
            exact=exact,
        )
        return self._answer(snapshot, [checked])[0]

    def search_vector(
        self,
        vector: Vector,
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        exclude_clip: str | None = None,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments whose pictures are nearest to a unit vector (dim,) of the bundle's space.

        Args:
            vector: of a picture, a clip or anything else that the bundle encodes.
            top: how many hits to return.
            filters: which videos may be found.
            exclude_clip: ``clip_id`` of a clip that is not to be found.
            per_video, exact: as in ``search``.
        """
        query = vector_query(
            vector, top=top, filters=filters, exclude_clip=exclude_clip, per_video=per_video, exact=exact
        )
        return self.answer([query])[0]

    def search_like(
        self,
        clip_id: str,
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a clip of the library, without that clip.

        Args:
            clip_id: key of the clip.
            top: how many hits to return.
            filters: which videos may be found.
            per_video, exact: as in ``search``.

        Raises:
            NotFoundError: the library holds no such clip.
        """
        snapshot = self.snapshot
        query = vector_query(
            _vector_of(snapshot, clip_id),
            top=top,
            filters=filters,
            exclude_clip=clip_id,
            space=snapshot.bundle.card.identity,
            per_video=per_video,
            exact=exact,
        )
        return self._answer(snapshot, [query])[0]

    def search_example(
        self,
        path: str | os.PathLike[str],
        *,
        top: int = 10,
        filters: Filter = EVERYTHING,
        per_video: int | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The moments that look most like a picture or a clip in a file.

        Args:
            path: file of the picture or clip; it is decoded in a limited process, whoever it comes from.
            top: how many hits to return.
            filters: which videos may be found.
            per_video, exact: as in ``search``.

        Raises:
            UsageError: no file is there.
            MediaError: the file is neither a picture nor a video.
            LimitError: decoding it took too much time or memory.
        """
        # Imported late: it brings the decoder of videos.
        from polyreel.library.search.examples import encode_example

        snapshot = self.snapshot
        vector = encode_example(example_file(path), snapshot.bundle).vector
        query = vector_query(
            vector,
            top=top,
            filters=filters,
            space=snapshot.bundle.card.identity,
            per_video=per_video,
            exact=exact,
        )
        return self._answer(snapshot, [query])[0]

    def answer(self, queries: Sequence[SearchQuery]) -> list[SearchResult]:
        """Answer many queries at once: one run of the encoder and one scan of the clips for all of them."""
        return self._answer(self.snapshot, queries)

    def _answer(self, snapshot: Snapshot, queries: Sequence[SearchQuery]) -> list[SearchResult]:
        began = time.perf_counter()
        if any(query.text for query in queries):
            self._measure_for_texts(snapshot)
        vectors = _encode(snapshot.bundle, queries)
        try:
            return self._ranked(snapshot, queries, vectors, began)
        except DamagedVectorsError:
            exactly = [replace(query, exact=True) for query in queries]
            return self._ranked(self._laid_out_anew(snapshot), exactly, vectors, began)

    def _ranked(
        self, snapshot: Snapshot, queries: Sequence[SearchQuery], vectors: Vectors, began: float
    ) -> list[SearchResult]:
        cosines = compare(snapshot.index.clip_vectors, queries, vectors)
        results = []
        for query, vector, own in zip(queries, vectors, cosines, strict=True):
            result = Ranking(snapshot, snapshot.bundle.card, query, vector, own).result()
            took_ms = round((time.perf_counter() - began) * 1000, 2)
            results.append(result.model_copy(update={"took_ms": took_ms}))
        return results

    def encode(self, queries: Sequence[SearchQuery]) -> NDArray[np.float32]:
        """Vectors of queries, (queries, dim).

        Raises:
            BundleMismatchError: the vector of a picture or clip was made by another bundle.
        """
        return _encode(self.snapshot.bundle, queries)

    def timeline(self, video_id: str, query: str, *, language: str = "auto") -> Timeline:
        """How well each clip of a video matches ``query``, in order of time.

        Args:
            video_id: hash of the video's content.
            query: text in any language.
            language: BCP-47 tag of the query; "auto" detects it.

        Raises:
            NotFoundError: the library holds no such video.
            QueryError: the query is empty or too long.
        """
        snapshot = self.snapshot
        checked = text_query(query, language=language, likely=snapshot.languages)
        return Timeline(
            video=snapshot.video(snapshot.video_row(video_id)),
            query=checked.text,
            language=checked.language,
            clips=tuple(self._score_clips(snapshot, video_id, checked)),
        )

    def score_clips(self, video_id: str, query: SearchQuery | None) -> list[ClipScore]:
        """The clips of a video in order of time, each scored by a query.

        Args:
            video_id: hash of the video's content.
            query: a checked query; without one every ``visual`` is 0.

        Raises:
            NotFoundError: the library holds no such video.
        """
        return self._score_clips(self.snapshot, video_id, query)

    def _score_clips(self, snapshot: Snapshot, video_id: str, query: SearchQuery | None) -> list[ClipScore]:
        rows = snapshot.clip_rows(snapshot.video_row(video_id))
        clips = snapshot.index.clips.slice(rows.start, rows.stop - rows.start).to_pylist()
        cosines = np.zeros(len(clips), np.float32)
        strengths: Sequence[float | None] | None = None
        if query is not None:
            if query.text:
                self._measure_for_texts(snapshot)
            cosines = snapshot.index.clip_vectors[rows] @ _encode(snapshot.bundle, [query])[0]
            # What texts reach is no scale for pictures.
            strengths = snapshot.picture_strengths(cosines) if query.text else None
        return [
            ClipScore(
                clip_id=clip["clip_id"],
                start_s=clip["start_s"],
                end_s=clip["end_s"],
                visual=cosine,
                strength=strength,
                thumbnail=snapshot.thumbnail(clip),
            )
            for clip, cosine, strength in zip(
                clips, cosines.tolist(), strengths or [None] * len(clips), strict=True
            )
        ]

    def lines(self, video_id: str) -> list[LibraryLine]:
        """The lines of a video, in order of time.

        Raises:
            NotFoundError: the library holds no such video.
        """
        return self.snapshot.lines(video_id)

    def vector_of(self, clip_id: str) -> Vector:
        """The vector of a clip, (dim,).

        Raises:
            NotFoundError: the library holds no such clip, or its bundle has not encoded it.
        """
        return _vector_of(self.snapshot, clip_id)

    def clip(self, clip_id: str) -> LibraryClip:
        """A clip and its video.

        Raises:
            NotFoundError: the library holds no such clip.
        """
        return self.snapshot.clip(clip_id)

    def video(self, video_id: str) -> Video:
        """A video of the library.

        Raises:
            NotFoundError: the library holds no such video.
        """
        snapshot = self.snapshot
        return snapshot.video(snapshot.video_row(video_id))

    def videos(self, *, skip: int = 0, top: int = 100, filters: Filter = EVERYTHING) -> list[Video]:
        """Videos in order of path.

        Args:
            skip: how many to leave out at the beginning.
            top: how many to return at most.
            filters: which videos to list.
        """
        snapshot = self.snapshot
        rows = np.flatnonzero(snapshot.allowed_videos(filters))[skip : skip + top]
        return [snapshot.video(int(row), folder=filters.folder) for row in rows]

    def contents(self) -> Contents:
        """What can be searched, and which files were left out or read in part."""
        return self.snapshot.contents

    def score_videos(
        self, vectors: NDArray[np.float32], *, pooling: VideoPooling = "best"
    ) -> tuple[list[str], NDArray[np.float32]]:
        """How well each whole video matches, for benchmarks whose gallery is videos.

        Args:
            vectors: (queries, dim) unit vectors.
            pooling: "best" takes a video's best clip, "mean" the mean of its clips.

        Returns:
            Paths of the videos in order, and scores (queries, videos).

        Raises:
            LibraryError: the library's bundle has not encoded all clips, so that the gallery is not whole.
        """
        snapshot = self.snapshot
        index = snapshot.index
        if left_out := snapshot.pictures_left_out:
            raise LibraryError(
                "the library's bundle has not encoded all clips",
                item=next(part.folder for part in snapshot.parts if part.pictures_left_out),
                value=f"{left_out} of {len(index.videos)} videos",
                remedy="Run 'polyreel index' on their folders",
            )
        paths = index.videos["path"].to_pylist()
        starts = index.videos["first"].to_numpy()
        if pooling == "mean":
            sums = np.add.reduceat(np.asarray(index.clip_vectors), starts, axis=0)
            means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-12))
            return paths, vectors @ means.T
        scores = np.stack([each.every for each in index.clip_vectors.exact_cosines(vectors)])
        return paths, np.maximum.reduceat(scores, starts, axis=1)


def measure(snapshot: Snapshot, background: Background) -> None:
    """Measure what unrelated queries reach in what is searched, and keep it where that can be written.

    Args:
        snapshot: what is searched.
        background: the queries.
    """
    calibration = calibrate(snapshot.index, background, snapshot.bundle.card)
    with contextlib.suppress(OSError):
        calibration.write(snapshot.calibration_file)
    snapshot.calibration = calibration


def _encode(bundle: Encoder, queries: Sequence[SearchQuery]) -> NDArray[np.float32]:
    """Vectors of queries, (queries, dim); those that another bundle made are made anew from their texts."""
    made = [None if query.space not in {"", bundle.card.identity} else query.vector for query in queries]
    texts, languages = [], []
    for query, vector in zip(queries, made, strict=True):
        if vector is None and query.vector is not None and not query.text:
            raise BundleMismatchError(
                "the library has moved to another bundle since this was encoded",
                value=bundle.card.label,
                remedy="Search with the picture or clip again",
            )
        if vector is None:
            texts.append(query.text)
            languages.append(query.language)
        elif vector.shape != (bundle.card.dim,):
            raise UsageError(
                "a vector to search with is not of the bundle's width",
                value=f"{vector.shape}, expected {(bundle.card.dim,)}",
                remedy=f"Encode it with {bundle.card.label}",
            )
    encoded: Iterator[Vector] = iter(encode_queries(bundle, texts, languages) if texts else ())
    return np.stack([next(encoded) if vector is None else vector for vector in made])


def _vector_of(snapshot: Snapshot, clip_id: str) -> Vector:
    row = snapshot.clip_row(clip_id)
    if snapshot.encoded_clips is not None and not snapshot.encoded_clips[row]:
        raise NotFoundError(
            "the library's bundle has not encoded this moment",
            item=repr(clip_id[:64]),
            remedy="Its file was not there when the library moved to the bundle: run 'polyreel index' on it",
        )
    return np.array(snapshot.index.clip_vectors[row])
