"""A trained encoder that reads some languages as if it had never seen them.

The pieces of such a language have word rows of their own, random at the start; the rest of the encoder is
frozen. What the rows then mean is what an arm taught them, while the other languages stay bit for bit what
they were. The idea is that of Artetxe et al. 2020 (arXiv 1910.11856), who learn the rows by masked words.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Encoding
from torch import Tensor, nn

from polyreel.errors import UsageError
from polyreel.languages import Parts
from polyreel.models.inputs import TextInputs, TextReader, require_languages
from polyreel.models.specs import FreshRowsSpec

__all__ = ["FreshRows", "FreshRowsReader"]


class FreshRows(nn.Module):
    """Word rows of an encoder, and fresh ones beside them.

    Ids below the number of ``words`` mean those. The piece ``p`` of the n-th fresh language, from 0, has the
    id ``words * (1 + n) + p``. Which pieces have a row of their own has to be told once (``know``); the
    others of a language share one. Gradients of the fresh rows are sparse.

    Args:
        words: the encoder's own rows, frozen.
        spec: languages, and how many rows.
    """

    row_of: Tensor
    known: Tensor

    def __init__(self, words: nn.Embedding, spec: FreshRowsSpec) -> None:
        super().__init__()
        self.languages, self.words = spec.languages, words
        # Bags of one piece, because a bag is what the trainer takes for a table with sparse gradients.
        self.rows = nn.EmbeddingBag(spec.rows, words.embedding_dim, mode="sum", sparse=True)
        nn.init.normal_(self.rows.weight, std=float(words.weight.std()))
        unseen = torch.arange(len(spec.languages)).repeat_interleave(words.num_embeddings)
        self.register_buffer("row_of", unseen)
        self.register_buffer("known", torch.tensor(False))

    @property
    def own_rows(self) -> int:
        """How many pieces have a row of their own."""
        return int((self.row_of >= len(self.languages)).sum())

    def know(self, ids: Iterable[int]) -> None:
        """Give rows to the fresh ones among ``ids``, in the order of the ids.

        Raises:
            UsageError: there are more than rows.
        """
        first = self.words.num_embeddings
        pieces = sorted({each - first for each in ids if each >= first})
        shared = len(self.languages)
        if len(pieces) > self.rows.num_embeddings - shared:
            raise UsageError(
                "the pieces of the training texts are more than the fresh rows",
                item=", ".join(self.languages),
                value=f"{len(pieces):,} pieces, {self.rows.num_embeddings - shared:,} rows",
                remedy=f"Set 'fresh_rows.rows' to {len(pieces) + shared:,} or more",
            )
        self.row_of[torch.tensor(pieces, dtype=torch.int64)] = torch.arange(len(pieces)) + shared
        self.known.fill_(True)

    def has_fresh(self, ids: Int[Tensor, "texts tokens"]) -> Bool[Tensor, " texts"]:
        """Which texts hold a piece of a fresh language."""
        return (ids >= self.words.num_embeddings).any(dim=1)

    def forward(self, ids: Int[Tensor, "texts tokens"]) -> Float[Tensor, "texts tokens width"]:
        """The row of every piece."""
        fresh = ids >= self.words.num_embeddings
        vectors: Tensor = self.words(ids.masked_fill(fresh, 0))
        rows = self.row_of[ids[fresh] - self.words.num_embeddings]
        return vectors.index_put((fresh,), self.rows(rows[:, None]))


class FreshRowsReader:
    """Texts whose languages are known -> padded token ids, those of fresh languages apart from the others.

    A text is cut into pieces as a whole, as the encoder's own reader does it. A piece belongs to the language
    of its last character. Special tokens, the prefix, and pieces without a letter are of no language and keep
    their ids.

    Args:
        reader: the encoder's own.
        spec: the languages.
        words: number of the encoder's own rows.
    """

    def __init__(self, reader: TextReader, spec: FreshRowsSpec, *, words: int) -> None:
        self.prefix, self.pad_id, self._reader, self._words = reader.prefix, reader.pad_id, reader, words
        self.languages = spec.languages
        self._first = {tag: words * (1 + number) for number, tag in enumerate(spec.languages)}

    @functools.cached_property
    def identity(self) -> str:
        """Hex digest of everything that decides the ids of a text."""
        return hashlib.sha256(f"{self._reader.identity}\0{self.languages}".encode()).hexdigest()

    def read(self, texts: Sequence[str], parts: Sequence[Parts] | None = None) -> TextInputs:
        """``texts``, already normalised (``languages.clean``), as tokens.

        Args:
            texts: to read.
            parts: the same by language, one for each.

        Raises:
            UsageError: their languages are not given.
        """
        item = f"fresh rows of {', '.join(self.languages)}"
        parts = require_languages(texts, parts, why="reads some languages apart", item=item)
        encodings = self._reader.encodings(texts)
        inputs = self._reader.padded(encodings)
        assert inputs.ids is not None
        for row, (encoding, own) in enumerate(zip(encodings, parts, strict=True)):
            if any(tag in self._first for tag, _ in own):
                for at, first in self._fresh(encoding, own):
                    inputs.ids[row, at] += first
        return inputs

    def _fresh(self, encoding: Encoding, parts: Parts) -> Iterator[tuple[int, int]]:
        """(place, first id of its language) of each piece of a fresh language."""
        owner = [tag for tag, part in parts for _ in part]
        skipped = len(self.prefix)
        for at, (piece, (begin, end)) in enumerate(zip(encoding.tokens, encoding.offsets, strict=True)):
            place = end - 1 - skipped
            if begin == end or not 0 <= place < len(owner) or not any(map(str.isalpha, piece)):
                continue
            if (first := self._first.get(owner[place])) is not None:
                yield at, first
