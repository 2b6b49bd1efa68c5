"""Cuts as files that are whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from polyreel.errors import UsageError
from polyreel.files import finished_file
from polyreel.media.cuts.request import CutReport, CutRequest
from polyreel.media.cuts.targets import target_of
from polyreel.media.film_facts import FilmFacts
from polyreel.media.limited import DecodeWorker, Limits, Messages
from polyreel.media.subtitles import sidecars_among, stem_key
from polyreel.remote.address import BucketPath

__all__ = ["facts_of", "write_cut"]

# Encoding takes more than decoding: of large pictures, a minute for each second.
_LIMITS = Limits(memory_bytes=3_000 << 20, silence_s=300.0, base_s=900.0, per_video_s=120.0)


def write_cut(
    source: Path,
    target: Path,
    request: CutRequest,
    *,
    overwrite: bool = False,
    limits: Limits = _LIMITS,
    on_time: Callable[[float], None] = lambda _: None,
) -> CutReport:
    """Write a part of a film to a file of its own.

    Args:
        source: the film.
        target: the file; its suffix says what is written.
        request: which part.
        overwrite: whether it may replace a file; the film itself it never does.
        limits: what cutting may take.
        on_time: told how many seconds of the cut are done.

    Raises:
        UsageError: the times or the target make no sense, or the target is there.
        MediaError: the film cannot be read or has nothing there, or the cut cannot be written.
        OSError: the target's folder is not there, or cannot be written to.
    """
    target_of(target)
    if not 0 <= request.start_s < request.end_s < float("inf"):
        raise UsageError(
            "a cut has to end after it starts",
            value=f"{request.start_s:g} to {request.end_s:g} s",
            remedy="Give --start and --end in seconds or as 1:02:03",
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError("the cut would replace the film itself", item=target, remedy="Give another name")
    try:
        with finished_file(target, overwrite=overwrite) as place, DecodeWorker(limits) as worker:
            report = _asked(worker, source, place, request, on_time)
    except FileExistsError as error:
        raise UsageError(
            "a file of this name is there", item=target, remedy="Give another name, or --overwrite"
        ) from error
    if beside := _subtitles_beside(source):
        stay = f"subtitles in files beside the film ({', '.join(beside)})"
        report = report.model_copy(update={"left_out": (*report.left_out, stay)})
    return report


def _subtitles_beside(source: Path) -> list[str]:
    """Names of the subtitle files of a film, which no cut takes along; none where that cannot be told."""
    files: list[Path]
    try:
        if isinstance(source, BucketPath):
            files = [BucketPath(each.address) for each in source.parent.entries() if not each.is_folder]
        else:
            files = list(source.parent.iterdir())
    except OSError:
        return []
    return [path.name for path in sidecars_among(files).get(stem_key(source), ())]


def facts_of(worker: DecodeWorker, path: Path) -> FilmFacts:
    """Facts of a film, read by a limited worker; raises as ``DecodeWorker.decode``.

    Args:
        worker: reads them.
        path: the film.
    """

    def facts(said: Messages) -> Iterator[FilmFacts]:
        for header, _ in said:
            yield FilmFacts.of_json(header["facts"])
            return

    with closing(worker.ask(path, {"task": "facts"}, facts)) as answers:
        return list(answers)[-1]


def _asked(
    worker: DecodeWorker, source: Path, place: Path, request: CutRequest, on_time: Callable[[float], None]
) -> CutReport:
    def told(said: Messages) -> Iterator[float | CutReport]:
        for header, _ in said:
            if header["kind"] == "done":
                yield CutReport.model_validate(header["report"])
                return
            yield float(header["time_s"])

    asked = {"task": "cut", "target": str(place.absolute()), "cut": asdict(request)}
    with closing(worker.ask(source, asked, told)) as answers:
        for answer in answers:
            if isinstance(answer, float):
                on_time(answer)
            else:
                report = answer
        return report
