"""Models as their makers run them: their own tokenizer, their own preparation of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, Siglip2Tokenizer

from polyreel.encoders.card import TextInput
from polyreel.encoders.importing.hub_folder import HubFolder
from polyreel.encoders.importing.weights.towers import ModelTowers
from polyreel.encoders.importing.weights.transformers_models import quietly

__all__ = ["TransformersReference"]


class TransformersReference:
    """A model of ``transformers`` behind its own processor.

    Args:
        hub: folder of the processor's files.
        towers: the model.
        text: what the makers state on how rows are filled and cleaned; ``transformers`` does not do it by
            itself.
        family: the model's.
    """

    def __init__(self, hub: HubFolder, towers: ModelTowers, text: TextInput, family: str) -> None:
        # The files of SigLIP 2 name Gemma's class, which neither lowers the case nor ends a text.
        kind = Siglip2Tokenizer if family == "siglip2" else AutoTokenizer
        with quietly():
            self._tokenizer = kind.from_pretrained(hub.path, local_files_only=True, trust_remote_code=False)
            self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                hub.path, backend="pil", local_files_only=True, trust_remote_code=False
            )
        self._towers, self._text = towers, text

    def texts(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, (texts, dim)."""
        lower = self._text.cleaning == "lower"
        rows = self._tokenizer(
            [text.lower() if lower else text for text in texts],
            padding="max_length" if self._text.pad_to else True,
            padding_side="right",
            truncation=True,
            max_length=self._text.max_tokens,
            return_tensors="pt",
        )
        given = [rows["input_ids"], *([rows["attention_mask"]] if self._towers.masked else [])]
        with torch.inference_mode():
            return np.asarray(self._towers.text(*given), np.float32)

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """A picture as the processor scales it, (height, width, 3)."""
        return (
            self._processed(picture, do_rescale=False, do_normalize=False).transpose(1, 2, 0).astype(np.uint8)
        )

    def pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures, (pictures, dim)."""
        numbers = torch.from_numpy(np.stack([self._processed(picture) for picture in pictures]))
        with torch.inference_mode():
            return np.asarray(self._towers.image.features(numbers), np.float32)

    def _processed(self, picture: Image.Image, **options: Any) -> NDArray[Any]:
        with quietly():
            return np.asarray(
                self._processor(images=picture, return_tensors="np", **options)["pixel_values"][0]
            )
