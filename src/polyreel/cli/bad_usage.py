"""What to say of a command that cannot be taken as it was written, and how it is written right."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Container, Iterator, Sequence

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, UnknownOptionError

from polyreel.errors import nearest

__all__ = ["bad_usage", "unusable_words"]

_PATH_OPTIONS = frozenset({"--library", "--image", "--folder", "--out", "-o", "--root", "--cuts"})
_OF_PATHS = (["index"], ["transcribe"], ["videos"], ["bundles"])
_END_OF_OPTIONS = "--"
_BEHIND_DASHES = "Words that begin with a dash stand behind --, as in: polyreel search -- -40 degrees"
_NUMBER = re.compile(r"-[1-9]\d*")
_SHORT = re.compile(r"-\w?\d*")  # also with its value, as -n3

# Names that other programs have for one thing; whichever of them a verb has is meant.
_SAME: tuple[tuple[str, ...], ...] = (
    (
        "--top",
        "--limit",
        "--count",
        "--number",
        "--num",
        "--results",
        "--hits",
        "--max",
        "--n",
        "--k",
        "-n",
        "-k",
    ),
    ("--out", "--output", "--outfile", "--file", "--target", "--output-dir"),
    ("--export", "--format", "--to", "--type", "-f"),
    ("--json", "--format"),
    ("--lang", "--languages", "--language", "-l"),
    ("--library", "--lib", "--db", "--database"),
    ("--overwrite", "--force", "--replace", "-f", "-y"),
    ("--image", "--picture", "--photo", "--img", "-i"),
    ("--folder", "--dir", "--directory", "--path", "-d"),
    ("--bundle", "--model", "-m"),
    ("--workers", "--jobs", "--threads", "--processes", "-j"),
    ("--all-moments", "--all", "-a"),
    ("--host", "--bind", "--address"),
    ("--port", "-p"),
)


def unusable_words(given: Sequence[str]) -> str | None:
    """What to say of words that are well formed, but would be taken for what nobody means; None if none is.

    Args:
        given: the command line, without the name of the program.
    """
    options = list(itertools.takewhile(lambda word: word != _END_OF_OPTIONS, given))
    pairs = set(itertools.pairwise(options))
    if ("" in options and options[:1] in _OF_PATHS) or any(
        f"{option}=" in options or (option, "") in pairs for option in _PATH_OPTIONS
    ):
        # Such as "$UNSET": taken for a path, it would be the current folder.
        return "a name or path is empty. For the current folder, say so: '.'"
    for option in ("-o", "--out"):
        if (option, "-") in pairs or not {f"{option}=-", f"{option}-"}.isdisjoint(options):
            return f"{option} names a file, and '-' is none. Name one; what is printed needs no {option}"
    if options[:1] == ["search"]:
        # Numbers below zero could be words of a query, but who writes 'head -5' means none.
        before_each = itertools.pairwise(options)
        if found := next((word for last, word in before_each if _is_loose_number(last, word)), None):
            return f"search has no such option: {found}. Did you mean --top {found[1:]}? {_BEHIND_DASHES}"
    return None


def _is_loose_number(last: str, word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None and not (last.startswith("-") and "=" not in last)


def bad_usage(error: CycloptsError, *, groups: Container[str]) -> str:
    """What to say of it: with how it is written right, where that is known.

    Args:
        error: what cyclopts found.
        groups: verbs that have verbs of their own.
    """
    words = error.unused_tokens or []
    if isinstance(error, UnknownCommandError) and words and words[0].startswith("-"):
        return f"options come after the verb: {words[0]}. {_in_order(words, error, groups)}"
    if isinstance(error, UnknownOptionError):
        return _no_such_option(error)
    if isinstance(error, MissingArgumentError) and error.target is not None:
        example = re.search(r"^ *(Example: .+)$", error.target.__doc__ or "", re.MULTILINE)
        return f"{error} {example[1]}" if example else str(error)
    return str(error)


def _no_such_option(error: UnknownOptionError) -> str:
    verb = " ".join(error.command_chain or ()) or "polyreel"
    word = error.token.keyword or error.token.value
    known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
    meant = _meant(word.partition("=")[0], [name for name in known if name.startswith("-")])
    parts = [f"{verb} has no such option: {word}."]
    if meant is not None:
        parts.append(f"Did you mean {meant}?")
    if verb == "search":
        parts.append(_BEHIND_DASHES)
    return " ".join(parts)


def _meant(word: str, known: Sequence[str]) -> str | None:
    """The option that a wrong one stands for: by another name, with a dash too few, or misspelt."""
    if word.startswith("--"):
        if any(word in names for names in _SAME):  # its meaning is known, and tells more than its letters
            return next(_of_the_same(word, known), None)
        return nearest(word, [name for name in known if len(name) > 2])
    if f"-{word}" in known:
        return f"-{word}"
    if not _SHORT.fullmatch(word):
        return None
    word = word[:2]
    beginning = [name for name in known if name.startswith(f"-{word}")]
    return next(_of_the_same(word, known), beginning[0] if len(beginning) == 1 else None)


def _of_the_same(word: str, known: Sequence[str]) -> Iterator[str]:
    return (name for names in _SAME if word in names for name in names if name in known)


def _in_order(words: Sequence[str], error: UnknownCommandError, groups: Container[str]) -> str:
    """The command with the options that came too early behind its verb."""
    above = ["polyreel", *(error.command_chain or ())]
    verbs = [name for name in error.app or () if not name.startswith("-")]
    place = next((place for place, word in enumerate(words) if word in verbs), None)
    if place is None:
        return f"See: {' '.join(above)} --help"
    end = place + 1 + (words[place] in groups)
    return f"Write: {shlex.join([*above, *words[place:end], *words[:place], *words[end:]])}"
