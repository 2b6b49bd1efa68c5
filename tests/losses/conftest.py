"""Shapes checked at every call."""

from __future__ import annotations

import shape_checks  # noqa: F401  before anything else imports the losses
