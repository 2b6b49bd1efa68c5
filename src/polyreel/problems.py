"""What is wrong in a dataset and does not stop its reading: counted all, remembered some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from polyreel.errors import DatasetError

__all__ = ["Missing", "Problems"]

_KEPT_PER_KIND = 20


@dataclass(frozen=True, slots=True)
class Missing:
    """An item or file that a dataset should have and does not have."""

    id: str
    reason: str


class Problems:
    """Faults that were met on the way: repaired, left as they are, or the cause why something is left out.

    A dataset can hold millions of them, so all are counted and the first of each kind are kept.

    Args:
        on_problem: told of each one when it is met.

    Attributes:
        counts: what was wrong -> how often.
        examples: the first of each kind, in the order in which they were met.
    """

    def __init__(self, on_problem: Callable[[DatasetError], None] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: list[DatasetError] = []
        self._missing: list[Missing] = []
        self._kept: Counter[str] = Counter()
        self._on_problem = on_problem

    def __len__(self) -> int:
        return self.counts.total()

    def add(
        self, what: str, *, item: object, value: object = None, remedy: str | None = None, count: int = 1
    ) -> None:
        """Remember that ``what`` is wrong with ``item``, in ``count`` places.

        Args:
            what: the fault, as a clause; faults are counted by it.
            item: file, line or name that has it.
            value: what was found there.
            remedy: what the reader can do.
            count: in how many places.
        """
        self.counts[what] += count
        if self._on_problem is None and self._kept[what] >= _KEPT_PER_KIND:
            return
        problem = DatasetError(what, item=item, value=value, remedy=remedy)
        if self._kept[what] < _KEPT_PER_KIND:
            self._kept[what] += 1
            self.examples.append(problem)
        if self._on_problem is not None:
            self._on_problem(problem)

    def leave_out(self, what: str, *, item: object, value: object = None, remedy: str | None = None) -> None:
        """Remember that ``item`` is left out because of ``what``.

        Args:
            what: why it is left out, as a clause.
            item: what is left out.
            value: what was found there.
            remedy: what the reader can do.
        """
        self.add(f"{what}: left out", item=item, value=value, remedy=remedy)
        self._missing.append(Missing(str(item), what))

    def drain(self) -> Iterator[Missing]:
        """What was left out since the last call."""
        missing, self._missing = self._missing, []
        yield from missing
