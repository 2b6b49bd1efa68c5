"""``polyreel study`` from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from polyreel.cli.app import main
from small_studies import document, make_study_world, write

SMALL = {
    "tuning": None,
    "grids": [{"encoder": "U", "settings": ["films-de"], "arms": ["C", "VC"], "seeds": [0, 1]}],
}


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


def test_from_recipe_to_results_and_again(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = write(tmp_path / "toy.yaml", document(**SMALL)), tmp_path / "out"
    code, printed, told = ask(capsys, recipe, "--out", out, "--data", world.home)
    assert code == 0
    assert "4 of 4 cells to run, about 36 s with 1 worker" in told
    assert str(out / "cells.jsonl.gz") in printed
    code, printed, _ = ask(capsys, recipe, "--out", out, "--data", world.home, "--json")
    again = json.loads(printed)
    assert code == 0
    assert (again["nothing_to_do"], again["missing"], again["registered"]) == (True, 0, False)
    code, printed, _ = ask(capsys, recipe, "--out", out, "--data", world.home)
    assert "Nothing to do: all cells are there." in printed


def test_check_builds_nothing_and_says_the_cost(
    world, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = document()
    content["settings"]["films-sw"]["corpus"] = "vatex"
    recipe, out = write(tmp_path / "toy.yaml", content), tmp_path / "out"
    code, printed, _ = ask(capsys, recipe, "--out", out, "--data", world.home, "--check", "--json")
    found = json.loads(printed)
    assert code == 0
    assert (found["cells"], found["tuning_runs"], found["problems"]) == (12, 10, [])
    assert ["vatex" in line and "Put vatex_training" in line for line in found["absent"]] == [True]
    content["training"]["batch"] = {"batch_size": 1}
    code, printed, _ = ask(capsys, write(recipe, content), "--out", out, "--check")
    assert code == 2
    assert "training.batch.batch_size (C, U, films-de)" in printed
    assert "12 cells and 10 tuning runs" in printed
    assert "It would cost about 0.1 hours of one CPU core (a guess)" in printed
    assert not out.exists()


@pytest.mark.parametrize("check", [["--check"], []])
def test_a_number_for_the_model_is_one_message(
    world, tmp_path: Path, capsys: pytest.CaptureFixture[str], check: list[str]
) -> None:
    content = document(**SMALL)
    content["design"]["arms"]["VC"]["training"] = {"model": 3}
    recipe = write(tmp_path / "toy.yaml", content)
    code, _, told = ask(capsys, recipe, "--out", tmp_path / "out", "--data", world.home, *check)
    assert code == 2
    assert "design.arms.VC.model: it should be" in told
    assert "found 3" in told


def test_mistakes_end_with_one_message(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grids = [{"encoder": "U", "settings": ["films-de"], "arms": ["VC", "W1"], "seeds": [0]}]
    recipe = write(tmp_path / "toy.yaml", document(grids=grids))
    code, _, told = ask(capsys, recipe, "--out", tmp_path / "out")
    assert code == 2
    assert "no arm has this name" in told
    assert "Traceback" not in told
    code, _, told = ask(capsys, tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert code == 2
    assert "the file cannot be read" in told
    code, _, told = ask(
        capsys, write(recipe, document()), "--out", tmp_path / "out", "--data", world.home, "--workers", 0
    )
    assert code == 2
    assert "a study needs a worker" in told


def test_a_table_of_ones_own_is_judged_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(__file__).parents[2] / "studies" / "example"
    ranks, rules, out = example / "ranks.csv", example / "register.yaml", tmp_path / "own"
    code, said, _ = ask(capsys, ranks, "--register", rules, "--out", out)
    assert code == 0
    assert "accuracy  supported" in said
    assert (out / "report.html").is_file()
    code, said, _ = ask(capsys, ranks, "--register", rules, "--out", out, "--json")
    assert [answer["name"] for answer in json.loads(said)["answers"]] == ["accuracy", "consistency"]
    code, _, told = ask(capsys, ranks, "--out", out)
    assert code == 2
    assert "ranks are judged by a register" in told
    code, _, told = ask(capsys, example / "temperature.yaml", "--register", rules, "--out", out)
    assert code == 2
    assert "names its register and its claims itself" in told
