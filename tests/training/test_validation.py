"""What a run may be judged on, and the figures that come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import toys
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.store.table import open_table
from polyreel.errors import TrainingError, UnknownNameError
from polyreel.training.assembly import build_engine, build_validator, open_training_sets
from polyreel.training.distributed import Group
from polyreel.training.validation import ValidationSet


@pytest.fixture
def films(world):
    return open_table(world.home / "films")


def test_a_test_split_cannot_become_a_validation_set(films):
    with pytest.raises(
        TrainingError, match=r"may not look at this clip.*films, test-00@0000000000 \(split 'test'\)"
    ):
        ValidationSet.of_split(films, "test")
    rows = (*map(int, films.rows("dev")), int(films.rows("test")[0]))
    with pytest.raises(TrainingError, match="may not look at this clip"):
        ValidationSet(films, rows)


def test_training_clips_only_where_they_are_held_back(films):
    with pytest.raises(TrainingError, match="split 'train'"):
        ValidationSet.of_split(films, "train")
    kept = ValidationSet.held_out(films, 0.3)
    assert 5 < len(kept.rows) < 25
    with pytest.raises(TrainingError, match="split 'train'"):
        ValidationSet(films, tuple(map(int, films.rows("train"))), 0.3)
    assert ValidationSet.held_out(films, 0.3, items=3).rows == kept.rows[:3]


def test_too_few_clips_and_no_such_split(films):
    with pytest.raises(TrainingError, match="too few clips"):
        ValidationSet.of_split(films, "dev", items=1)
    with pytest.raises(UnknownNameError, match="split of films"):
        ValidationSet.of_split(films, "val")


def validated(world, **changes):
    recipe = world.recipe(**changes)
    catalog = DatasetCatalog(world.home)
    engine = build_engine(
        recipe, open_training_sets(recipe, catalog), total_steps=1, device=torch.device("cpu"), group=Group()
    )
    validator = build_validator(recipe, catalog)
    figures = validator.figures(engine, frames=32)
    return figures, validator.score(figures), engine


def test_figures_are_those_of_a_plain_computation(world, films):
    figures, score, engine = validated(world, validation={**toys.VALIDATION, "metric": "mrr"})
    clips = [
        engine.model.embed_video(rows[None], torch.ones(1, len(rows), dtype=torch.bool))[0]
        for row in films.rows("dev")
        for rows in [torch.from_numpy(films.features(toys.FEATURES).of(int(row)).astype(np.float32))]
    ]
    gallery = torch.stack(clips).detach().numpy()
    for tag in toys.LANGUAGES:
        ranks = []
        for place, row in enumerate(films.rows("dev")):
            for caption in films.captions(int(row)):
                if caption.language == tag:
                    vector = (
                        engine.model.embed_text(engine.model.text.prepare([caption.text]))[0].detach().numpy()
                    )
                    scores = gallery @ vector
                    # The first two pairs of films share a concept: either of a pair is right.
                    right = [place, place ^ 1] if place < 4 else [place]
                    ranks.append(1 + int((scores > scores[right].max() + 1e-6).sum()))
        assert figures[f"films/mrr/{tag}"] == pytest.approx(np.mean([1 / rank for rank in ranks]), abs=1e-5)
        assert figures[f"films/r@1/{tag}"] == pytest.approx(100 * np.mean([rank == 1 for rank in ranks]))
    assert (
        score
        == figures["mean/mrr"]
        == pytest.approx(np.mean([figures[f"films/mrr/{tag}"] for tag in toys.LANGUAGES]))
    )


def test_without_video_other_languages_look_for_english(world):
    changes = {
        "data": [{"corpus": "texts", "languages": ["en", "de"], "held_out": 0.4}],
        "languages": ["en", "de"],
        "objectives": [{"name": "text_contrastive"}],
        "validation": {"tables": [{"corpus": "texts", "split": "held-out"}]},
    }
    model = {**world.document()["model"], "video": None}
    figures, _, _ = validated(world, model=model, **changes)
    assert {name for name in figures if name.startswith("texts")} == {
        f"texts/held-out/{metric}/de" for metric in ("r@1", "r@5", "r@10", "mrr")
    }


def test_a_validation_set_that_asks_nothing_is_told(world):
    with pytest.raises(TrainingError, match=r"nothing to find.*films"):
        validated(world, validation={**toys.VALIDATION, "languages": ["zh"]})


def test_the_average_is_what_is_judged(world):
    """And the model's own weights are there again afterwards."""
    recipe = world.recipe(optimiser={"lr": 0.1, "steps": 1, "ema": 0.9})
    engine = build_engine(
        recipe,
        open_training_sets(recipe, DatasetCatalog(world.home)),
        total_steps=1,
        device=torch.device("cpu"),
        group=Group(),
    )
    before = {name: parameter.detach().clone() for name, parameter in engine.named.items()}
    with torch.no_grad():
        for parameter in engine.own:
            parameter += 1
    with engine.evaluating():
        assert not engine.model.training
        assert all(torch.equal(engine.named[name], value) for name, value in before.items())
    assert engine.model.training
    assert all(
        not torch.equal(parameter, before[name])
        for name, parameter in engine.named.items()
        if parameter in set(engine.own)
    )
