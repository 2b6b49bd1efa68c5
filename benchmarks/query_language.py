"""``python benchmarks/query_language.py``: is the language of a query known, even if it is a single word?

Words: ``data/query_words.tsv`` has a hundred things and actions that people search video for, each in nine
languages. The part "seen" is for looking at while something is chosen; the figures that count are those of
the part "held-out". A word that several of the nine languages spell alike is wrong in all but one of them.

Prior: none; the language that the word is in, as for people whose page is in their own language; and English,
for people who have an English page and ask in their own language.

Snippets: words two to four of NTREX sentences, and whole sentences, without a prior. What was here before,
py3langid with the same factor for the nine languages, stands beside it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from common import Report, interval, options
from polyreel.languages import STUDY_LANGUAGES, UNKNOWN, detect
from polyreel.query_languages import detect_query
from research_data import ntrex

WORDS = Path(__file__).parent / "data" / "query_words.tsv"
SNIPPETS = 300

Guess = Callable[[str, str], str]
"""A text and the language that it is in -> the language that it is taken for."""

GUESSES: dict[str, Guess] = {
    "py3langid, no prior": lambda text, _own: detect(text).language,
    "no prior": lambda text, _own: detect_query(text).language,
    "prior: its own language": lambda text, own: detect_query(text, likely=[own]).language,
    "prior: English": lambda text, _own: detect_query(text, likely=["en"]).language,
}


def main() -> int:
    """Measure words, then snippets."""
    report = Report("language of a query", options(__doc__).parse_args(), packages=("py3langid",))
    for part in ("seen", "held-out"):
        words(report, part)
    snippets(report)
    return report.close()


def words(report: Report, part: str) -> None:
    """Single words: wrong, and unknown, in percent."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["part"] == part]
    pairs = [(tag, row[tag]) for row in rows for tag in STUDY_LANGUAGES]
    lines = []
    for name, guess in GUESSES.items():
        found = np.array([guess(word, tag) for tag, word in pairs]).reshape(len(rows), -1)
        unknown = found == UNKNOWN
        wrong = ~unknown & (found != np.array(STUDY_LANGUAGES))
        shares = 100 * wrong.mean(axis=1)
        low, high = interval(shares, report.arguments.seed)
        lines.append(
            [
                name,
                f"{shares.mean():.1f} [{low:.1f}, {high:.1f}]",
                f"{100 * unknown.mean():.1f}",
                *(f"{100 * each:.0f}" for each in (wrong | unknown).mean(axis=0)),
            ]
        )
        if part == "held-out" and "py3langid" not in name:
            limit = 5 if "own" in name else 15
            report.target(f"% of held-out words wrong, {name}", shares.mean(), "<=", limit)
    columns = ["", "wrong, %", "unknown, %", *(f"{tag}: not right, %" for tag in STUDY_LANGUAGES)]
    report.table(f"{len(rows)} words of the part {part!r} x 9 languages", columns, lines)


def snippets(report: Report) -> None:
    """Three words of a sentence, and the whole of it: right, in percent."""
    rows = []
    for tag, sentences in ntrex().items():
        long = [text for text in sentences if len(text.split()) > 4 or tag == "zh"][:SNIPPETS]
        short = [text[4:10] if tag == "zh" else " ".join(text.split()[1:4]) for text in long]
        rows.append([tag, len(long), *(right(texts, tag) for texts in (short, long))])
    columns = ["", "n", "three words: right, before", "whole: right, before"]
    report.table("NTREX, no prior, %", columns, rows)


def right(texts: Sequence[str], tag: str) -> str:
    """Percent that are taken for ``tag``, now and by py3langid."""
    shares = [
        np.mean([guess(text, tag) == tag for text in texts])
        for guess in (GUESSES["no prior"], GUESSES["py3langid, no prior"])
    ]
    return ", ".join(f"{100 * share:.0f}" for share in shares)


if __name__ == "__main__":
    sys.exit(main())
