"""Tiny media files with sound: tones at known times, in any rate, layout and number of tracks.

``heard_tones`` says when and how high the tones of a sound are, so that a test can tell what came through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from polyreel.packages.members import Member

_FRAME = 1_024
_LOUDNESS = 0.4
_HEARD = 0.05
_STEP_S = 0.02

CONGRATULATIONS = Member(
    registry="debian",
    package="asterisk-core-sounds-en-wav",
    archive="asterisk-core-sounds-en-wav_1.6.1-1_all.deb",
    archive_bytes=18_272_864,
    member="usr/share/asterisk/sounds/en_US_f_Allison/demo-congrats.wav",
    sha256="c47bcc0dfb442cf40ab833e442843a9be0c3558458ab3e1c403f602e00546afc",
    bytes=484_472,
)
"""A recording in which somebody speaks English for half a minute, 8 kHz."""


@dataclass(frozen=True)
class Tone:
    """A tone from ``start_s`` to ``end_s`` of ``hz``."""

    start_s: float
    end_s: float
    hz: float = 440.0


def wave(
    tones: Sequence[Tone], *, seconds: float, rate: int = 48_000, noise: float = 0.0
) -> NDArray[np.float32]:
    """Tones in silence, or in noise, (samples,)."""
    times = np.arange(round(seconds * rate)) / rate
    sound = np.random.default_rng(0).normal(0.0, noise, len(times)) if noise else np.zeros(len(times))
    for tone in tones:
        within = (times >= tone.start_s) & (times < tone.end_s)
        sound += within * _LOUDNESS * np.sin(2 * np.pi * tone.hz * times)
    return sound.astype(np.float32)


def write_sounds(
    path: Path,
    *tracks: Sequence[Tone] | NDArray[np.float32],
    seconds: float = 3.0,
    rate: int = 48_000,
    layout: str = "stereo",
    codec: str = "aac",
    starts_s: float = 0.0,
    hole_s: tuple[float, float] | None = None,
    languages: Sequence[str] = (),
    titles: Mapping[int, str] | None = None,
    picture: bool = True,
    picture_s: float | None = None,
    noise: float = 0.0,
) -> Path:
    """Write a media file and return its path.

    Args:
        path: where; the suffix decides the container.
        tracks: of each sound track its tones, in seconds from its start, or its samples, (samples,).
        seconds: length of the sound.
        rate, layout, codec: of the sound.
        starts_s: time stamp of the first sample.
        hole_s: from when to when nothing is written, in the time of the track.
        languages: of the tracks.
        titles: number of a track -> its title.
        picture: whether there are pictures.
        picture_s: their length, if it is another one.
        noise: deviation of white noise below the tones.
    """
    with av.open(str(path), "w") as container:
        packets: list[Packet] = []
        film = None
        if picture:
            film = container.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        streams = []
        for number, tones in enumerate(tracks):
            stream = container.add_stream(codec, rate=rate, layout=layout)
            if number < len(languages):
                stream.metadata["language"] = languages[number]
            if titles and number in titles:
                stream.metadata["title"] = titles[number]
            if not isinstance(tones, np.ndarray):
                tones = wave(tones, seconds=seconds, rate=rate, noise=noise)
            streams.append((stream, tones))
        if film is not None:
            for at in range(round((picture_s or seconds + starts_s) * 5)):
                frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8)).reformat(
                    format="yuv420p"
                )
                frame.time_base, frame.pts = Fraction(1, 5), at
                packets += film.encode(frame)
            packets += film.encode(None)
        for stream, sound in streams:
            channels = stream.layout.nb_channels
            for at in range(0, len(sound), _FRAME):
                if hole_s is not None and hole_s[0] <= at / rate < hole_s[1]:
                    continue
                part = np.repeat(sound[at : at + _FRAME], channels)[None]
                frame = AudioFrame.from_ndarray(part, format="flt", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = at + round(starts_s * rate)
                packets += stream.encode(_in_format_of(stream, frame))
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
            container.mux(packet)
    return path


def _in_format_of(stream: av.AudioStream, frame: AudioFrame) -> AudioFrame:
    resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=frame.sample_rate)
    (fitting, *_rest) = resampler.resample(frame)
    fitting.pts, fitting.time_base = frame.pts, frame.time_base
    return fitting


def heard_tones(samples: NDArray[np.int16], rate: int, *, start_s: float = 0.0) -> list[Tone]:
    """The tones in a sound, to a fiftieth of a second and about three hertz."""
    sound = samples.astype(np.float64) / 32_768
    step = round(_STEP_S * rate)
    loud = [
        float(np.abs(sound[at : at + step]).mean()) > _HEARD for at in range(0, len(sound) - step + 1, step)
    ]
    edges = np.flatnonzero(np.diff([False, *loud, False]))
    return [
        Tone(
            start_s + begin * _STEP_S, start_s + end * _STEP_S, _pitch(sound[begin * step : end * step], rate)
        )
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _pitch(sound: NDArray[np.float64], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), n=4 * rate))
    return float(spectrum.argmax() / 4)
