"""What two processes do together, one after the other, because starting them is what takes long.

Run in each of them: ``two_processes.py WORLD OUT PORT PORT PORT PORT PORT PORT PORT``. The first is left
with the death of the second.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from same_runs import STOPPED_AT, gradients, with_a_bag, with_dropout

import toys
from polyreel.errors import TrainingError
from polyreel.training import run as running
from polyreel.training.distributed import joined

HOME, OUT, PORTS = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
WORLD, RANK = toys.World(HOME), int(os.environ["RANK"])
WHOLE_STEP = running.train_step


def use_port() -> None:
    """Each group of processes meets at a port of its own."""
    os.environ["MASTER_PORT"] = PORTS.pop(0)


def sending(number: int, *, before: int) -> None:
    """The second process gets a signal before that step; both have to notice."""

    def step(engine, batch, at):
        if RANK == 1 and at + 1 == before:
            os.kill(os.getpid(), number)
        return WHOLE_STEP(engine, batch, at)

    running.train_step = step


def gradients_of_a_batch() -> None:
    for chunk in (None, 5):
        use_port()
        with joined(torch.device("cpu")) as group:
            found = gradients(WORLD.recipe(batch={"batch_size": 12, "micro_batch": chunk}), WORLD, group)
        save_file(found, OUT / f"{chunk}-{RANK}.safetensors")
    use_port()
    with joined(torch.device("cpu")) as group:
        save_file(gradients(WORLD.recipe(**with_a_bag(WORLD)), WORLD, group), OUT / f"bag-{RANK}.safetensors")


def a_run_with_and_without_a_break() -> None:
    recipe = WORLD.recipe(**with_dropout(WORLD))
    use_port()
    running.train(recipe, out=OUT / "whole", data=HOME)
    use_port()
    sending(signal.SIGTERM, before=STOPPED_AT)
    assert running.train(recipe, out=OUT / "broken", data=HOME).step == STOPPED_AT
    running.train_step = WHOLE_STEP
    use_port()
    running.train(recipe, out=OUT / "broken", data=HOME, resume="auto")


def a_death() -> None:
    use_port()
    sending(signal.SIGKILL, before=5)
    try:
        running.train(WORLD.recipe(save_every_steps=2), out=OUT / "dying", data=HOME)
    except TrainingError as error:
        sys.exit(str(error))


gradients_of_a_batch()
a_run_with_and_without_a_break()
a_death()
