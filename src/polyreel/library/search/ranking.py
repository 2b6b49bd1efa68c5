"""Rank the moments of one commit of a library for one query, and say how good they are.

Hits are a stream: each follows from the query and the library, and how many are wanted says only where it
ends. So the first ten of a hundred hits are the ten that a search for ten gives.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from polyreel.encoders.card import EncoderCard
from polyreel.library.results import FAIR, Evidence, Hit, SearchResult, SubtitleEvidence, Verdict, grade_of
from polyreel.library.search.calibration import Calibration
from polyreel.library.search.clip_evidence import NO_LINE, ClipEvidence, Mask, Place, Pool
from polyreel.library.search.evidence import UNSURE, probability
from polyreel.library.search.moments import Moment, RankedMoments, watchable, with_lead
from polyreel.library.search.search_query import SearchQuery, Vector
from polyreel.library.search.searched_vectors import Cosines
from polyreel.library.search.snapshot import Snapshot

__all__ = ["Ranking"]

# How many clips of each kind of evidence are looked at first, and how many times as many after each look.
_CANDIDATES, _DEEPER = 200, 4
_SAID = ("text", "language", "kind", "start_s", "end_s")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A moment, and how many more of its video match that are not shown."""

    moment: Moment
    more: int


class _Video:
    """What may be shown of a video, best first.

    Args:
        moments: of it; there is one at least.
        per_video: how many of them at most; None for all.
    """

    def __init__(self, moments: RankedMoments, per_video: int | None) -> None:
        self._shown = _all_of(moments) if per_video is None else _first_of(moments, per_video)
        self.next: _Shown | None = next(self._shown)

    def take(self) -> _Shown:
        """The next one, which there is."""
        shown = self.next
        assert shown is not None
        self.next = next(self._shown, None)
        return shown


