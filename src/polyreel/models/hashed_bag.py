"""Text as a bag of hashed words and pieces of words, each language by itself: an encoder that nobody aligned.

A word of one language shares no parameter with a word of another, not even with the same letters. What two
languages have to do with each other, such a model can learn from nothing but its own training.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from itertools import chain
from zlib import crc32

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from polyreel.errors import UnknownNameError
from polyreel.languages import Parts, split_words
from polyreel.models.inputs import TextInputs, require_languages
from polyreel.models.specs import HASHED_BAG, HashedBagSpec

__all__ = ["HashedBag", "HashedReader"]

_GRAMS = (4, 5)
_KEPT_WORDS, _KEPT_STRETCHES = 500_000, 100_000


class HashedBag(nn.Module):
    """The mean of the embeddings of a text's features.

    Gradients are sparse: a step costs what its texts hold, not what the table holds.

    Args:
        spec: languages, rows of each, and width.
    """

    def __init__(self, spec: HashedBagSpec) -> None:
        super().__init__()
        self.width = spec.width
        self.rows = nn.EmbeddingBag(len(spec.languages) * spec.buckets, spec.width, mode="mean", sparse=True)
        nn.init.normal_(self.rows.weight, std=spec.width**-0.5)

    def forward(
        self, ids: Int[Tensor, "texts features"], mask: Bool[Tensor, "texts features"]
    ) -> Float[Tensor, "texts width"]:
        """A vector for each text, not of length 1."""
        counts = mask.sum(dim=1)
        vectors: Tensor = self.rows(ids[mask], counts.cumsum(0) - counts)
        return vectors


class HashedReader:
    """Texts whose languages are known -> features as padded row numbers.

    The features of a word are the word itself and its stretches of four and five characters, its beginning
    and end marked (Bojanowski et al. 2017), lower case, each hashed into the rows of the word's language.

    Args:
        spec: languages, and rows of each.
    """

    prefix = ""

    def __init__(self, spec: HashedBagSpec) -> None:
        self._buckets, self.languages = spec.buckets, spec.languages
        self._first = {tag: number * spec.buckets for number, tag in enumerate(spec.languages)}
        # Words recur, and so do the stretches between those that are switched, and whole captions.
        self._word = functools.lru_cache(_KEPT_WORDS)(self._features_of_word)
        self._stretch = functools.lru_cache(_KEPT_STRETCHES)(self._features_of)

    @functools.cached_property
    def identity(self) -> str:
        """Hex digest of everything that decides the features of a text."""
        facts = f"{HASHED_BAG}\0{self._buckets}\0{self.languages}\0{_GRAMS}"
        return hashlib.sha256(facts.encode()).hexdigest()

    def read(self, texts: Sequence[str], parts: Sequence[Parts] | None = None) -> TextInputs:
        """``texts``, already normalised (``languages.clean``), as features; none is cut.

        Args:
            texts: to read.
            parts: the same by language, one for each.

        Raises:
            UsageError: their languages are not given.
            UnknownNameError: one is not among the encoder's.
        """
        parts = require_languages(
            texts, parts, why="hashes the words of each language apart", item=HASHED_BAG
        )
        rows = [self._of_text(some) for some in parts]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        longest = int(lengths.max()) if rows else 0
        mask = torch.arange(longest) < lengths[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.int64)
        ids[mask] = torch.tensor(list(chain.from_iterable(rows)), dtype=torch.int64)
        return TextInputs(ids=ids, mask=mask, cut=torch.zeros(len(rows), dtype=torch.bool))

    def _of_text(self, parts: Parts) -> list[int]:
        features = list(chain.from_iterable(self._stretch(tag, part) for tag, part in parts))
        # A text without a word, such as "?!", is a feature of its own.
        return features or [self._row(parts[0][0] if parts else self.languages[0], "")]

    def _features_of(self, language: str, part: str) -> tuple[int, ...]:
        """Of all words of a stretch of one language."""
        if language not in self._first:
            raise UnknownNameError("language of the text encoder", language, self.languages)
        words = split_words(part, language)[1::2]
        return tuple(chain.from_iterable(self._word(language, word) for word in words))

    def _features_of_word(self, language: str, word: str) -> tuple[int, ...]:
        marked = f"<{word.lower()}>"
        grams = [marked[at : at + n] for n in _GRAMS for at in range(len(marked) - n + 1)]
        # The whole word is told from a stretch of the same letters by a mark that no text holds.
        return tuple(self._row(language, feature) for feature in (f"\0{marked}", *grams))

    def _row(self, language: str, feature: str) -> int:
        return self._first[language] + crc32(feature.encode()) % self._buckets
