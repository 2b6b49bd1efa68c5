"""The command that shows what each part of a recipe is worth, on the toy world."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import toys

COMMAND = Path(__file__).parents[2] / "benchmarks" / "ablation.py"


@pytest.mark.slow
def test_every_arm_is_trained_with_every_seed_and_compared(world, tmp_path):
    world.write(tmp_path / "toy.yaml", validation=toys.VALIDATION, optimiser={"lr": 0.003, "steps": 4})
    arms = {"whole": [], "no distillation": ["objectives.distillation=null"]}
    listed = tmp_path / "arms.yaml"
    listed.write_text(yaml.safe_dump({"recipe": "toy.yaml", "seeds": [0, 1], "arms": arms}, sort_keys=False))
    command = [sys.executable, COMMAND, listed, "--data", world.home, "--out", tmp_path / "runs", "--json"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = [part for part in json.loads(done.stdout)["results"] if "title" in part]
    assert [table["title"] for table in tables] == ["films, 16 clips: r@1", "films, 16 clips: r@10"]
    assert [row[0] for row in tables[0]["rows"]] == list(arms)
    assert {path.name for path in (tmp_path / "runs" / "arms").iterdir()} == {
        f"{arm}-{seed}" for arm in ("whole", "no-distillation") for seed in (0, 1)
    }
    again = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["results"] == json.loads(done.stdout)["results"], (
        "nothing is trained twice"
    )
    arms["misspelt"] = ["batch.batch_siz=3"]
    listed.write_text(yaml.safe_dump({"recipe": "toy.yaml", "seeds": [0, 1], "arms": arms}))
    failed = subprocess.run([*map(str, command[:-1])], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "Did you mean 'batch_size'?" in failed.stderr
