"""``polyreel transcribe``: subtitles of what is said."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from polyreel.cli.options import AskedPath, Json, Languages, SpeechDevice, SpeechModel, one_film
from polyreel.cli.output import print_json, show_progress, stderr, stdout
from polyreel.errors import MediaError, UsageError
from polyreel.recognition.subtitle_files import (
    SubtitleFormat,
    as_documents,
    beside,
    main_language,
    require_disk,
    subtitle_text,
    write_beside,
)
from polyreel.units import clock, count

if TYPE_CHECKING:
    from polyreel.progress import ProgressDisplay
    from polyreel.recognition.protocol import LineRecogniser, RecognisedLine

__all__ = ["transcribe"]


def transcribe(
    videos: list[AskedPath],
    /,
    *,
    to: Annotated[SubtitleFormat, Parameter(name="--to")] = "srt",
    next_to: Annotated[bool, Parameter(name="--beside", negative="")] = False,
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
        to: Format of the subtitles.
        next_to: Write a file beside each video, such as holiday.en.srt; none is replaced.
        track: Number of the one sound track to hear, from 1; by default one of each language.
    """
    if len(videos) > 1 and to != "json" and not (next_to or json):
        raise UsageError(
            "subtitles of several videos cannot be one text",
            value=f"{len(videos)} videos",
            remedy="Add --beside, which writes a file beside each, or --to json",
        )
    films = [one_film(video) for video in videos]
    if next_to:
        for film in films:
            require_disk(film)
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
                lines = _lines(engine, video, languages or (), show)
                if not lines:
                    show.say(f"{video.name}: nothing was heard that is speech", style="yellow")
                done.append(_document(video, engine, lines))
                if next_to:
                    path = beside(video, main_language(lines), to)
                    write_beside(path, _text(done[-1], lines, to))
                    done[-1]["file"] = str(path)
            except (MediaError, UsageError) as error:
                if isinstance(error, UsageError) and not next_to:
                    raise
                failed.append(str(error))
                show.say(f"left out: {error}", style="yellow")
                continue
            if not json and not (next_to or to == "json"):
                print(_text(done[-1], lines, to), end="")
    if json or (to == "json" and not next_to):
        print_json({"transcripts": done, "failed": failed})
    elif next_to:
        for document in done:
            if "file" in document:
                said = count(len(document["lines"]), "line")
                stdout.print(f"{document['file']}: {said}", markup=False, soft_wrap=True)
    return 1 if failed else 0


def _lines(
    engine: LineRecogniser, video: Path, languages: Sequence[str], show: ProgressDisplay
) -> list[RecognisedLine]:
    lines: list[RecognisedLine] = []
    show(f"listening to {video.name}", 0, None)
    for stretch in engine.recognise(video, languages=languages):
        lines += stretch.lines
        show(f"listening to {video.name}", stretch.until.time_s, None, amount=clock(stretch.until.time_s))
        for remark in stretch.remarks:
            stderr.print(f"{video.name}: {remark}", style="yellow", markup=False, soft_wrap=True)
    return sorted(lines, key=lambda line: line.start_s)


def _document(video: Path, engine: LineRecogniser, lines: Sequence[RecognisedLine]) -> dict[str, Any]:
    return {"video": str(video), "engine": engine.engine, "lines": as_documents(lines)}


def _text(document: dict[str, Any], lines: Sequence[RecognisedLine], to: SubtitleFormat) -> str:
    if to == "json":
        return json_module.dumps(document, ensure_ascii=False, indent=1) + "\n"
    return subtitle_text(lines, to)
