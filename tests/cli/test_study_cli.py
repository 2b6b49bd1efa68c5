"""``polyreel study`` from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from polyreel.cli.app import main
from small_studies import document, make_study_world, write

SMALL = {"arms": ["T0", "V1", "V2"], "variants": {}, "text": []}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    return make_study_world(tmp_path_factory.mktemp("study-cli"))


@pytest.fixture(autouse=True)
def own_cache(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYREEL_CACHE", str(world.home / "cache"))


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["study", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_from_recipe_to_report_and_again(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = write(tmp_path / "toy.yaml", document(world, **SMALL)), tmp_path / "out"
    code, printed, told = ask(capsys, recipe, "--out", out, "--data", world.home)
    assert code == 0
    assert "5 of 5 cells to run, about" in told
    assert "3 of 5 cells: " in told
    assert str(out / "report.html") in printed
    for name in ("report.html", "results.json", "claims.json", "index.md"):
        assert (out / name).is_file()
    code, printed, _ = ask(capsys, recipe, "--out", out, "--data", world.home, "--json")
    again = json.loads(printed)
    assert code == 0
    assert again["nothing_to_do"] is True
    assert len(again["claims"]) == 16
    assert f"--out {out}" in json.loads((out / "results.json").read_text(encoding="utf-8"))["command"]


def test_check_builds_nothing(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = document(world, **SMALL | {"video": [{"corpus": "vatex"}]})
    recipe, out = write(tmp_path / "toy.yaml", content), tmp_path / "out"
    code, printed, _ = ask(capsys, recipe, "--out", out, "--data", world.home, "--check", "--json")
    found = json.loads(printed)
    assert code == 0
    assert (found["cells"], found["problems"]) == (5, [])
    assert ["vatex" in line and "Put vatex_training" in line for line in found["absent"]] == [True]
    content["training"]["batch"] = {"items": 1}
    code, printed, _ = ask(capsys, write(recipe, content), "--out", out, "--check")
    assert code == 2
    assert "training.batch.items (V1, bert)" in printed
    assert not out.exists()


def test_check_of_an_unknown_dataset_is_a_mistake(
    world, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write(tmp_path / "toy.yaml", document(world, **SMALL | {"video": [{"corpus": "flims"}]}))
    code, printed, _ = ask(capsys, recipe, "--out", tmp_path / "out", "--data", world.home, "--check")
    assert code == 2
    assert "video.0.corpus: no dataset has this name: 'flims'" in printed
    assert "1 mistake; 5 cells" in printed


@pytest.mark.parametrize("check", [["--check"], []])
def test_a_number_for_the_model_is_one_message(
    world, tmp_path: Path, capsys: pytest.CaptureFixture[str], check: list[str]
) -> None:
    content = document(world, **SMALL)
    content["design"]["arms"]["V1"]["training"] = {"model": 3}
    recipe = write(tmp_path / "toy.yaml", content)
    code, _, told = ask(capsys, recipe, "--out", tmp_path / "out", "--data", world.home, *check)
    assert code == 2
    assert "design.arms.V1.training.model: it should be" in told
    assert "found 3" in told


def test_mistakes_end_with_one_message(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write(tmp_path / "toy.yaml", document(world, arms=["V2", "W1"], variants={}))
    code, _, told = ask(capsys, recipe, "--out", tmp_path / "out")
    assert code == 2
    assert "no arm has this name" in told
    assert "Traceback" not in told
    code, _, told = ask(capsys, tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert code == 2
    assert "the file cannot be read" in told
