"""The second stage of indexing: what is said in videos whose pictures are indexed becomes lines.

What is written in their pictures does, too: whatever is called hearing here is also reading, as the
recogniser has it.

It holds the library's lock for moments only, so that other runs go on beside it. What a stretch of a video
said is committed together with how far it was heard: wherever a run is stopped, even by a kill, the next one
goes on there, and no line is there twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.errors import LibraryBusyError, MediaError
from polyreel.library.index.found_lines import (
    FindLines,
    LineEvent,
    LineJob,
    LinesEnded,
    LinesFound,
    NotRead,
    find_lines,
    primary,
)
from polyreel.library.index.gaps import find_source
from polyreel.library.line_kinds import SPEECH, line_kind
from polyreel.library.search.search_index import load_search_index
from polyreel.library.store.state import generation_of, require_state
from polyreel.library.store.store import Commit, TableReader, Writer, open_snapshot, recognising, writing
from polyreel.library.store.tables import FAILED, FILES, OK, PARTIAL, RECOGNISED, SPARED, SUBTITLES
from polyreel.media.health import Health
from polyreel.recognition.protocol import START, LineRecogniser, Place, RecognisedLine
from polyreel.remote.address import is_below, kept_place, place
from polyreel.remote.reach import BucketLostError, require_reach
from polyreel.remote.spool import UnreachableError

__all__ = ["HearingPlan", "HearingProgress", "HearingReport", "hear", "plan_hearing"]

_COMMIT_EVERY_S, _LOOK_EVERY_S = 10.0, 1.0
# However little is said in a video, it costs about as much as half a minute of speech.
_LEAST_S = 30.0
# Before the first second is heard, the models are loaded and the file is opened.
_START_S = 20.0


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A video that is to be heard: rows of its paths, its length, and where to begin."""

    video: str
    files: tuple[Mapping[str, Any], ...]
    duration_s: float
    begin: Place
    is_begun: bool
    has_lines: bool
    subtitled: frozenset[str]

    @property
    def left_s(self) -> float:
        """Seconds of it that are not heard yet."""
        return max(0.0, self.duration_s - self.begin.time_s)


@dataclass(frozen=True, slots=True)
class HearingPlan:
    """What there is to hear.

    Attributes:
        videos: how many videos.
        sound_s: seconds of them that are not heard yet.
        estimate_s: seconds that it will take, about, with loading the engine; None if nobody has measured it.
    """

    videos: int
    sound_s: float
    estimate_s: float | None


@dataclass(frozen=True, slots=True)
class HearingProgress:
    """How far hearing is.

    Attributes:
        videos, videos_done: all, and those that are done.
        sound_s, sound_done_s: the same in seconds of video.
        current: path of the one that is being heard.
        failed: why the one that was done last failed, if it did.
    """

    videos: int
    videos_done: int
    sound_s: float
    sound_done_s: float
    current: str
    failed: MediaError | None = None


@dataclass(slots=True)
class HearingReport:
    """What came of hearing.

    Attributes:
        heard: videos that were heard to their end, whether or not anything is said in them.
        spared: videos that say what their subtitles say.
        failed: those that could not be heard, each with the reason; their pictures stay.
        remarks: path and what was not as it should be, of those that were heard all the same.
        lines: that were found.
        sound_s: seconds of video that were heard.
        took_s: wall time.
        interrupted: the run was stopped before its end; if by a bucket that cannot be reached, the last of
            ``failed`` says so.
    """

    heard: int = 0
    spared: int = 0
    failed: list[MediaError] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lines: int = 0
    sound_s: float = 0.0
    took_s: float = 0.0
    interrupted: bool = False


