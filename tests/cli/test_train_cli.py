"""``polyreel train`` as people run it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tiny_encoders
import toys
from polyreel.cli.app import main
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.logs import read_log

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("world")
    tiny_encoders.save_bert(home / "bert")
    return toys.make_world(home)


def steps_of(folder: Path) -> list[dict]:
    return [line for line in read_log(folder) if line["kind"] == "step"]


def test_a_run_says_how_it_goes_and_where_it_is(world, tmp_path, capsys):
    recipe = world.write(tmp_path / "toy.yaml", validation=toys.VALIDATION)
    assert main(["train", str(recipe), "--data", str(world.home), "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    assert "Done after step 10 of 10." in said.out
    assert "Best: " in said.out
    assert "parameters are trained" in said.err
    assert "step 4: r@1" in said.err
    assert load_checkpoint(tmp_path / "run", "last").state.step == 10


def test_one_document_of_json(world, tmp_path, capsys):
    recipe = world.write(tmp_path / "toy.yaml", validation=toys.VALIDATION)
    assert (
        main(["train", str(recipe), "--data", str(world.home), "--out", str(tmp_path / "run"), "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert (document["step"], document["steps"], document["go_on_with"]) == (10, 10, None)
    assert document["figures"]["mean/r@1"] >= 0


def test_set_names_the_run_and_changes_the_recipe(world, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = world.write(tmp_path / "toy.yaml")
    arguments = [
        "train",
        str(recipe),
        "--data",
        str(world.home),
        "--set",
        "run=other",
        "--set",
        "optimiser.steps=3",
    ]
    assert main(arguments) == 0
    assert load_checkpoint(tmp_path / "runs" / "other").state.step == 3
    assert main(arguments) == 1
    assert "a run of this name is there already" in capsys.readouterr().err


def test_mistakes_are_listed_and_end_with_two(world, tmp_path, capsys):
    recipe = world.write(tmp_path / "toy.yaml", data=[{"corpus": "filmz"}], batch={"batch_siz": 3})
    for extra in ([], ["--check"]):
        assert main(["train", str(recipe), "--data", str(world.home), *extra]) == 2
        said = "".join(capsys.readouterr())
        assert "batch.batch_siz: there is no such key. Did you mean 'batch_size'?" in said
        assert "data.0.corpus: no dataset has this name: 'filmz'" in said
        assert "Traceback" not in said


def test_check_prints_what_a_run_would_take(world, tmp_path, capsys):
    recipe = world.write(tmp_path / "toy.yaml")
    assert main(["train", str(recipe), "--data", str(world.home), "--check"]) == 0
    said = capsys.readouterr().out
    assert "no mistakes" in said
    assert "trained" in said
    assert "Memory of a process" in said
    assert "Time of a step" in said
    assert not (tmp_path / "runs").exists()
    assert main(["train", str(recipe), "--data", str(world.home), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["trained"] > 0


def started(recipe: Path, world: toys.World, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "polyreel",
        "train",
        str(recipe),
        "--data",
        str(world.home),
        "--out",
        str(out),
    ]
    return subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sigterm_saves_exits_with_zero_and_says_how_to_go_on(world, tmp_path):
    recipe = world.write(tmp_path / "toy.yaml", optimiser={"lr": 0.001, "steps": 100_000})
    run = started(recipe, world, tmp_path / "run")
    deadline = time.monotonic() + 90
    while not (tmp_path / "run" / "log.jsonl").is_file() or len(steps_of(tmp_path / "run")) < 3:
        assert time.monotonic() < deadline
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert "Stopped after step" in out
    assert f"polyreel train {recipe} --data {world.home} --out {tmp_path / 'run'} --resume auto" in out
    assert load_checkpoint(tmp_path / "run", "last").state.step == len(steps_of(tmp_path / "run"))


@pytest.mark.slow
def test_torchrun_with_two_processes_equals_one_process(world, tmp_path):
    """The very command of the documentation."""
    recipe = world.write(tmp_path / "toy.yaml", validation=toys.VALIDATION)
    alone = started(recipe, world, tmp_path / "alone")
    _, err = alone.communicate(timeout=120)
    assert alone.returncode == 0, err
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command = [
        "polyreel",
        "train",
        recipe,
        "--set",
        "run=ddp",
        "--data",
        world.home,
        "--out",
        tmp_path / "ddp",
    ]
    done = subprocess.run([*torchrun, *map(str, command)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    # Not the weights: Adam makes whole steps of what rounding leaves of gradients that should be zero.
    losses = [[line["loss"] for line in steps_of(tmp_path / name)] for name in ("alone", "ddp")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert done.stdout.count("Done after step 10 of 10.") == 1


@pytest.mark.slow
def test_the_smoke_recipe_trains_on_what_it_draws_itself(tmp_path, capsys):
    assert main(["train", str(RECIPES / "smoke.yaml"), "--out", str(tmp_path / "smoke"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["figures"]["mean/r@1"] > 90


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "smoke", "mmp-msrvtt9"])
def test_check_answers_within_seconds(name, shared_data):
    """By its CPU time, which what else the machine does hardly changes: 10 s of two cores."""
    command = [sys.executable, "-m", "polyreel", "train", str(RECIPES / f"{name}.yaml"), "--check", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--data", str(shared_data)], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "problems" in json.loads(done.stdout), done.stderr
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name}: {cpu_s:.1f} CPU s")
    assert cpu_s < 20
