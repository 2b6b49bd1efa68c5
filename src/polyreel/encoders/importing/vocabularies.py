"""Tokenizers out of vocabularies in older formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram, WordPiece

from polyreel.extras import missing_extra

__all__ = ["from_sentencepiece", "from_wordpiece"]


def from_wordpiece(path: Path, *, lower: bool) -> Tokenizer:
    """BERT's tokenizer of a ``vocab.txt``: Chinese characters are words, accents fall with the case."""
    tokenizer = Tokenizer(WordPiece.from_file(str(path), unk_token="[UNK]"))  # noqa: S106  a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    return tokenizer


def from_sentencepiece(path: Path) -> Tokenizer:
    """The unigram tokenizer of a ``spiece.model``, with ``</s>`` behind each text, as T5 has it.

    Raises:
        UsageError: the sentencepiece package, which knows the format, is not installed.
    """
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise missing_extra(
            "import", "a tokenizer in SentencePiece's format needs the sentencepiece package", item=path.name
        ) from error
    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made by protobuf
    model.ParseFromString(path.read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    spec = model.trainer_spec
    tokenizer = Tokenizer(Unigram(pieces, spec.unk_id, byte_fallback=spec.byte_fallback))
    steps: list[normalizers.Normalizer] = []
    if model.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    if model.normalizer_spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    end = pieces[spec.eos_id][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, spec.eos_id)]
    )
    return tokenizer
