"""Tiny real videos for tests, and the ways in which files come to harm.

A *picture* is a function of time in seconds that returns a (height, width, 3) uint8 RGB array; it is scaled
to the size of the video. ``clock`` draws the time itself into the picture, so that ``read_clock`` can tell of
any decoded frame which instant it shows.
"""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.stream
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Picture = Callable[[float], Image]
Line = tuple[float, float, str]
Sound = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_CLOCK_BITS = 16
_MILLISECONDS = 1000
_TICKS = 90_000  # time stamps of every stream that is written here
_ENCODER_OPTIONS = {
    "libx264": {"preset": "ultrafast", "bf": "2", "g": "50"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "crf": "20", "svtav1-params": "lp=1"},
}
_PIXEL_FORMATS = {"gif": "rgb8", "mjpeg": "yuvj420p", "prores": "yuv422p10le"}
_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def clock(time_s: float) -> Image:
    """The time in milliseconds as 16 black or white bars, the lowest bit on the right; up to 65 s."""
    milliseconds = round(time_s * _MILLISECONDS)
    bits = [milliseconds >> bit & 1 for bit in reversed(range(_CLOCK_BITS))]
    row = np.repeat(np.array(bits, np.uint8) * 255, 10)
    return np.broadcast_to(row[None, :, None], (120, 160, 3)).copy()


def read_clock(image: Image) -> float:
    """The time in seconds that a picture of ``clock`` shows, at any size."""
    height, width, _ = image.shape
    centres = ((np.arange(_CLOCK_BITS) + 0.5) * width / _CLOCK_BITS).astype(int)
    bits = image[height // 2, centres, 1] > 127
    return int("".join("1" if bit else "0" for bit in bits), 2) / _MILLISECONDS


@functools.cache
def solid(colour: tuple[int, int, int]) -> Picture:
    """One colour for ever."""
    return lambda _time_s: np.full((120, 160, 3), colour, np.uint8)


def corner(time_s: float) -> Image:
    """Grey with a red top left corner."""
    del time_s
    image = np.full((120, 160, 3), 128, np.uint8)
    image[:40, :40] = (255, 0, 0)
    return image


@functools.cache
def scenes(*parts: tuple[float, Picture]) -> Picture:
    """One picture after another, each until its instant in seconds; the last for ever."""

    def picture(time_s: float) -> Image:
        current = next((part for until_s, part in parts if time_s < until_s), parts[-1][1])
        return current(time_s)

    return picture


@functools.cache
def noise(seed: int = 0) -> Picture:
    """Every frame other random dots: data that does not compress."""

    def picture(time_s: float) -> Image:
        generator = np.random.default_rng([seed, round(time_s * _MILLISECONDS)])
        return generator.integers(0, 256, (120, 160, 3), np.uint8)

    return picture


def _encoded_once(write: Callable[..., Path]) -> Callable[..., Path]:
    """Tests ask for the same few videos hundreds of times: each is encoded once, then written again."""
    encoded: dict[Hashable, bytes] = {}

    @functools.wraps(write)
    def write_again(path: Path, **how: Any) -> Path:
        what = (path.suffix, *((name, _by_value(value)) for name, value in sorted(how.items())))
        if what in encoded:
            path.write_bytes(encoded[what])
        else:
            write(path, **how)
            encoded[what] = path.read_bytes()
        return path

    return write_again


def _by_value(value: Any) -> Hashable:
    """Functions are equal to themselves alone; those of this module are made once for the same arguments."""
    if isinstance(value, np.ndarray):
        return value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return tuple((name, _by_value(part)) for name, part in value.items())
    return tuple(_by_value(part) for part in value) if isinstance(value, list | tuple) else value


@_encoded_once
def write_video(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: float = 25.0,
    times_s: Sequence[float] | None = None,
    size: tuple[int, int] = (160, 120),
    picture: Picture = clock,
    codec: str = "libx264",
    rotation: int = 0,
    start_offset_s: float = 0.0,
    container_format: str | None = None,
    faststart: bool = False,
    audio: bool | Sound = False,
    subtitles: Mapping[str, Sequence[Line]] | None = None,
    subtitle_codec: str = "srt",
    encoder_options: Mapping[str, str] | None = None,
    pixel_format: str | None = None,
    cover: Image | None = None,
) -> Path:
    """Write a video and return its path.

    Args:
        path: where; the suffix decides the container unless ``container_format`` does.
        seconds: length.
        fps: frames a second.
        times_s: instants of the frames, for a variable frame rate, in place of ``seconds`` and ``fps``.
        size: width and height in pixels, as stored.
        picture: what is to be seen at each instant.
        codec: name of the encoder.
        rotation: clockwise degrees by which a player has to turn the stored picture.
        start_offset_s: time stamp of the first frame.
        container_format: name of ffmpeg's muxer.
        faststart: put an mp4's index (moov) in front of its pictures.
        audio: add a sound track: silent, or what a function of the instants in seconds says.
        subtitles: language -> lines (start, end, text), each language a track inside the video.
        subtitle_codec: "srt" or "ass" for mkv, "mov_text" for mp4, "webvtt" for webm.
        encoder_options: more options of the encoder.
        pixel_format: how the encoder stores colour, in ffmpeg's word.
        cover: a poster, attached as a second "video" of one picture.
    """
    instants = [i / fps for i in range(round(seconds * fps))] if times_s is None else times_s
    flags = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", format=container_format, options=flags) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(
            codec,
            rate=rate,
            options={**_ENCODER_OPTIONS.get(codec, {}), **(encoder_options or {})},
        )
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format or _PIXEL_FORMATS.get(codec, "yuv420p")
        stream.thread_count = 1
        unit = 1 / rate if times_s is None else Fraction(1, _TICKS)
        stream.codec_context.time_base = unit
        if rotation:
            stream.set_display_rotation(-rotation)
        sound = (
            container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48_000)
            if audio
            else None
        )
        packets = [] if cover is None else _cover(container, cover)
        texts = [
            (_text_stream(container, subtitle_codec, language), lines)
            for language, lines in (subtitles or {}).items()
        ]
        for time_s in instants:
            frame = VideoFrame.from_ndarray(picture(time_s)).reformat(
                *size, format=stream.pix_fmt, interpolation="POINT"
            )
            frame.time_base, frame.pts = unit, round((time_s + start_offset_s) / unit)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if sound is not None:
            heard = audio if callable(audio) else np.zeros_like
            packets += sound_packets(sound, start_offset_s, instants[-1], heard)
        for text, lines in texts:
            packets += _spoken(text, lines, start_offset_s)
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * p.time_base):
            container.mux(packet)
    return path


