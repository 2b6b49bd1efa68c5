"""Bilingual lexicons: what a word or a short expression is called in another language."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.codeswitch.lexicon_formats import Row, read_rows
from polyreel.errors import DatasetError, UsageError
from polyreel.languages import clean, narrow, parse_tag, script_share
from polyreel.problems import Problems
from polyreel.text_lines import report_line

__all__ = [
    "MAX_EXPRESSION_WORDS",
    "Lexicon",
    "fold",
    "lexicon_languages",
    "load_lexicons",
    "read_lexicon",
    "require_lexicons",
]

MAX_EXPRESSION_WORDS = 3
"""Longer heads are not kept: titles and definitions, which no text contains word by word."""

_MAX_TRANSLATION_WORDS = 4
_MAX_TRANSLATION_CHARS = 40
_MIN_SCRIPT_SHARE = 0.5
# Remains of mark-up, and a bracket that lost its other half.
_MARK_UP = re.compile(r"[|<>\[\]{}=_]|''|^[^(]*\)|\([^)]*$")
# "en-de.tsv.gz", "freedict-eng-deu.index", "en-de.0-5000.txt".
_PAIR_IN_NAME = re.compile(r"(?:^|[-_.])([a-z]{2,3})[-_]([a-z]{2,3}(?:-[A-Z][a-z]{3})?)\.")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Translations into one language.

    Attributes:
        language: BCP-47 tag of the translations.
        entries: head, as ``fold`` gives it, of at most ``MAX_EXPRESSION_WORDS`` words -> translations, those
            first for which most speaks.
        source: BCP-47 tag of the heads.
    """

    language: str
    entries: Mapping[str, tuple[str, ...]]
    source: str = "en"


def fold(expression: str) -> str:
    """A word or expression as lexicons hold it: lower case, hyphens as spaces, plain apostrophes."""
    return " ".join(expression.lower().replace("’", "'").replace("-", " ").split())


def load_lexicons(
    folder: Path, languages: Iterable[str], *, source: str = "en", problems: Problems | None = None
) -> dict[str, Lexicon]:
    """The lexicons of a folder, by language in the order that was asked for.

    A file's name says its languages: ``en-de.tsv.gz``, ``freedict-eng-deu.index``, ``cedict_ts.u8``. Several
    files of one language become one lexicon, in which the translations come first that most of them give.

    Args:
        folder: with the files, as they come; see ``read_lexicon``.
        languages: tags of the languages to translate into.
        source: tag of the language to translate from.
        problems: told of the lines that are left out.

    Raises:
        UsageError: a tag is none, or is that of the source.
        DatasetError: a language has no file, or a file cannot be read.
    """
    faults = problems if problems is not None else Problems()
    files = _wanted_files(folder, languages, source)
    return {tag: _lexicon(_rows(paths, tag, faults), tag, source, paths[0]) for tag, paths in files.items()}


def lexicon_languages(folder: Path, *, source: str = "en") -> frozenset[str]:
    """Languages that a folder has lexicons for; none where it cannot be read."""
    return frozenset(_files_by_language(folder, source)) if folder.is_dir() else frozenset()


def require_lexicons(folder: Path, languages: Iterable[str], *, source: str = "en") -> None:
    """Look whether ``load_lexicons`` would find what it needs, without reading files further than their first
    usable rows.

    Args:
        folder, languages, source: as in ``load_lexicons``.

    Raises:
        UsageError, DatasetError: as in ``load_lexicons``.
    """
    for tag, paths in _wanted_files(folder, languages, source).items():
        if next(_rows(paths, tag, Problems()), None) is None:
            raise _without_rows(paths[0])


def _wanted_files(folder: Path, languages: Iterable[str], source: str) -> dict[str, list[Path]]:
    here = _files_by_language(folder, source)
    wanted = [_require_tag(language) for language in languages]
    if source in wanted or not wanted:
        raise UsageError(
            "code-switching needs other languages than its source",
            value=", ".join(wanted) or "none",
            remedy=f"Name the languages to switch {source} into, such as de,sw",
        )
    missing = [tag for tag in wanted if tag not in here]
    if missing:
        raise DatasetError(
            "no lexicon for a language",
            item=folder,
            value=", ".join(missing),
            remedy=f"There are lexicons for: {', '.join(sorted(here)) or 'none'}",
        )
    return {tag: here[tag] for tag in wanted}


