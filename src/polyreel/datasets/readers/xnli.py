"""XNLI as premises with their three hypotheses, in many languages.

Reads the aligned file of this project's data (``xnli.*.parallel.jsonl[.gz]``, a line a pair with all
languages) and the official ``xnli.{dev,test}.tsv`` and ``.jsonl`` (a line a pair and language). Tab-separated
files are read without quoting: sentences hold stray quotation marks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from polyreel.datasets.records import Stream, created_in, record_of
from polyreel.datasets.strict_json import unique_keys
from polyreel.errors import DatasetError
from polyreel.languages import clean
from polyreel.problems import Problems
from polyreel.text_lines import numbered_lines

__all__ = ["LABELS", "XNLI_CREATION", "XNLI_LAYOUT", "NliPremise", "read_xnli", "xnli_records"]

LABELS = ("entailment", "neutral", "contradiction")
XNLI_CREATION = created_in("en", others="human-translated")
XNLI_LAYOUT = "Unpack XNLI-1.0 into a folder, so that it holds xnli.dev.tsv"
# A line of the aligned file holds all languages.
_MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class NliPremise:
    """One premise and the three hypotheses that were written about it.

    Attributes:
        id: XNLI's promptID.
        genre: where the premise comes from.
        premise: BCP-47 tag -> text.
        hypotheses: label -> tag -> text, all three labels.
    """

    id: str
    genre: str
    premise: Mapping[str, str]
    hypotheses: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Pair:
    prompt: str
    pair: str
    genre: str
    label: str
    language: str
    premise: str
    hypothesis: str


def read_xnli(folder: Path, split: str = "dev") -> tuple[NliPremise, ...]:
    """All premises of a split, in the file's order, in the languages that every pair has.

    Raises:
        DatasetError: no file of the split is there, or a premise does not have one hypothesis of each label.
    """
    path = _find(folder, split)
    premises: dict[str, dict[str, str]] = defaultdict(dict)
    hypotheses: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    genres: dict[str, str] = {}
    owners: dict[tuple[str, str], str] = {}
    with closing(_pairs(path)) as pairs:
        for pair in pairs:
            if pair.label not in LABELS:
                raise DatasetError("an unknown label", item=f"{path}, pair {pair.pair}", value=pair.label)
            if owners.setdefault((pair.prompt, pair.label), pair.pair) != pair.pair:
                raise DatasetError(
                    f"a premise has two hypotheses of label {pair.label}",
                    item=f"{path}, prompt {pair.prompt}",
                )
            genres[pair.prompt] = pair.genre
            premises[pair.prompt][pair.language] = clean(pair.premise)
            hypotheses[pair.prompt][pair.label][pair.language] = clean(pair.hypothesis)
    found = tuple(
        NliPremise(prompt, genres[prompt], premises[prompt], hypotheses[prompt]) for prompt in premises
    )
    for premise in found:
        _require_whole(premise, path)
    return found


def xnli_records(folder: Path) -> Stream:
    """A clip of text for each premise and each hypothesis of dev.

    Raises:
        DatasetError: see ``read_xnli``.
    """
    for premise in read_xnli(folder):
        for name, texts in {"premise": premise.premise, **premise.hypotheses}.items():
            captions = {tag: [text] for tag, text in texts.items()}
            yield record_of(f"{premise.id}/{name}", captions, XNLI_CREATION, split="dev")


def _require_whole(premise: NliPremise, path: Path) -> None:
    if missing := [label for label in LABELS if label not in premise.hypotheses]:
        raise DatasetError(
            "a premise lacks a hypothesis", item=f"{path}, prompt {premise.id}", value=", ".join(missing)
        )
    tags = set(premise.premise)
    for label in LABELS:
        if set(premise.hypotheses[label]) != tags:
            different = sorted(tags ^ set(premise.hypotheses[label]))
            raise DatasetError(
                "a hypothesis is missing in a language",
                item=f"{path}, prompt {premise.id}",
                value=", ".join(different),
            )


def _find(folder: Path, split: str) -> Path:
    names = [
        f"xnli.{split}.{kind}{packed}"
        for kind in ("parallel.jsonl", "jsonl", "tsv")
        for packed in ("", ".gz")
    ]
    for place in (folder, folder / "XNLI-1.0"):
        for name in names:
            if (place / name).is_file():
                return place / name
    raise DatasetError(
        f"XNLI {split} is not here",
        item=folder,
        remedy=f"Unpack XNLI-1.0 there, so that the folder holds xnli.{split}.tsv",
    )


def _pairs(path: Path) -> Generator[_Pair]:
    row: Callable[[str], Mapping[str, object]] = _json_row
    with closing(numbered_lines(path, Problems(_refuse), max_line_bytes=_MAX_LINE_BYTES)) as lines:
        for number, line in lines:
            try:
                if number == 1 and ".tsv" in path.name:
                    row = partial(_table_row, line.split("\t"))
                else:
                    yield from _split_row(row(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    "the file is not in XNLI's format",
                    item=f"{path}, line {number:,}",
                    value=repr(error)[:200],
                ) from error


def _refuse(problem: DatasetError) -> None:
    raise problem


def _table_row(header: Sequence[str], line: str) -> Mapping[str, object]:
    return dict(zip(header, line.split("\t"), strict=True))


def _json_row(line: str) -> Mapping[str, object]:
    row = json.loads(line, object_pairs_hook=unique_keys)
    if not isinstance(row, dict):
        raise TypeError(f"no object, but {line[:40]!r}")
    return row


def _split_row(row: Mapping[str, object]) -> Generator[_Pair]:
    facts = (str(row["promptID"]), str(row["pairID"]), str(row["genre"]), str(row["gold_label"]))
    premise = row.get("premise")
    if isinstance(premise, dict):
        hypothesis = row["hypothesis"]
        if not isinstance(hypothesis, dict):
            raise TypeError("a premise in many languages, but one hypothesis")
        for tag in premise:
            yield _Pair(*facts, tag, str(premise[tag]), str(hypothesis[tag]))
    else:
        yield _Pair(*facts, str(row["language"]), str(row["sentence1"]), str(row["sentence2"]))
