"""Actors of one kind, as many as a cluster has room for; those that die are replaced."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from polyreel.errors import UsageError, WorkerKilledError

__all__ = ["ACTORS_FOR_A_FILE", "Call", "Crew", "Lost", "Todo", "given_up", "work_through"]

ACTORS_FOR_A_FILE = 3
"""So many may end while they read a file before it is the file that is blamed."""

_LOOK_EVERY_S = 0.5
_COUNT_EVERY_S = 5.0
_PATIENCE_S = 30.0
_MOST_FAILED_STARTS = 10

_log = logging.getLogger("polyreel")
_Item = TypeVar("_Item")
_Event = TypeVar("_Event")


@dataclass(slots=True, eq=False)
class Call(Generic[_Item]):
    """What an actor has been asked, and has not answered to the end.

    Attributes:
        actor: its handle.
        item: what for; None while it is getting ready.
        pending: the reference, or generator of references, that Ray gave for it.
    """

    actor: Any
    item: _Item | None
    pending: Any


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer of an actor that is gone with its process or its node."""

    why: str


def given_up(path: Path, why: str) -> WorkerKilledError:
    """What becomes of a file that ``ACTORS_FOR_A_FILE`` have ended at, for the reason ``why`` at last."""
    return WorkerKilledError(
        f"{ACTORS_FOR_A_FILE} readers ended while they read this file",
        item=path,
        value=why,
        remedy="Check the memory of the nodes; the file is tried again at every run",
    )


class Todo(Generic[_Item]):
    """Items whose turn has not come yet; each is asked for when it does.

    Args:
        items: all of them.
        count: how many there are, at most.
    """

    def __init__(self, items: Iterable[_Item], *, count: int) -> None:
        self._items, self._left = iter(items), count
        self._next: deque[_Item] = deque()
        self._lost: Counter[_Item] = Counter()

    def __bool__(self) -> bool:
        return bool(self.peek(1))

    def __len__(self) -> int:
        """How many are left, at most."""
        return len(self._next) + self._left

    def peek(self, count: int) -> list[_Item]:
        """The next ones, as many or as there are."""
        lacking = max(0, count - len(self._next))
        came = [*itertools.islice(self._items, lacking)]
        self._next += came
        self._left = self._left - len(came) if len(came) == lacking else 0
        return [*itertools.islice(self._next, count)]

    def take(self) -> _Item:
        """The next one; there has to be one."""
        self.peek(1)
        return self._next.popleft()

    def try_again(self, item: _Item) -> bool:
        """Let an item that an actor ended at be the next one, unless ``ACTORS_FOR_A_FILE`` have by now.

        Returns:
            Whether it is.
        """
        self._lost[item] += 1
        if self._lost[item] == ACTORS_FOR_A_FILE:
            return False
        self._next.appendleft(item)
        return True


