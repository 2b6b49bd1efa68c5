"""Any text is a query; what stands in quotes is found word for word."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from films import film, holdings, index_films, open_library, subtitles
from old_library import make_schema_2
from polyreel.library.search.search_index import load_search_index
from polyreel.library.search.word_index import WordIndex, make_word_index
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state
from polyreel.library.store.store import Writer, writing
from polyreel.library.store.words import indexed_words

LINES = {
    "en": "The dog sleeps by the old door",
    "order": "The door is old, says the dog",
    "part": "Dogs bark at doorbells",
    "de": "Der alte Hund schläft",
    "ru": "Старый лесной дом",
    "zh": "老狗在门口睡觉",
    "quoted": 'He said "dog" twice',
    "yo": "Купили ёлку",
    "stress": "Закрыли на замо\u0301к",
    "el": "Καλημέρα κόσμε",
    "hi": "नमस्ते दुनिया",
    "hi part": "नमस",
    "emi": "ẹ̀mí mi",
    "mail": "Send it by e-mail",
    "fa": "می\u200cخواهم",
    "ar": "شَمْس",
    "he": "שָׁלוֹם",
    "fr": "Il but de l'eau",
    "ja": "犬がドアの前で寝ています",
    "th": "สุนัขนอนหลับอยู่ที่ประตู",
    "vi": "Đường phố Hà Nội",
    "number": "It cost 3.14 or 3,000",
    "long": "ab " + "अंतर्राष्ट्रीयकरण" * 4,
}


def index_of(*texts: str) -> WordIndex:
    return make_word_index(
        pa.chunked_array([list(texts)], pa.string()),
        pa.chunked_array([list(map(indexed_words, texts))], pa.string()),
    )


@pytest.fixture(scope="module")
def table():
    return index_of(*LINES.values())


def found(table, text: str) -> set[str]:
    keys = list(LINES)
    return {keys[row] for row, _ in table.search(text, 10)}


def test_words_are_found_in_any_order(table):
    assert found(table, "old door") == {"en", "order"}
    assert found(table, "dog") == {"en", "order", "quoted"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("елку", {"yo"}),
        ("ЁЛКУ", {"yo"}),
        ("купили", {"yo"}),
        ("замок", {"stress"}),
        ("καλημερα", {"el"}),
        ("ΚΟΣΜΕ", {"el"}),
        ("नमस्ते", {"hi"}),
        ("नमस", {"hi part"}),
        ("ते", set()),
        ("ẹ̀mí", {"emi"}),
        ("mí", {"emi"}),
        ("e", {"mail"}),
        ("mail", {"mail"}),
        ("email", set()),
        ("emi", {"emi"}),
        ("میخواهم", {"fa"}),
        ("شمس", {"ar"}),
        ("שלום", {"he"}),
        ("eau", {"fr"}),
        ("l’eau", {"fr"}),
        ("犬", {"ja"}),
        ("ドア", {"ja"}),
        ("ประตู", {"th"}),
        ("duong", {"vi"}),
        ("3.14", {"number"}),
        ("अंतर्राष्ट्रीयकरण" * 4, {"long"}),
    ],
)
def test_words_are_found_as_they_are_written_in_their_language(table, text, lines):
    assert found(table, text) == lines


@given(st.text(max_size=60))
def test_what_is_indexed_is_words_between_spaces_and_stays_so(text):
    words = indexed_words(text)
    assert words == " ".join(words.split())
    assert indexed_words(words) == words
    assert all(word[0] != "_" for word in words.split())


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_ascii_is_indexed_like_any_text(text):
    assert indexed_words(text) == indexed_words(text + " ж").removesuffix("ж").strip()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('"dog"', {"en", "order", "quoted"}),
        ('"old door"', {"en"}),
        ('"OLD  Door"', {"en"}),
        ('"door is"', {"order"}),
        ('"old door" dog', {"en"}),
        ('"the dog" "old door"', {"en"}),
        ('"the dog says"', set()),
        ('"said dog twice"', {"quoted"}),
        ('"елку"', {"yo"}),
        ('"Купили елку"', {"yo"}),
        ('"замок"', {"stress"}),
        ('"schlaft"', {"de"}),
        ('"duong pho"', {"vi"}),
        ('"!?"', set()),
        ("„alte Hund“", {"de"}),
        ("«лесной дом»", {"ru"}),
        ("«лес»", set()),
        ('"门口"', {"zh"}),
        ("「在门口」", {"zh"}),
        ('"schläft"', {"de"}),
    ],
)
def test_quotes_ask_for_the_exact_words(table, text, lines):
    assert found(table, text) == lines


@pytest.mark.parametrize(
    "text",
    ['"', '""', '" "', '"dog', 'dog"', '"a" OR "b"', "+dog -old", "dog*", "text:dog", "(dog", "dog~2", "\\",
     "'", "dog AND", "NOT", "^dog", "[dog TO old]", "{}", "/dog/", "dog && old", "?", "\0", "%", ";--", "🐶"],
)  # fmt: skip
def test_any_text_is_a_query(table, text):
    table.search(text, 10)
    if "dog" in text:
        assert "en" in found(table, text)


# A library of an older polyreel


@pytest.fixture
def old(tmp_path, tiny_bundle):
    """A library of schema 2 with three lines."""
    film(tmp_path / "videos" / "talk.mp4", "black", each_s=6)
    subtitles(
        tmp_path / "videos" / "talk.srt",
        (0, 1, "купили ёлку"),
        (2, 3, "ab достопримечательностями"),
        (4, 5, "a red dog"),
    )
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    return make_schema_2(tmp_path / "library")


def lines_found(library, text: str) -> list[str]:
    index = load_search_index(library, read_state(library))
    return [index.subtitles["text"][row].as_py() for row, _ in index.words.search(text, 10)]


def test_an_old_library_is_searched_like_any_other(old):
    assert lines_found(old, "dog") == ["a red dog"]
    assert lines_found(old, "елку") == ["купили ёлку"]
    assert open_library(old).search("dog", mode="subtitles").hits
    assert (examine(old).usable, examine(old).schema_version) == (True, 2)


def test_an_old_library_gets_its_words_at_the_next_run(old, tmp_path, tiny_bundle):
    before = holdings(old)
    subtitles(tmp_path / "videos" / "talk.ru.srt", (4, 5, "нет ёлки"))
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert holdings(old).keys() == before.keys()
    assert lines_found(old, "елку") == ["купили ёлку"]
    assert lines_found(old, "елки") == ["нет ёлки"]
    assert lines_found(old, "достопримечательностями") == ["ab достопримечательностями"]
    assert lines_found(old, '"red dog"') == ["a red dog"]
    health = examine(old)
    assert (health.schema_version, health.subtitles) == (4, 4)


def test_an_old_library_of_which_nothing_changed_gets_its_words(old, tmp_path, tiny_bundle):
    before = holdings(old)
    assert not index_films(tmp_path / "videos", old, tiny_bundle).changed
    assert holdings(old) == before
    assert lines_found(old, "елку") == ["купили ёлку"]
    state = read_state(old)
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert read_state(old) == state


def test_an_old_library_without_lines_can_be_written(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "talk.mp4", "black")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    old = make_schema_2(tmp_path / "library")
    subtitles(tmp_path / "videos" / "talk.srt", (0, 1, "купили ёлку"))
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert lines_found(old, "елку") == ["купили ёлку"]


def test_a_crash_while_words_are_made_leaves_the_old_library(old, tmp_path, tiny_bundle, monkeypatch):
    before, state = holdings(old), read_state(old)

    def killed(_writer):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_publish", killed)
        with pytest.raises(SystemExit), writing(old, state.generation):
            pass
    assert read_state(old) == state
    assert holdings(old) == before
    assert lines_found(old, "dog") == ["a red dog"]
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert holdings(old) == before
    assert lines_found(old, "елку") == ["купили ёлку"]


# What the index holds


def test_scores_are_bm25():
    index = index_of("dog dog cat", "dog", "a bird that sings to a bird")
    scores = dict(index.search("dog bird", 10))
    mean = (3 + 1 + 7) / 3

    def bm25(times, length, held_by):
        return (
            np.log1p((3 - held_by + 0.5) / (held_by + 0.5))
            * times
            * 2.2
            / (times + 1.2 * (0.25 + 0.75 * length / mean))
        )

    expected = {0: bm25(2, 3, 2), 1: bm25(1, 1, 2), 2: bm25(2, 7, 1)}
    assert scores == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.text(max_size=20), max_size=8))
def test_each_line_is_found_by_its_own_words(texts):
    index = index_of(*texts)
    for row, text in enumerate(texts):
        found = {line for line, _ in index.search(text.translate(NO_QUOTES), len(texts))}
        assert (row in found) == bool(indexed_words(text))


NO_QUOTES = str.maketrans(dict.fromkeys('"“„”«»「」', " "))


def test_a_phrase_is_found_behind_any_number_of_better_lines():
    lines = [
        *["door old old door"] * 3_000,
        "behind that old door there was nothing that I had not seen before",
    ]
    assert [row for row, _ in index_of(*lines).search('"old door there"', 10)] == [3_000]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("在门口等老狗", "老狗在门口睡觉"),
        ("データベース", "新しいデータベースです"),
        ("iPhone手机", "一部iPhone手机"),
        ("łódź", "LODZ"),
        ("smørrebrød", "Smorrebrod"),
        ("œuvre", "OEUVRE"),
    ],
)
def test_a_query_finds_the_line_before_others(text, line):
    others = ["猫在屋顶上", "ベースの音", "телефон", "Kraków", "oeuf", "手"]
    assert index_of(*others, line).search(text, 1)[0][0] == len(others)


def test_a_filter_keeps_its_line_however_many_others_match_better():
    texts = ["dog"] * 20_000 + ["a dog that sleeps for a long while by the door"]
    index = index_of(*texts)
    allowed = np.arange(len(texts)) == len(texts) - 1
    assert [row for row, _ in index.search("dog", 5, allowed)] == [len(texts) - 1]
    assert [row for row, _ in index.search('"dog"', 5, allowed)] == [len(texts) - 1]
