"""AdamW that also follows sparse gradients, and the clipping of both kinds.

The table of a ``HashedBag`` has a hundred thousand rows, of which a step sees some thousands. Everything here
costs what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LazyAdamW", "clip_gradients", "summed_rows"]


class LazyAdamW(torch.optim.AdamW):
    """AdamW; of a parameter with a sparse gradient only the rows that it has are changed.

    A row that a step does not see keeps its weights and its moments as they are: neither do its moments fade
    nor its weights decay until it is seen again. Where all rows are seen, it is AdamW (Loshchilov and Hutter
    2019). PyTorch's ``SparseAdam`` treats moments likewise and has no weight decay.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Follow the gradients.

        Args:
            closure: As in AdamW.
        """
        sparse = [
            (parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for parameter, _, _ in sparse:
            parameter.grad = None
        loss: float | None = super().step(closure)
        for parameter, gradient, group in sparse:
            self._follow(parameter, gradient.coalesce(), group)
            parameter.grad = gradient
        return loss

    def _follow(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        step, rows, values = float(state["step"]), gradient.indices()[0], gradient.values()
        mean = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(beta2)
        square.addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        weights = parameter.index_select(0, rows).mul_(1 - group["lr"] * group["weight_decay"])
        scale = square.div_(1 - beta2**step).sqrt_().add_(group["eps"])
        weights.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**step))
        parameter.index_copy_(0, rows, weights)


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float | None) -> Tensor:
    """Scale the gradients so that all of them together are no longer than ``limit``; their length before.

    Sparse gradients are put together: a row comes once afterwards.

    Args:
        parameters: With gradients.
        limit: Largest length; None scales nothing.

    Returns:
        Scalar, Euclidean length over all parameters.
    """
    known = [parameter for parameter in parameters if parameter.grad is not None]
    dense = [parameter for parameter in known if not _gradient(parameter).is_sparse]
    sparse = [parameter for parameter in known if _gradient(parameter).is_sparse]
    for parameter in sparse:
        parameter.grad = _gradient(parameter).coalesce()
    values = [_gradient(parameter).values() for parameter in sparse]
    length = torch.nn.utils.get_total_norm([*map(_gradient, dense), *values])
    if limit is not None:
        torch.nn.utils.clip_grads_with_norm_(dense, limit, length)
        for found in values:
            found.mul_((limit / (length + 1e-6)).clamp(max=1.0))
    return length


def summed_rows(parts: Iterable[tuple[Tensor, Tensor]], shape: torch.Size) -> Tensor:
    """The sum of sparse gradients as one, a row at most once.

    Args:
        parts: Rows, (n,), and their values, (n, width), of each.
        shape: Of the parameter.
    """
    rows, values = zip(*parts, strict=True)
    return torch.sparse_coo_tensor(torch.cat(rows)[None], torch.cat(values), shape).coalesce()


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
