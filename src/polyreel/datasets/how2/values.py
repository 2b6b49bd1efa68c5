"""One video's value in one ``how2_[lang].json`` -> a track of lines with times that hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from polyreel.clips import SampleCreation
from polyreel.datasets.how2.scanning import STRING
from polyreel.datasets.how2.tracks import Track, cleaned
from polyreel.problems import Problems

__all__ = ["MAX_GUESSED_LINE_S", "parse_value"]

MAX_GUESSED_LINE_S = 5.0
"""A line without an end lasts until the next begins, but not longer than this."""

_LATEST_S = 1e6  # eleven days: more is no time in a video
_COLUMNS = ("text", "start", "end")
# Encodings that captions were written in before UTF-8, where it was not that of western Europe.
_CODE_PAGES = {"cs": "cp1250", "ru": "cp1251", "vi": "cp1258", "zh": "gb18030"}
_DECODER = json.JSONDecoder(object_pairs_hook=list)


def parse_value(
    raw: bytes,
    item: str,
    problems: Problems,
    *,
    language: str,
    sample_creation: SampleCreation = "unknown",
) -> Track | None:
    """The lines in ``raw``, or None if there are none that can be used.

    Repaired: missing ends and bytes of another encoding. Left out: lines without text or with impossible
    times; all lines if their lists do not say which text belongs to which start.

    Args:
        raw: ``{"text": [..], "start": [..], "end": [..]}``, times in seconds.
        item: file and video, for messages.
        problems: where what is wrong is reported.
        language: of the texts, as a BCP-47 tag.
        sample_creation: what is known of how the texts came about.
    """
    columns = _columns(raw, item, problems, language)
    if columns is None:
        return None
    lines, faults = _lines(*columns)
    for what, count in faults.items():
        problems.add(what, item=item, value=f"{count} of {len(columns[0])} lines", count=count)
    if not lines:
        return None
    if any(later[1] < earlier[1] for earlier, later in pairwise(lines)):
        problems.add("lines are not in order of time: sorted", item=item)
        lines.sort(key=lambda line: line[1:])
    overlapping = sum(later[1] < earlier[2] for earlier, later in pairwise(lines))
    if overlapping:
        problems.add("lines overlap each other: kept", item=item, value=overlapping, count=overlapping)
    texts, starts_s, ends_s = (list(column) for column in zip(*lines, strict=True))
    return Track(texts, starts_s, ends_s, sample_creation)


def _columns(
    raw: bytes, item: str, problems: Problems, language: str
) -> tuple[list[Any], list[Any], list[Any]] | None:
    try:
        pairs = _DECODER.decode(_decoded(raw, item, problems, language))
    except (ValueError, RecursionError) as error:
        problems.leave_out("a video's captions are no JSON", item=item, value=error)
        return None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        problems.leave_out("a video's captions are no object", item=item, value=str(pairs)[:40])
        return None
    columns = dict(reversed(pairs))  # of keys that occur twice, the first
    if len(columns) < len(pairs):
        problems.add(
            "a key occurs twice in a video's captions: the first is used",
            item=item,
            value=", ".join(key for key, count in Counter(key for key, _ in pairs).items() if count > 1),
        )
    if missing := [name for name in _COLUMNS if not isinstance(columns.get(name), list)]:
        problems.leave_out("a video's captions lack a list", item=item, value=", ".join(missing))
        return None
    texts, starts, ends = (columns[name] for name in _COLUMNS)
    if len(texts) != len(starts) or len(ends) > len(texts):
        problems.leave_out(
            "a video's lists differ in length",
            item=item,
            value=f"{len(texts)} texts, {len(starts)} starts, {len(ends)} ends",
        )
        return None
    return texts, starts, ends + [None] * (len(texts) - len(ends))


def _decoded(raw: bytes, item: str, problems: Problems, language: str) -> str:
    """Text of ``raw``; strings in it that are not UTF-8 are taken for the old code page of their language."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        page = _CODE_PAGES.get(language.split("-")[0], "cp1252")
        problems.add("texts are not in UTF-8: read as another encoding", item=item, value=page)
        return re.sub(STRING, lambda found: _utf8(found[0], page), raw, flags=re.DOTALL).decode(
            errors="replace"
        )


def _utf8(string: bytes, page: str) -> bytes:
    try:
        string.decode()
    except UnicodeDecodeError:
        return string.decode(page, errors="replace").encode()
    return string


def _lines(
    texts: Sequence[Any], starts: Sequence[Any], ends: Sequence[Any]
) -> tuple[list[tuple[str, float, float]], Counter[str]]:
    lines: list[tuple[str, float, float]] = []
    faults: Counter[str] = Counter()
    for place, (text, start_s, end_s) in enumerate(zip(texts, starts, ends, strict=True)):
        try:
            sound = 0 <= start_s < end_s < _LATEST_S
        except TypeError:
            sound = False
        if not sound:
            following = starts[place + 1] if place + 1 < len(starts) else None
            fault, start_s, end_s = _mended(start_s, end_s, following)
            faults[fault] += 1
            if end_s is None:
                continue
        if not isinstance(text, str):
            faults["a text is no string: line left out"] += 1
        elif words := cleaned(text):
            lines.append((words, float(start_s), float(end_s)))
        else:
            faults["a line has no text: left out"] += 1
    return lines, faults


def _mended(start: object, end: object, following: object) -> tuple[str, float, float | None]:
    """What is wrong with the times of a line, and the times to use; no end if there are none."""
    if not _is_time(start):
        return "a start is no time: line left out", 0.0, None
    assert isinstance(start, int | float)
    if end is None or end == start:
        length_s = MAX_GUESSED_LINE_S
        if _is_time(following) and isinstance(following, int | float) and following > start:
            length_s = min(length_s, following - start)
        start_s = max(0.0, start)
        fault = "an end is missing: the line lasts until the next"
        return (fault, start_s, start + length_s) if start + length_s > start_s else (fault, start_s, None)
    if not _is_time(end) or not isinstance(end, int | float):
        return "an end is no time: line left out", 0.0, None
    if end < start:
        return "a line ends before it starts: left out", 0.0, None
    if end <= 0:
        return "a line lies before the video: left out", 0.0, None
    return "a start is negative: cut at 0", 0.0, float(end)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LATEST_S < value < _LATEST_S
