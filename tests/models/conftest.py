"""Shapes checked at every call, and encoders small enough to save and load in a test."""

from __future__ import annotations

from pathlib import Path

import pytest

import shape_checks  # noqa: F401  before anything else imports the model
import tiny_encoders
from polyreel.encoders.build.parts import load_e5
from polyreel.errors import FetchError


@pytest.fixture(scope="session")
def e5_weights_are_here() -> None:
    """Skips where the packaged text weights cannot be had."""
    try:
        load_e5()
    except FetchError as error:
        pytest.skip(f"the packaged text weights cannot be had: {error}")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random BERT of three layers with its tokenizer."""
    return tiny_encoders.save_bert(tmp_path_factory.mktemp("encoders") / "bert")


@pytest.fixture(scope="session")
def tiny_xlmr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random XLM-R of three layers with its tokenizer."""
    return tiny_encoders.save_xlmr(tmp_path_factory.mktemp("encoders") / "xlmr")
