"""Models in the layout of ``open_clip``, built by its own classes from the folder's config alone."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from polyreel.encoders.card import FrameInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.open_clip_folder import OPEN_CLIP_WEIGHTS, read_open_clip
from polyreel.encoders.importing.tokenizer_files import load_tokenizer
from polyreel.encoders.importing.weights.torchvision_operators import mend_torchvision
from polyreel.encoders.importing.weights.towers import ImageTower, ModelTowers
from polyreel.encoders.importing.weights.transformers_models import disagreement, quietly
from polyreel.extras import missing_extra

__all__ = ["OpenClipReference", "load_open_clip_towers"]

# All published text towers of XLM-R and NLLB have heads of this width.
_HEAD_WIDTH = 64


class _Image(ImageTower):
    visual: Any

    def __init__(self, model: nn.Module, frames: FrameInput) -> None:
        super().__init__(frames)
        self.visual = model.visual

    def features(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.visual(pixels)
        return vectors


class _Text(nn.Module):
    model: Any

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_text(ids)
        return vectors


def load_open_clip_towers(hub: HubFolder, frames: FrameInput) -> ModelTowers:
    """The towers of a model in the layout of ``open_clip``.

    Args:
        hub: its folder.
        frames: how its pictures are prepared.

    Raises:
        UsageError: ``open_clip_torch`` is not installed, or does not load.
        BundleError: the weights are missing, or are not those of the config.
    """
    hub.require_safetensors(OPEN_CLIP_WEIGHTS)
    state = load_file(hub.path / OPEN_CLIP_WEIGHTS)
    open_clip = import_open_clip()
    facts = read_open_clip(hub).model
    text = dict(facts.get("text_cfg", {}))
    vision = dict(facts.get("vision_cfg", {})) | {"timm_model_pretrained": False}
    custom = bool(facts.get("custom_text")) or "hf_model_name" in text
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    options = {
        name: facts[name] for name in ("quick_gelu", "init_logit_scale", "init_logit_bias") if name in facts
    }
    with tempfile.TemporaryDirectory() as scratch, quietly():
        if "hf_model_name" in text:
            # By its name the config would be fetched from the hub; the weights say all of it.
            config = _text_config(hub, state, str(text["hf_model_name"]))
            (Path(scratch) / "config.json").write_text(json.dumps(config))
            text |= {"hf_model_name": scratch, "hf_model_pretrained": False}
            text.pop("hf_tokenizer_name", None)
        try:
            model = kind(embed_dim=facts["embed_dim"], vision_cfg=vision, text_cfg=text, **options)
            # Older files have a buffer of counted positions, which is made anew.
            state = {key: value for key, value in state.items() if not key.endswith("position_ids")}
            model.load_state_dict(state, strict=True)
        except (RuntimeError, TypeError, KeyError, ValueError) as error:
            raise disagreement(hub, str(error).strip().splitlines()[-1].strip()[:200]) from error
    model.float()
    model.train(mode=False)
    bias = getattr(model, "logit_bias", None)
    return ModelTowers(
        image=_Image(model, frames),
        text=_Text(model),
        masked=False,  # it counts what is not filling by itself
        scale=float(model.logit_scale.detach().exp()),
        bias=0.0 if bias is None else float(bias.detach()),
    )


def import_open_clip() -> Any:
    """The package.

    Raises:
        UsageError: it is not installed, or does not load.
    """
    mend_torchvision()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import open_clip
    except (ImportError, RuntimeError) as error:
        raise missing_extra(
            "import",
            "models in the layout of open_clip need its package",
            value=str(error).splitlines()[0][:200],
        ) from error
    return open_clip


def _text_config(hub: HubFolder, state: dict[str, Tensor], name: str) -> dict[str, Any]:
    """The config of a text tower of ``transformers``, by the shapes of its weights."""
    prefix = "text.transformer."
    try:
        if "xlm-roberta" in name:
            words = state[f"{prefix}embeddings.word_embeddings.weight"]
            width = words.shape[1]
            return {
                "model_type": "xlm-roberta",
                "architectures": ["XLMRobertaModel"],
                "vocab_size": words.shape[0],
                "hidden_size": width,
                "num_hidden_layers": _layers(state, f"{prefix}encoder.layer."),
                "num_attention_heads": max(1, width // _HEAD_WIDTH),
                "intermediate_size": state[f"{prefix}encoder.layer.0.intermediate.dense.weight"].shape[0],
                "max_position_embeddings": state[f"{prefix}embeddings.position_embeddings.weight"].shape[0],
                "type_vocab_size": 1,
                "layer_norm_eps": 1e-5,
                "pad_token_id": 1,
                "bos_token_id": 0,
                "eos_token_id": 2,
            }
        words = state[f"{prefix}embed_tokens.weight"]
        width = words.shape[1]
        layers = _layers(state, f"{prefix}layers.")
        hidden = state[f"{prefix}layers.0.fc1.weight"].shape[0]
        heads = max(1, width // _HEAD_WIDTH)
    except KeyError as error:
        raise disagreement(hub, f"the weights of {name} are not there: {error.args[0]}") from error
    return {
        "model_type": "m2m_100",
        "architectures": ["M2M100ForConditionalGeneration"],
        "vocab_size": words.shape[0],
        "d_model": width,
        "encoder_layers": layers,
        "encoder_ffn_dim": hidden,
        "encoder_attention_heads": heads,
        # The other half is thrown away.
        "decoder_layers": 1,
        "decoder_ffn_dim": 8,
        "decoder_attention_heads": heads,
        "max_position_embeddings": 1024,
        "scale_embedding": True,
        "activation_function": "relu",
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }


def _layers(state: dict[str, Tensor], prefix: str) -> int:
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in state if key.startswith(prefix))


class OpenClipReference:
    """A model of ``open_clip`` behind its own preparation of pictures, and rows filled as it fills them.

    Args:
        hub: its folder.
        towers: the model.
    """

    def __init__(self, hub: HubFolder, towers: ModelTowers) -> None:
        import_open_clip()
        from open_clip.transform import PreprocessCfg, image_transform_v2

        found = read_open_clip(hub)
        given = {key: value for key, value in found.preprocess.items() if key in PreprocessCfg().__dict__}
        given.setdefault("size", found.side_px)
        self._transform = image_transform_v2(PreprocessCfg(**given), is_train=False)
        self._towers, self._found = towers, found
        self._tokenizer = load_tokenizer(found.tokenizer)

    def texts(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, (texts, dim), one at a time and filled to the full length."""
        spec = self._found.contract_text(self._tokenizer)
        rows = []
        for text, language in zip(texts, languages, strict=True):
            ids = list(self._tokenizer.encode(text.lower() if spec.cleaning == "lower" else text).ids)
            if spec.language_tokens:
                ids[0] = spec.language_tokens[language]
            ids = ids[: spec.max_tokens]
            rows.append(ids + [spec.pad_id] * (spec.max_tokens - len(ids)))
        with torch.inference_mode():
            return np.asarray(self._towers.text(torch.tensor(rows)), np.float32)

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """A picture as the model's own preparation scales it, (height, width, 3)."""
        from torchvision import transforms

        for step in self._transform.transforms:
            if isinstance(step, transforms.ToTensor):
                break
            picture = step(picture)
        return np.asarray(picture)

    def pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures, (pictures, dim)."""
        with torch.inference_mode():
            numbers = torch.stack([self._transform(picture) for picture in pictures])
            return np.asarray(self._towers.image.features(numbers), np.float32)
