"""Two towers into one space, and the objectives that shape it. Needs the extra ``train``."""

from polyreel.model.encoded import Encoded
from polyreel.model.inputs import TextInputs, mask_frames
from polyreel.model.objectives import OBJECTIVES, Losses, Objective, Objectives, build_objectives
from polyreel.model.specs import (
    AdapterSpec,
    ConditionalCrossLingualSpec,
    DistillationSpec,
    InterModalSpec,
    IntraModalSpec,
    ModelSpec,
    ObjectiveSpec,
    PoolingSpec,
    ScratchSpec,
    TextContrastiveSpec,
    TextTowerSpec,
    VideoTowerSpec,
)
from polyreel.model.text import TextTower
from polyreel.model.towers import TwoTowers, WithPrior, build_model
from polyreel.model.video import VideoTower

__all__ = [
    "OBJECTIVES",
    "AdapterSpec",
    "ConditionalCrossLingualSpec",
    "DistillationSpec",
    "Encoded",
    "InterModalSpec",
    "IntraModalSpec",
    "Losses",
    "ModelSpec",
    "Objective",
    "ObjectiveSpec",
    "Objectives",
    "PoolingSpec",
    "ScratchSpec",
    "TextContrastiveSpec",
    "TextInputs",
    "TextTower",
    "TextTowerSpec",
    "TwoTowers",
    "VideoTower",
    "VideoTowerSpec",
    "WithPrior",
    "build_model",
    "build_objectives",
    "mask_frames",
]
