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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import LibraryBusyError, MediaError
from polyreel.library.index.encoding import naming
from polyreel.library.index.gaps import VideoGap, find_source
from polyreel.library.line_kinds import SPEECH, line_kind
from polyreel.library.search.search_index import load_search_index
from polyreel.library.store.state import generation_of, require_state
from polyreel.library.store.store import Commit, TableReader, Writer, open_snapshot, recognising, writing
from polyreel.library.store.tables import FAILED, FILES, OK, PARTIAL, RECOGNISED, SPARED, SUBTITLES
from polyreel.media.decode import Health
from polyreel.recognition.protocol import START, LineRecogniser, Place, RecognisedLine

__all__ = ["HearingPlan", "HearingProgress", "HearingReport", "hear", "plan_hearing"]

_COMMIT_EVERY_S, _LOOK_EVERY_S = 10.0, 1.0
# So much speech in languages of its subtitles, and the rest of a video is taken to be said by those, too.
_TOLD_S = 30.0
# However little is said in a video, it costs about as much as half a minute of speech.
_LEAST_S = 30.0


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


@dataclass(frozen=True, slots=True)
class HearingPlan:
    """What there is to hear.

    Attributes:
        videos: how many videos.
        sound_s: seconds of them that are not heard yet.
        estimate_s: seconds that it will take, at most and about; None if nobody has measured the engine.
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
        interrupted: the run was stopped before its end.
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
    return HearingPlan(len(unheard), sound_s, spent_s)


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
        try:
            for each in unheard:
                run.hear(each, languages)
        except KeyboardInterrupt:
            run.report.interrupted = True
        finally:
            run.commit(is_last=True)
    if run.report.lines:
        load_search_index(folder, require_state(folder))  # the first search need not wait for it
    run.report.took_s = time.monotonic() - began
    return run.report


def _unheard(
    snapshot: TableReader, recogniser: LineRecogniser, paths: Iterable[Path], retry_failed: bool
) -> list[_Unheard]:
    roots = [str(path).rstrip("/") for path in paths]
    files: dict[str, list[Mapping[str, Any]]] = {}
    columns = ["path", "video", "size_bytes", "mtime_ns", "health"]
    for row in snapshot.read(FILES, columns, where=f"status = '{OK}'").sort_by("path").to_pylist():
        files.setdefault(row["video"], []).append(row)
    rows = snapshot.read(RECOGNISED).to_pylist() if RECOGNISED in snapshot.state.tables else []
    known = {row["video"]: row for row in rows if row["source"] == recogniser.source}
    subtitled: dict[str, set[str]] = {}
    for line in snapshot.read(SUBTITLES, ["video", "language", "source"]).to_pylist():
        if recogniser.source == SPEECH and line_kind(line["source"]) == "subtitles":
            subtitled.setdefault(line["video"], set()).add(_primary(line["language"]))
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


def _is_asked_for(files: Sequence[Mapping[str, Any]], roots: Sequence[str]) -> bool:
    return not roots or any(
        file["path"] == root or file["path"].startswith(f"{root}/") for file in files for root in roots
    )


def _primary(tag: str) -> str:
    return tag.partition("-")[0]


def _seconds_of(unheard: Iterable[_Unheard]) -> float:
    return sum(max(0.0, each.duration_s - each.begin.time_s) for each in unheard)


class _Hearing:
    """Hears one video after another and commits what came of it now and then."""

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
        self._folder, self._encoder, self._recogniser = folder, encoder, recogniser
        self._generation = generation_of(encoder.card, location)
        self._commit_every_s, self._committed_at = commit_every_s, time.monotonic()
        # A part for each stretch, appended at once: wherever an interrupt comes, none is pending by half.
        self._pending: list[Commit] = []
        self._on_progress = on_progress
        self._videos, self._videos_done = len(unheard), 0
        self._sound_s, self._sound_done_s = _seconds_of(unheard), 0.0

    def hear(self, each: _Unheard, languages: Sequence[str]) -> None:
        """Hear one video, from where it was left."""
        self._tell(each, 0.0)
        source = find_source(VideoGap(each.video, (), each.files))
        if isinstance(source, MediaError):
            self._end(each, source)  # tried again at every run, as nothing is noted
            return
        heard = _Heard(each.begin)
        try:
            for stretch in self._recogniser.recognise(source.path, languages=languages, begin=each.begin):
                spared = heard.takes(stretch.lines, each.subtitled)
                self.report.remarks += [f"{source.path}: {remark}" for remark in stretch.remarks]
                heard.until = stretch.until
                self._keep(each, SPARED if spared else PARTIAL, heard)
                self._tell(each, heard.until.time_s - each.begin.time_s)
                if spared:
                    self.report.spared += 1
                    self._end(each)
                    return
        except MediaError as error:
            self._keep(each, FAILED, heard, message=str(error))
            self._end(each, error)
            return
        self._keep(each, OK, heard)
        self.report.heard += 1
        self.report.sound_s += max(0.0, each.duration_s - each.begin.time_s)
        self._end(each)

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

    def _keep(self, each: _Unheard, status: str, heard: _Heard, *, message: str = "") -> None:
        lines, heard.lines = heard.lines, []
        row = {
            "video": each.video,
            "source": self._recogniser.source,
            "engine": self._recogniser.engine,
            "status": status,
            "track": heard.until.track,
            "until_s": heard.until.time_s,
            "message": message,
            "recognised_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        part = Commit(recognised=[row])
        if each.has_lines and not heard.dropped_before:
            part.dropped_lines.append((self._recogniser.source, each.video))
            heard.dropped_before = True
        part.subtitles = [_line_row(each.video, heard.until, n, line) for n, line in enumerate(lines)]
        if lines:
            texts, tags = [line.text for line in lines], [line.language for line in lines]
            with naming(Path(each.files[0]["path"]), at="what is said or shown"):
                part.vectors = list(encode_lines(self._encoder, texts, tags))
            part.embeddings = [
                {"id": line["subtitle_id"], "video": each.video, "kind": "subtitle"}
                for line in part.subtitles
            ]
        self._pending.append(part)
        if part.dropped_lines or time.monotonic() - self._committed_at > self._commit_every_s:
            self.commit()

    def _end(self, each: _Unheard, error: MediaError | None = None) -> None:
        self._videos_done += 1
        self._sound_done_s += max(0.0, each.duration_s - each.begin.time_s)
        if error is not None:
            self.report.failed.append(error)
        self._tell(each, 0.0, error)

    def _tell(self, each: _Unheard, seconds: float, error: MediaError | None = None) -> None:
        if self._on_progress is not None:
            done_s = min(self._sound_s, self._sound_done_s + max(0.0, seconds))
            path = each.files[0]["path"]
            self._on_progress(
                HearingProgress(self._videos, self._videos_done, self._sound_s, done_s, path, error)
            )


@dataclass(slots=True)
class _Heard:
    """What came of a video so far.

    Attributes:
        until: up to where.
        lines: those that are not pending yet.
        subtitled_s, other_s: seconds of speech in languages of its subtitles, and in others.
        dropped_before: whether lines of another engine have left.
    """

    until: Place
    lines: list[RecognisedLine] = field(default_factory=list)
    subtitled_s: float = 0.0
    other_s: float = 0.0
    dropped_before: bool = False

    def takes(self, lines: Sequence[RecognisedLine], subtitled: frozenset[str]) -> bool:
        """Take lines that no subtitles say; whether the rest of the video can be left out."""
        for line in lines:
            if _primary(line.language) in subtitled:
                self.subtitled_s += line.end_s - line.start_s
            else:
                self.other_s += line.end_s - line.start_s
                self.lines.append(line)
        return self.subtitled_s >= _TOLD_S and not self.other_s


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
