"""The child process that touches media files, a fork of ``fork_server``.

It reads one JSON request a line from stdin and answers each with messages (``wire``) on stdout: for the task
"decode" ``opened``, ``frame``, ``clip`` and ``device left`` (``known`` in place of frames that came before),
for "hear" ``sound`` or ``passed``, for "look" ``look`` or ``passed``, for those of ``browser_tasks`` and
``cuts.task`` what stands there; then ``done`` or ``failed``. Between requests it keeps nothing but which
devices decode.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from polyreel.errors import LimitError, MediaError
from polyreel.media.browser_tasks import BROWSER_TASKS, Send
from polyreel.media.closed_captions import CodedCaption
from polyreel.media.cuts.task import CUT_TASKS
from polyreel.media.decode import Picture, is_sound_alone
from polyreel.media.device_reader import DeviceReader
from polyreel.media.jpeg import encode_jpeg, fit_within
from polyreel.media.looks import looks
from polyreel.media.readers import open_video
from polyreel.media.scaling import Scaling
from polyreel.media.sound import SAMPLE_RATE, SoundReader
from polyreel.media.subtitles import read_tracks
from polyreel.media.windows import Windower
from polyreel.media.wire import write_message

__all__ = ["serve"]


def serve(memory_bytes: int) -> None:
    """Serve requests until stdin closes, with so much data memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # Whatever a library prints must not mix with the messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=1 << 20)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for line in sys.stdin:
            _answer(out, json.loads(line))


def _answer(out: BinaryIO, request: dict[str, Any]) -> None:
    def send(kind: str, payload: bytes | memoryview = b"", **fields: object) -> None:
        write_message(out, {"kind": kind, **fields}, payload)

    try:
        _TASKS[request["task"]](Path(request["path"]), request, send)
    except MediaError as error:
        send("failed", error=type(error).__name__, **_facts(error))
    except MemoryError:
        what = "decoding ran out of its memory limit"
        send("failed", error=LimitError.__name__, what=what, item=request["path"])


def _facts(error: MediaError) -> dict[str, Any]:
    item, value = (None if fact is None else str(fact) for fact in (error.item, error.value))
    return {"what": error.what, "item": item, "value": value, "remedy": error.remedy}


def _read(path: Path, request: dict[str, Any], send: Send) -> None:
    health, captions = _decode(path, request, send) if request["pictures"] else (None, [])
    if request["captions"]:
        captions = _captions_alone(path, send)
    names = request["sidecars"]
    beside = None if names is None else [path.with_name(name) for name in names]
    # The program detects languages: what that takes is half a second of CPU to load, here in each worker.
    tracks, failures = read_tracks(path, beside, captions)
    send(
        "done",
        health=health,
        subtitles=[asdict(track) for track in tracks],
        problems=[str(failure) for failure in failures],
    )


def _decode(
    path: Path, request: dict[str, Any], send: Send
) -> tuple[dict[str, object], Iterable[CodedCaption]]:
    """Send every sampled frame at the size asked, and after its last frame each clip with a thumbnail."""
    from_s = request["from_s"]
    windower = Windower(request["max_clip_s"], follows_s=from_s or None)
    thumbnails: list[Any] = []  # small pictures of the open clip, of which the middle one is kept
    size, scaling = (request["width_px"], request["height_px"]), Scaling(**request["scaling"])
    with DeviceReader(path, request["hwaccel"]) as reader:
        send("opened", duration_s=reader.duration_asked_s)
        for picture in reader.pictures(request["fps"], request["sampling"]):
            image = picture.image(size, scaling)
            if picture.time_s < from_s:
                send("known", image.reshape(-1).data, time_s=picture.time_s)
                continue
            span = windower.add(picture.time_s, image)
            if span is not None:
                send("clip", encode_jpeg(thumbnails[span.middle]), start_s=span.start_s, end_s=span.end_s)
                thumbnails.clear()
            send("frame", image.reshape(-1).data, time_s=picture.time_s)
            thumbnail = _thumbnail(picture, request["thumbnail_px"]) if windower.may_be_middle else None
            thumbnails.append(thumbnail)
        last = windower.finish(reader.health.duration_got_s)
        if last is not None:  # otherwise the last clip was known
            send("clip", encode_jpeg(thumbnails[last.middle]), start_s=last.start_s, end_s=last.end_s)
        if reader.left is not None:
            send("device left", **asdict(reader.left))
        health = reader.health
        return health.model_dump(), reader.closed_captions.decode(health.duration_got_s)


def _captions_alone(path: Path, send: Send) -> Iterable[CodedCaption]:
    """The captions that come with the pictures, of which none is wanted."""
    with open_video(path) as reader:
        for picture in reader.pictures():
            send("passed", time_s=picture.time_s)
        return reader.closed_captions.decode(reader.health.duration_got_s)


def _hear(path: Path, request: dict[str, Any], send: Send) -> None:
    """Send the sound of a track that lies after ``from_s``; of None, only what tracks there are."""
    track, from_s = request["track"], request["from_s"]
    with SoundReader(path) as reader:
        for piece in () if track is None else reader.pieces(track):
            known = min(len(piece.samples), max(0, round((from_s - piece.start_s) * SAMPLE_RATE)))
            if known == len(piece.samples):
                send("passed", time_s=piece.end_s)
            else:
                start_s = piece.start_s + known / SAMPLE_RATE
                send("sound", piece.samples[known:].tobytes(), time_s=start_s)
        send("done", tracks=[asdict(each) for each in reader.tracks], remarks=list(reader.remarks))


def _look(path: Path, request: dict[str, Any], send: Send) -> None:
    """Send the pictures that are new; a file of sound alone has none."""
    if is_sound_alone(path):
        send("done", end_s=0.0, remarks=[])
        return
    with open_video(path) as reader:
        for look in looks(reader, request["fps"], request["longest_px"], from_s=request["from_s"]):
            if look.image is None:
                send("passed", time_s=look.time_s)
            else:
                height_px, width_px, _ = look.image.shape
                pixels = look.image.reshape(-1).data
                send("look", pixels, time_s=look.time_s, width_px=width_px, height_px=height_px)
        send("done", end_s=reader.health.duration_got_s, remarks=list(reader.health.remarks))


def _thumbnail(picture: Picture, longest_px: int) -> Any:
    return picture.image(fit_within(picture.display_size, longest_px))


_TASKS: Mapping[str, Callable[[Path, dict[str, Any], Send], None]] = {
    "decode": _read,
    "hear": _hear,
    "look": _look,
    **BROWSER_TASKS,
    **CUT_TASKS,
}
