"""Recipes are read strictly, and all that is wrong with one is told at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from polyreel.errors import RecipeError
from polyreel.training.recipe import read_training_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))

TEN_MISTAKES = """\
run: bad name!
seed: -1
languages: [en, de, no, de]
data:
  - {corpus: films, wieght: 2, languages: [en, zh]}
code_switching: {p: 1.5, languages: [deutsch]}
model:
  text: {encoder: e5-small, pooling: meen}
objectives:
  - {name: inter_modl}
  - {name: intra_modal, mask_rat: 0.5}
batch: {batch_size: 1, capions: all}
optimiser: {lr: fast, steps: 10, epochs: 2}
validation:
  tables: [{corpus: films, split: test}]
  metric: r@2
"""
EXPECTED = (
    "line 1, run: 'bad name!' may hold the letters a to z, digits,",
    "line 2, seed: it should be at least 0, found -1",
    "line 3, languages.2: it should be text, found False",
    "line 5, data.0.wieght: there is no such key. Did you mean 'weight'?",
    "line 6, code_switching.p: it should be at most 1 or keys with values, found 1.5",
    "line 8, model.text.pooling: 'meen' is not 'mean' or 'transformer'. Did you mean 'mean'?",
    "line 10, objectives.0: 'inter_modl' is not a known name. Did you mean 'inter_modal'?",
    "line 11, objectives.1.mask_rat: there is no such key. Did you mean 'mask_rate'?",
    "line 12, batch.batch_size: it should be at least 2, found 1",
    "line 12, batch.capions: there is no such key. Did you mean 'captions'?",
    "line 13, optimiser.lr: it should be a number, found 'fast'",
    "line 13, optimiser: give either 'steps' or 'epochs'",
    "line 3, languages: 'de' comes twice",
    "line 15, validation.tables.0: a run may not look at split 'test'",
    "line 16, validation.metric: 'r@2' is not 'r@1', 'r@5', 'r@10' or 'mrr'. Did you mean 'r@5'?",
)

# Nine times nine times .. of what a few lines hold.
BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 20)
)


def problems(path: Path, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        read_training_recipe(path, overrides)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    return caught.value.value


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(TEN_MISTAKES)
    found = problems(path)
    for expected in EXPECTED:
        assert any(problem.startswith(expected) for problem in found), (expected, found)
    assert len(found) == len(set(found))


def test_what_contradicts_itself_is_told_as_well(world, tmp_path):
    path = world.write(
        tmp_path / "toy.yaml",
        languages=["de", "sw", "de", "xx"],
        data=[
            {"corpus": "films", "languages": ["en"]},
            {"corpus": "texts", "split": "dev"},
            {"corpus": "texts", "held_out": 0.1},
        ],
        code_switching={"languages": ["fr", "fr"]},
        objectives=[{"name": "inter_modal"}, {"name": "inter_modal"}],
        validation={"tables": [{"corpus": "films", "split": "held-out"}, {"corpus": "texts"}]},
    )
    said = "\n".join(problems(path))
    for part in (
        "languages: 'xx' is not a language tag",
        "languages: 'de' comes twice",
        "data.0.languages: 'en' is not in 'languages'",
        "code_switching.languages: 'fr' comes twice",
        "code_switching: it switches words of English",
        "objectives: 'inter_modal' comes twice",
        "validation.tables.0.split: nothing of 'films' is held out",
        "validation.tables.1.split: 'texts' dev is trained on, too",
        "data.1.held_out: 'texts' comes several times with different shares held out",
    ):
        assert part in said


def test_a_key_that_comes_twice_is_told(tmp_path, world):
    path = world.write(tmp_path / "toy.yaml")
    path.write_text(path.read_text() + "seed: 4\n")
    assert [problem.split(", ")[1] for problem in problems(path)] == ["seed: comes twice"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("batch.captions=0", "line 13, batch.captions: it should be 'all' or at least 1, found 0"),
        ("objectives.0.weight=.inf", "objectives.0.weight: it should be a finite number, found inf"),
        ("optimiser.lr=.nan", "optimiser.lr: it should be a finite number, found nan"),
        ("seed=100000000000000000000", "seed: it should be below 9223372036854775808, found 1"),
        ("data={corpus: films}", "data: it should be a list, found {'corpus': 'films'}"),
        ("folders=[films]", "folders: it should be keys with values, found ['films']"),
        ("code_switching.languages=[]", "code_switching.languages: it should be a list of at least 1"),
        ("code_switching.p={de: 2}", "code_switching.p.de: it should be at most 1, found 2"),
        ("objectives.append=inter_modal", "it should be keys with values, found 'inter_modal'"),
        ("start_from=''", "start_from: it should be text that is not empty, found ''"),
    ],
)
def test_what_is_wanted_is_said_in_plain_words(world, tmp_path, override, said):
    found = problems(world.write(tmp_path / "toy.yaml"), override)
    assert len(found) == 1, found
    assert said.split(", ", 1)[-1] in found[0]


def test_what_was_left_out_is_not_missed(world, tmp_path):
    found = problems(world.write(tmp_path / "toy.yaml"), "optimiser={steps: 0, epochs: x}")
    assert [problem.split(": ")[1] for problem in found] == [
        "it should be at least 1, found 0",
        "it should be a number, found 'x'",
    ]


def test_a_file_that_is_not_there_is_looked_for_beside(tmp_path):
    (tmp_path / "small.yaml").write_text("run: small\n")
    with pytest.raises(RecipeError, match=r"cannot be read: .*smal\.yaml.*Did you mean 'small.yaml'"):
        read_training_recipe(tmp_path / "smal.yaml")
    with pytest.raises(RecipeError, match=r"There is no folder .*nowhere"):
        read_training_recipe(tmp_path / "nowhere" / "small.yaml")


def test_a_run_is_so_many_steps_or_so_many_epochs(tmp_path, world):
    path = world.write(tmp_path / "toy.yaml", optimiser={"lr": 1})
    assert "give either 'steps' or 'epochs'" in problems(path)[0]
    assert "leave nothing of 5 'steps'" in problems(path, "optimiser.steps=5", "optimiser.warmup_steps=5")[0]


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("batch.batch_size=64", lambda recipe: recipe.batch.batch_size == 64),
        ("optimiser.ema=0.9", lambda recipe: recipe.optimiser.ema == 0.9),
        ("objectives.1.weight=2", lambda recipe: recipe.objectives[1].weight == 2),
        ("objectives.intra_modal.mask_rate=0.4", lambda recipe: recipe.objectives[1].mask_rate == 0.4),
        ("objectives.distillation=null", lambda recipe: len(recipe.objectives) == 4),
        ("data.append={corpus: more}", lambda recipe: recipe.data[2].corpus == "more"),
        ("data.texts.weight=3", lambda recipe: recipe.data[1].weight == 3),
        ("languages=[en, de]", lambda recipe: recipe.languages == ("en", "de")),
        ("code_switching.languages=[de]", lambda recipe: recipe.code_switching.languages == ("de",)),
        ("model.video=null", lambda recipe: recipe.model.video is None),
    ],
)
def test_set_changes_any_part(world, tmp_path, override, found):
    recipe = read_training_recipe(world.write(tmp_path / "toy.yaml"), [override])
    assert found(recipe)


def test_what_an_alias_names_is_changed_in_one_place(world, tmp_path):
    path = world.write(tmp_path / "toy.yaml")
    path.write_text(path.read_text() + "folders: &f {one: a}\n")
    recipe = read_training_recipe(path, ["folders.two=b"])
    assert recipe.folders == {"one": "a", "two": "b"}
    path.write_text("x: &o {lr: 1, steps: 3}\nrun: t\noptimiser: *o\n")
    found = problems(path, "optimiser.steps=0")
    assert any("line 1, x: there is no such key" in problem for problem in found)
    assert any("line 1, optimiser.steps: " in problem for problem in found)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("batch.batch_siz=64", "batch.batch_siz: there is no such key. Did you mean 'batch_size'?"),
        ("batch.batch_size", "give key=value"),
        ("=3", "give key=value"),
        ("objectives.7.weight=2", "there is no '7' in the recipe to change"),
        ("objectives.inter.weight=2", "there is no 'inter' in the recipe to change"),
        ("seed.x=2", "there is no 'x' in the recipe to change"),
        ("seed=[", "the value is not YAML"),
    ],
)
def test_set_refuses_what_is_not_there(world, tmp_path, override, said):
    assert any(said in problem for problem in problems(world.write(tmp_path / "toy.yaml"), override))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read.*There are no YAML files in"),
        ("", r"empty or not a mapping.*'run: \.\.'; needed are run, data, objectives, optimiser"),
        ("- a\n- b\n", "empty or not a mapping"),
        ("run: [", "is not YAML"),
        ("run: !!python/object/apply:os.system ['true']", "is not YAML"),
        (b"run: \xff\xfe", "is not YAML"),
        ("run: &a [*a]", "is not YAML.*aliases counted"),
        ("run: &a {b: *a}", "is not YAML.*aliases counted"),
        (BOMB, "is not YAML.*aliases counted"),
        ("run: " + "[" * 200 + "]" * 200, "is not YAML"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, content, said):
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecipeError, match=said):
        read_training_recipe(path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_recipes_that_come_along_are_right(path):
    """Each opens with the command that runs it."""
    if path.name.startswith("study-"):
        pytest.skip("the recipe of a study, held by the tests of the study")
    if "arms:" not in path.read_text():
        assert read_training_recipe(path).run == path.stem
    first = path.read_text().splitlines()[0]
    assert f"recipes/{path.name}" in first
    assert "polyreel train" in first or "ablation.py" in first


def test_there_are_recipes():
    assert {path.stem for path in RECIPES} >= {
        "smoke",
        "small",
        "mmp-howto100m",
        "mmp-msrvtt9",
        "vatex",
        "multi30k",
    }


def test_a_recipe_says_everything_when_written_out(world):
    recipe = world.recipe()
    again = type(recipe).model_validate(yaml.safe_load(recipe.model_dump_json()))
    assert again == recipe


def test_reading_a_recipe_needs_no_gpu_and_no_transformers():
    code = "import sys, polyreel.training; print('transformers' in sys.modules, 'tensorboard' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["ablation", "learning-curve"])
def test_every_arm_that_is_compared_is_a_recipe(name):
    listed = yaml.safe_load((RECIPES[0].parent / f"{name}.yaml").read_text())
    assert len(listed["seeds"]) >= 3
    for changes in listed["arms"].values():
        read_training_recipe(RECIPES[0].parent / listed["recipe"], changes)
