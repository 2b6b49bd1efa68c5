"""Subtitles of a video as captions: files beside it, and text tracks inside it."""

from __future__ import annotations

import contextlib
import html
import itertools
import re
import signal
import stat
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import av
import av.error
import pysubs2
from av.container import InputContainer
from av.packet import Packet

from polyreel.clips import Caption
from polyreel.errors import MediaError
from polyreel.files import open_regular
from polyreel.languages import UNKNOWN, clean, parse_tag
from polyreel.media.caption_languages import detect_lines
from polyreel.media.charsets import decode_text
from polyreel.media.closed_captions import CodedCaption
from polyreel.media.decode import clock_start_s
from polyreel.media.suffixes import VIDEO_SUFFIXES

__all__ = [
    "SIDECAR_SUFFIXES",
    "SubtitleTrack",
    "read_sidecars",
    "read_subtitles",
    "read_tracks",
    "sidecars",
    "sidecars_among",
    "sidecars_in",
    "stem_key",
]

SIDECAR_SUFFIXES = (".ass", ".srt", ".ssa", ".vtt")
_MAX_SIDECAR_BYTES = 32 << 20
_MAX_LINE_CHARS = 2_000
# Of all tracks together, each caption counted as so many characters more: six bytes each in a message.
_MAX_TOTAL_CHARS = 8_000_000
_CAPTION_COST_CHARS = 40
_TIME_LIMIT_S = 10.0
_SHOWN_REMARKS = 3
# Track formats that carry text; the others are pictures of text.
_TEXT_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})

_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_CUE_TIMES = re.compile(rf"\s*{_STAMP}\s*-+>\s*{_STAMP}")
_BROKEN_TIMES = re.compile(r"\s*[\d:.,]+\s*-->")
_ASS_STAMP = re.compile(r"\s*(\d{1,4}):(\d{1,2}):(\d{1,2})[.:,](\d{1,3})\s*")
_ASS_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
# Drawings of ASS, which would read as words; mark-up of all formats, and times within a cue of WebVTT.
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}[^{}]*")
_MARK_UP = re.compile(r"\{\\[^{}]*\}|</?[A-Za-z][^<>]{0,300}>|<[\d:.]+>")
_ASS_BLOCK = re.compile(r"\{[^{}]*\}")
_BREAK = re.compile(r"\\[Nn]")

# From this share of cues on that repeat the line before, captions are taken to roll up.
_ROLL_UP_SHARE = 0.4
_ROLL_UP_GAP_S = 0.5


@dataclass(frozen=True, slots=True)
class _Cue:
    """One cue as its file has it: the text with mark-up, the times, and the line (1 is the first)."""

    text: str
    start_s: float
    end_s: float
    line: int = 0


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    """All subtitles from one place.

    Attributes:
        source: file name of the sidecar, "track N" for a track inside the video, or "closed captions".
        captions: in the order of their times.
    """

    source: str
    captions: tuple[Caption, ...]

    def with_language(self) -> SubtitleTrack:
        """The track in the languages that are detected in its texts, unless it has one."""
        if any(caption.language != UNKNOWN for caption in self.captions):
            return self
        languages = detect_lines([caption.text for caption in self.captions])
        told = zip(self.captions, languages, strict=True)
        return replace(self, captions=tuple(replace(each, language=language) for each, language in told))


def stem_key(path: Path) -> str:
    """The name of a video without its ending, alike for both ways to write an accent and for capitals."""
    return _folded(path.stem)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def sidecars(video: Path) -> list[Path]:
    """Subtitle files that belong to ``video``: ``name.srt``, ``name.de.vtt``, ``name.eng.forced.ass``."""
    return sidecars_in(video.parent).get(stem_key(video), [])


def sidecars_in(folder: Path) -> dict[str, list[Path]]:
    """All subtitle files of a folder, by ``stem_key`` of the video that each belongs to.

    ``talk.part2.en.srt`` belongs to ``talk.part2.mp4`` alone; where no video of such a name is there, to any
    that would fit.
    """
    try:
        return sidecars_among(folder.iterdir())
    except OSError:
        return {}


def sidecars_among(files: Iterable[Path]) -> dict[str, list[Path]]:
    """As ``sidecars_in``, of a folder that was listed already."""
    paths = sorted(files)
    videos = {stem_key(path) for path in paths if path.suffix.lower() in VIDEO_SUFFIXES}
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix.lower() not in SIDECAR_SUFFIXES:
            continue
        parts = _folded(path.stem).split(".")
        stems = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        owner = next((stem for stem in stems if stem in videos), None)
        for stem in stems if owner is None else [owner]:
            by_stem.setdefault(stem, []).append(path)
    return by_stem


