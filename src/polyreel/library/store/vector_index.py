"""An index by Lance over the vectors of a library too large for its planes of bits to stay in memory.

It is an IVF with RaBitQ's codes of one bit a number, in the table of vectors itself: no vector is kept once
more, and a version of the table holds the index with the rows, so that a commit names both or neither. What
it gives are candidates. Its distances are never used: Lance doubles them as long as all rows are indexed, and
those of codes are estimates anyway. Rows that were added since it was built are not searched here.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lancedb.table import Table

__all__ = [
    "BuildIndex",
    "IndexFacts",
    "TableIndex",
    "bring_up_to_date",
    "index_facts",
    "is_indexed",
    "nearest",
    "partitions_of",
    "probes_of",
]

BuildIndex = Callable[[Path, str, str, int], bool]
"""Builds an index over a table, given its folder, its column of vectors, the name of the index and how many
partitions it is to have; says whether it could."""

PLANES_BYTES = 4_600_000_000
"""What planes of bits may take: ten million clips of 384 numbers, which a search scans in 0.3 s of CPU."""
_SHARE_OF_MEMORY = 4
"""On a small machine, a quarter of its memory: as much again goes into making them, and others run there."""
_PLANE_BYTES_A_ROW = 12  # beside one byte a number

ROWS_A_PARTITION, _FEWEST_PARTITIONS, _MOST_PARTITIONS = 4_096, 16, 16_384
PROBED_ROWS = 1 << 20
"""About so many rows, of those that may be found, are looked at; benchmarks/approximate_search.py has why."""
# More of either moved recall by less than a point, and training took most of the time.
TRAINING_ROUNDS, TRAINING_ROWS_A_PARTITION = 10, 64
# Of so many new rows, or this share, a search that reads all of them takes longer than the index does.
_FEW_NEW, _NEW_SHARE = 50_000, 1 / 100
# Partitions of so many times the rows that they were made for cost more to search.
_OUTGROWN = 2
_VECTOR, _KIND = "vector", "kind"
_NAME, _KINDS = "vectors-", "kinds"
_CACHE_BYTES = 1 << 30
_FOREVER = timedelta(days=36_500)


def is_indexed(rows: int, dim: int, *, share: float = 1.0) -> bool:
    """Whether so many vectors of a kind are to be searched by an index on this machine.

    Those whose width is no multiple of 8 never are: Lance 14 makes no such codes of them.

    Args:
        rows: how many.
        dim: their width.
        share: of the size from which on that is so.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if dim % 8:
        return False
    return rows * (dim + _PLANE_BYTES_A_ROW) > share * min(PLANES_BYTES, memory / _SHARE_OF_MEMORY)


