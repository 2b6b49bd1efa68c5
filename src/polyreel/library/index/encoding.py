"""What index runs and moves ask of an encoder; its errors say of which file, and where in it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import MediaError, UsageError
from polyreel.library.index.decode_pool import Changed, DecodePoolEvent, Duplicate, Job, ReadFailed
from polyreel.library.index.repeats import FrameEncoder
from polyreel.media.decode import Frame
from polyreel.media.limited import ClipEnd, Finished, Opened
from polyreel.units import clock

__all__ = [
    "ClipEncoded",
    "EncodedClip",
    "LinesEncoded",
    "ReadEvent",
    "ReadFiles",
    "encode_clip",
    "encode_events",
    "naming",
]

# Subtitle lines encoded in one go; other files are committed in between.
_LINES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ClipEncoded:
    """Event: the next clip of a file is made.

    Attributes:
        start_s, end_s: seconds from the start of the video.
        thumbnail: a JPEG file of its middle.
        vector: (dim,).
        features: of its frames, (frames, features).
    """

    start_s: float
    end_s: float
    thumbnail: bytes
    vector: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinesEncoded:
    """Event: vectors (lines, dim) of the next subtitle lines of a file, before its ``Finished``."""

    vectors: NDArray[np.float32]


ReadEvent = Opened | ClipEncoded | LinesEncoded | Finished | Changed | Duplicate | ReadFailed | MediaError
"""What reading a file comes to, whatever read it; the last of a file is none of the first three."""


class ReadFiles(Protocol):
    """What reads files: those that are new are hashed, decoded and encoded."""

    def __call__(
        self, jobs: Iterable[Job], *, seen: set[str], kept_s: Mapping[str, float]
    ) -> Generator[tuple[Job, ReadEvent]]:
        """Events of all ``jobs``, those of one job in order.

        Args:
            jobs: what to read; a job that has its ``video`` already is not hashed.
            seen: hashes that need no reading; those of ``jobs`` are added.
            kept_s: hash -> end of its last known clip, for videos whose beginning is known.
        """


def encode_events(
    events: Generator[tuple[Job, DecodePoolEvent]], encoder: Encoder
) -> Generator[tuple[Job, ReadEvent]]:
    """What is decoded becomes what can be committed: vectors in the place of pictures and texts.

    Closing it closes ``events``, and so does an error.

    Args:
        events: of a decode pool.
        encoder: what encodes, in the caller's thread.

    Raises:
        UsageError: the encoder failed, or its answer cannot be used.
    """
    with contextlib.closing(events):
        for job, event in events:
            if isinstance(event, Frame):
                job.images.append(event.image)
            elif isinstance(event, ClipEnd):
                made = encode_clip(
                    encoder, job.images, job.frames, path=job.found.path, start_s=event.start_s
                )
                job.images.clear()
                yield job, ClipEncoded(event.start_s, event.end_s, event.thumbnail, *made)
            else:
                if isinstance(event, Finished):
                    for vectors in _encode_lines(encoder, job.found.path, event):
                        yield job, LinesEncoded(vectors)
                yield job, event


def _encode_lines(encoder: Encoder, path: Path, finished: Finished) -> Iterator[NDArray[np.float32]]:
    captions = [caption for track in finished.subtitles for caption in track.captions]
    for start in range(0, len(captions), _LINES_AT_ONCE):
        batch = captions[start : start + _LINES_AT_ONCE]
        with naming(path, at="its lines"):
            vectors = encode_lines(
                encoder, [caption.text for caption in batch], [caption.language for caption in batch]
            )
        yield vectors


class EncodedClip(NamedTuple):
    """A clip's vector, (dim,), and the features of its frames, (frames, features)."""

    vector: NDArray[np.float32]
    features: NDArray[np.float32]


def encode_clip(
    encoder: Encoder,
    images: Sequence[NDArray[np.uint8]],
    frames: FrameEncoder,
    *,
    path: Path,
    start_s: float,
) -> EncodedClip:
    """A clip of these frames.

    Args:
        encoder: what encodes.
        images: the clip's frames, (height, width, 3) each.
        frames: of its video, which knows what was encoded before.
        path: its file, for messages.
        start_s: where it begins, for messages.

    Raises:
        UsageError: the encoder failed, or its answer cannot be used.
    """
    with naming(path, at=clock(start_s)):
        features = frames.encode(encoder, images)
        vector: NDArray[np.float32] = encoder.encode_video([features])[0]
    return EncodedClip(vector, features)


@contextlib.contextmanager
def naming(path: Path, *, at: str) -> Iterator[None]:
    """Let an error of the encoder name the file that it was encoding, and the place in it."""
    try:
        yield
    except UsageError as error:
        where = f"{path}, {at}"
        error.item = where if error.item is None else f"{error.item}, for {where}"
        raise
