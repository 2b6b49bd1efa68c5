"""The card of a bundle: typed, closed, and clear about what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from polyreel.encoders.card import CARD_FILE, BundleCard, EncoderCard, FrameInput, identity_of, read_card
from polyreel.errors import BundleError, UsageError


def rewrite(source: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    facts = json.loads((source / CARD_FILE).read_text(encoding="utf-8"))
    change(facts)
    (folder / CARD_FILE).write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_a_card_survives_being_written(tiny_bundle):
    card = read_card(tiny_bundle.folder)
    assert card == tiny_bundle.card
    assert BundleCard.model_validate_json(card.model_dump_json()) == card
    assert card.label == f"tiny ({card.identity[:12]})"


def test_cards_that_state_no_sizes_are_read_as_before(tiny_bundle, tmp_path):
    folder = rewrite(tiny_bundle.folder, tmp_path, lambda facts: facts.update(sizes=[]))
    assert read_card(folder) == tiny_bundle.card


def test_a_card_cannot_be_changed(tiny_bundle):
    with pytest.raises(ValidationError):
        tiny_bundle.card.dim = 3


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda facts: facts.update(schema_version=3), "schema_version"),
        (lambda facts: facts.update(schema_version=3, novelty=1), "schema_version"),
        (lambda facts: facts.update(colour="red"), "colour"),
        (lambda facts: facts.update(sizes=[64]), "sizes"),
        (lambda facts: facts.pop("identity"), "identity"),
        (lambda facts: facts.update(identity="short"), "identity"),
        (lambda facts: facts.update(dim=0), "dim"),
        (lambda facts: facts.update(name="../evil"), "name"),
        (lambda facts: facts["text"].update(max_tokens=2), "text.max_tokens"),
        (lambda facts: facts["frames"].update(fps="fast"), "frames.fps"),
        (lambda facts: facts["frames"].update(fps=float("inf")), "frames.fps"),
    ],
)
def test_a_card_that_is_not_understood_is_a_bundle_error_that_says_where(
    tiny_bundle, tmp_path, change, where
):
    with pytest.raises(BundleError, match=f"{where}: ") as caught:
        read_card(rewrite(tiny_bundle.folder, tmp_path, change))
    assert str(tmp_path / CARD_FILE) in str(caught.value)
    assert "newer polyreel" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", bytes(100)])
def test_a_card_that_is_no_card_is_a_bundle_error(tmp_path, content):
    (tmp_path / CARD_FILE).write_bytes(content)
    with pytest.raises(BundleError, match="cannot be understood"):
        read_card(tmp_path)


def test_a_place_without_a_card_is_a_bundle_error(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(BundleError, match="no bundle is here") as caught:
            read_card(place)
        assert "polyreel bundles list" in caught.value.remedy


inputs = st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers()), max_size=5)


@given(inputs, inputs)
def test_an_identity_tells_inputs_apart_and_knows_no_order(first, second):
    assert (identity_of(first) == identity_of(second)) == (first == second)
    assert identity_of(first) == identity_of(dict(reversed(first.items())))


def test_a_card_of_the_first_version_is_read_as_one_of_the_second(tiny_bundle, tmp_path):
    def first(facts):
        facts["schema_version"] = 1
        for name in ("pooling", "scoring", "trained_on", "origin"):
            del facts[name]
        facts["text"] = {name: facts["text"][name] for name in ("prefix", "max_tokens", "pad_id")}
        facts["frames"] = {name: facts["frames"][name] for name in ("width_px", "height_px", "fps", "dim")}
        facts["licences"] = [
            {name: row[name] for name in ("part", "licence", "source")} for row in facts["licences"]
        ]

    assert read_card(rewrite(tiny_bundle.folder, tmp_path, first)) == tiny_bundle.card


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts["text"].update(template="<s> </s>"), "no place"),
        (lambda facts: facts["text"].update(pad_to=8), "cannot be filled to 8"),
        (lambda facts: facts["files"].update({"../evil": "0"}), "files"),
        (lambda facts: facts["frames"].update(resize="fit"), "frames.resize"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(tiny_bundle, tmp_path, change, said):
    with pytest.raises(BundleError, match=said):
        read_card(rewrite(tiny_bundle.folder, tmp_path, change))


def test_a_card_of_ones_own_that_is_wrong_is_one_error():
    size = {"width_px": 8, "height_px": 8}
    with pytest.raises(UsageError, match="not FrameInput's form: ") as caught:
        FrameInput(width_px=0, fps=1, dim=3, depth=2)
    for said in (
        "width_px: it should be above 0, found 0",
        "height_px: is missing",
        "depth: there is no such key",
    ):
        assert said in str(caught.value)
    with pytest.raises(UsageError, match="fps: it should be a finite number, found nan"):
        FrameInput(**size, fps=float("nan"), dim=3)
    frames = FrameInput(**size, fps=1, dim=3)
    with pytest.raises(UsageError, match=r"dimm: there is no such key. Did you mean 'dim'\?"):
        EncoderCard(name="own", identity="w", dimm=3, frames=frames)
    with pytest.raises(UsageError, match=r"EncoderCard's form: name: .*'my model'"):
        EncoderCard(name="my model", identity="w", dim=3, frames=frames)
    facts = {"name": "own", "identity": "w", "dim": 3, "frames": {**frames.model_dump(), "dim": 0}}
    with pytest.raises(ValidationError, match=r"frames\.dim"):  # with its place, for the reader of a file
        EncoderCard.model_validate(facts)
