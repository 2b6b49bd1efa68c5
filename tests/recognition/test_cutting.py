"""Words to lines: by sentences and pauses, short enough to read, and words stay whole."""

from __future__ import annotations

import itertools

from polyreel.recognition.speech.cutting import SpokenWord, cut_into_lines


def words(text, *, each_s=0.3, start_s=0.0, span=0, spaced=True):
    pieces = [" " + word for word in text.split()] if spaced else list(text)
    return [
        SpokenWord(piece, start_s + at * each_s, start_s + (at + 1) * each_s, 0.9, span)
        for at, piece in enumerate(pieces)
    ]


def texts(spoken, language="en"):
    return [line.text for line in cut_into_lines(spoken, language)]


def test_sentences_are_lines_and_a_very_short_one_stays_with_the_next():
    said = words("Yes. This is the first sentence. And this is the second one.")
    assert texts(said) == ["Yes. This is the first sentence.", "And this is the second one."]


def test_a_pause_ends_a_line():
    said = words("we were walking home") + words("when it rained", start_s=4.0)
    lines = cut_into_lines(said, "en")
    assert [line.text for line in lines] == ["we were walking home", "when it rained"]
    assert (lines[1].start_s, lines[0].source, lines[0].language) == (4.0, "speech", "en")


def test_a_long_sentence_is_cut_at_its_clauses_and_never_within_a_word():
    text = (
        "If you are using a channel driver instead of a real phone, "
        "you can use the dial and answer commands to simulate the action of a telephone."
    )
    assert texts(words(text)) == [
        "If you are using a channel driver instead of a real phone,",
        "you can use the dial and answer commands to simulate the action of a telephone.",
    ]
    said = words("open")
    said += [SpokenWord("-source", 0.3, 0.6, 0.9, 0), *words("and a great deal of more " * 6, start_s=0.6)]
    assert texts(said)[0].startswith("open-source and")


def test_no_line_lasts_or_reads_too_long():
    said = words("word " * 400)
    lines = cut_into_lines(said, "en")
    assert all(len(line.text) <= 84 and line.end_s - line.start_s <= 10.0 for line in lines)
    assert " ".join(line.text for line in lines) == "word " * 399 + "word"
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(lines))


def test_languages_without_spaces_are_cut_shorter():
    said = words("天气很好我们去公园散步" * 8 + "。然后回家吃饭看电视", spaced=False, each_s=0.1)
    lines = texts(said, "zh")
    assert all(len(line) <= 36 for line in lines)
    assert "".join(lines) == "天气很好我们去公园散步" * 8 + "。然后回家吃饭看电视"


def test_marks_alone_make_no_line():
    assert texts(words("it rained.") + words("! ...", start_s=5.0)) == ["it rained."]
    assert texts(words("。！", spaced=False), "zh") == []


def test_nothing_makes_no_line():
    assert texts([]) == []
    assert texts([SpokenWord("  ", 0, 1, 0.5, 0)]) == []
