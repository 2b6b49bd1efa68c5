"""Features of the frames of clips, kept where the owner asks for it.

A bundle that makes the same features of a frame, and differs only in what it makes of texts or of a clip's
frames, then encodes the clips of a library without their videos. The files are derived: one that is missing
or damaged costs the decoding of its video, nothing else. They lie in ``features/KEY/``, beside empty files
that name the bundles they serve; the key tells bundles apart whose features are not the same.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import BundleCard, EncoderCard, short_identity
from polyreel.files import open_regular

__all__ = ["FEATURES", "FrameFeatures", "KeptFeatures", "drop_features", "drop_unused_features"]

FEATURES = "features"
_SERVES = "for-"
_IDENTITY = 16


class KeptFeatures(NamedTuple):
    """What a commit keeps of one clip.

    Attributes:
        clip_id: its key.
        path: of the file, within the library.
        data: content of the file.
    """

    clip_id: str
    path: str
    data: bytes


class FrameFeatures:
    """The features that a library keeps, as one bundle makes them.

    Args:
        folder: the library.
        card: of the bundle. Of an encoder of a program nobody can tell what its features depend on, so that
            none are kept.
    """

    def __init__(self, folder: Path, card: EncoderCard) -> None:
        self._library, self._frames = folder, card.frames
        self._key = card.frames_key if isinstance(card, BundleCard) else None
        self._serves = f"{_SERVES}{short_identity(card.identity, _IDENTITY)}"

    @property
    def are_kept(self) -> bool:
        """Whether the owner asked for it, in this run or before."""
        return self._key is not None and (self._library / FEATURES).is_dir()

    def size_bytes(self, video_s: float) -> int:
        """Room that the features of so many seconds of video take; 0 if none are kept."""
        frames = video_s * self._frames.fps if self.are_kept else 0
        return 2 * round(frames) * self._frames.dim

    def start(self) -> None:
        """Note that this bundle has use for its features.

        Raises:
            OSError: the disk is full or fails.
        """
        if self._key is not None:
            place = self._library / FEATURES / self._key
            place.mkdir(parents=True, exist_ok=True)
            (place / self._serves).touch()

    def row(self, clip_id: str, features: NDArray[np.float32]) -> KeptFeatures:
        """What a commit is to keep of a clip's features, (frames, features): half floats and their CRC."""
        data = io.BytesIO()
        np.savez(data, features=features.astype(np.float16))
        return KeptFeatures(clip_id, str(self._path(clip_id).relative_to(self._library)), data.getvalue())

    def have(self, clip_ids: Iterable[str]) -> bool:
        """Whether all of these clips have a file, whole or not."""
        return self.are_kept and all(self._path(clip_id).is_file() for clip_id in clip_ids)

    def read(self, clip_id: str) -> NDArray[np.float32] | None:
        """Features of a clip's frames, (frames, features); None if the file is missing or damaged."""
        try:
            with open_regular(self._path(clip_id)) as file, np.load(file, allow_pickle=False) as kept:
                features: NDArray[np.float32] = np.asarray(kept["features"], np.float32)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        fits = features.ndim == 2 and len(features) and features.shape[1] == self._frames.dim
        return features if fits and np.isfinite(features).all() else None

    def _path(self, clip_id: str) -> Path:
        video, _, start_ms = clip_id.partition("@")
        return _of_video(self._library / FEATURES / str(self._key), video) / f"{start_ms}.npz"


def drop_features(folder: Path, video: str) -> None:
    """Remove the features of a video's clips from the library in ``folder``."""
    for place in (folder / FEATURES).glob("*/"):
        shutil.rmtree(_of_video(place, video), ignore_errors=True)


def drop_unused_features(folder: Path, identities: Iterable[str]) -> None:
    """Remove features from the library in ``folder`` that no bundle of these identities has use for."""
    served = {f"{_SERVES}{short_identity(identity, _IDENTITY)}" for identity in identities}
    for place in (folder / FEATURES).glob("*/"):
        if served.isdisjoint(path.name for path in place.glob(f"{_SERVES}*")):
            shutil.rmtree(place, ignore_errors=True)


def _of_video(place: Path, video: str) -> Path:
    return place / video[:2] / video
