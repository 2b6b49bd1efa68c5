"""Rebuild the XLM-R tokenizer from a SentencePiece vocabulary."""

from __future__ import annotations

import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram as UnigramModel

from polyreel.encoders.build.e5 import Unigram

__all__ = ["build_tokenizer"]

# SentencePiece's nmt_nfkc keeps the full-width tilde, which NFKC would fold; it sits out in a private-use
# character that text never holds (``languages.clean`` removes those).
_TILDE, _STAND_IN = "～", "\ue0fe"


def build_tokenizer(vocabulary: Unigram) -> Tokenizer:
    """A tokenizer that gives ``<s> text </s>`` with the same ids as the genuine XLM-R tokenizer.

    The vocabulary's character map is NFKC but for a few dozen control and space characters, so it is rebuilt
    as NFKC after two replacements rather than as thousands of single ones.
    """
    removed, spaces = [], []
    for character, replacement in vocabulary.normalisation.items():
        if unicodedata.normalize("NFKC", character) == replacement:
            continue
        if replacement == "":
            removed.append(character)
        elif replacement == " ":
            spaces.append(character)
    tokenizer = Tokenizer(UnigramModel(vocabulary.pieces, vocabulary.unk_id, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_one_of(removed)), ""),
            normalizers.Replace(Regex(_one_of(spaces)), " "),
            normalizers.Replace(_TILDE, _STAND_IN),
            normalizers.NFKC(),
            normalizers.Replace(_STAND_IN, _TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = {
        piece_id: vocabulary.pieces[piece_id][0]
        for piece_id in (vocabulary.bos_id, vocabulary.pad_id, vocabulary.eos_id, vocabulary.unk_id)
    }
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in special.values()])
    bos, eos = special[vocabulary.bos_id], special[vocabulary.eos_id]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        special_tokens=[(bos, vocabulary.bos_id), (eos, vocabulary.eos_id)],
    )
    return tokenizer


def _one_of(characters: list[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(character):x}}}" for character in characters) + "]"
