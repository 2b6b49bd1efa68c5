"""A picture or a clip that is not in the library, as something to search with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.errors import DecodeError, MediaError
from polyreel.files import open_regular
from polyreel.media.limited import DecodeOptions, DecodeWorker, Limits

__all__ = ["EXAMPLE_LIMITS", "Example", "encode_example"]

EXAMPLE_LIMITS = Limits(memory_bytes=1_000 << 20, silence_s=15.0, base_s=30.0, per_video_s=1.0)
"""What decoding an example may take: less than a file of one's own, because it comes from anyone."""

# What a moment to search for lasts at most; of a longer clip the beginning is looked at.
_MAX_FRAMES = 60

# How pictures and videos begin: (offset, bytes). Anything else is refused before FFmpeg sees it, because
# FFmpeg also reads playlists, which name other files, and would show what only the server may read.
_BEGINNINGS = (
    *((0, start) for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")),
    *((8, kind) for kind in (b"WEBP", b"AVI ")),
    *((4, atom) for atom in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    *(
        (0, start)
        for start in (b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
    ),
    *((0, start) for start in (b"\0\0\x01\xba", b"\0\0\x01\xb3", b"\0\0\0\x01")),
    *((at, b"\x47") for at in (0, 4)),
)
_HEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Example:
    """What ``encode_example`` makes.

    Attributes:
        vector: (dim,) unit vector.
        thumbnail: a JPEG.
        is_picture: whether it is one picture.
        space: identity of the bundle that encoded it.
    """

    vector: NDArray[np.float32]
    thumbnail: bytes
    is_picture: bool
    space: str


def encode_example(
    path: Path, bundle: Encoder, *, name: str | None = None, limits: Limits = EXAMPLE_LIMITS
) -> Example:
    """Decode a picture or the first minute of a clip in a process of its own, and encode it.

    Args:
        path: the file, of whatever name.
        bundle: what encodes it.
        name: what messages call it.
        limits: what decoding it may take.

    Raises:
        MediaError: the file is neither a picture nor a video.
        LimitError: decoding it took too much time or memory.
    """
    name = name or path.name
    try:
        _require_media(path)
        frames, thumbnail = _decode(path, bundle, limits)
    except MediaError as error:
        # A path on the server is nobody's business, and what to do about a file of one's own does not apply.
        error.item, error.remedy = name, "Try another picture or video"
        raise
    features = bundle.encode_frames(np.stack(frames))
    return Example(bundle.encode_video([features])[0], thumbnail, len(frames) == 1, bundle.card.identity)


def _decode(path: Path, bundle: Encoder, limits: Limits) -> tuple[list[NDArray[np.uint8]], bytes]:
    options = DecodeOptions.of(bundle.card.frames)
    frames: list[NDArray[np.uint8]] = []
    thumbnail = b""
    with DecodeWorker(limits) as worker:
        for clip in worker.clips(path, options):
            # Of the first clip all frames count, for its thumbnail stands for the example.
            frames.extend(clip.images if not frames else clip.images[: _MAX_FRAMES - len(frames)])
            thumbnail = thumbnail or clip.thumbnail
            if len(frames) >= _MAX_FRAMES:
                break
    if not frames or not thumbnail:
        raise DecodeError("no picture comes out of the file")
    return frames, thumbnail


def _require_media(path: Path) -> None:
    with open_regular(path) as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise MediaError("the file is empty", value="0 bytes")
    # MPEG transport streams begin with a letter of the alphabet, so there the file must not be a text.
    is_text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    if is_text or not any(head[at : at + len(start)] == start for at, start in _BEGINNINGS):
        raise MediaError("the file is neither a picture nor a video of a known kind")
