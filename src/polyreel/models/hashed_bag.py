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

from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import Parts, split_words
from polyreel.models.inputs import TextInputs
from polyreel.models.specs import HASHED_BAG, HashedBagSpec

__all__ = ["HashedBag", "HashedReader"]

_GRAMS = (4, 5)
_KEPT_WORDS = 500_000


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
        self._features = functools.lru_cache(_KEPT_WORDS)(self._features_of)

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
        if parts is None or len(parts) != len(texts):
            raise UsageError(
                "the text encoder hashes the words of each language apart and was not told the languages",
                item=HASHED_BAG,
                value=f"{len(texts):,} texts, languages of {0 if parts is None else len(parts):,}",
                remedy="Give 'parts', such as languages.parts_in(texts, 'de')",
            )
        rows = [self._of_text(some) for some in parts]
        ids = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.int64)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row)
            mask[at, : len(row)] = True
        return TextInputs(ids=ids, mask=mask, cut=torch.zeros(len(rows), dtype=torch.bool))

    def _of_text(self, parts: Parts) -> list[int]:
        words = ((tag, word) for tag, part in parts for word in self._words(part, tag))
        features = list(chain.from_iterable(self._features(tag, word) for tag, word in words))
        # A text without a word, such as "?!", is a feature of its own.
        return features or [self._row(parts[0][0] if parts else self.languages[0], "")]

    def _words(self, part: str, language: str) -> list[str]:
        if language not in self._first:
            raise UnknownNameError("language of the text encoder", language, self.languages)
        return split_words(part, language)[1::2]

    def _features_of(self, language: str, word: str) -> tuple[int, ...]:
        marked = f"<{word.lower()}>"
        grams = [marked[at : at + n] for n in _GRAMS for at in range(len(marked) - n + 1)]
        # The whole word is told from a stretch of the same letters by a mark that no text holds.
        return tuple(self._row(language, feature) for feature in (f"\0{marked}", *grams))

    def _row(self, language: str, feature: str) -> int:
        return self._first[language] + crc32(feature.encode()) % self._buckets
