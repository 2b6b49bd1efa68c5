"""What the files of ``open_clip`` say, in its own layout and in that of Immich's exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyreel.encoders.card import Scoring, TextInput
from polyreel.encoders.importing.contract import Contract, open_clip_pictures
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.tokenizer_files import load_tokenizer, put_marks, template_of, token_id
from polyreel.errors import BundleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["OPEN_CLIP_WEIGHTS", "OpenClipFolder", "is_open_clip", "open_clip_contract", "read_open_clip"]

OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
_CONFIG, _PREPROCESS = "open_clip_config.json", "visual/preprocess_cfg.json"
_CONTEXT = 77
_TOLD = (
    "This model has to be told the language of each text: of a subtitle line it is what its file says, else "
    "it is detected. A text whose language is not clear, or has no code in the model, is read as English "
    "(eng_Latn)."
)


@dataclass(frozen=True, slots=True)
class OpenClipFolder:
    """A model that ``open_clip`` describes.

    Attributes:
        model: its ``model_cfg``.
        preprocess: its ``preprocess_cfg``.
        tokenizer: the folder with its tokenizer.
    """

    model: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    tokenizer: HubFolder

    @property
    def side_px(self) -> int:
        """Side of the pictures, where the preparation does not say it."""
        return int(self.model.get("vision_cfg", {}).get("image_size", 224))

    @property
    def text_tower(self) -> str:
        """Name of the text tower or its tokenizer; empty for open_clip's own."""
        text = self.model.get("text_cfg", {})
        return str(text.get("hf_model_name") or text.get("hf_tokenizer_name") or "").lower()

    def contract_text(self, tokenizer: Tokenizer) -> TextInput:
        """How texts are prepared; the tokenizer gets the marks that this model was trained with."""
        text, tower = self.model.get("text_cfg", {}), self.text_tower
        length = int(text.get("context_length", _CONTEXT))
        if "siglip2" in tower or "gemma" in tower:
            put_marks(tokenizer, "$A <eos>")
            return _filled("lower", "$A <eos>", token_id(tokenizer, "<pad>"), length)
        if "siglip" in tower or "t5" in tower:
            put_marks(tokenizer, "$A </s>")
            return _filled("canonical", "$A </s>", token_id(tokenizer, "</s>"), length)
        if "nllb" in tower:
            put_marks(tokenizer, "eng_Latn $A </s>")
            return TextInput(
                template="eng_Latn $A </s>",
                max_tokens=length,
                pad_id=token_id(tokenizer, "<pad>"),
                language_tokens=_language_tokens(tokenizer),
                default_language="en",
            )
        template = template_of(tokenizer)
        if "xlm-roberta" in tower:
            return TextInput(template=template, max_tokens=length, pad_id=token_id(tokenizer, "<pad>"))
        # open_clip's own text tower: causal, read at the end mark, of one length only.
        return TextInput(template=template, max_tokens=length, pad_id=0, pad_to=length, masked=False)


def is_open_clip(hub: HubFolder) -> bool:
    """Whether the folder is in the layout of ``open_clip``, or in Immich's."""
    return hub.has(_CONFIG) or (hub.has(_PREPROCESS) and "text_cfg" in hub.json("config.json", needed=False))


def read_open_clip(hub: HubFolder) -> OpenClipFolder:
    """What a folder's files say.

    Raises:
        BundleError: one is missing, or says nothing of the two towers.
    """
    if hub.has(_CONFIG):
        config = hub.json(_CONFIG)
        model, preprocess, tokenizer = config.get("model_cfg"), config.get("preprocess_cfg", {}), hub
    else:
        model, preprocess = hub.json("config.json"), hub.json(_PREPROCESS)
        tokenizer = HubFolder(hub.path / "textual", f"{hub.label}/textual")
    if not isinstance(model, dict) or not {"vision_cfg", "text_cfg"} <= model.keys():
        raise BundleError(
            "the config of the model does not describe two towers",
            item=hub.label,
            remedy="Copy open_clip_config.json from the model's page",
        )
    return OpenClipFolder(model, preprocess, tokenizer)


def open_clip_contract(hub: HubFolder) -> Contract:
    """How texts and pictures of such a folder are prepared."""
    found = read_open_clip(hub)
    tokenizer = load_tokenizer(found.tokenizer)
    sigmoid = "init_logit_bias" in found.model
    text = found.contract_text(tokenizer)
    return Contract(
        text=text,
        frames=open_clip_pictures(found.preprocess, side_px=found.side_px, label=hub.label),
        scoring=Scoring(kind="sigmoid" if sigmoid else "softmax"),
        tokenizer=tokenizer.to_str(),
        remarks=(_TOLD,) if text.language_tokens else (),
    )


def _filled(cleaning: str, template: str, pad_id: int, length: int) -> TextInput:
    facts = {"cleaning": cleaning, "template": template, "max_tokens": length, "pad_id": pad_id}
    return TextInput.model_validate(facts | {"pad_to": length, "masked": False})


def _language_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """BCP-47 tag -> token, of the FLORES codes that an NLLB tokenizer knows, such as ``zho_Hans``."""
    import langcodes

    found: dict[str, int] = {}
    for token, place in sorted(tokenizer.get_vocab().items()):
        language, _, script = token.partition("_")
        if len(language) == 3 and len(script) == 4 and script.istitle():
            tag = langcodes.standardize_tag(f"{language}-{script}", macro=True)
            found[tag] = place
            spoken = tag.partition("-")[0]
            if langcodes.Language.get(spoken).maximize().script == script:
                found[spoken] = place
    return found
