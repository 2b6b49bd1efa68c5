"""The study: its grid, what each arm trains on and is asked, and that it survives kills."""

from __future__ import annotations

import os
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
import torch
import yaml

import tiny_encoders
import toys
from polyreel import study
from polyreel.errors import DatasetError, PolyreelError, RecipeError, UsageError
from polyreel.study.arms import HALF_A, HALF_B, Cell, cells_of, training_document, tuned_arms
from polyreel.study.encoding import Towers
from polyreel.study.measuring import CellQueries, measure, query_lists
from polyreel.study.recipe import StudyRecipe, read_study
from polyreel.study.register import register_sha256
from polyreel.study.results import read_cell, read_cells
from polyreel.study.running import training_problems
from polyreel.study.study import StudyOutcome, check_study, run_study
from polyreel.study.study_data import TEST, Part, StudyData, TestClips
from polyreel.study.tuning import candidates, chosen, read_choices
from polyreel.training.assembly import build_batches, build_engine, open_training_sets
from polyreel.training.distributed import Group
from polyreel.training.recipe import Recipe
from polyreel.training.step import train_step
from small_studies import document, make_study_world, write

STUDIES = Path(__file__).parents[2] / "studies"


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
    return StudyRecipe.model_validate(document())


@pytest.fixture(scope="module")
def data(recipe: StudyRecipe, world: toys.World) -> StudyData:
    return StudyData(recipe, world.home, on_progress=lambda *_: None)


@pytest.fixture(scope="module")
def finished(
    recipe: StudyRecipe, world: toys.World, tmp_path_factory: pytest.TempPathFactory
) -> StudyOutcome:
    return run(recipe, world, tmp_path_factory.mktemp("finished"))


def run(recipe: StudyRecipe, world: toys.World, out: Path, **options: Any) -> StudyOutcome:
    return run_study(recipe, out=out, data=world.home, **{"on_progress": lambda _event: None, **options})


def packed(folder: Path) -> dict[str, object]:
    """What a study ends with, but for the time that it took."""
    found = read_cells(folder / "cells.jsonl.gz")
    assert found is not None
    cells = [cell.model_copy(update={"took_s": 0.0}) for cell in found.cells]
    return {"queries": found.queries, "cells": cells, "choices": read_choices(folder / "tuning.json")}


# The grid


def test_a_grid_is_settings_by_arms_by_seeds_one_seed_after_the_other(recipe: StudyRecipe) -> None:
    cells = cells_of(recipe)
    assert len(cells) == 2 * 3 * 2
    assert [cell.seed for cell in cells] == [0] * 6 + [1] * 6
    assert len({cell.name for cell in cells}) == len(cells)


def test_arms_differ_in_what_their_name_says(recipe: StudyRecipe) -> None:
    every = recipe.model_copy(
        update={"grids": (recipe.grids[0].model_copy(update={"arms": (), "seeds": (0,)}),)}
    )
    found = {
        cell.arm.name: training_document(every, cell, folder="films", features="toy", tuned={"weights": 0.5})
        for cell in cells_of(every)
        if cell.setting == "films-de"
    }
    texts = ("languages", "code_switching", "batch", "optimiser")
    for arm in ("C", "C+", "VP", "VC0", "M"):  # the very same texts
        assert {key: found[arm][key] for key in texts} == {key: found["VC"][key] for key in texts}, arm
    assert [entry["languages"] for entry in found["D"]["data"]] == [["en"], ["de"]]
    assert [entry["languages"] for entry in found["S"]["data"]] == [["en", "de"]] * 2
    # Each of two halves shows one text of a clip: twice as many clips show as many texts of a language.
    assert found["D"]["batch"]["batch_size"] == 2 * found["S"]["batch"]["batch_size"] == 8
    assert found["C"]["model"]["video"] is None
    assert [term["weight"] for term in found["VC"]["objectives"]] == [1.0, 0.5]
    assert {key: found["D"][key] for key in found["D"] if key not in ("run", "description")} == {
        key: found["D0"][key] for key in found["D0"] if key not in ("run", "description")
    }  # but for the table
    assert found["C"]["model"]["text"]["hashed_bag"]["languages"] == ["en", "de"]


