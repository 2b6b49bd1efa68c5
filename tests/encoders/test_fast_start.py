"""What a bundle is made into for a fast start: the same vectors, only from parts that are whole."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime as ort
import pytest

from polyreel.encoders import fast_start
from polyreel.encoders.fast_start import find_fast_start
from polyreel.encoders.runtime import Bundle
from tiny_bundle import write_tiny_bundle


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A bundle that counts as large."""
    monkeypatch.setattr(fast_start, "_LEAST_BYTES", 0)
    return write_tiny_bundle(tmp_path / "tiny")


def made_in(folder):
    return sorted(path.name for path in folder.glob(".fast-*"))


def test_the_second_start_reads_what_the_first_made(folder):
    first = Bundle(folder).encode_text(["red dog"])
    (name,) = made_in(folder)
    again = Bundle(folder)
    assert np.array_equal(again.encode_text(["red dog"]), first)
    assert again._fast_start is not None
    assert made_in(folder) == [name]


@pytest.mark.parametrize("damage", ["weights", "digests", "gone"])
def test_what_is_damaged_is_made_anew(folder, damage):
    first = Bundle(folder).encode_text(["red dog"])
    made = folder / made_in(folder)[0]
    if damage == "weights":
        (made / "text.onnx").write_bytes((made / "text.onnx").read_bytes() + b"x")
    elif damage == "digests":
        (made / "digests.json").write_text("[1, 2]", encoding="utf-8")
    else:
        (made / "text.onnx").unlink()
    again = Bundle(folder)
    assert find_fast_start(folder, again.card) is None
    assert np.array_equal(again.encode_text(["red dog"]), first)
    assert find_fast_start(folder, again.card) is not None


def test_a_folder_that_cannot_be_written_costs_only_time(folder, monkeypatch):
    monkeypatch.setattr(fast_start, "scratch_folder", read_only)
    assert Bundle(folder).encode_text(["red dog"]).shape == (1, 8)
    assert made_in(folder) == []


def read_only(_parent):
    raise PermissionError("read-only file system")


def test_another_onnx_runtime_makes_its_own(folder, monkeypatch):
    Bundle(folder).encode_text(["red"])
    (old,) = made_in(folder)
    monkeypatch.setattr(ort, "__version__", "99.0")
    Bundle(folder).encode_text(["red"])
    (new,) = made_in(folder)
    assert new != old


def test_small_bundles_do_without(tmp_path):
    folder = write_tiny_bundle(tmp_path / "tiny")
    Bundle(folder).encode_text(["red"])
    assert made_in(folder) == []


def test_digests_name_every_file(folder):
    Bundle(folder).encode_text(["red"])
    made = folder / made_in(folder)[0]
    names = {path.name for path in made.iterdir()} - {"digests.json"}
    assert set(json.loads((made / "digests.json").read_text(encoding="utf-8"))) == names


def test_many_texts_load_the_full_tokenizer(small_bundle):
    bundle = Bundle(small_bundle.folder)
    one = bundle.encode_text(["a dog"])
    assert "_tokenizer" not in vars(bundle)
    bundle.prepare_for_many_texts()
    assert "_tokenizer" in vars(bundle)
    assert np.array_equal(bundle.encode_text(["a dog"]), one)
