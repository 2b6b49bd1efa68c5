"""``polyreel index``: bring a library up to date with folders of video."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from polyreel.cli.listening import LineMaker, exit_code, in_turn
from polyreel.cli.options import (
    AskedPath,
    Device,
    Json,
    Languages,
    LibraryOption,
    Ray,
    SpeechModel,
    absolute,
    default_library,
    given_cluster,
    load_bundle,
    wanted_device,
)
from polyreel.cli.output import print_json, show_progress, stderr, stdout
from polyreel.cli.watching import index_and_watch
from polyreel.errors import MediaError, UsageError
from polyreel.media.hwaccel import Hwaccel, HwaccelUse
from polyreel.remote.address import BucketPath, asked_place
from polyreel.remote.reach import parted_by_loss
from polyreel.units import clock, count, duration, printable, videos_in_files

if TYPE_CHECKING:
    from polyreel.encoders.protocol import Encoder
    from polyreel.library.index.events import IndexEvent
    from polyreel.library.index.indexing import IndexReport
    from polyreel.media.sampling import Sampling
    from polyreel.progress import ProgressDisplay
    from polyreel.scale.cluster import Cluster

__all__ = ["index", "index_with_progress"]

_SHOWN_FAILURES = 10


def index(
    paths: list[AskedPath],
    /,
    *,
    library: LibraryOption = None,
    bundle: str | None = None,
    device: Device = None,
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=256))] = None,
    memory_limit: Annotated[int, Parameter(validator=validators.Number(gte=64))] = 1500,
    retry_failed: Annotated[bool, Parameter(negative="")] = False,
    prune: Annotated[bool, Parameter(negative="")] = False,
    exclude: Annotated[list[str] | None, Parameter(negative="")] = None,
    keep_features: bool | None = None,
    sampling: Literal["near", "fast"] | None = None,
    hwaccel: Hwaccel = "none",
    watch: Annotated[bool, Parameter(negative="")] = False,
    speech: Annotated[bool | None, Parameter(negative="--no-speech")] = None,
    languages: Languages = None,
    speech_model: SpeechModel = None,
    screen_text: Annotated[bool | None, Parameter(negative="--no-screen-text")] = None,
    ray: Ray = None,
    json: Json = False,
) -> int:
    """Make video searchable: read what is new or changed, leave what is not.

    A run that is stopped, even by a power cut, keeps what it has committed; the next one goes on. In folders
    the files whose names end as those of videos do (.mp4, .mkv, .avi...) are taken, but for hidden ones and
    what a file named .polyreelignore says, which is written like a .gitignore.

    Example: polyreel index ~/Videos

    Args:
        paths: Video files and folders of them.
        bundle: Bundle to index with; by default the library's own.
        workers: Files decoded at once.
        memory_limit: Memory that one file may take, in MB.
        retry_failed: Read files again that failed before.
        prune: Forget missing files even if nothing is left where they were.
        exclude: Pattern of what to pass over, as in a .gitignore; repeatable. What the library has of it
            leaves the library.
        keep_features: Keep what the bundle makes of each frame, from now on: about 9 MB an hour of video, for
            moves to bundles that differ only behind it. The other form lets go of what is kept.
        sampling: How pictures are chosen, in this run and later ones. near: one a second, up to half a second
            beside it where that saves decoding. fast: key frames alone where they lie at most 5 s apart. What
            is in the library stays as it is.
        hwaccel: Device that decodes, in this run, if FFmpeg can open it and it makes the pictures that the
            CPU makes; else the CPU, the default, does. auto: the first such device.
        watch: Go on until Ctrl-C: index again whenever something changes. A file that is still being written
            is waited for. With --json, a line for each run.
        speech: Then listen to the videos and make lines of what is said; by default if the extra
            'speech' is installed. The library remembers --languages for later runs.
        screen_text: And read what is written in the pictures, all but Cyrillic; by default if the weights for
            it (27 MB) are there, which the first run with --screen-text fetches.
        ray: Read and encode on a Ray cluster, with the extra scale: auto for the one that this machine is a
            node of, HOST:PORT, or nothing, behind the paths, for this machine alone. Every node sees the
            videos and the bundle at the same place, and has what speech and text on the screen need.
    """
    from polyreel.library.index.line_stages import line_stages, require_wishes
    from polyreel.library.index.scan import require_paths

    if not prune:
        require_paths(paths)
    in_buckets = [path for path in map(asked_place, paths) if isinstance(path, BucketPath)]
    if watch and in_buckets:
        raise UsageError(
            "a bucket does not tell of what changes in it",
            item=in_buckets[0],
            remedy="Leave out --watch, and index again now and then: unchanged films are not read",
        )
    folder = default_library(library)
    if ray is not None and hwaccel != "none":
        raise UsageError(
            "--hwaccel decodes on a device of this machine, --ray on other machines",
            item=f"--hwaccel {hwaccel}",
            remedy="Leave one of the two out",
        )
    cluster = given_cluster(ray, cpus=workers)
    stages = line_stages(
        speech=speech,
        screen_text=screen_text,
        languages=languages,
        speech_model=speech_model,
        device=device,
    )
    require_wishes(stages, folder)
    makers = [
        LineMaker(
            stage,
            paths=paths,
            retry_failed=retry_failed,
            memory_limit_mb=memory_limit,
            cluster=cluster,
            readers=workers,
        )
        for stage in stages
    ]

    if sampling is not None:
        _say_if_mixed(folder, sampling)

    device_use = HwaccelUse(hwaccel)

    def run(busy: Collection[Path]) -> IndexReport:
        return index_with_progress(
            paths,
            folder,
            bundle=bundle,
            device=device,
            workers=workers or len(os.sched_getaffinity(0)),
            memory_limit_mb=memory_limit,
            retry_failed=retry_failed,
            prune=prune,
            exclude=exclude or (),
            busy=busy,
            keep_features=keep_features,
            sampling=sampling,
            hwaccel=device_use,
            after=in_turn(*makers),
            cluster=cluster,
            readers=workers,
        )

    def tell_all(report: IndexReport) -> None:
        makes_lines = any(maker.report is not None for maker in makers)
        _print_report(report, folder, makes_lines=makes_lines)
        if speech is None and report.indexed:
            _say_if_unheard(folder)
        if report.changed:
            _say_if_outdated(folder)

    if watch:
        tell = None if json else tell_all
        return index_and_watch([absolute(path) for path in paths], folder, run, tell, makers)
    report = run(())
    if json:
        documents = [maker.document() for maker in makers]
        print_json(functools.reduce(operator.or_, documents, _document(report, folder)))
    else:
        tell_all(report)
        for maker in makers:
            maker.print_report()
    return exit_code(report, makers)


def _say_if_mixed(folder: Path, sampling: Sampling) -> None:
    """Say that videos of the library were sampled otherwise than new ones will be."""
    from polyreel.library.store.preferences import read_preferences
    from polyreel.library.store.state import read_state

    before = read_preferences(folder).sampling
    if before != sampling and read_state(folder) is not None:
        stderr.print(
            f"New and changed videos are sampled by {sampling!r} from now on; those that are in the library "
            f"stay as {before!r} made them. For all alike, index into a new library.",
            soft_wrap=True,
        )


def _say_if_unheard(folder: Path) -> None:
    """Say what is not looked for in new videos, and how it would be."""
    from polyreel.extras import install_extra
    from polyreel.library.store.recognised import holds_sound
    from polyreel.library.store.store import open_snapshot
    from polyreel.library.store.tables import FILES
    from polyreel.recognition.registry import has_speech

    if has_speech() or not holds_sound(open_snapshot(folder).read(FILES, ["status", "health"]).to_pylist()):
        return
    stderr.print(
        f"What is said in the videos is not heard, without the extra 'speech'. Install it with: "
        f"{install_extra('speech')} (--no-speech: this is not said)",
        style="dim",
        soft_wrap=True,
    )


def _say_if_outdated(folder: Path) -> None:
    """Say that the library goes on with an earlier build of its bundle, and what moves it."""
    from polyreel.library.location import newer_build

    if (name := newer_build(folder)) is not None:
        stderr.print(
            f"The library goes on with the {name!r} that made it; this polyreel builds another one. To move "
            f"to that, while searches go on: polyreel bundles set {name}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )


def index_with_progress(
    paths: list[Path],
    folder: Path,
    *,
    bundle: str | None,
    device: str | None = None,
    workers: int,
    memory_limit_mb: int = 1500,
    retry_failed: bool = False,
    prune: bool = False,
    exclude: Sequence[str] = (),
    keep_features: bool | None = None,
    sampling: Sampling | None = None,
    hwaccel: HwaccelUse | None = None,
    after: Callable[[Path, Encoder, str, ProgressDisplay], None] | None = None,
    cluster: Cluster | None = None,
    readers: int | None = None,
    busy: Collection[Path] = (),
) -> IndexReport:
    """Index with a progress bar on stderr.

    Args: those of ``polyreel.index``, as are the errors; ``memory_limit_mb`` is for each file, and ``after``
        goes on with the library, its encoder and that one's location once the pictures are searchable.
        ``cluster`` reads the files, ``readers`` of them at once; it is left at the end, after ``after``.
    """
    from polyreel.library.index.indexing import index as index_library
    from polyreel.library.location import bundle_location
    from polyreel.library.search.search import calibrate_library
    from polyreel.media.limited import Limits

    location = bundle_location(folder, bundle)
    loaded = load_bundle(location, device if cluster is None else None)
    limits = Limits(memory_bytes=memory_limit_mb << 20)
    read = build_index = None
    if cluster is not None:
        from polyreel.encoders.on_node import NodeBundle
        from polyreel.library.index.on_ray import RayReading
        from polyreel.library.index.vector_index_on_ray import RayVectorIndex

        build_index = RayVectorIndex(cluster, readers)
        bundle_there = NodeBundle(location, loaded.card.identity, wanted_device(device))
        read = RayReading(cluster, bundle_there, readers=readers, limits=limits)
    with cluster or nullcontext(), show_progress() as show:
        report = index_library(
            paths,
            folder,
            loaded,
            location=location,
            workers=workers,
            limits=limits,
            retry_failed=retry_failed,
            prune=prune,
            exclude=exclude,
            keep_features=keep_features,
            sampling=sampling,
            hwaccel=hwaccel,
            on_event=_follow(show),
            read=read,
            build_index=build_index,
            busy=busy,
        )
        if not report.interrupted:
            try:
                show("measuring what a match means", 0, None)
                calibrate_library(folder, loaded)
                if after is not None:
                    after(folder, loaded, location, show)
            except KeyboardInterrupt:  # what was indexed before is told all the same
                report.interrupted = True
        return report


def _follow(show: ProgressDisplay) -> Callable[[IndexEvent], None]:
    from polyreel.library.index.events import Planned, Progressed, Settled, VectorIndexBegun

    show("looking for videos", 0, None)
    done_bytes, total_bytes, done_files, files, failed = 0.0, 0, 0, 0, 0

    def follow(event: IndexEvent) -> None:
        nonlocal done_bytes, total_bytes, done_files, files, failed
        match event:
            case Planned(files, total_bytes):
                pass
            case Progressed(size_bytes):
                done_bytes += size_bytes
            case Settled(_, error):
                done_files += 1
                failed += error is not None  # the report at the end says which, and why
            case VectorIndexBegun():
                show(str(event), 0, None)
                return
            case _:
                return
        left_out = f", {failed:,} left out" if failed else ""
        show("indexing", done_bytes, total_bytes, amount=f"{done_files:,}/{files:,} files{left_out}")

    return follow


def _print_report(report: IndexReport, folder: Path, *, makes_lines: bool) -> None:
    as_before = report.unchanged - report.unchanged_failed
    if not report.found and not report.kept and not report.changed:
        stdout.print("Nothing was indexed." if report.failed else "No video was found there: nothing to do.")
    elif not report.changed and not report.failed and not report.interrupted:
        if not report.failed_entirely:
            what = "No file" if makes_lines else "Nothing"
            stdout.print(f"{what} has changed: {count(as_before, 'file')} as indexed before.")
    else:
        parts = [
            (report.indexed, "indexed"),
            (report.linked, "renamed or copied, not decoded again"),
            (report.resubtitled, "whose subtitles were read again"),
            (report.removed, "removed"),
            (report.copies_removed, "removed, of which a copy stays"),
            (as_before, "unchanged"),
        ]
        done = "; ".join(f"{count(number, 'file')} {what}" for number, what in parts if number)
        if done or not report.interrupted:  # what an interrupt leaves is told below
            stdout.print(done or "Nothing was indexed", end=".\n")
        if report.clips:
            # Photos last no time.
            seen = f" from {duration(report.video_s)} of video" if report.video_s >= 0.5 else ""
            stdout.print(
                f"{count(report.clips, 'new clip')} and {count(report.subtitles, 'subtitle line')}{seen} in "
                f"{duration(report.took_s)}."
            )
    _print_remarks(report.remarks)
    if report.caught_up:
        stdout.print(f"{count(report.caught_up, 'clip')} encoded that could not be read before.")
    if report.kept:
        stdout.print(
            f"Kept {count(len(report.kept), 'file')} that cannot be found now, because nothing is left "
            "where they were: is a drive not mounted? --prune forgets them.",
            style="yellow",
        )
    if report.links:
        stdout.print(f"Passed over {count(report.links, 'symbolic link')}.")
    if report.excluded:
        excluded = count(report.excluded, "file or folder", "files and folders")
        stdout.print(f"Passed over {excluded} as excluded.")
    if report.texts:
        stdout.print(f"Passed over {count(report.texts, 'file')} of TypeScript.")
    lost, failed = parted_by_loss(report.failed)
    _print_failures(failed, "could not be read:")
    _print_failed_before(report)
    if lost is not None:
        kept = _kept(report)
        stdout.print(
            f"Stopped: {lost} {kept[0].upper()}{kept[1:]}.", style="yellow", markup=False, soft_wrap=True
        )
    elif report.interrupted:
        stdout.print(
            f"Interrupted: {_kept(report)}; run the same command to go on.", style="yellow", markup=False
        )
    if folder.exists():  # not if a first run was interrupted before it committed
        videos, files = _counts(folder)
        if videos != files:
            stdout.print(
                f"Searched: {videos_in_files(videos, files)}; copies are one (polyreel videos list)."
            )
        stdout.print(f"Library: {folder}", markup=False, soft_wrap=True)


def _counts(folder: Path) -> tuple[int, int]:
    """Videos that can be searched, and the files that they lie in; none where nothing was committed yet."""
    from polyreel.library.store.state import read_state
    from polyreel.library.store.store import open_snapshot
    from polyreel.library.store.tables import FILES, OK

    if read_state(folder) is None:
        return 0, 0
    rows = open_snapshot(folder).read(FILES, ["video", "status"]).to_pylist()
    searched = [row["video"] for row in rows if row["status"] == OK]
    return len(set(searched)), len(searched)


def _kept(report: IndexReport) -> str:
    """What an interrupted run leaves."""
    begun = [f"the first {clock(kept_s)} of {Path(path).name}" for path, kept_s in report.half_read.items()]
    done = report.indexed or report.linked or report.resubtitled
    kept = [*(["what was indexed"] if done else []), *map(printable, begun)]
    if not kept:
        return "no video was done"
    return f"{' and '.join(kept)} {'is' if kept == ['what was indexed'] else 'are'} kept"


def _print_failed_before(report: IndexReport) -> None:
    """Say which files were left alone: why, too, where there is nothing else to tell."""
    if not report.failed_before:
        return
    again = f"--retry-failed reads {'it' if report.unchanged_failed == 1 else 'them'} again."
    if report.failed_entirely:
        _print_failures(report.failed_before, "failed before and did not change since:")
        stdout.print(again)
    else:
        failed = count(report.unchanged_failed, "file")
        stdout.print(f"{failed} failed before, not changed: see 'polyreel doctor'. {again}", soft_wrap=True)


def _print_failures(failures: Sequence[MediaError | str], what: str) -> None:
    if not failures:
        return
    stdout.print(f"{count(len(failures), 'item')} {what}", style="yellow")
    for failure in failures[:_SHOWN_FAILURES]:
        stdout.print(f"  {failure}", markup=False, soft_wrap=True)
    if len(failures) > _SHOWN_FAILURES:
        stdout.print(f"  and {len(failures) - _SHOWN_FAILURES} more: see 'polyreel doctor'.")


def _print_remarks(remarks: Mapping[str, str]) -> None:
    """Name the files that were read in part, whose run is no failure."""
    if not remarks:
        return
    files = count(len(remarks), "file")
    stdout.print(f"Read in part: {files}, as 'polyreel doctor' says from now on:", style="yellow")
    for path, remark in list(remarks.items())[:_SHOWN_FAILURES]:
        stdout.print(f"  {printable(path)}: {remark}", markup=False, soft_wrap=True)
    if len(remarks) > _SHOWN_FAILURES:
        stdout.print(f"  and {len(remarks) - _SHOWN_FAILURES} more: see 'polyreel doctor'.")


def _document(report: IndexReport, folder: Path) -> dict[str, object]:
    document = asdict(report) | {"failed": [str(error) for error in report.failed], "library": str(folder)}
    videos, files = _counts(folder)
    return document | {"changed": report.changed, "searched": {"videos": videos, "files": files}}
