"""Ranks that somebody else's code measured, as a table: one line for each query.

Columns, in any order: ``setting, encoder, arm, seed, task, query, source, query_language, gallery_language,
gallery, rank``. ``task`` may be left out for ``text to text``, ``source`` for queries that are independent of
each other; the gallery's language is empty where videos are searched.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from polyreel.errors import ResultError
from polyreel.files import open_regular
from polyreel.study.register import Task
from polyreel.study.results import CellResult, QueryList, StudyCells, TaskRanks

__all__ = ["read_rank_table"]

_NEEDED = (
    "setting",
    "encoder",
    "arm",
    "seed",
    "query",
    "query_language",
    "gallery_language",
    "gallery",
    "rank",
)
_OPTIONAL = ("task", "source")
_MOST_SHOWN = 10

_Cell = tuple[str, str, str, int]
_Task = tuple[str, str, str, int]


def read_rank_table(path: Path, *, register_sha256: str = "") -> StudyCells:
    """The cells in a CSV file.

    Args:
        path: UTF-8, with a line of names first.
        register_sha256: that the cells are said to have been run under; empty says nothing, and the report
            then says that they are not registered.

    Raises:
        ResultError: the file cannot be read, or lines are wrong; the message lists up to ten of them.
    """
    found: dict[_Cell, dict[_Task, dict[str, tuple[str, float]]]] = {}
    problems: list[str] = []
    for number, row in _rows(path):
        try:
            cell, task, query, source, rank = _parsed(row)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        own = found.setdefault(cell, {}).setdefault(task, {})
        if query in own:
            problems.append(f"line {number}: query {query!r} comes twice in one cell and task")
        own[query] = (source, rank)
    if problems or not found:
        more = len(problems) - _MOST_SHOWN
        shown = problems[:_MOST_SHOWN] + ([f"and {more:,} more"] if more > 0 else [])
        raise ResultError(
            "the table of ranks has mistakes" if problems else "the table of ranks has no line",
            item=path,
            value="\n  ".join(shown) or None,
            remedy="Correct them; nothing is left out in silence",
        )
    queries: dict[str, QueryList] = {}
    cells = tuple(
        CellResult(
            setting=setting,
            encoder=encoder,
            arm=arm,
            seed=seed,
            digest="",
            ranks=tuple(_task_ranks(queries, task, asked) for task, asked in tasks.items()),
            register_sha256=register_sha256,
        )
        for (setting, encoder, arm, seed), tasks in found.items()
    )
    return StudyCells(study=path.stem, queries=queries, cells=cells)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="")
            names = reader.fieldnames or ()
            missing = [name for name in _NEEDED if name not in names]
            unknown = [name for name in names if name not in (*_NEEDED, *_OPTIONAL)]
            if missing or unknown:
                raise ResultError(
                    "the table of ranks has other columns than it should",
                    item=path,
                    value=f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}",
                    remedy=f"Name them {', '.join(_NEEDED)}; {' and '.join(_OPTIONAL)} may be there, too",
                )
            yield from ((reader.line_num, row) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultError(
            "the table of ranks cannot be read",
            item=path,
            value=getattr(error, "strerror", None) or str(error).splitlines()[0],
            remedy="Give a CSV file in UTF-8 with a line of names first",
        ) from error


def _parsed(row: Mapping[str, str]) -> tuple[_Cell, _Task, str, str, float]:
    if "" in row or None in row.values():
        raise ValueError("it has more or fewer fields than names")
    for name in _NEEDED:
        if not row[name] and name != "gallery_language":
            raise ValueError(f"{name} is empty")
    task = row.get("task") or "text to text"
    if task not in get_args(Task):
        raise ValueError(f"task {task!r} is none of {', '.join(get_args(Task))}")
    seed, gallery = _whole("seed", row["seed"], least=0), _whole("gallery", row["gallery"], least=1)
    try:
        rank = float(row["rank"])
    except ValueError:
        rank = math.nan
    if not 1 <= rank <= gallery:
        raise ValueError(f"rank {row['rank']!r} is not between 1 and the gallery of {gallery}")
    query = row["query"]
    return (
        (row["setting"], row["encoder"], row["arm"], seed),
        (task, row["query_language"], row["gallery_language"], gallery),
        query,
        row.get("source") or query,
        rank,
    )


def _whole(name: str, text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ValueError(f"{name} {text!r} is not a whole number from {least}")
    return value


def _task_ranks(
    queries: dict[str, QueryList], task: _Task, asked: Mapping[str, tuple[str, float]]
) -> TaskRanks:
    """The ranks; their list of queries joins ``queries`` unless an equal one is there."""
    listed = QueryList(ids=tuple(asked), sources=tuple(source for source, _ in asked.values()))
    name = hashlib.sha256(listed.model_dump_json().encode()).hexdigest()[:16]
    queries.setdefault(name, listed)
    kind, query_language, gallery_language, gallery = task
    return TaskRanks(
        task=kind,  # type: ignore[arg-type]  # checked with the line
        query_language=query_language,
        gallery_language=gallery_language,
        gallery=gallery,
        ranks=tuple(rank for _, rank in asked.values()),
        queries=name,
    )
