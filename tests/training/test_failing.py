"""What can go wrong in a run ends it with one message, and the last good checkpoint stays."""

from __future__ import annotations

import os
import signal

import pytest
import torch

import toys
from disks import small_disk
from polyreel.errors import RecipeError, TrainingError
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.events import Stepped
from polyreel.training.run import train


def steps_until(step: int, then):
    def tell(event):
        if isinstance(event, Stepped) and event.report.step == step:
            then()

    return tell


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_checkpoint(world, tmp_path, monkeypatch):
    from polyreel.training import run as running

    whole = running.train_step

    def poisoned(engine, batch, step):
        if step == 6:
            with torch.no_grad():
                engine.own[0][:] = float("nan")
        return whole(engine, batch, step)

    monkeypatch.setattr(running, "train_step", poisoned)
    with pytest.raises(
        TrainingError, match=r"not a finite number.*step 7, batch of 12 items: \S+@\d+, .*nan"
    ):
        train(world.recipe(save_every_steps=3), out=tmp_path / "run", data=world.home)
    kept = load_checkpoint(tmp_path / "run", "last")
    assert kept.state.step == 6
    assert all(bool(tensor.isfinite().all()) for tensor in kept.tensors("weights").values())


@pytest.mark.parametrize(
    ("every", "room_bytes", "said"),
    [(15, 0, "the log cannot be written"), (3, 20_000, "the checkpoint cannot be saved")],
)
def test_a_full_disk_keeps_the_last_checkpoint(world, tmp_path, every, room_bytes, said):
    recipe = world.recipe(save_every_steps=every, optimiser={"lr": 0.001, "steps": 3 * every})
    with small_disk(tmp_path / "disk", size_bytes=4 << 20) as disk:

        def fill():
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            (disk / "filled").write_bytes(bytes(free - room_bytes))

        with pytest.raises(TrainingError, match=rf"{said}.*No space left on device.*--resume auto"):
            train(recipe, out=disk / "run", data=world.home, on_progress=steps_until(every + 1, fill))
        assert load_checkpoint(disk / "run", "last").state.step == every
        (disk / "filled").unlink()
        assert train(recipe, out=disk / "run", data=world.home, resume="auto").step == 3 * every
        assert not list((disk / "run" / "checkpoints").glob(".*")), "a part of a checkpoint was left behind"


def test_only_the_last_and_the_best_checkpoint_are_kept(world, tmp_path):
    validation = {**toys.VALIDATION, "every_steps": 1}
    done = train(world.recipe(validation=validation), out=tmp_path / "run", data=world.home)
    names = {folder.name for folder in (tmp_path / "run" / "checkpoints").iterdir() if folder.is_dir()}
    assert names == {"step-00000010", f"step-{done.best[1]:08d}"}
    assert load_checkpoint(tmp_path / "run").state.step == done.best[1]


def test_a_run_that_gets_no_better_ends(world, tmp_path):
    """With a learning rate of almost nothing, nothing gets better after the first validation."""
    recipe = world.recipe(
        validation={**toys.VALIDATION, "every_steps": 1, "patience": 3, "metric": "mrr"},
        optimiser={"lr": 1e-12, "steps": 10},
    )
    done = train(recipe, out=tmp_path / "run", data=world.home)
    assert (done.step, done.gave_up, done.best[1]) == (4, True, 1)


def test_data_that_is_not_there_or_does_not_fit_is_told_at_once(world, tmp_path):
    recipe = world.recipe(
        data=[
            {"corpus": "films", "features": ["toi"]},
            {"corpus": "texts", "languages": ["sw"]},
            {"corpus": "film"},
            {"corpus": "films", "split": "trian"},
            {"corpus": "flickr8k"},
        ],
        code_switching={"languages": ["de", "fr"]},
        validation={"tables": [{"corpus": "texts", "split": "dev"}]},
        batch={"batch_size": 12, "captions": 1},
    )
    with pytest.raises(RecipeError) as caught:
        train(recipe, out=tmp_path / "run", data=world.home)
    said = str(caught.value)
    for part in (
        "data.0.features: no kind of features of films has this name: 'toi'. Did you mean 'toy'?",
        "data.1.languages: there is no caption in 'sw'",
        "data.2.corpus: no dataset has this name: 'film'",
        "data.3.split: no split of films has this name: 'trian'. Did you mean 'train'?",
        "data.4.corpus: the dataset is not there",
        "code_switching.lexicons: no lexicon for a language",
        "validation.tables.0.split: no split of texts has this name: 'dev'",
    ):
        assert part in said
    assert not (tmp_path / "run").exists()


def test_a_language_without_a_single_caption_is_told(world, tmp_path):
    recipe = world.recipe(languages=["en", "de", "sw", "zh"])
    with pytest.raises(RecipeError, match="languages: there is no caption in 'zh'"):
        train(recipe, out=tmp_path / "run", data=world.home)


def test_features_of_another_width_are_told(world, tmp_path):
    model = world.document()["model"]
    recipe = world.recipe(model={**model, "video": {**model["video"], "features": 7}})
    with pytest.raises(RecipeError, match="they are 6 wide, the video tower reads 7"):
        train(recipe, out=tmp_path / "run", data=world.home)


def test_a_batch_of_one_item_is_refused(world):
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        world.recipe(batch={"batch_size": 1})


def test_a_batch_larger_than_the_data_is_told(world, tmp_path):
    with pytest.raises(RecipeError, match="a batch of 500 from 78 clips"):
        train(world.recipe(batch={"batch_size": 500}), out=tmp_path / "run", data=world.home)


def test_when_a_process_dies_the_others_stop_with_its_name(two_processes):
    assert two_processes.second.returncode == -signal.SIGKILL, two_processes.said
    assert two_processes.first.returncode == 1
    assert "another process of this run has died: rank 1 (rank 0 stops)" in two_processes.first.stderr
    assert "--resume auto" in two_processes.first.stderr
    assert "Traceback" not in two_processes.first.stderr
    assert load_checkpoint(two_processes.folder / "dying", "last").state.step == 4


def test_a_second_interrupt_breaks_off(world, tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(world.recipe(), out=tmp_path / "run", data=world.home, on_progress=steps_until(3, twice))
