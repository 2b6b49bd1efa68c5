"""What a build has done: one small file a video, so that a run that is stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from polyreel.clips import SampleCreation
from polyreel.datasets.how2.tracks import Track
from polyreel.files import read_regular, write_atomically

__all__ = ["FinishedVideo", "WorkFolder"]

_VERSION = 1


class _Lines(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: list[str]
    start: list[float]
    end: list[float]
    sample_creation: SampleCreation


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    made_of: str
    tracks: dict[str, _Lines]
    dropped: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class FinishedVideo:
    """What came of one video.

    Attributes:
        tracks: language -> lines.
        dropped: language -> reason -> how many lines were dropped.
    """

    tracks: dict[str, Track]
    dropped: dict[str, Counter[str]]


class WorkFolder:
    """Files of finished videos, below a folder that may be deleted at any time.

    Args:
        folder: created when the first video is finished.
        settings: whatever else the result depends on; a video finished under others is built again.
    """

    def __init__(self, folder: Path, settings: Sequence[object]) -> None:
        self._folder = folder
        self._settings = [_VERSION, *settings]

    def load(self, video: str, fingerprint: Sequence[object]) -> FinishedVideo | None:
        """What came of the video if it was finished with these settings and has not changed since."""
        try:
            stored = _File.model_validate_json(read_regular(self._path(video)))
        except (OSError, ValidationError):  # not finished, or damaged: build it again
            return None
        if stored.made_of != self._made_of(fingerprint):
            return None
        tracks = {
            tag: Track(lines.text, lines.start, lines.end, lines.sample_creation)
            for tag, lines in stored.tracks.items()
        }
        return FinishedVideo(tracks, {tag: Counter(reasons) for tag, reasons in stored.dropped.items()})

    def store(self, video: str, fingerprint: Sequence[object], finished: FinishedVideo) -> None:
        """Note the video as finished, all at once.

        Args:
            video: its id.
            fingerprint: what the tracks were made of; another one makes them stale.
            finished: its tracks, and what was dropped.
        """
        stored = _File(
            made_of=self._made_of(fingerprint),
            tracks={
                tag: _Lines(
                    text=track.texts,
                    start=track.starts_s,
                    end=track.ends_s,
                    sample_creation=track.sample_creation,
                )
                for tag, track in finished.tracks.items()
            },
            dropped={tag: dict(reasons) for tag, reasons in finished.dropped.items()},
        )
        path = self._path(video)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, stored.model_dump_json().encode())

    def _path(self, video: str) -> Path:
        # A name of a video may be too long, or not one that a file can have.
        name = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.json"

    def _made_of(self, fingerprint: Sequence[object]) -> str:
        facts = json.dumps([self._settings, fingerprint], default=repr)
        return hashlib.sha256(facts.encode()).hexdigest()
