"""Why a moment was found, for people: what it shows, or the line that says it with the words marked."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import regex
from markupsafe import Markup, escape

from polyreel.library.results import FAIR, Evidence
from polyreel.library.search.asked_words import AskedWords
from polyreel.library.search.word_index import UNSPACED
from polyreel.library.store.words import indexed_words

__all__ = ["Why", "mark_words", "why_found"]

# A line that says so much less than the picture shows is not why.
_LEAST_SHARE = 0.25
# Stretches of scripts without spaces, whose words are pairs of letters, and words of others.
_RUNS = regex.compile(rf"(?:{UNSPACED.pattern}\p{{M}}*)+|(?:(?!{UNSPACED.pattern})[\p{{L}}\p{{M}}\p{{N}}])+")
_LETTERS = regex.compile(rf"{UNSPACED.pattern}\p{{M}}*")
_MARKED = Markup("<mark>{}</mark>")


@dataclass(frozen=True, slots=True)
class Why:
    """What speaks for a moment: at least one of the two.

    Attributes:
        seen: whether it is what the moment shows.
        said: the line that says it, searched words marked; None if no line does.
    """

    seen: bool
    said: Markup | None


def why_found(evidence: Evidence, query: str) -> Why:
    """What speaks for a moment.

    Args:
        evidence: of the hit.
        query: text that was searched for; empty for a picture or a clip.
    """
    line, picture, by_line = evidence.subtitle, evidence.picture, evidence.line
    if line is None:
        return Why(True, None)
    says = by_line is None or picture is None or by_line >= min(FAIR, _LEAST_SHARE * picture)
    shows = evidence.visual is not None and (not says or (picture or 0.0) >= FAIR)
    return Why(shows, mark_words(line.text, query) if says else None)


def mark_words(text: str, query: str) -> Markup:
    """A line with the words of a query marked, as the word search takes them; the rest is escaped."""
    asked = _asked(query)
    parts, done = [], 0
    for start, end in _found(text, asked):
        parts += [escape(text[done:start]), _MARKED.format(text[start:end])]
        done = end
    return Markup("").join([*parts, escape(text[done:])])


@functools.lru_cache(maxsize=64)
def _asked(query: str) -> frozenset[str]:
    return AskedWords.of(query).words


def _found(text: str, asked: frozenset[str]) -> list[tuple[int, int]]:
    """Where asked words stand in a text; what overlaps or touches within a script without spaces is one."""
    spans: list[tuple[int, int]] = []
    for run in _RUNS.finditer(text):
        if not UNSPACED.match(run[0]):
            if indexed_words(run[0]) in asked:
                spans.append(run.span())
            continue
        letters = [letter.span() for letter in _LETTERS.finditer(text, run.start(), run.end())]
        for first, (start, end) in enumerate(letters):
            ends = [letters[first + 1][1]] if first + 1 < len(letters) else []
            for until in (end, *ends):
                if indexed_words(text[start:until]) in asked:
                    if spans and start <= spans[-1][1]:
                        spans[-1] = spans[-1][0], max(spans[-1][1], until)
                    else:
                        spans.append((start, until))
    return spans