def plan_hearing(
    folder: Path, recogniser: LineRecogniser, *, paths: Iterable[Path] = (), retry_failed: bool = False
) -> HearingPlan:
    """What ``hear`` would do with the same arguments.

    Args:
        folder: the library.
        recogniser: what hears.
        paths: only videos at or below these; none is all of the library.
        retry_failed: hear videos again that failed before.

    Raises:
        LibraryError: there is no library, or it cannot be read.
    """
    unheard = _unheard(open_snapshot(folder), recogniser, paths, retry_failed)
    sound_s = _seconds_of(unheard)
    cores = len(os.sched_getaffinity(0))
    cost = recogniser.cost
    spent_s = None if cost is None else max(cost * sound_s, cost * _LEAST_S * len(unheard)) / cores
    return HearingPlan(len(unheard), sound_s, None if spent_s is None else _START_S + spent_s)


def hear(
    folder: Path,
    encoder: Encoder,
    recogniser: LineRecogniser,
    *,
    location: str,
    paths: Iterable[Path] = (),
    languages: Sequence[str] = (),
    retry_failed: bool = False,
    commit_every_s: float = _COMMIT_EVERY_S,
    on_progress: Callable[[HearingProgress], None] | None = None,
    find: FindLines | None = None,
) -> HearingReport:
    """Hear what has not been heard by this recogniser yet, and make lines of it part of the library.

    Lines of another engine give way when a video is begun. A video without a sound track is not looked at.

    Args:
        folder: the library.
        encoder: the library's own, which encodes the lines.
        recogniser: what hears.
        location: what finds the encoder again.
        paths: only videos at or below these; none is all of the library.
        languages: BCP-47 tags of languages that are likely.
        retry_failed: hear videos again that failed before and have not changed.
        commit_every_s: how much work, in seconds, a kill may cost, beside the stretch that is being heard.
        on_progress: called with each step.
        find: what recognises the videos in the recogniser's stead, with the same lines; None does it here.

    Raises:
        UsageError: the recogniser cannot be used, or knows no such language.
        FetchError: its weights cannot be had.
        LibraryBusyError: another process is hearing.
        BundleMismatchError: the library is of another bundle by now.
        LibraryError: there is no library, or it cannot be read or written.
    """
    began = time.monotonic()
    require_state(folder)
    with recognising(folder):
        unheard = _unheard(open_snapshot(folder), recogniser, paths, retry_failed)
        run = _Hearing(folder, encoder, recogniser, location, commit_every_s, unheard, on_progress)
        found = (find or _finding_here(recogniser, encoder, languages))(run.jobs(), count=len(unheard))
        try:
            with closing(found):
                for job, event in found:
                    run.take(job, event)
        except KeyboardInterrupt:
            run.report.interrupted = True
        except BucketLostError as lost:
            run.report.interrupted = True
            run.report.failed.append(lost.leaving(run.left))
        finally:
            run.commit(is_last=True)
            run.report.sound_s += run.begun_s
    if run.report.lines:
        load_search_index(folder, require_state(folder))  # the first search need not wait for it
    run.report.took_s = time.monotonic() - began
    return run.report


def _finding_here(recogniser: LineRecogniser, encoder: Encoder, languages: Sequence[str]) -> FindLines:
    def find(jobs: Iterator[LineJob], *, count: int) -> Generator[tuple[LineJob, LineEvent]]:
        del count
        for job in jobs:
            for event in find_lines(job, recogniser, encoder, languages):
                yield job, event

    return find


