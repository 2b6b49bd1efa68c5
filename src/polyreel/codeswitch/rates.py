"""How much of a text code-switching reaches: rates per language, and how to make them equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyreel.errors import UsageError

__all__ = ["Rate", "equalising"]


@dataclass(frozen=True, slots=True)
class Rate:
    """What happened to the words that were to be switched into one language.

    Attributes:
        words: all words that the language was drawn for. In multilingual mode each word draws its own, and
            those without a translation in any language count for all languages in equal shares.
        eligible: of those, the words that have a translation.
        switched: of those, the words that were switched.
        by_lemma: of those, the words whose lemma has the translation, and not the word itself.
    """

    words: float = 0.0
    eligible: int = 0
    switched: int = 0
    by_lemma: int = 0

    @property
    def of_words(self) -> float:
        """The effective rate: share of all words that were switched, 0 to 1."""
        return self.switched / self.words if self.words else 0.0

    @property
    def of_eligible(self) -> float:
        """Share of the eligible words that were switched, 0 to 1: near ``p``, whatever the lexicon."""
        return self.switched / self.eligible if self.eligible else 0.0

    def __add__(self, other: Rate) -> Rate:
        return Rate(
            self.words + other.words,
            self.eligible + other.eligible,
            self.switched + other.switched,
            self.by_lemma + other.by_lemma,
        )


def equalising(
    coverage: Mapping[str, float], p: Mapping[str, float], *, rate: float | None = None
) -> dict[str, float]:
    """Probability per language that gives all languages the same effective rate.

    Args:
        coverage: language -> share of its words that have a translation, 0 to 1.
        p: language -> probability to start from.
        rate: share of all words to switch; by default the highest that every language reaches with its ``p``.

    Raises:
        UsageError: a language has too few translations for ``rate``, or none at all.
    """
    target = min(p[language] * share for language, share in coverage.items()) if rate is None else rate
    short = {language: share for language, share in coverage.items() if share < target or not share}
    if short:
        most = min(coverage.values())
        raise UsageError(
            f"the lexicons are too small for a rate of {target:.3f} of all words",
            value=", ".join(f"{language} reaches {share:.3f}" for language, share in short.items()),
            remedy=(f"Ask for at most {most:.3f}, " if most else "")
            + f"leave out {' and '.join(short)}, or add to the lexicon",
        )
    return {language: target / share for language, share in coverage.items()}