def test_all_arms_of_a_seed_are_shown_the_same_texts(
    recipe: StudyRecipe, data: StudyData, world: toys.World
) -> None:
    part = Part("films-de")
    shown = {}
    for name in ("C", "VC", "VC0", "VE"):
        arm = recipe.design.arms[name]
        table = data.shuffled(part, 7) if arm.videos == "shuffled" else data.table(part)
        cell = cells_of(recipe)[0]
        document_ = training_document(
            recipe,
            type(cell)("films-de", "U", arm, 7),
            folder=str(table.folder),
            features=toys.FEATURES,
            tuned={},
        )
        training = Recipe.model_validate(document_)
        sets = open_training_sets(training, data.catalog)
        engine = build_engine(training, sets, total_steps=4, device=_cpu(), group=Group())
        batches = build_batches(training, sets, engine, catalog=data.catalog)
        shown[name] = [(batch.items, batch.texts) for batch in (batches.make() for _ in range(12))]
    assert shown["C"] == shown["VC"] == shown["VC0"]
    switched = {text for _, texts in shown["C"] for text in texts if {"hund", "läuft"} & set(text.split())}
    assert len(switched) > 5
    assert [items for items, _ in shown["VE"]] == [items for items, _ in shown["C"]]
    assert [texts for _, texts in shown["VE"]] == [texts[::2] for _, texts in shown["C"]]


def _cpu():
    return torch.device("cpu")


@pytest.mark.parametrize(
    "name", ["mmp/smoke", "mmp/small", "mmp/full", "mmp/fresh-rows", "example/temperature"]
)
def test_every_arm_of_the_recipes_is_a_training_recipe(name: str) -> None:
    recipe = read_study(STUDIES / f"{name}.yaml")
    assert training_problems(recipe) == []


def test_the_code_of_studies_knows_no_particular_study() -> None:
    arms = yaml.safe_load((STUDIES / "mmp" / "arms.yaml").read_text(encoding="utf-8"))["arms"]
    names = [name for name in arms if len(name) > 1 and name.isalnum()]
    known = re.compile(rf"\b({'|'.join(names)}|MMP|HowTo100M|MSR-?VTT)\b")
    room = Path(study.__file__).parent
    for path in (*room.glob("*.py"), *room.glob("templates/*")):
        assert known.search(path.read_text(encoding="utf-8")) is None, path


def fresh_rows_study(world: toys.World) -> StudyRecipe:
    """The exploration of ``studies/mmp`` on toy films and a random encoder."""
    design = yaml.safe_load((STUDIES / "mmp" / "fresh-rows-arms.yaml").read_text(encoding="utf-8"))
    text = {"encoder": str(world.home / "bert"), "fresh_rows": {"languages": ["de"], "rows": 32}}
    encoder = {"text": {**text, "head": "none"}, "training": {"model": {"dim": tiny_encoders.WIDTH}}}
    grid = {"encoder": "f", "settings": ["films-de"], "arms": ["F", "VC", "VP0"], "seeds": [0]}
    return StudyRecipe.model_validate(
        document(design=design, encoders={"f": encoder}, grids=[grid], tuning=None)
    )


