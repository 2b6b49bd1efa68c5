"""The study: its grid, what each arm trains on, that it survives kills, and what it makes of its figures."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Read when PyTorch is loaded: its threads would wait for each other on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import yaml

import toys
from polyreel import study
from polyreel.datasets.store.table import open_table
from polyreel.errors import DatasetError, RecipeError, UsageError
from polyreel.metrics.consistency import overlap_at
from polyreel.study.arms import arms_of, cells_of, training_document
from polyreel.study.ledger import judge_claims
from polyreel.study.measuring import _agreement
from polyreel.study.presenting import limits_of, markdown_page
from polyreel.study.recipe import PretrainingSpec, StudyRecipe, read_study
from polyreel.study.results_v1 import FirstCellResult
from polyreel.study.running import training_problems
from polyreel.study.study import StudyOutcome, check_study, run_study
from polyreel.study.study_data import StudyData
from polyreel.study.summary import Estimated, StudyResults, _trends, contrast, estimated
from polyreel.training.recipe import Recipe
from small_studies import document, make_study_world, write

STUDIES = Path(__file__).parents[2] / "studies"
COMMAND = "polyreel study toy.yaml"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> toys.World:
    home = tmp_path_factory.mktemp("study-world")
    os.environ["POLYREEL_CACHE"] = str(home / "cache")
    return make_study_world(home)


@pytest.fixture(scope="module", autouse=True)
def own_cache():
    before = os.environ.get("POLYREEL_CACHE")
    yield
    if before is None:
        os.environ.pop("POLYREEL_CACHE", None)
    else:
        os.environ["POLYREEL_CACHE"] = before


@pytest.fixture(scope="module")
def recipe(world: toys.World) -> StudyRecipe:
    return StudyRecipe.model_validate(document(world))


@pytest.fixture(scope="module")
def finished(
    recipe: StudyRecipe, world: toys.World, tmp_path_factory: pytest.TempPathFactory
) -> StudyOutcome:
    return run(recipe, world, tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def results(finished: StudyOutcome, recipe: StudyRecipe) -> StudyResults:
    found = StudyResults.model_validate_json((finished.folder / "results.json").read_bytes())
    return found.model_copy(
        update={"recipe": recipe}
    )  # with the claims, which the file leaves to claims.json


def run(
    recipe: StudyRecipe, world: toys.World, out: Path, on_progress: Any = lambda _event: None
) -> StudyOutcome:
    return run_study(recipe, out=out, data=world.home, command=COMMAND, on_progress=on_progress)


def tables_of(folder: Path) -> dict[str, bytes]:
    names = ("results.json", "claims.json", "report.html", "index.md")
    return {name: (folder / name).read_bytes() for name in names}


# The grid


def test_a_grid_is_arms_by_seeds_and_trains_nothing_twice(recipe: StudyRecipe) -> None:
    arms = [arm.name for arm in arms_of(recipe, "bert")]
    # p 0.5 and bilingual switching are V2 itself.
    assert arms == [*recipe.design.arms, "V2 p=0", "V2 without sw", "V2 multilingual"]
    cells = cells_of(recipe)
    assert len(cells) == 1 + 2 * (len(arms) - 1)
    assert len({cell.name for cell in cells}) == len(cells)


def test_arms_differ_in_what_their_name_says(recipe: StudyRecipe) -> None:
    found = {
        cell.arm.name: training_document(recipe, cell, data=[{"corpus": "films"}], languages=["en"])
        for cell in cells_of(recipe)
        if cell.arm.is_trained
    }
    kept = {"run", "description", "languages", "data"}
    same = {
        name: {key: value for key, value in arm.items() if key not in kept} for name, arm in found.items()
    }
    assert (
        same["V2"] == same["V2-shuffled"] == same["V2 p=0"] | {"code_switching": same["V2"]["code_switching"]}
    )
    assert (
        same["V1"] | {key: same["V2"][key] for key in ("code_switching", "batch", "objectives")} == same["V2"]
    )
    assert found["V2-blind"]["model"]["video"] is None
    assert [term["name"] for term in found["V2-blind"]["objectives"]] == ["text_contrastive", "intra_modal"]
    assert found["V2 without sw"]["code_switching"]["languages"] == ["de"]
    assert found["V2 p=0"]["code_switching"]["p"] == 0
    # As many texts of a clip in every arm: two captions, or one and its switched form.
    for name, arm in found.items():
        copies = 0 if arm["code_switching"] is None else arm["code_switching"].get("copies", 1)
        assert arm["batch"]["captions"] + copies == 2, name


@pytest.mark.parametrize("name", ["smoke", "small", "full"])
def test_every_arm_of_the_recipes_is_a_training_recipe(name: str) -> None:
    recipe = read_study(STUDIES / "mmp" / f"{name}.yaml")
    for cell in cells_of(recipe):
        if cell.arm.is_trained:
            languages = ["en", "de"] if cell.arm.multilingual else ["en"]
            trained = training_document(recipe, cell, data=[{"corpus": "x"}], languages=languages)
            assert Recipe.model_validate(trained).contradictions() == []
    if name != "smoke":
        assert set(recipe.arms) == set(recipe.design.arms)
        assert len(recipe.seeds) >= 5


def test_a_study_of_two_arms_is_one_file(world: toys.World, tmp_path: Path) -> None:
    toy = document(world)
    content = yaml.safe_load((STUDIES / "example" / "temperature.yaml").read_text(encoding="utf-8"))
    content |= {key: toy[key] for key in ("languages", "encoders", "video", "measure")}
    content["training"] |= {key: toy["training"][key] for key in ("batch", "device", "optimiser")}
    content["training"]["model"]["video"] = toy["training"]["model"]["video"]
    recipe = read_study(write(tmp_path / "example.yaml", content))
    temperatures = [
        training_document(recipe, cell, data=[], languages=["en"])["model"]["temperature"]
        for cell in cells_of(recipe)
    ]
    assert temperatures == [0.1, 0.02, 0.1, 0.02]
    outcome = run(recipe, world, tmp_path / "out")
    (claim,) = outcome.claims
    assert claim.verdict in ("supported", "not supported")
    assert [found.what for found in claim.measured] == ["cold minus warm, en, films-dev, bert"]
    page = (outcome.folder / "index.md").read_text(encoding="utf-8")
    assert "| 1 | A lower temperature finds more videos in English. |" in page
    assert "## The question" not in page


def test_the_code_of_studies_knows_no_particular_study() -> None:
    arms = yaml.safe_load((STUDIES / "mmp" / "arms.yaml").read_text(encoding="utf-8"))["arms"]
    names = re.compile(rf"\b({'|'.join(arms)}|MMP|HowTo100M|MSR-?VTT)\b", re.IGNORECASE)
    room = Path(study.__file__).parent
    for path in (*room.glob("*.py"), *room.glob("templates/*")):
        found = names.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path}: {found}"


def test_pages_are_made_again_where_only_claims_change(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "moved")
    shutil.rmtree(folder / "cells")  # as where results are committed without them
    claims = tuple(claim.model_copy(update={"caveat": "Mind the gap."}) for claim in recipe.claims)
    again = run(recipe.model_copy(update={"claims": claims}), world, folder)
    assert not again.was_there
    assert [claim.verdict for claim in again.claims] == [claim.verdict for claim in finished.claims]
    assert "Mind the gap." in (folder / "index.md").read_text(encoding="utf-8")
    assert run(recipe.model_copy(update={"claims": claims}), world, folder).was_there


def test_names_in_claims_are_those_of_the_design(world: toys.World, tmp_path: Path) -> None:
    shutil.copytree(STUDIES / "mmp", tmp_path / "mmp")
    claims = tmp_path / "mmp" / "claims.yaml"
    wrong = claims.read_text(encoding="utf-8").replace("arms: [V3, V1], outcome: mean", "arms: [V3, V9]", 1)
    claims.write_text(wrong.replace("language: worst", "language: wurst"), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"line \d+, .*'wurst' is not 'others' or 'worst'") as caught:
        read_study(tmp_path / "mmp" / "small.yaml")
    assert "claims.yaml" in str(caught.value)
    claims.write_text(wrong, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"line \d+, .*no arm has this name: 'V9'"):
        read_study(tmp_path / "mmp" / "small.yaml")


# Data


def test_shuffled_videos_are_those_of_other_clips(recipe: StudyRecipe, world: toys.World) -> None:
    study_data = StudyData(recipe, world.home, on_progress=lambda *_: None)
    (own,), (shuffled,) = (
        study_data.train_tables(recipe.design.arms["V2"]),
        study_data.train_tables(recipe.design.arms["V2-shuffled"]),
    )
    tables = [open_table(table.folder) for table in (own, shuffled)]
    rows = [[table.features(toys.FEATURES).of(row) for row in range(len(table))] for table in tables]
    assert tables[0].captions(0) == tables[1].captions(0)
    assert not any(np.array_equal(a, b) for a, b in zip(*rows, strict=True))
    assert sorted(r.sum() for r in rows[0]) == sorted(r.sum() for r in rows[1])
    assert own.identity != shuffled.identity


def test_text_arms_get_text_and_blind_ones_the_captions(recipe: StudyRecipe, world: toys.World) -> None:
    study_data = StudyData(recipe, world.home, on_progress=lambda *_: None)
    names = {
        arm: open_table(study_data.train_tables(recipe.design.arms[arm])[0].folder).name
        for arm in ("T1", "V2-blind", "V1")
    }
    assert names == {"T1": "texts", "V2-blind": "films", "V1": "films"}
    assert study_data.languages(
        recipe.design.arms["V3"], study_data.train_tables(recipe.design.arms["V3"])
    ) == (
        "en",
        "de",
        "sw",
    )
    assert study_data.languages(
        recipe.design.arms["V1"], study_data.train_tables(recipe.design.arms["V1"])
    ) == ("en",)


def test_multinli_becomes_pairs_of_premise_and_entailed_hypothesis(world: toys.World, tmp_path: Path) -> None:
    (tmp_path / "multinli").mkdir()
    rows = [
        "premise\thypo\tlabel",
        *(f"a dog {n}\ta cat {n}\t{'entailment' if n % 2 else 'neutral'}" for n in range(9)),
    ]
    (tmp_path / "multinli" / "multinli.train.en.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    recipe = StudyRecipe.model_validate(document(world, text=[{"corpus": "multinli"}]))
    table = open_table(
        StudyData(recipe, tmp_path, on_progress=lambda *_: None)
        .train_tables(recipe.design.arms["T1"])[0]
        .folder
    )
    assert len(table) == 4
    assert [caption.text for caption in table.captions(0)] == ["a dog 1", "a cat 1"]


def test_texts_to_pretrain_on_never_say_the_same(world: toys.World) -> None:
    content = document(world, pretraining={"bert": {"text": ["texts", "films"]}})
    study_data = StudyData(StudyRecipe.model_validate(content), world.home, on_progress=lambda *_: None)
    (spec,) = study_data.recipe.pretraining.values()
    found = study_data.monolingual(spec)
    table = open_table(world.home / "texts")
    row_of = {c.text: row for row in range(len(table)) for c in table.captions(row)}
    rows = {tag: {row_of[text] for text in texts if text in row_of} for tag, texts in found.items()}
    assert all(rows[tag] for tag in ("en", "de"))
    assert not rows["en"] & rows["de"]
    # The films have Swahili, too, which the texts have not: it gets what evens the languages out.
    sizes = [len(texts) for texts in found.values()]
    assert set(found) == {"en", "de", "sw"}
    assert max(sizes) - min(sizes) <= 2


def test_agreement_of_a_query_is_that_of_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    scores = {tag: np.round(rng.normal(size=(7, 30)), 1).astype(np.float32) for tag in ("en", "de", "sw")}
    each = [overlap_at({tag: s[[i]] for tag, s in scores.items()}, 10).mean for i in range(7)]
    assert _agreement(scores, 10) == pytest.approx(100 * np.array(each))


# Running


def test_a_study_ends_with_its_report(
    finished: StudyOutcome, results: StudyResults, recipe: StudyRecipe
) -> None:
    assert not finished.missing
    assert len(finished.claims) == 16
    assert {fact.name for fact in results.benchmarks} == {"films-dev", "xnli", "ntrex"}
    # Without the features of the default bundle there are no class names to see by.
    assert {f.arm for f in results.figures if f.benchmark == "films-dev"} == {
        arm.name for arm in arms_of(recipe, "bert") if arm.sees
    }
    assert {f.arm for f in results.figures if f.benchmark == "xnli"} == {
        arm.name for arm in arms_of(recipe, "bert")
    }
    html = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    for path in (finished.folder / "figures").iterdir():
        assert f"figures/{path.name}" in html
        json.loads(path.read_text(encoding="utf-8"))
    assert not (finished.folder / "runs").exists()


def test_every_difference_has_an_interval_and_a_power(results: StudyResults) -> None:
    assert results.contrasts
    for found in results.contrasts:
        assert found.low <= found.difference <= found.high
        assert found.within_low <= found.difference + 1e-3
        assert found.within_high >= found.difference - 1e-3
        assert (found.p_holm is None) == (
            found.outcome not in ("en", "de", "sw", "fr", "cs", "zh", "ru", "vi", "es")
        )
        assert found.p_holm is None or found.p_holm >= found.p


def test_again_there_is_nothing_to_do(finished: StudyOutcome, recipe: StudyRecipe, world: toys.World) -> None:
    before = tables_of(finished.folder)
    events: list[object] = []
    again = run(recipe, world, finished.folder, events.append)
    assert again.was_there
    assert again.claims == finished.claims
    assert tables_of(finished.folder) == before


def test_only_what_is_missing_damaged_or_of_another_recipe_is_run_again(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World
) -> None:
    before = tables_of(finished.folder)
    cells = finished.folder / "cells"
    (cells / "bert--V1--0.json").unlink()
    (cells / "bert--V2--1.json").write_text("{", encoding="utf-8")
    other = FirstCellResult.model_validate_json((cells / "bert--V3--0.json").read_bytes())
    (cells / "bert--V3--0.json").write_text(
        other.model_copy(update={"digest": "x"}).model_dump_json(), "utf-8"
    )
    untouched = cells / "bert--T1--0.json"
    stamp = untouched.stat().st_mtime_ns
    (finished.folder / "results.json").unlink()
    run(recipe, world, finished.folder)
    assert tables_of(finished.folder) == before
    assert untouched.stat().st_mtime_ns == stamp


def test_a_study_killed_at_random_moments_ends_with_the_same_tables(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "toy.yaml", document(world)), tmp_path / "killed"
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from polyreel.study.recipe import read_study\nfrom polyreel.study.study import run_study\n"
        "run_study(read_study(Path(sys.argv[1])), out=Path(sys.argv[2]), data=Path(sys.argv[3]), "
        f"command={COMMAND!r}, on_progress=lambda event: print(event, flush=True))"
    )
    seen = 0
    for moment in random.Random(11).sample(range(3, 60), 2):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(out), str(world.home)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _, line in zip(range(moment), process.stdout, strict=False):
            seen += "training" in line
        time.sleep(0.01 * (moment % 7))
        process.kill()
        process.wait()
        process.stdout.close()
        assert not (out / "results.json").exists()
    assert seen
    run(recipe, world, out)
    assert tables_of(out) == tables_of(finished.folder)


def test_an_encoder_of_our_own_is_pretrained_once(world: toys.World, tmp_path: Path) -> None:
    size = {"width": 16, "layers": 1, "heads": 2, "positions": 16, "vocabulary": 16_000}
    recipe = StudyRecipe.model_validate(
        document(
            world,
            encoders={"own": {"encoder": "scratch", "scratch": size}},
            arms=["T0", "T1"],
            variants={},
            pretraining={"own": {"text": ["texts"], "steps": 5, "batch_size": 6}},
        )
    )
    said: list[str] = []

    def tell(event: object) -> None:
        said.append(getattr(event, "what", ""))

    outcome = run(recipe, world, tmp_path / "one", tell)
    assert not outcome.missing
    assert [what.split(", ")[-1] for what in said if "pretraining own" in what][-1] == "step 5 of 5"
    said.clear()
    run(recipe, world, tmp_path / "two", tell)
    assert not [what for what in said if "pretraining" in what]
    assert tables_of(tmp_path / "one") == tables_of(tmp_path / "two")
    # Of other weights it is another study.
    other = recipe.model_copy(
        update={"pretraining": {"own": recipe.pretraining["own"].model_copy(update={"seed": 1})}}
    )
    assert not run(other, world, tmp_path / "two", tell).was_there
    assert [what for what in said if "pretraining" in what]


def test_only_an_encoder_from_scratch_can_be_pretrained(world: toys.World, tmp_path: Path) -> None:
    content = document(world, pretraining={"bert": {"text": ["texts"]}})
    with pytest.raises(RecipeError, match="pretraining: 'bert' is trained already"):
        read_study(write(tmp_path / "wrong.yaml", content))


def test_two_processes_do_not_run_one_study(recipe: StudyRecipe, world: toys.World, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(UsageError, match="another process runs this study"):
        run(recipe, world, tmp_path)


# Mistakes


def test_all_mistakes_are_told_at_once(world: toys.World, tmp_path: Path) -> None:
    content = document(world, arms=["V9", "V2", "V2"], languages=["de", "sw"], by_encoder={"brt": {}})
    content["variants"] = {"leave_out": ["fr"]}
    with pytest.raises(RecipeError) as caught:
        read_study(write(tmp_path / "wrong.yaml", content))
    said = str(caught.value)
    for part in (
        "5 mistakes",
        "no arm has this name: 'V9'",
        "'V2' comes twice",
        "English is missing",
        "'fr' is none",
        "bert",
    ):
        assert part in said, said


def test_mistakes_in_the_form_are_told_at_once(world: toys.World, tmp_path: Path) -> None:
    content = document(world, seeds=[0], colour="red")
    del content["measure"]
    with pytest.raises(RecipeError) as caught:
        read_study(write(tmp_path / "wrong.yaml", content))
    said = str(caught.value)
    for part in ("3 mistakes", "seeds", "colour: there is no such key", "measure: is missing"):
        assert part in said, said


def test_mistakes_of_the_training_recipe_name_arm_and_place(world: toys.World, tmp_path: Path) -> None:
    content = document(world)
    content["training"] = {**content["training"], "batch": {"items": 1}, "optimiser": {"lr": -1, "steps": 6}}
    with pytest.raises(RecipeError) as caught:
        run(StudyRecipe.model_validate(content), world, tmp_path)
    assert "training.batch.items (T1, bert)" in str(caught.value)
    assert "training.optimiser.lr (T1, bert)" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("design.arms.V1.training", {"model": 3}, "line \\d+, design.arms.V1.training.model: .*found 3"),
        ("design.arms", 3, "line \\d+, design.arms: .*found 3"),
        ("training.model", 3, "line \\d+, training.model: .*found 3"),
        ("training.batch", None, "line \\d+, training.batch: .*found None"),
        ("training.objectives", ["inter_modal"], "line \\d+, training.objectives.0: .*found 'inter_modal'"),
        ("training.objectives", [{"weight": 2}], "line \\d+, training.objectives.0: its 'name' is missing"),
        ("training.objectives", None, "line \\d+, training.objectives: .*found None"),
        ("training.code_switching", 7, "line \\d+, training.code_switching: .*found 7"),
        ("training.code_switching", {"languages": 7}, "training.code_switching.languages: .*found 7"),
        ("training.code_switching", {"copies": "two"}, "training.code_switching.copies: .*found 'two'"),
        ("by_encoder", {"bert": {"optimiser": [1]}}, "line \\d+, by_encoder.bert.optimiser: it should"),
        ("encoders.bert.scratch", 3, "line \\d+, encoders.bert.scratch: .*found 3"),
        (
            "design.arms.V1.training",
            {"model": {"temprature": 0.1}},
            "line \\d+, design.arms.V1.training.model.temprature: there is no such key. .*'temperature'",
        ),
        ("design.contrasts", [["V1", "V1"]], "line \\d+, design.contrasts.0: 'V1' is compared with itself"),
        ("claims.0.measures", [], "line \\d+, claims.0.measures: nothing is measured"),
        ("claims.0.measures.0.arms", ["V2", "V2"], "claims.0.measures.0.arms: 'V2' is compared with itself"),
    ],
)
def test_what_no_arm_can_be_made_of_is_a_mistake_with_its_line(
    world: toys.World, tmp_path: Path, place: str, value: object, said: str
) -> None:
    content: Any = document(world)
    *path, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    part = content
    for key in path:
        part = part[key]
    part[last] = value
    with pytest.raises(RecipeError, match=said):
        read_study(write(tmp_path / "wrong.yaml", content))


def test_a_bound_is_left_to_the_whole_recipe_of_an_arm(world: toys.World, tmp_path: Path) -> None:
    content = document(world)
    content["training"]["code_switching"] = {"p": {"de": 1.5}, "mode": "bilingual"}
    recipe = read_study(write(tmp_path / "wrong.yaml", content))
    said = training_problems(recipe)
    assert any(
        line.startswith("training.code_switching.p.de (V2, bert): it should be at most 1") for line in said
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoders": {"bert": {"encoder": "e6"}}}, "encoders.bert.encoder: no text encoder .*'e6'"),
        ({"encoders": {"bert": {"encoder": "./bert/gone"}}}, "encoders.bert.encoder: no text encoder"),
        ({"video": [{"corpus": "flims"}]}, "video.0.corpus: no dataset has this name: 'flims'"),
        ({"text": [{"corpus": "txts"}]}, "text.0.corpus: no dataset has this name: 'txts'"),
        ({"pretraining": {"bert": {"text": ["txts"]}}}, "pretraining.bert.text: no dataset .*'txts'"),
        ({"video": [{"corpus": "films", "split": "trian"}]}, "video.0.split: .*'trian'.*'train'"),
        ({"video": [{"corpus": "films", "features": "none"}]}, "video.0.features: .*'none'"),
        (
            {"measure": {"retrieval": [{"name": "films-dev", "corpus": "films", "split": "dve"}]}},
            "measure.retrieval.0.split: no split of films has this name: 'dve'.*'dev'",
        ),
    ],
)
def test_check_finds_names_that_mean_nothing(world: toys.World, changes: dict[str, Any], said: str) -> None:
    found = check_study(StudyRecipe.model_validate(document(world, **changes)), data=world.home)
    assert [bool(re.search(said, problem)) for problem in found.problems] == [True]
    assert found.absent == ()


@pytest.mark.parametrize("name", ["bert-base-multilingual-cased", "FacebookAI/xlm-roberta-large", "scratch"])
def test_check_takes_names_of_the_hub_without_asking_it(world: toys.World, name: str) -> None:
    recipe = StudyRecipe.model_validate(document(world, encoders={"one": {"encoder": name}}))
    assert check_study(recipe, data=world.home).problems == ()


def test_missing_data_is_named_with_what_to_do(world: toys.World, tmp_path: Path) -> None:
    recipe = StudyRecipe.model_validate(document(world, video=[{"corpus": "vatex"}]))
    with pytest.raises(DatasetError, match="the dataset is not there") as caught:
        run(recipe, world, tmp_path)
    assert "--data" in str(caught.value)


# What is made of the figures


def crossed(mean: float, *, seeds: int = 5, queries: int = 300, spread: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    chance = np.clip(mean / 100 + spread * rng.normal(size=(seeds, 1)), 0, 1)
    return 100.0 * (rng.random((seeds, queries)) < chance)


def test_an_interval_knows_of_seeds_and_of_queries() -> None:
    calm, wild = estimated(crossed(40)), estimated(crossed(40, spread=0.1))
    assert calm.low < 40 < calm.high
    assert wild.high - wild.low > 1.3 * (calm.high - calm.low)
    assert estimated(np.full((2, 10), 100.0), bounds=(0, 100)).high == 100


def test_a_contrast_is_of_one_minus_other_and_says_what_could_be_seen() -> None:
    one, other = crossed(60), crossed(40)[:1]
    found = contrast(one, other, names=("V2", "T0"), where=("e", "b", "en"), resamples=500)
    assert found.difference == pytest.approx(float(one.mean() - other.mean()), abs=1e-3)
    assert found.is_clear
    assert found.words == "better"
    assert found.detectable == pytest.approx(1.43 * (found.high - found.low) / 2, abs=1e-3)
    none = contrast(one, one, names=("a", "b"), where=("e", "b", "en"), resamples=500)
    assert none.words == "no clear difference"


@pytest.mark.parametrize(
    ("low", "high", "verdict", "because"),
    [
        (1.0, 3.0, "supported", "claim's side"),
        (-1.0, 3.0, "not supported", "leaves it open"),
        (-3.0, -1.0, "not supported", "other side"),
    ],
)
def test_verdicts_follow_from_intervals(
    results: StudyResults, low: float, high: float, verdict: str, because: str
) -> None:
    moved = tuple(
        c.model_copy(update={"difference": (low + high) / 2, "low": low, "high": high})
        if (c.one, c.other, c.outcome) == ("V2", "V1", "others")
        else c
        for c in results.contrasts
    )
    claim = judge_claims(results.recipe.claims, results.model_copy(update={"contrasts": moved}))[1]
    assert claim.verdict == verdict
    assert because in claim.because


def test_one_encoder_decides_and_the_others_stand_beside(results: StudyResults) -> None:
    recipe = results.recipe
    encoders = {**recipe.encoders, "own": {"encoder": "scratch"}}
    again = [f.model_copy(update={"encoder": "own"}) for f in results.figures]
    both = results.model_copy(
        update={
            "recipe": recipe.model_copy(update={"encoders": encoders}),
            "figures": (*results.figures, *again),
        }
    )
    claims = judge_claims(both.recipe.claims, both)
    assert {m.what.split(", ")[-1] for m in claims[12].measured if m.decides} == {"bert"}
    assert {m.what.split(", ")[-1] for m in claims[12].measured if not m.decides} == {"own"}
    # That learning without parallel text suffices takes an encoder that learnt so.
    assert claims[13].verdict == "cannot be tested here"
    spec = PretrainingSpec(text=("texts",))
    started = both.recipe.model_copy(update={"pretraining": {"own": spec}})
    claim = judge_claims(recipe.claims, both.model_copy(update={"recipe": started}))[13]
    assert claim.verdict != "cannot be tested here"
    assert {m.what.split(", ")[-1] for m in claim.measured if m.decides} == {"own"}


def test_coverage_is_held_against_gain_where_there_are_languages_enough(results: StudyResults) -> None:
    assert not results.trends  # two languages besides English
    (one,) = [c for c in results.contrasts if (c.one, c.other, c.outcome) == ("V2", "V1", "de")][:1]
    coverage = {"de": 0.4, "fr": 0.5, "cs": 0.6, "zh": 0.7}
    gains = [
        one.model_copy(update={"outcome": tag, "difference": 10 * share}) for tag, share in coverage.items()
    ]
    (trend,) = _trends(gains, coverage, results.recipe.design.switching)
    assert (trend.languages, trend.rho) == (4, 1.0)
    page = markdown_page(
        results.model_copy(update={"trends": (trend,), "contrasts": tuple(gains), "coverage": coverage}),
        judge_claims(results.recipe.claims, results),
    )
    assert "| zh | 70% | +7.0 |" in page
    assert "| Spearman's rho | | +1.00 (p 0.083) |" in page


def test_an_encoder_at_chance_is_named_among_the_limits(results: StudyResults) -> None:
    def moved(value: float) -> StudyResults:
        at = Estimated(value=value, low=value, high=value)
        figures = [f.model_copy(update={"figures": {**f.figures, "others": at}}) for f in results.figures]
        return results.model_copy(update={"figures": tuple(figures)})

    said = "With bert no arm finds more than chance"
    (gallery,) = {fact.gallery for fact in results.benchmarks if fact.name == "films-dev"}
    at_chance = [line for line in limits_of(moved(100 / gallery)) if line.startswith(said)]
    assert any(f"({100 / gallery:.1f}%) on films-dev" in line for line in at_chance)
    assert not any(line.startswith(said) for line in limits_of(moved(50.0)))


def test_what_cannot_be_tested_names_what_would(finished: StudyOutcome) -> None:
    untested = [claim for claim in finished.claims if claim.verdict == "cannot be tested here"]
    assert {2, 4, 7, 8} <= {claim.number for claim in untested}
    assert all(claim.would_test and claim.because for claim in finished.claims)
    assert [claim.number for claim in finished.claims] == list(range(16))


def test_reading_and_reporting_load_no_torch() -> None:
    heavy = {"torch", "matplotlib", "jinja2", "yaml"}
    code = f"import sys, polyreel.report; print(*sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
