"""The pictures of a file that are worth a look, decoded by a limited worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from polyreel.media.limited import DecodeWorker, Messages
from polyreel.media.looks import Look, LookEnd
from polyreel.units import printable

__all__ = ["read_looks"]


def read_looks(
    worker: DecodeWorker, path: Path, *, fps: float, longest_px: int, from_s: float = 0.0
) -> Iterator[Look | LookEnd]:
    """Pictures that are new, and ``LookEnd`` at the end. Raises as ``DecodeWorker.decode``.

    Args:
        worker: reads the file; one that is killed from outside is replaced once.
        path: a video; a file of sound alone has no pictures.
        fps: pictures for each second of video that are compared with the last one that was new.
        longest_px: longest side of the images.
        from_s: what lies before this time does not come.
    """
    request = {"task": "look", "fps": fps, "longest_px": longest_px, "from_s": from_s}
    return worker.ask_again(path, request, _events)


def _events(messages: Messages) -> Iterator[Look | LookEnd]:
    for header, payload in messages:
        match header["kind"]:
            case "look":
                shape = (int(header["height_px"]), int(header["width_px"]), 3)
                yield Look(float(header["time_s"]), np.frombuffer(payload, np.uint8).reshape(shape))
            case "done":
                remarks = tuple(printable(str(remark)) for remark in header["remarks"])
                yield LookEnd(float(header["end_s"]), remarks)
