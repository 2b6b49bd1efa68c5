"""Queries of one or two words, drawn from the English captions of training clips.

People type words, and captions are sentences. A clip's keywords are the content words of its captions, and
verbs with their objects ("playing a guitar": play guitar), in their base form, that some other clips have as
well and not too many: of what is everywhere nothing can be learnt. Every clip that has a keyword answers it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from polyreel.codeswitch.english import ENGLISH_STOP_WORDS, english_lemmas
from polyreel.codeswitch.lexicons import Lexicon
from polyreel.training.recipe import KeywordSpec
from polyreel.training.stable_random import stable_hash
from polyreel.training.training_set import TrainingSet

__all__ = ["Keyword", "Keywords"]

Keyword = tuple[str, ...]
"""A word, or a verb and its object, in English base forms."""

_WORD = re.compile(r"[a-z]+")
_SHORTEST = 3


class Keywords:
    """Which keywords each clip has.

    Args:
        training_sets: what is trained on; nothing else is read.
        lexicons: language -> translations of English words.
        spec: which words count.
        seed: of what is drawn.
    """

    def __init__(
        self,
        training_sets: Sequence[TrainingSet],
        lexicons: Mapping[str, Lexicon],
        spec: KeywordSpec,
        *,
        seed: int,
    ) -> None:
        self._lexicons, self._spec, self._seed = lexicons, spec, seed
        found: dict[tuple[int, int], set[Keyword]] = {}
        for number, training_set in enumerate(training_sets):
            for row in map(int, training_set.table.rows(training_set.split)):
                if training_set.usable(row) and (texts := training_set.texts(row).get("en")):
                    found[number, row] = {key for text in texts for key in self._keywords(text)}
        count = Counter(key for keys in found.values() for key in keys)
        kept = {key for key, clips in count.items() if spec.least_clips <= clips <= spec.most_clips}
        self._of = {clip: tuple(sorted(keys & kept)) for clip, keys in found.items()}
        self.number = len(kept)

    def of(self, number: int, row: int) -> tuple[Keyword, ...]:
        """Keywords of a clip.

        Args:
            number: of its training set.
            row: in the table.
        """
        return self._of.get((number, row), ())

    def draw(self, number: int, row: int, *identity: str | int) -> Iterator[tuple[Keyword, str, str]]:
        """Keywords of a clip, each with a language and the keyword in it.

        Args:
            number: of its training set.
            row: in the table.
            identity: of clip and epoch, which chance depends on.
        """
        keys = self.of(number, row)
        for copy in range(self._spec.copies if keys else 0):
            rng = np.random.default_rng(stable_hash(self._seed, "keyword", copy, *identity))
            if rng.random() >= self._spec.p:
                continue
            key = keys[int(rng.integers(len(keys)))]
            written = {"en": " ".join(key)} | dict(self._translated(key))
            tag = list(written)[int(rng.integers(len(written)))]
            yield key, tag, written[tag]

    def _translated(self, key: Keyword) -> Iterator[tuple[str, str]]:
        for tag, lexicon in self._lexicons.items():
            words = [lexicon.entries.get(word, ()) for word in key]
            if all(words):
                yield tag, " ".join(word[0] for word in words)

    def _keywords(self, text: str) -> Iterator[Keyword]:
        words = _WORD.findall(text.lower())
        for place, word in enumerate(words):
            base = self._base(word)
            if base is None:
                continue
            yield (base,)
            if word.endswith("ing") and base != word and (noun := self._object(words[place + 1 :])):
                yield base, noun

    def _object(self, words: Sequence[str]) -> str | None:
        """Base form of the last content word before the next function word, a determiner aside."""
        last = None
        for place, word in enumerate(words):
            if word not in ENGLISH_STOP_WORDS:
                last = word
            elif place or word not in {"a", "an", "the", "his", "her", "their", "some"}:
                break
        return None if last is None else self._base(last)

    def _base(self, word: str) -> str | None:
        if word in ENGLISH_STOP_WORDS or len(word) < _SHORTEST:
            return None
        return next((each for each in (*english_lemmas(word), word) if self._is_known(each)), None)

    def _is_known(self, word: str) -> bool:
        """Whether at least two languages, or all that there are, have a word for it."""
        some = sum(word in lexicon.entries for lexicon in self._lexicons.values())
        return some >= min(2, len(self._lexicons)) > 0
