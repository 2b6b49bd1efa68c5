"""The register: what is asked is fixed before anything is run, and whoever changes it is seen."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyreel.errors import RecipeError
from polyreel.study.recipe import read_study
from polyreel.study.register import read_register, register_sha256, registration_of
from polyreel.study.running import Grid
from polyreel.study.study import check_study

REGISTER = Path(__file__).parents[2] / "studies" / "mmp" / "register.yaml"


@pytest.fixture
def document() -> dict[str, Any]:
    return yaml.safe_load(REGISTER.read_text(encoding="utf-8"))


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def test_the_register_of_this_repository_is_whole() -> None:
    register = read_register(REGISTER)
    assert register.family == ("P1", "P2", "P3", "P4", "P5") == tuple(register.questions)
    for name in ("P1", "P2"):
        question = register.questions[name]
        assert [rule.arms for rule in question.contrasts] == [("VC", "C"), ("VC", "C+"), ("VC", "VC0")]
        assert question.refuted.arms == ("VC", "VC0")
    assert all(question.encoder == "u" for question in register.questions.values())
    assert {len(register.seeds[name]) for name in ("u", "e")} == {10, 5}
    assert register.order[-1] == "r@1"


def test_a_register_may_only_explore_but_not_ask_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    register = read_register(REGISTER.with_name("fresh-rows-register.yaml"))
    assert not register.questions
    assert not register.family
    contrasts = register.explorations["fresh-text"].contrasts
    assert {("VC", "C"), ("VC", "VC0"), ("VP", "VP0")} <= set(contrasts)
    explorations = document.pop("explorations")
    questions, document["questions"] = document["questions"], {}
    document["family"] = []
    with pytest.raises(RecipeError, match="neither a question nor an exploration"):
        read_register(write(tmp_path / "register.yaml", document))
    document["explorations"] = explorations
    read_register(write(tmp_path / "register.yaml", document))
    document["questions"] = questions
    with pytest.raises(RecipeError, match="names none of the questions, which are corrected together"):
        read_register(write(tmp_path / "register.yaml", document))


def test_a_register_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "register.yaml"
    path.write_bytes(REGISTER.read_bytes())
    assert register_sha256(path) == hashlib.sha256(REGISTER.read_bytes()).hexdigest()
    with pytest.raises(RecipeError, match="cannot be read"):
        register_sha256(tmp_path / "other.yaml")


def test_cells_of_another_register_are_named() -> None:
    assert registration_of("a" * 64, {"U--C--0": "a" * 64}).holds
    found = registration_of("a" * 64, {"U--C--0": "a" * 64, "U--C--1": "b" * 64, "U--C--2": ""})
    assert not found.holds
    assert found.others == ("U--C--1", "U--C--2")
    assert "Not registered: 2 of 3 cells" in found.words


def test_all_mistakes_are_listed_at_once_with_their_lines(document: dict[str, Any], tmp_path: Path) -> None:
    document["questions"]["P1"]["encoder"] = "U"
    document["questions"]["P2"]["contrasts"][0]["arms"] = ["VC", "VC"]
    document["questions"]["P3"]["refuted"]["arms"] = ["D", "S"]
    document["questions"]["P4"]["settings"] = ["stamps", "stamp"]
    document["questions"]["P5"]["gain"]["least"] = -1
    document["family"] = ["P1", "P1", "P9"]
    document["seeds"]["e"] = [0]
    document["explorations"]["X-MNLI"]["outcomes"] = ["accuracy"]
    with pytest.raises(RecipeError) as caught:
        read_register(write(tmp_path / "register.yaml", document))
    said = str(caught.value)
    for mistake in ("questions.P5.gain.least", "explorations.X-MNLI.outcomes"):
        assert mistake in said
    assert "line " in said
    document["questions"]["P5"]["gain"]["least"] = 2
    document["explorations"]["X-MNLI"]["outcomes"] = ["r@1"]
    with pytest.raises(RecipeError) as caught:
        read_register(write(tmp_path / "register.yaml", document))
    said = str(caught.value)
    for mistake in (
        "no encoder has this name: 'U'",
        "'VC' is compared with itself",
        "none of the contrasts that decide",
        "no setting has this name: 'stamp'. Did you mean 'stamps'?",
        "'P1' comes twice",
        "no question has this name: 'P9'",
        "'e' needs two seeds at least",
    ):
        assert mistake in said


def test_a_key_that_nobody_knows_is_a_mistake(document: dict[str, Any], tmp_path: Path) -> None:
    document["questions"]["P1"]["margin"] = 3
    with pytest.raises(RecipeError, match=r"questions\.P1\.margin"):
        read_register(write(tmp_path / "register.yaml", document))


def test_a_broken_register_is_refused_before_anything_is_run_under_it(tmp_path: Path) -> None:
    for name in ("same-rate.yaml", "same-rate-arms.yaml"):
        (tmp_path / name).write_bytes((REGISTER.parent / name).read_bytes())
    rules = yaml.safe_load((REGISTER.parent / "same-rate-register.yaml").read_text(encoding="utf-8"))
    write(tmp_path / "same-rate-register.yaml", rules | {"level": 5, "resamples": 0})
    study = read_study(tmp_path / "same-rate.yaml")
    with pytest.raises(RecipeError, match=r"(?s)level.*resamples"):
        check_study(study, data=None)
    with pytest.raises(RecipeError, match=r"(?s)level.*resamples"):
        Grid(study, tmp_path, None, on_progress=print)
