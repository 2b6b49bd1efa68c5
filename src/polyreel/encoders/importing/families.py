"""The families of models that can be imported: how each is recognised, and its contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polyreel.encoders.card import FrameInput, Scoring, TextInput
from polyreel.encoders.importing.contract import Contract, pictures_of
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.open_clip_folder import is_open_clip, open_clip_contract, read_open_clip
from polyreel.encoders.importing.tokenizer_files import load_tokenizer, put_marks, template_of, token_id
from polyreel.errors import BundleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["FAMILIES", "Family", "family_of"]

_CONFIG, _OPEN_CLIP_CONFIG = "config.json", "open_clip_config.json"
# The vocabulary of Gemma, which sets SigLIP 2 apart from SigLIP in the config of both.
_GEMMA_PIECES = 256_000
_XLM_R_TOKENS = 512
_MEXMA_LICENCE = (
    "The text tower was made of facebook/MEXMA, whose own terms hold beside those of this model: read both."
)


@dataclass(frozen=True, slots=True)
class Family:
    """Models that are prepared and read in one way.

    Attributes:
        title: for people.
        recognises: whether a folder is of this family.
        contract: how texts and pictures of a folder are prepared.
        languages: what its texts may be in.
        non_commercial: whether all published weights forbid commercial use.
        lacks_images: whether it is a text tower alone, beside which an image tower has to be named.
    """

    title: str
    recognises: Callable[[HubFolder], bool]
    contract: Callable[[HubFolder], Contract]
    languages: str = "many"
    non_commercial: bool = False
    lacks_images: bool = False


def family_of(hub: HubFolder) -> str:
    """The name of a folder's family.

    Raises:
        BundleError: it is of none that is known; the message lists those.
    """
    for name, family in FAMILIES.items():
        if family.recognises(hub):
            return name
    config = hub.json(_CONFIG, needed=not hub.has(_OPEN_CLIP_CONFIG))
    found = config.get("model_type") or ", ".join(map(str, config.get("architectures", []))) or "unknown"
    known = "; ".join(family.title for family in FAMILIES.values())
    if found == "siglip2":
        found = "siglip2 with pictures of any shape (NaFlex); the checkpoints of a fixed size are read"
    elif "auto_map" in config:
        found = f"{found}, with code of its own, which is never run"
    raise BundleError(
        "this family of models is not known", item=hub.label, value=found, remedy=f"Known: {known}"
    )


def _is(model_type: str) -> Callable[[HubFolder], bool]:
    def recognises(hub: HubFolder) -> bool:
        return hub.json(_CONFIG, needed=False).get("model_type") == model_type

    return recognises


def _has_gemma_tokenizer(hub: HubFolder) -> bool:
    text = hub.json(_CONFIG).get("text_config", {})
    kind = str(hub.json("tokenizer_config.json", needed=False).get("tokenizer_class"))
    return text.get("vocab_size") == _GEMMA_PIECES or kind.startswith(("Gemma", "Siglip2"))


def _is_siglip_2(hub: HubFolder) -> bool:
    return _is("siglip")(hub) and _has_gemma_tokenizer(hub)


def _siglip_2(hub: HubFolder) -> Contract:
    """Lower case, filled to the full length, and no mask: the text tower reads its last position."""
    tokenizer = load_tokenizer(hub)
    put_marks(tokenizer, "$A <eos>")
    return _contract(hub, tokenizer, _siglip_text(hub, tokenizer, "lower", "$A <eos>", pad="<pad>"))


def _siglip(hub: HubFolder) -> Contract:
    tokenizer = load_tokenizer(hub)
    put_marks(tokenizer, "$A </s>")
    return _contract(hub, tokenizer, _siglip_text(hub, tokenizer, "canonical", "$A </s>", pad="</s>"))


def _siglip_text(
    hub: HubFolder, tokenizer: Tokenizer, cleaning: str, template: str, *, pad: str
) -> TextInput:
    length = int(hub.json(_CONFIG).get("text_config", {}).get("max_position_embeddings", 64))
    return TextInput.model_validate(
        {
            "cleaning": cleaning,
            "template": template,
            "max_tokens": length,
            "pad_id": token_id(tokenizer, pad),
            "pad_to": length,
            "masked": False,
        }
    )


def _clip(hub: HubFolder) -> Contract:
    """A causal text tower reads the state at the end mark, so what fills a row is never seen."""
    tokenizer = load_tokenizer(hub)
    text = hub.json(_CONFIG).get("text_config", {})
    template = template_of(tokenizer)
    spec = TextInput(
        template=template,
        max_tokens=int(text.get("max_position_embeddings", 77)),
        # The end mark fills, too: the first one counts.
        pad_id=token_id(tokenizer, template.split()[-1]),
        masked=False,
    )
    return _contract(hub, tokenizer, spec)


def _metaclip_2(hub: HubFolder) -> Contract:
    tokenizer = load_tokenizer(hub)
    text = hub.json(_CONFIG).get("text_config", {})
    spec = TextInput(
        template=template_of(tokenizer),
        max_tokens=int(text.get("max_position_embeddings", 77)),
        pad_id=token_id(tokenizer, "<pad>"),
        masked=False,
    )
    return _contract(hub, tokenizer, spec)


def _chinese_clip(hub: HubFolder) -> Contract:
    tokenizer = load_tokenizer(hub)
    spec = TextInput(template=template_of(tokenizer), max_tokens=52, pad_id=token_id(tokenizer, "[PAD]"))
    return _contract(hub, tokenizer, spec)


def _is_mexma(hub: HubFolder) -> bool:
    config = hub.json(_CONFIG, needed=False)
    names = (config.get("model_type"), *config.get("architectures", ()))
    return any("mexma" in str(name).lower() for name in names)


def _mexma(hub: HubFolder) -> Contract:
    """MEXMA is read at its first token; what its config says of the rest is in the weights."""
    tokenizer = load_tokenizer(hub)
    stated = hub.json("tokenizer_config.json", needed=False).get("model_max_length", _XLM_R_TOKENS)
    spec = TextInput(
        template=template_of(tokenizer),
        max_tokens=min(int(stated), _XLM_R_TOKENS),
        pad_id=token_id(tokenizer, "<pad>"),
    )
    made = _contract(hub, tokenizer, spec)
    return replace(made, scoring=Scoring(kind="sigmoid"), remarks=(_MEXMA_LICENCE,))


def _is_m_clip(hub: HubFolder) -> bool:
    config = hub.json(_CONFIG, needed=False)
    return config.get("model_type") == "M-CLIP" or "MultilingualCLIP" in config.get("architectures", ())


def _text_alone(hub: HubFolder) -> Contract:
    """The contract of the image tower takes the place of its pictures."""
    tokenizer = load_tokenizer(hub)
    # Published as the longest input; without it, what the tower has positions for.
    stated = hub.json("sentence_bert_config.json", needed=False).get("max_seq_length")
    stated = stated or hub.json("tokenizer_config.json", needed=False).get("model_max_length", 512)
    pad = next(pad for pad in ("<pad>", "[PAD]", "") if not pad or tokenizer.token_to_id(pad) is not None)
    spec = TextInput(
        template=template_of(tokenizer),
        max_tokens=min(int(stated), 512),
        pad_id=token_id(tokenizer, pad),
    )
    frames = FrameInput(width_px=1, height_px=1, fps=1, dim=1)
    return Contract(text=spec, frames=frames, scoring=Scoring(), tokenizer=tokenizer.to_str())


def _in_open_clip(*towers: str, vision: str = "") -> Callable[[HubFolder], bool]:
    """Whether a folder of ``open_clip`` has one of these text towers, and such an image tower."""

    def recognises(hub: HubFolder) -> bool:
        if not is_open_clip(hub):
            return False
        found = read_open_clip(hub)
        network = str(found.model["vision_cfg"].get("timm_model_name", ""))
        return network.startswith(vision) and any(
            tower in found.text_tower if tower else not found.text_tower for tower in towers
        )

    return recognises


def _contract(hub: HubFolder, tokenizer: Tokenizer, text: TextInput) -> Contract:
    kind = "sigmoid" if text.pad_to else "softmax"
    return Contract(
        text=text,
        frames=pictures_of(hub),
        scoring=Scoring.model_validate({"kind": kind}),
        tokenizer=tokenizer.to_str(),
    )


FAMILIES: dict[str, Family] = {
    "xlm-roberta-clip": Family("XLM-R-CLIP of open_clip", _in_open_clip("xlm-roberta"), open_clip_contract),
    "nllb-siglip": Family(
        "NLLB-SigLIP of open_clip", _in_open_clip("nllb"), open_clip_contract, non_commercial=True
    ),
    "pe-core": Family(
        "PE-Core of open_clip", _in_open_clip("", vision="vit_pe"), open_clip_contract, languages="English"
    ),
    "open-clip-siglip": Family(
        "SigLIP of open_clip", _in_open_clip("siglip", "gemma", "t5"), open_clip_contract
    ),
    "open-clip": Family("CLIP of open_clip", _in_open_clip(""), open_clip_contract, languages="English"),
    "siglip2": Family("SigLIP 2 of a fixed size", _is_siglip_2, _siglip_2),
    "siglip": Family("SigLIP and SigLIP i18n", _is("siglip"), _siglip),
    "clip": Family("CLIP", _is("clip"), _clip, languages="English"),
    "metaclip2": Family("MetaCLIP 2", _is("metaclip_2"), _metaclip_2, non_commercial=True),
    "chinese-clip": Family("Chinese-CLIP", _is("chinese_clip"), _chinese_clip, languages="Chinese"),
    "mexma-siglip": Family("MEXMA-SigLIP", _is_mexma, _mexma),
    "m-clip": Family("M-CLIP with an image tower", _is_m_clip, _text_alone, lacks_images=True),
    "sentence-transformers": Family(
        "sentence-transformers' multilingual CLIP with an image tower",
        lambda hub: hub.has("modules.json"),
        _text_alone,
        lacks_images=True,
    ),
}
"""Name -> family; the first that recognises a folder is its own."""
