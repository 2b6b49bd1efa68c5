"""The card of a bundle: what it is, what it expects, where it came from and how well it did."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyreel.errors import BundleError

__all__ = [
    "CARD_FILE",
    "BundleCard",
    "Confidence",
    "EncoderCard",
    "FrameInput",
    "Licence",
    "Measurement",
    "TextInput",
    "identity_of",
    "read_card",
]

CARD_FILE = "bundle.json"


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextInput(_Card):
    """How text is prepared for ``text.onnx``.

    Attributes:
        prefix: put before every text, as the encoder was trained.
        max_tokens: longest input; longer text is encoded in windows, never cut.
        pad_id: token id that fills shorter rows of a batch.
    """

    prefix: str
    max_tokens: int = Field(gt=2)
    pad_id: int


class FrameInput(_Card):
    """How pictures are prepared for ``frames.onnx``.

    Attributes:
        width_px, height_px: size that the whole upright picture is stretched to.
        fps: frames for each second of video.
        dim: features for each frame.
    """

    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    fps: float = Field(gt=0, allow_inf_nan=False)
    dim: int = Field(gt=0)


class Licence(_Card):
    """Terms of one part of the bundle."""

    part: str
    licence: str
    source: str


class Measurement(_Card):
    """Text-to-video recall that was measured with this bundle.

    Attributes:
        benchmark: name and split.
        command: the committed command that measured it.
        gallery, queries: items in the gallery; queries for each language.
        recall: BCP-47 tag -> {"r@1": .., "r@5": .., "r@10": ..}, 0 to 100.
    """

    benchmark: str
    command: str
    gallery: int
    queries: int
    recall: Mapping[str, Mapping[str, float]]


class Confidence(_Card):
    """Cosines from which on a match means something; how they were found is in docs/performance.md.

    Attributes:
        clip: of a query and the best clip.
        subtitle: of a query and a subtitle line; a line below it is no evidence.
    """

    clip: float
    subtitle: float


class EncoderCard(_Card):
    """What every encoder says of itself.

    Attributes:
        name: what people call it.
        identity: text that changes when its embeddings do, such as a digest of its weights. A library is
            bound to it.
        dim: width of the shared space of texts and clips.
        frames: pictures that it takes, and features that it makes of each.
        confidence: cosines from which on a match means something; 0 where that was never measured.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    identity: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    dim: int = Field(gt=0)
    frames: FrameInput
    confidence: Confidence = Confidence(clip=0.0, subtitle=0.0)

    @property
    def label(self) -> str:
        """Name and start of the identity, as messages show it."""
        return f"{self.name} ({self.identity[:12]})"


class BundleCard(EncoderCard):
    """Contents of ``bundle.json``.

    Attributes:
        schema_version: layout of the card and its folder.
        name: what people call it.
        identity: hex digest that says which embeddings it makes; a library is bound to it.
        description: one or two sentences.
        dim: width of the shared space of texts and clips.
        text, frames: how input is prepared.
        confidence: from which cosines on a match means something.
        measured: results on benchmarks, per language.
        licences: terms of every part.
        training: how it was made.
        files: file name -> sha256.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    identity: str = Field(pattern=r"^[0-9a-f]{64}$")
    description: str
    text: TextInput
    confidence: Confidence
    measured: tuple[Measurement, ...] = ()
    licences: tuple[Licence, ...]
    training: str
    files: Mapping[str, str]


def identity_of(inputs: Mapping[str, object]) -> str:
    """A digest of everything that decides which embeddings a bundle makes.

    It is taken over inputs rather than over the files, whose last bits depend on the machine that built them.
    """
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_card(folder: Path) -> BundleCard:
    """The card of the bundle in ``folder``.

    Raises:
        BundleError: there is no card, or it cannot be understood.
    """
    path = folder / CARD_FILE
    try:
        return BundleCard.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            "no bundle is here",
            item=folder,
            remedy="Name a folder with a bundle.json, or a bundle that 'polyreel bundles list' shows",
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise BundleError(
            "the bundle's card cannot be understood",
            item=path,
            value=f"{where}: {problem['msg']}",
            remedy="It may be of a newer polyreel, or damaged; build or copy the bundle again",
        ) from error
