"""What index runs and moves ask of an encoder; its errors say of which file, and where in it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.devices import CPU
from polyreel.encoders.protocol import Encoder
from polyreel.encoders.text_roles import encode_lines
from polyreel.errors import MediaError, UsageError
from polyreel.library.index.decode_pool import Changed, DecodePoolEvent, Duplicate, Job, ReadFailed
from polyreel.library.index.repeats import FrameEncoder, encode_all
from polyreel.media.decode import Frame
from polyreel.media.limited import ClipEnd, Finished, KnownFrame, Opened
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

# Pictures of clips of several files that a device other than the CPU gets at once, so that it is busy, and
# the longest that a clip waits for others.
_DEVICE_PICTURES, _LONGEST_WAIT_S = 64, 2.0
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
    waiting: list[_Waiting] = []
    with contextlib.closing(events):
        for job, event in events:
            if isinstance(event, KnownFrame):
                job.frames.pass_over([event.image])
            elif isinstance(event, Frame):
                job.images.append(event.image)
            elif isinstance(event, ClipEnd):
                waiting.append(_Waiting(job, event, job.images, time.monotonic()))
                job.images = []
            if waiting and (_is_time(waiting, encoder) or _ends(event)):
                yield from _encode_waiting(encoder, waiting)
                waiting = []
            if isinstance(event, Finished):
                for vectors in _encode_lines(encoder, job.found.path, event):
                    yield job, LinesEncoded(vectors)
            if not isinstance(event, KnownFrame | Frame | ClipEnd):
                yield job, event


class _Waiting(NamedTuple):
    """A clip whose frames have all come."""

    job: Job
    end: ClipEnd
    images: Sequence[NDArray[np.uint8]]
    since_s: float


def _is_time(waiting: Sequence[_Waiting], encoder: Encoder) -> bool:
    """Whether clips are encoded now: at once by a CPU, which gains nothing by more of them."""
    if getattr(encoder, "device", CPU) == CPU:
        return True
    pictures = sum(len(each.images) for each in waiting)
    return pictures >= _DEVICE_PICTURES or time.monotonic() - waiting[0].since_s > _LONGEST_WAIT_S


def _ends(event: DecodePoolEvent) -> bool:
    """Whether nothing but the vectors of its clips may come before an event of a file."""
    return not isinstance(event, Opened | KnownFrame | Frame | ClipEnd)


def _encode_waiting(encoder: Encoder, waiting: Sequence[_Waiting]) -> Generator[tuple[Job, ClipEncoded]]:
    chosen = [each.job.frames.choose(each.images) for each in waiting]
    first, others = waiting[0], len(waiting) - 1
    place = clock(first.end.start_s) + (
        f", and {others} clips after that, some of other files" if others else ""
    )
    with naming(first.job.found.path, at=place):
        fresh = encode_all(encoder, [image for each in chosen for image in each.new])
        counts = np.cumsum([len(each.new) for each in chosen])[:-1]
        features = [
            each.job.frames.spread(one, part)
            for each, one, part in zip(waiting, chosen, np.split(fresh, counts), strict=True)
        ]
        vectors = encoder.encode_video(features)
    for (job, end, _, _), vector, part in zip(waiting, vectors, features, strict=True):
        yield job, ClipEncoded(end.start_s, end.end_s, end.thumbnail, vector, part)


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
