"""What a step works with: model, objectives, optimiser, average, and where they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from polyreel.errors import TrainingError, UsageError
from polyreel.languages import Parts
from polyreel.losses.objectives import Objectives
from polyreel.models.inputs import TextInputs
from polyreel.models.specs import IntraModalSpec
from polyreel.models.towers import TwoTowers
from polyreel.training.averaging import Average
from polyreel.training.checkpoints import OBJECTIVES_PREFIX, Checkpoint, Tensors
from polyreel.training.distributed import Group
from polyreel.training.encoding import Views
from polyreel.training.optimiser import LazyAdamW
from polyreel.training.recipe import Recipe
from polyreel.training.schedule import rate_factor
from polyreel.training.text_memo import TextMemo

__all__ = ["Engine"]

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Engine:
    """Everything that a step changes.

    Args:
        recipe: of the run.
        model, objectives: on their device.
        total_steps: of the run.
        device: where to compute.
        group: the processes that share a batch.
        memo: what a frozen text encoder made of texts; None where there is none.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: TwoTowers,
        objectives: Objectives,
        *,
        total_steps: int,
        device: torch.device,
        group: Group,
        memo: TextMemo | None = None,
    ) -> None:
        self.recipe, self.model, self.objectives, self.total_steps = recipe, model, objectives, total_steps
        self.device, self.group, self.memo = device, group, memo
        self.named = _trained(model, objectives)
        rows = {
            id(part.weight) for part in model.modules() if isinstance(part, nn.EmbeddingBag) and part.sparse
        }
        self.sparse = [parameter for parameter in self.named.values() if id(parameter) in rows]
        # The loss uses these on every process alike; the towers see only a process's own part.
        shared = {id(model.log_temperature), *map(id, objectives.parameters())}
        self.shared = [parameter for parameter in self.named.values() if id(parameter) in shared]
        self.own = [parameter for parameter in self.named.values() if id(parameter) not in shared | rows]
        self.optimiser = LazyAdamW(_groups(self.named, recipe))
        ema = recipe.optimiser.ema
        self.average = None if ema is None else Average(self.named, ema)
        self.views = Views(
            model,
            device=device,
            autocast=self.autocast,
            micro_batch=recipe.batch.micro_batch,
            mask_rate=next((o.mask_rate for o in recipe.objectives if isinstance(o, IntraModalSpec)), None),
        )

    def autocast(self) -> AbstractContextManager[Any]:
        """What the towers run under."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bf16")

    def prepare(self, texts: tuple[str, ...], parts: tuple[Parts, ...]) -> TextInputs:
        """Texts as the tower reads them.

        Args:
            texts: Normalised.
            parts: The same by language.
        """
        if self.memo is None:
            return self.model.text.prepare(texts, parts)
        return TextInputs(features=torch.from_numpy(self.memo.of(texts)))

    def set_rate(self, step: int) -> float:
        """Set the learning rate of ``step``, from 0; returns that of all but the text encoder."""
        factor = rate_factor(step, self.total_steps, self.recipe.optimiser)
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        return self.recipe.optimiser.lr * factor

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """While this holds, the model computes as it would be exported."""
        was_training = self.model.training
        self.model.eval()
        try:
            with self.average.in_place() if self.average else contextlib.nullcontext(), torch.no_grad():
                yield
        finally:
            self.model.train(was_training)

    def state(self) -> dict[str, Tensors]:
        """What a checkpoint keeps, by file."""
        moments = {
            f"{name}/{kind}": torch.as_tensor(self.optimiser.state[parameter][kind])
            for name, parameter in self.named.items()
            if parameter in self.optimiser.state
            for kind in _MOMENTS
        }
        objectives = {
            f"{OBJECTIVES_PREFIX}{name}": tensor for name, tensor in self.objectives.state_dict().items()
        }
        parts = {"weights": {**self.model.own_state(), **objectives}, "optimiser": moments}
        return parts if self.average is None else {**parts, "average": self.average.values}

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of the same recipe.

        Raises:
            TrainingError: its tensors are not those of this model.
        """
        weights, average = checkpoint.tensors("weights"), checkpoint.tensors("average")
        moments = checkpoint.tensors("optimiser")
        try:
            self._load_weights(weights)
            if self.average is not None:
                self.average.load(average)
            groups = self.optimiser.state_dict()["param_groups"]
            places = _places(self.optimiser, self.named)
            state = {
                places[name]: {kind: moments[f"{name}/{kind}"] for kind in _MOMENTS}
                for name in self.named
                if f"{name}/step" in moments
            }
            self.optimiser.load_state_dict({"state": state, "param_groups": groups})
        except (KeyError, RuntimeError, UsageError) as error:
            raise TrainingError(
                "the checkpoint is of another model",
                item=checkpoint.folder,
                value=str(error).splitlines()[0],
                remedy="Resume with the recipe that it was made with",
            ) from error

    def _load_weights(self, weights: Tensors) -> None:
        prefix = OBJECTIVES_PREFIX
        self.model.load_own_state({name: t for name, t in weights.items() if not name.startswith(prefix)})
        self.objectives.load_state_dict(
            {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
        )


def _trained(model: TwoTowers, objectives: Objectives) -> dict[str, nn.Parameter]:
    named = [*model.named_parameters(), *objectives.named_parameters(prefix=OBJECTIVES_PREFIX.rstrip("."))]
    return {name: parameter for name, parameter in named if parameter.requires_grad}


def _groups(named: Mapping[str, nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    spec = recipe.optimiser
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        of_encoder = name.startswith("text.encoder.") and not name.endswith((".down", ".up"))
        rate = spec.encoder_lr if of_encoder and spec.encoder_lr is not None else spec.lr
        decay = spec.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "highest": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _places(optimiser: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]) -> dict[str, int]:
    """Name of a parameter -> its number in the optimiser's state."""
    order = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    return {name: order.index(id(parameter)) for name, parameter in named.items()}
