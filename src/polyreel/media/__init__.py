"""Media files -> frames with true times, subtitles, clips and a record of what went wrong."""

from polyreel.media.animation import is_animation
from polyreel.media.decode import Frame, Health, Picture, VideoReader
from polyreel.media.jpeg import encode_jpeg, fit_within
from polyreel.media.limited import (
    ClipEnd,
    DecodeEvent,
    DecodeOptions,
    DecodeWorker,
    Finished,
    Limits,
    Opened,
)
from polyreel.media.pictures import PICTURE_SUFFIXES, OpenArchives, read_bytes, read_picture
from polyreel.media.readers import frames, open_video
from polyreel.media.subtitles import (
    SIDECAR_SUFFIXES,
    SubtitleTrack,
    read_sidecars,
    read_subtitles,
    sidecars,
    sidecars_in,
)
from polyreel.media.suffixes import VIDEO_SUFFIXES
from polyreel.media.windows import MAX_CLIP_S, Span, Windower

__all__ = [
    "MAX_CLIP_S",
    "PICTURE_SUFFIXES",
    "SIDECAR_SUFFIXES",
    "VIDEO_SUFFIXES",
    "ClipEnd",
    "DecodeEvent",
    "DecodeOptions",
    "DecodeWorker",
    "Finished",
    "Frame",
    "Health",
    "Limits",
    "OpenArchives",
    "Opened",
    "Picture",
    "Span",
    "SubtitleTrack",
    "VideoReader",
    "Windower",
    "encode_jpeg",
    "fit_within",
    "frames",
    "is_animation",
    "open_video",
    "read_bytes",
    "read_picture",
    "read_sidecars",
    "read_subtitles",
    "sidecars",
    "sidecars_in",
]
