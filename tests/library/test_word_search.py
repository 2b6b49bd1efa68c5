"""Any text is a query; what stands in quotes is found word for word."""

from __future__ import annotations

import lancedb
import pytest
from lancedb.index import FTS

from polyreel.library.store.word_search import lines_with_words

LINES = {
    "en": "The dog sleeps by the old door",
    "order": "The door is old, says the dog",
    "part": "Dogs bark at doorbells",
    "de": "Der alte Hund schläft",
    "ru": "Старый лесной дом",
    "zh": "老狗在门口睡觉",
    "quoted": 'He said "dog" twice',
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    database = lancedb.connect(tmp_path_factory.mktemp("words"))
    made = database.create_table("lines", [{"subtitle_id": key, "text": text} for key, text in LINES.items()])
    words = FTS(base_tokenizer="icu/split", stem=False, remove_stop_words=False, ascii_folding=True)
    made.create_index("text", config=words)
    return made


def found(table, text: str) -> set[str]:
    return {key for key, _ in lines_with_words(table, text, 10)}


def test_words_are_found_in_any_order(table):
    assert found(table, "old door") == {"en", "order"}
    assert found(table, "dog") == {"en", "order", "quoted"}


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
