"""Bring a library up to date with folders of video: scan, decode, encode, commit."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from polyreel.clips import Clip
from polyreel.encoders.card import EncoderCard
from polyreel.encoders.protocol import Encoder
from polyreel.errors import MediaError, WorkerKilledError
from polyreel.library.index.decode_pool import Changed, Duplicate, Job, ReadFailed, run_decode_pool
from polyreel.library.index.encoding import ClipEncoded, LinesEncoded, ReadEvent, ReadFiles, encode_events
from polyreel.library.index.events import (
    Committed,
    IndexEvent,
    Planned,
    Progressed,
    Settled,
    VectorIndexBegun,
)
from polyreel.library.index.filling import Filler
from polyreel.library.index.gaps import find_gap
from polyreel.library.index.half_read import half_read_message, kept_of_half_read
from polyreel.library.index.hearing import HearingReport
from polyreel.library.index.moved import count_gone, left_out_and_moved
from polyreel.library.index.plan import Plan, make_plan
from polyreel.library.index.progress_file import ProgressFile
from polyreel.library.index.run_record import MOST_PROBLEMS, RunProblem, RunRecord, write_run_record
from polyreel.library.index.scan import FoundVideo, Scan, look_at, scan
from polyreel.library.search.search_index import load_search_index
from polyreel.library.store.file_version import FileVersion
from polyreel.library.store.frame_features import FrameFeatures
from polyreel.library.store.preferences import read_preferences, write_preferences
from polyreel.library.store.state import generation_of, read_state
from polyreel.library.store.store import Commit, Writer, open_snapshot, writing
from polyreel.library.store.tables import FAILED, FILES, OK, PARTIAL, SCHEMAS, UNREADABLE
from polyreel.library.store.vector_index import BuildIndex
from polyreel.media.health import Health
from polyreel.media.hwaccel import HwaccelUse
from polyreel.media.limited import DecodeOptions, Finished, Limits, Opened
from polyreel.media.sampling import Sampling
from polyreel.remote.address import in_bucket
from polyreel.remote.reach import BucketLostError, require_reach
from polyreel.remote.spool import UnreachableError

__all__ = ["IndexReport", "index"]

_COMMIT_EVERY_S = 5.0
# In the place of a file's subtitle files where those that its lines came from are gone: no file has these.
_NOT_KNOWN = "?"


@dataclass(slots=True)
class IndexReport:
    """What an index run did.

    Attributes:
        found: files in the folders that should be videos; a copy counts, as in all numbers of files below.
        indexed: files that were decoded; ``linked`` files whose content was known under another path.
        reread: those among ``indexed`` that had been in the library and have changed.
        unchanged: files that needed nothing; ``unchanged_failed`` of them failed in an earlier run, and
            ``failed_before`` says why.
        resubtitled: files of which only the subtitles were read again.
        caught_up: clips that could not be read when the library moved to its bundle, encoded now.
        removed: files that have left with their content; ``copies_removed`` those of which a copy stays. One
            that lies elsewhere now is ``linked``, and neither.
        kept: paths that were not found and yet stay (see ``Plan.kept``).
        failed: files and folders that could not be read, each with the reason.
        clips, subtitles: rows that were added.
        video_s: seconds of video that were decoded.
        took_s: wall time.
        links: symbolic links that were passed over.
        excluded: files and folders that a pattern of the owner excludes.
        texts: files that are named like a transport stream and hold TypeScript.
        remarks: path -> what was not as it should be, of files that were read in part, or without some of
            their subtitles.
        half_read: path -> seconds of its beginning that are kept, of files that an interrupt left half read.
        speech: what came of listening to the videos; None where nothing was left to hear, or not wanted.
        screen_text: the same of reading what they show.
        interrupted: the run was stopped before its end; if by a bucket that cannot be reached, the last of
            ``failed`` says so, and how many files are left.
    """

    found: int = 0
    indexed: int = 0
    reread: int = 0
    linked: int = 0
    unchanged: int = 0
    unchanged_failed: int = 0
    failed_before: list[str] = field(default_factory=list)
    resubtitled: int = 0
    caught_up: int = 0
    removed: int = 0
    copies_removed: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[MediaError] = field(default_factory=list)
    clips: int = 0
    subtitles: int = 0
    video_s: float = 0.0
    took_s: float = 0.0
    links: int = 0
    excluded: int = 0
    texts: int = 0
    remarks: dict[str, str] = field(default_factory=dict)
    half_read: dict[str, float] = field(default_factory=dict)
    speech: HearingReport | None = None
    screen_text: HearingReport | None = None
    interrupted: bool = False

    @property
    def changed(self) -> bool:
        """Whether the library is not as it was."""
        done = self.indexed or self.linked or self.resubtitled or self.caught_up or self.removed
        return bool(done or self.copies_removed or self.half_read)

    @property
    def failed_entirely(self) -> bool:
        """Whether files failed, in this run or before, and of what was found nothing can be searched."""
        left_out = self.failed or self.unchanged_failed
        return bool(left_out) and not self.changed and self.unchanged == self.unchanged_failed


def index(
    paths: Iterable[Path],
    folder: Path,
    bundle: Encoder,
    *,
    location: str,
    workers: int = 2,
    limits: Limits | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    exclude: Sequence[str] = (),
    keep_features: bool | None = None,
    sampling: Sampling | None = None,
    hwaccel: HwaccelUse | None = None,
    commit_every_s: float = _COMMIT_EVERY_S,
    on_event: Callable[[IndexEvent], None] | None = None,
    read: ReadFiles | None = None,
    build_index: BuildIndex | None = None,
    busy: Collection[Path] = (),
) -> IndexReport:
    """Make the library in ``folder`` hold what lies in ``paths``, reading only what is new or changed.

    Args:
        paths: video files and folders of them.
        folder: the library; made if it is not there.
        bundle: what encodes pictures and subtitles, in this thread; the library's own.
        location: what finds the bundle again, kept in a new library.
        workers: files that are decoded at once.
        limits: what one file may take.
        retry_failed: read files again that failed before and have not changed.
        prune: forget files that are gone even if nothing is left in their folder, or that is gone too.
        exclude: patterns, as in a ``.gitignore``, of what to pass over.
        keep_features: whether the features of all frames that are encoded are kept, from now on, for moves to
            bundles with the same image graph; None leaves that as it is. False lets go of those that are.
        sampling: how pictures are chosen, in this run and later ones; None takes that of the library.
        hwaccel: device that decodes, in this run; None is the CPU. Not for ``read``.
        commit_every_s: how much work, in seconds, a kill may cost.
        on_event: called with each step of the progress.
        read: what reads files, on other machines, say, with the same bundle; None reads them here.
        build_index: what builds the index that so many vectors are searched by, likewise.
        busy: files that are being written: what the library has of them, or of films beside them, stays.

    Raises:
        UsageError: a path does not exist, or an encoder of the user's own fails.
        LibraryBusyError: another process is writing the library.
        BundleMismatchError: the library was made by another bundle.
        LibraryError: the disk is full or fails; what was committed stays.
    """
    began = time.monotonic()
    found = scan(paths, exclude=exclude, missing=prune, known=_taken_before(folder))
    found.set_aside(busy)
    with writing(folder, generation_of(bundle.card, location)) as writer:
        # Left by a run that was killed: what comes back of it would be in the library twice.
        writer.drop_orphans()
        if keep_features is False:
            writer.drop_all_features()
        elif keep_features or FrameFeatures(folder, bundle.card).are_kept:
            writer.keep_features(bundle.card)
        wishes = read_preferences(folder)
        if sampling not in {None, wishes.sampling}:
            wishes = wishes.model_copy(update={"sampling": sampling})
            write_preferences(folder, wishes)
        rows = writer.snapshot.read(FILES).to_pylist()
        known = {row["path"]: row for row in rows}
        plan = make_plan(found, known, retry_failed=retry_failed, prune=prune)
        shown = ProgressFile(folder)
        run = _Run(writer, bundle.card, known, commit_every_s, shown.beside(on_event))
        kept_s = kept_of_half_read(writer.snapshot, rows)
        options = DecodeOptions.of(bundle.card.frames, wishes.sampling)
        here = _reading_here(bundle, workers=workers, limits=limits or Limits(), hwaccel=hwaccel)
        read_files = functools.partial(read or here, seen=run.seen, kept_s=kept_s)
        try:
            with _noting_interrupts(run.report):
                run.start(found, plan)
                run.take_all(read_files(_jobs(plan, options)))
                run.take_all(read_files(run.subtitles_of_copies()))
                if again := run.subtitles_again():
                    run.take_all(read_files(again))
            run.finish()
            if writer.snapshot.state.gaps and not run.report.interrupted:
                _catch_up(writer, bundle, found, run.report, workers=workers, limits=limits)
            if not run.report.interrupted:
                with _noting_interrupts(run.report):
                    tell = shown.beside(on_event)
                    writer.index_vectors(build_index, lambda vectors: tell(VectorIndexBegun(vectors)))
            if not (run.report.interrupted and writer.is_empty):  # of such a first run nothing is left
                write_run_record(folder, _recorded(run.report, took_s=time.monotonic() - began))
        finally:
            shown.remove()  # after the record is there: nobody finds neither
        state, writer.abandoned = writer.snapshot.state, run.report.interrupted
    if read_state(folder) is not None:
        load_search_index(folder, state)  # the first search need not wait for it
    run.report.took_s = time.monotonic() - began
    return run.report


def _taken_before(folder: Path) -> list[str]:
    """Paths of the files in the library, but for those that no run could make anything of."""
    if read_state(folder) is None:
        return []
    files = open_snapshot(folder).read(FILES, ["path"], where=f"status != '{FAILED}'")
    taken: list[str] = files["path"].to_pylist()
    return taken


def _reading_here(bundle: Encoder, *, workers: int, limits: Limits, hwaccel: HwaccelUse | None) -> ReadFiles:
    def read(
        jobs: Iterable[Job], *, seen: set[str], kept_s: Mapping[str, float]
    ) -> Generator[tuple[Job, ReadEvent]]:
        decoded = run_decode_pool(
            jobs, workers=workers, limits=limits, seen=seen, kept_s=kept_s, hwaccel=hwaccel
        )
        return encode_events(decoded, bundle)

    return read


@contextlib.contextmanager
def _noting_interrupts(report: IndexReport) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        report.interrupted = True
    except BucketLostError as lost:
        report.interrupted = True
        report.failed.append(lost)


def _recorded(report: IndexReport, *, took_s: float) -> RunRecord:
    return RunRecord(
        ended_at=datetime.now(UTC),
        took_s=took_s,
        new=report.indexed - report.reread,
        reread=report.reread,
        linked=report.linked,
        resubtitled=report.resubtitled,
        removed=report.removed,
        copies_removed=report.copies_removed,
        unchanged=report.unchanged - report.unchanged_failed,
        kept=len(report.kept),
        failed=len(report.failed),
        problems=tuple(
            RunProblem(path=str(error.item or ""), message=str(error))
            for error in report.failed[:MOST_PROBLEMS]
        ),
        interrupted=report.interrupted,
    )


def _catch_up(
    writer: Writer, bundle: Encoder, found: Scan, report: IndexReport, *, workers: int, limits: Limits | None
) -> None:
    """Encode what the generation that searches use lacks, of files in the folders that were asked for."""
    number = writer.snapshot.state.active_generation
    here = {str(video.path) for video in found.videos}

    def commit(made: Commit, _texts: Mapping[str, str]) -> Commit:
        writer.commit(made, generation=number)
        return made

    gap = find_gap(writer.snapshot, number)
    filler = Filler(
        bundle,
        commit,
        features=FrameFeatures(writer.folder, bundle.card),
        sampling=read_preferences(writer.folder).sampling,
        commit_every_s=_COMMIT_EVERY_S,
        on_event=lambda _event: None,
    )
    with _noting_interrupts(report):
        filler.lines(gap.lines)
        wanted = [video for video in gap.videos if any(file["path"] in here for file in video.files)]
        filler.videos(wanted, workers=workers, limits=limits)
    filler.flush()
    report.caught_up = filler.done.clips
    report.failed += filler.done.left.values()
    if not find_gap(writer.snapshot, number):
        writer.close_gaps()


def _jobs(plan: Plan, options: DecodeOptions) -> list[Job]:
    # Long files first, so that the last worker to finish does not start with the longest.
    reads = sorted(plan.read, key=lambda video: -video.size_bytes)
    again = [_subtitles_job(video, row["video"], row["health"]) for video, row in plan.resubtitle]
    return again + [Job(video, replace(options, sidecars=video.sidecar_names)) for video in reads]


def _subtitles_job(found: FoundVideo, video: str, health: str) -> Job:
    captions = Health.model_validate_json(health).closed_captions
    options = DecodeOptions(1, 1, pictures=False, captions=captions, sidecars=found.sidecar_names)
    return Job(found, options, video=video)


class _Run:
    """The consumer of what is read: collects and commits. One thread only."""

    def __init__(
        self,
        writer: Writer,
        card: EncoderCard,
        known: Mapping[str, Mapping[str, Any]],
        commit_every_s: float,
        on_event: Callable[[IndexEvent], None],
    ) -> None:
        self.report = IndexReport()
        self._writer, self._known, self._on_event = writer, known, on_event
        self._commit_every_s, self._committed_at = commit_every_s, time.monotonic()
        self._features = FrameFeatures(writer.folder, card)
        # One part for each file, appended at once: wherever an interrupt comes, no file is pending by half.
        self._pending: list[Commit] = []
        # Content that has been settled, in this run or before: hash -> a row that its copies share.
        self._settled = {
            row["video"]: row for row in known.values() if row["status"] not in {PARTIAL, UNREADABLE}
        }
        self._being_read: set[Job] = set()
        self._waiting: dict[str, list[Job]] = {}
        self._with_other_subtitles: list[Job] = []
        # Contents whose subtitles may be those of another file than ``subtitles_again`` says; beside which
        # file they were read last; and the jobs that read them once more.
        self._unsure: set[str] = set()
        self._subtitled_by: dict[str, str] = {}
        self._again: set[Job] = set()
        self._gone: list[str] = []
        self._found: dict[str, FoundVideo] = {}
        self.seen = set(self._settled)
        self._left = 0
        self._began_at = datetime.now(UTC).isoformat(timespec="milliseconds")

    def start(self, found: Scan, plan: Plan) -> None:
        """Take note of what needs no decoding."""
        self.report.found, self.report.links = len(found.videos), found.links
        self.report.excluded, self.report.texts = len(found.excluded), found.texts
        self.report.unchanged = plan.unchanged
        self.report.failed_before = [self._known[path]["message"] for path in plan.failed_before]
        self.report.unchanged_failed = len(plan.failed_before)
        self.report.failed += found.problems
        self.report.kept, self._gone = plan.kept, plan.removed
        self._found = {str(video.path): video for video in found.videos}
        self._unsure |= {self._known[path]["video"] for path in self._gone if self._known[path]["sidecars"]}
        paths = Counter(row["video"] for row in self._known.values())
        self._unsure |= {row["video"] for _, row in plan.resubtitle if paths[row["video"]] > 1}
        # A file that failed and is to be read again must not be taken for known by its own row.
        for video in plan.read:
            row = self._known.get(str(video.path))
            if row is not None and row["status"] == FAILED:
                self._settled.pop(row["video"], None)
                self.seen.discard(row["video"])
        total = sum(video.size_bytes for video in plan.read)
        self._left = len(plan.read) + len(plan.resubtitle)
        self._on_event(Planned(self._left, total))

    def take_all(self, events: Generator[tuple[Job, ReadEvent]]) -> None:
        """Deal with every event; no decoder goes on if that fails.

        Raises:
            BucketLostError: the bucket of a file does not answer any more.
        """
        with contextlib.closing(events):
            for job, event in events:
                try:
                    self.take(job, event)
                except BucketLostError as lost:
                    raise lost.leaving(self._left) from None

    def take(self, job: Job, event: ReadEvent) -> None:
        """Deal with one event of one file."""
        match event:
            case Opened(duration_s):
                self._open(job, duration_s)
            case ClipEncoded():
                self._end_clip(job, event)
            case LinesEncoded(vectors):
                job.lines.append(vectors)
            case Finished():
                self._finish_file(job, event)
            case Duplicate():
                self._link(job)
            case Changed():
                self._settle(job, _changed_meanwhile(job))
            case ReadFailed():
                self._unread(job, event.error)
            case MediaError():
                self._fail(job, event)
            case _:
                assert_never(event)
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        if now - self._committed_at > self._commit_every_s:
            for job in self._being_read:
                if now - job.began_at > self._commit_every_s:
                    self._keep_half_read(job)
            self._commit()

    def subtitles_of_copies(self) -> list[Job]:
        """Jobs for linked files with subtitle files of their own; commits what those build on."""
        self._commit()
        return [
            _subtitles_job(job.found, job.video, self._settled[job.video]["health"])
            for job in self._with_other_subtitles
        ]

    def subtitles_again(self) -> list[Job]:
        """Jobs for contents that lie at several paths, or did: their lines are those of the first file, by
        path, that has subtitle files, whatever was read last or has gone. Commits what those build on.
        """
        self._commit()
        self._unsure |= {job.video for job in self._with_other_subtitles}
        if not self._unsure:
            return []
        rows = self._writer.snapshot.read_of_videos(FILES, SCHEMAS[FILES].names, sorted(self._unsure))
        files: dict[str, list[dict[str, Any]]] = {}
        gone = set(self._gone)
        for row in rows.to_pylist():
            if row["status"] == OK and row["path"] not in gone:
                files.setdefault(row["video"], []).append(row)
        jobs = []
        for video, own in sorted(files.items()):
            for row in sorted(own, key=lambda row: (not row["sidecars"], row["path"])):
                found = self._found.get(row["path"])
                if found is None and not in_bucket(row["path"]):
                    found = look_at(Path(row["path"]))  # in a folder that this run is not about
                if found is not None and found.version == FileVersion(row["size_bytes"], row["mtime_ns"]):
                    if self._subtitled_by.get(video) != row["path"]:
                        jobs.append(_subtitles_job(found, video, row["health"]))
                    break
            else:  # none of them is there now: whichever a run finds next tells
                self._pending.append(Commit(files=[{**row, "sidecars": _NOT_KNOWN} for row in own]))
        self._again.update(jobs)
        return jobs

    def finish(self) -> None:
        """Commit the rest, and remove what no path has any more."""
        if self.report.interrupted:
            for job in self._being_read:
                self._keep_half_read(job)
                if job.kept_s:
                    self.report.half_read[str(job.found.path)] = job.kept_s
                    self.report.video_s += job.clips_s
        else:
            for copy in [copy for copies in self._waiting.values() for copy in copies]:
                self._settle(
                    copy, _unfinished("another file of the same content was not read to its end", copy)
                )
            # Last, because a renamed file is known by its old row until it has its new one.
            self._pending.append(Commit(removed_paths=self._gone))
        self._commit()
        if not self.report.interrupted:
            gone = count_gone(self._writer.snapshot, self._known, self._gone)
            self.report.removed, self.report.copies_removed = gone
        self._forget_moved()
        self._writer.drop_orphans()
        self._writer.tidy()

    def _forget_moved(self) -> None:
        if moved := left_out_and_moved(self._writer.snapshot):
            self._writer.commit(Commit(removed_paths=moved))
            self.report.kept = sorted(set(self.report.kept) - set(moved))

    def _open(self, job: Job, duration_s: float | None) -> None:
        job.duration_s, job.began_at = duration_s, time.monotonic()
        if job.options.pictures:
            self._being_read.add(job)
        self._clips_made(job, job.kept_s)

    def _end_clip(self, job: Job, made: ClipEncoded) -> None:
        clip = Clip(job.video, made.start_s, made.end_s)
        thumbnail = self._writer.save_thumbnail(job.video, round(clip.start_s * 1000), made.thumbnail)
        row = {
            "clip_id": clip.clip_id,
            "video": clip.video,
            "start_s": clip.start_s,
            "end_s": clip.end_s,
            "thumbnail": thumbnail,
        }
        # At once with its vector: wherever an interrupt comes, none is without the other.
        kept = [self._features.row(clip.clip_id, made.features)] if self._features.are_kept else []
        job.clips.append((row, made.vector, kept))
        self._clips_made(job, clip.end_s - clip.start_s)

    def _clips_made(self, job: Job, seconds: float) -> None:
        job.clips_s += seconds
        if job.duration_s:
            self._on_event(Progressed(job.found.size_bytes * seconds / job.duration_s))

    def _keep_half_read(self, job: Job) -> None:
        """Let the next commit have the clips of a file that is not read to its end yet."""
        before = self._known.get(str(job.found.path))
        # What the path held before can be found, and copied, until the new is whole.
        is_replacement = before is not None and before["status"] == OK
        if not job.clips or is_replacement:
            return
        # Of a bucket one version was fetched; one that is silent would keep waiting whoever stops the run.
        if not in_bucket(str(job.found.path)) and job.found.has_changed():
            return
        part = Commit()
        job.kept_s = self._take_clips(job, part)
        message = half_read_message(job.found.path, job.kept_s)
        part.files.append(self._row(job, PARTIAL, message=message))
        self._pending.append(part)

    def _take_clips(self, job: Job, part: Commit) -> float:
        """Move the clips of a job into a part of a commit; the end of the last one, 0 if there is none."""
        made, job.clips = job.clips, []
        part.clips += [clip for clip, _, _ in made]
        part.features += [each for _, _, kept in made for each in kept]
        ids = [clip["clip_id"] for clip, _, _ in made]
        _add_vectors(part, "clip", ids, job.video, [vector for _, vector, _ in made])
        self.report.clips += len(made)
        return float(made[-1][0]["end_s"]) if made else 0.0

    def _finish_file(self, job: Job, finished: Finished) -> None:
        if job.found.has_changed():
            self._settle(job, _changed_meanwhile(job))
            return
        part = self._subtitles_part(job, finished)
        if any(job.video in each.replaced_subtitles for each in self._pending):
            self._commit()  # a copy has been given subtitles: each in its turn, not both at once
        if finished.health is None:
            part.replaced_subtitles.append(job.video)
            self.report.resubtitled += job.video not in self._subtitled_by or job not in self._again
            health = Health.model_validate_json(self._settled[job.video]["health"])
        else:
            self._take_clips(job, part)
            self.report.indexed += 1
            before = self._known.get(str(job.found.path))
            self.report.reread += before is not None and before["status"] == OK
            self.report.video_s += finished.health.duration_got_s
            health = finished.health
        self.report.subtitles += len(part.subtitles)
        self._subtitled_by[job.video] = str(job.found.path)
        message = "; ".join([*finished.problems, *health.remarks])
        if message:
            self.report.remarks[str(job.found.path)] = message
        row = self._row(job, OK, message=message, health=health.model_dump_json())
        self._record(job, row, None, part)

    def _subtitles_part(self, job: Job, finished: Finished) -> Commit:
        part = Commit()
        part.subtitles += [
            {
                "subtitle_id": f"{job.video}#{track_number}.{line:06d}",
                "video": job.video,
                "start_s": caption.start_s,
                "end_s": caption.end_s,
                "text": caption.text,
                "language": caption.language,
                "source": track.source,
            }
            for track_number, track in enumerate(finished.subtitles)
            for line, caption in enumerate(track.captions)
        ]
        ids = [row["subtitle_id"] for row in part.subtitles]
        _add_vectors(part, "subtitle", ids, job.video, [vector for batch in job.lines for vector in batch])
        return part

    def _link(self, job: Job) -> None:
        """A copy or a renamed file: it shares the row of the content, now or once that is settled."""
        row = self._settled.get(job.video)
        if row is None:
            self._waiting.setdefault(job.video, []).append(job)
            return
        shared = {key: row[key] for key in ("status", "health")}
        shared["message"] = row["message"].replace(row["path"], str(job.found.path))
        own_subtitles = row["status"] == OK and job.found.sidecars not in {"", row["sidecars"]}
        if own_subtitles:
            shared["sidecars"] = row["sidecars"]  # until its own are read, should this run be killed
        self._pending.append(Commit(files=[{**self._row(job, OK), **shared}]))
        error = None
        if row["status"] == OK:
            self.report.linked += 1
        else:
            error = MediaError(
                "the same content failed under another name",
                item=job.found.path,
                remedy="'polyreel doctor' says why",
            )
        if own_subtitles:
            self._with_other_subtitles.append(job)
        else:
            self._settle(job, error)

    def _unread(self, job: Job, error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            self._settle(job, _unfinished("the file is gone", job))
            return
        require_reach(job.found.path, error.strerror)
        failure = MediaError(
            "the file cannot be read",
            item=job.found.path,
            value=error.strerror,
            remedy=f"Check {_what_to_check(job.found.path, error)}; it is tried again at every run",
        )
        before = self._known.get(str(job.found.path))
        if not job.video and before is not None and before["status"] in {PARTIAL, UNREADABLE}:
            job.video = before["video"]  # what is kept of it stays
        self._record(job, self._row(job, UNREADABLE, message=str(failure)), failure, Commit())

    def _fail(self, job: Job, error: MediaError) -> None:
        if isinstance(error, UnreachableError):
            require_reach(job.found.path, error.value)
        if not job.options.pictures:
            self._settle(job, error)
            return
        if isinstance(error, UnreachableError):
            self._keep_half_read(job)
            self._record(job, self._row(job, UNREADABLE, message=str(error)), error, Commit())
            return
        if job.found.has_changed():  # a file that is still being copied is not a broken one
            self._settle(job, _changed_meanwhile(job) if _is_there(job.found.path) else error)
            return
        part = Commit()
        if isinstance(error, WorkerKilledError):
            status = UNREADABLE
            self._keep_half_read(job)
        else:
            status = FAILED
            if job.kept_s:
                self._commit()  # what is kept has to be there to be dropped
                part.dropped_clips.append(job.video)
        self._record(job, self._row(job, status, message=str(error)), error, part)

    def _record(self, job: Job, row: dict[str, Any], error: MediaError | None, part: Commit) -> None:
        part.files.append(row)
        self._being_read.discard(job)
        self._pending.append(part)
        if row["status"] != UNREADABLE:
            self._settled[job.video] = row
        self._settle(job, error)
        for copy in self._waiting.pop(job.video, ()):
            self._link(copy)

    def _row(self, job: Job, status: str, *, message: str = "", health: str = "") -> dict[str, Any]:
        before = self._known.get(str(job.found.path))
        if before and before["sidecars"] and before["video"] != job.video:
            self._unsure.add(before["video"])
        return {
            "path": str(job.found.path),
            "video": job.video,
            "size_bytes": job.found.size_bytes,
            "mtime_ns": job.found.version.mtime_ns,
            "sidecars": job.found.sidecars,
            "status": status,
            "message": message,
            "health": health,
            # Of the run, so that files of one come in order of path; the first time of this content there, as
            # the file that was known first names it.
            "indexed_at": before["indexed_at"] if before and before["video"] == job.video else self._began_at,
        }

    def _settle(self, job: Job, error: MediaError | None) -> None:
        self._being_read.discard(job)
        if error is not None:
            self.report.failed.append(error)
        if job in self._again:  # not one of the files that were planned
            return
        self._left -= 1
        if error is not None and job.clips and not job.kept_s:
            self._writer.drop_derived(job.video)
        counted = job.clips_s / job.duration_s if job.duration_s else 0.0
        self._on_event(Progressed(job.found.size_bytes * (1 - counted) if job.options.pictures else 0.0))
        self._on_event(Settled(job.found.path, error))

    def _commit(self) -> None:
        self._committed_at = time.monotonic()
        change, self._pending = Commit.of(self._pending), []
        if not change:
            return
        self._writer.commit(change)
        whole = tuple(row["path"] for row in change.files if row["status"] != PARTIAL)
        if whole or not change.files:
            self._on_event(Committed(whole))


def _add_vectors(part: Commit, kind: str, ids: Sequence[str], video: str, vectors: Sequence[Any]) -> None:
    part.embeddings += [{"id": item, "video": video, "kind": kind} for item in ids]
    part.vectors += vectors


def _what_to_check(path: Path, error: OSError) -> str:
    if in_bucket(str(path)):
        return "the bucket and the network"
    return "its permissions" if isinstance(error, PermissionError) else "its drive"


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _unfinished(what: str, job: Job) -> MediaError:
    return MediaError(what, item=job.found.path, remedy="Run index again")


def _changed_meanwhile(job: Job) -> MediaError:
    return _unfinished("the file changed while it was read", job)
