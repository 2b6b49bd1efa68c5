"""Encode what a generation lacks: lines from the library itself, clips from their videos.

Where the library keeps what the bundle makes of frames, clips need no video either.

Clips keep their bounds whatever the bundle: a frame belongs to the clip that its time lies in. So a moment
has one id and one picture in all generations.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, assert_never

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import MediaError
from polyreel.library.index.decode_pool import (
    Changed,
    DecodePoolEvent,
    Duplicate,
    Job,
    ReadFailed,
    run_decode_pool,
)
from polyreel.library.index.encoding import encode_clip
from polyreel.library.index.events import IndexEvent, Planned, Progressed, Settled
from polyreel.library.index.gaps import KnownClip, VideoGap, find_source, part_by_features
from polyreel.library.index.repeats import FrameEncoder
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.frame_features import FrameFeatures, KeptFeatures
from polyreel.library.store.store import Commit
from polyreel.media.decode import Frame
from polyreel.media.limited import ClipEnd, DecodeOptions, Finished, KnownFrame, Limits, Opened
from polyreel.media.sampling import Sampling
from polyreel.remote.address import place
from polyreel.remote.reach import BucketLostError, require_reach
from polyreel.remote.spool import UnreachableError

__all__ = ["Filled", "Filler"]

_LINES_AT_ONCE, _CLIPS_AT_ONCE = 256, 64
# A commit that takes longer, on a slow disk or a busy machine, puts off the next in proportion: else a move
# would spend much of its time on commits.
_COMMIT_TAKES_S = 0.25
_UNSEEN_PX = 16  # of the thumbnails that the decoder makes of each clip, which the library has already

Commits = Callable[[Commit, Mapping[str, str]], Commit]
"""Makes vectors part of the library; the texts of the lines among them, by id -> what was still wanted."""


@dataclass(slots=True)
class Filled:
    """What was encoded and committed, and what could not be.

    Attributes:
        clips, lines: vectors that were committed.
        videos: that were read to their end.
        video_s: seconds of video that were decoded.
        left: hash of a video -> why its clips still lack vectors.
    """

    clips: int = 0
    lines: int = 0
    videos: int = 0
    video_s: float = 0.0
    left: dict[str, MediaError] = field(default_factory=dict)


class Filler:
    """Encodes lines and clips, and commits what it has every few seconds. One thread only.

    Args:
        bundle: what encodes.
        commit: makes vectors part of the library.
        features: of frames, which it takes where they are kept, and keeps.
        sampling: how pictures are chosen.
        commit_every_s: how much work, in seconds, a kill may cost; more where commits are slow.
        on_event: called with each step of the progress.
    """

    def __init__(
        self,
        bundle: Encoder,
        commit: Commits,
        *,
        features: FrameFeatures,
        sampling: Sampling,
        commit_every_s: float,
        on_event: Callable[[IndexEvent], None],
    ) -> None:
        self.done, self._sampling = Filled(), sampling
        self._bundle, self._commit, self._features, self._on_event = bundle, commit, features, on_event
        self._commit_every_s, self._committed_at = commit_every_s, time.monotonic()
        self._slowness = 1.0
        # A vector with its row at once: wherever an interrupt comes, neither is pending without the other.
        self._pending: list[_Made] = []
        self._open: dict[str, FoundVideo] = {}
        self._settled = 0

    def lines(self, rows: pa.Table) -> None:
        """Encode lines: subtitle_id, video, text, language."""
        for start in range(0, len(rows), _LINES_AT_ONCE):
            batch = rows.slice(start, _LINES_AT_ONCE).to_pylist()
            vectors = encode_lines(
                self._bundle, [row["text"] for row in batch], [row["language"] for row in batch]
            )
            for row, vector in zip(batch, vectors, strict=True):
                key = {"id": row["subtitle_id"], "video": row["video"], "kind": "subtitle"}
                self._pending.append(_Made(key, vector, text=row["text"]))
            self._commit_if_due()

    def videos(self, gaps: Iterable[VideoGap], *, workers: int, limits: Limits | None) -> None:
        """Encode clips that lack a vector, from the features of their frames, or else from their videos.

        Args:
            gaps: the videos.
            workers: files that are decoded at once.
            limits: what one file may take.

        Raises:
            BucketLostError: the bucket of one does not answer any more.
        """
        gaps = list(gaps)
        settled = self._settled
        try:
            self._videos(gaps, workers=workers, limits=limits)
        except BucketLostError as lost:
            # Whether what is half read has changed cannot be asked: it is made again.
            self._pending = [each for each in self._pending if each.key["video"] not in self._open]
            self._open.clear()
            raise lost.leaving(len(gaps) - (self._settled - settled)) from None

    def _videos(self, gaps: Sequence[VideoGap], *, workers: int, limits: Limits | None) -> None:
        options = DecodeOptions.of(self._bundle.card.frames, self._sampling)
        options = replace(options, thumbnail_px=_UNSEEN_PX, sidecars=())
        kept, others = part_by_features(gaps, self._features)
        jobs, readings = list[Job](), dict[str, _Reading]()

        def decode(gap: VideoGap) -> None:
            source = find_source(gap.files)
            if isinstance(source, MediaError):
                self.done.left[gap.video] = source
                self._settled += 1
                return
            jobs.append(Job(source, options, video=gap.video))
            frames = FrameEncoder()
            encode = functools.partial(self._encode, gap.video, source.path, frames)
            readings[gap.video] = _Reading(gap.clips, encode, frames.pass_over)

        for gap in others:
            decode(gap)
        sizes = [*(gap.size_bytes for gap in kept), *(job.found.size_bytes for job in jobs)]
        self._on_event(Planned(len(sizes), sum(sizes)))
        for gap in kept:
            if not self._encode_kept(gap):  # a file of features is damaged
                decode(gap)
        # Long files first, so that the last worker to finish does not start with the longest.
        jobs.sort(key=lambda job: -job.found.size_bytes)
        events = run_decode_pool(jobs, workers=workers, limits=limits or Limits(), seen=set(), kept_s={})
        with contextlib.closing(events):
            for job, event in events:
                self._take(job, event, readings[job.video])

    def flush(self) -> None:
        """Commit what is pending."""
        began = self._committed_at = time.monotonic()
        pending, self._pending = self._pending, []
        changed = {video for video, found in self._open.items() if found.has_changed()}
        kept = [each for each in pending if each.key["video"] not in changed]
        if not kept:
            return
        made = Commit(
            embeddings=[each.key for each in kept],
            vectors=[each.vector for each in kept],
            features=[each.features for each in kept if each.features is not None],
        )
        texts = {each.key["id"]: each.text for each in kept if each.key["kind"] == "subtitle"}
        taken = self._commit(made, texts)
        self._committed_at = time.monotonic()
        self._slowness = max(1.0, (self._committed_at - began) / _COMMIT_TAKES_S)
        clips = sum(key["kind"] == "clip" for key in taken.embeddings)
        self.done.clips += clips
        self.done.lines += len(taken.embeddings) - clips

    def _take(self, job: Job, event: DecodePoolEvent, reading: _Reading) -> None:
        match event:
            case Opened(duration_s):
                job.duration_s = duration_s
                self._open[job.video] = job.found
            case Frame():
                reading.take(event)
            case ClipEnd():
                if job.duration_s:
                    share = (event.end_s - event.start_s) / job.duration_s
                    self._on_event(Progressed(job.found.size_bytes * share))
                    reading.shown += share
            case Finished():
                reading.finish()
                self._end(job, reading)
            case MediaError():
                if isinstance(event, UnreachableError):
                    require_reach(job.found.path, event.value)
                self._end(job, reading, event)
            case ReadFailed():
                require_reach(job.found.path, event.error.strerror)
                said = "the file cannot be read"
                self._end(job, reading, MediaError(said, item=job.found.path, value=event.error.strerror))
            # Told of files whose content is not known yet, or that are read on from their middle.
            case Changed() | Duplicate() | KnownFrame():
                raise AssertionError(event)
            case _:
                assert_never(event)
        self._commit_if_due()

    def _end(self, job: Job, reading: _Reading, error: MediaError | None = None) -> None:
        if error is None and job.found.has_changed():
            error = MediaError(
                "the file changed while it was read", item=job.found.path, remedy="Run 'polyreel index' on it"
            )
            self._pending = [each for each in self._pending if each.key["video"] != job.video]
        if error is None and not reading.is_done:
            error = MediaError("no picture comes out of the file any more", item=job.found.path)
        self._open.pop(job.video, None)
        self._settled += 1
        self._on_event(Progressed(job.found.size_bytes * max(0.0, 1 - reading.shown)))
        self._on_event(Settled(job.found.path, error))
        if error is None:
            self.done.videos += 1
            self.done.video_s += reading.end_s
        else:
            self.done.left[job.video] = error

    def _encode(
        self,
        video: str,
        path: Path,
        frames: FrameEncoder,
        clip: KnownClip,
        images: list[NDArray[np.uint8]],
    ) -> None:
        made = encode_clip(self._bundle, images, frames, path=path, start_s=clip.start_s)
        features = self._features.row(clip.clip_id, made.features) if self._features.are_kept else None
        self._pending.append(_Made.of_clip(video, clip, made.vector, features))

    def _encode_kept(self, gap: VideoGap) -> bool:
        """Encode a video's clips from the features of their frames; False if one of them is damaged."""
        lacking = [clip for clip in gap.clips if clip.lacking]
        features = [self._features.read(clip.clip_id) for clip in lacking]
        whole = [each for each in features if each is not None]
        if len(whole) < len(features):
            return False
        for start in range(0, len(lacking), _CLIPS_AT_ONCE):
            batch = slice(start, start + _CLIPS_AT_ONCE)
            vectors = self._bundle.encode_video(whole[batch])
            for clip, vector in zip(lacking[batch], vectors, strict=True):
                self._pending.append(_Made.of_clip(gap.video, clip, vector, None))
        self._settled += 1
        self._on_event(Progressed(gap.size_bytes))
        self._on_event(Settled(place(gap.files[0]["path"]), None))
        self._commit_if_due()
        return True

    def _commit_if_due(self) -> None:
        if time.monotonic() - self._committed_at > self._commit_every_s * self._slowness:
            self.flush()


