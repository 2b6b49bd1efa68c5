"""Decode in a child process under a time and a memory limit, so that no file can hang or kill the program."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from polyreel.clips import Caption
from polyreel.errors import DecodeError, LimitError, MediaError, WorkerKilledError
from polyreel.media.decode import Frame
from polyreel.media.forked import ForkedWorker, is_readable, start_worker
from polyreel.media.health import Health
from polyreel.media.hwaccel import DeviceLeft, Hwaccel, HwaccelUse
from polyreel.media.sampling import Sampling
from polyreel.media.scaling import STRETCH, Scaling
from polyreel.media.subtitles import SubtitleTrack
from polyreel.media.windows import MAX_CLIP_S
from polyreel.media.wire import read_message
from polyreel.remote.answers import FetchStopped
from polyreel.remote.spool import reached_file
from polyreel.units import printable

if TYPE_CHECKING:
    from polyreel.encoders.card import FrameInput

__all__ = [
    "ClipEnd",
    "DecodeEvent",
    "DecodeOptions",
    "DecodeStopped",
    "DecodeWorker",
    "DecodedClip",
    "Finished",
    "KnownFrame",
    "Limits",
    "Messages",
    "Opened",
]

# A decoder that crashes ends by none of these, nor do its limits: somebody else sent them.
_FROM_OUTSIDE = frozenset({-signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL, -signal.SIGTERM})
_STOP_CHECK_S = 0.2


class DecodeStopped(Exception):  # noqa: N818  the caller asked for it
    """Decoding ended because ``stop`` was set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take.

    Attributes:
        memory_bytes: data memory of the worker.
        silence_s: longest wait for the next frame.
        base_s: time that any file may take in all, plus
        per_video_s: as much for each second of video that has come out. Waiting for the reader does not
            count.
    """

    memory_bytes: int = 1_500 << 20
    silence_s: float = 60.0
    base_s: float = 120.0
    per_video_s: float = 5.0


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What is wanted of a file.

    Attributes:
        width_px, height_px: size that the upright picture is brought to.
        fps: frames for each second of video.
        scaling: how it gets there; by default the whole of it is stretched.
        sampling: how near to their times pictures are taken.
        max_clip_s: longest clip.
        thumbnail_px: longest side of a thumbnail.
        pictures: False reads subtitles only, without those that come with the pictures.
        captions: reads those, too, without ``pictures``; it takes as long as decoding.
        sidecars: names of the subtitle files beside the video; None has the folder listed for them.
        from_s: end of a clip of the same file, made with the same options, from which to go on: it and those
            before it do not come again, and their frames as ``KnownFrame``.
    """

    width_px: int
    height_px: int
    fps: float = 1.0
    max_clip_s: float = MAX_CLIP_S
    thumbnail_px: int = 320
    pictures: bool = True
    captions: bool = False
    sidecars: tuple[str, ...] | None = None
    scaling: Scaling = STRETCH
    sampling: Sampling = "exact"
    from_s: float = 0.0

    @classmethod
    def of(cls, frames: FrameInput, sampling: Sampling = "exact") -> DecodeOptions:
        """What the card of an encoder asks for."""
        scaling = Scaling.of(frames)
        return cls(frames.width_px, frames.height_px, frames.fps, scaling=scaling, sampling=sampling)


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event of a file: the length in seconds that it states, None if it states none."""

    duration_s: float | None


@dataclass(frozen=True, slots=True)
class KnownFrame:
    """A frame of a clip that does not come again; what follows may repeat it.

    Attributes:
        time_s: seconds from the start of the video.
        image: (height, width, 3) uint8 RGB, as it came at first.
    """

    time_s: float
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ClipEnd:
    """All frames from ``start_s`` on have come, and they are one clip that ends at ``end_s``.

    With its JPEG.
    """

    start_s: float
    end_s: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a file: its health (None if no pictures were asked for), subtitles and problems."""

    health: Health | None
    subtitles: tuple[SubtitleTrack, ...]
    problems: tuple[str, ...]


