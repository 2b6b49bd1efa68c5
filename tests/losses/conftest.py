"""Shapes checked at every call."""

from __future__ import annotations

import os

# Read when PyTorch is loaded: its threads would wait for each other on a shared machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shape_checks  # noqa: F401  before anything else imports the losses
