"""The sound of a file, decoded by a limited worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

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
    (end,) = worker.ask(path, _request(None, 0.0), _events)
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
    return worker.ask_again(path, _request(track, from_s), _events)


def _request(track: int | None, from_s: float) -> dict[str, Any]:
    return {"task": "hear", "track": track, "from_s": from_s}


def _events(messages: Messages) -> Iterator[Sound | SoundEnd]:
    for header, payload in messages:
        match header["kind"]:
            case "sound":
                yield Sound(float(header["time_s"]), np.frombuffer(payload, np.int16))
            case "done":
                yield _end(header)


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
