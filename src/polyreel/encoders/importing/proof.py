"""The end of every import: texts and pictures through the model and through the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import FrameInput, Proof
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, PolyreelError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PROBE_LANGUAGES", "PROBE_TEXTS", "AsDecoded", "Reference", "look_at", "probe_pictures", "prove"]

AsDecoded = Callable[[bytes, FrameInput], NDArray[np.uint8]]
"""A picture file as our decoder prepares it for an encoder: (height, width, 3)."""

PROBE_TEXTS = (
    "A dog runs across the grass, and two children laugh.",
    "Ein Mann spielt GITARRE.",
    "une femme coupe des oignons dans la cuisine",
    "Děti si hrají na pláži.",
    "一辆摩托车在路上飞驰",
    "Поезд подъезжает к станции",
    "một con mèo đang ngủ trên ghế",
    "Ndege wanaruka juu ya ziwa.",
    "dos personas bailan en la calle por la noche, y se ve una fuente",
)
PROBE_LANGUAGES = ("en", "de", "fr", "cs", "zh", "ru", "vi", "sw", "es")
_SIZES = ((320, 200), (180, 420), (500, 500), (96, 300))
_LEAST_EQUAL, _LEAST_DECODED = 0.999, 0.98


class Reference(Protocol):
    """The model as its makers run it."""

    def texts(self, texts: Sequence[str], languages: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, (texts, dim); the languages are BCP-47 tags."""
        ...

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """A picture as the model's own preparation scales it, (height, width, 3)."""
        ...

    def pictures(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Vectors of pictures, (pictures, dim)."""
        ...


def probe_pictures() -> list[Image.Image]:
    """Pictures with large and small shapes, most of them not square."""
    from PIL import Image

    made = []
    for place, (width, height) in enumerate(_SIZES):
        rows, columns = np.mgrid[:height, :width].astype(np.float64)
        waves = np.sin(columns / (11 + 4 * place)) + np.cos(rows / (17 + 3 * place))
        checks = (columns // (20 + 9 * place) + rows // 30) % 2
        channels = [waves * 50 + 90, checks * 160 + 40, (columns / width + rows / height) * 127]
        made.append(Image.fromarray(np.stack(channels, -1).clip(0, 255).astype(np.uint8)))
    return made


def prove(
    bundle: Bundle, reference: Reference, as_decoded: AsDecoded, *, least: float = _LEAST_EQUAL
) -> Proof:
    """Hold a bundle against the model that it was made of.

    Args:
        bundle: what was made.
        reference: the model.
        as_decoded: how our decoder prepares a picture.
        least: the smallest cosine that is taken for equality; lower for weights in fewer bits.

    Raises:
        BundleError: they do not agree.
    """
    pictures = probe_pictures()
    theirs = reference.pictures(pictures)
    decoded = np.stack([as_decoded(_png(picture), bundle.card.frames) for picture in pictures])
    # A text that is too long is read in windows here, and cut by its makers.
    rows = bundle.token_rows(PROBE_TEXTS, languages=PROBE_LANGUAGES)
    fit = [place for place, windows in enumerate(rows) if len(windows) == 1]
    texts, languages = [PROBE_TEXTS[place] for place in fit], [PROBE_LANGUAGES[place] for place in fit]
    proof = Proof(
        texts=_least(bundle.encode_text(texts, languages=languages), reference.texts(texts, languages)),
        pictures=_least(
            bundle.encode_frames(np.stack([reference.pixels(picture) for picture in pictures])), theirs
        ),
        decoder=_least(bundle.encode_frames(decoded), theirs),
        count=(len(texts), len(pictures)),
    )
    wanted = {"texts": least, "pictures": least, "decoder": min(least, _LEAST_DECODED)}
    short = {name: getattr(proof, name) for name, value in wanted.items() if getattr(proof, name) < value}
    if short:
        raise BundleError(
            "the imported graphs do not agree with the model",
            item=bundle.card.name,
            value=", ".join(f"cosine {value:.4f} of {name}" for name, value in short.items()),
            remedy="Nothing was installed; please report it with the name of the model",
        )
    return proof


def look_at(bundle: Bundle) -> None:
    """Hold a bundle against itself, where there is no model to hold it against.

    Raises:
        BundleError: it does not run, its two towers are not of one width, or rows depend on their batch.
    """
    spec = bundle.card.frames
    pictures = [np.asarray(picture.resize((spec.width_px, spec.height_px))) for picture in probe_pictures()]
    try:
        frames = bundle.encode_frames(np.stack(pictures))
        texts = bundle.encode_text(PROBE_TEXTS, languages=PROBE_LANGUAGES)
        alone = bundle.encode_text(PROBE_TEXTS[:1], languages=PROBE_LANGUAGES[:1])
    except PolyreelError:
        raise
    except Exception as error:  # ONNX Runtime raises its own classes, which share no other base.
        raise BundleError(
            "a ready graph does not run", item=bundle.card.name, value=str(error).splitlines()[0][:200]
        ) from error
    lengths = np.concatenate([np.linalg.norm(frames, axis=1), np.linalg.norm(texts, axis=1)])
    if (
        not np.isfinite(lengths).all()
        or not (lengths > 0).all()
        or not _least(texts[:1], alone) > _LEAST_EQUAL
    ):
        raise BundleError(
            "a ready graph gives no sensible vectors",
            item=bundle.card.name,
            value="not finite, zero, or another in a batch than alone",
            remedy="Look for another export, or import the weights",
        )


def _least(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return round(float(cosines.min()), 6)


def _png(picture: Image.Image) -> bytes:
    import io

    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
