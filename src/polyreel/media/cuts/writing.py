"""A part of a film as a file of its own, with its sound, its subtitles and what it says about itself.

Pictures are copied as they are. Those of H.264, VP8 and VP9 between a start or an end and the nearest key
frame are encoded anew, with parameter sets of their own; other codecs are copied where the cut begins and
ends at key frames, and else encoded anew as a whole.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import av.stream
from av.container import OutputContainer
from av.packet import Packet

from polyreel.errors import MediaError
from polyreel.media.cuts.film import NoTimesError, SourceFilm
from polyreel.media.cuts.pictures import CopiedPictures, EncodedPictures
from polyreel.media.cuts.request import CutReport, CutRequest
from polyreel.media.cuts.targets import CutTarget, target_of
from polyreel.media.cuts.tracks import (
    described,
    kept_chapters,
    same_stream,
    shifted_timecode,
    sound_packets,
    text_packets,
    text_stream,
)
from polyreel.units import count

__all__ = ["cut_video"]

_ADDED_NAMES = "com.apple."
# Bare pictures: Matroska holds them in name only.
_NEVER_COPIED = frozenset({"rawvideo", "wrapped_avframe"})


def cut_video(
    source: Path, target: Path, request: CutRequest, on_time: Callable[[float], None] = lambda _: None
) -> CutReport:
    """Write a part of ``source`` to ``target``, which is replaced if it is there.

    Args:
        source: a film.
        target: its suffix says what is written.
        request: which part.
        on_time: told how many seconds of the cut are done.

    Raises:
        MediaError: the film cannot be read or has nothing there, its codecs do not fit the kind of file, or
            the cut cannot be written.
        UsageError: the kind of file is unknown.
    """
    container = target_of(target)
    with ExitStack() as stack:
        film = SourceFilm(source, stack)
        try:
            pictures: CopiedPictures | EncodedPictures = CopiedPictures(film, request)
        except NoTimesError:
            pictures = EncodedPictures(film, request)
        cut = _Cut(film, pictures, container, stack)
        return cut.write(target, on_time)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Everything of a cut, to be written."""

    film: SourceFilm
    pictures: CopiedPictures | EncodedPictures
    target: CutTarget
    stack: ExitStack

    def write(self, path: Path, on_time: Callable[[float], None]) -> CutReport:
        film, window = self.film, self.pictures.window
        source, left_out = film.container, []
        options = self._options()
        try:
            with av.open(str(path), "w", format=self.target.muxer, options=options) as output:
                if not _holds(self.target, output, self.pictures.codec):
                    self.pictures.change_codec(self.target.pictures)
                picture_stream: Any = None
                sounds: dict[int, Any] = {}
                texts: dict[int, Any] = {}
                covers: list[tuple[int, Any]] = []
                for stream in source.streams:
                    made: Any = None
                    if stream.index == film.stream.index:
                        made = picture_stream = self.pictures.add_stream(output)
                    elif stream.type == "audio" and stream.codec_context is not None:
                        _require_sound(self.target, output, stream.codec_context.codec.canonical_name, path)
                        made = sounds[stream.index] = same_stream(output, stream)
                    elif stream.type == "subtitle" and (made := self._text(output, stream)) is not None:
                        texts[stream.index] = made
                    elif self._is_cover(output, stream):
                        made = same_stream(output, stream)
                        covers.append((stream.index, made))
                    elif stream.type == "attachment" and self.target.muxer == "matroska":
                        attached: Any = stream
                        output.add_attachment(attached.name, attached.mimetype, attached.data)
                    else:
                        left_out.append(_name(stream))
                    if made is not None:
                        self._describe(stream, made)
                output.metadata.update(described(source.metadata))
                self._carry_timecode(output)
                output.set_chapters(kept_chapters(source, window))
                tracks = [
                    sound_packets(film.open(), sounds, window, trims=self.target.trims),
                    # The edit list of an MP4 is made for pictures and would move the texts.
                    text_packets(
                        film.open({"advanced_editlist": "0"} if film.is_mp4 else None), texts, window
                    ),
                    self._covers(covers),
                ]
                everything = heapq.merge(
                    self.pictures.packets(picture_stream),
                    *tracks,
                    key=lambda packet: (packet.dts if packet.dts is not None else 0) * packet.time_base,
                )
                for packet in everything:
                    output.mux_one(packet)
                    on_time(float((packet.pts or 0) * packet.time_base))
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(
                "the cut cannot be written", item=path, value=getattr(error, "strerror", None) or error
            ) from error
        zero_s = film.zero_s
        if lost := self.pictures.shown - self.pictures.written:
            left_out.append(f"{count(lost, 'picture')} that cannot be decoded")
        return CutReport(
            start_s=float(window.start_s - zero_s),
            end_s=float(window.end_s - zero_s),
            codec=self.pictures.codec,
            pictures=self.pictures.written,
            encoded=self.pictures.encoded,
            sound=len(sounds),
            subtitles=len(texts),
            left_out=tuple(left_out),
        )

    def _options(self) -> dict[str, str]:
        if not self.target.trims:
            return {}
        facts = [*self.film.container.metadata]
        more = "+use_metadata_tags" if any(name.startswith(_ADDED_NAMES) for name in facts) else ""
        return {"movflags": f"+faststart{more}"}

    def _text(self, output: OutputContainer, stream: Any) -> Any:
        if stream.codec_context is None:
            return None
        name = stream.codec_context.name
        same = {"srt": "subrip", "ssa": "ass"}.get(name, name)
        is_text = same in {"subrip", "ass", "webvtt", "mov_text", "text"}
        if same in self.target.subtitles or (not is_text and self.target.muxer == "matroska"):
            return same_stream(output, stream)
        if not is_text or not self.target.subtitles:
            return None
        return text_stream(output, self.target.subtitles[0], stream)

    def _is_cover(self, output: OutputContainer, stream: Any) -> bool:
        is_cover = stream.type == "video" and bool(stream.disposition & av.stream.Disposition.attached_pic)
        return is_cover and self.target.trims and stream.codec_context is not None

    def _covers(self, covers: Sequence[tuple[int, Any]]) -> Iterator[Packet[Any]]:
        for index, made in covers:
            container = self.film.open()
            for packet in container.demux(container.streams[index]):
                if packet.size:
                    packet.pts = packet.dts = 0
                    packet.stream = made
                    yield packet
                    break

    def _describe(self, stream: Any, made: Any) -> None:
        made.metadata.update(described(stream.metadata))
        made.disposition = stream.disposition

    def _carry_timecode(self, output: OutputContainer) -> None:
        film = self.film
        facts = (film.container.metadata, film.stream.metadata)
        stated = next((each["timecode"] for each in facts if "timecode" in each), None)
        if stated and self.target.muxer in {"mov", "mp4", "matroska"}:
            by_s = self.pictures.window.start_s - film.zero_s
            if shifted := shifted_timecode(stated, by_s, film.rate):
                output.metadata["timecode"] = shifted


def _holds(target: CutTarget, output: OutputContainer, codec: str) -> bool:
    return codec in (target.codecs or output.supported_codecs) and codec not in _NEVER_COPIED


def _require_sound(target: CutTarget, output: OutputContainer, codec: str, path: Path) -> None:
    if not _holds(target, output, codec):
        raise MediaError(
            "this kind of file does not hold the sound of the film",
            item=path.suffix,  # its name is that of a temporary file
            value=codec,
            remedy="Name it .mkv",
        )


def _name(stream: Any) -> str:
    codec = getattr(stream.codec_context, "name", None) or "unknown"
    kind = {"video": "other pictures", "subtitle": "subtitles", "audio": "sound"}.get(
        stream.type, stream.type
    )
    return f"{kind} ({codec})"
