"""Trials side by side: each worker is a process with one thread, asked by lines of JSON.

A worker reads the study, then one job a line, and answers each with a line. It ends when its input does, so
that none outlives the study, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from polyreel.errors import PolyreelError, TrainingError
from polyreel.study.recipe import StudyRecipe
from polyreel.study.results import write_cell
from polyreel.study.trial import Trial, TrialRunner
from polyreel.study.tuning import TuningScore, write_score

__all__ = ["TrialJob", "run_jobs"]

_PATIENCE_S = 0.2


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A trial whose outcome becomes a file.

    Attributes:
        trial: what is trained and asked.
        kind: a cell of the grid, or a candidate of the tuning.
        path: file of its result.
    """

    trial: Trial
    kind: Literal["cell", "tuning"]
    path: Path

    @property
    def name(self) -> str:
        """For messages."""
        return self.path.stem


_TRIAL_JOB = TypeAdapter(TrialJob)


def run_jobs(
    jobs: Sequence[TrialJob],
    recipe: StudyRecipe,
    data: Path | None,
    *,
    workers: int,
    on_done: Callable[[TrialJob], None],
    is_stopped: Callable[[], bool],
) -> None:
    """Do all jobs; those that are begun when it is asked to stop are finished, the others left.

    Args:
        jobs: In the order in which they are begun.
        recipe: Of the study.
        data: Folder that datasets are relative to.
        workers: Processes side by side; one job or worker is done in this process.
        on_done: Called after each, in this thread.
        is_stopped: Whether to begin no further job.

    Raises:
        PolyreelError: a job failed, or a worker died.
    """
    if workers < 2 or len(jobs) < 2:
        import torch

        torch.set_num_threads(1)
        runner = TrialRunner(recipe, data)
        for job in jobs:
            if is_stopped():
                return
            _do(job, runner)
            on_done(job)
        return
    waiting: queue.SimpleQueue[TrialJob] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    ended: queue.SimpleQueue[TrialJob | PolyreelError | None] = queue.SimpleQueue()
    stop, processes = threading.Event(), [_start(recipe, data) for _ in range(min(workers, len(jobs)))]
    threads = [threading.Thread(target=_feed, args=(each, waiting, ended, stop)) for each in processes]
    try:
        for thread in threads:
            thread.start()
        _follow(ended, len(threads), stop, on_done, is_stopped)
    except BaseException:
        for process in processes:
            process.kill()
        raise
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for process in processes:
            _close(process)


def _follow(
    ended: queue.SimpleQueue[TrialJob | PolyreelError | None],
    running: int,
    stop: threading.Event,
    on_done: Callable[[TrialJob], None],
    is_stopped: Callable[[], bool],
) -> None:
    failure: PolyreelError | None = None
    while running:
        if is_stopped():
            stop.set()
        try:
            outcome = ended.get(timeout=_PATIENCE_S)
        except queue.Empty:
            continue
        if outcome is None:
            running -= 1
        elif isinstance(outcome, TrialJob):
            on_done(outcome)
        else:
            failure = failure or outcome
            stop.set()
    if failure is not None:
        raise failure


def _feed(
    process: subprocess.Popen[bytes],
    waiting: queue.SimpleQueue[TrialJob],
    ended: queue.SimpleQueue[TrialJob | PolyreelError | None],
    stop: threading.Event,
) -> None:
    """Give one worker job after job."""
    try:
        while not stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            ended.put(_asked(process, job))
    finally:
        ended.put(None)


def _asked(process: subprocess.Popen[bytes], job: TrialJob) -> TrialJob | PolyreelError:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_TRIAL_JOB.dump_json(job) + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)
        return TrainingError(
            "a worker of the study died",
            item=job.name,
            value=f"exit status {process.poll()}",
            remedy="Give the same command again: what is done stays. If memory runs out, add --workers 1",
        )
    if (failed := answer.get("failed")) is None:
        return job
    return TrainingError("an arm cannot be trained or measured", item=job.name, value=failed)


def _start(recipe: StudyRecipe, data: Path | None) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "polyreel.study.workers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Read when PyTorch is loaded: on a shared machine its threads would wait for each other.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        process_group=0,  # Ctrl-C in a terminal is for the parent, which lets workers end their cells
    )
    assert process.stdin is not None
    first = {"recipe": recipe.model_dump(mode="json"), "data": None if data is None else str(data)}
    with contextlib.suppress(BrokenPipeError):  # a worker that died is told of with its first job
        process.stdin.write(json.dumps(first).encode() + b"\n")
        process.stdin.flush()
    return process


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()


def _do(job: TrialJob, runner: TrialRunner) -> None:
    if job.kind == "cell":
        write_cell(job.path, runner.cell(job.trial))
        return
    began = time.process_time()
    score = runner.tuning_score(job.trial)
    took_s = round(time.process_time() - began, 1)
    write_score(job.path, TuningScore(digest=job.trial.digest, log2_rank=score, took_s=took_s))


def _serve(lines: Iterable[bytes], answer: Callable[[str], None]) -> None:
    """What a worker does: jobs until the input ends."""
    import torch

    torch.set_num_threads(1)
    lines = iter(lines)
    first = json.loads(next(lines))
    data = None if first["data"] is None else Path(first["data"])
    runner = TrialRunner(StudyRecipe.model_validate(first["recipe"]), data)
    for line in lines:
        try:
            _do(_TRIAL_JOB.validate_json(line), runner)
        except PolyreelError as error:
            answer(json.dumps({"failed": str(error)}))
        else:
            answer(json.dumps({"failed": None}))


if __name__ == "__main__":
    # What libraries print must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _serve(sys.stdin.buffer, lambda text: print(text, file=answers, flush=True))
