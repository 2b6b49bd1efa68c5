"""Code-switched text: words replaced by their translations, as Litschko et al. 2023 train on it.

What becomes of a text depends on the seed, the epoch, its key and itself, and on nothing else: not on what
was switched before, nor on how many processes share the work. So each epoch gets texts of its own without
their ever being written down. Random numbers are a hash of those four; a generator for every text would cost
more than the switching.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from polyreel.codeswitch.lexicons import Lexicon
from polyreel.codeswitch.matching import Match, Matcher, Prepared
from polyreel.codeswitch.rates import Rate, equalising
from polyreel.codeswitch.romanisation import romanise
from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import Parts, is_spaced

__all__ = ["SWITCH_MODES", "CodeSwitcher", "SwitchRule", "Switched"]

SWITCH_MODES = ("bilingual", "multilingual")
"""One language for a whole text, or one drawn anew for every word or expression."""

_DRAWS = struct.Struct("<16I")
_ONE = 1 << 32
"""A draw is a whole number below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchRule:
    """How texts are switched.

    Attributes:
        mode: one of ``SWITCH_MODES``.
        p: probability that a word or expression with a translation is switched, 0 to 1; one for all
            languages, or one for each.
        candidates: how many translations of a word are drawn from, those first for which most speaks.
            Lexicons are noisy: the more candidates, the more is wrong.
        lemmas: whether a word that a lexicon lacks is looked up by its lemma ("dogs" by "dog"). The
            translation then is a lemma too.
        romanised: probability that the switched words of a text are written in plain Latin letters, as by
            users without the keyboard.

    Raises:
        UnknownNameError: there is no such mode.
        UsageError: a probability is not within 0 and 1, or ``candidates`` is below 1.
    """

    mode: str = "bilingual"
    p: float | Mapping[str, float] = 0.5
    candidates: int = 1
    lemmas: bool = True
    romanised: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in SWITCH_MODES:
            raise UnknownNameError("code-switching mode", self.mode, SWITCH_MODES)
        by_language = self.p if isinstance(self.p, Mapping) else {"p": self.p}
        for name, value in [*by_language.items(), ("romanised", self.romanised)]:
            if not 0 <= value <= 1:
                raise UsageError("a probability is not within 0 and 1", item=name, value=value)
        if self.candidates < 1:
            raise UsageError("at least one candidate is needed", item="candidates", value=self.candidates)

    def p_of(self, language: str) -> float:
        """The probability for one language.

        Raises:
            UsageError: ``p`` has none for it.
        """
        if not isinstance(self.p, Mapping):
            return self.p
        if language not in self.p:
            raise UsageError(
                "no probability for a language", item=language, value=f"p has {', '.join(self.p)}"
            )
        return self.p[language]


class Switched(NamedTuple):
    """A switched text and what happened to it.

    Attributes:
        text: with translations in place of words, and everything else as it was.
        words: number of words in the text.
        eligible: language -> words that had a translation into it when it was drawn for them.
        switched: language -> words that were switched into it.
        parts: the text by language: what stays is in the source language.
    """

    text: str
    words: int
    eligible: dict[str, int]
    switched: dict[str, int]
    parts: Parts


_Change = tuple[int, Match, int, str]
"""What is switched: number of the first word, match, number of the language, and the translation."""


