"""What came of decoding a file, as a library keeps it; a search reads it and loads no decoder for that."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from polyreel.media.sampling import Sampling

__all__ = ["Health"]


class Health(BaseModel):
    """What came of decoding one file.

    Attributes:
        codec: name of the video codec.
        width_px, height_px: size of the upright picture.
        rotation_deg: clockwise turn that the file asks for.
        duration_asked_s: length that the container states, None if it states none.
        duration_got_s: time of the last decoded frame plus one frame's length.
        frames_decoded, frames_sampled: frames that came out, and those that were handed on.
        bad_packets: packets that did not decode.
        closed_captions: whether captions came with the pictures.
        sound_tracks: how many sound tracks the file has; None where nobody looked, as older versions did not.
        damaged_frames: frames that came out with parts that the decoder had to make up.
        sampling: how its pictures were chosen; older versions knew one way only.
        remarks: one sentence for each thing that was not as it should be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    duration_asked_s: float | None
    duration_got_s: float
    frames_decoded: int
    frames_sampled: int
    bad_packets: int
    damaged_frames: int = 0
    closed_captions: bool = False
    sound_tracks: int | None = None
    sampling: Sampling = "exact"
    remarks: tuple[str, ...] = ()
