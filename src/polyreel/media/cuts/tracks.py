"""What goes with the pictures of a cut: sound, subtitles, and what the file says about itself."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.error
from av.codec.codec import Codec, UnknownCodecError
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.subtitle import SubtitleSet

from polyreel.media.decode import packets_of
from polyreel.media.frame_rates import count_of_timecode, drops_frames, timecode

__all__ = [
    "Window",
    "described",
    "kept_chapters",
    "same_stream",
    "shifted_timecode",
    "sound_packets",
    "text_packets",
    "text_stream",
]

# Subtitles that came on longer ago than this are not looked for.
_LONGEST_LINE_S = 60.0
_SOUND_LEAD_S = 1.0
_PREROLL_PACKETS = 2  # the one that the start lies in, and the one that its decoder has to have heard
_LINE_UNIT = Fraction(1, 1000)
_EMPTY_TEXT = b"\x00\x00"
# Facts of a file that are not true of a part of it, or that a muxer states itself.
_OF_THE_WHOLE = re.compile(
    r"(?i)(encoder|major_brand|minor_version|compatible_brands|timecode|duration.*|number_of_.*"
    r"|_statistics.*|bps(-.*)?|source_id|vendor_id)"
)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a film that is kept.

    Attributes:
        start_s, end_s: seconds of the file's own time stamps.
    """

    start_s: Fraction
    end_s: Fraction


def sound_packets(
    container: InputContainer, outputs: Mapping[int, Stream], window: Window, *, trims: bool
) -> Iterator[Packet[Any]]:
    """The packets of sound tracks, on the clock of the cut.

    Args:
        container: opened for this alone.
        outputs: index of a track -> the one that it becomes.
        window: what is kept.
        trims: whether sound before the start may come along, under negative times.
    """
    if not outputs:
        return
    streams = [stream for stream in container.streams if stream.index in outputs]
    _seek(container, float(window.start_s) - _SOUND_LEAD_S)
    before: dict[int, deque[Packet[Any]]] = {index: deque(maxlen=_PREROLL_PACKETS) for index in outputs}
    ended: set[int] = set()
    for packet in _readable(container, streams):
        index, unit = packet.stream.index, packet.time_base
        assert packet.pts is not None
        if index in ended:
            continue
        begins_s, lasts_s = packet.pts * unit, (packet.duration or 0) * unit
        if begins_s + lasts_s / 2 > window.end_s:
            ended.add(index)
            if len(ended) == len(outputs):
                return
            continue
        is_bare = packet.stream.codec_context.name.startswith("pcm_")
        if begins_s < window.start_s:
            if is_bare and begins_s + lasts_s > window.start_s:
                packet = _later_part(packet, window.start_s)
            else:
                before[index].append(packet)
                continue
        if trims and not is_bare:
            while before[index]:
                yield _moved(before[index].popleft(), outputs[index], window)
        yield _moved(packet, outputs[index], window)


def text_packets(
    container: InputContainer, outputs: Mapping[int, Stream], window: Window
) -> Iterator[Packet[Any]]:
    """The lines of subtitle tracks, on the clock of the cut; a line that goes on beyond an end is shortened.

    Args: those of ``sound_packets``.
    """
    if not outputs:
        return
    streams = [stream for stream in container.streams if stream.index in outputs]
    _seek(container, float(window.start_s) - _LONGEST_LINE_S)
    done: set[int] = set()
    for packet in _readable(container, streams):
        output, unit = outputs[packet.stream.index], packet.time_base
        assert packet.pts is not None
        if packet.pts * unit >= window.end_s:
            done.add(packet.stream.index)
            if len(done) == len(outputs):
                return
            continue
        begins_s = max(packet.pts * unit, window.start_s)
        ends_s = min((packet.pts + (packet.duration or 0)) * unit, window.end_s)
        if ends_s <= begins_s or bytes(packet) == _EMPTY_TEXT:
            continue
        kept = _as(packet, output)
        if kept is None:
            continue
        kept.time_base = _LINE_UNIT
        kept.pts = kept.dts = round((begins_s - window.start_s) / _LINE_UNIT)
        kept.duration = max(1, round((ends_s - begins_s) / _LINE_UNIT))
        kept.stream = output
        yield kept


def described(facts: Mapping[str, str]) -> dict[str, str]:
    """What a file or a track says about itself, without what is not true of a part of it."""
    return {name: value for name, value in facts.items() if not _OF_THE_WHOLE.fullmatch(name)}


