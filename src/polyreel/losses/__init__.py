"""Objectives of training on texts in several languages and videos, for a training loop of your own.

The functions take plain tensors. The modules take a whole batch as ``Encoded``; ``Objectives`` sums them with
their weights, as a recipe of ``polyreel train`` does. Needs the extra ``train``.
"""

from polyreel.losses.conditioner import Conditioner
from polyreel.losses.encoded import Encoded
from polyreel.losses.functions import (
    distillation_kl,
    inter_modal_nce,
    intra_modal_nce,
    text_contrastive_nce,
)
from polyreel.losses.objectives import (
    ConditionalCrossLingual,
    Distillation,
    InterModal,
    IntraModal,
    Objectives,
    TextContrastive,
)

__all__ = [
    "ConditionalCrossLingual",
    "Conditioner",
    "Distillation",
    "Encoded",
    "InterModal",
    "IntraModal",
    "Objectives",
    "TextContrastive",
    "distillation_kl",
    "inter_modal_nce",
    "intra_modal_nce",
    "text_contrastive_nce",
]
