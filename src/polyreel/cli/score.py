"""``polyreel score``: metrics of any similarity matrix, ours or not."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from polyreel.cli.options import AskedPath, Json, Seed
from polyreel.cli.output import print_json, stdout
from polyreel.errors import UsageError
from polyreel.files import open_regular, read_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["score"]

_NUMPY = "Convert it once: python -c \"import numpy; numpy.save('sim.npy', {})\""
_CONVERT = {
    ".csv": _NUMPY.format("numpy.loadtxt('sim.csv', delimiter=',')"),
    ".tsv": _NUMPY.format("numpy.loadtxt('sim.tsv')"),
    ".txt": _NUMPY.format("numpy.loadtxt('sim.txt')"),
    ".npz": _NUMPY.format("numpy.load('sim.npz')['NAME']"),
    ".pt": "Save it as numpy.save('sim.npy', tensor.cpu().float().numpy())",
}


def score(
    similarity: AskedPath,
    /,
    *,
    truth: AskedPath,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Recall, ranks and MRR of a similarity matrix, with intervals; ties favour nobody and nothing is
    dropped.

    Example: polyreel score sim.npy --truth truth.json

    Args:
        similarity: A .npy file of floats, queries x gallery, higher is better.
        truth: A JSON list: for each query, the relevant columns from 0.
    """
    from polyreel.metrics.scores import score_matrix

    document = score_matrix(_matrix(similarity), _truth(truth), seed=seed).to_dict()
    if json:
        print_json(document)
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95% interval", justify="right")
    intervals = document["ci95"]
    for name, value in document.items():
        if name == "ci95":
            continue
        low_high = f"{intervals[name][0]:.4g} to {intervals[name][1]:.4g}" if name in intervals else ""
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.4g}", low_high)
    stdout.print(table)
    return 0


def _matrix(path: Path) -> NDArray[np.floating]:
    import numpy as np

    try:
        with open_regular(path):
            # Mapped, not read: rows are looked at a few at a time. Pickled objects are refused.
            matrix: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise UsageError("no such file", item=path) from error
    except OSError as error:
        raise UsageError("the file cannot be read", item=path, value=error.strerror) from error
    except (ValueError, EOFError) as error:
        raise UsageError(
            "not a .npy file of numbers",
            item=path,
            value=error if path.suffix == ".npy" else path.suffix or "no ending",
            remedy=_CONVERT.get(path.suffix.lower(), "Save the matrix with numpy.save"),
        ) from error
    return matrix


def _truth(path: Path) -> list[list[int]]:
    try:
        lists = json_module.loads(read_regular(path).decode())
    except FileNotFoundError as error:
        raise UsageError("no such file", item=path) from error
    except OSError as error:
        raise UsageError("the file cannot be read", item=path, value=error.strerror) from error
    except ValueError as error:
        raise UsageError("not a JSON file", item=path, value=error) from error
    if not isinstance(lists, list):
        raise UsageError("truth must be a list", item=path, value=type(lists).__name__)
    for row, columns in enumerate(lists):
        if not isinstance(columns, list) or not all(type(column) is int for column in columns):
            raise UsageError(
                "truth must hold a list of whole numbers for each query",
                item=f"{path}, row {row}",
                value=columns,
            )
    return lists