def read_sidecars(
    video: Path, beside: Sequence[Path] | None = None
) -> tuple[list[SubtitleTrack], list[MediaError]]:
    """Every subtitle file beside ``video``, which need not be there itself, and what was wrong with them.

    A language is taken from the file's name; where that says nothing it is detected. ``beside`` are the files
    if they are known already: a folder may be long to list.
    """
    tracks, problems = _read_sidecars(video, beside)
    return [track.with_language() for track in tracks], problems


def _read_sidecars(
    video: Path, beside: Sequence[Path] | None
) -> tuple[list[SubtitleTrack], list[MediaError]]:
    tracks: list[SubtitleTrack] = []
    problems: list[MediaError] = []
    for path in sidecars(video) if beside is None else beside:
        try:
            with _time_limit(path):
                tracks.append(_read_sidecar(path, _tag_in_name(video, path), problems))
        except MediaError as error:
            problems.append(error)
        # A malformed file makes a parser raise anything; it must cost no more than itself.
        except (Exception, RecursionError, MemoryError) as error:
            problems.append(
                MediaError(
                    "the subtitle file cannot be parsed", item=path, value=f"{type(error).__name__}: {error}"
                )
            )
    return [track for track in tracks if track.captions], problems


def read_subtitles(
    video: Path, beside: Sequence[Path] | None = None, closed_captions: Iterable[CodedCaption] = ()
) -> tuple[list[SubtitleTrack], list[MediaError]]:
    """Every subtitle track of ``video``, beside it and inside it, and what was wrong with them.

    A language is taken from the file's or the track's name; where that says nothing it is detected.

    Args:
        video: the file.
        beside: that of ``read_sidecars``.
        closed_captions: what decoding its pictures brought.
    """
    tracks, problems = read_tracks(video, beside, closed_captions)
    return [track.with_language() for track in tracks], problems


def read_tracks(
    video: Path, beside: Sequence[Path] | None, closed_captions: Iterable[CodedCaption]
) -> tuple[list[SubtitleTrack], list[MediaError]]:
    """As ``read_subtitles``, but nothing is detected: what no name tells the language of is ``UNKNOWN``.

    Args:
        video: the file.
        beside: that of ``read_sidecars``.
        closed_captions: what decoding its pictures brought.
    """
    tracks, problems = _read_sidecars(video, beside)
    try:
        tracks.extend(_read_embedded(video, problems))
    except (av.error.FFmpegError, OSError) as error:
        problems.append(MediaError("the subtitle tracks cannot be read", item=video, value=error))
    try:
        with _time_limit(video):
            tracks.append(_closed_captions_track(video, closed_captions, problems))
    except (MediaError, av.error.FFmpegError, OSError) as error:
        problems.append(MediaError("the closed captions cannot be read", item=video, value=error))
    return _within_budget(video, [track for track in tracks if track.captions], problems), problems


def _within_budget(
    video: Path, tracks: list[SubtitleTrack], problems: list[MediaError]
) -> list[SubtitleTrack]:
    """The tracks without those that would make all of them too large to be sent to the parent process."""
    kept, left = [], _MAX_TOTAL_CHARS
    for track in tracks:
        size = sum(len(caption.text) + _CAPTION_COST_CHARS for caption in track.captions)
        if size > left:
            what = "the subtitle lines are too many and were left out"
            problems.append(
                MediaError(what, item=video.with_name(track.source), value=f"{size:,} characters")
            )
            continue
        left -= size
        kept.append(track)
    return kept


