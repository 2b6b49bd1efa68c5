"""Subtitles of a video as captions: files beside it, and text tracks inside it."""

from __future__ import annotations

import html
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import pysubs2
from av.packet import Packet
from charset_normalizer import from_bytes

from polyreel.clips import Caption
from polyreel.errors import MediaError
from polyreel.languages import UNKNOWN, clean, detect, parse_tag

__all__ = [
    "SIDECAR_SUFFIXES",
    "SubtitleTrack",
    "read_sidecars",
    "read_subtitles",
    "sidecars",
    "sidecars_in",
]

SIDECAR_SUFFIXES = (".ass", ".srt", ".ssa", ".vtt")
_MAX_SIDECAR_BYTES = 32 << 20
_DETECTION_CHARS = 2_000
# What a WebVTT file holds besides its cues, and pysubs2 would take for their text: blocks of notes and
# styles, the line before a cue's times (its name), and times within a cue.
_VTT_ASIDES = re.compile(
    r"(?<=\n\n)(?:NOTE|STYLE|REGION)\b.*(?:\n.+)*|^(?!WEBVTT|.*-->).+\n(?=.*-->)|<[\d:.]+>", re.MULTILINE
)
# Track formats that carry text; the others are pictures of text.
_TEXT_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """All subtitles from one place.

    Attributes:
        source: file name of the sidecar, or "track N" for a track inside the video.
        captions: in the order of their times.
    """

    source: str
    captions: tuple[Caption, ...]


def sidecars(video: Path) -> list[Path]:
    """Subtitle files that belong to ``video``: ``name.srt``, ``name.de.vtt``, ``name.eng.forced.ass``."""
    return sidecars_in(video.parent).get(video.stem, [])


def sidecars_in(folder: Path) -> dict[str, list[Path]]:
    """All subtitle files of a folder, by each stem of a video that they would belong to."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SIDECAR_SUFFIXES)
    except OSError:
        return {}
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        parts = path.stem.split(".")
        for count in range(1, len(parts) + 1):
            by_stem.setdefault(".".join(parts[:count]), []).append(path)
    return by_stem


def read_sidecars(video: Path) -> tuple[list[SubtitleTrack], list[MediaError]]:
    """Every subtitle file beside ``video``, which need not be there itself, and what could not be read.

    A language is taken from the file's name; where that says nothing it is detected.
    """
    tracks, failures = [], []
    for path in sidecars(video):
        try:
            tracks.append(SubtitleTrack(path.name, tuple(_read_sidecar(path, _tag_in_name(video, path)))))
        except MediaError as error:
            failures.append(error)
    return [track for track in tracks if track.captions], failures


def read_subtitles(video: Path) -> tuple[list[SubtitleTrack], list[MediaError]]:
    """Every subtitle track of ``video``, beside it and inside it, and what could not be read.

    A language is taken from the file's or the track's name; where that says nothing it is detected.
    """
    tracks, failures = read_sidecars(video)
    try:
        tracks.extend(_read_embedded(video))
    except (av.error.FFmpegError, OSError) as error:
        failures.append(MediaError("the subtitle tracks cannot be read", item=video, value=error))
    return [track for track in tracks if track.captions], failures


def _tag_in_name(video: Path, sidecar: Path) -> str | None:
    parts = sidecar.name[len(video.stem) + 1 : -len(sidecar.suffix)].split(".")
    # "film.ts.srt" beside "film.ts" repeats the name of the video; it is not in Tsonga.
    if parts[0].lower() == video.suffix.lower().removeprefix("."):
        del parts[0]
    return next((tag for part in parts if (tag := parse_tag(part))), None)


def _read_sidecar(path: Path, tag: str | None) -> list[Caption]:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise MediaError("the subtitle file is no regular file", item=path)
        if facts.st_size > _MAX_SIDECAR_BYTES:
            raise MediaError("the subtitle file is too large", item=path, value=f"{facts.st_size:,} bytes")
        text = _decode_text(path.read_bytes())
        is_vtt = text.startswith("WEBVTT")
        lines = pysubs2.SSAFile.from_string(_without_asides(text) if is_vtt else text)
    except OSError as error:
        raise MediaError("the subtitle file cannot be read", item=path, value=error.strerror) from error
    # pysubs2 raises many kinds of error on malformed files.
    except (pysubs2.Pysubs2Error, ValueError, LookupError, AttributeError) as error:
        raise MediaError("the subtitle file is not in a known format", item=path, value=error) from error
    spans = [
        (html.unescape(line.plaintext) if is_vtt else line.plaintext, line.start / 1000, line.end / 1000)
        for line in lines
        if line.is_text
    ]
    return _captions(spans, tag)


def _without_asides(vtt: str) -> str:
    return _VTT_ASIDES.sub("", "\n".join(vtt.splitlines()))


def _decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(data).best()
        return str(best) if best is not None else data.decode("utf-8", errors="replace")


def _read_embedded(video: Path) -> Iterator[SubtitleTrack]:
    with av.open(f"file:{video}", metadata_errors="replace") as container:
        streams = [
            stream
            for stream in container.streams.subtitles
            if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
        ]
        if not streams:
            return
        video_start_s = min(
            (
                float(s.start_time * s.time_base)
                for s in container.streams.video
                if s.start_time and s.time_base
            ),
            default=0.0,
        )
        # Taken while the container is open: a stream's facts are gone with it.
        tags = {stream.index: parse_tag(stream.language or "") for stream in streams}
        spans: dict[int, list[tuple[str, float, float]]] = {index: [] for index in tags}
        for packet in container.demux(streams):
            if packet.pts is None or packet.time_base is None:
                continue
            start_s = float(packet.pts * packet.time_base) - video_start_s
            end_s = start_s + float((packet.duration or 0) * packet.time_base)
            spans[packet.stream.index].append((_packet_text(packet), start_s, end_s))
    for number, (index, tag) in enumerate(tags.items()):
        yield SubtitleTrack(f"track {number}", tuple(_captions(spans[index], tag)))


def _packet_text(packet: Packet[Any]) -> str:
    try:
        decoded: list[Any] = list(packet.decode())
    except av.error.FFmpegError:
        return ""
    return "\n".join(_plain_text(rect.ass) for rect in decoded if rect.type in (b"ass", b"text"))


def _plain_text(event: bytes) -> str:
    """The last of the nine fields of an ASS event, without its mark-up."""
    return pysubs2.SSAEvent(text=event.decode("utf-8", "replace").split(",", 8)[-1]).plaintext


def _captions(spans: Iterable[tuple[str, float, float]], tag: str | None) -> list[Caption]:
    kept = [
        (text, max(0.0, start_s), end_s)
        for raw, start_s, end_s in spans
        if (text := clean(raw)) and end_s >= max(0.0, start_s)
    ]
    language = tag or _detect_language(text for text, _, _ in kept)
    return [
        Caption(text, language, start_s, end_s)
        for text, start_s, end_s in sorted(kept, key=lambda span: span[1:])
    ]


def _detect_language(texts: Iterable[str]) -> str:
    joined = " ".join(texts)[:_DETECTION_CHARS]
    return detect(joined).language if joined else UNKNOWN
