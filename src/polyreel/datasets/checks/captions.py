"""Captions of a table: repeated ones, those that are in several splits, and those in another language."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyreel.datasets.checks.findings import EXAMPLES, Finding, LanguageCheck
from polyreel.datasets.store.table import DatasetTable
from polyreel.languages import UNKNOWN, detect, in_study_order

__all__ = ["check_languages", "check_repeats", "language_findings"]

_SAMPLED = 100
# Shorter texts fit too many languages to be held against a caption.
_JUDGED_CHARS = 20
_JUDGED_CHARS_UNSPACED = 8
_UNSPACED = frozenset({"ja", "km", "lo", "my", "th", "yue", "zh"})
_SURE = 0.9
_WRONG_SHARE_WARNED, _WRONG_SHARE_BROKEN = 0.2, 0.5


def check_repeats(table: DatasetTable) -> Iterator[Finding]:
    """Captions that occur twice in one clip, in several clips, or in several splits.

    Texts are compared within a language, without regard to case, punctuation and spaces.
    """
    captions = _Captions.of(table)
    yield from _within_a_clip(captions)
    yield from _between_clips(table, captions)
    yield from _between_splits(table, captions)


@dataclass(frozen=True, slots=True)
class _Captions:
    """Columns of all captions, sorted so that equal texts are next to each other.

    Attributes:
        rows: (captions,) row of each in the table.
        clips: (captions,) index of its clip.
        starts: (texts,) where each different text begins.
        exact: (captions,) a digest of the text as it is written.
    """

    rows: NDArray[np.int64]
    clips: NDArray[np.int64]
    starts: NDArray[np.int64]
    exact: NDArray[np.int64]

    @classmethod
    def of(cls, table: DatasetTable) -> _Captions:
        alike, exact = _digests(table)
        clips = np.repeat(np.arange(len(table)), np.diff(table.caption_offsets))
        rows = np.lexsort((clips, alike))
        ordered = alike[rows]
        starts = np.flatnonzero(
            np.concatenate([np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1]])
        )
        return cls(rows, clips[rows], starts, exact[rows])

    def reduced(self, reduce: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """(captions,) values -> (texts,) of each different text."""
        return np.asarray(reduce.reduceat(values, self.starts)) if len(self.starts) else values[:0]

    def sizes(self) -> NDArray[np.int64]:
        """How often each different text occurs, (texts,)."""
        return np.diff(np.append(self.starts, len(self.rows)))


def _digests(table: DatasetTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each caption with its language: as compared, and as written."""
    import pyarrow.compute as pc

    alike: list[NDArray[np.int64]] = []
    exact: list[NDArray[np.int64]] = []
    for batch in table.caption_columns.select(["text", "language"]).to_batches():
        lower = pc.utf8_lower(batch["text"])
        bare = pc.utf8_trim_whitespace(pc.replace_substring_regex(lower, r"[\p{P}\p{S}\p{Z}\s]+", " "))
        # A text of nothing but signs is compared as it is.
        bare = pc.if_else(pc.equal(pc.utf8_length(bare), 0), lower, bare)
        languages = batch["language"].to_pylist()
        for digests, texts in ((alike, bare), (exact, batch["text"])):
            pairs = zip(languages, texts.to_pylist(), strict=True)
            digests.append(np.fromiter(map(hash, pairs), np.int64, len(batch)))
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *alike]), np.concatenate([none, *exact])


def _within_a_clip(captions: _Captions) -> Iterator[Finding]:
    begins = np.zeros(len(captions.rows), bool)
    begins[captions.starts] = True
    again = int((~begins[1:] & (captions.clips[1:] == captions.clips[:-1])).sum())
    if again:
        yield Finding(
            level="note", what=f"{again:,} captions say what another of the same clip says", count=again
        )


def _between_clips(table: DatasetTable, captions: _Captions) -> Iterator[Finding]:
    several = captions.reduced(np.minimum, captions.clips) != captions.reduced(np.maximum, captions.clips)
    if not several.any():
        return
    sizes = captions.sizes()
    count = int(sizes[several].sum())
    yield Finding(
        level="note",
        what=f"{count:,} captions are those of several clips ({int(several.sum()):,} different texts)",
        count=count,
        examples=_examples(table, captions, np.where(several, sizes, 0)),
    )