class _Made(NamedTuple):
    """A vector that no commit has yet.

    Attributes:
        key: id, video and kind.
        vector: (dim,).
        text: of a line.
        features: of a clip's frames, to be kept with it.
    """

    key: dict[str, str]
    vector: NDArray[np.float32]
    text: str = ""
    features: KeptFeatures | None = None

    @classmethod
    def of_clip(
        cls, video: str, clip: KnownClip, vector: NDArray[np.float32], features: KeptFeatures | None
    ) -> _Made:
        """That of a clip."""
        return cls({"id": clip.clip_id, "video": video, "kind": "clip"}, vector, features=features)


class _Reading:
    """Deals the frames of one video to its clips, and has those encoded that lack a vector.

    Args:
        clips: all of the video, in order of time.
        encode: called with a clip that lacks a vector, and its frames.
        pass_over: called with the frames of others: what follows may repeat them.

    Attributes:
        shown: share of the file that progress has told of.
    """

    def __init__(
        self,
        clips: tuple[KnownClip, ...],
        encode: Callable[[KnownClip, list[NDArray[np.uint8]]], None],
        pass_over: Callable[[list[NDArray[np.uint8]]], None],
    ) -> None:
        self._clips, self._encode, self._pass_over = clips, encode, pass_over
        self._starts = [clip.start_s for clip in clips]
        self._at, self._images = 0, list[NDArray[np.uint8]]()
        self._last: Frame | None = None
        self.shown = 0.0

    @property
    def end_s(self) -> float:
        """Seconds from the start of the video to the end of its last clip."""
        return self._clips[-1].end_s

    @property
    def is_done(self) -> bool:
        """Whether all clips have had their frames."""
        return self._at == len(self._clips)

    def take(self, frame: Frame) -> None:
        """The next frame."""
        at = max(0, bisect.bisect_right(self._starts, frame.time_s) - 1)
        while self._at < at:
            self._close(following=frame)
        # What lies in a gap between two clips is part of neither.
        if frame.time_s < self._clips[self._at].end_s:
            self._images.append(frame.image)
        self._last = frame

    def finish(self) -> None:
        """There are no more frames."""
        while not self.is_done and self._last is not None:
            self._close(following=self._last)

    def _close(self, *, following: Frame) -> None:
        clip = self._clips[self._at]
        # With fewer frames a second than the bundle before, a short clip can be left without any.
        images = self._images or [self._nearest(clip, following).image]
        if clip.lacking:
            self._encode(clip, images)
        else:
            self._pass_over(images)
        self._at, self._images = self._at + 1, []

    def _nearest(self, clip: KnownClip, following: Frame) -> Frame:
        middle_s = (clip.start_s + clip.end_s) / 2
        before = self._last or following
        return min((before, following), key=lambda frame: abs(frame.time_s - middle_s))
