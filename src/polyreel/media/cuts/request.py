"""What is asked for of a cut, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

__all__ = ["CutReport", "CutRequest"]


@dataclass(frozen=True, slots=True)
class CutRequest:
    """What is asked for.

    Attributes:
        start_s, end_s: seconds from the start of the film.
        at_key_frames: copies alone, from the key frame at or before the start to where pictures may end.
    """

    start_s: float
    end_s: float
    at_key_frames: bool = False


class CutReport(BaseModel):
    """What was cut.

    Attributes:
        start_s, end_s: where the cut begins and ends in the film, seconds.
        codec: of its pictures.
        pictures, encoded: how many there are, and how many of them were encoded anew.
        sound, subtitles: tracks that came along.
        left_out: one phrase for each thing of the film that the cut does not have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float
    end_s: float
    codec: str
    pictures: int
    encoded: int
    sound: int
    subtitles: int
    left_out: tuple[str, ...] = ()
