"""Align what several languages say in one video, by time, into clips with a caption in each language.

The languages of one video are not cut alike, so the n-th lines do not belong together. The algorithm:

1. In every language a line ends at the latest where the next begins: rolling captions stay on the screen
   while the next is spoken. One language is the *anchor* (English where it is there): its lines become the
   clips, those that begin together one clip.
2. Two neighbouring clips become one if a line of any other language covers at least half of both, and the
   clip they make is not longer than ``max_clip_s``: what one language says in one breath cannot be divided.
3. Each line of another language goes to the clip that it overlaps most, and never to an earlier one than the
   line before it (alignment is monotone). Lines that overlap no clip are left over.
4. The lines of one language in one clip are joined into one caption. It is kept if the intersection over
   union of its span and the clip's is at least ``min_overlap``: a line that says three times as much as the
   clip shows is not about the clip.

The anchor, 20 s and one third are free parameters of ours, not of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Caption, Clip
from polyreel.datasets.how2.tracks import Track, VideoTracks, joined
from polyreel.datasets.records import Record
from polyreel.languages import in_study_order

__all__ = ["AlignmentReport", "LanguageReport", "align_video"]

_BINS = 1_000
_TOGETHER_S = 0.25


@dataclass(slots=True)
class LanguageReport:
    """How one language fared.

    Attributes:
        videos: videos with lines in this language.
        lines: its lines.
        used_lines: of these, the ones that are in a caption.
        captions: clips with a caption in this language.
        anchor_lines: lines of the anchor in the videos that have this language.
        recovered_anchor_lines: of these, the ones in such a clip.
    """

    videos: int = 0
    lines: int = 0
    used_lines: int = 0
    captions: int = 0
    anchor_lines: int = 0
    recovered_anchor_lines: int = 0
    _overlaps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS + 1, np.int64))

    @property
    def recovered(self) -> float:
        """Share of the anchor's lines, in videos that have this language, with a caption in it, 0 to 1."""
        return self.recovered_anchor_lines / self.anchor_lines if self.anchor_lines else 0.0

    @property
    def median_overlap(self) -> float:
        """Median intersection over union of captions and their clips, 0 to 1; 0 without captions."""
        total = int(self._overlaps.sum())
        if not total:
            return 0.0
        return int(np.searchsorted(np.cumsum(self._overlaps), (total + 1) // 2)) / _BINS

    def overlapped(self, overlap: float, count: int = 1) -> None:
        """Note the overlap of ``count`` captions."""
        self._overlaps[round(overlap * _BINS)] += count


@dataclass(slots=True)
class AlignmentReport:
    """What came of an alignment, language by language.

    Attributes:
        videos: how many were aligned.
        clips: how many clips came out.
        anchor_lines: lines of the anchor languages, of all videos.
        languages: tag -> its report.
    """

    videos: int = 0
    clips: int = 0
    anchor_lines: int = 0
    languages: dict[str, LanguageReport] = field(default_factory=dict)

    def of(self, language: str) -> LanguageReport:
        """The report of a language, a new one if it has none."""
        return self.languages.setdefault(language, LanguageReport())

    def coverage(self, language: str) -> float:
        """Share of the anchor's lines, in all videos, that have a caption in ``language``, 0 to 1."""
        report = self.languages.get(language)
        return report.recovered_anchor_lines / self.anchor_lines if report and self.anchor_lines else 0.0

    def summary(self) -> dict[str, dict[str, float]]:
        """Language -> figures, in study order, for people and JSON."""
        return {
            tag: {
                "videos": report.videos,
                "lines": report.lines,
                "captions": report.captions,
                "coverage": round(self.coverage(tag), 4),
                "recovered": round(report.recovered, 4),
                "median_overlap": report.median_overlap,
                "unused_lines": report.lines - report.used_lines,
            }
            for tag in in_study_order(self.languages)
            for report in [self.languages[tag]]
        }


def align_video(
    video: VideoTracks,
    report: AlignmentReport,
    *,
    anchor: str = "en",
    max_clip_s: float = 20.0,
    min_overlap: float = 1 / 3,
) -> list[Record]:
    """The clips of one video, in order of time, each with a caption in the anchor's language.

    Args:
        video: what is said in it.
        report: filled.
        anchor: the language whose lines become clips; a video without it has the first in study order.
        max_clip_s: neighbouring clips are not joined into longer ones.
        min_overlap: least intersection over union of a caption and its clip, 0 to 1.
    """
    tags = in_study_order(tag for tag, track in video.tracks.items() if len(track))
    if not tags:
        return []
    base = anchor if anchor in tags else tags[0]
    lines, timed = video.tracks[base], {tag: _Timed.of(video.tracks[tag]) for tag in tags}
    others = [tag for tag in tags if tag != base]
    clips = _joined_clips(_begun_together(timed[base]), [timed[tag] for tag in others], max_clip_s)
    captions = [
        [Caption(joined(lines.texts[c.first : c.end], base), base, c.start_s, c.end_s, lines.sample_creation)]
        for c in clips
    ]
    _count(report, video, base, len(clips))
    for tag in others:
        found = _captions(tag, video.tracks[tag], timed[tag], clips, report.of(tag), min_overlap)
        for place, caption in found:
            captions[place].append(caption)
    return [
        Record(Clip(video.video, clip.start_s, clip.end_s), tuple(said), media=video.media)
        for clip, said in zip(clips, captions, strict=True)
    ]


def _captions(
    tag: str,
    track: Track,
    lines: _Timed,
    clips: Sequence[_Span],
    fared: LanguageReport,
    min_overlap: float,
) -> Iterator[tuple[int, Caption]]:
    """Place of a clip and its caption in one language, where there is one."""
    for place, members in _assigned(lines, clips):
        start_s, end_s = lines.span(members)
        overlap = _overlap(start_s, end_s, clips[place])
        if overlap < min_overlap:
            continue
        text = joined((track.texts[member] for member in members), tag)
        fared.captions += 1
        fared.used_lines += len(members)
        fared.recovered_anchor_lines += clips[place].end - clips[place].first
        fared.overlapped(overlap)
        yield place, Caption(text, tag, start_s, end_s, track.sample_creation)


def _count(report: AlignmentReport, video: VideoTracks, base: str, clips: int) -> None:
    anchor_lines = len(video.tracks[base])
    report.videos += 1
    report.clips += clips
    report.anchor_lines += anchor_lines
    for tag, track in video.tracks.items():
        fared = report.of(tag)
        fared.videos += 1
        fared.lines += len(track)
        fared.anchor_lines += anchor_lines
    fared = report.of(base)
    fared.captions += clips
    fared.used_lines += anchor_lines
    fared.recovered_anchor_lines += anchor_lines
    fared.overlapped(1.0, clips)


@dataclass(frozen=True, slots=True)
class _Timed:
    """Times of a track's lines, none of which reaches into the next that does not begin together with it.

    Attributes:
        starts_s, ends_s: seconds, a line each.
        firsts: place of the first line of those that begin together with this one.
    """

    starts_s: list[float]
    ends_s: list[float]
    firsts: list[int]

    @classmethod
    def of(cls, track: Track) -> _Timed:
        firsts: list[int] = []
        for place, start_s in enumerate(track.starts_s):
            is_new = not firsts or start_s - track.starts_s[firsts[-1]] >= _TOGETHER_S
            firsts.append(place if is_new else firsts[-1])
        ends_s, limit_s = list(track.ends_s), math.inf
        for place in reversed(range(len(ends_s))):
            ends_s[place] = min(ends_s[place], limit_s)
            if firsts[place] == place:
                limit_s = track.starts_s[place]
        return cls(track.starts_s, ends_s, firsts)

    def span(self, members: Sequence[int]) -> tuple[float, float]:
        return self.starts_s[members[0]], max(self.ends_s[member] for member in members)


class _Span(NamedTuple):
    """A clip in the making, and which lines of the anchor it is made of."""

    start_s: float
    end_s: float
    first: int
    end: int


def _begun_together(lines: _Timed) -> list[_Span]:
    spans: list[_Span] = []
    for place, (start_s, end_s) in enumerate(zip(lines.starts_s, lines.ends_s, strict=True)):
        if lines.firsts[place] == place:
            spans.append(_Span(start_s, end_s, place, place + 1))
        else:
            last = spans[-1]
            spans[-1] = _Span(last.start_s, max(last.end_s, end_s), last.first, place + 1)
    return spans


def _joined_clips(spans: list[_Span], others: Iterable[_Timed], max_clip_s: float) -> list[_Span]:
    """Neighbours that a line of another language spans become one."""
    bridged = {place for lines in others for place in _bridged(lines, spans)}
    if not bridged:
        return spans
    clips = [spans[0]]
    for place, span in enumerate(spans[1:]):
        last = clips[-1]
        if place in bridged and span.end_s - last.start_s <= max_clip_s:
            clips[-1] = _Span(last.start_s, span.end_s, last.first, span.end)
        else:
            clips.append(span)
    return clips


def _bridged(lines: _Timed, spans: Sequence[_Span]) -> Iterator[int]:
    """Places of spans that a line covers at least half of, as it does of the next one."""
    place, last = 0, len(spans) - 1
    for start_s, end_s in zip(lines.starts_s, lines.ends_s, strict=True):
        while place < last and spans[place].end_s <= start_s:
            place += 1
        at = place
        while at < last and spans[at + 1].start_s < end_s:
            if _covers_half(start_s, end_s, spans[at]) and _covers_half(start_s, end_s, spans[at + 1]):
                yield at
            at += 1


def _covers_half(start_s: float, end_s: float, span: _Span) -> bool:
    return 2 * (min(end_s, span.end_s) - max(start_s, span.start_s)) >= span.end_s - span.start_s


def _assigned(lines: _Timed, clips: Sequence[_Span]) -> Iterator[tuple[int, list[int]]]:
    """Place of a clip, and the lines that overlap it more than any other clip."""
    current, members = -1, list[int]()
    place, last = 0, len(clips) - 1
    for line, (start_s, end_s) in enumerate(zip(lines.starts_s, lines.ends_s, strict=True)):
        while place < last and clips[place].end_s <= start_s:
            place += 1
        best, best_s, at = -1, 0.0, place
        while at <= last and clips[at].start_s < end_s:
            shared_s = min(end_s, clips[at].end_s) - max(start_s, clips[at].start_s)
            if shared_s > best_s:
                best, best_s = at, shared_s
            at += 1
        if best < current:  # none, or earlier than the line before
            continue
        if best != current:
            if members:
                yield current, members
            current, members = best, []
        members.append(line)
    if members:
        yield current, members


def _overlap(start_s: float, end_s: float, clip: _Span) -> float:
    """Intersection over union of two spans that meet."""
    shared_s = min(end_s, clip.end_s) - max(start_s, clip.start_s)
    return shared_s / (max(end_s, clip.end_s) - min(start_s, clip.start_s))
