"""The tokenizer that starts at once gives the ids of the Rust tokenizer that it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_tokenizer import TEXTS
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from polyreel.encoders.compact_tokenizer import CompactTokenizer, write_compact

# Of "abab", "ab" twice and "aba" with "b" are equally likely.
PIECES = [
    *(("<s>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("b", -3.0), ("ab", -2.0)),
    *(("aba", -1.0), ("▁a", -2.5), ("狗", -4.0), ("狗a", -4.5), ("é", -5.0), ("bé", -5.0), ("c", -2.0)),
]


@pytest.fixture(scope="module")
def full() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(PIECES, unk_id=2))
    tokenizer.add_special_tokens(
        [AddedToken(mark, special=True, normalized=False) for mark in ("<s>", "</s>")]
    )
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    marks = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=marks)
    return tokenizer


def compact_of(tokenizer: Tokenizer, folder: Path) -> CompactTokenizer:
    tokenizer.save(str(folder / "tokenizer.json"))
    assert write_compact(folder / "tokenizer.json", folder)
    return CompactTokenizer(folder)


@pytest.fixture(scope="module")
def compact(full, tmp_path_factory) -> CompactTokenizer:
    return compact_of(full, tmp_path_factory.mktemp("compact"))


@given(st.text("aabbcé狗 x<🐶①", max_size=30))
def test_ids_are_those_of_the_full_tokenizer(full, compact, text):
    assert compact.encode_batch([text])[0].ids == full.encode(text).ids


def test_ids_of_the_shipped_vocabulary(small_bundle, tmp_path):
    full = small_bundle._tokenizer
    compact = compact_of(full, tmp_path)
    known = [text for text in TEXTS if compact.knows([text])]
    assert len(known) == len(TEXTS) - 1
    assert [each.ids for each in compact.encode_batch(known)] == [
        each.ids for each in full.encode_batch(known)
    ]


def test_marks_within_a_text_are_left_to_the_full_tokenizer(compact):
    assert compact.knows(["a < b > c", "s"])
    assert not compact.knows(["a", "a </s> b"])
    assert not compact.knows(["＜s＞"])  # a mark once it is normalised


def test_tokenizers_of_another_kind_are_refused(tmp_path):
    words = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    words.save(str(tmp_path / "tokenizer.json"))
    assert not write_compact(tmp_path / "tokenizer.json", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
