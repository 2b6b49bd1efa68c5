"""Anything that numpy can read as an array, and errors that name the rows that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyreel.errors import UsageError

__all__ = ["as_array", "raise_if_any"]

_SHOWN_ROWS = 5


def as_array(values: object, name: str) -> NDArray[Any]:
    """An array of what has ``__array__`` (of numpy, PyTorch, JAX) or is a nested list.

    A PyTorch tensor may require gradients and lie on any device.

    Args:
        values: the numbers.
        name: what they are, for the message.

    Raises:
        UsageError: they are ragged, or cannot be read as an array.
    """
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        if str(getattr(values, "dtype", "")) == "torch.bfloat16":  # numpy has no such type
            values = values.float()  # type: ignore[attr-defined]
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(
            f"{name} cannot be read as an array",
            item=type(values).__name__,
            value=str(error).splitlines()[0],
            remedy="Give a numpy array, a tensor or nested lists of one length",
        ) from error
    if found.dtype.kind == "O":
        raise UsageError(
            f"{name} cannot be read as an array of numbers",
            item=type(values).__name__,
            remedy="Give a numpy array, a tensor or nested lists of numbers",
        )
    return found


def raise_if_any(bad: ArrayLike, what: str, remedy: str, *, of: str = "", value: str | None = None) -> None:
    """Raise an error that names the first few rows that are bad, if any is.

    Args:
        bad: (rows,) true where a row is bad.
        what: what is wrong with them.
        remedy: what to do.
        of: the language or answer that the rows belong to.
        value: what was found in the first of them.

    Raises:
        UsageError: a row is bad.
    """
    rows = np.flatnonzero(bad).tolist()
    if rows:
        shown = ", ".join(map(str, rows[:_SHOWN_ROWS]))
        more = f" and {len(rows) - _SHOWN_ROWS:,} more" if len(rows) > _SHOWN_ROWS else ""
        owner = f" of {of}" if of else ""
        raise UsageError(what, item=f"rows {shown}{more}{owner}", value=value, remedy=remedy)