def _between_splits(table: DatasetTable, captions: _Captions) -> Iterator[Finding]:
    split_of_clip = _codes(table)
    bits = np.int64(1) << split_of_clip[captions.clips]
    found = captions.reduced(np.bitwise_or, bits)
    for first, second in itertools.combinations(range(len(table.splits)), 2):
        both = (found >> first & found >> second & 1).astype(bool)
        count = int(both.sum())
        if not count:
            continue
        splits = f"{table.splits[first]} and {table.splits[second]}"
        exactly = _in_both(captions.exact, bits, first, second)
        yield Finding(
            level="warning",
            what=f"{count:,} texts are captions in both {splits} ({exactly:,} letter by letter)",
            count=count,
            examples=_examples(table, captions, np.where(both, captions.sizes(), 0)),
        )


def _in_both(digests: NDArray[np.int64], bits: NDArray[np.int64], first: int, second: int) -> int:
    ours, theirs = (digests[(bits >> place & 1).astype(bool)] for place in (first, second))
    return len(np.intersect1d(ours, theirs))


def _examples(table: DatasetTable, captions: _Captions, weights: NDArray[np.int64]) -> tuple[str, ...]:
    """The texts that weigh most."""
    texts = table.caption_columns["text"]
    first_rows = captions.rows[captions.starts]
    best = np.lexsort((first_rows, -weights))[:EXAMPLES]
    return tuple(texts[int(first_rows[text])].as_py() for text in best if weights[text] > 0)


def _codes(table: DatasetTable) -> NDArray[np.int64]:
    """Position of each clip's split in ``table.splits``, (clips,)."""
    codes = np.zeros(len(table), np.int64)
    for code, split in enumerate(table.splits):
        codes[table.rows(split)] = code
    return codes


def check_languages(
    table: DatasetTable, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> dict[str, LanguageCheck]:
    """Language -> how many captions and clips there are, and how many of a sample seem to be in another.

    Args:
        table: whose captions.
        seed: Seed of the sample.
        progress: called with the languages done and their number.
    """
    tags, languages = _languages(table)
    clips = np.repeat(np.arange(len(table)), np.diff(table.caption_offsets))
    splits = _codes(table)
    rng = np.random.default_rng(seed)
    checks = {}
    for done, tag in enumerate(in_study_order(tags), 1):
        rows = np.flatnonzero(languages == tags.index(tag))
        with_one = np.bincount(splits[np.unique(clips[rows])], minlength=len(table.splits))
        sampled, guesses = _judged(table, tag, rng.permutation(rows))
        checks[tag] = LanguageCheck(
            captions=len(rows),
            clips=dict(zip(table.splits, with_one.tolist(), strict=True)),
            sampled=sampled,
            wrong=sum(guesses.values()),
            seems=guesses.most_common(1)[0][0] if guesses else None,
        )
        if progress is not None:
            progress(done, len(tags))
    return checks


def language_findings(checks: dict[str, LanguageCheck]) -> Iterator[Finding]:
    """What the languages of the captions come to."""
    for tag, check in checks.items():
        share = check.wrong / check.sampled if check.sampled else 0.0
        if share >= _WRONG_SHARE_WARNED:
            what = f"{check.wrong} of {check.sampled} captions in {tag} seem to be in another language"
            yield Finding(
                level="broken" if share >= _WRONG_SHARE_BROKEN else "warning",
                what=f"{what}, most often {check.seems}",
                count=check.wrong,
            )


def _judged(table: DatasetTable, tag: str, rows: NDArray[np.int64]) -> tuple[int, Counter[str]]:
    """How many captions were judged, and the languages that those seem to be in which are not in theirs."""
    base = tag.partition("-")[0]
    if base == UNKNOWN:
        return 0, Counter()
    least = _JUDGED_CHARS_UNSPACED if base in _UNSPACED else _JUDGED_CHARS
    texts = table.caption_columns["text"]
    sampled, guesses = 0, Counter[str]()
    for row in rows[: 10 * _SAMPLED]:
        text = texts[int(row)].as_py()
        if len(text) < least:
            continue
        sampled += 1
        guess = detect(text)
        if guess.language.partition("-")[0] != base and guess.confidence >= _SURE:
            guesses[guess.language] += 1
        if sampled == _SAMPLED:
            break
    return sampled, guesses


def _languages(table: DatasetTable) -> tuple[list[str], NDArray[np.int32]]:
    """The languages of the captions, and which of them each caption is in, (captions,)."""
    column = table.caption_columns["language"].dictionary_encode()
    codes = [chunk.indices.to_numpy() for chunk in column.chunks]
    tags = column.chunks[0].dictionary.to_pylist() if codes else []
    return tags, np.concatenate([np.zeros(0, np.int32), *codes])