def shifted_timecode(stated: str, by_s: Fraction, rate: Fraction) -> str | None:
    """A time code so much later; None if it is none.

    Args:
        stated: of the film's first picture.
        by_s: seconds.
        rate: frames a second.
    """
    first = count_of_timecode(stated, rate)
    if first is None:
        return None
    return timecode(first + round(by_s * rate), rate, drop=":" not in stated[-3:] and drops_frames(rate))


def kept_chapters(source: InputContainer, window: Window) -> list[Any]:
    """Its chapters, on the clock of the cut."""
    kept: list[Any] = []
    for chapter in source.chapters():
        unit = chapter["time_base"]
        if unit is None:
            continue
        begins_s = max(chapter["start"] * unit, window.start_s)
        ends_s = min(chapter["end"] * unit, window.end_s)
        if begins_s < ends_s:
            kept.append(
                {
                    "id": len(kept) + 1,
                    "start": round((begins_s - window.start_s) / _LINE_UNIT),
                    "end": round((ends_s - window.start_s) / _LINE_UNIT),
                    "time_base": _LINE_UNIT,
                    "metadata": chapter["metadata"],
                }
            )
    return kept


def same_stream(output: OutputContainer, template: Any) -> Any:
    """A track of the same kind as another one, to which packets are copied."""
    try:
        Codec(template.codec_context.codec.name, "w")
    except UnknownCodecError:
        # PyAV looks for an encoder under the name of the decoder, such as libdav1d, though none is needed.
        return output.add_stream_from_template(template, opaque=True)
    return output.add_stream_from_template(template)


def text_stream(output: OutputContainer, codec: str, template: Any) -> Stream:
    """A track for lines that are turned into another codec.

    Args:
        output: what it is part of.
        codec: of the lines to be written.
        template: track that they come from.
    """
    made: Any = output.add_stream(codec)
    made.codec_context.subtitle_header = template.codec_context.subtitle_header or _PLAIN_HEADER
    made.codec_context.time_base = _LINE_UNIT
    stream: Stream = made
    return stream


_PLAIN_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Arial,16\n\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


def _seek(container: InputContainer, to_s: float) -> None:
    begins_s = (container.start_time or 0) / av.time_base
    if to_s > begins_s:
        container.seek(round(to_s * av.time_base))


def _readable(container: InputContainer, streams: Iterable[Stream]) -> Iterator[Packet[Any]]:
    """Packets with content and a time; a file that is cut short ends where it does."""
    for packet in packets_of(container, *streams):
        if packet.pts is not None and packet.time_base:
            yield packet


def _moved(packet: Packet[Any], output: Stream, window: Window) -> Packet[Any]:
    assert packet.pts is not None
    packet.pts -= round(window.start_s / packet.time_base)
    packet.dts = packet.pts
    packet.stream = output
    return packet


def _later_part(packet: Packet[Any], from_s: Fraction) -> Packet[Any]:
    """What of a packet of bare samples lies behind an instant."""
    assert packet.pts is not None
    unit, data, duration = packet.time_base, bytes(packet), packet.duration or 0
    samples = round(duration * unit * packet.stream.codec_context.sample_rate)
    skipped = round((from_s - packet.pts * unit) * packet.stream.codec_context.sample_rate)
    if not samples or len(data) % samples:
        return packet
    part: Packet[Any] = Packet(data[skipped * (len(data) // samples) :])
    part.time_base, part.stream, part.is_keyframe = unit, packet.stream, True
    part.pts = part.dts = round(from_s / unit)
    part.duration = packet.pts + duration - part.pts
    return part


def _as(packet: Packet[Any], output: Any) -> Packet[Any] | None:
    """A line in the codec of another track; None if nothing of it can be read."""
    if packet.stream.codec_context.name == output.codec_context.name:
        return packet
    try:
        read: list[Any] = list(packet.decode())
    except av.error.FFmpegError:
        return None
    events = [rect.ass for rect in read if rect.type in (b"ass", b"text")]
    if not events:
        return None
    # The length is the packet's: what it says here is passed over by the codecs that are written.
    words = SubtitleSet.create(
        b"\\N".join([events[0], *(each.split(b",", 8)[-1] for each in events[1:])]), 0, 1
    )
    try:
        made: Packet[Any] = output.codec_context.encode_subtitle(words)
    except av.error.FFmpegError:
        return None
    return made
