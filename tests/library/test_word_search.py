"""Any text is a query; what stands in quotes is found word for word."""

from __future__ import annotations

import lancedb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from films import film, holdings, index_films, open_library, subtitles
from old_library import make_schema_2
from polyreel.cli.app import main
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state
from polyreel.library.store.store import Writer, open_snapshot, writing
from polyreel.library.store.tables import SUBTITLES
from polyreel.library.store.word_search import index_words, indexed_words, lines_with_words

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


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    database = lancedb.connect(tmp_path_factory.mktemp("words"))
    lines = [{"subtitle_id": key, "text": text, "words": indexed_words(text)} for key, text in LINES.items()]
    made = database.create_table("lines", lines)
    index_words(made)
    return made


def found(table, text: str) -> set[str]:
    return {key for key, _ in lines_with_words(table, text, 10)}


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
    lines_with_words(table, text, 10)
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
    snapshot = open_snapshot(library)
    texts = dict(
        zip(*(snapshot.read(SUBTITLES)[name].to_pylist() for name in ("subtitle_id", "text")), strict=True)
    )
    return [texts[line] for line, _ in snapshot.search_words(text, 10)]


def test_an_old_library_is_searched_as_before_and_doctor_says_what_it_lacks(old, capsys):
    assert lines_found(old, "dog") == ["a red dog"]
    assert lines_found(old, "елку") == []
    assert open_library(old).search("dog", mode="subtitles").hits
    health = examine(old)
    assert (health.old_words, health.usable, health.schema_version) == (True, True, 2)
    assert main(["doctor", "--library", str(old)]) == 0
    assert "The index of words is of an older polyreel" in capsys.readouterr().out


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
    assert (health.old_words, health.schema_version, health.subtitles) == (False, 3, 4)


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
    assert not examine(old).old_words
    subtitles(tmp_path / "videos" / "talk.srt", (0, 1, "купили ёлку"))
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert lines_found(old, "елку") == ["купили ёлку"]


@pytest.mark.parametrize("where", ["_index_subtitles", "_publish"])
def test_a_crash_while_words_are_made_leaves_the_old_library(old, tmp_path, tiny_bundle, monkeypatch, where):
    before, state = holdings(old), read_state(old)

    def killed(_writer):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Writer, where, killed)
        with pytest.raises(SystemExit), writing(old, state.generation):
            pass
    assert read_state(old) == state
    assert holdings(old) == before
    assert lines_found(old, "dog") == ["a red dog"]
    index_films(tmp_path / "videos", old, tiny_bundle)
    assert holdings(old) == before
    assert lines_found(old, "елку") == ["купили ёлку"]
