"""Move a library to another bundle while it is searched, go back, and let an old generation go.

A second generation of vectors grows in a table of its own, a commit every few seconds, which searches do not
see. When nothing that can be read lacks a vector, one commit makes it the generation that searches use. The
old one stays until it is dropped. At no moment does a search see vectors of both.

What a generation lacks is found by comparing, so a move that was stopped goes on where it was, and what an
index run adds meanwhile is encoded by both bundles. A file that cannot be read keeps its old vectors: its
pictures are then left out of searches, which say so, until ``index`` finds the file again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import short_identity
from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import LibraryBusyError, LibraryError, MediaError, UnknownNameError, UsageError
from polyreel.library.index.events import IndexEvent, VectorIndexBegun
from polyreel.library.index.filling import Filler
from polyreel.library.index.gaps import VectorGap, find_gap, find_source, part_by_features, still_lacking
from polyreel.library.index.half_read import kept_of_half_read
from polyreel.library.index.progress_file import ProgressFile, read_progress
from polyreel.library.index.scan import FoundVideo
from polyreel.library.search.search_index import load_search_index
from polyreel.library.store.frame_features import FrameFeatures
from polyreel.library.store.preferences import read_preferences
from polyreel.library.store.state import Generation, LibraryState, generation_of, require_state
from polyreel.library.store.store import MOVE_FILE, Commit, Writer, moving, open_snapshot, writing
from polyreel.library.store.tables import CLIPS, FILES, PARTIAL, SUBTITLES, embedding_table
from polyreel.media.decode import Frame
from polyreel.media.limited import ClipEnd, DecodeOptions, DecodeWorker, Limits
from polyreel.media.sampling import Sampling
from polyreel.remote.reach import BucketLostError
from polyreel.units import size

__all__ = ["MoveEstimate", "MoveReport", "drop_generation", "estimate_move", "move_library"]

_COMMIT_EVERY_S = 5.0
_TRIAL_S = 1.5
_TRIAL_LINES = 32
# Beside its numbers a vector has its key, and Lance its own accounts.
_BYTES_BESIDE = 150
_TIDY_AFTER_COMMITS = 32
_SHORTEST_IDENTITY = 6
_PATIENCE_S = 0.2


@dataclass(frozen=True, slots=True)
class MoveEstimate:
    """What a move has to do.

    Attributes:
        bundle, previous: labels of the bundle to come, and of the one that searches use.
        clips, lines: vectors to be made.
        from_features: clips among them that need no video, because the features of their frames are kept.
        files: videos to be decoded; ``video_s`` seconds in all.
        left: videos that cannot be read, each with the reason.
        disk_bytes: room that it takes.
        took_s: seconds that it will take about, by a short trial with one of the videos and some lines.
        can_return: whether the library can move back: to a bundle, but not to an encoder of a program.
    """

    bundle: str
    previous: str
    clips: int
    lines: int
    files: int
    video_s: float
    left: tuple[MediaError, ...]
    disk_bytes: int
    took_s: float
    can_return: bool = True
    from_features: int = 0


@dataclass(slots=True)
class MoveReport:
    """What a move did.

    Attributes:
        bundle, previous: labels of the bundle that it moved to, and of the one before.
        switched: whether searches use another bundle than before the call.
        clips, lines: vectors that were made.
        videos: files that were read to their end; ``video_s`` seconds in all.
        left: files whose pictures keep the vectors that they had, each with the reason.
        took_s: wall time.
        interrupted: the move was stopped before its end; if by a bucket that cannot be reached, the last of
            ``left`` says so.
        can_return: as in ``MoveEstimate``.
    """

    bundle: str
    previous: str
    switched: bool = False
    clips: int = 0
    lines: int = 0
    videos: int = 0
    video_s: float = 0.0
    left: list[MediaError] = field(default_factory=list)
    took_s: float = 0.0
    interrupted: bool = False
    can_return: bool = True


def estimate_move(folder: Path, bundle: Encoder, *, location: str) -> MoveEstimate:
    """What moving the library in ``folder`` to ``bundle`` would take; changes nothing.

    Args:
        folder: the library.
        bundle: the bundle to come.
        location: what finds it again.

    Raises:
        LibraryError: there is no library, or it cannot be read.
        BucketLostError: the bucket of a video does not answer.
    """
    snapshot = open_snapshot(folder)
    state = snapshot.state
    gap = find_gap(snapshot, state.number_of(bundle.card.identity))
    features = FrameFeatures(folder, bundle.card)
    kept, videos = part_by_features(gap.videos, features)
    places = [find_source(video.files) for video in videos]
    found = {
        video.video: (video, place)
        for video, place in zip(videos, places, strict=True)
        if isinstance(place, FoundVideo)
    }
    from_features = sum(video.lacking for video in kept)
    clips = from_features + sum(video.lacking for video, _ in found.values())
    video_s = sum(video.duration_s for video, _ in found.values())
    per_line_s, per_second_s = _trial(
        gap, [place for _, place in found.values()], bundle, read_preferences(folder).sampling
    )
    return MoveEstimate(
        bundle=generation_of(bundle.card, location).label,
        previous=state.generation.label,
        clips=clips,
        lines=len(gap.lines),
        files=len(found),
        video_s=video_s,
        left=tuple(place for place in places if isinstance(place, MediaError)),
        disk_bytes=_needed_bytes(clips + len(gap.lines), bundle.card.dim) + features.size_bytes(video_s),
        took_s=len(gap.lines) * per_line_s + video_s * per_second_s,
        can_return=not state.generation.is_of_a_program,
        from_features=from_features,
    )


def move_library(
    folder: Path,
    bundle: Encoder,
    *,
    location: str,
    workers: int = 2,
    limits: Limits | None = None,
    commit_every_s: float = _COMMIT_EVERY_S,
    on_event: Callable[[IndexEvent], None] | None = None,
) -> MoveReport:
    """Make searches of the library in ``folder`` use ``bundle``, going on with a move that was stopped.

    To a bundle whose generation is kept from before, searches move at once; what was indexed since is encoded
    afterwards.

    Args:
        folder: the library.
        bundle: the bundle to come; the library's own encodes what lacks a vector of it.
        location: what finds it again, kept in the library.
        workers: files that are decoded at once.
        limits: what one file may take.
        commit_every_s: how much work, in seconds, a kill may cost.
        on_event: called with each step of the progress.

    Raises:
        LibraryBusyError: another process moves the library.
        LibraryError: there is no library, none of its videos can be read, or the disk is full or fails; what
            was committed stays.
    """
    began = time.monotonic()
    with moving(folder):
        wanted, present = generation_of(bundle.card, location), require_state(folder).generation
        report = MoveReport(
            bundle=wanted.label, previous=present.label, can_return=not present.is_of_a_program
        )
        shown = ProgressFile(folder, MOVE_FILE, bundle=wanted.bundle)
        try:
            shown.write()
            tell = shown.beside(on_event)
            move = _Move(folder, _number_for(folder, wanted), report, tell)
            move.go_back_if_kept()
            filler = Filler(
                bundle,
                move.commit,
                features=_features_kept(folder, bundle),
                sampling=read_preferences(folder).sampling,
                commit_every_s=commit_every_s,
                on_event=tell,
            )
            move.run(filler, workers=workers, limits=limits)
        except KeyboardInterrupt:  # before anything was encoded
            report.interrupted = True
        finally:
            shown.remove()
    report.took_s = time.monotonic() - began
    return report


def drop_generation(folder: Path, name: str, *, force: bool = False) -> str:
    """Remove a generation that searches do not use, finished or not; return its label.

    Args:
        folder: the library.
        name: name or location of its bundle, or the start of the bundle's identity.
        force: drop it although the generation that searches use lacks vectors, which then are nowhere.

    Raises:
        UsageError: searches use it, or it has what the generation in use lacks.
        UnknownNameError: the library keeps no vectors of such a bundle.
        LibraryBusyError: another process moves the library.
    """
    with moving(folder), writing(folder, briefly=True) as writer:
        state = writer.snapshot.state
        number = _number_named(state, name)
        chosen = state.generations[number]
        if chosen.served and not force and (gap := find_gap(writer.snapshot, state.active_generation)):
            raise UsageError(
                f"the bundle that searches use, {state.generation.label}, has not encoded everything",
                item=chosen.label,
                value=f"{len(gap.videos)} videos, {len(gap.lines)} lines",
                remedy="Index what 'polyreel doctor' names first, or drop it all the same with --force",
            )
        writer.drop_generation(number)
        if (stopped := read_progress(folder, MOVE_FILE)) is not None and stopped.bundle == chosen.bundle:
            (folder / MOVE_FILE).unlink(missing_ok=True)  # left by a move that was killed: it cannot go on
    return chosen.label


def _number_named(state: LibraryState, name: str) -> int:
    def is_meant(made: Generation) -> bool:
        by_identity = len(name) >= _SHORTEST_IDENTITY and made.identity.startswith(name)
        return by_identity or name in {made.bundle, made.location}

    others = {n: made for n, made in state.generations.items() if n != state.active_generation}
    found = [number for number, made in others.items() if is_meant(made)]
    if not found and is_meant(state.generation):
        raise UsageError(
            "searches use this bundle",
            item=state.generation.label,
            remedy="Move the library to another one first: polyreel bundles set NAME",
        )
    if not found:
        raise UnknownNameError(
            "bundle whose vectors the library keeps", name, [made.bundle for made in others.values()]
        )
    if len(found) > 1:
        raise UsageError(
            "the library keeps vectors of several bundles of this name",
            item=name,
            value=", ".join(short_identity(state.generations[number].identity) for number in found),
            remedy="Name one by the start of its identity",
        )
    return found[0]


class _Move:
    """One move under way.

    Args:
        folder: the library.
        number: of the generation to come.
        report: what it has done.
        on_event: called with each step of the progress.
    """

    def __init__(
        self, folder: Path, number: int, report: MoveReport, on_event: Callable[[IndexEvent], None]
    ) -> None:
        self._folder, self._number, self._report, self._on_event = folder, number, report, on_event
        self._commits = 0

    def go_back_if_kept(self) -> None:
        """Let searches use the generation at once if they have used it before."""
        with _writing_in_turn(self._folder) as writer:
            state = writer.snapshot.state
            if state.generations[self._number].served and state.active_generation != self._number:
                self._activate(writer, gaps=bool(find_gap(writer.snapshot, self._number)))

    def run(self, filler: Filler, *, workers: int, limits: Limits | None) -> None:
        """Encode what is lacking until nothing is that can be read, then switch."""
        done, report = filler.done, self._report
        stopped: list[MediaError] = []
        try:
            while True:
                gap = find_gap(open_snapshot(self._folder), self._number)
                filler.lines(gap.lines)
                todo = [video for video in gap.videos if video.video not in done.left]
                filler.videos(todo, workers=workers, limits=limits)
                filler.flush()
                if self._finish(done.left):
                    break
        except (KeyboardInterrupt, BucketLostError) as end:
            report.interrupted = True
            stopped += [end] if isinstance(end, BucketLostError) else []
            filler.flush()
        report.clips, report.lines = done.clips, done.lines
        report.videos, report.video_s = done.videos, done.video_s
        report.left = [*done.left.values(), *stopped]

    def commit(self, made: Commit, texts: Mapping[str, str]) -> Commit:
        """Make vectors part of the generation; what of them was still wanted."""
        with _writing_in_turn(self._folder) as writer:
            wanted = still_lacking(writer.snapshot, self._number, made, texts)
            if wanted.embeddings:
                writer.commit(wanted, generation=self._number)
            self._commits += 1
            if self._commits % _TIDY_AFTER_COMMITS == 0:
                writer.tidy()
        return wanted

    def _finish(self, left: Mapping[str, MediaError]) -> bool:
        """Switch, unless an index run has added something meanwhile."""
        with _writing_in_turn(self._folder) as writer:
            state = writer.snapshot.state
            gap = find_gap(writer.snapshot, self._number)
            if len(gap.lines) or any(video.video not in left for video in gap.videos):
                return False
            writer.tidy()
            if state.active_generation != self._number:
                _require_some(self._folder, writer, self._number, gap, left)
                self._activate(writer, gaps=bool(gap))
            elif state.gaps and not gap:
                writer.close_gaps()
            writer.index_vectors(on_begin=lambda vectors: self._on_event(VectorIndexBegun(vectors)))
            state = writer.snapshot.state
        load_search_index(self._folder, state)  # the first search need not wait for it
        return True

    def _activate(self, writer: Writer, *, gaps: bool) -> None:
        _forget_half_read(writer)
        now = writer.snapshot.state
        writer.activate(
            self._number,
            gaps=gaps,
            # Beforehand, so that no search waits; the copy of the present generation stays until it is read
            # no more.
            prepare=lambda folder, to_come: load_search_index(folder, to_come, beside=[now]),
        )
        self._report.switched = True


def _forget_half_read(writer: Writer) -> None:
    """Let films that were read in part be read from their start: the other bundle may cut them elsewhere."""
    rows = writer.snapshot.read(FILES, ["path", "video", "status"]).to_pylist()
    begun = kept_of_half_read(writer.snapshot, rows)
    if begun:
        half_read = [row["path"] for row in rows if row["status"] == PARTIAL]
        writer.commit(Commit(removed_paths=half_read, dropped_clips=sorted(begun)))


def _require_some(
    folder: Path, writer: Writer, number: int, gap: VectorGap, left: Mapping[str, MediaError]
) -> None:
    """Refuse to switch to a generation that no picture has been encoded for."""
    made = writer.snapshot.read(embedding_table(number), ["id"], where="kind = 'clip'")
    if gap.videos and not len(made):
        raise LibraryError(
            "no video of the library could be read, so searches stay with the bundle that they use",
            item=folder,
            value=next(str(error) for error in left.values()),
            remedy="Mount the drives of its videos and run the command again",
        )


def _number_for(folder: Path, wanted: Generation) -> int:
    """The generation of this bundle, begun if it is not there."""
    with _writing_in_turn(folder) as writer:
        state = writer.snapshot.state
        number = state.number_of(wanted.identity)
        if number is not None:
            return number
        rows = writer.snapshot.count(CLIPS) + writer.snapshot.count(SUBTITLES)
        needed, free = _needed_bytes(rows, wanted.dim), shutil.disk_usage(folder).free
        if needed > free:
            raise LibraryError(
                "the disk has no room for the vectors of another bundle",
                item=folder,
                value=f"{size(needed)} needed, {size(free)} free",
                remedy="Free some space, or let old vectors go: polyreel bundles drop NAME",
            )
        return writer.add_generation(wanted)


@contextmanager
def _writing_in_turn(folder: Path) -> Iterator[Writer]:
    """As ``writing``, waiting for an index run to end however long it takes."""
    with ExitStack() as held:
        while True:
            with suppress(LibraryBusyError):
                writer = held.enter_context(writing(folder, briefly=True))
                break
            time.sleep(_PATIENCE_S)
        yield writer


def _features_kept(folder: Path, bundle: Encoder) -> FrameFeatures:
    """What the library keeps of frames, with a note that this bundle has use for it."""
    features = FrameFeatures(folder, bundle.card)
    if features.are_kept:
        with _writing_in_turn(folder) as writer:
            writer.keep_features(bundle.card)
    return features


def _needed_bytes(rows: int, dim: int) -> int:
    # As half floats in the table, as floats in the copy that searches read.
    return rows * (dim * (2 + 4) + _BYTES_BESIDE)


def _trial(
    gap: VectorGap, sources: Sequence[FoundVideo], bundle: Encoder, sampling: Sampling
) -> tuple[float, float]:
    """Seconds that a line takes, and a second of video, by what can be done of one file in a moment."""
    per_line = per_second = 0.0
    rows = gap.lines.slice(0, _TRIAL_LINES)
    texts, languages = rows["text"].to_pylist(), rows["language"].to_pylist()
    if texts:
        encode_lines(bundle, texts[:1], languages[:1])  # what is loaded when first used is loaded now
        began = time.perf_counter()
        encode_lines(bundle, texts, languages)
        per_line = (time.perf_counter() - began) / len(texts)
    if not sources:
        return per_line, per_second
    spec = bundle.card.frames
    blank = np.zeros((1, spec.height_px, spec.width_px, 3), np.uint8)
    bundle.encode_video([bundle.encode_frames(blank)])
    source = max(sources, key=lambda found: found.size_bytes)
    options = replace(DecodeOptions.of(spec, sampling), sidecars=())
    with suppress(MediaError), DecodeWorker() as worker:
        events = worker.decode(source.path, options)
        next(events)
        began, images = time.perf_counter(), list[NDArray[np.uint8]]()
        for event in events:
            if isinstance(event, Frame):
                images.append(event.image)
            if isinstance(event, ClipEnd):
                bundle.encode_video([bundle.encode_frames(np.stack(images))])
                images.clear()
                per_second = (time.perf_counter() - began) / event.end_s
                if time.perf_counter() - began > _TRIAL_S:
                    break
    return per_line, per_second
