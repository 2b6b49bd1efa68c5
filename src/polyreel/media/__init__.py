"""Media files -> frames with true times, subtitles, clips and a record of what went wrong."""

from polyreel.media.decode import Frame, Health, Picture, VideoReader, frames
from polyreel.media.limited import (
    ClipEnd,
    DecodeEvent,
    DecodeOptions,
    DecodeWorker,
    Finished,
    Limits,
    Opened,
)
from polyreel.media.subtitles import SIDECAR_SUFFIXES, SubtitleTrack, read_subtitles, sidecars, sidecars_in
from polyreel.media.windows import MAX_CLIP_S, Span, Windower

__all__ = [
    "MAX_CLIP_S",
    "SIDECAR_SUFFIXES",
    "ClipEnd",
    "DecodeEvent",
    "DecodeOptions",
    "DecodeWorker",
    "Finished",
    "Frame",
    "Health",
    "Limits",
    "Opened",
    "Picture",
    "Span",
    "SubtitleTrack",
    "VideoReader",
    "Windower",
    "frames",
    "read_subtitles",
    "sidecars",
    "sidecars_in",
]
