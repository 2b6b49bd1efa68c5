"""``polyreel bundles import`` from the command line."""

from __future__ import annotations

import json

import pytest

import hub_models
from polyreel.cli import main
from polyreel.encoders.registry import bundle_name

pytest.importorskip("torch", reason="weights are imported with PyTorch")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return hub_models.save_metaclip_2(tmp_path_factory.mktemp("hub") / "MetaCLIP 2")


def test_a_model_becomes_a_bundle_that_is_listed_and_shown(home, model, capsys):
    assert main(["bundles", "import", str(model), "--accept-licence", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["name"], card["origin"]["family"]) == ("metaclip-2", "metaclip2")
    assert card["folder"] == str(home / "metaclip-2")
    assert main(["bundles", "list"]) == 0
    assert "metaclip-2" in capsys.readouterr().out
    assert main(["bundles", "show", "metaclip-2"]) == 0
    shown = capsys.readouterr().out
    assert "cc-by-nc-4.0 (MetaCLIP 2): NOT FOR COMMERCIAL USE" in " ".join(shown.split())
    assert "pictures a second" in shown
    assert "Smallest cosine to the model" in shown
    assert main(["bundles", "import", str(model), "--accept-licence"]) == 2
    assert "there already" in capsys.readouterr().err


def test_terms_are_asked_for_and_names_are_looked_at_first(home, model, capsys):
    assert main(["bundles", "import", str(model), "--name", "nc"]) == 2
    assert "--accept-licence" in capsys.readouterr().err
    for name, said in (("../evil", "cannot have this name"), ("small", "built here"), ("", "cannot have")):
        assert main(["bundles", "import", str(model), "--name", name]) == 2
        assert said in capsys.readouterr().err
    assert not list(home.glob("[!.]*"))


@pytest.mark.parametrize(
    ("source", "name"),
    [("google/siglip2-base-patch16-256", "siglip2-base-patch16-256"), ("A/B C!", "b-c"), ("a/---", "model")],
)
def test_a_bundle_is_named_after_its_model(source, name):
    assert bundle_name(source) == name
