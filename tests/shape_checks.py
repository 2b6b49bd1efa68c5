"""Puts the shape annotations of models and losses under check, for all tests that run after this import."""

from __future__ import annotations

import sys

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

_MODULES = (
    "losses.conditioner",
    "losses.encoded",
    "losses.nce",
    "losses.objectives",
    "models.adapters",
    "models.heads",
    "models.inputs",
    "models.layers",
    "models.pooling",
    "models.text",
    "models.towers",
    "models.video",
)

SHAPES_ARE_CHECKED = "polyreel.models.pooling" not in sys.modules
"""False where something imported the models earlier: then it is too late."""

# An int is a float to everybody else.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))

with install_import_hook([f"polyreel.{module}" for module in _MODULES], "shape_checks.typechecker"):
    import polyreel.losses.objectives
    import polyreel.models.towers  # noqa: F401