DecodeEvent = Opened | KnownFrame | Frame | ClipEnd | Finished
Messages = Iterator[tuple[dict[str, Any], bytes]]
_Event = TypeVar("_Event")


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One clip with its pictures.

    Attributes:
        start_s, end_s: seconds from the start of the video.
        images: (frames, height, width, 3) uint8 RGB.
        thumbnail: a JPEG file of its middle.
    """

    start_s: float
    end_s: float
    images: NDArray[np.uint8]
    thumbnail: bytes


class DecodeWorker:
    """A child process that decodes one file after another; it is replaced when a file breaks it.

    Args:
        limits: what one file may take.
        stop: once it is set, waiting for the child ends with ``DecodeStopped``.
        hwaccel: device that ``decode`` uses; where it crashes or hangs, the CPU goes on with the file.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        stop: threading.Event | None = None,
        hwaccel: HwaccelUse | None = None,
    ) -> None:
        self._limits, self._stop = limits or Limits(), stop or threading.Event()
        self._hwaccel = hwaccel or HwaccelUse()
        self._process: ForkedWorker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What a child that is gone was still to read cannot be written.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process = None

    def decode(self, path: Path, options: DecodeOptions) -> Iterator[DecodeEvent]:
        """``Opened``, known frames, frames and clip ends of ``path`` in order, and ``Finished`` at the end.

        A child that is killed from outside is replaced once, and the file read again up to where it was.

        Raises:
            MediaError: the file cannot be read as video (see ``VideoReader``).
            LimitError: the file took too long or too much memory.
            DecodeError: the decoder crashed.
            WorkerKilledError: the child was killed from outside, and so was its replacement.
            UnreachableError: the file lies in a bucket and could not be fetched.
            DecodeStopped: ``stop`` was set.
        """
        device, sent = self._hwaccel.wanted, _Sent(options.from_s)
        try:
            with contextlib.closing(self._decode(path, options, device)) as events:
                for event in events:
                    yield event
                    sent.note(event)
        except (DecodeError, LimitError, WorkerKilledError) as error:
            if device == "none" or self._process is not None:  # the child is well: it is the file
                raise
            # A file that harms any decoder costs its time twice; no device that hangs, or that takes the
            # memory which a file needs, costs a file.
            self._hwaccel.leave(DeviceLeft(f"the device failed on {path.name} ({error.what})", for_good=True))
            rest = replace(options, from_s=sent.end_s)
            with contextlib.closing(self._decode(path, rest, "none")) as events:
                yield from filter(sent.lacks, events)

    def _decode(self, path: Path, options: DecodeOptions, device: Hwaccel) -> Generator[DecodeEvent]:
        shape = (options.height_px, options.width_px, 3)
        request = {"task": "decode", "hwaccel": device, **asdict(options)}
        events = self.ask_again(path, request, lambda said: _events(said, shape))
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, DeviceLeft):
                    self._hwaccel.leave(event)
                else:
                    yield event

    def ask_again(
        self, path: Path, request: Mapping[str, Any], understand: Callable[[Messages], Iterator[_Event]]
    ) -> Generator[_Event]:
        """As ``ask``, but a child that is killed from outside is replaced once, and asked the same.

        Args:
            path: the file.
            request: as in ``ask``; asked twice, it gives the same events.
            understand: as in ``ask``.
        """
        passed_on = 0
        for is_last_try in (False, True):
            with contextlib.closing(self.ask(path, request, understand)) as events:
                try:
                    # Those that were passed on are left out.
                    for event in itertools.islice(events, passed_on, None):
                        yield event
                        passed_on += 1
                except WorkerKilledError:
                    if is_last_try:
                        raise
                else:
                    return

    def ask(
        self, path: Path, request: Mapping[str, Any], understand: Callable[[Messages], Iterator[_Event]]
    ) -> Generator[_Event]:
        """What ``understand`` makes of the worker's messages about a file; closing it ends the child.

        Args:
            path: the file.
            request: what is wanted of it, for one of the tasks of ``worker``.
            understand: makes events of messages (header, payload), of which the last is of the kind "done". A
                ``ValueError``, ``LookupError`` or ``TypeError`` of it means that the child talks nonsense.

        Raises: as ``decode``, but that a child that was killed is not replaced.
        """
        # The child has no network, and nobody's credentials.
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context(
                    reached_file(path, beside=request.get("sidecars") or (), stop=self._stop)
                )
            except FetchStopped:
                raise DecodeStopped from None
            yield from self._ask(path, file, request, understand)

    def _ask(
        self,
        path: Path,
        file: Path,
        request: Mapping[str, Any],
        understand: Callable[[Messages], Iterator[_Event]],
    ) -> Generator[_Event]:
        process = self._running()
        asked = {"path": str(file.absolute()), **request}
        try:
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
            said = _messages(_PatientReader(process, path, self._limits, self._stop))
            yield from understand(said if file is path else _as_of(path.parent, file.parent, said))
        # A child that a crafted file took over may say anything.
        except (EOFError, BrokenPipeError, ValueError, LookupError, TypeError, RecursionError) as error:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1.0)  # its own exit status tells more than that of close()
            ended_by = process.poll()
            self.close()
            if ended_by in _FROM_OUTSIDE:
                raise WorkerKilledError(
                    "the decoder of this file was ended from outside",
                    item=path,
                    value=signal.Signals(-ended_by).name,
                    remedy="Check that memory does not run out; the file is tried again at every run",
                ) from error
            raise DecodeError(
                "the decoder crashed on this file",
                item=path,
                value="its answers make no sense" if ended_by is None else f"exit status {ended_by}",
                remedy="The file is left out; convert it again from its source",
            ) from error
        except (GeneratorExit, LimitError, DecodeStopped):
            self.close()  # the child is in the middle of the file
            raise

    def clips(self, path: Path, options: DecodeOptions) -> Iterator[DecodedClip]:
        """The clips of ``path``, one after another, each with its frames; errors are those of ``decode``."""
        images: list[NDArray[np.uint8]] = []
        for event in self.decode(path, options):
            if isinstance(event, Frame):
                images.append(event.image)
            elif isinstance(event, ClipEnd):
                yield DecodedClip(event.start_s, event.end_s, np.stack(images), event.thumbnail)
                images.clear()

    def _running(self) -> ForkedWorker:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._process = start_worker(self._limits.memory_bytes)
        return self._process