def _unheard(
    snapshot: TableReader, recogniser: LineRecogniser, paths: Iterable[Path], retry_failed: bool
) -> list[_Unheard]:
    roots = [kept_place(path) for path in paths]
    files: dict[str, list[Mapping[str, Any]]] = {}
    columns = ["path", "video", "size_bytes", "mtime_ns", "health"]
    for row in snapshot.read(FILES, columns, where=f"status = '{OK}'").sort_by("path").to_pylist():
        files.setdefault(row["video"], []).append(row)
    rows = snapshot.read(RECOGNISED).to_pylist() if RECOGNISED in snapshot.state.tables else []
    known = {row["video"]: row for row in rows if row["source"] == recogniser.source}
    subtitled: dict[str, set[str]] = {}
    for line in snapshot.read(SUBTITLES, ["video", "language", "source"]).to_pylist():
        if recogniser.source == SPEECH and line_kind(line["source"]) == "subtitles":
            subtitled.setdefault(line["video"], set()).add(primary(line["language"]))
    found = []
    for video, own in files.items():
        health = Health.model_validate_json(own[0]["health"])
        before = known.get(video)
        is_own = before is not None and before["engine"] == recogniser.engine
        is_silent = recogniser.source == SPEECH and health.sound_tracks == 0
        if is_silent or not _is_asked_for(own, roots):
            continue
        if before is not None and is_own:
            done = {OK, SPARED} if retry_failed else {OK, SPARED, FAILED}
            if before["status"] in done:
                continue
        is_begun = before is not None and is_own and before["status"] == PARTIAL
        found.append(
            _Unheard(
                video=video,
                files=tuple(own),
                duration_s=health.duration_got_s,
                begin=Place(before["track"], before["until_s"]) if before and is_begun else START,
                is_begun=is_begun,
                has_lines=before is not None and not is_begun,
                subtitled=frozenset(subtitled.get(video, ())),
            )
        )
    return sorted(found, key=lambda each: (not each.is_begun, each.files[0]["path"]))


def _is_asked_for(files: Sequence[Mapping[str, Any]], roots: Sequence[Path]) -> bool:
    return not roots or any(is_below(file["path"], root) for file in files for root in roots)


def _seconds_of(unheard: Iterable[_Unheard]) -> float:
    return sum(each.left_s for each in unheard)


