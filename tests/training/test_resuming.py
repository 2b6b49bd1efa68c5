"""A run that is broken off and goes on ends where an uninterrupted one ends, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from same_runs import STEPS, with_a_bag, with_dropout

import toys
from polyreel.errors import TrainingError
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.events import Preparing, Stepped
from polyreel.training.logs import read_log
from polyreel.training.run import train


def stop_after(step: int):
    """Sends this process the signal that asks it to stop, within that step."""

    def tell(event):
        if isinstance(event, Stepped) and event.report.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return tell


def same_end(one: Path, other: Path) -> None:
    first, second = (load_checkpoint(folder, "last") for folder in (one, other))
    for name in ("weights", "average", "optimiser"):
        expected, found = first.tensors(name), second.tensors(name)
        assert expected.keys() == found.keys()
        different = [key for key in expected if not torch.equal(expected[key], found[key])]
        assert different == [], name
    assert first.state.position == second.state.position
    assert first.state.random == second.state.random
    assert first.state.figures == second.state.figures
    assert first.state.switched == second.state.switched
    assert steps_of(one) == steps_of(other)


def steps_of(folder: Path) -> list[dict]:
    timeless = {"time", "seconds"}
    return [
        {key: value for key, value in line.items() if key not in timeless}
        for line in read_log(folder)
        # An epoch's line is written at every checkpoint, the one of the break among them.
        if line["kind"] != "switching"
    ]


@pytest.fixture(scope="module")
def uninterrupted(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(world.recipe(**with_dropout(world)), out=folder, data=world.home)
    return folder


@pytest.mark.parametrize("step", sorted(random.Random(5).sample(range(1, STEPS), 3)))
def test_a_resumed_run_equals_the_uninterrupted_one(world, tmp_path, uninterrupted, step):
    recipe = world.recipe(**with_dropout(world))
    broken = train(recipe, out=tmp_path / "run", data=world.home, on_progress=stop_after(step))
    assert (broken.step, broken.stopped_by) == (step, signal.SIGTERM)
    random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002  others draw in between
    done = train(recipe, out=tmp_path / "run", data=world.home, resume="auto")
    assert (done.step, done.stopped_by) == (STEPS, None)
    same_end(uninterrupted, tmp_path / "run")


def test_so_does_one_with_sparse_gradients(world, tmp_path):
    recipe = world.recipe(**with_a_bag(world), optimiser={"lr": 0.02, "steps": 8, "ema": 0.9})
    train(recipe, out=tmp_path / "whole", data=world.home)
    train(recipe, out=tmp_path / "run", data=world.home, on_progress=stop_after(3))
    train(recipe, out=tmp_path / "run", data=world.home, resume="auto")
    same_end(tmp_path / "whole", tmp_path / "run")
    saved = load_checkpoint(tmp_path / "run", "last")
    moments = saved.tensors("optimiser")["text.encoder.rows.weight/exp_avg"]
    assert 0 < int(moments.any(dim=1).sum()) < len(moments)
    assert steps_of(tmp_path / "run")[-1]["loss"] < steps_of(tmp_path / "run")[0]["loss"]


def test_a_run_that_is_asked_to_stop_in_its_last_step_has_ended(world, tmp_path, uninterrupted):
    recipe = world.recipe(**with_dropout(world))
    done = train(recipe, out=tmp_path / "run", data=world.home, on_progress=stop_after(STEPS))
    assert (done.step, done.total, done.stopped_by) == (STEPS, STEPS, None)
    same_end(uninterrupted, tmp_path / "run")


def test_so_has_one_that_gives_up_after_that_step(world, tmp_path):
    """Nothing is left to go on with."""
    validation = {**toys.VALIDATION, "every_steps": 1, "patience": 1, "metric": "mrr"}
    recipe = world.recipe(optimiser={"lr": 1e-12, "steps": 8}, validation=validation)
    done = train(recipe, out=tmp_path / "run", data=world.home, on_progress=stop_after(2))
    assert (done.step, done.gave_up, done.stopped_by) == (2, True, None)


def test_ctrl_c_before_the_first_step_ends_at_once(world, tmp_path):
    def tell(event):
        if isinstance(event, Preparing):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(world.recipe(), out=tmp_path / "run", data=world.home, on_progress=tell)
    assert not (tmp_path / "run").exists()


def test_the_signal_handlers_are_given_back(world, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    train(world.recipe(), out=tmp_path / "run", data=world.home, on_progress=stop_after(1))
    assert signal.getsignal(signal.SIGTERM) is before


def test_two_processes_resume_bit_for_bit_too(two_processes):
    """Asked to stop is the second process alone: both stop after the same step."""
    assert (two_processes.folder / "dying").is_dir(), two_processes.said
    same_end(two_processes.folder / "whole", two_processes.folder / "broken")
    assert len(load_checkpoint(two_processes.folder / "broken", "last").state.random) == 2


def test_a_run_is_not_overwritten(world, tmp_path, uninterrupted):
    with pytest.raises(TrainingError, match=r"there already.*--resume auto"):
        train(world.recipe(**with_dropout(world)), out=uninterrupted, data=world.home)


def test_a_checkpoint_of_another_recipe_is_refused(world, uninterrupted):
    other = world.recipe(
        **{**with_dropout(world), "seed": 4, "batch": {"batch_size": 14, "captions": 2, "micro_batch": 7}}
    )
    with pytest.raises(TrainingError, match="another recipe") as caught:
        train(other, out=uninterrupted, data=world.home, resume="auto")
    assert "batch.batch_size was 12, is 14" in str(caught.value)
    assert "seed was 3, is 4" in str(caught.value)


def test_what_changes_no_number_may_change(world, tmp_path, uninterrupted):
    named = world.recipe(**{**with_dropout(world), "run": "renamed", "description": "another"})
    done = train(named, out=tmp_path / "run", data=world.home, resume=uninterrupted)
    assert done.step == STEPS


@pytest.mark.parametrize("name", ["weights.safetensors", "optimiser.safetensors", "state.json"])
def test_a_checkpoint_that_was_cut_short_is_refused(world, tmp_path, name):
    recipe = world.recipe()
    train(recipe, out=tmp_path / "run", data=world.home, on_progress=stop_after(2))
    part = load_checkpoint(tmp_path / "run", "last").folder / name
    os.truncate(part, part.stat().st_size // 2)
    with pytest.raises(TrainingError, match=r"damaged or cut short.*step-00000002.*Resume from another"):
        train(recipe, out=tmp_path / "run", data=world.home, resume="auto")


def test_nothing_to_resume(world, tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint is here"):
        train(world.recipe(), out=tmp_path / "run", data=world.home, resume=tmp_path / "nowhere")
    done = train(world.recipe(), out=tmp_path / "run", data=world.home, resume="auto")
    assert done.step == 10


def test_the_log_goes_on_after_the_step_that_was_saved(world, tmp_path):
    """Steps after the last checkpoint were lost with a kill; they are done, and logged, again."""
    folder = tmp_path / "run"
    train(world.recipe(), out=folder, data=world.home, on_progress=stop_after(3))
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "step", "step": 4, "loss": 0.0}) + "\n" + '{"kind": "st')
    train(world.recipe(), out=folder, data=world.home, resume="auto")
    assert [line["step"] for line in read_log(folder) if line["kind"] == "step"] == list(range(1, 11))
