"""The pictures of a cut: copied as far as possible, or all encoded anew."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from polyreel.errors import MediaError
from polyreel.media.cuts.encoding import ENCODERS, THREADS, PictureEncoder, encoded_as
from polyreel.media.cuts.film import BEYOND_S, NoTimesError, SourceFilm, check_times, nothing_there
from polyreel.media.cuts.parameter_sets import ParameterSets, is_instant_refresh, with_lengths
from polyreel.media.cuts.plan import (
    REORDERED,
    CodedPicture,
    CutPlan,
    decode_stamps,
    plan_at_key_frames,
    plan_exactly,
)
from polyreel.media.cuts.request import CutRequest
from polyreel.media.cuts.tracks import Window, same_stream
from polyreel.media.decode import VideoReader

__all__ = ["CopiedPictures", "EncodedPictures"]

# Their pictures can follow on those of another encoder.
_SPLICED = frozenset({"h264", "vp8", "vp9"})
# A step back by more than reordered pictures make, or one this far ahead: a clock that starts again.
_BACK_S, _AHEAD_S = 2, 600
_SNAP_S = Fraction(1, 10)
_OWN_UNIT = Fraction(1, 90_000)


class CopiedPictures:
    """Pictures that are copied as far as possible."""

    def __init__(self, film: SourceFilm, request: CutRequest) -> None:
        if not film.has_times:
            raise NoTimesError
        self._film, self._at_key_frames = film, request.at_key_frames
        # A picture is shown at the start if it comes at or before it, and no longer if at the end or behind.
        start = math.floor((_exactly(request.start_s) + film.zero_s) / film.unit)
        end = math.ceil((_exactly(request.end_s) + film.zero_s) / film.unit)
        self._from, self._sets = start, _sets_of(film)
        pictures = self._scan(start, end)
        last_end = max((picture.pts + picture.duration for picture in pictures), default=0)
        check_times(film, request, float(last_end * film.unit - film.zero_s))
        snap = round(_SNAP_S / film.unit)
        plan = (
            plan_at_key_frames(pictures, start, end)
            if request.at_key_frames
            else plan_exactly(pictures, start, end, snap=snap)
        )
        if plan is None:
            raise nothing_there(film, request)
        if (plan.head or plan.tail) and (film.codec not in _SPLICED or not self._can_splice()):
            plan = plan.whole()
        self.plan: CutPlan = plan
        self.unit, self.encoded = film.unit, plan.encoded
        self.shown, self.written = len(plan.shown), 0
        self.window = Window(plan.origin * film.unit, plan.end * film.unit)
        self._pictures = pictures
        self.codec = film.codec if plan.copied else encoded_as(film.codec)
        self._encoder: PictureEncoder | None = None
        self._interlaced = False

    def change_codec(self, codec: str) -> None:
        """Encode all pictures anew, as the file to be written does not hold them as they are."""
        if self._at_key_frames:
            raise MediaError(
                "this kind of file does not hold the pictures of the film",
                item=self._film.path,
                value=self.codec,
                remedy="Name another kind, or cut without --fast, which encodes them anew",
            )
        self.codec, self.plan = codec, self.plan.whole()
        self.encoded = self.plan.encoded

    def _can_splice(self) -> bool:
        return self._film.codec != "h264" or self._sets is not None

    def _scan(self, start: int, end: int) -> list[CodedPicture]:
        _, packets = self._film.packets(start)
        pictures, after, highest = [], 0, None
        back, ahead = (round(span / self._film.unit) for span in (_BACK_S, _AHEAD_S))
        for packet in packets:
            assert packet.pts is not None
            if highest is not None and not highest - back < packet.pts < highest + ahead:
                raise NoTimesError
            highest = packet.pts if highest is None else max(highest, packet.pts)
            pictures.append(self._described(packet))
            after = after + 1 if packet.pts >= end else 0
            if after > REORDERED:
                break
        return pictures

    def _described(self, packet: Packet[VideoStream]) -> CodedPicture:
        splice, role, codec = packet.is_keyframe, "shown", self._film.codec
        if splice and codec == "h264":
            splice = self._sets is not None and is_instant_refresh(bytes(packet), self._sets.length_bytes)
        if codec == "vp8" and not bytes(packet)[0] & 0x10:
            role = "hidden"
        if packet.is_discard:
            role = "cut off"
        assert packet.pts is not None
        return CodedPicture(packet.pts, packet.duration or 0, packet.is_keyframe, splice, role)  # type: ignore[arg-type]

    def add_stream(self, output: OutputContainer) -> VideoStream:
        """The track that ``packets`` belong to."""
        film, plan = self._film, self.plan
        if not (plan.head or plan.tail):
            copied: VideoStream = same_stream(output, film.stream)
            copied.time_base = film.unit
            return copied
        span = plan.head or plan.tail
        first = next((frame for frame, _ in self._decode(span)), None) if span else None
        self._interlaced = first is not None and first.interlaced_frame
        stream, self._encoder = _add_stream(output, film, self.codec, self._encoder_facts)
        extradata = self._encoder.extradata
        if plan.copied and film.codec == "h264":
            assert self._sets is not None
            extradata = self._sets.joined(ParameterSets.read(extradata)).record()
        if self.codec == film.codec and (not plan.copied or film.codec == "h264"):
            stream.codec_context.extradata = extradata
        return stream

    def packets(self, output: VideoStream) -> Iterator[Packet[Any]]:
        """All pictures on the clock of the cut, in order of decoding."""
        plan, pictures = self.plan, self._pictures
        copied = [pictures[place].pts for place in plan.copied if pictures[place].pts >= plan.leading_from]
        edges = [
            [pts for pts in plan.shown if span and span[0] <= pts < span[1]]
            for span in (plan.head, plan.tail)
        ]
        shown = frozenset(plan.shown)
        in_order = [*edges[0], *copied, *edges[1]]
        moved = [max(0, pts - plan.origin) for pts in in_order]
        stamps = dict(zip(in_order, zip(moved, decode_stamps(moved), strict=True), strict=True))
        ends = dict(itertools.pairwise([*sorted(in_order), plan.end]))
        for packet, pts in itertools.chain(self._encode(plan.head), self._copy(), self._encode(plan.tail)):
            if pts not in stamps:
                continue
            packet.pts, packet.dts = stamps[pts]
            packet.duration = max(1, ends[pts] - plan.origin - packet.pts)
            packet.time_base, packet.stream = self.unit, output
            self.written += pts in shown
            yield packet

    def _copy(self) -> Iterator[tuple[Packet[Any], int]]:
        plan = self.plan
        if not plan.copied:
            return
        _, packets = self._film.packets(self._from)
        for packet in itertools.islice(packets, plan.copied.start, plan.copied.stop):
            assert packet.pts is not None
            if packet.pts < plan.leading_from:
                continue
            pts = packet.pts
            if self._encoder is not None and self._sets is not None and not self._sets.length_bytes:
                framed: Packet[Any] = Packet(with_lengths(bytes(packet), 4))
                framed.is_keyframe = packet.is_keyframe
                yield framed, pts
            else:
                yield packet, pts

    def _encode(self, span: tuple[int, int] | None) -> Iterator[tuple[Packet[Any], int]]:
        if span is None:
            return
        encoder = self._encoder if self._encoder is not None and self._encoder.is_fresh else None
        encoder = encoder or PictureEncoder(self._film, self.codec, **self._encoder_facts)
        yield from encoder.encode(self._decode(span))

    @property
    def _encoder_facts(self) -> dict[str, Any]:
        return {"interlaced": self._interlaced, "beside": self._sets if self.plan.copied else None}

    def _decode(self, span: tuple[int, int]) -> Iterator[tuple[VideoFrame, int]]:
        low, high = span
        stream, packets = self._film.packets(low)
        for frame in _frames(stream, packets, self._film.path, until=high):
            if frame.pts is not None and low <= frame.pts < high:
                yield frame, frame.pts


class EncodedPictures:
    """Pictures of files that do not say when they are shown: all are decoded, and encoded anew."""

    unit = _OWN_UNIT

    def __init__(self, film: SourceFilm, request: CutRequest) -> None:
        if request.at_key_frames:
            raise MediaError(
                "the file does not say when its pictures are shown, so they cannot be copied",
                item=film.path,
                remedy="Cut it without --fast, which encodes them anew",
            )
        self._film, self._request = film, request
        self.codec = encoded_as(film.codec)
        times = []
        self._interlaced = False
        for time_s, frame in self._timed_frames():
            times.append(time_s)
            self._interlaced = frame.interlaced_frame
        if self._jumps:
            raise MediaError(
                "the time stamps of the file jump, so that its sound cannot be cut",
                item=film.path,
                remedy="Convert it first, for instance to .mkv",
            )
        first = max((n for n, time_s in enumerate(times) if time_s <= request.start_s), default=0)
        wanted = [time_s for time_s in times[first:] if time_s < request.end_s]
        last_end = times[-1] + float(1 / film.rate) if times else 0.0
        check_times(film, request, last_end)
        if not wanted:
            raise nothing_there(film, request)
        start_s = wanted[0] if request.start_s - wanted[0] <= _SNAP_S else request.start_s
        after_s = next((time_s for time_s in times if time_s > wanted[-1]), last_end)
        self._first_s, self._ends = wanted[0], [*wanted[1:], min(after_s, request.end_s)]
        self._start_s = start_s
        self.shown = self.encoded = len(wanted)
        self.written = 0
        self.window = Window(
            _exactly(start_s) + film.zero_s,
            _exactly(self._ends[-1]) + film.zero_s,
        )

    def change_codec(self, codec: str) -> None:
        """As that of ``CopiedPictures``."""
        self.codec = codec

    def _timed_frames(self) -> Iterator[tuple[float, VideoFrame]]:
        with VideoReader(self._film.path, threads=THREADS) as reader:
            for time_s, frame in reader.timed_frames():
                yield time_s, frame
                if time_s > self._request.end_s + BEYOND_S:
                    break
            self._jumps = reader.jumps

    def add_stream(self, output: OutputContainer) -> VideoStream:
        """As that of ``CopiedPictures``."""
        facts = {"interlaced": self._interlaced}
        stream, self._encoder = _add_stream(output, self._film, self.codec, facts)
        if self.codec == self._film.codec:
            stream.codec_context.extradata = self._encoder.extradata
        return stream

    def packets(self, output: VideoStream) -> Iterator[Packet[Any]]:
        """As that of ``CopiedPictures``."""
        frames = (
            (frame, round(max(0.0, time_s - self._start_s) / _OWN_UNIT))
            for time_s, frame in self._timed_frames()
            if self._first_s <= time_s < self._request.end_s
        )
        ends = iter(self._ends)
        for packet, stamp in self._encoder.encode(frames):
            packet.pts = packet.dts = stamp
            packet.time_base, packet.stream = _OWN_UNIT, output
            self.written += 1
            packet.duration = max(1, round((next(ends) - self._start_s) / _OWN_UNIT) - stamp)
            yield packet


def _add_stream(
    output: OutputContainer, film: SourceFilm, codec: str, facts: dict[str, Any]
) -> tuple[VideoStream, PictureEncoder]:
    """A track that says of the pictures what the film's says, and an encoder for it."""
    if codec == film.codec:
        stream = same_stream(output, film.stream)
        encoder = PictureEncoder(film, codec, **facts)
    else:
        made: Any = output.add_stream(ENCODERS[codec], rate=film.rate)
        stream, encoder = (
            made,
            PictureEncoder(film, codec, **{**facts, "beside": None}, context=made.codec_context),
        )
    stream.time_base = film.unit if film.has_times else _OWN_UNIT
    return stream, encoder


def _frames(
    stream: VideoStream, packets: Iterator[Packet[VideoStream]], path: Path, *, until: int
) -> Iterator[VideoFrame]:
    """What packets decode to; those after the last picture that is wanted are not read."""
    codec, after = stream.codec_context, 0
    codec.thread_count, codec.thread_type = THREADS, "AUTO"
    got = False
    for packet in packets:
        assert packet.pts is not None
        after = after + 1 if packet.pts >= until else 0
        if after > REORDERED:
            break
        try:
            frames = codec.decode(packet)
        except av.error.FFmpegError:
            continue
        got = got or bool(frames)
        yield from frames
    try:
        last = codec.decode(None)
    except av.error.FFmpegError:
        last = []
    if not (got or last):
        raise MediaError("nothing there decodes", item=path, remedy="Cut it elsewhere, or with --fast")
    yield from last


def _exactly(seconds: float) -> Fraction:
    """What is meant by a number of seconds: to a microsecond."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _sets_of(film: SourceFilm) -> ParameterSets | None:
    if film.codec != "h264":
        return None
    try:
        read = ParameterSets.read(bytes(film.stream.codec_context.extradata or b""))
        _ = read.free_number
    except ValueError:
        return None
    return read
