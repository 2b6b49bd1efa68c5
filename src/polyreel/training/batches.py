"""Batches: the clips that were drawn, with texts, features and who is a positive of whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyreel.codeswitch.switching import Switched
from polyreel.languages import Parts
from polyreel.training.keywords import Keyword, Keywords
from polyreel.training.recipe import KEYWORD, MIXED, BatchSpec
from polyreel.training.sampling import Draw, Position, Sampler
from polyreel.training.stable_random import stable_hash
from polyreel.training.switch_rates import SwitchedIn
from polyreel.training.training_set import TrainingSet

__all__ = ["Batch", "Batches", "Switching", "padded"]


@dataclass(frozen=True, slots=True)
class Batch:
    """The part of a batch that one process computes.

    Attributes:
        items: clip ids, for messages.
        concept: (items,) int64, the same number for positives of each other.
        frames: (items, frames, features) float32, zero padded; None if no item has video.
        frame_mask: (items, frames) bool; None with ``frames``.
        has_video: (items,) bool.
        texts: normalised, several for an item.
        parts: each of ``texts`` by language, of which a code-switched one has several.
        owner: (texts,) int64, row of the item.
        language: (texts,) int64, index into ``Recipe.text_languages``.
        item_key, text_key: (items,) and (texts,) int64 that chance about an item or text is drawn from.
        switched: of each code-switched text, how much of it was switched.
        first: place of the first of these items in the whole batch.
        position: where the run stands after this batch.
        also: (texts, items of the whole batch) bool, which clips a keyword describes; of captions, none.
    """

    items: tuple[str, ...]
    concept: Tensor
    frames: Tensor | None
    frame_mask: Tensor | None
    has_video: Tensor
    texts: tuple[str, ...]
    parts: tuple[Parts, ...]
    owner: Tensor
    language: Tensor
    item_key: Tensor
    text_key: Tensor
    switched: tuple[SwitchedIn, ...]
    first: int
    position: Position
    also: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Switching:
    """Code-switching while batches are made.

    Attributes:
        switch: (English text, key, epoch) -> the text with words of other languages.
        instead: the English text goes.
        copies: switched texts an item.
        variants: epochs after which the same switchings come again, None for never.
    """

    switch: Callable[[str, str, int], Switched]
    instead: bool = False
    copies: int = 1
    variants: int | None = None


class Batches:
    """Endless batches, the same for any number of processes and from any position on.

    Args:
        training_sets: what is drawn from.
        spec: size of a batch and what each item brings.
        languages: that ``Batch.language`` indexes, ``MIXED`` among them where there is switching.
        seed: of the run.
        switching: None for none.
        keywords: None for none.
        neighbours: (number of the training set, row) -> rows of the same set that make hard negatives; None
            for none.
        rank, size: which of how many processes this is; each makes an equal part of every batch.
        position: where to go on; None begins.
    """

    def __init__(
        self,
        training_sets: Sequence[TrainingSet],
        spec: BatchSpec,
        *,
        languages: Sequence[str],
        seed: int,
        switching: Switching | None = None,
        keywords: Keywords | None = None,
        neighbours: Callable[[int, int], NDArray[np.int64]] | None = None,
        rank: int = 0,
        size: int = 1,
        position: Position | None = None,
    ) -> None:
        self._training_sets, self._spec, self._seed = training_sets, spec, seed
        self._language = {tag: number for number, tag in enumerate(languages)}
        self._switching, self._neighbours, self._keywords = switching, neighbours, keywords
        self._part = slice(rank * spec.batch_size // size, (rank + 1) * spec.batch_size // size)
        self._hard = int(spec.batch_size * spec.hard_negatives) if neighbours else 0
        self._sampler = Sampler(
            training_sets, batch_size=spec.batch_size - self._hard, seed=seed, position=position
        )
        self._share = _language_shares(training_sets, spec.balance)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.make()

    def make(self) -> Batch:
        """The next batch."""
        drawn = self._sampler.draw()
        drawn += self._hard_negatives(drawn)
        concepts = self._concepts(drawn)
        return self._batch(drawn, concepts[self._part], self._sampler.position)

    def _identity(self, draw: Draw) -> tuple[str, int]:
        return self._training_sets[draw.training_set].clip_id(draw.row), draw.epoch

    def _hard_negatives(self, drawn: Sequence[Draw]) -> list[Draw]:
        """For as many of the clips as the recipe asks for, a similar one that is not there yet."""
        there = {(draw.training_set, draw.row) for draw in drawn}
        found: list[Draw] = []
        for draw in _cycle(drawn):
            if len(found) == self._hard:
                break
            assert self._neighbours is not None
            rng = np.random.default_rng(stable_hash(self._seed, "hard", len(found), *self._identity(draw)))
            similar = list(map(int, self._neighbours(draw.training_set, draw.row)))
            fresh = [row for row in similar if (draw.training_set, row) not in there]
            if fresh or similar:
                row = int(rng.choice(fresh or similar))
                there.add((draw.training_set, row))
                found.append(Draw(draw.training_set, row, draw.epoch))
            else:
                found.append(draw)
        return found

    def _concepts(self, drawn: Sequence[Draw]) -> list[int]:
        """A number for each clip; clips of one concept, and clips that share a caption, have the same one."""
        leader: dict[object, object] = {}

        def find(node: object) -> object:
            while leader.setdefault(node, node) != node:
                leader[node] = node = leader[leader[node]]
            return node

        own = [self._training_sets[draw.training_set].concept(draw.row) for draw in drawn]
        for draw, concept in zip(drawn, own, strict=True):
            for tag, texts in self._training_sets[draw.training_set].texts(draw.row).items():
                for text in texts:
                    leader[find((tag, text))] = find(concept)
        # Named by the smallest concept of a group, which no order of visits changes.
        names: dict[object, int] = {}
        for concept in own:
            names[find(concept)] = min(concept, names.get(find(concept), concept))
        return [names[find(concept)] for concept in own]

    def _batch(self, whole: Sequence[Draw], concepts: Sequence[int], position: Position) -> Batch:
        drawn = whole[self._part]
        parts: list[Parts] = []
        keys: list[Keyword | None] = []
        switched: list[SwitchedIn] = []
        owner, language, text_key, item_key = [], [], [], []
        for item, draw in enumerate(drawn):
            identity = self._identity(draw)
            item_key.append(stable_hash(self._seed, "item", *identity))
            plain, mixed = self._texts(draw)
            texts = [(tag, ((tag, text),)) for tag, text in plain] + [(MIXED, text.parts) for text in mixed]
            switched += [SwitchedIn.of(text, draw.epoch) for text in mixed]
            keys += [None] * len(texts)
            if self._keywords is not None:
                for key, tag, word in self._keywords.draw(draw.training_set, draw.row, *identity):
                    texts.append((KEYWORD, ((tag, word),)))
                    keys.append(key)
            for number, (tag, text) in enumerate(texts):
                parts.append(text)
                owner.append(item)
                language.append(self._language[tag])
                text_key.append(stable_hash(self._seed, "text", number, *identity))
        frames, mask, has_video = self._frames(drawn)
        return Batch(
            items=tuple(self._training_sets[draw.training_set].clip_id(draw.row) for draw in drawn),
            concept=_long(concepts),
            frames=frames,
            frame_mask=mask,
            has_video=has_video,
            texts=tuple("".join([stretch for _, stretch in text]) for text in parts),
            parts=tuple(parts),
            owner=_long(owner),
            language=_long(language),
            item_key=_long(item_key),
            text_key=_long(text_key),
            switched=tuple(switched),
            first=self._part.start,
            position=position,
            also=self._described(keys, whole),
        )

    def _described(self, keys: Sequence[Keyword | None], whole: Sequence[Draw]) -> Tensor | None:
        """(texts, items) which of the whole batch's clips have a text's keyword."""
        if self._keywords is None:
            return None
        held = [frozenset(self._keywords.of(draw.training_set, draw.row)) for draw in whole]
        rows = [[key in each for each in held] if key else [False] * len(held) for key in keys]
        return torch.tensor(rows, dtype=torch.bool).reshape(len(keys), len(held))

    def _texts(self, draw: Draw) -> tuple[list[tuple[str, str]], list[Switched]]:
        """The texts of one clip: (language, text) as they are, and the code-switched ones.

        What is drawn depends on the seed, the clip, the epoch and the language or the copy, and on nothing
        else that a recipe says: runs that are compared see the same texts of a clip.
        """
        captions = self._training_sets[draw.training_set].texts(draw.row)
        if self._spec.captions == "all":
            chosen = [(tag, texts[self._place(texts, tag, 0, draw)]) for tag, texts in captions.items()]
        else:
            chosen = self._some(captions, self._spec.captions, draw)
        english = captions.get("en")
        if self._switching is None or not english:
            return chosen, []
        kept = [(tag, text) for tag, text in chosen if tag != "en"] if self._switching.instead else chosen
        return kept, self._switched(english[self._place(english, "en", 0, draw)], draw)

    def _place(self, texts: Sequence[str], tag: str, number: int, draw: Draw) -> int:
        """Which of ``texts`` is drawn as a clip's caption in a language, first, second and so on."""
        return stable_hash(self._seed, "caption", number, tag, *self._identity(draw)) % len(texts)

    def _some(self, captions: Mapping[str, tuple[str, ...]], count: int, draw: Draw) -> list[tuple[str, str]]:
        """As many captions in different languages; where there are fewer languages, several of one."""
        left = {tag: list(texts) for tag, texts in captions.items()}
        rng = np.random.default_rng(stable_hash(self._seed, "languages", *self._identity(draw)))
        chosen: list[tuple[str, str]] = []
        while len(chosen) < count and left:
            tags = list(left)
            shares = np.array([self._share[tag] for tag in tags])
            some = rng.choice(
                len(tags), min(len(tags), count - len(chosen)), replace=False, p=shares / shares.sum()
            )
            for tag in (tags[place] for place in sorted(some)):
                number = len(captions[tag]) - len(left[tag])
                chosen.append((tag, left[tag].pop(self._place(left[tag], tag, number, draw))))
            left = {tag: texts for tag, texts in left.items() if texts}
        return chosen

    def _switched(self, english: str, draw: Draw) -> list[Switched]:
        assert self._switching is not None
        variants = self._switching.variants
        epoch = draw.epoch if variants is None else draw.epoch % variants
        clip_id = self._training_sets[draw.training_set].clip_id(draw.row)
        return [
            self._switching.switch(english, f"{self._seed}/{clip_id}/{copy}", epoch)
            for copy in range(self._switching.copies)
        ]

    def _frames(self, drawn: Sequence[Draw]) -> tuple[Tensor | None, Tensor | None, Tensor]:
        has_video = [self._training_sets[draw.training_set].has_video for draw in drawn]
        seen = [draw for draw, video in zip(drawn, has_video, strict=True) if video]
        if not seen:
            return None, None, torch.tensor(has_video)
        rows = [
            self._training_sets[draw.training_set].frames(draw.row, at_most=self._spec.frames)
            for draw in seen
        ]
        empty, found = rows[0][:0], iter(rows)
        return *padded([next(found) if video else empty for video in has_video]), torch.tensor(has_video)


def padded(rows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Clips of (frames, features) as one tensor (clips, frames, features) and its mask (clips, frames)."""
    frames = torch.zeros(len(rows), max(map(len, rows)), rows[0].shape[1])
    mask = torch.zeros(frames.shape[:2], dtype=torch.bool)
    for place, found in enumerate(rows):
        frames[place, : len(found)] = torch.from_numpy(found)
        mask[place, : len(found)] = True
    return frames, mask


def _cycle(drawn: Sequence[Draw]) -> Iterator[Draw]:
    while drawn:
        yield from drawn


def _long(numbers: Sequence[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def _language_shares(training_sets: Sequence[TrainingSet], balance: float) -> dict[str, float]:
    """Language -> what it is drawn in proportion to: its captions to the power ``balance``."""
    counts: dict[str, int] = {}
    for training_set in training_sets:
        for tag, number in training_set.table.manifest.captions[training_set.split].items():
            counts[tag] = counts.get(tag, 0) + number
    return {tag: float(max(number, 1)) ** balance for tag, number in counts.items()}
