"""The rebuilt tokenizer gives the ids of the genuine XLM-R tokenizer."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from polyreel.encoders.build.tokenizer import build_tokenizer
from polyreel.languages import clean

# The genuine normaliser is of an older Unicode, in which the first had no compatibility form. It goes
# character by character where SentencePiece does not, so it leaves a half-width letter and its voicing mark
# apart, and may lose a mark on a compatibility form; ours composes, as the model was trained.
APART = "\U0001f23b\uff9e\uff9f\u200c\u200d"
# Letters, digits, signs, spaces and controls; marks are among the texts below.
characters = st.characters(exclude_categories=["Cs", "Mn", "Mc", "Me"], exclude_characters=APART)
TEXTS = [
    "A dog runs along the beach.",
    "Ein größerer Hund läuft über die Straße – „schön“!",
    "Où est-ce qu'il a mangé l'œuf ?",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "一只狗在海滩上奔跑，孩子们在笑。",
    "Съешь же ещё этих мягких французских булок",
    "Một con chó chạy trên bãi biển",
    "Mbwa anakimbia ufukweni",
    "¿Dónde está el niño? ¡Aquí!",
    "日本語のテキスト ガギグゲゴ ｶﾀｶﾅ",
    "한국어 문장입니다",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया क्षत्रिय",
    "สวัสดีชาวโลก",
    "Γειά σου Κόσμε",
    "ქართული ენა",
    "😀 👨‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️",
    "ＦＵＬＬ　ｗｉｄｔｈ　１２３～！",
    "①②③ ㎏ ½ ﬁ ™ … №",
    "a\u200bb\u00adc\ufeffd\u2028e",
    "tab\tnew\nline\x00nul\x7fdel\x85nel",
    "  spaces   between  ",
    "▁▁ underscore ▁word",
    "</s> <s> <pad> <unk> <mask>",
    "e\u0301 n\u0303 a\u0302\u0301 \u0301",
    "x" * 300,
    "https://example.org/a?b=c&d=%20#e 3.14159 1,000,000",
    "\ue000private\uf8ffuse\U000f0000",
    "",
]


@pytest.fixture(scope="module")
def ours(e5_weights):
    return build_tokenizer(e5_weights.vocabulary)


@pytest.fixture(scope="module")
def genuine():
    pytest.importorskip("semantra_multilingual", reason="the genuine tokenizer is not installed")
    folder = resources.files("semantra_multilingual") / "assets" / "multilingual-e5-small"
    tokenizer = Tokenizer.from_file(str(Path(str(folder)) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_of_many_scripts_get_the_genuine_ids(ours, genuine, text):
    assert ours.encode(clean(text)).ids == genuine.encode(clean(text)).ids


@given(st.text(characters, max_size=40))
def test_any_text_gets_the_genuine_ids(ours, genuine, text):
    assert ours.encode(clean(text)).ids == genuine.encode(clean(text)).ids


def test_every_character_below_the_astral_planes_gets_the_genuine_ids(ours, genuine):
    characters = [chr(code) for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]
    # Sixteen at a time, apart from each other, so that few calls see them all.
    rows = [clean(" a".join(characters[at : at + 16])) for at in range(0, len(characters), 16)]
    theirs = genuine.encode_batch(rows)
    assert all(mine.ids == its.ids for mine, its in zip(ours.encode_batch(rows), theirs, strict=True))


def test_half_width_syllables_are_composed(ours):
    assert ours.encode(clean("ｶﾞｷﾞ")).ids == ours.encode(clean("ガギ")).ids


def test_a_saved_tokenizer_is_the_same(ours, tmp_path):
    ours.save(str(tmp_path / "tokenizer.json"), pretty=False)
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [row.ids for row in again.encode_batch(TEXTS)] == [row.ids for row in ours.encode_batch(TEXTS)]


def test_a_text_stands_between_its_marks(ours):
    assert ours.encode("").tokens == ["<s>", "</s>"]
    assert ours.encode("a dog").tokens == ["<s>", "▁a", "▁dog", "</s>"]
