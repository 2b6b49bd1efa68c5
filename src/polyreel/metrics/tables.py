"""Results that plain Python and pandas can read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from polyreel.errors import UsageError
from polyreel.extras import install_packages

__all__ = ["Tabular", "data_frame"]


class Tabular:
    """Base of results: the fields of a dataclass as plain values, or as a table."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, ready for ``json.dumps``."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def to_frame(self) -> Any:
        """A pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        return data_frame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table."""
        return [self.to_dict()]


def data_frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Rows as a pandas DataFrame.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise UsageError(
            "a data frame needs pandas, which is not installed",
            remedy=f"Install it with: {install_packages('pandas')}; or use to_dict()",
        ) from error
    return pd.DataFrame(list(rows))


def _plain(value: Any) -> Any:
    if isinstance(value, Tabular):
        return value.to_dict()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