@pytest.mark.parametrize(
    ("arm", "learnt"), [("F", ""), ("C", "rows"), ("VP0", "rows video"), ("VC", "rows video")]
)
def test_of_a_frozen_encoder_only_fresh_rows_are_learnt(world: toys.World, arm: str, learnt: str) -> None:
    recipe = fresh_rows_study(world)
    data = StudyData(recipe, world.home, on_progress=lambda *_: None)
    cell = Cell("films-de", "f", recipe.design.arms[arm], 0)
    table = data.table(Part("films-de"))
    whole = training_document(recipe, cell, folder=str(table.folder), features=toys.FEATURES, tuned={})
    training = Recipe.model_validate(whole)
    sets = open_training_sets(training, data.catalog)
    engine = build_engine(training, sets, total_steps=4, device=_cpu(), group=Group(), catalog=data.catalog)
    fresh = engine.model.text.fresh
    assert fresh is not None
    assert 2 <= fresh.own_rows <= 8, "what the lexicon puts into the training captions, and German ones"
    before = {name: tensor.clone() for name, tensor in engine.model.state_dict().items()}
    english = ["a dog runs", "the cat sleeps"]
    seen = Towers(engine).texts(english, "en")
    batches = build_batches(training, sets, engine, catalog=data.catalog)
    for step in range(training.optimiser.steps or 0):
        train_step(engine, batches.make(), step)
    after = engine.model.state_dict()
    moved = [name for name, tensor in after.items() if not torch.equal(tensor, before[name])]
    assert {name.split(".")[0 if name.startswith("video") else -2] for name in moved} == set(learnt.split())
    assert np.array_equal(Towers(engine).texts(english, "en"), seen)


def test_a_study_of_fresh_rows_is_run_and_measured(world: toys.World, tmp_path: Path) -> None:
    outcome = run(fresh_rows_study(world), world, tmp_path / "fresh")
    found = read_cells(outcome.folder / "cells.jsonl.gz")
    assert found is not None
    assert [cell.arm for cell in found.cells] == ["F", "VC", "VP0"]
    assert [cell.steps for cell in found.cells] == [1, 4, 4]
    assert all(cell.task("text to text", "de", "en") is not None for cell in found.cells)


# Data


@pytest.mark.parametrize("part", [Part("films-de"), Part("films-sw", 1), Part("films-de", held_out=True)])
def test_no_source_is_on_two_sides(data: StudyData, part: Part) -> None:
    table = data.table(part)
    sources = [
        {table.concept(row) or table.source(row) for row in map(int, table.rows(split))}
        for split in (HALF_A, HALF_B, TEST)
    ]
    assert all(sources)
    assert len(set.union(*sources)) == sum(map(len, sources))


def test_folds_measure_every_clip_once_and_a_held_out_share_is_training_data(data: StudyData) -> None:
    folds = [data.test_clips(Part("films-sw", fold)).ids for fold in (0, 1)]
    assert len(set(folds[0]) | set(folds[1])) == len(folds[0]) + len(folds[1]) == 64
    own, tuning = data.table(Part("films-de")), data.table(Part("films-de", held_out=True))
    trained = {own.clip(row).clip_id for half in (HALF_A, HALF_B) for row in map(int, own.rows(half))}
    assert {tuning.clip(row).clip_id for row in range(len(tuning))} == trained


def test_shuffled_videos_are_those_of_other_clips_of_the_half(data: StudyData) -> None:
    tables = [data.table(Part("films-de")), data.shuffled(Part("films-de"), 0)]
    for split in (HALF_A, HALF_B, TEST):
        rows = list(map(int, tables[0].rows(split)))
        own, given = ([t.features(toys.FEATURES).of(row) for row in rows] for t in tables)
        same = [np.array_equal(a, b) for a, b in zip(own, given, strict=True)]
        assert all(same) if split == TEST else not any(same), split
        assert sorted(r.sum() for r in own) == sorted(r.sum() for r in given)
    assert tables[0].captions(0) == tables[1].captions(0)


def test_a_clip_without_the_languages_of_the_setting_is_not_trained_on(
    recipe: StudyRecipe, world: toys.World
) -> None:
    setting = recipe.settings["films-sw"].model_copy(update={"require": None})
    strict = StudyData(
        recipe.model_copy(update={"settings": {"films-sw": setting}}), world.home, on_progress=lambda *_: None
    )
    table = strict.table(Part("films-sw", 0))
    assert all("sw" in {c.language for c in table.captions(row)} for row in range(len(table)))


