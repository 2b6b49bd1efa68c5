"""Options that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import platformdirs
from cyclopts import Parameter, validators

from polyreel.cli.output import build_display

if TYPE_CHECKING:
    from polyreel.bundle import Bundle

__all__ = ["Json", "LibraryOption", "Seed", "default_library", "load_bundle"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout.")]
Seed = Annotated[int, Parameter(help="Seed of the resampling.", validator=validators.Number(gte=0))]
LibraryOption = Annotated[
    Path | None,
    Parameter(
        name="--library", help="Folder of the library; by default $POLYREEL_LIBRARY or a folder of yours."
    ),
]


def default_library(given: Path | None) -> Path:
    """The library that a command means."""
    if given is not None:
        return given.expanduser().absolute()
    override = os.environ.get("POLYREEL_LIBRARY")
    return Path(override) if override else Path(platformdirs.user_data_dir("polyreel")) / "library"


def load_bundle(name_or_folder: str) -> Bundle:
    """The bundle of that name or folder; one that can be built is built on first use, with progress."""
    from polyreel.bundle import Bundle, locate_bundle

    with build_display() as display:
        folder = locate_bundle(name_or_folder, download=display.download, step=display.step)
    return Bundle(folder)
