"""``polyreel bundles import`` from the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import hub_models
from polyreel.cli import main
from polyreel.encoders.registry import bundle_name
from polyreel.media.jpeg import encode_jpeg
from tiny_bundle import PALETTE, write_tiny_bundle

pytest.importorskip("torch", reason="weights are imported with PyTorch")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return hub_models.save_metaclip_2(tmp_path_factory.mktemp("hub") / "MetaCLIP 2")


def test_a_model_becomes_a_bundle_that_is_listed_and_shown(home, model, capsys):
    asked = ["bundles", "import", str(model), "--accept-licence", "--no-benchmark"]
    assert main([*asked, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["name"], card["origin"]["family"]) == ("metaclip-2", "metaclip2")
    assert card["folder"] == str(home / "metaclip-2")
    assert (card["comparison"], card["measured"]) == (None, [])
    assert main(["bundles", "list"]) == 0
    assert "metaclip-2" in capsys.readouterr().out
    assert main(["bundles", "show", "metaclip-2"]) == 0
    shown = capsys.readouterr().out
    assert "cc-by-nc-4.0 (MetaCLIP 2): NOT FOR COMMERCIAL USE" in " ".join(shown.split())
    assert "pictures a second" in shown
    assert "Smallest cosine to the model" in shown
    assert main(asked) == 2
    assert "there already" in capsys.readouterr().err


def test_terms_are_asked_for_and_names_are_looked_at_first(home, model, capsys):
    assert main(["bundles", "import", str(model), "--name", "nc"]) == 2
    assert "--accept-licence" in capsys.readouterr().err
    for name, said in (
        ("../evil", "cannot have this name"),
        ("small", "built here"),
        ("", "name or path is empty"),
    ):
        assert main(["bundles", "import", str(model), "--name", name]) == 2
        assert said in capsys.readouterr().err
    assert not list(home.glob("[!.]*"))


@pytest.fixture
def pictures(tmp_path):
    """A benchmark of one's own that needs no decoder's process."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = []
    for name, german in (("red", "rot"), ("green", "grün"), ("blue", "blau")):
        (folder / f"{name}.jpg").write_bytes(encode_jpeg(np.full((32, 32, 3), PALETTE[name], np.uint8)))
        lines.append({"id": name, "media": f"{name}.jpg", "caption": {"en": [name], "de": [german]}})
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def test_an_import_ends_with_what_it_measured_against_the_present_bundle(home, model, pictures, capsys):
    write_tiny_bundle(home / "present", name="present")
    asked = ["bundles", "import", str(model), "--accept-licence", "--against", "present"]
    assert main([*asked, "--benchmark", "folder", "--data", str(pictures)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for part in ("chosen by R@10 on folder", "95%", "MB while searching", "pictures a second here"):
        assert part in out
    assert re.search(r"metaclip-2 \(\w+\) against present \(\w+\): no clear difference in any language", out)
    assert main(["bundles", "show", "metaclip-2", "--json"]) == 0
    (measured,) = json.loads(capsys.readouterr().out)["measured"]
    assert measured["benchmark"].endswith("measured here")
    assert (measured["queries"], set(measured["recall"])) == (3, {"en", "de"})


def test_what_cannot_be_measured_is_said_and_imported_all_the_same(home, model, tmp_path, capsys):
    asked = ["bundles", "import", str(model), "--accept-licence", "--force"]
    assert main([*asked, "--offline"]) == 0
    assert "the data of the benchmark are not here" in " ".join(capsys.readouterr().out.split())
    assert main([*asked, "--benchmark", "folder", "--data", str(tmp_path)]) == 0
    assert "Not compared: " in capsys.readouterr().out
    assert main([*asked, "--benchmark", "demmo"]) == 2
    assert "Did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "name"),
    [("google/siglip2-base-patch16-256", "siglip2-base-patch16-256"), ("A/B C!", "b-c"), ("a/---", "model")],
)
def test_a_bundle_is_named_after_its_model(source, name):
    assert bundle_name(source) == name
