"""Small models with random weights, made by the real classes and saved in the layout of the hub."""

from __future__ import annotations

import json
import shutil
import tempfile
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
    from transformers import CLIPConfig, CLIPModel

    tokenizer = clip_tokenizer()
    pieces = len(tokenizer)
    text = _LAYERS | {"vocab_size": pieces, "max_position_embeddings": 77, "projection_dim": 32}
    marks = {"bos_token_id": pieces - 2, "eos_token_id": pieces - 1, "pad_token_id": 1}
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

    pieces = _wordpieces()
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


def clip_tokenizer() -> Any:
    """A tokenizer of CLIP's class that knows every byte, and no word."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}, merges=[])


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


def save_xlm_roberta_clip(folder: Path) -> Path:
    """As laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k, in open_clip's own layout."""
    from transformers import XLMRobertaConfig

    tokenizer = xlm_roberta_tokenizer()
    layers = _LAYERS | {"num_attention_heads": 1, "type_vocab_size": 1}
    config = XLMRobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=100, **layers)
    text = {"hf_model_name": "xlm-roberta-base", "hf_tokenizer_name": "xlm-roberta-base"}
    text |= {"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    network, model = _open_clip(folder, config, text)
    preprocess = {"resize_mode": "shortest", "mean": _OPENAI["image_mean"], "std": _OPENAI["image_std"]}
    return _open_clip_saved(folder, network, model, tokenizer, preprocess)


def save_nllb_siglip(folder: Path) -> Path:
    """As visheratin/nllb-siglip-mrl-base: the encoder of NLLB, whose texts begin with their language."""
    from transformers import M2M100Config, NllbTokenizer

    latin = ["eng", "deu", "fra", "ces", "vie", "swh", "spa"]
    codes = [*(f"{code}_Latn" for code in latin), "zho_Hans", "zho_Hant", "rus_Cyrl"]
    letters = sorted({letter for text in CORPUS for letter in text} - {" "})
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *letters]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = NllbTokenizer(vocab=vocabulary, merges=[], additional_special_tokens=codes)
    encoder = {"d_model": 64, "encoder_layers": 2, "encoder_ffn_dim": 128, "encoder_attention_heads": 1}
    decoder = {"decoder_layers": 1, "decoder_ffn_dim": 8, "decoder_attention_heads": 1}
    config = M2M100Config(vocab_size=len(tokenizer), **encoder, **decoder)
    text = {"hf_model_name": "facebook/nllb-200-distilled-600M", "hf_pooler_type": "cls_pooler"}
    network, model = _open_clip(folder, config, text | {"hf_proj_type": "linear"}, init_logit_bias=-10)
    preprocess = {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3}
    return _open_clip_saved(folder, network, model, tokenizer, preprocess, licence="cc-by-nc-4.0")


def save_pe_core(folder: Path) -> Path:
    """As timm/PE-Core-T-16-384, with the image tower of that very model."""
    import open_clip

    tokenizer = clip_tokenizer()
    vision = {"image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384"}
    vision |= {"timm_pool": "map", "timm_proj": None}
    text = {"context_length": 32, "vocab_size": len(tokenizer), "width": 64, "heads": 2, "layers": 2}
    model = {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    network = open_clip.CustomTextCLIP(
        embed_dim=512, vision_cfg=vision | {"timm_model_pretrained": False}, text_cfg=text
    )
    preprocess = {"interpolation": "bilinear", "resize_mode": "squash", "size": [384, 384]}
    preprocess |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    return _open_clip_saved(folder, network, model, tokenizer, preprocess, licence="apache-2.0")


def save_open_clip(folder: Path) -> Path:
    """As laion/CLIP-ViT-B-32-laion2B-s34B-b79K: both towers are open_clip's own."""
    import open_clip

    tokenizer = clip_tokenizer()
    vision = {"image_size": _SIDE, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32}
    text = {"context_length": 77, "vocab_size": len(tokenizer), "width": 64, "heads": 2, "layers": 2}
    network = open_clip.CLIP(embed_dim=32, vision_cfg=vision, text_cfg=text)
    model = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": _OPENAI["image_mean"], "std": _OPENAI["image_std"]}
    return _open_clip_saved(folder, network, model, tokenizer, preprocess)


def save_open_clip_siglip(folder: Path) -> Path:
    """As timm/ViT-B-16-SigLIP2-256: no causal mask, the last position, a projection with a bias."""
    import open_clip
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as scratch:
        save_siglip_2(Path(scratch) / "same")
        tokenizer = AutoTokenizer.from_pretrained(Path(scratch) / "same")
    vision = {"image_size": _SIDE, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32}
    text = {"context_length": 64, "vocab_size": 800, "width": 64, "heads": 2, "layers": 2}
    text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "proj_type": "linear"}
    network = open_clip.CustomTextCLIP(embed_dim=32, vision_cfg=vision, text_cfg=text, init_logit_bias=-10)
    named = text | {"hf_tokenizer_name": "timm/ViT-B-16-SigLIP2-256"}
    model = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": named, "custom_text": True}
    preprocess = {"resize_mode": "squash", "mean": [0.5] * 3, "std": [0.5] * 3}
    return _open_clip_saved(folder, network, model | {"init_logit_bias": -10}, tokenizer, preprocess)


