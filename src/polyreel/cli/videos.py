"""``polyreel videos``: what a library knows, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from polyreel.cli.options import AskedPath, Json, LibraryOption, default_library
from polyreel.cli.output import print_columns, print_json, show_progress, stderr, stdout, width_of
from polyreel.errors import PolyreelError
from polyreel.units import clock, count, size

__all__ = ["app"]

app = App(name="videos", help="The videos of a library: list them, forget them, tell where they are now.")


@app.command(name="list")
def list_(
    *,
    library: LibraryOption = None,
    missing: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Videos that the library knows, with all paths of each.

    Example: polyreel videos list --missing

    Args:
        missing: Only those that are not on the disk now.
    """
    from polyreel.library.store.known_videos import known_videos

    videos = known_videos(default_library(library))
    if missing:
        videos = tuple(video for video in videos if not any(file.on_disk for file in video.files))
    if json:
        print_json([video.model_dump(mode="json") for video in videos])
        return 0
    rows: list[tuple[str, ...]] = [("length", "clips", "lines", "size", "changed", "file")]
    for video in videos:
        facts = (clock(video.duration_s), f"{video.clips:,}", f"{video.lines:,}")
        for place, file in enumerate(video.files):
            state = "" if file.on_disk else "  (not on the disk)"
            state += "" if file.status == "ok" else "  (left out)"
            own = (size(file.size_bytes), f"{file.modified:%Y-%m-%d}", file.path + state)
            rows.append((*(facts if place == 0 else ("", "", "copy")), *own))
    if stdout.is_terminal and width_of(rows) > stdout.width:
        # Paths are told first: what has no room is in the JSON.
        rows = [(*row[:3], row[-1]) for row in rows]
    print_columns(rows, right=len(rows[0]) - 1, heads=True)
    return 0


@app.command
def forget(
    paths: list[AskedPath],
    /,
    *,
    library: LibraryOption = None,
    json: Json = False,
) -> int:
    """Forget videos: they are no longer found. The files are not touched, and indexing them finds them again.

    Example: polyreel videos forget ~/Videos/old

    Args:
        paths: Files, and folders of them.
    """
    from polyreel.library.store.known_videos import forget as forget_paths

    folder = default_library(library)
    gone = forget_paths(folder, paths)
    if not json:
        stdout.print(f"Forgot {count(len(gone), 'file')}.")
    measured = _measured_again(folder)
    if json:
        print_json({"forgotten": list(gone), "measured": measured})
    return 0


@app.command
def relocate(
    old: AskedPath,
    new: AskedPath,
    /,
    *,
    library: LibraryOption = None,
    json: Json = False,
) -> int:
    """Tell the library that a folder has moved; nothing is read again.

    Example: polyreel videos relocate /media/old-disk/films /media/new-disk/films

    Args:
        old: Folder or file, as the library knows it.
        new: Where it is now.
    """
    from polyreel.library.store.known_videos import relocate as relocate_paths

    folder = default_library(library)
    done = relocate_paths(folder, old, new)
    if not json:
        stdout.print(f"{count(len(done.moved), 'file')} moved.")
    measured = _measured_again(folder)
    if json:
        print_json({**done.model_dump(mode="json"), "measured": measured})
        return 0 if done.moved else 1
    if done.missing:
        stdout.print(
            f"{len(done.missing):,} are not there, or of another size, and stay as they were:", style="yellow"
        )
        for path in done.missing[:10]:
            stdout.print(f"  {path}", markup=False, soft_wrap=True)
        if len(done.missing) > 10:
            stdout.print(f"  and {len(done.missing) - 10:,} more: see 'polyreel videos list --missing'.")
    return 0 if done.moved else 1


def _measured_again(folder: Path) -> bool:
    """Measure what a match means in what is left, as an index run does; whether that is known now."""
    from polyreel.library.search.search import calibrate_again

    why = ""
    with show_progress() as show:
        show("measuring what a match means", 0, None)
        try:
            measured = calibrate_again(folder)
        except (PolyreelError, KeyboardInterrupt) as error:  # what was asked for is done all the same
            measured, why = False, f" ({error})" if str(error) else ""
    if not measured:
        stderr.print(
            f"How much a match means in this library is not known now{why}: 'polyreel index' measures it.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    return measured