def read_lexicon(
    path: Path,
    language: str,
    *,
    source: str = "en",
    format: str | None = None,  # noqa: A002
    problems: Problems | None = None,
) -> Lexicon:
    """One file as a lexicon, in any of ``LEXICON_FORMATS``.

    Left out and reported are rows without a head or a translation, translations with mark-up, in another
    script than the language's, and so long that they explain rather than translate.

    Args:
        path: the file.
        language: BCP-47 tag of the translations.
        source: BCP-47 tag of the words.
        format: one of ``LEXICON_FORMATS``; recognised by the content if None.
        problems: told of the rows that are left out.

    Raises:
        DatasetError: the file cannot be read, looks like no lexicon, or has no usable row.
        UnknownNameError: there is no such format.
    """
    faults = problems if problems is not None else Problems()
    return _lexicon(_usable(path, language, faults, format), language, source, path)


def _rows(paths: list[Path], language: str, problems: Problems) -> Iterator[tuple[str, str, float]]:
    return (row for path in paths for row in _usable(path, language, problems, None))


def _lexicon(rows: Iterable[tuple[str, str, float]], language: str, source: str, path: Path) -> Lexicon:
    weights: dict[str, dict[str, float]] = defaultdict(dict)
    for head, translation, weight in rows:
        found = weights[head]
        found[translation] = found.get(translation, 0.0) + weight
    if not weights:
        raise _without_rows(path)
    entries = {head: _ranked(found) for head, found in weights.items()}
    return Lexicon(language, entries, source)


def _without_rows(path: Path) -> DatasetError:
    return DatasetError(
        "the lexicon has no usable row", item=path, remedy="Look at its first lines, or name its format"
    )


def _ranked(weights: Mapping[str, float]) -> tuple[str, ...]:
    """Most weight first, both spellings of "schwarz" and "Schwarz" counted, then fewest words, then the
    shortest.

    Frequent words are short: in German and French the shortest of equals is more often what people write than
    the file's first, in Czech about as often (``benchmarks/codeswitch.py``).
    """
    folded: dict[str, float] = defaultdict(float)
    for text, weight in weights.items():
        folded[text.lower()] += weight
    return tuple(
        sorted(
            weights,
            key=lambda text: (-folded[text.lower()], text.count(" "), len(text), text[0].isupper()),
        )
    )


def _usable(
    path: Path, language: str, problems: Problems, format_: str | None
) -> Iterator[tuple[str, str, float]]:
    """Folded head, clean translation and weight of each row that can be used."""
    for row in read_rows(path, problems, format=format_):
        head, translation = fold(narrow(clean(row.head))), clean(row.translation)
        if head.count(" ") >= MAX_EXPRESSION_WORDS:
            continue
        fault = _fault(head, translation, language)
        if fault is None:
            yield head, translation, row.weight
        else:
            _report(problems, fault, path, row)


def _report(problems: Problems, fault: str, path: Path, row: Row) -> None:
    report_line(problems, fault, path, row.line, f"{row.head}: {row.translation}")


def _fault(head: str, translation: str, language: str) -> str | None:
    if not head:
        return "a row has no head"
    if not translation:
        return "a row has no translation"
    if _MARK_UP.search(translation):
        return "a translation has mark-up in it"
    if translation.count(" ") >= _MAX_TRANSLATION_WORDS or len(translation) > _MAX_TRANSLATION_CHARS:
        return "a translation is an explanation"
    if script_share(translation, language) < _MIN_SCRIPT_SHARE:
        return f"a translation is not in the script of {language}"
    return None


def _files_by_language(folder: Path, source: str) -> dict[str, list[Path]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DatasetError(
            "the folder of lexicons cannot be read",
            item=folder,
            value=error.strerror,
            remedy="Name a folder with files such as en-de.tsv.gz",
        ) from error
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if path.name.endswith((".dict", ".dict.dz")):  # belongs to an index
            continue
        pair = _PAIR_IN_NAME.search(path.name)
        tags = [parse_tag(part) for part in pair.groups()] if pair else []
        if path.name.startswith("cedict"):
            tags = ["en", "zh"]
        if tags and tags[0] == source and tags[1] is not None:
            found[tags[1]].append(path)
    return found


def _require_tag(language: str) -> str:
    tag = parse_tag(language)
    if tag is None:
        raise UsageError(
            "not a language tag", value=repr(language), remedy="Use tags such as de, sw or zh, with commas"
        )
    return tag