def _open_clip(folder: Path, config: Any, text: dict[str, Any], **options: Any) -> tuple[Any, dict[str, Any]]:
    """A model of open_clip with a text tower of ``transformers``, and its ``model_cfg``."""
    import open_clip

    vision = {"image_size": _SIDE, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32}
    config.save_pretrained(folder / "text")
    here = text | {"hf_model_name": str(folder / "text"), "hf_model_pretrained": False}
    here.pop("hf_tokenizer_name", None)
    network = open_clip.CustomTextCLIP(embed_dim=32, vision_cfg=vision, text_cfg=here, **options)
    shutil.rmtree(folder / "text")
    facts = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    return network, facts | options


def _open_clip_saved(
    folder: Path,
    network: Any,
    model: dict[str, Any],
    tokenizer: Any,
    preprocess: dict[str, Any],
    *,
    licence: str = "mit",
) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous().clone() for key, value in lively(network).state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    tokenizer.save_pretrained(folder)
    prepared = {"size": [_SIDE, _SIDE], "mode": "RGB", "interpolation": "bicubic"} | preprocess
    config = {"model_cfg": model, "preprocess_cfg": prepared}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(README.format(licence=licence))
    return folder


def save_sentence_transformers(folder: Path) -> Path:
    """As sentence-transformers/clip-ViT-B-32-multilingual-v1: DistilBERT, mean, a dense layer."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertTokenizer, DistilBertConfig, DistilBertModel

    pieces = _wordpieces()
    config = DistilBertConfig(vocab_size=len(pieces), dim=64, hidden_dim=128, n_layers=2, n_heads=2)
    lively(DistilBertModel(config)).save_pretrained(folder)
    BertTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}).save_pretrained(folder)
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in parts]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    for part in ("1_Pooling", "2_Dense"):
        (folder / part).mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    dense = {"in_features": 64, "out_features": 32, "bias": False}
    dense |= {"activation_function": "torch.nn.modules.linear.Identity"}
    (folder / "2_Dense/config.json").write_text(json.dumps(dense))
    weights = torch.randn(32, 64, generator=torch.Generator().manual_seed(2)) / 8
    save_file({"linear.weight": weights}, folder / "2_Dense/model.safetensors")
    (folder / "README.md").write_text(README.format(licence="apache-2.0"))
    return folder


def save_m_clip(folder: Path) -> Path:
    """As M-CLIP/XLM-Roberta-Large-Vit-B-32, its weights converted to safetensors."""
    import torch
    from safetensors.torch import save_file
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = xlm_roberta_tokenizer()
    layers = _LAYERS | {"num_attention_heads": 1, "type_vocab_size": 1}
    config = XLMRobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=514, **layers)
    tokenizer.save_pretrained(folder)
    state = lively(XLMRobertaModel(config)).state_dict()
    weights = {f"transformer.{key}": value.contiguous() for key, value in state.items()}
    weights["LinearTransformation.weight"] = torch.randn(32, 64) / 8
    weights["LinearTransformation.bias"] = torch.randn(32)
    save_file(weights, folder / "model.safetensors")
    facts = {"model_type": "M-CLIP", "modelBase": "xlm-roberta-large", "numDims": 32, "transDim": 64}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "README.md").write_text(README.format(licence="mit"))
    return folder


def save_mexma_siglip(folder: Path) -> Path:
    """As visheratin/mexma-siglip2: XLM-R and SigLIP's image tower in a class and code of their own."""
    from safetensors.torch import save_file

    text, vision, join = mexma_parts()
    parts = {"text_model": text, "vision_model": vision, "text_projector": join}
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    tokenizer = xlm_roberta_tokenizer()
    tokenizer.save_pretrained(folder)
    state |= {"logit_scale": torch_scalar(2.0), "logit_bias": torch_scalar(-8.0)}
    save_file({key: value.contiguous().clone() for key, value in state.items()}, folder / "model.safetensors")
    (folder / "modeling_mexma_siglip.py").write_text("raise SystemExit('this must never run')\n")
    facts = {"architectures": ["MexmaSigLIP"], "model_type": "mexma-siglip"}
    facts |= {"auto_map": {"AutoModel": "modeling_mexma_siglip.MexmaSigLIP"}}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "preprocessor_config.json").write_text(
        json.dumps(_squashed("SiglipImageProcessor", resample=2))
    )
    (folder / "README.md").write_text(README.format(licence="mit"))
    return folder