def write_sound(path: Path, *, seconds: float = 2.0, cover: Image | None = None) -> Path:
    """Write silence, with ``cover`` as an attached picture if given (mp3 and m4a can hold one)."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame" if path.suffix == ".mp3" else "aac", rate=48_000)
        packets = [] if cover is None else _cover(container, cover)
        packets += sound_packets(sound, 0.0, seconds)
        for packet in packets:
            container.mux(packet)
    return path


def _cover(container: OutputContainer, image: Image) -> list[Packet]:
    stream = container.add_stream("mjpeg", rate=1)
    stream.height, stream.width, _ = image.shape
    stream.pix_fmt = "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    return [*stream.encode(VideoFrame.from_ndarray(image).reformat(format="yuvj420p")), *stream.encode(None)]


def sound_packets(
    sound: AudioStream, start_s: float, seconds: float, heard: Sound = np.zeros_like
) -> list[Packet]:
    """What a new track of sound holds, mono: silence, or what a function of the instants in seconds says."""
    packets = []
    samples = round(seconds * sound.rate)
    for at in range(0, samples, 960):
        wave = heard((at + np.arange(960)) / sound.rate).astype(np.float32)[None]
        frame = AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = at + round(start_s * sound.rate)
        packets += sound.encode(frame)
    return packets + sound.encode(None)


def _text_stream(container: OutputContainer, codec: str, language: str) -> SubtitleStream:
    stream = container.add_stream(codec)
    stream.codec_context.subtitle_header = _ASS_HEADER
    stream.codec_context.time_base = Fraction(1, _MILLISECONDS)
    if language != "und":
        stream.metadata["language"] = language
    return stream


def _spoken(stream: SubtitleStream, lines: Sequence[Line], start_s: float) -> list[Packet]:
    packets = []
    for number, (from_s, until_s, text) in enumerate(lines):
        event = f"{number},0,Default,,0,0,0,,{text}".encode()
        length_ms = round((until_s - from_s) * _MILLISECONDS)
        words = SubtitleSet.create(event, 0, length_ms, round((from_s + start_s) * _MILLISECONDS))
        packet = stream.codec_context.encode_subtitle(words)
        packet.stream, packet.time_base = stream, Fraction(1, _MILLISECONDS)
        packets.append(packet)
    return packets


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each box of an mp4 file, or of the boxes between ``start`` and ``end``."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield kind, start, start + size
        start += size


def find_box(data: bytes, *kinds: bytes) -> tuple[int, int]:
    """Start and end of the first box along a path such as ``b"moov", b"trak", b"tkhd"``."""
    start, end = next((s, e) for found, s, e in boxes(data) if found == kinds[0])
    return find_box_within(data, start, end, *kinds[1:])


def find_box_within(data: bytes, start: int, end: int, *kinds: bytes) -> tuple[int, int]:
    """As ``find_box``, inside the box from ``start`` to ``end``."""
    for kind in kinds:
        start, end = next((s, e) for found, s, e in boxes(data, start + 8, end) if found == kind)
    return start, end


def truncate(path: Path, share: float) -> Path:
    """Keep the first ``share`` (0 to 1) of the file's bytes, as a broken download does."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    return path


def strip_box(path: Path, kind: bytes) -> Path:
    """Take a top-level box such as ``b"moov"`` out of an mp4, as a recorder that lost power does."""
    data = path.read_bytes()
    start, end = find_box(data, kind)
    path.write_bytes(data[:start] + data[end:])
    return path


def scribble(path: Path, *, count: int = 60, length: int = 1, seed: int = 0) -> Path:
    """Overwrite ``count`` random runs of ``length`` bytes in an mp4's pictures, as a failing disk does."""
    data = bytearray(path.read_bytes())
    start, end = find_box(bytes(data), b"mdat")
    generator = random.Random(seed)
    for _ in range(count):
        at = generator.randrange(start + 8, end - length)
        data[at : at + length] = generator.randbytes(length)
    path.write_bytes(bytes(data))
    return path


def rename_codec(path: Path, old: bytes = b"avc1", new: bytes = b"zzzz") -> Path:
    """Let an mp4 name a codec that does not exist."""
    data = path.read_bytes()
    start, end = find_box(data, b"moov")
    path.write_bytes(data[:start] + data[start:end].replace(old, new) + data[end:])
    return path