class CodeSwitcher:
    """Switches texts of one language into others.

    Words on the source's stop list and words without a letter are never switched. Of the expressions that
    begin at a word the longest is taken, up to three words. A translation that equals the word is none. Not
    to be shared between threads, because it counts.

    Args:
        lexicons: language -> lexicon, all from the same source language.
        rule: how to switch.
        seed: of everything that is drawn.

    Raises:
        UsageError: there is no lexicon, they have different sources, or the rule has no ``p`` for a language.
    """

    def __init__(
        self, lexicons: Mapping[str, Lexicon], rule: SwitchRule | None = None, *, seed: int = 0
    ) -> None:
        sources = sorted({lexicon.source for lexicon in lexicons.values()})
        if len(sources) != 1:
            raise UsageError(
                "code-switching needs lexicons, all from one language", value=", ".join(sources) or "none"
            )
        self.rule = rule or SwitchRule()
        self.seed = seed
        self.languages = tuple(lexicons)
        self.source = sources[0]
        self._lexicons = dict(lexicons)
        self._matcher = Matcher(
            lexicons, self.source, candidates=self.rule.candidates, lemmas=self.rule.lemmas
        )
        self._key = blake2b(str(seed).encode(), digest_size=16).digest()
        self._thresholds = [round(self.rule.p_of(language) * _ONE) for language in self.languages]
        # Rounded up, so that at p = 1 no draw misses.
        self._shared_thresholds = [-(-threshold // len(self.languages)) for threshold in self._thresholds]
        self._romanised_below = round(self.rule.romanised * _ONE)
        self._source_spaced = is_spaced(self.source)
        self._spaced = [is_spaced(language) for language in self.languages]
        # For each language words, eligible, switched, switched by lemma; words that belong to no language.
        self._counts = [[0, 0, 0, 0] for _ in self.languages]
        self._unmatched = 0

    def switch(self, text: str, *, key: str | int, epoch: int, language: str | None = None) -> Switched:
        """``text`` as it is in that epoch.

        Args:
            text: in the source language.
            key: tells equal texts apart, such as the id of a caption.
            epoch: number of the pass over the data.
            language: switch into this one; by default they are drawn as the mode says.

        Raises:
            UnknownNameError: there is no lexicon for ``language``.
        """
        prepared = self._matcher.prepare(text)
        pieces, words, places = prepared
        draws = self._draws(f"{epoch}\0{key}\0{text}", 2 + len(places))
        if language is None and self.rule.mode == "multilingual":
            changes, eligible = self._in_many_languages(prepared, draws)
        else:
            number = draws[0] % len(self.languages) if language is None else self._number(language)
            changes, eligible = self._in_one_language(prepared, draws, number)
        switched: dict[str, int] = {}
        for _, (length, _, by_lemma), number, _ in changes:
            name, counts = self.languages[number], self._counts[number]
            switched[name] = switched.get(name, 0) + length
            counts[2] += length
            if by_lemma:
                counts[3] += length
        if not changes:
            return Switched(text, words, eligible, switched, ((self.source, text),))
        parts = self._written(list(pieces), changes, romanised=draws[1] < self._romanised_below)
        return Switched("".join([part for _, part in parts]), words, eligible, switched, parts)

    def report(self) -> dict[str, Rate]:
        """Language -> what happened so far to the words that it was drawn for."""
        share = self._unmatched / len(self.languages)
        return {
            language: Rate(counts[0] + share, *counts[1:])
            for language, counts in zip(self.languages, self._counts, strict=True)
        }

    def coverage(self, sample: Iterable[str]) -> dict[str, float]:
        """Language -> share of the words of ``sample`` that have a translation when it is drawn, 0 to 1.

        This is the expectation over all draws, so a sample needs to be large only for its texts' sake.
        """
        measure = _alone if self.rule.mode == "bilingual" else _mixed
        totals = [[0.0, 0.0] for _ in self.languages]
        for text in sample:
            measured = measure(self._matcher.prepare(text), len(self.languages))
            for total, (words, eligible) in zip(totals, measured, strict=True):
                total[0] += words
                total[1] += eligible
        return {
            language: eligible / words if words else 0.0
            for language, (words, eligible) in zip(self.languages, totals, strict=True)
        }

    def equalised(self, sample: Iterable[str], *, rate: float | None = None) -> CodeSwitcher:
        """A switcher that switches the same share of all words into every language, on texts like ``sample``.

        Lexicons are uneven, and with one ``p`` a study of languages would compare their lexicons. Here every
        language gets a ``p`` of its own, which ``rule.p`` of the result holds.

        Args:
            sample: texts such as will be switched.
            rate: share of all words, 0 to 1; by default the highest that all reach with their ``p``.

        Raises:
            UsageError: a language cannot reach the rate even if every word with a translation is switched.
        """
        p = {language: self.rule.p_of(language) for language in self.languages}
        rule = replace(self.rule, p=equalising(self.coverage(sample), p, rate=rate))
        return CodeSwitcher(self._lexicons, rule, seed=self.seed)

    def _number(self, language: str) -> int:
        if language not in self.languages:
            raise UnknownNameError("lexicon", language, self.languages)
        return self.languages.index(language)

    def _draws(self, state: str, count: int) -> tuple[int, ...]:
        """At least ``count`` random numbers below ``_ONE``."""
        data = state.encode("utf-8", "surrogatepass")
        draws = _DRAWS.unpack(blake2b(data, key=self._key).digest())
        if count <= len(draws):
            return draws
        blocks = range(1, -(-count // len(draws)))
        salted = (blake2b(data, key=self._key, salt=block.to_bytes(16, "little")) for block in blocks)
        return tuple(chain(draws, *(_DRAWS.unpack(block.digest()) for block in salted)))

    def _in_one_language(
        self, prepared: Prepared, draws: tuple[int, ...], number: int
    ) -> tuple[list[_Change], dict[str, int]]:
        threshold = self._thresholds[number]
        _, words, places = prepared
        changes: list[_Change] = []
        eligible = end = 0
        for draw, (word, matches) in zip(draws[2:], places, strict=False):
            match = matches[number]
            if match is None or word < end:
                continue
            length, options, _ = match
            end = word + length
            eligible += length
            if draw < threshold:
                changes.append((word, match, number, _chosen(options, draw, threshold)))
        counts = self._counts[number]
        counts[0] += words
        counts[1] += eligible
        return changes, {self.languages[number]: eligible}

    def _in_many_languages(
        self, prepared: Prepared, draws: tuple[int, ...]
    ) -> tuple[list[_Change], dict[str, int]]:
        _, words, places = prepared
        languages, all_counts, thresholds = len(self.languages), self._counts, self._shared_thresholds
        changes: list[_Change] = []
        eligible: dict[str, int] = {}
        end = drawn = 0
        for draw, (word, matches) in zip(draws[2:], places, strict=False):
            if word < end:
                continue
            rest, number = divmod(draw, languages)
            match, counts = matches[number], all_counts[number]
            if match is None:
                counts[0] += 1
                drawn += 1
                continue
            length, options, _ = match
            counts[0] += length
            counts[1] += length
            drawn += length
            end = word + length
            name = self.languages[number]
            eligible[name] = eligible.get(name, 0) + length
            threshold = thresholds[number]
            if rest < threshold:
                changes.append((word, match, number, _chosen(options, rest, threshold)))
        self._unmatched += words - drawn
        return changes, eligible

    def _written(self, pieces: list[str], changes: list[_Change], *, romanised: bool) -> Parts:
        unspaced_end = -1
        for word, (length, _, _), number, option in changes:
            first = 2 * word + 1
            last = first + 2 * (length - 1)
            spaced = self._spaced[number] or romanised
            pieces[first] = romanise(option, self.languages[number]) if romanised else option
            if last > first:
                pieces[first + 1 : last + 1] = [""] * (last - first)
            if not spaced:
                if word == unspaced_end and pieces[first - 1] == " ":
                    pieces[first - 1] = ""
                unspaced_end = word + length
            elif not self._source_spaced:
                _set_apart(pieces, first, last)
        parts: list[tuple[str, str]] = []
        end = 0
        for word, (length, _, _), number, _ in changes:
            first = 2 * word + 1
            if kept := "".join(pieces[end:first]):
                parts.append((self.source, kept))
            parts.append((self.languages[number], pieces[first]))
            end = first + 2 * length - 1
        if kept := "".join(pieces[end:]):
            parts.append((self.source, kept))
        return tuple(parts)


def _chosen(options: tuple[str, ...], draw: int, threshold: int) -> str:
    """A draw below the threshold is itself evenly spread, and so also chooses among the options."""
    return options[0] if len(options) == 1 else options[draw * len(options) // threshold]


def _set_apart(pieces: list[str], first: int, last: int) -> None:
    """Put spaces around a word of a spaced language within a text of an unspaced one."""
    if first > 1:
        pieces[first - 1] = pieces[first - 1] or " "
    if last < len(pieces) - 2:
        pieces[last + 1] = pieces[last + 1] or " "


def _alone(prepared: Prepared, languages: int) -> list[tuple[float, float]]:
    """For each language the words, and the eligible ones, of a text that is switched into it alone."""
    _, words, places = prepared
    eligible = []
    for number in range(languages):
        total = end = 0
        for word, matches in places:
            match = matches[number]
            if match is not None and word >= end:
                total += match[0]
                end = word + match[0]
        eligible.append(total)
    return [(words, total) for total in eligible]


def _mixed(prepared: Prepared, languages: int) -> list[tuple[float, float]]:
    """For each language the expected words, and eligible ones, where every unit draws its language."""
    _, count, places = prepared
    matches_at = dict(places)
    reached = [1.0] + [0.0] * count  # probability that a draw happens at this word
    words, eligible = [0.0] * languages, [0.0] * languages
    for word in range(count):
        share = reached[word] / languages
        for number, match in enumerate(matches_at.get(word) or (None,) * languages):
            length = match[0] if match else 1
            reached[word + length] += share
            words[number] += share * length
            eligible[number] += share * length if match else 0.0
    return list(zip(words, eligible, strict=True))