# Measuring


class Exact:
    """Finds a caption, or the video, of a clip by the number that ends its texts."""

    def texts(self, texts, language):
        return np.eye(9, dtype=np.float32)[[int(text.split()[-1]) for text in texts]]

    def parts(self, parts):
        return self.texts(["".join(text for _, text in each) for each in parts], "")

    def can_see(self, *, has_classes):
        return True

    def clips(self, frames):
        return np.stack([rows[0] for rows in frames])


def test_each_language_is_asked_for_the_clips_that_have_it() -> None:
    eye = np.eye(9, dtype=np.float32)
    clips = TestClips(
        ids=("a", "b", "c"),
        sources=("s", "s", "t"),
        concepts=("a", "b", "c"),
        captions={"en": ("one 0", "two 1", "three 2"), "de": ("eins 0", None, "drei 1")},
        frames=tuple(eye[[number]] for number in (0, 1, 3)),
        has_classes=False,
    )
    data = CellQueries(Part("films", 2), clips, (), ("en", "de"))
    found = {(t.task, t.query_language, t.gallery_language): t for t in measure(Exact(), data)}
    # b has no German caption and is not in that gallery; c looks like neither.
    assert found["text to text", "en", "de"].ranks == (1.0, 1.5)
    assert found["text to text", "de", "en"].gallery == 2
    assert found["text to video", "en", ""].ranks == (1.0, 1.0, 2.0)
    assert found["text to video", "de", ""].gallery == 3
    assert {name: (q.ids, q.sources) for name, q in query_lists(data).items()} == {
        "films/fold-2": (("a", "b", "c"), ("s", "s", "t")),
        "films/fold-2/de": (("a", "c"), ("s", "t")),
    }
    assert {t.queries for t in found.values()} == set(query_lists(data))


# Tuning


def test_every_arm_is_tuned_on_the_same_grid_or_takes_what_another_was_given(recipe: StudyRecipe) -> None:
    assert recipe.tuning is not None
    assert [arm.name for _, arm in tuned_arms(recipe)] == ["C", "VC", "VC0"]  # VE takes VC's
    arms = recipe.design.arms
    assert len(candidates(recipe.tuning, arms["VC"])) == 4
    assert candidates(recipe.tuning, arms["C"]) == [{"optimiser.lr": 0.01}, {"optimiser.lr": 0.1}]
    assert chosen([{"a": 1}, {"a": 2}, {"a": 3}], [[3, 5], [2, 2], [1, 3]]) == ({"a": 2}, (4.0, 2.0, 2.0))


