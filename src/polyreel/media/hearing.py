"""The sound of a file, decoded by a limited worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polyreel.errors import WorkerKilledError
from polyreel.media.limited import DecodeWorker, Messages
from polyreel.media.sound import AudioTrack, Sound, SoundEnd
from polyreel.units import printable

__all__ = ["read_sound", "sound_tracks"]


def sound_tracks(worker: DecodeWorker, path: Path) -> tuple[AudioTrack, ...]:
    """The sound tracks of a file, none if it is silent. Raises as ``DecodeWorker.decode``.

    Args:
        worker: looks at the file.
        path: a video, or a file of sound alone.
    """
    (end,) = _events(worker, path, None, 0.0)
    assert isinstance(end, SoundEnd)
    return end.tracks


def read_sound(
    worker: DecodeWorker, path: Path, track: int, *, from_s: float = 0.0
) -> Iterator[Sound | SoundEnd]:
    """The sound of a track in pieces, and ``SoundEnd`` at the end. Raises as ``DecodeWorker.decode``.

    Args:
        worker: reads the file; one that is killed from outside is replaced once.
        path: the file.
        track: number of the track.
        from_s: what lies before this time does not come.
    """
    passed_on = 0
    for is_last_try in (False, True):
        try:
            for event in itertools.islice(_events(worker, path, track, from_s), passed_on, None):
                yield event
                passed_on += 1
        except WorkerKilledError:
            if is_last_try:
                raise
        else:
            return


def _events(worker: DecodeWorker, path: Path, track: int | None, from_s: float) -> Iterator[Sound | SoundEnd]:
    def understand(messages: Messages) -> Iterator[Sound | SoundEnd]:
        for header, payload in messages:
            match header["kind"]:
                case "sound":
                    yield Sound(float(header["time_s"]), np.frombuffer(payload, np.int16))
                case "done":
                    yield _end(header)

    return worker.ask(path, {"task": "hear", "track": track, "from_s": from_s}, understand)


def _end(header: dict[str, Any]) -> SoundEnd:
    tracks = (
        AudioTrack(
            number=number,
            language=printable(str(said["language"])),
            is_default=bool(said["is_default"]),
            duration_s=None if said["duration_s"] is None else float(said["duration_s"]),
        )
        for number, said in enumerate(header["tracks"])
    )
    return SoundEnd(tuple(tracks), tuple(printable(str(remark)) for remark in header["remarks"]))
