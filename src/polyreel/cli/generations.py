"""``polyreel bundles set`` and ``drop``: move a library to another bundle, and let the old vectors go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from polyreel.cli.options import Device, Json, LibraryOption, default_library, load_bundle
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import MediaError
from polyreel.interrupts import INTERRUPTED
from polyreel.remote.reach import parted_by_loss
from polyreel.units import count, duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyreel.library.index.events import IndexEvent
    from polyreel.library.index.generations import MoveEstimate, MoveReport
    from polyreel.progress import ProgressDisplay

__all__ = ["drop", "set_"]

_SHOWN = 10


def set_(
    name: Annotated[str, Parameter(help="Name or folder of the bundle.")],
    /,
    *,
    library: LibraryOption = None,
    estimate: Annotated[bool, Parameter(negative="")] = False,
    device: Device = None,
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=256))] = None,
    json: Json = False,
) -> int:
    """Let searches of a library use another bundle; until all is encoded, they go on with the present one.

    The vectors of the new bundle are made beside the old ones, from the videos. Ctrl-C pauses that, and so
    does a power cut; the same command goes on. What is indexed meanwhile is encoded by both. The old vectors
    stay until 'polyreel bundles drop', so that 'polyreel bundles set' with the old name goes back at once.

    Example: polyreel bundles set small

    Args:
        estimate: Only say what it would take.
        workers: Files decoded at once.
    """
    from polyreel.library.index.generations import estimate_move, move_library
    from polyreel.library.location import bundle_location
    from polyreel.library.search.search import calibrate_library
    from polyreel.library.store.state import require_state

    folder = default_library(library)
    require_state(folder)
    location = bundle_location(folder, name)
    bundle = load_bundle(location, device)
    work = estimate_move(folder, bundle, location=location)
    if estimate and json:
        print_json(asdict(work) | {"left": [str(error) for error in work.left], "library": str(folder)})
        return 0
    if not json:
        _print_estimate(work)
    if estimate:
        return 0
    with show_progress() as show:
        report = move_library(
            folder,
            bundle,
            location=location,
            workers=workers or len(os.sched_getaffinity(0)),
            on_event=_follow(show, bundle.card.name),
        )
        if not report.interrupted:
            show("measuring what a match means", 0, None)
            try:
                calibrate_library(folder, bundle)
            except KeyboardInterrupt:  # what was encoded before is told all the same
                report.interrupted = True
    if json:
        left = [str(error) for error in report.left]
        print_json(asdict(report) | {"left": left, "library": str(folder)})
    else:
        _print_report(report)
    if not report.interrupted:
        return 0
    return INTERRUPTED if parted_by_loss(report.left)[0] is None else 1


def drop(
    name: Annotated[str, Parameter(help="Name of the bundle, or the start of its identity.")],
    /,
    *,
    library: LibraryOption = None,
    force: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Remove the vectors of a bundle that searches of a library do not use; the bundle itself stays.

    Example: polyreel bundles drop small

    Args:
        force: Drop them even if the bundle in use has not encoded everything.
    """
    from polyreel.library.index.generations import drop_generation

    folder = default_library(library)
    label = drop_generation(folder, name, force=force)
    if json:
        print_json({"dropped": label, "library": str(folder)})
    else:
        stdout.print(f"The vectors of {label} are gone.")
    return 0


def _follow(show: ProgressDisplay, bundle: str) -> Callable[[IndexEvent], None]:
    from polyreel.library.index.events import Planned, Progressed, Settled, VectorIndexBegun

    done_bytes, total_bytes, done_files, files = 0.0, 0, 0, 0

    def follow(event: IndexEvent) -> None:
        nonlocal done_bytes, total_bytes, done_files, files
        match event:
            case Planned(files, total_bytes):
                done_bytes, done_files = 0.0, 0
            case Progressed(size_bytes):
                done_bytes += size_bytes
            case Settled(_, error):
                done_files += 1
                if error is not None:
                    show.say(f"keeps its vectors: {error}", style="yellow")
            case VectorIndexBegun():
                show(str(event), 0, None)
                return
            case _:
                return
        amount = f"{done_files:,}/{files:,} files"
        show(f"encoding for {bundle}", done_bytes, total_bytes, amount=amount)

    return follow


def _print_estimate(work: MoveEstimate) -> None:
    if not (work.clips or work.lines or work.left):
        return
    read = work.clips - work.from_features
    parts = [
        f"{count(read, 'clip')} of {count(work.files, 'file')} ({duration(work.video_s)} of video)",
        f"{count(work.from_features, 'clip')} from the kept features of their frames",
        count(work.lines, "subtitle line"),
    ]
    wanted = [
        part for part, number in zip(parts, (read, work.from_features, work.lines), strict=True) if number
    ]
    stdout.print(
        f"To encode for {work.bundle}: {' and '.join(wanted) or 'nothing that can be read'}; about "
        f"{duration(work.took_s)} and {size(work.disk_bytes)} on the disk. Until then searches use "
        f"{work.previous}."
    )
    if not work.can_return:
        stdout.print(
            f"There is no way back: {work.previous} is an encoder of a Python program, which no command has.",
            style="yellow",
        )
    _print_left(work.left)


def _print_report(report: MoveReport) -> None:
    if report.interrupted:
        lost, _ = parted_by_loss(report.left)
        if lost is not None:
            stdout.print(str(lost), style="yellow", markup=False, soft_wrap=True)
        stdout.print(
            f"Paused: {count(report.clips, 'clip')} and {count(report.lines, 'subtitle line')} are kept; run "
            "the same command to go on. "
            f"Searches use {report.bundle if report.switched else report.previous}.",
            style="yellow",
        )
        return
    if report.clips or report.lines:
        stdout.print(
            f"{count(report.clips, 'clip')} and {count(report.lines, 'subtitle line')} encoded in "
            f"{duration(report.took_s)}."
        )
    _print_left(report.left)
    if report.switched:
        kept = "'polyreel bundles set' goes back at once, 'polyreel bundles drop' lets them go"
        if not report.can_return:
            kept = "no command can go back to them, 'polyreel bundles drop' lets them go"
        stdout.print(f"Searches use {report.bundle} now. The vectors of {report.previous} are kept: {kept}.")
    else:
        stdout.print(f"Searches use {report.bundle}, as before.")


def _print_left(left: Sequence[MediaError]) -> None:
    if not left:
        return
    stdout.print(
        f"{count(len(left), 'file')} cannot be read now. Their pictures keep the vectors that they have, "
        "which searches by the other bundle leave out; their lines are searched:",
        style="yellow",
    )
    for error in left[:_SHOWN]:
        stdout.print(f"  {error}", markup=False, soft_wrap=True)
    if len(left) > _SHOWN:
        stdout.print(f"  and {len(left) - _SHOWN:,} more: see 'polyreel doctor'.")
