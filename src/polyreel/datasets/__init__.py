"""Datasets: clips and captions in one schema, whatever the original format, and each as one table on disk.

``fetch_dataset`` and ``build_dataset`` make the table of a dataset that ``DATASETS`` lists; ``write_table``
makes one of any records. Everything here is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyreel.clips import Caption, Clip
    from polyreel.datasets.dataset import Dataset
    from polyreel.datasets.fetching import build_dataset, fetch_dataset
    from polyreel.datasets.records import Frames, Record, VideoFile, created_in, record_of
    from polyreel.datasets.registry import DATASETS, find_dataset
    from polyreel.datasets.store.feature_writer import write_features
    from polyreel.datasets.store.table import DatasetTable, open_table
    from polyreel.datasets.store.table_writer import write_table
    from polyreel.problems import Missing

__all__ = [
    "DATASETS",
    "Caption",
    "Clip",
    "Dataset",
    "DatasetTable",
    "Frames",
    "Missing",
    "Record",
    "VideoFile",
    "build_dataset",
    "created_in",
    "fetch_dataset",
    "find_dataset",
    "open_table",
    "record_of",
    "write_features",
    "write_table",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # or a type checker would believe that any name is here

    def __getattr__(name: str) -> object:
        """Import what is used for the first time (PEP 562)."""
        match name:
            case "Caption" | "Clip":
                import polyreel.clips as module
            case "Dataset":
                import polyreel.datasets.dataset as module
            case "build_dataset" | "fetch_dataset":
                import polyreel.datasets.fetching as module
            case "Frames" | "Record" | "VideoFile" | "created_in" | "record_of":
                import polyreel.datasets.records as module
            case "DATASETS" | "find_dataset":
                import polyreel.datasets.registry as module
            case "write_features":
                import polyreel.datasets.store.feature_writer as module
            case "DatasetTable" | "open_table":
                import polyreel.datasets.store.table as module
            case "write_table":
                import polyreel.datasets.store.table_writer as module
            case "Missing":
                import polyreel.problems as module
            case _:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)