class Ranking:
    """Ranks the moments of a snapshot for one query.

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
        self._snapshot, self._card, self._query = snapshot, card, query
        self._evidence = ClipEvidence(snapshot, card, query, vector, cosines)
        self._calibration = self._evidence.calibration
        self._firsts = snapshot.index.videos["first"].to_numpy()
        self._best_cosine = -1.0

    def result(self) -> SearchResult:
        """The moments; ``took_ms`` is 0."""
        index, query, calibration = self._snapshot.index, self._query, self._calibration
        shown = list(islice(self._stream(), query.top))
        clips = index.clips.take([each.moment.best for each in shown]).to_pylist() if shown else []
        hits = tuple(
            self._hit(rank, each, clip)
            for rank, (each, clip) in enumerate(zip(shown, clips, strict=True), start=1)
        )
        verdict = self._verdict(hits)
        return SearchResult(
            query=query.text,
            language=query.language,
            bundle=self._card.name,
            mode=query.mode,
            took_ms=0.0,
            hits=hits,
            confident=self._passes_thresholds(hits) if verdict == "unmeasured" else verdict == "good",
            verdict=verdict,
            false_alarm_rate=None if calibration is None else self._false_alarms(calibration),
            pictures_left_out=self._snapshot.pictures_left_out if query.by_sight else 0,
            approximate=self._evidence.approximate,
            library_is_empty=not len(index.videos),
        )

    def _stream(self) -> Iterator[_Shown]:
        """All moments that may be shown, best first.

        Clips for which most speaks are looked for, then all of their videos; whatever is not behind the clips
        that were not found is in its order.
        """
        allowed, depth = self._evidence.allowed, _CANDIDATES
        waiting: list[tuple[Place, _Video]] = []  # a heap of what each video that was looked at has next
        pool = self._evidence.pool(depth, allowed)
        self._best_cosine = pool.best_cosine
        while True:
            looked_at: list[int] = []
            for place, video in self._first_of_each_video(pool):
                yield from _before(place, waiting)
                found = _Video(self._moments_of(video), self._query.per_video)
                heapq.heappush(waiting, (place, found))
                looked_at.append(video)
            yield from _before(pool.behind, waiting)
            if pool.behind is None:
                return
            depth *= _DEEPER
            allowed = self._without(looked_at, allowed)
            pool = self._evidence.pool(depth, allowed)

    def _first_of_each_video(self, pool: Pool) -> Iterator[tuple[Place, int]]:
        """Place of the best clip of each video of a pool, best first, down to what lies behind it."""
        clips = pool.clips
        videos = (np.searchsorted(self._firsts, clips.rows, side="right") - 1).tolist()
        seen: set[int] = set()
        for at in clips.ranked:
            place = clips.place(at)
            if pool.behind is not None and place > pool.behind:
                return
            if videos[at] not in seen:
                seen.add(videos[at])
                yield place, videos[at]

    def _moments_of(self, video: int) -> RankedMoments:
        index, allowed = self._snapshot.index, self._evidence.allowed
        own = self._snapshot.clip_rows(video)
        rows = np.arange(own.start, own.stop)
        clips = self._evidence.of(rows if allowed is None else rows[allowed[own]])
        times = index.clips.slice(own.start, own.stop - own.start)
        start_s, end_s = (times[name].to_numpy()[clips.rows - own.start] for name in ("start_s", "end_s"))
        return RankedMoments(clips, start_s, end_s, index.clip_vectors)

    def _without(self, videos: Iterable[int], allowed: Mask | None) -> Mask:
        """Which clips are left when those of some videos are known."""
        left = np.ones(len(self._snapshot.index.clips), bool) if allowed is None else allowed.copy()
        for video in videos:
            left[self._snapshot.clip_rows(video)] = False
        return left

    def _verdict(self, hits: tuple[Hit, ...]) -> Verdict:
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
        best = np.array([self._best_cosine], np.float32)
        stands_out = scale is None or scale.deviations(best)[0] > UNSURE
        return "unsure" if stands_out else "poor"

    def _passes_thresholds(self, hits: tuple[Hit, ...]) -> bool:
        """Whether anything matches well by the thresholds of the bundle."""
        by_line = bool(hits) and hits[0].evidence.subtitle is not None
        return by_line or self._best_cosine >= self._card.confidence.clip

    def _false_alarms(self, calibration: Calibration) -> float:
        """Share of unrelated queries that pass by any of what is looked at."""
        pictures, lines = calibration.false_alarms
        pictures = pictures if self._query.by_sight else 0.0
        lines = lines if self._query.lines else 0.0
        return 1 - (1 - pictures) * (1 - lines)

    def _hit(self, rank: int, shown: _Shown, clip: Mapping[str, Any]) -> Hit:
        snapshot, calibration, moment = self._snapshot, self._calibration, shown.moment
        line, said_s = None, None
        if moment.line != NO_LINE:
            facts = {name: snapshot.index.subtitles[name][moment.line].as_py() for name in _SAID}
            line, said_s = SubtitleEvidence(**facts), (facts["start_s"], facts["end_s"])
        by_sight = self._query.by_sight and bool(clip["encoded"])
        can_see = by_sight and calibration is not None and calibration.clips is not None
        can_read = line is not None and calibration is not None
        strength = None
        if can_see or can_read:
            strength = probability(moment.weight)
        path = snapshot.file_of(clip["video"], folder=self._query.filters.folder).path
        duration_s = snapshot.video_facts(snapshot.video_row(clip["video"]))["duration_s"]
        begin_s, stop_s = moment.start_s, moment.end_s
        if said_s is not None and (moment.lines > moment.pictures or not by_sight):
            # That is said is why it was found: who plays it need not wait for that.
            begin_s, stop_s = with_lead(*said_s, until_s=moment.end_s, duration_s=duration_s)
        watch_start_s, watch_end_s = watchable(begin_s, stop_s, duration_s)
        return Hit(
            video=snapshot.locator.video(path, snapshot.root),
            video_id=clip["video"],
            clip_id=clip["clip_id"],
            start_s=moment.start_s,
            end_s=moment.end_s,
            watch_start_s=watch_start_s,
            watch_end_s=watch_end_s,
            score=probability(moment.weight) if self._query.lines else moment.cosine,
            rank=rank,
            more=shown.more,
            strength=strength,
            grade=None if strength is None else grade_of(strength),
            thumbnail=snapshot.thumbnail(clip),
            media=snapshot.locator.media(clip["video"], path, moment.start_s),
            library=snapshot.library_of(clip["video"]),
            evidence=Evidence(
                visual=moment.cosine if by_sight else None,
                picture=probability(moment.pictures) if can_see else None,
                line=probability(moment.lines) if can_read else None,
                subtitle=line,
            ),
        )


def _before(place: Place | None, waiting: list[tuple[Place, _Video]]) -> Iterator[_Shown]:
    """What waits before a place, best first; all of it where there is none."""
    while waiting and (place is None or waiting[0][0] <= place):
        _, video = heapq.heappop(waiting)
        yield video.take()
        if video.next is not None:
            heapq.heappush(waiting, (video.next.moment.place, video))


def _all_of(moments: RankedMoments) -> Iterator[_Shown]:
    while moments.place is not None:
        yield _Shown(moments.take(), 0)


def _first_of(moments: RankedMoments, per_video: int) -> Iterator[_Shown]:
    """So many, the first of which says how many more match."""
    kept = [shown.moment for shown in islice(_all_of(moments), per_video)]
    # A fair match, or half as likely a one as the best of its video: with what a bundle sees, few matches are
    # fair, but which are better than others is told all the same.
    least, more = min(FAIR, probability(kept[0].weight) / 2), 0
    while (likely := probability(moments.weight)) >= least and likely > 0:
        moments.skip()
        more += 1
    yield _Shown(kept[0], more)
    yield from (_Shown(moment, 0) for moment in kept[1:])
