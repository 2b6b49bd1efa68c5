"""``polyreel cut``: a moment as a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from polyreel.cli.options import AskedPath, Json, LibraryOption, default_library, one_film
from polyreel.cli.output import print_json, show_progress, stderr, stdout
from polyreel.errors import UsageError
from polyreel.remote.address import given_path, on_a_disk
from polyreel.units import clock, count, parse_clock

__all__ = ["cut"]


def cut(
    moment: str,
    /,
    *,
    start: str | None = None,
    end: str | None = None,
    out: Annotated[AskedPath, Parameter(name=["--out", "-o"])],
    fast: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    library: LibraryOption = None,
    json: Json = False,
) -> int:
    """Cut a moment out of a video, with its sound and subtitles: a hit of the last search, or any times.

    The cut shows exactly the pictures from the start to the end. Those of H.264, VP8 and VP9 are copied, and
    encoded anew between an end and the nearest key frame; those of other codecs are encoded anew where a cut
    does not begin and end at key frames. Subtitles in files beside the video are not cut.

    Example: polyreel cut 1 -o moment.mp4

    Args:
        moment: Rank of a hit of the last search, or a video file.
        start: Where it begins in the video, in seconds or as 1:02:03; by default as the table of hits has it.
        end: Where it ends.
        out: File to write: .mp4, .m4v, .mov, .mkv, .webm or .ts.
        fast: Encode nothing: begin at the key frame before the start, and end where pictures can.
        overwrite: Replace a file that is there.
    """
    from polyreel.library.own_files import require_not_own
    from polyreel.media.cuts.files import write_cut
    from polyreel.media.cuts.request import CutRequest
    from polyreel.media.cuts.targets import target_of

    folder, target = default_library(library), on_a_disk(out)
    target_of(target)
    source, start_s, end_s = _moment(moment, folder, start, end)
    require_not_own(folder, target)
    request = CutRequest(start_s, end_s, at_key_frames=fast)
    length_s = end_s - start_s
    with show_progress() as show:

        def on_time(done_s: float) -> None:
            shown = f"{clock(min(done_s, length_s))} of {clock(length_s)}"
            show("cutting", min(done_s, length_s), length_s, amount=shown)

        report = write_cut(source, target, request, overwrite=overwrite, on_time=on_time)
    if json:
        print_json({"file": str(target), "video": str(source), **report.model_dump(mode="json")})
        return 0
    copied = report.pictures - report.encoded
    stdout.print(
        f"{target}: {clock(report.start_s, digits=2)} to {clock(report.end_s, digits=2)} of {source.name}, "
        f"{count(copied, 'picture')} copied, {report.encoded:,} encoded anew ({report.codec}).",
        soft_wrap=True,
    )
    for what in report.left_out:
        stderr.print(f"Left out: {what}", style="yellow", markup=False, soft_wrap=True)
    return 0


def _moment(named: str, library: Path, start: str | None, end: str | None) -> tuple[Path, float, float]:
    """File, start and end in seconds."""
    if named.isascii() and named.isdecimal():
        from polyreel.library.last_hits import recall_hit

        hit = recall_hit(library, int(named))
        return (
            hit.video,
            hit.watch_start_s if start is None else _seconds("--start", start),
            hit.watch_end_s if end is None else _seconds("--end", end),
        )
    if start is None or end is None:
        raise UsageError(
            "a cut of a video needs --start and --end",
            item=named,
            remedy="Give both, in seconds or as 1:02:03, or the rank of a hit in place of the video",
        )
    return one_film(given_path(named)), _seconds("--start", start), _seconds("--end", end)


def _seconds(option: str, text: str) -> float:
    try:
        return parse_clock(text)
    except ValueError as error:
        raise UsageError(
            f"{option} is not a time", value=text, remedy="Give seconds, or a time such as 1:02:03"
        ) from error