def _messages(reader: _PatientReader) -> Messages:
    """What the worker says up to "done"; what it says of a failure is raised."""
    while True:
        header, payload = read_message(reader.read)
        if header["kind"] == "failed":
            raise _rebuilt_error(header)
        if "time_s" in header:
            reader.video_s = float(header["time_s"])
        yield header, payload
        if header["kind"] == "done":
            return


def _as_of(folder: Path, here: Path, messages: Messages) -> Messages:
    """What is said of a file here, said of where it was fetched from."""
    try:
        for header, payload in messages:
            if "problems" in header:
                said = map(str, header["problems"])
                header["problems"] = [each.replace(str(here), str(folder)) for each in said]
            yield header, payload
    except MediaError as error:
        error.item = None if error.item is None else str(error.item).replace(str(here), str(folder))
        raise


class _Sent:
    """How far a file was read before its device failed: what came since the last clip comes twice."""

    def __init__(self, from_s: float) -> None:
        self._from_s, self._known_s = from_s, -math.inf
        self.end_s, self._is_opened, self._frames = from_s, False, 0

    def note(self, event: DecodeEvent) -> None:
        """Take note of an event that was passed on."""
        match event:
            case Opened():
                self._is_opened = True
            case KnownFrame():
                self._known_s = event.time_s
            case Frame():
                self._frames += 1
            case ClipEnd():
                self.end_s, self._frames = event.end_s, 0

    def lacks(self, event: DecodeEvent) -> bool:
        """Whether an event of the file, read on from ``end_s``, was not passed on before."""
        if isinstance(event, KnownFrame):
            return self._known_s < event.time_s < self._from_s
        if isinstance(event, Frame) and self._frames:
            self._frames -= 1
            return False
        return not (isinstance(event, Opened) and self._is_opened)


def _events(messages: Messages, shape: tuple[int, int, int]) -> Iterator[DecodeEvent | DeviceLeft]:
    for header, payload in messages:
        match header["kind"]:
            case "opened":
                yield Opened(header["duration_s"])
            case "frame":
                yield Frame(float(header["time_s"]), _image(payload, shape))
            case "known":
                yield KnownFrame(float(header["time_s"]), _image(payload, shape))
            case "passed":  # no picture is wanted of that time; it tells that decoding goes on
                pass
            case "clip":
                yield ClipEnd(float(header["start_s"]), float(header["end_s"]), payload)
            case "device left":
                yield DeviceLeft(printable(str(header["why"])), bool(header["for_good"]))
            case "done":
                yield _finished(header)
            case kind:
                raise ValueError(f"unknown message {kind!r}")


class _PatientReader:
    """Reads the worker's pipe, counting only the time that is spent waiting for it."""

    def __init__(self, process: ForkedWorker, path: Path, limits: Limits, stop: threading.Event) -> None:
        self._pipe = process.stdout.fileno()
        self._path, self._limits, self._stop = path, limits, stop
        self._waited_s = 0.0
        self._buffer = bytearray()
        self.video_s = 0.0

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._wait()
            piece = os.read(self._pipe, max(1 << 16, size - len(self._buffer)))
            if not piece:
                raise EOFError
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _wait(self) -> None:
        limits = self._limits
        allowed_s = limits.base_s + limits.per_video_s * self.video_s - self._waited_s
        began = time.monotonic()
        until = began + max(0.0, min(limits.silence_s, allowed_s))
        is_ready = False
        while not is_ready:
            if self._stop.is_set():
                raise DecodeStopped
            left_s = max(0.0, until - time.monotonic())
            is_ready = is_readable(self._pipe, min(left_s, _STOP_CHECK_S))
            if not left_s:
                break
        self._waited_s += time.monotonic() - began
        if not is_ready:
            raise LimitError(
                "decoding took too long and was stopped",
                item=self._path,
                value=f"{self._waited_s:.0f} s for the first {self.video_s:.0f} s of video",
                remedy="The file is left out; convert it again from its source",
            )


def _image(payload: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(payload, np.uint8).reshape(shape)


def _finished(header: dict[str, Any]) -> Finished:
    health = None if header["health"] is None else Health.model_validate(header["health"])
    tracks = tuple(
        SubtitleTrack(
            printable(str(track["source"])), tuple(map(_caption, track["captions"]))
        ).with_language()
        for track in header["subtitles"]
    )
    return Finished(health, tracks, tuple(printable(str(problem)) for problem in header["problems"]))


def _caption(said: dict[str, Any]) -> Caption:
    words, language = printable(str(said["text"])), printable(str(said["language"]))
    return Caption(words, language, float(said["start_s"]), float(said["end_s"]))


def _rebuilt_error(header: dict[str, Any]) -> MediaError:
    kinds = {kind.__name__: kind for kind in (MediaError, DecodeError, LimitError)}
    kind = kinds.get(str(header["error"]), MediaError)
    facts = {name: header.get(name) for name in ("item", "value", "remedy")}
    return kind(str(header["what"]), **facts)
