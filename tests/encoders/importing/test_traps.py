"""What goes wrong when a contract is kept in part: each changes the vectors, so the proof would see it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from polyreel.encoders.card import CARD_FILE
from polyreel.encoders.importing.families import FAMILIES
from polyreel.encoders.importing.proof import PROBE_TEXTS, prove
from polyreel.encoders.importing.weights.loading import load_towers, reference_of
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.media.pictures import read_for_encoder, read_picture
from polyreel.media.scaling import Scaling

pytest.importorskip("torch", reason="weights are imported with PyTorch")


def changed(bundle: Bundle, folder: Path, **text: object) -> Bundle:
    """The bundle with another contract for texts."""
    shutil.copytree(bundle.folder, folder)
    facts = bundle.card.model_dump()
    facts["text"] |= text
    (folder / CARD_FILE).write_text(type(bundle.card).model_validate(facts).model_dump_json())
    return Bundle(folder)


def least_cosine(bundle: Bundle, other: Bundle) -> float:
    return float((bundle.encode_text(PROBE_TEXTS) * other.encode_text(PROBE_TEXTS)).sum(1).min())


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        ("siglip2", {"cleaning": "none"}),
        ("siglip2", {"pad_side": "left"}),
        ("siglip2", {"pad_id": 3}),
        ("siglip", {"cleaning": "none"}),
        ("siglip", {"pad_id": 2}),
    ],
)
def test_a_text_contract_that_is_not_kept_is_another_model(imported, tmp_path, family, wrong):
    assert least_cosine(imported(family), changed(imported(family), tmp_path / "wrong", **wrong)) < 0.999


def test_what_fills_a_row_of_clip_is_never_seen(imported, tmp_path):
    assert least_cosine(imported("clip"), changed(imported("clip"), tmp_path / "other", pad_id=5)) > 0.9999


def test_a_bundle_that_does_not_agree_with_its_model_is_refused(hub_model, imported, tmp_path):
    hub = hub_model("siglip2")
    contract = FAMILIES["siglip2"].contract(hub)
    towers = load_towers(hub, "siglip2", contract)
    reference = reference_of(hub, "siglip2", towers, contract)
    wrong = changed(imported("siglip2"), tmp_path / "wrong", cleaning="none")
    with pytest.raises(BundleError, match=r"do not agree .*of texts") as caught:
        prove(wrong, reference, read_for_encoder)
    assert "Nothing was installed" in caught.value.remedy

    def cropped(data, frames):
        size = (frames.width_px, frames.height_px)
        return read_picture(data, size=size, scaling=Scaling("crop", kernel=frames.kernel))

    with pytest.raises(BundleError, match="of decoder"):
        prove(imported("siglip2"), reference, cropped)


def test_the_mask_matters_where_the_card_says_so(imported):
    bundle = imported("chinese-clip")
    short, long = "狗", " ".join(PROBE_TEXTS[:1])
    np.testing.assert_allclose(
        bundle.encode_text([short, long])[0], bundle.encode_text([short])[0], atol=1e-5
    )


def test_a_text_whose_language_is_not_clear_is_read_as_the_card_says(imported):
    bundle = imported("nllb-siglip")
    spec = bundle.card.text
    assert spec.default_language == "en"
    assert "read as English (eng_Latn)" in bundle.card.origin.remarks[0]
    texts = ["42", "♪", "dɔg rʌnz", "犬 犬"]
    rows = bundle.token_rows(texts)
    assert {row[0] for (row,) in rows[:2]} == {spec.language_tokens["en"]}
    assert np.isfinite(bundle.encode_text(texts)).all()
