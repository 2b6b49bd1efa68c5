"""How many words of the code-switched texts of a run were switched into which language, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polyreel.codeswitch.switching import Switched
from polyreel.training.recipe import MIXED

__all__ = ["SwitchRates", "SwitchedIn"]


@dataclass(frozen=True, slots=True)
class SwitchedIn:
    """Words of one text.

    Attributes:
        epoch: how often its clip had been seen before.
        words: all of them.
        into: language -> those that were switched into it.
    """

    epoch: int
    words: int
    into: Mapping[str, int]

    @classmethod
    def of(cls, switched: Switched, epoch: int) -> SwitchedIn:
        """What was switched of a text."""
        return cls(epoch, switched.words, switched.switched)


class SwitchRates:
    """Counts over the texts that a run has trained on, not over those that were made ahead.

    Args:
        counts: to go on from, as ``counts`` gives them.
    """

    def __init__(self, counts: Mapping[int, Mapping[str, int]] | None = None) -> None:
        self.counts = {epoch: dict(found) for epoch, found in (counts or {}).items()}
        self._news: set[int] = set()

    def add(self, texts: Iterable[SwitchedIn]) -> None:
        """Count the texts of a step."""
        for text in texts:
            found = self.counts.setdefault(text.epoch, {MIXED: 0})
            found[MIXED] += text.words
            for tag, words in text.into.items():
                found[tag] = found.get(tag, 0) + words
            self._news.add(text.epoch)

    def news(self) -> dict[int, dict[str, float]]:
        """Epoch -> language -> effective rate, of the epochs that were added to since this was asked last."""
        found = {epoch: self.of(epoch) for epoch in sorted(self._news)}
        self._news.clear()
        return found

    def of(self, epoch: int) -> dict[str, float]:
        """Language -> effective rate: share of all words of the epoch's code-switched texts, 0 to 1."""
        counts = self.counts[epoch]
        every = counts[MIXED] or 1
        return {tag: words / every for tag, words in sorted(counts.items()) if tag != MIXED}

    def by_language(self) -> dict[str, tuple[float, ...]]:
        """Language -> effective rate of every epoch."""
        epochs = [self.of(epoch) for epoch in sorted(self.counts)]
        tags = sorted({tag for rates in epochs for tag in rates})
        return {tag: tuple(rates.get(tag, 0.0) for rates in epochs) for tag in tags}