def test_what_was_chosen_is_written_and_is_part_of_every_cell(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    choices = read_choices(finished.folder / "tuning.json")
    assert [(choice.encoder, choice.arm) for choice in choices] == [("U", "C"), ("U", "VC"), ("U", "VC0")]
    for choice in choices:
        scores = [score for _, score in choice.tried]
        assert choice.tried[scores.index(min(scores))][0] == choice.values
    untuned = run(recipe.model_copy(update={"tuning": None}), world, tmp_path / "untuned")
    digests = [
        {(c.setting, c.arm, c.seed): c.digest for c in packed(folder)["cells"]}  # type: ignore[attr-defined]
        for folder in (finished.folder, untuned.folder)
    ]
    assert all(digests[0][key] != digests[1][key] for key in digests[0])


# Running


def test_a_study_keeps_the_rank_of_every_query(finished: StudyOutcome, recipe: StudyRecipe) -> None:
    found = read_cells(finished.folder / "cells.jsonl.gz")
    assert found is not None
    assert not finished.missing
    assert len(found.cells) == 12
    for cell in found.cells:
        tasks = {(each.task, each.query_language, each.gallery_language) for each in cell.ranks}
        other = "de" if cell.setting == "films-de" else "sw"
        wanted = {("text to text", "en", other), ("text to text", other, "en")}
        wanted |= {("text to video", tag, "") for tag in ("en", other)} if cell.arm != "C" else set()
        wanted |= (
            {("x-mnli", "en", "en"), ("x-mnli", "de", "en"), ("x-mnli", "en", "de")}
            if other == "de"
            else set()
        )
        assert tasks == wanted
        for each in cell.ranks:
            assert len(each.ranks) == len(found.queries[each.queries].ids)
            assert 1 <= min(each.ranks) <= max(each.ranks) <= each.gallery
        assert cell.texts["en"] == 16
        assert set(cell.switched) == (set() if cell.arm == "VE" else {other})


def test_again_there_is_nothing_to_do_also_where_only_the_committed_files_are(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    committed = tmp_path / "committed"
    committed.mkdir()
    for name in ("cells.jsonl.gz", "tuning.json"):
        shutil.copy(finished.folder / name, committed)
    for folder in (finished.folder, committed):
        before = packed(folder)
        assert run(recipe, world, folder).was_there
        assert packed(folder) == before


def test_only_what_is_missing_damaged_or_of_another_recipe_is_run_again(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "again")
    before = packed(folder)
    (folder / "cells.jsonl.gz").unlink()
    cells = sorted((folder / "cells").iterdir())
    cells[0].unlink()
    cells[1].write_text("{", encoding="utf-8")
    cells[2].write_text(cells[2].read_text().replace('"digest":"', '"digest":"x'), encoding="utf-8")
    stamps = [path.stat().st_mtime_ns for path in cells[3:]]
    done = []
    assert not run(recipe, world, folder, on_progress=lambda event: done.append(event)).was_there
    assert packed(folder) == before
    assert [path.stat().st_mtime_ns for path in cells[3:]] == stamps
    assert any("3 of 12" in line for line in map(_said, done))


def _said(event: Any) -> str:
    return f"{getattr(event, 'missing', '')} of {getattr(event, 'cells', '')}"


@pytest.mark.slow  # three processes load PyTorch
def test_a_study_killed_at_any_moment_ends_with_the_same_cells(
    finished: StudyOutcome, world: toys.World, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "toy.yaml", document()), tmp_path / "out"
    out.mkdir()
    shutil.copy(finished.folder / "tuning.json", out)
    program = (
        "import sys\nfrom pathlib import Path\nfrom polyreel.study.recipe import read_study\n"
        "from polyreel.study.study import run_study\n"
        "run_study(read_study(Path(sys.argv[1])), out=Path(sys.argv[2]), data=Path(sys.argv[3]), workers=2,\n"
        "          on_progress=lambda event: print(event, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(out), str(world.home)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += "unit='cells'" in line
        if seen == 4:  # the beginning, and three that are done
            break
    process.kill()
    process.wait()
    process.stdout.close()
    assert seen == 4
    time.sleep(0.1)
    assert 0 < len(list((out / "cells").iterdir())) < 12
    assert not run(StudyRecipe.model_validate(document()), world, out).missing
    assert packed(out) == packed(finished.folder)


def test_a_study_that_is_stopped_packs_what_it_has_and_goes_on(
    finished: StudyOutcome, recipe: StudyRecipe, world: toys.World, tmp_path: Path
) -> None:
    out, cells = tmp_path / "out", 0
    out.mkdir()
    shutil.copy(finished.folder / "tuning.json", out)

    def count(event: object) -> None:
        nonlocal cells
        cells += getattr(event, "unit", "") == "cells"

    outcome = run(recipe, world, out, is_stopped=lambda: cells > 4, on_progress=count)
    assert outcome.missing == 8
    there = dict(outcome.by_setting)
    assert list(there) == [("U", "films-de"), ("U", "films-sw")]
    assert [of for _, of in there.values()] == [6, 6]
    assert sum(number for number, _ in there.values()) == 4
    found = read_cells(out / "cells.jsonl.gz")
    assert found is not None
    assert len(found.cells) == 4
    shutil.rmtree(out / "cells")
    assert run(recipe, world, out).missing == 0
    assert packed(out) == packed(finished.folder)


def test_cells_say_under_which_register_they_were_run(world: toys.World, tmp_path: Path) -> None:
    rules = (STUDIES / "mmp" / "same-rate-register.yaml").read_text(encoding="utf-8")
    (tmp_path / "register.yaml").write_text(rules, encoding="utf-8")
    content = document(register_file="register.yaml", tuning=None)
    content["grids"] = [{"encoder": "U", "settings": ["films-de"], "arms": ["C"], "seeds": [0, 1]}]
    path = write(tmp_path / "toy.yaml", content)
    first = run(read_study(path), world, tmp_path / "out")
    assert first.registered
    assert first.register_sha256 == register_sha256(tmp_path / "register.yaml")
    cell = read_cells(tmp_path / "out" / "cells.jsonl.gz").cells[0]  # type: ignore[union-attr]
    assert cell.register_sha256 == first.register_sha256
    (tmp_path / "register.yaml").write_text(rules + "# changed\n", encoding="utf-8")
    again = run(read_study(path), world, tmp_path / "out")
    assert again.was_there
    assert not again.registered


def test_two_processes_do_not_run_one_study(recipe: StudyRecipe, world: toys.World, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(UsageError, match="another process runs this study"):
        run(recipe, world, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cell_that_cannot_be_trained_says_which(world: toys.World, tmp_path: Path, workers: int) -> None:
    content = document(tuning=None)
    content["training"] = {**content["training"], "batch": {"batch_size": 4000}}
    with pytest.raises(PolyreelError, match=r"films-de--U--(C|VE)--0") as caught:
        run(StudyRecipe.model_validate(content), world, tmp_path, workers=workers)
    assert "a batch of 4,000" in str(caught.value)


# Mistakes and cost


def test_all_mistakes_are_told_at_once(world: toys.World, tmp_path: Path) -> None:
    content = document()
    content["grids"] = [
        {"encoder": "W", "settings": ["flims"], "arms": ["V9", "C", "C"], "seeds": [0]},
    ]
    content["settings"]["films-de"]["languages"] = ["de", "en"]
    content["tuning"]["settings"] = {"U": ["flims"]}
    with pytest.raises(RecipeError) as caught:
        read_study(write(tmp_path / "wrong.yaml", content))
    said = str(caught.value)
    for part in (
        "6 mistakes",
        "no encoder of the study has this name: 'W'",
        "no setting has this name: 'flims'",
        "no arm has this name: 'V9'",
        "'C' comes twice",
        "English comes first",
    ):
        assert part in said, said


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("design.arms.VC.training", {"model": 3}, "line \\d+, design.arms.VC.model: .*found 3"),
        ("design.arms.VC.objectives", [{"weight": 2}], "'objectives.0' has no 'name'"),
        ("design.arms.VC.objectives", [{"name": "inter_modl"}], "design.arms.VC.objectives.0.*'inter_modl'"),
        ("design.arms.VC.tuned_as", "VE", "design.arms.VC.tuned_as: 'VE' takes another's itself"),
        ("design.arms", 3, "line \\d+, design.arms: .*found 3"),
        ("training.model", 3, "line \\d+, training.model: .*found 3"),
        ("training.code_switching", None, "training.code_switching: is missing"),
        ("training.code_switching", {"copies": "two"}, "training.code_switching.copies: .*found 'two'"),
        ("encoders.U.training", {"optimiser": [1]}, "line \\d+, encoders.U.training.optimiser: it should"),
        ("encoders.U.text.hashed_bag", 3, "line \\d+, encoders.U.text.hashed_bag: .*found 3"),
        ("settings.films-de.folds", 3, "settings.films-de: .*give either 'test' or 'folds'"),
        ("settings.films-de.splits", ["dev"], "it trains on what it is measured on"),
    ],
)
def test_what_no_arm_can_be_made_of_is_a_mistake_with_its_line(
    world: toys.World, tmp_path: Path, place: str, value: object, said: str
) -> None:
    content: Any = document()
    *path, last = place.split(".")
    part = content
    for key in path:
        part = part[key]
    part[last] = value
    with pytest.raises(RecipeError, match=said):
        read_study(write(tmp_path / "wrong.yaml", content))


def test_mistakes_of_the_training_recipe_name_arm_encoder_and_setting(world: toys.World) -> None:
    content = document()
    content["training"] = {**content["training"], "optimiser": {"lr": -1, "steps": 6}}
    content["design"]["arms"]["C"]["objectives"].append({"name": "inter_modal"})
    found = training_problems(StudyRecipe.model_validate(content))
    assert any(line.startswith("training.optimiser.lr (C, U, films-de): ") for line in found)
    assert "training.objectives (C, U, films-sw): 'inter_modal' means nothing without videos" in found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"corpus": "flims"}, "settings.films-de.corpus: no dataset has this name: 'flims'"),
        ({"splits": ["trian"]}, "settings.films-de.splits: .*'trian'.*'train'"),
        ({"test": "dve"}, "settings.films-de.test: no split of films has this name: 'dve'.*'dev'"),
        ({"features": "none"}, "settings.films-de.features: .*'none'"),
    ],
)
def test_check_finds_names_that_mean_nothing(world: toys.World, changes: dict[str, Any], said: str) -> None:
    content = document()
    content["settings"]["films-de"] |= changes
    found = check_study(StudyRecipe.model_validate(content), data=world.home)
    assert [bool(re.search(said, problem)) for problem in found.problems] == [True]
    assert found.absent == ()