class Crew(Generic[_Item]):
    """Starts actors, gives each one call at a time, and tells what comes back.

    An actor has a method ``prepare`` without arguments, which is called first. What calls raise there is
    raised here; an actor that is lost is not: it is the caller's to ask another one.

    Args:
        make: starts an actor, and returns its handle.
        wanted: how many there are to be; None takes one for each CPU of the cluster, also of nodes that join
            later.
    """

    def __init__(self, make: Callable[[], Any], *, wanted: int | None) -> None:
        self._make, self._wanted = make, wanted
        self._idle: list[Any] = []
        self._calls: dict[Any, Call[_Item]] = {}
        self._cpus, self._counted_at = 1, float("-inf")
        self._came_at, self._has_warned = time.monotonic(), False
        self._failed_starts = 0

    @property
    def size(self) -> int:
        """How many actors there are, those that still get ready among them."""
        return len(self._idle) + len(self._calls)

    def __len__(self) -> int:
        """How many items are being worked on."""
        return sum(call.item is not None for call in self._calls.values())

    def grow(self, items: int) -> None:
        """Have as many actors as there is room for, but no more than ``items``."""
        if self._wanted is None and time.monotonic() - self._counted_at > _COUNT_EVERY_S:
            import ray

            self._cpus = max(1, int(ray.cluster_resources().get("CPU", 0)))
            self._counted_at = time.monotonic()
        for _ in range(min(self._wanted or self._cpus, items) - self.size):
            actor = self._make()
            self._add(Call(actor, None, actor.prepare.remote()))

    def take_idle(self) -> Any | None:
        """An actor that has nothing to do, to be asked something; None if there is none."""
        return self._idle.pop() if self._idle else None

    def ask(self, actor: Any, item: _Item, pending: Any) -> None:
        """Wait for what an actor was asked, too.

        Args:
            actor: from ``take_idle``, or whose answer was just taken.
            item: what for.
            pending: what Ray gave for the call.
        """
        self._add(Call(actor, item, pending))

    def answers(self) -> Iterator[tuple[Call[_Item], Any]]:
        """Calls and what came back of each by now; of a generator the next piece, None at its end.

        After the end of a call, or of a generator, its actor is idle unless it is asked something else.

        Raises:
            Exception: what the call raised there.
            UsageError: actors keep ending before they are ready.
        """
        import ray

        pending = list(self._calls)
        ray.wait(pending, num_returns=1, timeout=_LOOK_EVERY_S)
        ready, _ = ray.wait(pending, num_returns=len(pending), timeout=0)
        self._warn(came=bool(ready))
        for reference in ready:
            call = self._calls[reference]
            try:
                answer = self._answer(call)
            except ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, ray.exceptions.RayError):
                    raise error.cause from None
                answer = Lost(_first_line(error.cause))  # an actor that it asked is gone
            except ray.exceptions.RayError as error:
                answer = Lost(_first_line(error))
            if isinstance(answer, Lost):
                self._drop(call)
            if call.item is None:
                self._note_start(answer)
            else:
                yield call, answer

    def close(self) -> None:
        """End all actors."""
        import ray

        for actor in [*self._idle, *(call.actor for call in self._calls.values())]:
            ray.kill(actor)
        self._idle.clear()
        self._calls.clear()

    def _answer(self, call: Call[_Item]) -> Any:
        import ray

        if isinstance(call.pending, ray.ObjectRefGenerator):
            try:
                return ray.get(next(call.pending))
            except StopIteration:
                self._end(call)
                return None
        answer = ray.get(call.pending)
        self._end(call)
        return answer

    def _add(self, call: Call[_Item]) -> None:
        if call.actor in self._idle:
            self._idle.remove(call.actor)
        self._calls[call.pending] = call

    def _end(self, call: Call[_Item]) -> None:
        del self._calls[call.pending]
        self._idle.append(call.actor)

    def _note_start(self, answer: Any) -> None:
        if not isinstance(answer, Lost):
            self._failed_starts = 0
            return
        self._failed_starts += 1
        if self._failed_starts == _MOST_FAILED_STARTS:
            raise UsageError(
                f"{_MOST_FAILED_STARTS} processes on the cluster ended before they could begin",
                value=answer.why,
                remedy="Check that all nodes have this polyreel, this Python and memory",
            )

    def _drop(self, call: Call[_Item]) -> None:
        import ray

        self._calls.pop(call.pending, None)
        ray.kill(call.actor)  # it may still be there if only what it made was lost

    def _warn(self, *, came: bool) -> None:
        if came:
            self._came_at = time.monotonic()
        waits = all(call.item is None for call in self._calls.values())
        if waits and not self._has_warned and time.monotonic() - self._came_at > _PATIENCE_S:
            _log.warning(
                "the cluster has no CPU free for polyreel: waiting for one ('ray status' tells more)"
            )
            self._has_warned = True


def work_through(
    crew: Crew[_Item],
    todo: Todo[_Item],
    *,
    give: Callable[[Any, _Item], None],
    take: Callable[[Any, _Item, Any], Iterator[_Event]],
    may_give: Callable[[_Item], bool] = lambda _item: True,
) -> Generator[tuple[_Item, _Event]]:
    """Have a crew work until nothing is to be done; what comes of each item, as it comes.

    Args:
        crew: actors; closed at the end.
        todo: what to do.
        give: asks an idle actor for an item.
        take: makes an actor's answer about an item events; tries the item again if it is ``Lost``.
        may_give: whether the next item has its turn yet; it has at the latest once nothing is worked on.
    """
    try:
        while todo or len(crew):
            crew.grow(len(todo) + len(crew))
            while todo and may_give(todo.peek(1)[0]) and (actor := crew.take_idle()) is not None:
                give(actor, todo.take())
            for call, answer in crew.answers():
                assert call.item is not None
                for event in take(call.actor, call.item, answer):
                    yield call.item, event
    finally:
        crew.close()


def _first_line(error: BaseException) -> str:
    lines: Sequence[str] = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
