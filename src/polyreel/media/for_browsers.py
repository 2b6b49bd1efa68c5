"""How browsers play a video, streams of it and strips of its pictures, all made by a limited worker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, get_args

from polyreel.media.limited import DecodeWorker, Messages
from polyreel.media.playable import MP4, WEBM, Playback, Way

__all__ = ["playback_of", "stream_pieces", "strip_of"]


def playback_of(worker: DecodeWorker, path: Path, start_s: float) -> Playback:
    """How browsers play a file from a second on. Raises as ``DecodeWorker.decode``, and so do the others.

    Args:
        worker: looks at the file.
        path: the file.
        start_s: what is to be seen first, seconds.
    """

    def understand(messages: Messages) -> Iterator[Playback]:
        for header, _ in messages:
            if header["kind"] == "playback":
                yield _playback(header)

    (playback,) = worker.ask(path, {"task": "playback", "start_s": start_s}, understand)
    return playback


def stream_pieces(
    worker: DecodeWorker, path: Path, start_s: float, end_s: float | None = None
) -> Generator[tuple[bytes, float]]:
    """A file from a second on as browsers play it, in pieces; closing it ends the worker's process.

    Args:
        worker: does nothing else meanwhile.
        path: the file.
        start_s: where to begin, seconds.
        end_s: where to end, seconds; None is the end of the file.

    Yields:
        Bytes, and the second of the video up to which pictures have come.
    """

    def understand(messages: Messages) -> Iterator[tuple[bytes, float]]:
        for header, payload in messages:
            if header["kind"] == "piece" and payload:
                yield payload, float(header["time_s"])

    return worker.ask(path, {"task": "stream", "start_s": start_s, "end_s": end_s}, understand)


def strip_of(worker: DecodeWorker, path: Path, start_s: float, end_s: float) -> bytes:
    """A JPEG of five pictures between two seconds, side by side.

    Args:
        worker: draws it.
        path: the file.
        start_s, end_s: the moment, seconds.
    """

    def understand(messages: Messages) -> Iterator[bytes]:
        for header, payload in messages:
            if header["kind"] == "strip":
                yield payload

    (strip,) = worker.ask(path, {"task": "strip", "start_s": start_s, "end_s": end_s}, understand)
    return strip


def _playback(header: dict[str, Any]) -> Playback:
    way, kind = header["way"], header["kind_sent"]
    if way not in get_args(Way) or kind not in {MP4, WEBM}:
        raise ValueError(f"unknown way to play: {way!r}, {kind!r}")
    return Playback(way, kind, float(header["begins_s"]))