@pytest.mark.parametrize(
    ("encoder", "problems"),
    [("e6", 1), ("./bert/gone", 1), ("google-bert/bert-base-multilingual-cased", 0), ("e5-small", 0)],
)
def test_check_knows_encoders_and_asks_no_hub(world: toys.World, encoder: str, problems: int) -> None:
    content = document(tuning=None)
    content["encoders"]["U"] = {"text": {"encoder": encoder}}
    found = check_study(StudyRecipe.model_validate(content), data=world.home)
    assert len([line for line in found.problems if line.startswith("encoders.U.text.encoder: ")]) == problems


def test_check_says_what_a_study_costs(recipe: StudyRecipe, world: toys.World) -> None:
    found = check_study(recipe, data=world.home)
    assert (found.cells, found.tuning_runs) == (12, 2 + 4 + 4)
    assert found.hours == pytest.approx(22 * (5 + 4 * 1.0) / 3600, abs=0.005)
    assert (found.device, found.measured) == ("CPU core", "a guess")


def test_missing_data_is_named_with_what_to_do(recipe: StudyRecipe, tmp_path: Path) -> None:
    content = document()
    content["settings"]["films-de"] |= {"corpus": "vatex"}
    content["settings"].pop("films-sw")
    content["grids"][0]["settings"] = ["films-de"]
    wanted = StudyRecipe.model_validate(content)
    assert any("vatex" in line for line in check_study(wanted, data=tmp_path).absent)
    with pytest.raises(DatasetError, match="the dataset is not there") as caught:
        run_study(wanted, out=tmp_path / "out", data=tmp_path, on_progress=lambda _event: None)
    assert "--data" in str(caught.value)


def test_cells_of_another_schema_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "cell.json").write_text('{"schema_version": 1, "digest": "d"}', encoding="utf-8")
    assert read_cell(tmp_path / "cell.json", "d") is None


def test_reading_and_reporting_load_no_torch() -> None:
    heavy = {"torch", "matplotlib", "jinja2", "yaml"}
    code = f"import sys, polyreel.report; print(*sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
