"""Whisper's names of languages are not all BCP-47's, and a model may know fewer than it has names for."""

from __future__ import annotations

import pytest

from polyreel.errors import UsageError
from polyreel.recognition.speech.codes import tag_of, whisper_codes

BASE = ("cs", "de", "en", "jw", "nn", "no", "pt", "sw", "tl", "zh")


@pytest.mark.parametrize(
    ("code", "tag"),
    [("jw", "jv"), ("tl", "fil"), ("yue", "yue"), ("nn", "nn"), ("haw", "haw"), ("de", "de"), ("??", "und")],
)
def test_codes_become_tags(code, tag):
    assert tag_of(code) == tag


def test_tags_and_names_become_codes():
    assert whisper_codes(["jv", "fil", "pt-BR", "Swahili", "zh-Hant", "nb", "nn"], BASE) == (
        *("jw", "tl", "pt", "sw", "zh", "no", "nn"),
    )
    assert whisper_codes(["de", "ger", "de-CH"], BASE) == ("de",)
    assert whisper_codes([], BASE) == ()


def test_languages_that_the_model_does_not_know_are_named_with_all_that_it_knows():
    with pytest.raises(UsageError, match=r"yue, Klingon.*cs, de, en, fil, jv") as refused:
        whisper_codes(["yue", "de", "Klingon"], BASE)
    assert refused.value.exit_code == 2
