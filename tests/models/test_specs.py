"""What a recipe may say about a model, and what it is told where it may not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from polyreel.losses.objectives import OBJECTIVES
from polyreel.models.specs import ModelSpec, ObjectiveSpec, PoolingSpec, TextTowerSpec, VideoTowerSpec

OBJECTIVE = TypeAdapter(ObjectiveSpec)


def test_the_defaults_of_transformer_pooling_are_those_of_the_paper():
    spec = PoolingSpec()
    assert (spec.layers, spec.heads, spec.width) == (2, 4, 1024)
    assert ModelSpec().temperature == 0.1
    assert VideoTowerSpec().time_encoding == "none"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_objective_has_a_specification(name):
    spec = OBJECTIVE.validate_python({"name": name, "weight": 0.5})
    assert (spec.name, spec.weight) == (name, 0.5)
    assert OBJECTIVE.validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (PoolingSpec, {"width": 30, "heads": 4}, "'width' 30 must be a multiple of 'heads' 4"),
        (TextTowerSpec, {"pooling": "max"}, "'mean' or 'transformer'"),
        (TextTowerSpec, {"adapters": {"rank": 0}}, "greater than 0"),
        (TextTowerSpec, {"adapters": {"targets": ["querry"]}}, "'query'"),
        (TextTowerSpec, {"adapters": {"targets": ["key", "key"]}}, "one twice: key, key"),
        (TextTowerSpec, {"language_free": True, "frozen_below": 3}, "a frozen encoder"),
        (TextTowerSpec, {"language_free": True, "pooling": "transformer"}, "pooling 'mean'"),
        (TextTowerSpec, {"poling": "mean"}, "Extra inputs"),
        (VideoTowerSpec, {"pooling": "mean", "time_encoding": "sinusoidal"}, "nothing under mean pooling"),
        (VideoTowerSpec, {"pooling": "semantic", "head": "none"}, "needs a head"),
        (ModelSpec, {"prior_weight": 0.3}, "'language_free: true'"),
        (ModelSpec, {"temperature": 0}, "greater than 0"),
    ],
)
def test_what_does_not_fit_is_said(kind, fields, message):
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "intermodal"},
        {"name": "inter_modal", "pairs": "all"},
        {"name": "intra_modal", "mask_rate": 1},
    ],
)
def test_an_objective_takes_its_own_options_only(fields):
    with pytest.raises(ValidationError):
        OBJECTIVE.validate_python(fields)


def test_transformers_is_loaded_only_for_its_encoders():
    absent = {"transformers", "onnx", "beartype"}
    code = f"import sys, polyreel.models; print(*sorted({absent} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