@contextlib.contextmanager
def _time_limit(path: Path) -> Iterator[None]:
    """Ends what runs too long. Signals reach the main thread alone, in which the decoding worker reads."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise MediaError(
            "reading the subtitle file took too long and was stopped",
            item=path,
            value=f"over {_TIME_LIMIT_S:g} s",
            remedy="Convert it to SRT",
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _TIME_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _some(remarks: Sequence[str]) -> str | None:
    rest = len(remarks) - _SHOWN_REMARKS
    return "; ".join([*remarks[:_SHOWN_REMARKS], *([f"and {rest} more"] if rest > 0 else [])]) or None


def _tag_in_name(video: Path, sidecar: Path) -> str | None:
    parts = sidecar.stem.split(".")[len(video.stem.split(".")) :]
    # "film.ts.srt" beside "film.ts" repeats the name of the video; it is not in Tsonga.
    if parts and parts[0].lower() == video.suffix.lower().removeprefix("."):
        del parts[0]
    tags = [(part, tag) for part in parts if (tag := parse_tag(part))]
    # "film.hi.eng.srt" is for the hearing impaired; "hi" alone is Hindi.
    named = [tag for part, tag in tags if part.lower() != "hi"] or [tag for _, tag in tags]
    return named[0] if named else None


def _read_sidecar(path: Path, tag: str | None, problems: list[MediaError]) -> SubtitleTrack:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise MediaError("the subtitle file is no regular file", item=path)
        if facts.st_size > _MAX_SIDECAR_BYTES:
            raise MediaError("the subtitle file is too large", item=path, value=f"{facts.st_size:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise MediaError("the subtitle file cannot be read", item=path, value=error.strerror) from error
    text, doubt = decode_text(data, tag)
    if not text.strip("\ufeff \t\r\n"):
        return SubtitleTrack(path.name, ())  # empty, and so not broken
    remarks = [doubt] if doubt else []
    cues = _parse(text, path, remarks)
    captions = _captions(cues, tag, remarks)
    if not captions:
        raise MediaError("no line of the subtitle file can be read", item=path, value=_some(remarks))
    if remarks:
        problems.append(MediaError("the subtitle file was read with doubts", item=path, value=_some(remarks)))
    return SubtitleTrack(path.name, tuple(captions))


def _parse(text: str, path: Path, remarks: list[str]) -> list[_Cue]:
    """The cues of a file, taken for the format that its name says and, if it has none, for another."""
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    parsers = (
        [_parse_ass, _parse_timed] if path.suffix.lower() in {".ass", ".ssa"} else [_parse_timed, _parse_ass]
    )
    for parse in parsers:
        if cues := parse(lines, remarks):
            return cues
    try:
        parsed = pysubs2.SSAFile.from_string(text)
        return [_Cue(line.plaintext, line.start / 1000, line.end / 1000) for line in parsed if line.is_text]
    # pysubs2 raises many kinds of error on malformed files; the file holds no line that it knows.
    except (pysubs2.Pysubs2Error, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise MediaError(
            "the subtitle file is not in a known format", item=path, value=_some([str(error), *remarks])
        ) from error


def _parse_timed(lines: Sequence[str], remarks: list[str]) -> list[_Cue]:
    """SubRip and WebVTT: lines of times, each with the text that follows."""
    is_vtt = lines[0].startswith("WEBVTT")
    found = [(number, _CUE_TIMES.match(line)) for number, line in enumerate(lines) if "->" in line]
    broken = [n for n, match in found if match is None and _BROKEN_TIMES.match(lines[n])]
    if broken:
        remarks.append(f"line {broken[0] + 1}: its times cannot be read: {lines[broken[0]][:60]!r}")
    times = [(number, match) for number, match in found if match is not None]
    ends = [*sorted({*broken, *(number for number, _ in times)}), len(lines)]
    following = dict(itertools.pairwise(ends))
    cues = []
    for number, match in times:
        end = following[number]
        if end < len(lines) and lines[end - 1].strip().isdigit() and end - 1 > number:
            end -= 1  # the number of the next cue
        block = lines[number + 1 : end]
        if is_vtt:
            # A line of one space is no end: captions that roll up begin with it.
            block = block[: block.index("")] if "" in block else block
        start, stop = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        cues.append(_Cue(html.unescape(_without_mark_up("\n".join(block))), start, stop, number + 1))
    return cues


def _parse_ass(lines: Sequence[str], remarks: list[str]) -> list[_Cue]:
    """SSA and ASS, whether or not their other sections are there."""
    fields: Sequence[str] = _ASS_FIELDS
    in_events = False
    cues = []
    for number, line in enumerate(lines, start=1):
        kind, _, rest = line.partition(":")
        kind = kind.strip().lower()
        if line.startswith("["):
            in_events = line.strip().lower() == "[events]"
        elif kind == "format" and in_events:
            fields = [name.strip().lower() for name in rest.split(",")]
        elif kind == "dialogue":
            values = dict(zip(fields, rest.split(",", len(fields) - 1), strict=False))
            stamps = [_ASS_STAMP.fullmatch(values.get(name, "")) for name in ("start", "end")]
            if stamps[0] is None or stamps[1] is None:
                remarks.append(f"line {number}: its times cannot be read: {line[:60]!r}")
                continue
            start, stop = (_seconds(stamp.groups()) for stamp in stamps if stamp is not None)
            cues.append(_Cue(_plain_text(values.get("text", "")), start, stop, number))
    return cues


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    rest = int((fraction or "0").ljust(3, "0")) / 1000
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + rest


def _without_mark_up(text: str) -> str:
    return _BREAK.sub("\n", _MARK_UP.sub("", text[: 4 * _MAX_LINE_CHARS])).replace("\\h", " ")


def _plain_text(text: str) -> str:
    """The text field of an ASS event without its drawings and mark-up."""
    shown = _ASS_BLOCK.sub("", _DRAWING.sub("", text[: 4 * _MAX_LINE_CHARS]))
    return _BREAK.sub("\n", shown).replace("\\h", " ")


def _read_embedded(video: Path, problems: list[MediaError]) -> Iterator[SubtitleTrack]:
    with _opened(video) as container:
        streams = [stream.index for stream in _text_streams(container)]
        if not streams:
            return
        start_s = clock_start_s(container)
        is_mp4 = "mp4" in container.format.name
    # The edit list of an MP4 that was cut is made for pictures and would move the texts.
    with _opened(video, {"advanced_editlist": "0"} if is_mp4 else {}) as container:
        # Taken while the container is open: a stream's facts are gone with it.
        tags = {stream.index: parse_tag(stream.language or "") for stream in _text_streams(container)}
        cues: dict[int, list[_Cue]] = {index: [] for index in tags}
        for packet in container.demux(_text_streams(container)):
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base) - start_s
            end_s = at_s + float((packet.duration or 0) * packet.time_base)
            cues[packet.stream.index].append(_Cue(_packet_text(packet), at_s, end_s))
    for number, (index, tag) in enumerate(tags.items()):
        remarks: list[str] = []
        yield SubtitleTrack(f"track {number}", tuple(_captions(cues[index], tag, remarks)))
        if remarks:
            where = f"{video}, track {number}"
            problems.append(MediaError("the subtitle track was cut", item=where, value=_some(remarks)))


def _closed_captions_track(
    video: Path, captions: Iterable[CodedCaption], problems: list[MediaError]
) -> SubtitleTrack:
    remarks: list[str] = []
    cues = [_Cue(_plain_text(each.text), each.start_s, each.end_s) for each in captions]
    track = SubtitleTrack("closed captions", tuple(_captions(cues, None, remarks)))
    if remarks:
        problems.append(MediaError("the closed captions were cut", item=video, value=_some(remarks)))
    return track


def _opened(video: Path, options: dict[str, str] | None = None) -> InputContainer:
    with open_regular(video):  # FFmpeg would wait at a pipe
        return av.open(f"file:{video}", options=options or {}, metadata_errors="replace")


def _text_streams(container: InputContainer) -> list[Any]:
    return [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
    ]


def _packet_text(packet: Packet[Any]) -> str:
    try:
        decoded: list[Any] = list(packet.decode())
    except av.error.FFmpegError:
        return ""
    # The text is the last of the nine fields of an event.
    texts = (
        rect.ass.decode("utf-8", "replace").split(",", 8)[-1]
        for rect in decoded
        if rect.type in (b"ass", b"text")
    )
    return "\n".join(map(_plain_text, texts))


def _captions(cues: Iterable[_Cue], tag: str | None, remarks: list[str]) -> list[Caption]:
    ordered = sorted(
        (cue for cue in cues if cue.end_s >= max(0.0, cue.start_s)), key=lambda cue: (cue.start_s, cue.end_s)
    )
    kept = []
    for cue in _unrolled(ordered):
        text = clean(cue.text)
        if len(text) > _MAX_LINE_CHARS:
            place = f"line {cue.line}" if cue.line else f"at {cue.start_s:.1f} s"
            remarks.append(f"{place}: cut after {_MAX_LINE_CHARS:,} characters")
            text = text[:_MAX_LINE_CHARS].rstrip()
        if text:
            kept.append((text, max(0.0, cue.start_s), cue.end_s))
    return [Caption(text, tag or UNKNOWN, start_s, end_s) for text, start_s, end_s in kept]


def _unrolled(cues: list[_Cue]) -> list[_Cue]:
    """Captions that roll up, each line said once; other captions as they are."""
    lines = [[line for raw in cue.text.split("\n") if (line := clean(raw))] for cue in cues]
    repeated = [0] * len(cues)
    for at in range(1, len(cues)):
        if cues[at].start_s - cues[at - 1].end_s <= _ROLL_UP_GAP_S:
            before, now = lines[at - 1], lines[at]
            repeated[at] = next(
                (n for n in range(min(len(before), len(now)), 0, -1) if before[-n:] == now[:n]), 0
            )
    if len(cues) < 3 or sum(map(bool, repeated)) < _ROLL_UP_SHARE * len(cues):
        return cues
    kept: list[_Cue] = []
    for cue, own, count in zip(cues, lines, repeated, strict=True):
        if own[count:] or not kept:
            kept.append(_Cue("\n".join(own[count:]), cue.start_s, cue.end_s, cue.line))
        elif count:
            last = kept[-1]
            kept[-1] = _Cue(last.text, last.start_s, max(last.end_s, cue.end_s), last.line)
    return kept
