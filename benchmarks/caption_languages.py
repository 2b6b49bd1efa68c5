"""Which share of the lines of a track gets its language where no name tells it, also where several are mixed.

Tracks are made of 200 sentences of news (NTREX, nine languages), cut into lines as subtitles have them: of
one language; of two, one after the other; of two that change after each sentence; and of two that change
after each line. "One language" is what a track got as a whole before. First, how often a stretch of so many
characters is taken for another language. The length of a stretch was set on these sentences.

    python benchmarks/caption_languages.py
"""

from __future__ import annotations

import itertools
import textwrap
import time
from collections.abc import Callable, Sequence

from common import machine_facts
from polyreel.languages import detect, is_spaced
from polyreel.media.caption_languages import detect_lines
from research_data import ntrex

Line = tuple[str, str]
"""Tag and text."""


def lines_of(tag: str, sentences: Sequence[str]) -> list[list[Line]]:
    """The lines of each sentence."""
    return [
        [
            (tag, line)
            for line in (
                textwrap.wrap(sentence, 42)
                if is_spaced(tag)
                else [sentence[begin : begin + 16] for begin in range(0, len(sentence), 16)]
            )
        ]
        for sentence in sentences
    ]


def one_language(texts: Sequence[str]) -> list[str]:
    """What all lines got before."""
    return [detect(" ".join(texts)[:2_000]).language] * len(texts)


def tracks() -> dict[str, list[list[Line]]]:
    """Kind -> tracks."""
    own = {tag: lines_of(tag, sentences[:200]) for tag, sentences in ntrex().items()}
    flat = {tag: list(itertools.chain(*sentences)) for tag, sentences in own.items()}
    pairs = list(itertools.permutations(own, 2))
    return {
        "one language": list(flat.values()),
        "one after the other": [flat[one][:150] + flat[other][:150] for one, other in pairs],
        "by sentences": [
            list(itertools.chain(*(line for both in zip(own[one], own[other], strict=True) for line in both)))
            for one, other in pairs
        ],
        "line by line": [
            list(itertools.chain(*zip(flat[one][:300], flat[other][:300], strict=False)))
            for one, other in pairs
        ],
    }


def mistaken(length: int) -> tuple[int, int]:
    """How many stretches of so many characters are taken for another language, and of how many."""
    wrong = total = 0
    for tag, sentences in ntrex().items():
        text = " ".join(sentences[:200])
        for begin in range(0, len(text) - length, length):
            wrong += detect(text[begin : begin + length]).language != tag
            total += 1
    return wrong, total


def right(found: Callable[[Sequence[str]], list[str]], made: list[list[Line]]) -> float:
    """Share of lines."""
    told = [
        tag == guess
        for track in made
        for (tag, _), guess in zip(track, found([text for _, text in track]), strict=True)
    ]
    return sum(told) / len(told)


def main() -> None:
    """Print the table."""
    facts = machine_facts()
    print(", ".join(f"{name} {facts[name]}" for name in sorted(facts) if not isinstance(facts[name], dict)))
    for length in (20, 40, 60, 100, 150):
        wrong, total = mistaken(length)
        print(f"\n{length} characters: {wrong} of {total:,} stretches are taken for another language")
    print("\n| track | tracks | lines | one language | by stretches | ms a line |\n|---|--:|--:|--:|--:|--:|")
    for kind, made in tracks().items():
        lines = sum(map(len, made))
        before = right(one_language, made)
        began = time.process_time()
        now = right(detect_lines, made)
        took_ms = (time.process_time() - began) / lines * 1000
        print(f"| {kind} | {len(made)} | {lines:,} | {before:.1%} | {now:.1%} | {took_ms:.2f} |")


if __name__ == "__main__":
    main()
