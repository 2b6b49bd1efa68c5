"""What of a ranking is shown: no moment twice, the best of each video, and long enough to be watched."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from polyreel.library.search.fusion import ADJACENT_S, Moment
from polyreel.library.search.searched_vectors import SearchedVectors

__all__ = ["Folded", "best_of_each_video", "watchable", "without_repeats"]

# Cosine of two clips that show the same (benchmarks/neighbours.py). In the demo's 61 videos 45% of the 77
# neighbours that were parted because a clip has a longest length are as near as this, none of the 15 that
# were parted where the picture changes (at most 0.93), and none of 19,371 pairs of clips of other videos.
_SAME_PICTURE = 0.95
_LEAST_S = 4.0


@dataclass(frozen=True, slots=True)
class Folded:
    """A moment, and how many more of its video match that are not shown."""

    moment: Moment
    more: int


def without_repeats(
    moments: Sequence[Moment], vectors: SearchedVectors, spoken: Container[int]
) -> list[Moment]:
    """Leave out moments that show the same as a better one beside them.

    One that a line speaks for stays, since it says something else. What is left out does not lengthen the
    better one, which is where the match is.

    Args:
        moments: best first.
        vectors: of all clips, (clips, dim).
        spoken: rows of the clips that a line speaks for.
    """
    left_out: set[int] = set()
    for own in _by_video(moments).values():
        if len(own) == 1:
            continue
        in_time = sorted(own, key=lambda moment: moment.start_s)
        for place in sorted(range(len(own)), key=lambda place: in_time[place].place):
            if in_time[place].best not in left_out:
                for ways in (range(place + 1, len(own)), range(place - 1, -1, -1)):
                    neighbours = (in_time[other] for other in ways)
                    left_out.update(_repeats(in_time[place], neighbours, vectors, spoken))
    return [moment for moment in moments if moment.best not in left_out]


def _by_video(moments: Iterable[Moment]) -> dict[str, list[Moment]]:
    by_video: dict[str, list[Moment]] = {}
    for moment in moments:
        by_video.setdefault(moment.video, []).append(moment)
    return by_video


def _repeats(
    moment: Moment, neighbours: Iterable[Moment], vectors: SearchedVectors, spoken: Container[int]
) -> Iterable[int]:
    """Best clips of the moments beside one, in one direction, that repeat it."""
    start_s, end_s = moment.start_s, moment.end_s
    for other in neighbours:
        apart_s = max(other.start_s - end_s, start_s - other.end_s)
        if apart_s > ADJACENT_S or other.place < moment.place or other.best in spoken:
            return
        if float(vectors[moment.best] @ vectors[other.best]) < _SAME_PICTURE:
            return
        yield other.best
        start_s, end_s = min(start_s, other.start_s), max(end_s, other.end_s)


def best_of_each_video(
    moments: Sequence[Moment], per_video: int, matches: Callable[[Moment, Moment], bool]
) -> list[Folded]:
    """The best moments of each video, in their order.

    Args:
        moments: best first.
        per_video: how many of a video to keep.
        matches: whether a moment of a video matches, given it and the video's best.
    """
    by_video = _by_video(moments)
    more = {
        own[0].best: sum(matches(moment, own[0]) for moment in own[per_video:]) for own in by_video.values()
    }
    kept = {moment.best for own in by_video.values() for moment in own[:per_video]}
    return [Folded(moment, more.get(moment.best, 0)) for moment in moments if moment.best in kept]


def watchable(start_s: float, end_s: float, duration_s: float) -> tuple[float, float]:
    """A span to watch: as much is added before as after one that is too short to see anything.

    Args:
        start_s, end_s: seconds from the start of the video.
        duration_s: length of the video; what is added stays within it.
    """
    length_s = min(_LEAST_S, duration_s)
    if end_s - start_s >= length_s:
        return start_s, end_s
    begin_s = min(max((start_s + end_s - length_s) / 2, 0.0), duration_s - length_s)
    return begin_s, begin_s + length_s
