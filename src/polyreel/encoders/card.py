"""The card of a bundle: what it is, what it expects, where it came from and how well it did."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from polyreel.errors import BundleError, UsageError
from polyreel.files import read_regular
from polyreel.recipes import form_problems

__all__ = [
    "CARD_FILE",
    "BundleCard",
    "Confidence",
    "EncoderCard",
    "FrameInput",
    "Licence",
    "LineParts",
    "Measurement",
    "Origin",
    "Proof",
    "Scoring",
    "TextInput",
    "identity_of",
    "read_card",
    "short_identity",
]

CARD_FILE = "bundle.json"
_THE_TEXT = "$A"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **facts: Any) -> None:
        try:
            super().__init__(**facts)
        except ValidationError as error:
            problems = [f"{place}: {what}" for _, (place, what) in form_problems(type(self), facts, error)]
            raise UsageError(
                f"this is not {type(self).__name__}'s form",
                item="; ".join(problems),
                remedy=f"Its parts are {', '.join(type(self).model_fields)}",
            ) from error

    # What pydantic reads from a file goes past this, and keeps its own errors, which know the place.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


class TextInput(_Card):
    """How text is prepared for ``text.onnx``.

    Attributes:
        prefix: put before every text, as the encoder was trained.
        document_prefix: put before lines that are searched, where they have one of their own.
        cleaning: what is done to the text before: nothing, lower case, or SigLIP's canonical form (lower
            case without punctuation).
        template: the marks that the tokenizer puts around a text, ``$A``; each window gets them anew.
        max_tokens: longest input; longer text is encoded in windows, never cut.
        pad_id: token id that fills shorter rows of a batch.
        pad_to: length that every row is filled to, for encoders that were trained so; None fills to the
            longest row of the batch.
        pad_side: end of the row that is filled.
        masked: whether the encoder is told what is filling; False for those that read it as text.
        language_tokens: BCP-47 tag -> id of the token that goes first, for encoders that have to be told
            the language.
        default_language: tag of those tokens, for a text whose language is not clear or has no token. None
            takes the token that the template names.
    """

    prefix: str = ""
    document_prefix: str | None = None
    cleaning: Literal["none", "lower", "canonical"] = "none"
    template: str = "<s> $A </s>"
    max_tokens: int = Field(gt=2)
    pad_id: int = Field(ge=0)
    pad_to: int | None = Field(default=None, gt=2)
    pad_side: Literal["right", "left"] = "right"
    masked: bool = True
    language_tokens: Mapping[str, int] = {}
    default_language: str | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.template.split().count(_THE_TEXT) != 1:
            raise ValueError(f"the template {self.template!r} has no place, or several, for the text, $A")
        if self.pad_to is not None and self.pad_to < self.max_tokens:
            raise ValueError(f"rows of {self.max_tokens} tokens cannot be filled to {self.pad_to}")
        if self.default_language is not None and self.default_language not in self.language_tokens:
            raise ValueError(f"the default language {self.default_language!r} has no token")
        return self

    @property
    def marks(self) -> tuple[int, int]:
        """How many tokens of a row, at its start and at its end, are marks and not text."""
        parts = self.template.split()
        place = parts.index(_THE_TEXT)
        return place, len(parts) - place - 1


class FrameInput(_Card):
    """How pictures are prepared for ``frames.onnx``.

    Attributes:
        width_px, height_px: size of the pictures that the network sees.
        fps: frames for each second of video.
        dim: features for each frame.
        resize: ``squash`` stretches the whole upright picture to that size; ``crop`` scales it until its
            shorter side is ``shortest_px`` and cuts the middle out.
        shortest_px: None takes the shorter side of the size.
        kernel: how pixels are made when the size changes.
        antialias: whether the network was trained on pictures whose kernel grows as they shrink; the decoder
            always does so.
        mean, std: of each channel, 0 to 1; the graph subtracts and divides, so it takes plain bytes. None
            where the graph does something else.
    """

    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    fps: float = Field(gt=0, allow_inf_nan=False)
    dim: int = Field(gt=0)
    resize: Literal["squash", "crop"] = "squash"
    shortest_px: int | None = Field(default=None, gt=0)
    kernel: Literal["area", "bilinear", "bicubic", "lanczos"] = "area"
    antialias: bool = True
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


class Scoring(_Card):
    """What the encoder makes of a cosine: ``cosine * scale + bias``, for calibration.

    Attributes:
        kind: how the sum becomes a probability; ``cosine`` where it was not trained to be one.
        scale, bias: of the cosine.
    """

    kind: Literal["cosine", "softmax", "sigmoid"] = "cosine"
    scale: float = Field(default=1.0, allow_inf_nan=False)
    bias: float = Field(default=0.0, allow_inf_nan=False)


class Licence(_Card):
    """Terms of one part of the bundle.

    Attributes:
        part: of the bundle.
        licence: its name, an SPDX identifier where there is one.
        source: where the part comes from.
        non_commercial: whether it forbids commercial use.
    """

    part: str
    licence: str
    source: str
    non_commercial: bool = False


class Proof(_Card):
    """The smallest cosine between the bundle and the model that it was imported from.

    Attributes:
        texts: of texts in the study languages.
        pictures: on the model's own pixels.
        decoder: on pixels as our decoder scales them, whose kernels differ a little.
        count: texts and pictures that were compared.
    """

    texts: float
    pictures: float
    decoder: float
    count: tuple[int, int]


class Origin(_Card):
    """Where an imported bundle comes from.

    Attributes:
        family: kind of model, as ``polyreel bundles import`` names it.
        source: name on the hub, or name of the folder.
        revision: commit of the hub; None for a folder.
        precision: of the weights.
        proof: against the model; None where there is nothing to hold it against.
        remarks: one sentence for each thing that is not as one would wish.
    """

    family: str
    source: str
    revision: str | None = None
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    proof: Proof | None = None
    remarks: tuple[str, ...] = ()


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
        subtitle: of a query and a subtitle line; one below it is evidence only where a library's calibration
            says that it stands out.
    """

    clip: float
    subtitle: float


