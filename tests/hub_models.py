"""Small models with random weights, made by the real classes and saved in the layout of the hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyreel.encoders.importing.proof import PROBE_TEXTS

README = "---\nlicense: {licence}\nlibrary_name: transformers\n---\n# A model\n"
_SIDE = 64
_LAYERS = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
_VISION = _LAYERS | {"image_size": _SIDE, "patch_size": 16}
_OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
# Words for vocabularies: the probes, and what makes other texts of tests more than unknown tokens.
CORPUS = (
    *PROBE_TEXTS,
    *(text.lower() for text in PROBE_TEXTS),
    "abc def ghi jkl mno pqr stu vwx yz 0123456789",
)


def save_siglip_2(folder: Path) -> Path:
    """As google/siglip2-base-patch16-256: a SiglipModel with a tokenizer like Gemma's."""
    from tokenizers import normalizers, processors
    from transformers import Siglip2Tokenizer

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary, merges = _trained_bpe(special, [text.replace(" ", "▁") for text in CORPUS])
    tokenizer = Siglip2Tokenizer(vocab=vocabulary, merges=merges)
    # As the published files have it: Gemma's class, which leaves the case alone.
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    model = _siglip(len(tokenizer), bos=2, eos=1, pad=0)
    _saved(folder, model, tokenizer, _squashed("SiglipImageProcessor", resample=2))
    facts = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(facts | {"tokenizer_class": "GemmaTokenizer"}))
    return folder


def save_siglip(folder: Path) -> Path:
    """As google/siglip-base-patch16-256-multilingual: SentencePiece, canonical texts filled with ``</s>``."""
    from transformers import SiglipTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = _sentencepiece(folder / "spiece.model", "--pad_id=-1 --eos_id=1 --unk_id=2 --bos_id=-1")
    model = _siglip(words, bos=1, eos=1, pad=1)
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"))
    return _saved(folder, model, tokenizer, _squashed("SiglipImageProcessor", resample=3))


def save_clip(folder: Path) -> Path:
    """As openai/clip-vit-base-patch32."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}, merges=[])
    text = _LAYERS | {"vocab_size": len(pieces), "max_position_embeddings": 77, "projection_dim": 32}
    marks = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=text | marks, vision_config=_VISION | {"projection_dim": 32}, projection_dim=32
    )
    return _saved(folder, CLIPModel(config), tokenizer, _cropped("CLIPImageProcessor"), "mit")


def save_metaclip_2(folder: Path) -> Path:
    """As facebook/metaclip-2-worldwide-huge-quickgelu: the vocabulary of XLM-V, read at ``</s>``."""
    from transformers import MetaClip2Config, MetaClip2Model

    tokenizer = xlm_roberta_tokenizer()
    text = _LAYERS | {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "projection_dim": 32}
    marks = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    config = MetaClip2Config(
        text_config=text | marks, vision_config=_VISION | {"projection_dim": 32}, projection_dim=32
    )
    return _saved(folder, MetaClip2Model(config), tokenizer, _cropped("CLIPImageProcessor"), "cc-by-nc-4.0")


def save_chinese_clip(folder: Path) -> Path:
    """As OFA-Sys/chinese-clip-vit-base-patch16: a ``vocab.txt`` and no ``tokenizer.json``."""
    from transformers import BertTokenizer, ChineseCLIPConfig, ChineseCLIPModel

    letters = sorted({letter for text in CORPUS for letter in text.lower()} - {" "})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    text = _LAYERS | {"vocab_size": len(pieces), "max_position_embeddings": 64}
    config = ChineseCLIPConfig(
        text_config=text, vision_config=_VISION | {"projection_dim": 32}, projection_dim=32
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = BertTokenizer(vocab={piece: place for place, piece in enumerate(pieces)})
    _saved(folder, ChineseCLIPModel(config), tokenizer, _cropped("ChineseCLIPImageProcessor"))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return folder


def xlm_roberta_tokenizer() -> Any:
    """A tokenizer of XLM-R's class that knows the probes' letters."""
    from transformers import XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted({letter for text in CORPUS for letter in text} - {" "})
    words = sorted({f"▁{word}" for text in PROBE_TEXTS for word in text.split()[:2]})
    pieces = [(piece, 0.0) for piece in special]
    pieces += [(piece, -8.0 - place / 100) for place, piece in enumerate(["▁", *letters])]
    pieces += [(piece, -9.0 - place / 100) for place, piece in enumerate(words)]
    return XLMRobertaTokenizer(vocab=[*pieces, ("<mask>", 0.0)])


def _siglip(words: int, *, bos: int, eos: int, pad: int) -> Any:
    from transformers import SiglipConfig, SiglipModel

    marks = {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad}
    text = _LAYERS | {"vocab_size": words, "max_position_embeddings": 64, "projection_size": 64}
    return SiglipModel(SiglipConfig(text_config=text | marks, vision_config=_VISION))


def _trained_bpe(special: list[str], texts: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    from tokenizers import Tokenizer, models, trainers

    learner = Tokenizer(models.BPE())
    learner.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=700, special_tokens=special))
    facts = json.loads(learner.to_str())["model"]
    return facts["vocab"], [tuple(pair) for pair in facts["merges"]]


def _sentencepiece(path: Path, marks: str) -> int:
    """Train a small unigram model; return how many pieces it has."""
    import sentencepiece

    corpus = path.with_suffix(".txt")
    corpus.write_text("\n".join(CORPUS * 3), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.Train(
        f"--input={corpus} --model_prefix={path.with_suffix('')} --vocab_size=180 --character_coverage=1.0 "
        f"--hard_vocab_limit=false --minloglevel=2 {marks}"
    )
    corpus.unlink()
    path.with_suffix(".vocab").unlink()
    return int(sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size())


def _squashed(kind: str, *, resample: int) -> dict[str, Any]:
    half = [0.5, 0.5, 0.5]
    return {
        "image_processor_type": kind,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "size": {"height": _SIDE, "width": _SIDE},
        "resample": resample,
        "rescale_factor": 1 / 255,
        "image_mean": half,
        "image_std": half,
    }


def _cropped(kind: str) -> dict[str, Any]:
    return (
        _squashed(kind, resample=3)
        | {"size": {"shortest_edge": _SIDE}, "do_center_crop": True, "do_convert_rgb": True}
        | {"crop_size": {"height": _SIDE, "width": _SIDE}}
        | _OPENAI
    )


def _saved(
    folder: Path, model: Any, tokenizer: Any, pictures: dict[str, Any], licence: str = "apache-2.0"
) -> Path:
    lively(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    (folder / "README.md").write_text(README.format(licence=licence))
    return folder


def lively(model: Any) -> Any:
    """Weights of a natural scale, so that what goes in matters as it does after training."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                width = weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) * width**-0.5)
    return model


MODELS: dict[str, Callable[[Path], Path]] = {
    "siglip2": save_siglip_2,
    "siglip": save_siglip,
    "clip": save_clip,
    "metaclip2": save_metaclip_2,
    "chinese-clip": save_chinese_clip,
}
