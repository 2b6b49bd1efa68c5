"""Random text encoders in the format of Hugging Face, saved by their own library in milliseconds."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = ["a", "dog", "cat", "runs", "sleeps", "the", "on", "beach", "ein", "hund", "läuft"]
LAYERS, WIDTH, POSITIONS = 3, 16, 16
_SIZE = {
    "vocab_size": 20,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    # Large weights, so that layers differ visibly.
    "initializer_range": 0.5,
}


def save_bert(folder: Path, *, positions: int = POSITIONS) -> Path:
    """A BERT with a WordPiece tokenizer, which reads ``positions`` tokens."""
    from transformers import BertConfig, BertModel, BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizer(vocab={piece: at for at, piece in enumerate(pieces)})
    return _save(folder, BertModel, BertConfig(**_SIZE, max_position_embeddings=positions), tokenizer)


def save_xlmr(folder: Path) -> Path:
    """An XLM-R with a unigram tokenizer; two of its positions are never used."""
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = XLMRobertaTokenizer(
        vocab=[*special, *((f"▁{word}", -2.0) for word in WORDS), ("<mask>", 0.0)]
    )
    config = XLMRobertaConfig(
        **_SIZE, max_position_embeddings=POSITIONS + 2, pad_token_id=1, bos_token_id=0, eos_token_id=2
    )
    return _save(folder, XLMRobertaModel, config, tokenizer)


def _save(folder: Path, kind: type, config: object, tokenizer: object) -> Path:
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    torch.set_rng_state(generator_state)
    tokenizer.save_pretrained(folder)
    return folder
