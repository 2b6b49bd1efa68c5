"""What a run writes down: a JSON line for every step and validation, and the same for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polyreel.errors import TrainingError
from polyreel.training.step import StepReport
from polyreel.training.tensorboard import TensorBoardFile

__all__ = ["RunLog", "read_log"]

LOG_FILE = "log.jsonl"


def read_log(run_folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; one that was cut short by a kill is left out."""
    path = run_folder / LOG_FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]


class RunLog:
    """Writes ``log.jsonl``, and for TensorBoard where it is installed.

    Args:
        run_folder: of the run.
        step: lines after this step are of a run that was broken off, and are dropped.
    """

    def __init__(self, run_folder: Path, *, step: int) -> None:
        kept = [line for line in read_log(run_folder) if line["step"] <= step]
        path = run_folder / LOG_FILE
        path.write_text("".join(_line(line) for line in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._board = _tensorboard(run_folder / "tensorboard", step)

    @property
    def has_tensorboard(self) -> bool:
        """Whether TensorBoard is installed."""
        return self._board is not None

    def step(self, report: StepReport, *, passed_over: int) -> None:
        """One step."""
        numbers = {
            "loss": report.loss,
            **{f"loss/{name}": term for name, term in report.terms.items()},
            "rate": report.rate,
            "gradient": report.gradient,
            "temperature": report.temperature,
            "items": report.items,
            "texts": report.texts,
            "texts_cut": report.cut,
            "clips_passed_over": passed_over,
            "seconds": report.seconds,
        }
        self._write("step", report.step, numbers)

    def validation(self, step: int, figures: Mapping[str, float]) -> None:
        """One validation."""
        self._write("validation", step, dict(figures))

    def switching(self, step: int, epoch: int, rates: Mapping[str, float]) -> None:
        """Effective rates of code-switching in an epoch, as far as it has come.

        Args:
            step: Steps done.
            epoch: Number of the epoch, from 0.
            rates: Language -> share of all words of the code-switched texts, 0 to 1.
        """
        self._write("switching", step, {"epoch": epoch, **rates})

    def note(self, step: int, text: str) -> None:
        """Something that a reader of the log should know."""
        self._put({"kind": "note", "step": step, "note": text})

    def close(self) -> None:
        """Write what is left."""
        with contextlib.suppress(OSError):  # on a full disk; a line at a time, nothing else is left
            self._file.close()
        if self._board is not None:
            self._board.close()

    def _write(self, kind: str, step: int, numbers: Mapping[str, float]) -> None:
        self._put({"kind": kind, "step": step, **numbers})
        if self._board is not None:
            with _writable(self._board.path):
                self._board.write(step, {f"{kind}/{name}": number for name, number in numbers.items()})

    def _put(self, content: Mapping[str, Any]) -> None:
        with _writable(self._file.name):
            self._file.write(_line({"time": round(time.time(), 3), **content}))


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def _writable(path: object) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            "the log cannot be written",
            item=path,
            value=error.strerror,
            remedy="Free some space, then go on from the last checkpoint with --resume auto",
        ) from error


def _tensorboard(folder: Path, step: int) -> TensorBoardFile | None:
    return TensorBoardFile(folder, step=step) if find_spec("tensorboard") else None
