"""The methods that evaluation and the library need of a model: those of a bundle, or of a short class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.arrays import as_array, raise_if_any
from polyreel.encoders.card import EncoderCard
from polyreel.errors import PolyreelError, UsageError

__all__ = ["CheckedEncoder", "Encoder"]

_METHODS = ("encode_text", "encode_frames", "encode_video")
_UNIT_LENGTH_WITHIN = 1e-3
_SHOWN_LETTERS = 60


@runtime_checkable
class Encoder(Protocol):
    """A model that puts texts and clips into one space, where they are compared by their cosine.

    A ``Bundle`` is one. An encoder of one's own needs no base class, and stays in the process of the program:
    ``index`` and ``evaluate`` call it from one thread, an open library from each thread that searches::

        class MyModel:
            card = EncoderCard(
                name="my-model", identity="weights-1", dim=512,
                frames=FrameInput(width_px=224, height_px=224, fps=1, dim=512),
            )

            def encode_text(self, texts): ...    # (texts, 512)
            def encode_frames(self, frames): ... # (frames, 224, 224, 3) uint8 -> (frames, 512)
            def encode_video(self, clips): ...   # one (frames, 512) array a clip -> (clips, 512)
    """

    @property
    def card(self) -> EncoderCard:
        """Name, identity, sizes."""
        ...

    def encode_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Vectors of texts in any language, (texts, dim)."""
        ...

    def encode_frames(self, frames: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Features of upright RGB pictures: (frames, height, width, 3) -> (frames, features)."""
        ...

    def encode_video(self, clips: Sequence[NDArray[np.float32]], /) -> NDArray[np.float32]:
        """Vectors of clips, (clips, dim), from the features of each one's frames, (frames, features)."""
        ...


class CheckedEncoder:
    """An encoder whose every answer is checked before it is used.

    Answers may be anything that numpy reads as an array of numbers. Vectors that are not of unit length are
    scaled to it, so that a dot product is a cosine.

    Args:
        encoder: the model.
        zeros: vectors of zeros, which have no direction, are "kept": where ranks are measured, they tie with
            everything. A library, where they would be found by nothing or find anything, has them "refused".

    Raises:
        UsageError: the model lacks a method or a card; from its methods, the model failed, or an answer is of
            another shape than the card states, is not numbers, is not finite, or is refused. The message
            names the rows, and the first text among them.
    """

    def __init__(self, encoder: Encoder, *, zeros: Literal["kept", "refused"] = "kept") -> None:
        if isinstance(encoder, type):
            raise UsageError(
                "an encoder is an object, not a class", item=encoder.__name__, remedy="Pass an instance of it"
            )
        missing = [name for name in _METHODS if not callable(getattr(encoder, name, None))]
        if not hasattr(encoder, "card"):
            missing.append("card")
        kind = type(encoder).__name__
        if missing:
            raise UsageError(
                "not an encoder",
                item=kind,
                value=f"it lacks {', '.join(missing)}",
                remedy="Pass a bundle (load_encoder), or give the class what polyreel.encoders.Encoder lists",
            )
        if not isinstance(encoder.card, EncoderCard):
            raise UsageError(
                "the encoder's card is not an EncoderCard",
                item=f"{kind}.card",
                value=type(encoder.card).__name__,
                remedy="Make one: EncoderCard(name=..., identity=..., dim=..., frames=FrameInput(...))",
            )
        self._encoder, self._zeros = encoder, zeros
        self.card: EncoderCard = encoder.card

    def encode_text(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Unit vectors of texts, (texts, dim)."""
        return self._vectors("encode_text", texts)

    def encode_frames(self, frames: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Features of pictures, (frames, features)."""
        return self._numbers("encode_frames", frames, self.card.frames.dim)

    def encode_video(self, clips: Sequence[NDArray[np.float32]], /) -> NDArray[np.float32]:
        """Unit vectors of clips, (clips, dim)."""
        return self._vectors("encode_video", clips)

    def _vectors(self, method: str, given: Sequence[Any]) -> NDArray[np.float32]:
        vectors = self._numbers(method, given, self.card.dim)
        # In double precision: the square of a tiny number is not zero there, that of a great one is finite.
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        nothing = lengths[:, 0] == 0
        if self._zeros == "refused":
            raise_if_any(
                nothing,
                "an encoder's answer is a vector of zeros, which has no direction",
                "Give all that the model does not know one vector of its own, or leave those inputs out",
                of=self._where(method),
                value=_first_text(given, nothing),
            )
        # Vectors that are of unit length already keep every bit.
        off = (np.abs(lengths - 1) > _UNIT_LENGTH_WITHIN) & (lengths > 0)
        unit: NDArray[np.float32] = (vectors / np.where(off, lengths, 1)).astype(np.float32)
        return unit

    def _where(self, method: str) -> str:
        return f"{type(self._encoder).__name__}.{method}"

    def _numbers(self, method: str, given: Sequence[Any] | NDArray[Any], width: int) -> NDArray[np.float32]:
        where, shape = self._where(method), (len(given), width)
        found = as_array(self._answer(method, given, where), where)
        if found.dtype.kind not in "fiu":
            raise UsageError("an encoder's answer is not numbers", item=where, value=f"dtype {found.dtype}")
        if found.shape != shape:
            raise UsageError(
                "an encoder's answer is of another shape",
                item=where,
                value=f"{found.shape}, expected {shape}",
                remedy="Give one row for each input, as wide as the card states",
            )
        with np.errstate(over="ignore"):  # what is beyond float32 is refused with its row
            single = np.asarray(found, np.float32)
        wrong = ~np.isfinite(single).all(axis=1)
        raise_if_any(
            wrong,
            "an encoder's answer is not finite",
            "Correct the model, or leave those inputs out",
            of=where,
            value=_first_text(given, wrong),
        )
        return single

    def _answer(self, method: str, given: object, where: str) -> object:
        try:
            return getattr(self._encoder, method)(given)
        except PolyreelError:
            raise  # a bundle's, which says what to do
        except Exception as error:  # it can be any: the model is the user's
            raise UsageError(
                "the encoder failed",
                item=where,
                value=f"{type(error).__name__}: {error}".strip().splitlines()[0].removesuffix(":"),
                remedy="Correct the model; in Python, the error above this one says where it failed",
            ) from error


def _first_text(given: Sequence[Any] | NDArray[Any], wrong: ArrayLike) -> str | None:
    """The first text whose answer is wrong, to name it by; None where pictures were given, or none is."""
    rows = np.flatnonzero(wrong)
    if not len(rows) or not isinstance(text := given[rows[0]], str):
        return None
    return repr(textwrap.shorten(text, _SHOWN_LETTERS, placeholder="..."))
