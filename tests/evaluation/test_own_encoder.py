"""A model of one's own is measured like a bundle, and what is wrong with it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from colour_clips import colour_clips
from numpy.typing import NDArray

from polyreel.encoders.card import EncoderCard, FrameInput
from polyreel.encoders.protocol import CheckedEncoder, Encoder
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.evaluation.run import evaluate
from tiny_bundle import PALETTE

MEANINGS = {"rot": "red", "nyekundu": "red", "grün": "green", "kijani": "green", "blau": "blue"}
MEANINGS |= {"buluu": "blue", "gelb": "yellow", "manjano": "yellow"}


class OwnClip:
    """As short as a model can be: texts and clips lie where their colour does, not of unit length."""

    card = EncoderCard(
        name="own-clip",
        identity="weights-1",
        dim=3,
        frames=FrameInput(width_px=8, height_px=8, fps=1, dim=3),
    )

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.floating]:
        return np.array([PALETTE[MEANINGS.get(text, text)] for text in texts]) - 120.0

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.floating]:
        return frames.mean(axis=(1, 2))

    def encode_video(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.floating]:
        return np.stack([clip.mean(axis=0) for clip in clips]) - 120.0


class TorchClip(OwnClip):
    """The same as tensors that require gradients, which numpy does not take by itself."""

    def encode_text(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.nn.Parameter(torch.from_numpy(super().encode_text(texts)))

    def encode_video(self, clips: Sequence[NDArray[np.float32]]) -> torch.Tensor:
        return torch.from_numpy(super().encode_video(clips)).half()


def test_a_bundle_is_an_encoder_as_it_is(tiny_bundle: Bundle) -> None:
    assert isinstance(tiny_bundle, Encoder)
    checked = CheckedEncoder(tiny_bundle)
    texts = ["red", "ein rot hund", "nobody knows this"]
    assert checked.card is tiny_bundle.card
    assert np.array_equal(checked.encode_text(texts), tiny_bundle.encode_text(texts))


@pytest.mark.parametrize("model", [OwnClip(), TorchClip()])
def test_a_model_of_ones_own_is_measured(tmp_path: Path, model: Encoder) -> None:
    assert isinstance(model, Encoder)
    result = evaluate(model, "folder", data=str(colour_clips(tmp_path / "clips")))
    assert (result.system.bundle, result.system.identity) == ("own-clip", "weights-1")
    assert result.label == "own-clip (weights-)"
    assert {tag: found.metrics["r@1"].value for tag, found in result.languages.items()} == {
        "en": 100,
        "de": 100,
        "sw": 100,
    }


def test_vectors_become_unit_vectors_however_long_they_are_and_zero_stays_zero() -> None:
    found = CheckedEncoder(OwnClip()).encode_text(["red", "blue"])
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-6)
    model = OwnClip()
    for size in (1e-30, 1e38):
        model.encode_text = lambda texts, size=size: np.full((len(texts), 3), size)  # type: ignore[method-assign]
        assert CheckedEncoder(model).encode_text(["red"]) == pytest.approx(3**-0.5)
    model.encode_text = lambda texts: np.zeros((len(texts), 3))  # type: ignore[method-assign]
    assert not CheckedEncoder(model).encode_text(["red"]).any()


class Changed(OwnClip):
    """What its texts become is given."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def encode_text(self, texts: Sequence[str]) -> object:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((2, 3)), r"another shape: Changed.encode_text \(\(2, 3\), expected \(4, 3\)\)"),
        (np.ones((4, 2)), r"another shape.*expected \(4, 3\)"),
        (np.ones(4), "another shape"),
        (
            np.where(np.arange(4) == 2, np.nan, 1)[:, None] * np.ones(3),
            r"not finite: rows 2 of Changed.encode_text \('.+'\)",
        ),
        (np.full((4, 3), 1e300), "not finite: rows 0, 1, 2, 3 of"),
        (np.full((4, 3), "red"), "not numbers"),
        (None, "cannot be read as an array of numbers: NoneType"),
        ([[1.0], [1.0, 2.0]], "cannot be read as an array: list"),
    ],
)
def test_a_wrong_answer_names_the_method_and_the_rows(answer: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(Changed(answer), "folder", data=colour_clips(tmp_path / "clips"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (OwnClip, "an object, not a class: OwnClip"),
        ("small", r"not an encoder: str \(it lacks encode_text, encode_frames, encode_video, card\)"),
        (SimpleNamespace(encode_text=len, encode_video=len, card=1), r"it lacks encode_frames\)"),
        (
            SimpleNamespace(encode_text=len, encode_frames=len, encode_video=len, card={"name": "x"}),
            r"card is not an EncoderCard: SimpleNamespace.card \(dict\).*EncoderCard\(name",
        ),
    ],
)
def test_what_is_not_an_encoder_is_told_what_it_lacks(model: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(model, "folder", data=colour_clips(tmp_path / "clips"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"languages": []}, "no language to measure: None|no language to measure .*languages is empty"),
        ({"languages": [3]}, "a language must be text"),
        ({"seed": -1}, "the seed must not be negative"),
        ({"seed": True}, "the seed must be a whole number"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_by_name(options, said):
    with pytest.raises(UsageError, match=said):
        evaluate(OwnClip(), "folder", **options)
