"""A Unigram tokenizer that starts at once: its vocabulary stays on the disk and is looked into.

The Rust tokenizer of a vocabulary of 250,000 pieces takes most of a second and 290 MB to load, which a
single query from the command line would pay for ten pieces. Here the pieces lie sorted in a file that is
mapped, and the best segmentation (Kudo 2018) is searched in Python: milliseconds for a query, too slow for
many texts. The ids are those of the Rust tokenizer, tie for tie; normalisation and splitting are its own.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CompactTokenizer", "SplitText", "write_compact"]

_FRAME, _PIECES, _ENDS, _IDS, _SCORES = "frame.json", "pieces.npy", "ends.npy", "ids.npy", "scores.npy"
_UNKNOWN_PENALTY = 10.0  # below the worst piece, as in SentencePiece


@dataclass(frozen=True, slots=True)
class SplitText:
    """The ids of a text, with the marks of a whole one around them."""

    ids: list[int]


def write_compact(tokenizer_json: Path, folder: Path) -> bool:
    """Write what ``CompactTokenizer`` reads into ``folder``; False if the tokenizer is of another kind.

    Args:
        tokenizer_json: file of a ``tokenizers.Tokenizer``.
        folder: where to; files there are replaced.
    """
    document = json.loads(tokenizer_json.read_bytes())
    if not _is_understood(document):
        return False
    vocabulary = document["model"]["vocab"]
    order = sorted(range(len(vocabulary)), key=lambda piece: vocabulary[piece][0].encode())
    pieces = [vocabulary[piece][0].encode() for piece in order]
    np.save(folder / _PIECES, np.frombuffer(b"".join(pieces), np.uint8), allow_pickle=False)
    np.save(folder / _ENDS, np.cumsum([0, *map(len, pieces)]).astype(np.uint32), allow_pickle=False)
    np.save(folder / _IDS, np.array(order, np.uint32), allow_pickle=False)
    scores = np.array([vocabulary[piece][1] for piece in order], np.float64)
    np.save(folder / _SCORES, scores, allow_pickle=False)
    before, after = _marks(document["post_processor"])
    unknown = document["model"]["unk_id"]
    # What is left of the tokenizer normalises and splits; its model is never asked.
    document["model"]["vocab"], document["model"]["unk_id"] = [["<unk>", 0.0]], 0
    added = [token["content"] for token in document["added_tokens"]]
    document["added_tokens"], document["post_processor"] = [], None
    frame = {
        "tokenizer": json.dumps(document),
        "before": before,
        "after": after,
        "unknown": unknown,
        "added": added,
        "longest": max(len(piece.decode()) for piece in pieces),
    }
    (folder / _FRAME).write_text(json.dumps(frame), encoding="utf-8")
    return True


class CompactTokenizer:
    """Reads what ``write_compact`` wrote.

    Args:
        folder: with those files.
    """

    def __init__(self, folder: Path) -> None:
        # Imported late, as everything that only encoding needs.
        from tokenizers import Tokenizer

        frame: dict[str, Any] = json.loads((folder / _FRAME).read_bytes())
        self._frame = Tokenizer.from_str(frame["tokenizer"])
        self._before, self._after = frame["before"], frame["after"]
        self._unknown, self._longest, self._added = frame["unknown"], frame["longest"], frame["added"]
        self._pieces, self._ends, self._ids, self._scores = (
            memoryview(np.load(folder / name, mmap_mode="r", allow_pickle=False))
            for name in (_PIECES, _ENDS, _IDS, _SCORES)
        )
        self._unknown_score = float(np.min(self._scores)) - _UNKNOWN_PENALTY

    def knows(self, texts: Iterable[str]) -> bool:
        """Whether it can encode all of them: none holds a mark, such as ``</s>``, as text."""
        normalised = ((text, self._normalised(text)) for text in texts)
        return not any(mark in form for forms in normalised for form in forms for mark in self._added)

    def encode_batch(self, texts: Sequence[str]) -> list[SplitText]:
        """Ids of each text."""
        return [SplitText([*self._before, *self._encode(text), *self._after]) for text in texts]

    def _encode(self, text: str) -> Iterator[int]:
        splitter = self._frame.pre_tokenizer
        normalised = self._normalised(text)
        parts = splitter.pre_tokenize_str(normalised) if splitter is not None else [(normalised, (0, 0))]
        for part, _ in parts:
            yield from self._segment(part)

    def _normalised(self, text: str) -> str:
        return text if self._frame.normalizer is None else str(self._frame.normalizer.normalize_str(text))

    def _segment(self, text: str) -> list[int]:
        """The likeliest pieces of ``text``; of equally likely ones the one that was found first."""
        size = len(text)
        scores = [0.0] + [-np.inf] * size
        arrived: list[tuple[int, int] | None] = [None] * (size + 1)
        for start in range(size):
            has_single = False
            for end, place in self._pieces_at(text, start):
                has_single |= end == start + 1
                score = self._scores[place] + scores[start]
                if arrived[end] is None or score > scores[end]:
                    scores[end], arrived[end] = score, (start, self._ids[place])
            if not has_single:
                score = self._unknown_score + scores[start]
                if arrived[start + 1] is None or score > scores[start + 1]:
                    scores[start + 1], arrived[start + 1] = score, (start, self._unknown)
        ids: list[int] = []
        at = size
        while (step := arrived[at]) is not None:
            at, piece = step
            # Unknown letters beside each other are one unknown piece.
            if not (ids and piece == self._unknown == ids[-1]):
                ids.append(piece)
        return ids[::-1]

    def _pieces_at(self, text: str, start: int) -> Iterator[tuple[int, int]]:
        """End in the text and place in the vocabulary of each piece from ``start`` on, short to long."""
        low, last = 0, len(self._ids)
        for end in range(start + 1, min(start + self._longest, len(text)) + 1):
            wanted = text[start:end].encode()
            low = bisect_left(range(last), wanted, lo=low, key=self._piece)
            found = self._piece(low) if low < last else b""
            if found == wanted:
                yield end, low
            elif not found.startswith(wanted):
                return

    def _piece(self, place: int) -> bytes:
        return bytes(self._pieces[self._ends[place] : self._ends[place + 1]])


def _is_understood(document: dict[str, Any]) -> bool:
    model, after = document["model"], document["post_processor"]
    return (
        model.get("type") == "Unigram"
        and not model.get("byte_fallback")
        and model.get("unk_id") is not None
        and document.get("truncation") is None
        and document.get("padding") is None
        and (after is None or after.get("type") == "TemplateProcessing")
    )


def _marks(post_processor: dict[str, Any] | None) -> tuple[list[int], list[int]]:
    """Ids before and after a text."""
    if post_processor is None:
        return [], []
    around: tuple[list[int], list[int]] = ([], [])
    passed = False
    for part in post_processor["single"]:
        if "Sequence" in part:
            passed = True
        else:
            around[passed].extend(post_processor["special_tokens"][part["SpecialToken"]["id"]]["ids"])
    return around
