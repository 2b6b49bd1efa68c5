"""Code-switching: what is switched, how often, and that nothing but seed, epoch, key and text decides it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.codeswitch.english import ENGLISH_STOP_WORDS, english_lemmas
from polyreel.codeswitch.lexicons import Lexicon
from polyreel.codeswitch.rates import Rate
from polyreel.codeswitch.romanisation import romanise
from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import split_words

GERMAN = Lexicon(
    "de",
    {
        "dog": ("Hund", "Köter", "Hündin"),
        "run": ("laufen",),
        "street": ("Straße",),
        "ice cream": ("Eis",),
        "ice": ("Glatteis",),
        "t shirt": ("Hemd",),
        "piece of cake": ("Kinderspiel",),
        "stand in": ("einspringen",),
        "the": ("der",),
        "hotel": ("Hotel",),
        "swimming pool": ("Schwimmbad",),
    },
)
SWAHILI = Lexicon("sw", {"dog": ("mbwa",), "street": ("mtaa",)})
CHINESE = Lexicon("zh", {"dog": ("狗",), "run": ("跑",), "big": ("大",)})
RUSSIAN = Lexicon("ru", {"dog": ("собака",), "ice": ("лёд",)})
LEXICONS = {lexicon.language: lexicon for lexicon in (GERMAN, SWAHILI, CHINESE, RUSSIAN)}
WORDS = [
    "dog",
    "dogs",
    "Dog",
    "the",
    "run",
    "running",
    "ice",
    "cream",
    "street",
    "cat",
    "T-shirt",
    "big",
    "3",
    "piece",
    "of",
    "cake",
]
BETWEEN = [" ", ", ", " - ", "-", "  ", "! "]
TEXTS = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(BETWEEN)), max_size=12).map(
    lambda pairs: "".join(map("".join, pairs))
)
KEYS = st.one_of(st.integers(), st.text(max_size=8))
RULES = st.builds(
    SwitchRule,
    mode=st.sampled_from(["bilingual", "multilingual"]),
    p=st.floats(0, 1),
    candidates=st.integers(1, 3),
    lemmas=st.booleans(),
    romanised=st.floats(0, 1),
)


def switcher(*languages, seed=0, **rule):
    return CodeSwitcher({tag: LEXICONS[tag] for tag in languages}, SwitchRule(**rule), seed=seed)


def switched(text, *languages, **rule):
    """``text`` with all that can be switched."""
    return switcher(*languages, p=1.0, **rule).switch(text, key=0, epoch=0).text


# What is switched


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", "a Hund"),
        ("A dog, the dog: (dog)!", "A Hund, the Hund: (Hund)!"),
        ("two dogs in the  street.\n", "two Hund in the  Straße.\n"),
        ("Running dogs", "Laufen Hund"),
        ("the dog's street", "the Hund Straße"),
        ("ice cream on ice", "Eis on Glatteis"),
        ("ice, cream", "Glatteis, cream"),
        ("a T-shirt and a t shirt", "a Hemd and a Hemd"),
        ("a piece of cake", "a Kinderspiel"),
        ("they stand in the street", "they stand in the Straße"),
        ("two swimming pools", "two Schwimmbad"),
        ("Ice cream", "Eis"),
        ("hotel", "hotel"),
        ("", ""),
        ("3 ... ?", "3 ... ?"),
    ],
)
def test_words_and_expressions_become_german_and_the_rest_stays(text, expected):
    assert switched(text, "de") == expected


def test_function_words_are_never_switched():
    assert "the" in GERMAN.entries
    assert switched("The dog of the street", "de") == "The Hund of the Straße"


def test_lemmas_can_be_switched_off_and_are_counted():
    assert switched("dogs and a dog", "de", lemmas=False) == "dogs and a Hund"
    both = switcher("de", p=1.0)
    both.switch("dogs and a dog", key=0, epoch=0)
    rate = both.report()["de"]
    assert (rate.words, rate.eligible, rate.switched, rate.by_lemma) == (4, 2, 2, 1)


def test_a_lemma_is_the_same_one_for_all_languages():
    # "rid" is in one lexicon only; "riding" comes from "ride", so the other must not make it "rid".
    lexicons = {"de": Lexicon("de", {"ride": ("reiten",)}), "cs": Lexicon("cs", {"rid": ("zbavit",)})}
    both = CodeSwitcher(lexicons, SwitchRule(p=1.0))
    assert both.switch("riding", key=0, epoch=0, language="cs").text == "riding"
    assert both.switch("riding", key=0, epoch=0, language="de").text == "reiten"


def test_candidates_are_the_best_few():
    one, three = switcher("de", p=1.0), switcher("de", p=1.0, candidates=3)
    texts = [
        (one.switch("dog", key=n, epoch=0).text, three.switch("dog", key=n, epoch=0).text) for n in range(300)
    ]
    assert {text for text, _ in texts} == {"Hund"}
    counts = Counter(text for _, text in texts)
    assert set(counts) == {"Hund", "Köter", "Hündin"}
    assert min(counts.values()) > 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a big dog", "a 大狗"),
        ("big dog run", "大狗跑"),
        ("big, dog", "大, 狗"),
        ("big cat dog", "大 cat 狗"),
        ("dog-run", "狗-跑"),
    ],
)
def test_chinese_words_stand_together(text, expected):
    assert switched(text, "zh") == expected


def test_into_a_language_with_spaces_from_one_without():
    english = Lexicon("en", {"狗": ("dog",), "男人": ("man",)}, source="zh")
    out = CodeSwitcher({"en": english}, SwitchRule(p=1.0)).switch("一只狗，男人在跑。", key=0, epoch=0)
    assert out.text == "一只 dog，man 在跑。"


def test_romanised_words_keep_their_spaces():
    assert switched("a big dog", "zh", romanised=1.0) == "a da gou"
    assert switched("a Dog on ice", "ru", romanised=1.0) == "a Sobaka on led"
    some = switcher("ru", p=1.0, romanised=0.3)
    share = sum(some.switch("dog", key=n, epoch=0).text == "sobaka" for n in range(1_000)) / 1_000
    assert 0.25 < share < 0.35


def test_a_language_can_be_named():
    all_of_them = switcher(*LEXICONS, p=1.0)
    assert all_of_them.switch("dog", key=0, epoch=0, language="sw") == (
        "mbwa",
        1,
        {"sw": 1},
        {"sw": 1},
        (("sw", "mbwa"),),
    )
    with pytest.raises(UnknownNameError, match="no lexicon has this name: 'en'"):
        all_of_them.switch("dog", key=0, epoch=0, language="en")


def test_a_bilingual_text_has_one_language_and_a_multilingual_one_many():
    text = "dog " * 40
    for key in range(20):
        assert len(switcher(*LEXICONS, p=1.0).switch(text, key=key, epoch=0).switched) == 1
    many = switcher(*LEXICONS, p=1.0, mode="multilingual").switch(text, key=0, epoch=0)
    assert set(many.switched) == set(LEXICONS)
    assert sum(many.switched.values()) == many.words == 40


def test_languages_are_drawn_evenly():
    languages = Counter()
    even = switcher(*LEXICONS, p=1.0)
    for key in range(2_000):
        languages.update(even.switch("dog", key=key, epoch=0).switched)
    assert all(420 < count < 580 for count in languages.values())


# What decides it


@given(text=TEXTS, key=KEYS, epoch=st.integers(0, 5), seed=st.integers(0, 5), rule=RULES)
def test_the_same_again(text, key, epoch, seed, rule):
    one, other = (CodeSwitcher(LEXICONS, rule, seed=seed) for _ in range(2))
    first = one.switch(text, key=key, epoch=epoch)
    assert one.switch(text, key=key, epoch=epoch) == first == other.switch(text, key=key, epoch=epoch)


@given(text=TEXTS, key=KEYS, epoch=st.integers(0, 5), rule=RULES)
def test_every_word_is_said_to_be_in_its_language(text, key, epoch, rule):
    result = CodeSwitcher(LEXICONS, rule).switch(text, key=key, epoch=epoch)
    assert "".join(part for _, part in result.parts) == result.text
    assert {tag for tag, _ in result.parts} - {"en"} == set(result.switched)
    assert all(part for _, part in result.parts) or not text
    kept = Counter(
        word for tag, part in result.parts if tag == "en" for word in split_words(part, "en")[1::2]
    )
    assert kept <= Counter(split_words(text, "en")[1::2])
    assert sum(kept.values()) == result.words - sum(result.switched.values())


def test_the_parts_of_a_switched_text():
    every = switcher("de", "zh", p=1.0)
    assert every.switch("A big dog, the dog!", key=0, epoch=0, language="zh").parts == (
        *(("en", "A "), ("zh", "大"), ("zh", "狗"), ("en", ", the "), ("zh", "狗"), ("en", "!")),
    )
    assert every.switch("ice cream", key=0, epoch=0, language="de").parts == (("de", "Eis"),)
    assert every.switch("the", key=0, epoch=0, language="de").parts == (("en", "the"),)


@given(texts=st.lists(TEXTS, max_size=6), rule=RULES, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(texts, rule, order):
    numbered = list(enumerate(texts))
    shuffled = order.sample(numbered, len(numbered))
    in_order, any_order = CodeSwitcher(LEXICONS, rule), CodeSwitcher(LEXICONS, rule)
    expected = {key: in_order.switch(text, key=key, epoch=1) for key, text in numbered}
    assert {key: any_order.switch(text, key=key, epoch=1) for key, text in shuffled} == expected
    assert any_order.report() == in_order.report()


@given(text=TEXTS, key=KEYS, rule=RULES)
def test_nothing_happens_at_p_0(text, key, rule):
    none = CodeSwitcher(LEXICONS, SwitchRule(mode=rule.mode, p=0.0, romanised=rule.romanised))
    result = none.switch(text, key=key, epoch=0)
    assert result.text == text
    assert result.switched == {}


@given(text=TEXTS, key=KEYS, rule=RULES)
def test_all_that_is_eligible_is_switched_at_p_1(text, key, rule):
    every = CodeSwitcher(LEXICONS, SwitchRule(mode=rule.mode, p=1.0, candidates=rule.candidates))
    result = every.switch(text, key=key, epoch=0)
    assert result.switched == {tag: count for tag, count in result.eligible.items() if count}


@given(text=TEXTS, key=KEYS, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_higher_p_switches_what_a_lower_one_does_and_more(text, key, low, high):
    low, high = sorted([low, high])
    few, more = (switcher("de", "sw", p=p).switch(text, key=key, epoch=0) for p in (low, high))
    assert all(more.switched[tag] >= count for tag, count in few.switched.items())


@given(text=TEXTS, key=KEYS, rule=RULES)
def test_single_words_change_and_all_else_is_kept(text, key, rule):
    before = split_words(text, "en")
    result = CodeSwitcher({"sw": SWAHILI}, rule).switch(text, key=key, epoch=0)
    after = split_words(result.text, "en")
    assert after[::2] == before[::2]
    changed = sum(old != new for old, new in zip(before[1::2], after[1::2], strict=True))
    assert changed == result.switched.get("sw", 0)
    assert result.words == len(before) // 2


@given(text=st.text(max_size=40), key=KEYS, rule=RULES)
def test_any_text_can_be_switched(text, key, rule):
    result = CodeSwitcher(LEXICONS, rule).switch(text, key=key, epoch=0)
    assert result.words == len(split_words(text, "en")) // 2


@pytest.mark.parametrize("change", [{"key": 2}, {"epoch": 8}, {"seed": 9}, {"text": "{} and more"}])
def test_each_of_them_matters(change):
    text = "dog street run " * 10
    given_text = change.pop("text", "{}").format(text)
    base = switcher("de", p=0.5).switch(text, key=1, epoch=7).text
    other = switcher("de", p=0.5, seed=change.pop("seed", 0))
    assert other.switch(given_text, **{"key": 1, "epoch": 7} | change).text[: len(base)] != base


def test_another_process_with_other_hashes_gives_the_same(tmp_path):
    code = (
        "import pickle, sys\n"
        "switcher = pickle.loads(sys.stdin.buffer.read())\n"
        "print(switcher.switch('dog run street dog run', key='a', epoch=3).text)"
    )
    here = switcher("de", "sw", mode="multilingual")
    expected = here.switch("dog run street dog run", key="a", epoch=3).text
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps(here),
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert done.stdout.decode().strip() == expected


def test_a_long_text_has_draws_enough():
    result = switcher("de", p=0.5).switch("dog " * 500, key=0, epoch=0)
    assert 200 < result.switched["de"] < 300
    words = result.text.split()
    assert words[:100] != words[100:200] != words[200:300]


# How often


def test_rates_are_those_of_the_words_that_a_language_was_drawn_for():
    half = switcher("de", "sw", p=0.5)
    for key in range(2_000):
        half.switch("a dog may run", key=key, epoch=0)
    german, swahili = half.report()["de"], half.report()["sw"]
    assert german.words + swahili.words == 8_000
    assert german.eligible == german.words / 2
    assert swahili.eligible == swahili.words / 4
    assert abs(german.of_eligible - 0.5) < 0.03
    assert abs(german.of_words - 0.25) < 0.02
    assert abs(swahili.of_words - 0.125) < 0.02


def test_rates_add_up():
    one, other = Rate(10, 6, 3, 1), Rate(10, 4, 1, 0)
    assert one + other == Rate(20, 10, 4, 1)
    assert (one + other).of_words == 0.2
    assert Rate().of_words == Rate().of_eligible == 0.0


SAMPLE = [
    "a dog runs in the street",
    "ice cream for dogs",
    "a big dog and a piece of cake",
    "the cat",
    "dog",
] * 40


@pytest.mark.parametrize("mode", ["bilingual", "multilingual"])
def test_coverage_is_what_is_switched_at_p_1(mode):
    every = switcher(*LEXICONS, p=1.0, mode=mode)
    coverage = every.coverage(SAMPLE)
    for epoch in range(20):
        for key, text in enumerate(SAMPLE):
            every.switch(text, key=key, epoch=epoch)
    for language, rate in every.report().items():
        assert abs(rate.of_words - coverage[language]) < 0.03


@pytest.mark.parametrize("mode", ["bilingual", "multilingual"])
@pytest.mark.parametrize("rate", [None, 0.1])
def test_equalised_languages_are_switched_equally_often(mode, rate):
    plain = switcher(*LEXICONS, p=0.8, mode=mode)
    coverage = plain.coverage(SAMPLE)
    equal = plain.equalised(SAMPLE, rate=rate)
    for epoch in range(20):
        for key, text in enumerate(SAMPLE):
            equal.switch(text, key=key, epoch=epoch)
    expected = 0.8 * min(coverage.values()) if rate is None else rate
    assert max(coverage.values()) > 1.5 * min(coverage.values())
    for found in equal.report().values():
        assert abs(found.of_words - expected) < 0.02
    assert max(equal.rule.p_of(language) for language in LEXICONS) <= 1.0


def test_a_rate_that_a_language_cannot_reach_is_an_error_that_says_what_it_can():
    with pytest.raises(
        UsageError, match=r"too small for a rate of 0.600.*sw reaches 0\.2\d\d.*Ask for at most 0\.\d"
    ):
        switcher(*LEXICONS).equalised(SAMPLE, rate=0.6)
    with pytest.raises(UsageError, match=r"ru reaches 0\.000\. *|leave out"):
        switcher("de", "ru").equalised(["a street"])


# What is refused


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"mode": "bilinguall"}, "Did you mean 'bilingual'"),
        ({"p": 1.5}, r"not within 0 and 1: p \(1\.5\)"),
        ({"p": float("nan")}, "not within 0 and 1"),
        ({"p": {"de": -0.1}}, r"not within 0 and 1: de"),
        ({"romanised": 2.0}, "romanised"),
        ({"candidates": 0}, "at least one candidate"),
    ],
)
def test_rules_that_cannot_be(rule, message):
    with pytest.raises(UsageError, match=message):
        SwitchRule(**rule)


def test_lexicons_and_rule_must_fit():
    with pytest.raises(UsageError, match="all from one language"):
        CodeSwitcher({})
    with pytest.raises(UsageError, match=r"all from one language \(de, en\)"):
        CodeSwitcher({"de": GERMAN, "en": Lexicon("en", {"hund": ("dog",)}, source="de")})
    with pytest.raises(UsageError, match="no probability for a language: sw"):
        switcher("de", "sw", p={"de": 0.5})


# English, and plain letters


@pytest.mark.parametrize(
    ("form", "lemma"),
    [
        *(
            ("dogs", "dog"),
            ("women", "woman"),
            ("children", "child"),
            ("babies", "baby"),
            ("movies", "movie"),
        ),
        *(("shoes", "shoe"), ("boxes", "box"), ("horses", "horse"), ("wolves", "wolf"), ("dog's", "dog")),
        *(
            ("running", "run"),
            ("riding", "ride"),
            ("playing", "play"),
            ("dancing", "dance"),
            ("lying", "lie"),
        ),
        *(
            ("rolling", "roll"),
            ("adding", "add"),
            ("seeing", "see"),
            ("skiing", "ski"),
            ("visiting", "visit"),
        ),
        *(("stopped", "stop"), ("used", "use"), ("cried", "cry"), ("tied", "tie"), ("wore", "wear")),
    ],
)
def test_forms_come_from_their_lemmas(form, lemma):
    vocabulary = {lemma, "hop", "rid", "movy", "sho", "hors"}
    assert next(found for found in english_lemmas(form) if found in vocabulary) == lemma


@pytest.mark.parametrize(
    "word", ["", "s", "is", "bus", "glass", "king", "ring", "red", "the", "dog", "ed", "ing"]
)
def test_what_is_no_form_has_no_lemma(word):
    assert not {"k", "r", "d", "bu", ""} & set(english_lemmas(word))
    assert word not in english_lemmas(word)


@given(st.text(max_size=12))
def test_any_word_has_lemmas_or_none(word):
    assert all(isinstance(lemma, str) for lemma in english_lemmas(word))


def test_stop_words_are_closed_classes():
    assert {"the", "of", "don't", "with", "is"} <= ENGLISH_STOP_WORDS
    assert not {"dog", "run", "play", "red", "two"} & ENGLISH_STOP_WORDS


@pytest.mark.parametrize(
    ("text", "language", "plain"),
    [
        ("собака", "ru", "sobaka"),
        ("подъезд", "ru", "podezd"),
        ("狗在奔跑", "zh", "gouzaibenpao"),
        ("người đàn ông", "vi", "nguoi dan ong"),
        ("běží žena", "cs", "bezi zena"),
        ("Tre\u0302n", "vi", "Tren"),
        ("Hündin, Straße", "de", "Huendin, Strasse"),
        ("mbwa", "sw", "mbwa"),
    ],
)
def test_romanise(text, language, plain):
    assert romanise(text, language) == plain
