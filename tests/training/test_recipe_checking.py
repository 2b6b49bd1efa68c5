"""``check``: all problems at once, and what a run would take."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tiny_encoders
from polyreel.clips import Caption, Clip
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.records import Record
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.languages import STUDY_LANGUAGES
from polyreel.training import estimating
from polyreel.training.checking import check
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.logs import read_log
from polyreel.training.problems import problems_of
from polyreel.training.recipe import read_training_recipe
from polyreel.training.run import train

RECIPES = Path(__file__).parents[2] / "recipes"


def test_mistakes_of_the_recipe_and_of_its_data_are_told_together(world, tmp_path):
    path = world.write(
        tmp_path / "toy.yaml",
        data=[{"corpus": "filmz", "features": ["toy"]}],
        batch={"batch_size": 12, "capions": "all"},
        objectives=[{"name": "distillation"}, {"name": "text_contrastive"}],
    )
    overrides = ["languages=[de]", "model.text.encoder=/nowhere/bert", "batch.captions=1"]
    found = check(path, overrides, data=world.home)
    for part in (
        "batch.capions: there is no such key",
        "data.0.corpus: no dataset has this name: 'filmz'",
        "objectives.0: distillation pairs languages, and there is one",
        "objectives.0: distillation learns from English",
        "objectives.1: text_contrastive pairs texts of an item: set batch.captions",
        "model: the text encoder cannot be loaded: /nowhere/bert",
    ):
        assert any(part in problem for problem in found.problems), (part, found.problems)
    assert found.estimate is None


def test_fresh_rows_are_of_a_language_that_is_trained_on(world):
    catalog = DatasetCatalog(world.home, {})
    fresh = {"text": {"fresh_rows": {"languages": ["cs"]}}, "video": None}
    recipe = world.recipe(model=fresh, objectives=[{"name": "text_contrastive"}])
    said = [what for place, what in problems_of(recipe, catalog) if "fresh_rows" in place]
    assert said == ["no text of the recipe is in cs, so nothing would teach the rows"]
    taught = recipe.model_copy(update={"languages": ("en", "cs")})
    assert not [place for place, _ in problems_of(taught, catalog) if "fresh_rows" in place]


def test_figures_are_of_the_model_that_is_meant_or_not_there(world, tmp_path):
    text = {"encoder": str(world.home / "bert")}
    path = world.write(tmp_path / "toy.yaml", model={"text": text, "dim": 16, "video": {"features": "wide"}})
    found = check(path, data=world.home)
    assert any(
        "model.video.features: it should be a whole number, found 'wide'" in one for one in found.problems
    )
    assert found.estimate is None
    assert any("of another model" in note for note in found.notes)


def test_a_check_fetches_no_encoder(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    path = world.write(
        tmp_path / "toy.yaml", model={"text": {"encoder": "someone/an-encoder"}, "video": {"features": 6}}
    )
    began = time.monotonic()
    found = check(path, data=world.home)
    assert time.monotonic() - began < 5
    assert (found.problems, found.estimate) == ((), None)
    assert any("someone/an-encoder is not on this machine yet" in note for note in found.notes)


def test_an_estimate_is_about_right(world, tmp_path):
    path = world.write(tmp_path / "toy.yaml", optimiser={"lr": 0.001, "epochs": 4})
    found = check(path, data=world.home)
    assert found.problems == ()
    done = train(read_training_recipe(path), out=tmp_path / "run", data=world.home)
    assert found.estimate.steps == done.total == 26
    saved = load_checkpoint(tmp_path / "run")
    trained = sum(t.numel() for name, t in saved.tensors("optimiser").items() if name.endswith("/exp_avg"))
    assert found.estimate.trained == trained
    seconds = np.median([line["seconds"] for line in read_log(tmp_path / "run") if line["kind"] == "step"])
    assert 0.1 < found.estimate.step_s / seconds < 10
    assert found.estimate.memory_bytes > 16 * trained


def test_clips_that_share_a_source_with_dev_are_left_out_and_counted(world, tmp_path):
    records = [
        Record(
            Clip(f"{split}-{number}", 0.0, 0.0),
            tuple(Caption("a dog runs", tag, 0.0, 0.0) for tag in ("en", "de")),
            split,
            source=f"upload {number // 2}",
        )
        for split, numbers in (("train", range(20)), ("dev", (0, 6)))
        for number in numbers
    ]
    write_table(tmp_path / "uploads", records, name="uploads")
    path = world.write(
        tmp_path / "toy.yaml",
        data=[{"corpus": str(tmp_path / "uploads")}],
        languages=["en", "de"],
        model={"text": {"encoder": str(world.home / "bert")}, "video": None, "dim": 8},
        objectives=[{"name": "text_contrastive"}],
        optimiser={"epochs": 3},
        batch={"batch_size": 4},
    )
    told = "uploads/train: 4 of 20 clips share a source with dev and are left out"
    found = check(path, data=world.home)
    assert (found.problems, found.notes, found.estimate.steps) == ((), (told,), 12)
    train(read_training_recipe(path), out=tmp_path / "run", data=world.home)
    assert [line["note"] for line in read_log(tmp_path / "run") if line["kind"] == "note"] == [told]
    everything = check(path, ["data.0.without_sources_of=[]"], data=world.home)
    assert (everything.notes, everything.estimate.steps) == ((), 15)


def test_chunks_need_less_memory_and_more_time(world, tmp_path):
    path = world.write(tmp_path / "toy.yaml", batch={"batch_size": 48})
    whole = check(path, data=world.home).estimate
    chunked = check(path, ["batch.micro_batch=6"], data=world.home).estimate
    assert chunked.memory_bytes < whole.memory_bytes
    assert (whole.texts, chunked.texts) == (144, 144)


def test_keywords_are_counted_and_their_lexicons_looked_for(world, tmp_path):
    objectives = [{"name": "inter_modal"}]
    path = world.write(tmp_path / "toy.yaml", batch={"batch_size": 48}, objectives=objectives)
    found = check(path, ["keywords={languages: [de], copies: 2}"], data=world.home)
    assert (found.problems, found.estimate.texts) == ((), 240)
    (problem,) = check(path, ["keywords={languages: [cs]}"], data=world.home).problems
    assert "keywords.lexicons" in problem
    assert "no lexicon for a language" in problem


def wide_table(folder: Path, features: dict[str, int], languages=STUDY_LANGUAGES) -> Path:
    """A corpus with features as wide as those of real networks, and with captions a tiny encoder can read."""
    rng = np.random.default_rng(0)
    records = [
        Record(
            Clip(f"{split}-{number}", 0.0, 5.0),
            tuple(
                Caption(" ".join(rng.choice(tiny_encoders.WORDS, 5)), tag, 0.0, 5.0, "transcribed")
                for tag in languages
            ),
            split,
        )
        for split, count in (("train", 20), ("dev", 4))
        for number in range(count)
    ]
    write_table(folder, records, name=folder.name)
    table = open_table(folder)
    for name, dim in features.items():
        rows = ((table.clip(index).clip_id, rng.normal(size=(5, dim))) for index in range(len(table)))
        write_features(folder, name, rows, dim=dim, rate_hz=1.0)
    return folder


@pytest.fixture(scope="module")
def tiny_xlmr(tmp_path_factory):
    return tiny_encoders.save_xlmr(tmp_path_factory.mktemp("encoders") / "xlmr")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, tiny_xlmr):
    """A few steps of the full-scale pre-training: its own pooling and features, a tiny random encoder."""
    home = tmp_path_factory.mktemp("howto")
    wide_table(home / "multi-howto100m", {"r2plus1d": 512, "s3d": 1024})
    overrides = [*small(tiny_xlmr), "data.0.held_out=0.2", "validation.every_steps=2"]
    recipe = read_training_recipe(RECIPES / "mmp-howto100m.yaml", overrides)
    return train(recipe, out=home / "run", data=home).folder


def small(encoder: Path) -> list[str]:
    """What has to change so that a recipe runs on a tiny encoder, here, for two steps."""
    return [
        f"model.text.encoder={encoder}",
        *("model.text.layer=3", "model.text.frozen_below=2", "device=cpu", "batch.batch_size=4"),
        *("optimiser.epochs=null", "optimiser.steps=2", "optimiser.warmup_steps=1", "batch.micro_batch=6"),
    ]


def test_the_full_scale_recipe_runs_for_a_few_steps(pretrained):
    saved = load_checkpoint(pretrained)
    assert saved.state.step == 2
    assert saved.state.figures["mean/r@10"] > 0
    model = saved.build_model()
    assert model.video.pooling.project.in_features == 1536
    assert [layer.heads for layer in model.video.pooling.layers] == [4, 4]
    assert model.text.dim == 1024
    assert model.text.pooling.dim == 1024


def test_fine_tuning_starts_from_the_pre_trained_weights(pretrained, tiny_xlmr, tmp_path):
    wide_table(tmp_path / "msrvtt-1k-a", {"r2plus1d": 512, "s3d": 1024}, ["en", "de"])
    overrides = [
        *small(tiny_xlmr),
        f"start_from={pretrained}",
        "optimiser.lr=1e-12",
        "optimiser.encoder_lr=1e-12",
    ]
    recipe = read_training_recipe(RECIPES / "mmp-msrvtt9.yaml", overrides)
    done = train(recipe, out=tmp_path / "run", data=tmp_path)
    before, after = (load_checkpoint(folder).tensors("weights") for folder in (pretrained, done.folder))
    for name, tensor in after.items():
        assert np.allclose(tensor, before[name], atol=1e-6), name


@pytest.mark.parametrize("name", ["vatex", "multi30k"])
def test_the_other_recipes_run_for_a_few_steps(name, tiny_xlmr, tmp_path):
    recipe = read_training_recipe(RECIPES / f"{name}.yaml")
    wide_table(tmp_path / name, {"made": 1280}, recipe.languages)
    features = ["data.0.features=[made]", "validation.tables.0.features=[made]"]
    done = train(
        read_training_recipe(RECIPES / f"{name}.yaml", [*small(tiny_xlmr), *features]),
        out=tmp_path / "run",
        data=tmp_path,
    )
    assert done.step == 2


@pytest.mark.parametrize(
    ("fixed_s", "each_s", "measured", "expected_s"),
    [(0.1, 0.02, 6, 7.1), (0.0, 2.0, 1, 700.0), (2.0, 0.01, 1, None)],
)
def test_steps_are_measured_for_seconds_and_drawn_on(
    world, tmp_path, monkeypatch, fixed_s, each_s, measured, expected_s
):
    """A machine on which a step takes a fixed part and a part an item; its clock is moved by hand."""
    now, sizes = [100.0], []

    def take(engine, batch, step):
        seconds = fixed_s + each_s * len(batch.items)
        now[0] += seconds
        sizes.append(len(batch.items))
        return SimpleNamespace(seconds=seconds)

    monkeypatch.setattr(estimating, "train_step", take)
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: now[0])
    recipe = read_training_recipe(world.write(tmp_path / "toy.yaml", batch={"batch_size": 12}))
    found = estimating._step_seconds(None, recipe, 1, 350, 12)
    assert len(sizes) == measured
    assert max(sizes) <= 12
    assert now[0] - 100 <= max(4.0, fixed_s + each_s * 2)
    if expected_s is not None:
        assert found == pytest.approx(expected_s)


@pytest.mark.slow
def test_texts_that_a_frozen_encoder_has_not_read_are_counted(world, tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    text = {"encoder": str(world.home / "bert")}
    path = world.write(
        tmp_path / "toy.yaml", model={"text": text, "video": {"features": 6}}, code_switching=None
    )
    before = check(path, data=world.home).estimate
    assert before.unread > 0
    assert before.unread_s > 0
    train(read_training_recipe(path, ["optimiser.steps=40"]), out=tmp_path / "run", data=world.home)
    assert check(path, data=world.home).estimate.unread < before.unread / 4
