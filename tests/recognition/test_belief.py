"""Which language is spoken: half a minute tells, a few seconds do not, and films speak several."""

from __future__ import annotations

import pytest

from polyreel.recognition.speech.belief import LanguageBelief

CODES = ("cs", "de", "en", "sw")


def heard(seconds, **probabilities):
    rest = (1 - sum(probabilities.values())) / len(CODES)
    return {code: probabilities.get(code, 0.0) + rest for code in CODES}, seconds


def told(*windows, likely=()):
    return [code for code, _ in LanguageBelief(CODES, likely).languages(list(windows))]


def test_a_few_seconds_follow_what_is_spoken_around_them():
    clear, unclear = heard(29, de=0.97), heard(2, en=0.7)
    assert told(clear, unclear, clear) == ["de"] * 3
    assert told(unclear, clear) == ["de"] * 2


def test_half_a_minute_in_another_language_is_in_that_language():
    german, english = heard(29, de=0.995), heard(28, en=0.995)
    assert told(german, german, english, german) == ["de", "de", "en", "de"]


def test_what_was_told_of_one_block_counts_for_the_next():
    belief = LanguageBelief(CODES)
    belief.languages([heard(29, sw=0.9)] * 3)
    assert [code for code, _ in belief.languages([heard(2, en=0.6)])] == ["sw"]


def test_languages_that_are_likely_win_where_little_is_heard_and_lose_where_another_is_clear():
    assert told(heard(2, en=0.6, sw=0.1)) == ["en"]
    assert told(heard(2, en=0.6, sw=0.1), likely=("sw", "de")) == ["sw"]
    assert told(heard(29, cs=0.99), likely=("sw", "de")) == ["cs"]


def test_probabilities_are_those_of_one_choice():
    ((code, probability),) = LanguageBelief(CODES).languages([heard(30, cs=0.98)])
    assert code == "cs"
    assert 0.9 < probability <= 1
    assert LanguageBelief(CODES).languages([]) == []


def test_a_model_that_knows_one_language_hears_that_one():
    assert LanguageBelief(("en",)).languages([({"en": 1.0}, 3.0)]) == [("en", pytest.approx(1.0))]
