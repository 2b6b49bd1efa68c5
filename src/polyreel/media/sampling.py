"""Which packets of a video have to be decoded for pictures near the points of a grid of times.

Pictures are sampled at 0, 1, 2, ... seconds (at one a second). To decode each of them, everything since the
key frame before it has to be decoded, too; but a picture that lies half a step beside its point says as much
of the video. So a point takes the key frame that lies within half a step of it, if there is one, and the last
point in front of a key frame takes a picture up to half a step earlier: what comes between that picture and
the key frame need not be decoded at all. With a key frame every second little else is decoded.

Where nothing moves, packets are a few bytes, and so they are up to the next key frame. If that shows what was
shown before them, they need not be decoded either: their points take the last picture once more.

Packets are looked at some seconds ahead. Whatever looks odd in them (time stamps that are missing or jump)
ends the selection: all packets are decoded from there on.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a search knows these names, and loads no FFmpeg for them
    from av.packet import Packet
    from av.video.stream import VideoStream

    from polyreel.media.key_pictures import KeyTest

__all__ = ["DEFAULT_SAMPLING", "SAMPLINGS", "PacketSelector", "Sampling", "SelectedPacket", "next_due_s"]

Sampling = Literal["exact", "near", "fast"]
"""``exact``: the first frame at or after each point of the grid. ``near``: within half a step of it; where
nothing moves, the frame before once more. ``fast``: key frames alone where they lie at most five seconds
apart, else as ``near``."""
SAMPLINGS: tuple[Sampling, ...] = ("exact", "near", "fast")
DEFAULT_SAMPLING: Sampling = "near"
"""Of index runs, and of benchmarks, which measure what these find."""

_EPSILON_S = 1e-6
# Key frames that lie further apart than this say too little of what is between them.
_LONGEST_GROUP_S = 5.0
# A picture this far behind its point is taken for the one at it, if it is decoded before that.
_BESIDE_S = 0.1
# Packets that wait for a decision; a camera's 100 Mbit/s fill five seconds with as much.
_MOST_WAITING_BYTES = 64 << 20
# A step back in order of decoding by more than reordered pictures make, or one ahead that may be a stray time
# stamp: what they mean the reader finds out, which needs every frame for it.
_BACK_S, _AHEAD_S = 2.0, 10.0
# A packet that changes nothing, or a pointer or the digit of a clock alone, takes no more bytes than that:
# x264, x265, libvpx and SVT-AV1 write 3 to 124 of them for a page that stands still in 720p. What moves does
# not take as many more where pictures are larger: in 2160p x265 shows a walker in 963 to 1,466.
_FEW_BYTES, _PIXELS_A_BYTE, _MOST_PIXELS = 24, 4_096, 1920 * 1088
# How far away the key frame may lie that tells whether anything has changed: 250 frames at 12.5 a second.
_LONGEST_STILL_S = 20.0


def next_due_s(time_s: float, fps: float) -> float:
    """The first multiple of ``1 / fps`` seconds after ``time_s``: when the next frame is to be taken."""
    return (math.floor(time_s * fps + _EPSILON_S) + 1) / fps


@dataclass(frozen=True, slots=True)
class SelectedPacket:
    """A packet that has to be decoded.

    Attributes:
        packet: as it came.
        is_kept: its picture may be sampled; of others that no picture refers to need not be decoded.
        is_after_cut: packets before it were left out, so that decoding begins afresh with it.
        is_repeat: it is not to be decoded: the last picture that was sampled is shown again at its time.
    """

    packet: Packet[VideoStream]
    is_kept: bool = True
    is_after_cut: bool = False
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    packet: Packet[VideoStream]
    time_s: float | None  # None where nothing is shown: an empty packet, or one that an edit list discards
    is_key: bool = False
    is_large: bool = False  # it may show something new


class PacketSelector:
    """Chooses packets of one video stream, read once from its start.

    Args:
        fps: points of the grid for each second.
        unit_s: what one tick of the stream's time stamps is in seconds.
        zero_s: time stamp in seconds at which the player's clock reads zero.
        is_key: whether decoding can begin at a packet that its container calls a key frame.
        key_frames_alone: take nothing but key frames where these lie close.
        shows_nothing_new: whether a key frame shows what the last picture shows that ``takes`` took; None if
            that cannot be told.
        pixels: of a picture.

    Attributes:
        is_off: every packet is handed on from now on; may be set at any time.
        passed_s: the latest time of a packet that was left out, seconds on the player's clock.
    """

    def __init__(
        self,
        fps: float,
        *,
        unit_s: float,
        zero_s: float,
        is_key: KeyTest,
        key_frames_alone: bool = False,
        shows_nothing_new: Callable[[Packet[VideoStream]], bool] | None = None,
        pixels: int = 0,
    ) -> None:
        self.is_off = False
        self._wanted_s: deque[float] = deque()
        self.passed_s = 0.0
        self._fps, self._step_s, self._half_s = fps, 1 / fps, 0.5 / fps
        self._unit_s, self._zero_s, self._is_key = unit_s, zero_s, is_key
        self._key_frames_alone = key_frames_alone
        self._shows_nothing_new = shows_nothing_new
        self._few_bytes = _FEW_BYTES + min(pixels, _MOST_PIXELS) // _PIXELS_A_BYTE
        self._moved: _Waiting | None = None  # the last key frame that showed something new
        self._taken_s = -math.inf  # what the last point took
        self._large_s = -math.inf  # the latest of what was large and waits no more
        self._due_s = 0.0
        self._waiting: deque[_Waiting] = deque()
        self._ahead: list[_Waiting] = []  # handed on, and shown after what was wanted last
        self._waiting_bytes = 0
        self._waiting_large = 0  # packets that may show something new
        self._has_ended = False
        self._last_dts: int | None = None
        self._latest_s = -math.inf  # of all that came in
        self._complete_s = -math.inf  # whatever is shown before this came in
        self._group_s: float | None = None  # time of the key frame that began the group that is decoded
        self._is_cut = False  # packets of the group that is decoded were left out
        self._shown_from_s = -math.inf  # what is shown before this refers to pictures that were left out

    def select(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[SelectedPacket]:
        """What has to be decoded of ``packets``, in their order."""
        source = iter(packets)
        while not self.is_off:
            self._look_ahead(source)
            if self.is_off:
                break
            wanted = self._wanted()
            if wanted is None and not self._has_ended:  # too much waits: go on without a decision
                yield from self._handed_on(1, None)
                continue
            if wanted is None:
                yield from self._left_out(len(self._waiting))
                return
            key = self._key_behind_still(wanted)
            if key is not None and self._wanted_s:  # what would be shown again has not come out yet
                yield from self._handed_on(1, None)
                continue
            if key is not None and self._leads_to(key):
                yield from self._repeated(wanted, key)
                continue
            is_waiting = wanted not in self._ahead
            self._settle(wanted)
            if is_waiting:
                first, count = self._extent(wanted)
                yield from self._left_out(first)
                yield from self._handed_on(count - first, wanted)
        yield from self._handed_on(len(self._waiting), None)
        yield from map(SelectedPacket, source)

    def takes(self, time_s: float) -> bool:
        """Whether the picture that comes out of the decoder now, in order of showing, is sampled."""
        is_wanted = False
        while self._wanted_s and time_s >= self._wanted_s[0] - _EPSILON_S:
            self._wanted_s.popleft()
            is_wanted = True
        return is_wanted

    def _settle(self, wanted: _Waiting) -> None:
        """The next point of the grid takes this one."""
        self._wanted_s.append(_time(wanted))
        self._taken_s = _time(wanted)
        self._ahead = [each for each in self._ahead if _time(each) > _time(wanted)]
        self._due_s = max(self._due_s + self._step_s, next_due_s(_time(wanted), self._fps))

    def _look_ahead(self, source: Iterator[Packet[VideoStream]]) -> None:
        """Let as many packets wait as it takes to know which one the next point takes."""
        key_s = max((_time(each) for each in self._waiting if each.is_key), default=-math.inf)
        while not self._has_ended and self._waiting_bytes <= _MOST_WAITING_BYTES:
            # Pictures that are shown before a key frame, or before any other, may come behind it.
            beyond_s = self._due_s if key_s >= self._due_s else self._horizon_s
            if self._waiting and self._complete_s >= beyond_s:
                return
            packet = next(source, None)
            if packet is None:
                self._has_ended = True
                return
            each = self._understood(packet)
            self._waiting.append(each)
            self._waiting_bytes += packet.size
            self._waiting_large += each.is_large
            if self.is_off:
                return
            if each.is_key:
                key_s = max(key_s, _time(each))

    @property
    def _horizon_s(self) -> float:
        beyond_s = self._due_s + 2 * self._step_s
        if self._key_frames_alone and self._group_s is not None:
            beyond_s = max(beyond_s, self._group_s + _LONGEST_GROUP_S)
        if self._shows_nothing_new is not None and not self._waiting_large:
            beyond_s = max(beyond_s, self._due_s + _LONGEST_STILL_S)
        return beyond_s

    def _key_behind_still(self, wanted: _Waiting) -> _Waiting | None:
        """The key frame behind ``wanted``, if nothing but small packets waits before it."""
        if self._shows_nothing_new is None or any(_time(each) >= _time(wanted) for each in self._ahead):
            return None
        # What came in a large packet and is shown behind the picture taken last, nobody has seen.
        if self._large_s > self._taken_s:
            return None
        small = list(takewhile(lambda each: not each.is_large, self._waiting))
        if wanted not in small or len(small) == len(self._waiting):
            return None
        key = self._waiting[len(small)]
        return key if key.is_key and key is not self._moved else None

    def _leads_to(self, key: _Waiting) -> bool:
        """Whether nothing has changed up to a key frame since the last picture that was sampled."""
        if self._shows_nothing_new is not None and self._shows_nothing_new(key.packet):
            return True
        self._moved = key
        return False

    def _repeated(self, first: _Waiting, key: _Waiting) -> Iterator[SelectedPacket]:
        """The last picture once more for each point from ``first`` on that needs no key frame."""
        count = next(at for at, each in enumerate(self._waiting) if each is key)
        small = list(islice(self._waiting, count))
        wanted: _Waiting | None = first
        while wanted is not None and wanted in small:
            self._settle(wanted)
            yield SelectedPacket(wanted.packet, is_repeat=True)
            wanted = self._wanted()
        yield from self._left_out(count)

    def _understood(self, packet: Packet[VideoStream]) -> _Waiting:
        if packet.size == 0:
            return _Waiting(packet, None)
        stamp, order = packet.pts, packet.dts
        if stamp is None or (order is not None and self._last_dts is not None and order < self._last_dts):
            self.is_off = True
            return _Waiting(packet, None)
        self._last_dts = order if order is not None else self._last_dts
        time_s = stamp * self._unit_s - self._zero_s
        is_first = self._latest_s == -math.inf
        if not is_first and not -_BACK_S <= time_s - self._latest_s <= _AHEAD_S:
            self.is_off = True
            return _Waiting(packet, None)
        self._latest_s = max(self._latest_s, time_s)
        decoded_s = -math.inf if order is None else order * self._unit_s - self._zero_s
        # Nothing is shown before it is decoded; a longer step back would end the selection.
        self._complete_s = max(self._complete_s, decoded_s, self._latest_s - _BACK_S - _EPSILON_S)
        # Opacity comes beside the colours.
        beside = sum(data.data_size for data in packet.iter_sidedata())
        is_large = packet.size + beside > self._few_bytes
        if packet.is_discard:
            return _Waiting(packet, None, is_large=is_large)
        is_key = packet.is_keyframe and self._is_key(packet)
        return _Waiting(packet, time_s, is_key, is_key or is_large)

    def _wanted(self) -> _Waiting | None:
        """The packet whose picture the next point of the grid takes; None if none that waits is fit."""
        due_s = self._due_s
        # Of uneven frames one may lie near two points; what is shown again still waits when the second comes.
        waiting = [each for each in self._waiting if each.time_s is not None and each.time_s > self._taken_s]
        shown = self._ahead + waiting
        if self._has_ended and self._latest_s < due_s - _EPSILON_S:
            return None
        keys = [each for each in shown if each.is_key]
        near = [each for each in keys if abs(_time(each) - due_s) <= self._half_s + _EPSILON_S]
        if near:
            return min(near, key=lambda each: abs(_time(each) - due_s))
        next_key = min((each for each in keys if _time(each) > due_s), key=_time, default=None)
        if self._key_frames_alone and self._is_short_group(next_key):
            return next_key
        earliest_s = due_s - (self._half_s if self._is_last_of_group(next_key) else 0.0) - _EPSILON_S
        latest_s = due_s + min(_BESIDE_S, self._half_s)
        for each in shown:  # the first to be decoded: others may refer to it
            if earliest_s <= _time(each) <= latest_s and self._can_show(each):
                return each
        later = [each for each in shown if _time(each) >= due_s and self._can_show(each)]
        first = min(later, key=_time, default=None)
        # Others that are shown before it may come behind it.
        is_decided = first is None or self._has_ended or self._complete_s >= _time(first)
        return first if is_decided else None

    def _can_show(self, each: _Waiting) -> bool:
        return _time(each) >= self._shown_from_s

    def _is_last_of_group(self, next_key: _Waiting | None) -> bool:
        """Whether the point after the next one is served by a key frame, or lies behind the end."""
        after_s = self._due_s + self._step_s
        if next_key is None:
            return self._has_ended and self._latest_s < after_s
        return _time(next_key) <= after_s + self._half_s

    def _is_short_group(self, next_key: _Waiting | None) -> bool:
        begun = [each for each in self._waiting if each.is_key and _time(each) <= self._due_s]
        group_s = max(map(_time, begun), default=self._group_s)
        if group_s is None or not (self._has_ended or next_key is not None):
            return False
        end_s = self._latest_s if next_key is None else _time(next_key)
        return end_s - group_s <= _LONGEST_GROUP_S + _EPSILON_S

    def _extent(self, wanted: _Waiting) -> tuple[int, int]:
        """From which packet on, and up to which one, the waiting have to be decoded for ``wanted``."""
        last = next(at for at, each in enumerate(self._waiting) if each is wanted)
        first = 0
        for at, each in enumerate(self._waiting):
            if at <= last and each.is_key and _time(each) <= _time(wanted):
                first = at
        # The second field of a picture may be a packet of its own.
        fields = (each for each in islice(self._waiting, last + 1, None) if each.time_s == wanted.time_s)
        return first, last + 1 + sum(1 for _ in fields)

    def _left_out(self, count: int) -> Iterator[SelectedPacket]:
        for _ in range(count):
            each = self._next()
            if each.packet.size == 0:  # says that the picture before is shown on
                yield SelectedPacket(each.packet)
                continue
            self._is_cut = True
            self._group_s = _time(each) if each.is_key else self._group_s

    def _handed_on(self, count: int, wanted: _Waiting | None) -> Iterator[SelectedPacket]:
        for _ in range(count):
            each, is_after_cut = self._next(), False
            if each.is_key:
                self._group_s, is_after_cut = _time(each), self._is_cut
                self._shown_from_s = _time(each) if is_after_cut else -math.inf
                self._is_cut = False
            if each.time_s is not None and each.time_s < self._shown_from_s:
                continue
            is_later = each.time_s is not None and (wanted is None or each.time_s > _time(wanted))
            if is_later:
                self._ahead.append(each)
            yield SelectedPacket(each.packet, is_later or each is wanted, is_after_cut)

    def _next(self) -> _Waiting:
        each = self._waiting.popleft()
        self._waiting_bytes -= each.packet.size
        self._waiting_large -= each.is_large
        if each.time_s is not None:
            self.passed_s = max(self.passed_s, each.time_s)
            self._large_s = max(self._large_s, each.time_s) if each.is_large else self._large_s
        return each


def _time(each: _Waiting) -> float:
    assert each.time_s is not None
    return each.time_s
