"""``polyreel doctor``: what is in the library, what could not be read and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from polyreel.cli.options import Json, LibraryOption, default_library
from polyreel.cli.output import print_columns, print_error, print_json, stdout
from polyreel.errors import LibraryError
from polyreel.recognition.screen.weights import UNREADABLE
from polyreel.remote.address import in_bucket
from polyreel.units import count, size, videos_in_files

if TYPE_CHECKING:
    from polyreel.library.store.doctor import LibraryHealth
    from polyreel.library.store.installation import Installation
    from polyreel.library.store.recognised import FileProblem, RecognisedHealth

__all__ = ["doctor"]

_SHOWN = 10


def doctor(*, library: LibraryOption = None, json: Json = False) -> int:
    """Report the library's health: unreadable files and why, versions, space, bundle.

    Without a library, what is installed is told, then that there is none (exit code 1).

    Example: polyreel doctor --json
    """
    from polyreel.library.store.doctor import examine
    from polyreel.library.store.state import require_state

    place = default_library(library)
    try:
        require_state(place)
    except LibraryError as error:
        return _without_library(error, json=json)
    health = examine(place)
    if json:
        print_json(health.model_dump(mode="json"))
        return 0 if health.usable else 1
    print_columns(
        [
            ("library", health.library),
            ("bundle", f"{health.bundle} - {health.bundle_state}"),
            ("device", health.device),
            (
                "contents",
                f"{videos_in_files(health.videos, health.files)}, {count(health.clips, 'clip')}, "
                f"{count(health.subtitles, 'line')}",
            ),
            *(
                (
                    "also there",
                    f"vectors of {made.bundle}: {count(made.clips, 'clip')}, "
                    f"{count(made.subtitles, 'subtitle line')}",
                )
                for made in health.generations[1:]
            ),
            ("search", _searched(health.ways)),
            *([("languages", ", ".join(health.languages))] if health.languages else []),
            *([("speech", heard)] if (heard := _told(health.speech, "heard")) else []),
            *([("screen text", read)] if (read := _told(health.screen_text, "read")) else []),
            ("space", ", ".join(f"{name} {size(used)}" for name, used in health.space_bytes.items())),
            *_installed(health),
        ]
    )
    if not health.measured:
        stdout.print(
            "\nUnmeasured: how much a match means in this library is not known, so no hit has a strength.",
            style="yellow",
        )
        stdout.print(
            "The next 'polyreel search' measures it if it was measured before, else 'polyreel index' does; "
            "in Python, as for an encoder of your own, library.calibrate().",
            soft_wrap=True,
        )
    for damage in health.damage:
        stdout.print(f"\n{damage}", style="red", markup=False, soft_wrap=True)
    if health.copies:
        stdout.print(f"\nCopies, found as one with another file: {count(len(health.copies), 'file')}")
        _print_paths(
            [f"{copy}, of {original}" for copy, original in health.copies.items()], "polyreel videos list"
        )
    if health.unencoded:
        unencoded = count(len(health.unencoded), "file")
        stdout.print(f"\nNot searched by what they show: {unencoded}", style="yellow")
        _print_paths(health.unencoded, "polyreel doctor --json")
        stdout.print(
            f"They could not be read when the library moved to {health.bundle}; "
            "'polyreel index' encodes them."
        )
    if health.missing:
        stdout.print(
            f"\nNot on the disk now, though searches find them: {count(len(health.missing), 'file')}",
            style="yellow",
        )
        _print_paths(health.missing, "polyreel videos list --missing")
        for folder in health.gone_folders:
            said = (
                f"Nothing is to be seen in {folder}: are there the network and credentials for it?"
                if in_bucket(folder)
                else f"The folder {folder} is gone: is a drive not mounted?"
            )
            stdout.print(said, markup=False, soft_wrap=True)
        if not all(map(in_bucket, health.missing)):
            stdout.print("'polyreel videos relocate OLD NEW' tells where they are now, 'forget' drops them.")
        elif not health.gone_folders:
            stdout.print("'polyreel index --prune' on their folder drops what is gone.")
    if health.failed:
        stdout.print(f"\nLeft out: {count(len(health.failed), 'file')}", style="yellow")
        _print_problems(health.failed, gone=health.left_out_gone)
        stdout.print("Once they are mended, 'polyreel index' reads them again.")
    if health.half_read:
        stdout.print(
            f"\nHalf read, and not searched yet: {count(len(health.half_read), 'file')}", style="yellow"
        )
        _print_problems(health.half_read, gone=health.left_out_gone)
    if health.left_out_gone:
        stdout.print("'polyreel videos forget' drops what is not there.")
    for what, stage, again in (
        ("heard", health.speech, "listens to them again"),
        ("read for text on the screen", health.screen_text, "reads them again"),
    ):
        if stage.failed:
            stdout.print(f"\nNot {what}: {count(len(stage.failed), 'file')}", style="yellow")
            _print_problems(stage.failed)
            stdout.print(f"'polyreel index --retry-failed' {again}.")
    if health.remarks:
        stdout.print(f"\nRead in part: {count(len(health.remarks), 'file')}", style="yellow")
        _print_problems(health.remarks)
    left_out = (health.failed, health.half_read, health.missing, health.unencoded)
    if not health.paths and not health.damage:
        stdout.print("\nThe library is empty: 'polyreel index FOLDER' fills it.")
    elif not any((*left_out, health.remarks, health.damage)):
        stdout.print("Every file was read in full.")
    return 0 if health.usable else 1


def _without_library(error: LibraryError, *, json: bool) -> int:
    """What can be said without one, which is when people need it; then what is wrong with it."""
    from polyreel.library.store.installation import installation

    here = installation()
    kind = type(error).__name__
    if json:
        print_json(
            {"error": {"kind": kind, "message": str(error)}, "installation": here.model_dump(mode="json")}
        )
    else:
        bundle = ("bundle", f"{here.bundle} - {here.bundle_state}")
        print_columns([bundle, ("device", here.device), *_installed(here)])
    print_error(str(error), as_json=False, kind=kind)
    return error.exit_code


def _installed(found: LibraryHealth | Installation) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return [("extras", ", ".join(found.extras) or "none"), ("versions", versions)]


def _searched(ways: Mapping[str, str]) -> str:
    clips, lines = ways["clips"], ways["subtitles"]
    return clips if clips == lines else f"clips {clips}; subtitle lines {lines}"


def _told(stage: RecognisedHealth, done: str) -> str:
    parts = [f"{count(videos, 'video')} {done} by {engine}" for engine, videos in stage.heard.items()]
    if stage.lines:
        parts.append(count(stage.lines, "line"))
    if stage.spared:
        parts.append(f"{stage.spared:,} whose subtitles say the same")
    if stage.half_heard:
        parts.append(f"{len(stage.half_heard):,} half {done}")
    # Who does without it need not read about it.
    if stage.unheard and parts:
        parts.append(f"{len(stage.unheard):,} not {done} yet")
    if parts and done == "read":
        parts.append(f"no text in {UNREADABLE} letters")
    return ", ".join(parts)


def _print_problems(problems: Iterable[FileProblem], *, gone: Sequence[str] = ()) -> None:
    for problem in problems:
        named = "" if problem.path in problem.message else f"{problem.path}: "
        state = " (It is not there now.)" if problem.path in gone else ""
        stdout.print(f"  {named}{problem.message}{state}", markup=False, soft_wrap=True)


def _print_paths(paths: Sequence[str], all_of_them: str) -> None:
    for path in paths[:_SHOWN]:
        stdout.print(f"  {path}", markup=False, soft_wrap=True)
    if len(paths) > _SHOWN:
        stdout.print(f"  and {len(paths) - _SHOWN:,} more: see '{all_of_them}'")
