"""Texts as rows of ids: cleaned, marked, cut into windows and filled as a card says."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from polyreel.encoders.card import TextInput
from polyreel.encoders.text_rows import cleaned, filled, rows_of
from polyreel.errors import QueryError, UsageError


def tokenizer(template: str) -> Tokenizer:
    words = ["<pad>", "</s>", "eng", "deu", "<s>", *"abcdefghij"]
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(mark, words.index(mark)) for mark in template.split() if mark != "$A"]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=marks)
    return made


@pytest.mark.parametrize(
    ("cleaning", "expected"),
    [
        ("none", "Hunde, lauft!"),
        ("lower", "hunde, lauft!"),
        ("canonical", "hunde lauft"),
    ],
)
def test_the_case_is_that_of_the_card(cleaning, expected):
    assert cleaned("Hunde, lauft!", cleaning) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<s> $A </s>", [[4, 5, 6, 7, 1], [4, 8, 9, 1]]),
        ("$A </s>", [[5, 6, 7, 8, 1], [9, 1]]),
        ("$A", [[5, 6, 7, 8, 9]]),
    ],
)
def test_each_window_has_the_marks_of_the_whole(template, expected):
    spec = TextInput(template=template, max_tokens=5, pad_id=0)
    assert list(rows_of(tokenizer(template), spec, ["a b c d e"])) == [expected]


def test_rows_are_filled_to_a_fixed_length_and_on_the_stated_side():
    ids, mask = filled([[5, 1], [5, 6, 1]], TextInput(max_tokens=4, pad_id=9, pad_to=5))
    np.testing.assert_array_equal(ids, [[5, 1, 9, 9, 9], [5, 6, 1, 9, 9]])
    np.testing.assert_array_equal(mask, [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    ids, mask = filled([[5, 1], [5, 6, 1]], TextInput(max_tokens=4, pad_id=9, pad_side="left"))
    np.testing.assert_array_equal(ids, [[9, 5, 1], [5, 6, 1]])
    np.testing.assert_array_equal(mask, [[0, 1, 1], [1, 1, 1]])


TOLD = TextInput(template="eng $A </s>", max_tokens=8, pad_id=0, language_tokens={"en": 2, "de": 3})


def test_the_language_goes_first_where_it_must_be_told():
    rows = list(rows_of(tokenizer(TOLD.template), TOLD, ["a", "b", "c"], ["de", "de-AT", "en"]))
    assert rows == [[[3, 5, 1]], [[3, 6, 1]], [[2, 7, 1]]]


def test_a_language_that_was_named_and_that_the_encoder_does_not_know_is_refused():
    with pytest.raises(QueryError, match=r"told the language.*'a'.*does not know 'cs'"):
        list(rows_of(tokenizer(TOLD.template), TOLD, ["a"], ["cs"]))


@pytest.mark.parametrize("text", ["Собака бежит по берегу моря", "123", "♪"])
@pytest.mark.parametrize(("default", "token"), [(None, 2), ("de", 3)])
def test_a_language_that_is_not_clear_is_the_default_of_the_card(text, default, token):
    spec = TOLD.model_copy(update={"default_language": default})
    assert next(rows_of(tokenizer(spec.template), spec, [text]))[0][0] == token


def test_a_default_language_without_a_token_is_no_card():
    with pytest.raises(UsageError, match="the default language 'fr' has no token"):
        TextInput(**TOLD.model_dump() | {"default_language": "fr"})