class _Hearing:
    """Hands out videos, takes what is found in them, and commits it now and then."""

    def __init__(
        self,
        folder: Path,
        encoder: Encoder,
        recogniser: LineRecogniser,
        location: str,
        commit_every_s: float,
        unheard: Sequence[_Unheard],
        on_progress: Callable[[HearingProgress], None] | None,
    ) -> None:
        self.report = HearingReport()
        self._folder, self._recogniser = folder, recogniser
        self._generation = generation_of(encoder.card, location)
        self._commit_every_s, self._committed_at = commit_every_s, time.monotonic()
        # A part for each stretch, appended at once: wherever an interrupt comes, none is pending by half.
        self._pending: list[Commit] = []
        self._on_progress = on_progress
        self._unheard = unheard
        self._being_heard: dict[str, _Heard] = {}
        self._videos_done = 0
        self._sound_s, self._sound_done_s = _seconds_of(unheard), 0.0

    @property
    def left(self) -> int:
        """How many videos are not done."""
        return len(self._unheard) - self._videos_done

    @property
    def begun_s(self) -> float:
        """Seconds that were heard of videos that are not done."""
        return sum(heard.done_s for heard in self._being_heard.values())

    def jobs(self) -> Iterator[LineJob]:
        """The videos that can be heard, in their turn.

        Raises:
            BucketLostError: the bucket of one does not answer any more.
        """
        for each in self._unheard:
            source = find_source(each.files)
            self._being_heard[each.video] = _Heard(each, each.begin)
            if isinstance(source, MediaError):
                self.take(LineJob(each.video, place(each.files[0]["path"])), NotRead(source))
                continue
            self._tell(each)
            yield LineJob(each.video, source.path, each.begin, each.subtitled)

    def take(self, job: LineJob, event: LineEvent) -> None:
        """Deal with one event of one video. Raises as ``jobs``."""
        heard = self._being_heard[job.video]
        match event:
            case LinesFound():
                self.report.remarks += [f"{job.path}: {remark}" for remark in event.remarks]
                heard.until, heard.is_spared = event.rest.begin, event.rest.is_told
                self._keep(heard, SPARED if heard.is_spared else PARTIAL, event.lines, event.vectors)
                self._tell(heard.what)
            case LinesEnded():
                if heard.is_spared:
                    self.report.spared += 1
                else:
                    self._keep(heard, OK)
                    self.report.heard += 1
                    self.report.sound_s += heard.what.left_s
                self._end(heard)
            case NotRead(error):
                if isinstance(error, UnreachableError):
                    require_reach(job.path, error.value)
                self._end(heard, error)  # tried again at every run, as nothing is noted
            case MediaError():
                # Without the path, which does not stay the same.
                reason = MediaError(event.what, value=event.value, remedy=event.remedy)
                self._keep(heard, FAILED, message=str(reason))
                self._end(heard, event)
            case _:
                assert_never(event)

    def commit(self, *, is_last: bool = False) -> None:
        """Make what is pending part of the library, but for videos that have left it meanwhile.

        An index run holds the library for as long as it takes; hearing goes on meanwhile, and waits for it at
        the end (``is_last``).
        """
        self._committed_at = time.monotonic()
        while self._pending:
            try:
                with writing(self._folder, self._generation, briefly=True) as writer:
                    pending, self._pending = self._pending, []
                    self._commit(writer, pending)
            except LibraryBusyError:
                if not is_last:
                    return
                time.sleep(_LOOK_EVERY_S)

    def _commit(self, writer: Writer, pending: Sequence[Commit]) -> None:
        held = set(writer.snapshot.read(FILES, ["video"], where=f"status = '{OK}'")["video"].to_pylist())
        kept = [part for part in pending if part.recognised[0]["video"] in held]
        if kept:
            writer.commit(Commit.of(kept))
            writer.tidy()
        self.report.lines += sum(len(part.subtitles) for part in kept)

    def _keep(
        self,
        heard: _Heard,
        status: str,
        lines: Sequence[RecognisedLine] = (),
        vectors: Iterable[NDArray[np.float32]] = (),
        *,
        message: str = "",
    ) -> None:
        video = heard.what.video
        row = {
            "video": video,
            "source": self._recogniser.source,
            "engine": self._recogniser.engine,
            "status": status,
            "track": heard.until.track,
            "until_s": heard.until.time_s,
            "message": message,
            "recognised_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        part = Commit(recognised=[row])
        if heard.what.has_lines and not heard.dropped_before:
            part.dropped_lines.append((self._recogniser.source, video))
            heard.dropped_before = True
        part.subtitles = [_line_row(video, heard.until, n, line) for n, line in enumerate(lines)]
        part.vectors = list(vectors)
        part.embeddings = [
            {"id": line["subtitle_id"], "video": video, "kind": "subtitle"} for line in part.subtitles
        ]
        self._pending.append(part)
        if part.dropped_lines or time.monotonic() - self._committed_at > self._commit_every_s:
            self.commit()

    def _end(self, heard: _Heard, error: MediaError | None = None) -> None:
        del self._being_heard[heard.what.video]
        self._videos_done += 1
        self._sound_done_s += heard.what.left_s
        if error is not None:
            self.report.failed.append(error)
        self._tell(heard.what, error)

    def _tell(self, each: _Unheard, error: MediaError | None = None) -> None:
        if self._on_progress is None:
            return
        done_s = min(self._sound_s, self._sound_done_s + self.begun_s)
        path = each.files[0]["path"]
        self._on_progress(
            HearingProgress(len(self._unheard), self._videos_done, self._sound_s, done_s, path, error)
        )


@dataclass(slots=True)
class _Heard:
    """A video that is being heard.

    Attributes:
        what: the video.
        until: up to where.
        is_spared: whether its subtitles say the rest.
        dropped_before: whether lines of another engine have left.
    """

    what: _Unheard
    until: Place
    is_spared: bool = False
    dropped_before: bool = False

    @property
    def done_s(self) -> float:
        """Seconds that were heard in this run."""
        return max(0.0, self.until.time_s - self.what.begin.time_s)


def _line_row(video: str, until: Place, number: int, line: RecognisedLine) -> dict[str, Any]:
    until_ms = round(until.time_s * 1000)
    return {
        "subtitle_id": f"{video}#{line.source}.{until.track}.{until_ms:010d}.{number:04d}",
        "video": video,
        "start_s": line.start_s,
        "end_s": line.end_s,
        "text": line.text,
        "language": line.language,
        "source": line.source,
    }
