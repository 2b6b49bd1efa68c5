"""Words with times to lines as long as sentences, which is what is searched and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyreel.languages import clean, is_spaced
from polyreel.recognition.protocol import RecognisedLine

__all__ = ["SpokenWord", "cut_into_lines"]

# Two lines of subtitles, as television cuts them; Chinese letters are twice as wide.
_LONGEST_CHARS, _LONGEST_UNSPACED_CHARS = 84, 36
_LONGEST_S = 10.0
_PAUSE_S = 1.0
# A sentence shorter than this, such as "Yes.", stays with the next one if that follows at once.
_SHORTEST_CHARS, _SHORTEST_UNSPACED_CHARS = 24, 8
_ENDS = tuple(".?!。？！…।؟")
# A long sentence is rather cut behind one of these, up to this share of a half away from its middle.
_CLAUSES, _CLAUSE_WEIGHT = tuple(",;:，、；："), 0.5


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word with the space before it, if its language has one there.

    Attributes:
        text: the word, with the punctuation that follows it.
        start_s, end_s: seconds from the start of the video.
        probability: of its pieces, 0 to 1.
        span: number of the utterance that it is in; a new one can begin a line.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    span: int


def cut_into_lines(words: Sequence[SpokenWord], language: str) -> list[RecognisedLine]:
    """Lines that end where a sentence does or at a pause; long sentences are cut in about equal parts.

    Args:
        words: of one window, in the order of time.
        language: BCP-47 tag of all of them.
    """
    spaced = is_spaced(language)
    longest = _LONGEST_CHARS if spaced else _LONGEST_UNSPACED_CHARS
    shortest = _SHORTEST_CHARS if spaced else _SHORTEST_UNSPACED_CHARS
    parts = [part for whole in _sentences(words, shortest) for part in _fitting(whole, longest)]
    # A line of marks alone says nothing.
    return [line for part in parts if any(map(str.isalnum, (line := _line(part, language)).text))]


def _sentences(words: Sequence[SpokenWord], shortest: int) -> Iterator[Sequence[SpokenWord]]:
    held: list[SpokenWord] = []
    for word in words:
        if held and _begins_anew(word, held, shortest):
            yield held
            held = []
        held.append(word)
    if held:
        yield held


def _begins_anew(word: SpokenWord, held: Sequence[SpokenWord], shortest: int) -> bool:
    last = held[-1]
    if word.start_s - last.end_s > _PAUSE_S:
        return True
    is_sentence = last.text.rstrip().endswith(_ENDS)
    return is_sentence and (_chars(held) >= shortest or word.span != last.span)


def _fitting(words: Sequence[SpokenWord], longest: int) -> Iterator[Sequence[SpokenWord]]:
    """The words themselves, or halves of them that fit."""
    fits = _chars(words) <= longest and words[-1].end_s - words[0].start_s <= _LONGEST_S
    # A piece without a space before it belongs to the word before, where there are spaces.
    has_spaces = any(word.text.startswith(" ") for word in words[1:])
    places = [at for at in range(1, len(words)) if words[at].text.startswith(" ") or not has_spaces]
    if fits or not places:
        yield words
        return
    half = _chars(words) / 2

    def unevenness(at: int) -> float:
        clause = words[at - 1].text.rstrip().endswith(_CLAUSES)
        return abs(_chars(words[:at]) - half) - (half * _CLAUSE_WEIGHT if clause else 0.0)

    best = min(places, key=unevenness)
    yield from _fitting(words[:best], longest)
    yield from _fitting(words[best:], longest)


def _chars(words: Sequence[SpokenWord]) -> int:
    return sum(len(word.text) for word in words)


def _line(words: Sequence[SpokenWord], language: str) -> RecognisedLine:
    return RecognisedLine(
        text=clean("".join(word.text for word in words)),
        start_s=words[0].start_s,
        end_s=max(words[-1].end_s, words[0].start_s),
        language=language,
        source="speech",
        confidence=sum(word.probability for word in words) / len(words),
    )