class LineParts(_Card):
    """How the vector of a query is weighed against lines, where vectors are two parts side by side.

    A part that was trained on pictures counts most among pictures, and less among lines, which stand nearer
    to the text encoder that both parts are made of.

    Attributes:
        width: of the first part.
        first, other: what each part of a query is multiplied with.
    """

    width: int = Field(gt=0)
    first: float = Field(ge=0, allow_inf_nan=False)
    other: float = Field(ge=0, allow_inf_nan=False)


class EncoderCard(_Card):
    """What every encoder says of itself.

    A part that is missing or not as it should be is a UsageError that names it.

    Attributes:
        name: what people call it.
        identity: text that changes when its embeddings do, such as a digest of its weights. A library is
            bound to it.
        dim: width of the shared space of texts and clips.
        frames: pictures that it takes, and features that it makes of each.
        confidence: cosines from which on a match means something; 0 where that was never measured.
        lines: how queries are weighed against lines; None as against clips.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    identity: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    dim: int = Field(gt=0)
    frames: FrameInput
    confidence: Confidence = Confidence(clip=0.0, subtitle=0.0)
    lines: LineParts | None = None

    @property
    def label(self) -> str:
        """Name and start of the identity, as messages show it."""
        return f"{self.name} ({short_identity(self.identity)})"


class BundleCard(EncoderCard):
    """Contents of ``bundle.json``.

    Attributes:
        schema_version: layout of the card and its folder.
        name: what people call it.
        identity: hex digest that says which embeddings it makes; a library is bound to it.
        description: one or two sentences.
        dim: width of the shared space of texts and clips.
        text, frames: how input is prepared.
        pooling: how ``video.onnx`` makes a clip of its frames.
        scoring: what a cosine means to the encoder.
        confidence: from which cosines on a match means something.
        lines: how queries are weighed against lines; None as against clips.
        measured: results on benchmarks, per language.
        licences: terms of every part.
        training: how it was made.
        trained_on: the data, as far as its makers say.
        origin: where an imported bundle comes from.
        files: file name -> sha256, weights beside a graph included.
    """

    schema_version: Literal[2] = 2
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    identity: str = Field(pattern=r"^[0-9a-f]{64}$")
    description: str
    text: TextInput
    pooling: Literal["own", "mean"] = "own"
    scoring: Scoring = Scoring()
    confidence: Confidence
    measured: tuple[Measurement, ...] = ()
    licences: tuple[Licence, ...]
    training: str
    trained_on: str | None = None
    origin: Origin | None = None
    files: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], str]

    @model_validator(mode="before")
    @classmethod
    def _migrated(cls, facts: Any) -> Any:
        """A card of version 1 as one of version 2: whatever it does not say has the default.

        Cards of version 2 once had ``sizes``, widths that vectors could be cut to. None ever stated one, and
        nothing cut any; a card that does is refused, since its vectors would be used whole.
        """
        if not isinstance(facts, dict):
            return facts
        kept = {key: value for key, value in facts.items() if key != "sizes" or value}
        return kept | {"schema_version": 2} if kept.get("schema_version") == 1 else kept

    @property
    def frames_key(self) -> str:
        """The same for bundles that make the same features of a frame: by graph, weights and preparation."""
        graph = {name: digest for name, digest in self.files.items() if name.startswith("frames.onnx")}
        return identity_of({"graph": graph, "frames": self.frames.model_dump(mode="json")})[:16]

    @property
    def text_parts(self) -> dict[str, str]:
        """File name -> sha256 of what encodes texts: graph, weights and tokenizer."""
        return {
            name: digest for name, digest in self.files.items() if name.startswith(("text.", "tokenizer."))
        }

    @property
    def text_key(self) -> str:
        """The same for bundles that make the same vectors of texts: by ``text_parts`` and preparation."""
        return identity_of({"parts": self.text_parts, "text": self.text.model_dump(mode="json")})

    @property
    def non_commercial(self) -> bool:
        """Whether the licence of a part forbids commercial use."""
        return any(licence.non_commercial for licence in self.licences)


def short_identity(identity: str, length: int = 12) -> str:
    """The start of a digest, which tells it from others; an identity that a person chose is whole."""
    return identity[:length] if _DIGEST.fullmatch(identity) else identity


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
        return BundleCard.model_validate_json(read_regular(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            "no bundle is here",
            item=folder,
            remedy="Name a folder with a bundle.json, or a bundle that 'polyreel bundles list' shows",
        ) from error
    except OSError as error:
        raise BundleError("the bundle's card cannot be read", item=path, value=error.strerror) from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise BundleError(
            "the bundle's card cannot be understood",
            item=path,
            value=f"{where}: {problem['msg']}",
            remedy="It may be of a newer polyreel, or damaged; build or copy the bundle again",
        ) from error
