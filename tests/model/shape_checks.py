"""Puts the shape annotations of ``polyreel.model`` under check, for all tests that run after this import."""

from __future__ import annotations

import sys

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

_MODULES = (
    "adapters",
    "conditioner",
    "encoded",
    "heads",
    "inputs",
    "layers",
    "nce",
    "objectives",
    "pooling",
    "text",
    "towers",
    "video",
)

SHAPES_ARE_CHECKED = "polyreel.model" not in sys.modules
"""False where something imported the model earlier: then it is too late."""

# An int is a float to everybody else.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))

with install_import_hook([f"polyreel.model.{module}" for module in _MODULES], "shape_checks.typechecker"):
    import polyreel.model  # noqa: F401