def mexma_parts() -> tuple[Any, Any, Any]:
    """The text encoder, the image tower and the matrix between them, by the classes of ``transformers``."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel, XLMRobertaConfig, XLMRobertaModel

    layers = _LAYERS | {"num_attention_heads": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    words = len(xlm_roberta_tokenizer())
    text = XLMRobertaModel(XLMRobertaConfig(vocab_size=words, max_position_embeddings=514, **layers))
    wide = _VISION | {"hidden_size": 128, "num_attention_heads": 2}
    vision = SiglipVisionModel(SiglipVisionConfig(**wide))
    join = torch.nn.Linear(64, 128, bias=False)
    return tuple(lively(part).eval() for part in (text, vision, join))


def torch_scalar(value: float) -> Any:
    """A weight that is one number."""
    import torch

    return torch.tensor([value])


def _wordpieces() -> list[str]:
    letters = sorted({letter for text in CORPUS for letter in text.lower()} - {" "})
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]


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


# Text towers alone, and whose space they were taught.
IMAGES = {"sentence-transformers": "clip", "m-clip": "clip"}
OF_OPEN_CLIP = frozenset({"nllb-siglip", "open-clip", "open-clip-siglip", "pe-core", "xlm-roberta-clip"})
MODELS: dict[str, Callable[[Path], Path]] = {
    "siglip2": save_siglip_2,
    "siglip": save_siglip,
    "clip": save_clip,
    "metaclip2": save_metaclip_2,
    "chinese-clip": save_chinese_clip,
    "xlm-roberta-clip": save_xlm_roberta_clip,
    "nllb-siglip": save_nllb_siglip,
    "pe-core": save_pe_core,
    "open-clip": save_open_clip,
    "open-clip-siglip": save_open_clip_siglip,
    "sentence-transformers": save_sentence_transformers,
    "m-clip": save_m_clip,
    "mexma-siglip": save_mexma_siglip,
}


def made_by(folder: Path) -> str:
    """The class whose weights lie in a folder."""
    if (folder / "open_clip_config.json").is_file():
        model = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
        return f"open_clip.{'CustomTextCLIP' if model.get('custom_text') else 'CLIP'}"
    facts = json.loads((folder / "config.json").read_text())
    if facts["model_type"] == "mexma-siglip":  # its makers' own class is code, which is not run
        return "XLMRobertaModel and SiglipVisionModel"
    return "XLMRobertaModel" if facts["model_type"] == "M-CLIP" else str(facts["architectures"][0])
