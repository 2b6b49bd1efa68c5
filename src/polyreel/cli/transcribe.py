"""``polyreel transcribe``: subtitles of what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter, validators

from polyreel.cli.formats import SUBTITLES, format_of
from polyreel.cli.options import AskedPath, Json, Languages, SpeechDevice, SpeechModel, one_film
from polyreel.cli.output import json_text, print_json, show_progress, stderr, stdout
from polyreel.errors import MediaError, UsageError
from polyreel.recognition.subtitle_files import (
    SubtitleFormat,
    as_documents,
    beside,
    main_language,
    require_disk,
    require_place,
    subtitle_text,
    write_subtitles,
)
from polyreel.remote.address import on_a_disk
from polyreel.units import clock, count

if TYPE_CHECKING:
    from polyreel.progress import ProgressDisplay
    from polyreel.recognition.protocol import LineRecogniser, RecognisedLine

__all__ = ["transcribe"]


def transcribe(
    videos: list[AskedPath],
    /,
    *,
    to: Annotated[SubtitleFormat | None, Parameter(name="--to")] = None,
    next_to: Annotated[bool, Parameter(name="--beside", negative="")] = False,
    out: Annotated[AskedPath | None, Parameter(name=["--out", "-o"])] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    languages: Languages = None,
    track: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    speech_model: SpeechModel = None,
    device: SpeechDevice = None,
    json: Json = False,
) -> int:
    """Write down what is said in videos, as subtitles.

    Example: polyreel transcribe holiday.mp4 --to srt --beside

    Args:
        videos: Video or sound files.
        to: Format of the subtitles; by default as the ending of --out says, or srt.
        next_to: Write a file beside each video, such as holiday.en.srt; none is replaced.
        out: File to write; subtitles go to stdout without it.
        overwrite: Let --out replace a file that is there.
        track: Number of the one sound track to hear, from 1; by default one of each language.
    """
    _require_one_shape(to, out, beside=next_to, overwrite=overwrite, json=json)
    target = None if out is None else on_a_disk(out)
    form = _form(to, target)
    if len(videos) > 1 and form != "json" and (target is not None or not (next_to or json)):
        raise UsageError(
            "subtitles of several videos cannot be one text",
            value=f"{len(videos)} videos",
            remedy="Use --beside, which writes a file beside each, or --to json",
        )
    films = [one_film(video) for video in videos]
    if next_to:
        for film in films:
            require_disk(film)
    if target is not None:
        require_place(target, overwrite=overwrite)
    from polyreel.recognition.registry import load_speech

    done: list[dict[str, Any]] = []
    failed: list[str] = []
    with show_progress() as show:
        engine = load_speech(
            speech_model,
            device=device,
            track=None if track is None else track - 1,
            download=show.download,
        )
        for video in films:
            try:
                lines, has_sound = _lines(engine, video, languages or (), show)
                if not lines:
                    why = "nothing was heard that is speech" if has_sound else "it has no sound"
                    show.say(f"{video.name}: {why}", style="yellow")
                done.append(_document(video, engine, lines))
                if next_to:
                    path = beside(video, main_language(lines), form)
                    write_subtitles(path, _text(done[-1], lines, form))
                    done[-1]["file"] = str(path)
                elif target is not None and form != "json":
                    write_subtitles(target, _text(done[-1], lines, form), overwrite=overwrite)
                    done[-1]["file"] = str(target)
            except (MediaError, UsageError) as error:
                if isinstance(error, UsageError) and not next_to:
                    raise
                failed.append(str(error))
                show.say(f"left out: {error}", style="yellow")
                continue
            if not json and target is None and not (next_to or form == "json"):
                print(_text(done[-1], lines, form), end="")
    document = {"transcripts": done, "failed": failed}
    if target is not None and form == "json" and done:
        write_subtitles(target, json_text(document) + "\n", overwrite=overwrite)
        for each in done:
            each["file"] = str(target)
    if json or (form == "json" and target is None and not next_to):
        print_json(document)
    else:
        for each in done:
            if "file" in each:
                said = count(len(each["lines"]), "line")
                stdout.print(f"{each['file']}: {said}", markup=False, soft_wrap=True)
    return 1 if failed else 0


def _require_one_shape(
    to: SubtitleFormat | None, out: Path | None, *, beside: bool, overwrite: bool, json: bool
) -> None:
    """Refuse options of which one would be ignored."""
    if out is not None and beside:
        what, value, remedy = "subtitles are written to one place", "--beside and -o", "Leave one of them out"
    elif overwrite and out is None:
        what, value = "nothing is replaced without -o", "--overwrite"
        remedy = "Name the file by -o, or remove the one that is there"
    elif json and out is None and not beside and to not in (None, "json"):
        what, value = "--json prints one document, and no subtitles", f"--to {to}"
        remedy = "Leave one of the two out, or write the subtitles to a file by --beside or -o"
    else:
        return
    raise UsageError(what, value=value, remedy=remedy)


def _form(to: SubtitleFormat | None, out: Path | None) -> SubtitleFormat:
    if out is None:
        return to or "srt"
    return cast(SubtitleFormat, format_of(out, to, SUBTITLES, option="--to"))


def _lines(
    engine: LineRecogniser, video: Path, languages: Sequence[str], show: ProgressDisplay
) -> tuple[list[RecognisedLine], bool]:
    """What was said, and whether there was anything to hear."""
    lines: list[RecognisedLine] = []
    has_sound = False
    show(f"listening to {video.name}", 0, None)
    for stretch in engine.recognise(video, languages=languages):
        has_sound = True
        lines += stretch.lines
        show(f"listening to {video.name}", stretch.until.time_s, None, amount=clock(stretch.until.time_s))
        for remark in stretch.remarks:
            stderr.print(f"{video.name}: {remark}", style="yellow", markup=False, soft_wrap=True)
    return sorted(lines, key=lambda line: line.start_s), has_sound


def _document(video: Path, engine: LineRecogniser, lines: Sequence[RecognisedLine]) -> dict[str, Any]:
    return {"video": str(video), "engine": engine.engine, "lines": as_documents(lines)}


def _text(document: dict[str, Any], lines: Sequence[RecognisedLine], to: SubtitleFormat) -> str:
    if to == "json":
        return json_text(document) + "\n"
    return subtitle_text(lines, to)