def partitions_of(rows: int) -> int:
    """Into how many partitions an index over so many rows is made."""
    return min(max(rows // ROWS_A_PARTITION, _FEWEST_PARTITIONS), _MOST_PARTITIONS)


def probes_of(rows: int, share: float) -> int:
    """In how many partitions a query is looked for: fewer pass a filter, so it looks at more.

    Args:
        rows: that the partitions were made for.
        share: of the rows that may be found.
    """
    partitions = partitions_of(rows)
    return min(partitions, math.ceil(PROBED_ROWS / max(share, 1e-9) / (rows / partitions)))


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The index of a version of a table.

    Attributes:
        name: its own.
        trained: how many rows its partitions were made for.
        new: how many rows it lacks; they are those that were added last.
    """

    name: str
    trained: int
    new: int


def index_facts(table: Table) -> IndexFacts | None:
    """What there is of an index over a table of vectors; None if there is none that searches can use."""
    found = {each.name: each for each in table.list_indices()}
    named = [name for name in found if name.startswith(_NAME) and name.removeprefix(_NAME).isdecimal()]
    if len(named) != 1 or _KINDS not in found:
        return None
    (name,) = named
    new = found[name].num_unindexed_rows
    return None if new is None else IndexFacts(name, int(name.removeprefix(_NAME)), int(new))


def bring_up_to_date(
    table: Table,
    dim: int,
    place: Path,
    build: BuildIndex | None = None,
    on_begin: Callable[[int], None] | None = None,
) -> bool:
    """Make, extend or drop the index of a table of vectors, as its size asks; return whether that changed it.

    Args:
        table: at its latest version; each step makes another one.
        dim: width of the vectors.
        place: folder of the table.
        build: makes an index; where it cannot, and without it, this process does.
        on_begin: called with how many vectors there are before work on an index begins.
    """
    rows, facts = table.count_rows(), _whole(table, dim)
    # One that is damaged would be asked how many rows there are of a kind.
    dropped = facts is None and _drop(table)
    # Near the size where it begins, it is not made and dropped in turn.
    share = 1.0 if facts is None else 0.5
    kinds = [table.count_rows(f"{_KIND} = '{kind}'") for kind in ("clip", "subtitle")]
    if not any(is_indexed(each, dim, share=share) for each in kinds):
        return _drop(table) or dropped
    is_new = facts is None or rows > _OUTGROWN * facts.trained
    if facts is not None and not is_new and facts.new <= max(_FEW_NEW, _NEW_SHARE * rows):
        return False
    if on_begin is not None:
        on_begin(rows)
    if is_new:
        _drop(table)
        _build(table, rows, place, build)
    else:
        table.optimize(cleanup_older_than=_FOREVER)
    return True


def _whole(table: Table, dim: int) -> IndexFacts | None:
    """The index, if it answers."""
    facts = index_facts(table)
    if facts is not None:
        try:
            nearest(table, "clip", np.full(dim, dim**-0.5, np.float32), 1, probes=1)
        except (OSError, RuntimeError, ValueError):
            return None
    return facts


def _build(table: Table, rows: int, place: Path, build: BuildIndex | None) -> None:
    # Imported late: with it comes Lance.
    from lancedb.index import Bitmap, IvfRq

    table.create_index(_KIND, config=Bitmap(), name=_KINDS)
    if build is not None and build(place, _VECTOR, f"{_NAME}{rows}", partitions_of(rows)):
        table.checkout_latest()  # type: ignore[no-untyped-call]
        return
    config = IvfRq(
        distance_type="cosine",
        num_partitions=partitions_of(rows),
        max_iterations=TRAINING_ROUNDS,
        sample_rate=TRAINING_ROWS_A_PARTITION,
    )
    table.create_index(_VECTOR, config=config, name=f"{_NAME}{rows}")


def _drop(table: Table) -> bool:
    own = [each.name for each in table.list_indices() if each.name == _KINDS or each.name.startswith(_NAME)]
    for name in own:
        table.drop_index(name)
    return bool(own)


class TableIndex:
    """The index of a version of a table, opened when it is first asked, by any number of threads.

    Args:
        folder: the library.
        name: of the table.
        version: of it; None for the latest.
    """

    def __init__(self, folder: Path, name: str, version: int | None) -> None:
        self._place, self._lock = (folder, name, version), threading.Lock()

    @functools.cached_property
    def table(self) -> Table:
        """The table at that version."""
        folder, name, version = self._place
        # It reads this when it is first imported.
        os.environ.setdefault("LANCEDB_LOG", "error")
        import lancedb

        # Lance would keep six times as much of an index in memory.
        session = lancedb.Session(index_cache_size_bytes=_CACHE_BYTES)
        table = lancedb.connect(folder, session=session).open_table(name)
        if version is not None:
            table.checkout(version)
        return table

    @functools.cached_property
    def _trained(self) -> int:
        facts = index_facts(self.table)
        if facts is None:
            raise ValueError("the table has no index")
        return facts.trained

    def nearest(self, kind: str, query: NDArray[np.float32], count: int, share: float) -> NDArray[np.uint64]:
        """Addresses of the rows of a kind nearest to a query, ``count`` at most.

        Args:
            kind: "clip" or "subtitle".
            query: (dim,) unit vector.
            count: how many.
            share: of the rows of that kind that may be found.

        Raises:
            OSError, RuntimeError, ValueError: it cannot be read.
        """
        with self._lock:
            table, trained = self.table, self._trained
        return nearest(table, kind, query, count, probes=probes_of(trained, share))


def nearest(
    table: Table, kind: str, query: NDArray[np.float32], count: int, *, probes: int
) -> NDArray[np.uint64]:
    """Addresses of the rows that the index puts nearest to a query, nearest first, ``count`` at most.

    Args:
        table: a version of it that has an index.
        kind: "clip" or "subtitle".
        query: (dim,) unit vector.
        count: how many.
        probes: in how many partitions it looks.
    """
    asked: Any = table.search(query.astype(np.float16), vector_column_name=_VECTOR)
    asked = asked.distance_type("cosine").nprobes(probes).limit(count)
    asked = asked.where(f"{_KIND} = '{kind}'", prefilter=True).fast_search().with_row_id(True)
    # Lance is going to leave out distances that are not asked for, and says so of each such search.
    found: NDArray[np.uint64] = asked.select(["_distance", "_rowid"]).to_arrow()["_rowid"].to_numpy()
    return found
