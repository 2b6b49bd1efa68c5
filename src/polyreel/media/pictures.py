"""Still pictures, read by the same library and scaled in the same way as frames of video."""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av
import av.error
import av.logging
import numpy as np
from numpy.typing import NDArray

from polyreel.errors import MediaError
from polyreel.files import open_regular
from polyreel.media.appearance import UPRIGHT, Orientation, orientation_of
from polyreel.media.decode import Picture
from polyreel.media.drawings import is_drawing, rasterised
from polyreel.media.scaling import STRETCH, Scaling

if TYPE_CHECKING:
    from polyreel.encoders.card import FrameInput

__all__ = [
    "PICTURE_SUFFIXES",
    "OpenArchives",
    "read_bytes",
    "read_for_encoder",
    "read_picture",
    "scale_for_encoder",
]

PICTURE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".webp"})
_MEMBER = "!"
_MAX_BYTES = 64 << 20
_ORIENTATION_TAG = 0x0112
_EXIF_WITHIN = 1 << 20
_EXIF = {
    1: UPRIGHT,
    2: Orientation(mirrored=True),
    3: Orientation(mirrored=True, flipped=True),
    4: Orientation(flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored=True),
    7: Orientation(transposed=True, mirrored=True, flipped=True),
    8: Orientation(transposed=True, flipped=True),
}


class OpenArchives:
    """Zip files that stay open from one picture to the next.

    Opening one reads its whole directory, which for thousands of members takes longer than the picture does.
    """

    def __init__(self) -> None:
        self._open: dict[Path, zipfile.ZipFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for archive in self._open.values():
            archive.close()
        self._open.clear()

    def get(self, path: Path) -> zipfile.ZipFile:
        """The archive at ``path``; errors are those of ``zipfile``."""
        if path not in self._open:
            with open_regular(path):
                self._open[path] = zipfile.ZipFile(path)
        return self._open[path]


def read_bytes(root: Path, reference: str, *, archives: OpenArchives | None = None) -> bytes:
    """Content of a file below ``root`` ("a/b.jpg"), or of a member of a zip there ("frames.zip!a/b.jpg").

    Args:
        root: what the reference is relative to, and stays within.
        reference: of the file or member.
        archives: keeps zip files open for the next picture; by default each is opened anew.

    Raises:
        MediaError: there is no such file or member, it is too large, or the reference leads out of ``root``.
    """
    name, _, member = reference.partition(_MEMBER)
    home = root.resolve()
    path = (home / name).resolve()
    if not path.is_relative_to(home):
        raise MediaError("the reference leads out of its folder", item=reference, remedy="Use paths below it")
    try:
        if not member:
            with open_regular(path) as file:
                return _within_limit(file.read(_MAX_BYTES + 1), reference)
        with contextlib.ExitStack() as stack:
            archive = (archives or stack.enter_context(OpenArchives())).get(path)
            with archive.open(str(PurePosixPath(member))) as inner:
                return _within_limit(inner.read(_MAX_BYTES + 1), reference)
    except KeyError as error:
        raise MediaError("the archive has no such member", item=reference) from error
    # RuntimeError is zipfile's word for encryption and unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise MediaError("the archive cannot be read", item=path, value=error) from error
    except OSError as error:
        raise MediaError("the file cannot be read", item=path, value=error.strerror) from error


def read_picture(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    scaling: Scaling = STRETCH,
    item: object = None,
) -> NDArray[np.uint8]:
    """A picture file as (height, width, 3) uint8 RGB, upright, on white where it is transparent.

    Args:
        data: the file.
        size: width and height to bring it to; its own by default, 512 on the longer side for drawings.
        scaling: how it gets there; by default it is stretched.
        item: what messages call it.

    Raises:
        MediaError: the bytes are no picture.
    """
    if is_drawing(data):
        data = rasterised(data, size, item=item)
    try:
        with av.logging.Capture(), av.open(io.BytesIO(data), mode="r") as container:
            frame = next(container.decode(video=0))
            codec = container.streams.video[0].codec_context.name
    except (av.error.FFmpegError, StopIteration, IndexError) as error:
        raise MediaError("the file is no picture that can be read", item=item, value=error) from error
    orientation = _orientation_in_exif(data) or orientation_of(frame, codec)
    return Picture(0.0, frame, orientation).image(size, scaling)


def read_for_encoder(data: bytes, frames: FrameInput, *, item: object = None) -> NDArray[np.uint8]:
    """A picture file as an encoder wants it, (height, width, 3) uint8 RGB.

    Args:
        data: the file.
        frames: what the card of the encoder asks for.
        item: what messages call it.

    Raises:
        MediaError: the bytes are no picture.
    """
    size = (frames.width_px, frames.height_px)
    return read_picture(data, size=size, scaling=Scaling.of(frames), item=item)


def scale_for_encoder(picture: NDArray[np.uint8], frames: FrameInput) -> NDArray[np.uint8]:
    """An upright RGB picture of any size, (height, width, 3), as an encoder wants it.

    Args:
        picture: decoded by somebody else.
        frames: what the card of the encoder asks for.
    """
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return Picture(0.0, frame).image((frames.width_px, frames.height_px), Scaling.of(frames))


def _orientation_in_exif(data: bytes) -> Orientation | None:
    if b"exif" not in data[:_EXIF_WITHIN].lower() and data[:4] not in {b"II*\0", b"MM\0*"}:
        return None
    # Imported late: most pictures have none. FFmpeg tells of the turn, but not of the mirror.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            stated = image.getexif().get(_ORIENTATION_TAG)
    # Pillow raises many kinds of error on harmed files, which FFmpeg may still read.
    except Exception:
        return None
    return _EXIF.get(stated) if isinstance(stated, int) else None


def _within_limit(data: bytes, reference: str) -> bytes:
    if len(data) > _MAX_BYTES:
        raise MediaError("the picture is too large", item=reference, value=f"over {_MAX_BYTES >> 20} MiB")
    return data
