"""What editors ask of a film before they take a part of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from polyreel.media.appearance import orientation_of, pixel_aspect
from polyreel.media.decode import Picture, clock_start_s, open_container, video_stream
from polyreel.media.frame_rates import standard_rate

__all__ = ["FilmFacts", "film_facts"]


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """One film.

    Attributes:
        rate: pictures a second: the standard rate that is nearest to what the file states.
        is_variable: whether the file states that its pictures are not all shown as long.
        pictures: how many there are at ``rate``.
        width_px, height_px: size of the pictures as they are shown.
        timecode: of the first picture, as the file has it; None if it has none.
        channels, sample_rate: of its first sound track; 0 if there is none.
    """

    rate: Fraction
    is_variable: bool
    pictures: int
    width_px: int
    height_px: int
    timecode: str | None
    channels: int
    sample_rate: int

    def to_json(self) -> dict[str, Any]:
        """As JSON, with the rate as two whole numbers."""
        return {**asdict(self), "rate": [self.rate.numerator, self.rate.denominator]}

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> FilmFacts:
        """From ``to_json``; a wrong document raises LookupError, TypeError or ValueError."""
        numerator, denominator = document["rate"]
        return cls(**{**document, "rate": Fraction(int(numerator), int(denominator))})


def film_facts(path: Path) -> FilmFacts:
    """Facts of a film.

    Raises:
        MediaError: it cannot be opened as a video.
    """
    with closing(open_container(path)) as container:
        stream = video_stream(container, path)
        average, base = stream.average_rate, stream.guessed_rate or stream.base_rate
        rate = standard_rate(average or base or Fraction(25))
        is_variable = bool(average and base and abs(average / base - 1) > Fraction(1, 100))
        zero_s = clock_start_s(container)
        unit = stream.time_base or Fraction(0)
        end_s = float(((stream.start_time or 0) + (stream.duration or 0)) * unit) - zero_s
        if not stream.duration:
            end_s = (container.duration or 0) / av.time_base
        named = (container.metadata, stream.metadata, *(each.metadata for each in container.streams.data))
        sound: Any = next(iter(container.streams.audio), None)
        return FilmFacts(
            rate,
            is_variable,
            max(1, round(end_s * rate)),
            *_shown_size(container, stream),
            next((facts["timecode"] for facts in named if "timecode" in facts), None),
            sound.codec_context.channels if sound is not None and sound.codec_context else 0,
            (sound.rate or 0) if sound is not None else 0,
        )


def _shown_size(container: InputContainer, stream: VideoStream) -> tuple[int, int]:
    """Width and height in pixels; frames tell how they are turned, so the first one is asked."""
    aspect = pixel_aspect(stream)
    try:
        frame = next(container.decode(stream), None)
    except av.error.FFmpegError:  # what can be read of it begins later
        frame = None
    if frame is None:
        return round(stream.width * aspect), stream.height
    return Picture(0.0, frame, orientation_of(frame, stream.codec_context.name), aspect).display_size
