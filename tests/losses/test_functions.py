"""The losses as functions: against PyTorch's own cross-entropy, the modules, and wrong shapes."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

from polyreel import losses
from polyreel.errors import UsageError


def rows(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3


def test_pairs_in_one_language_cost_what_clip_says():
    text, video = rows(6, 0), rows(6, 1)
    scores = F.normalize(text) @ F.normalize(video).T / 0.07
    expected = (F.cross_entropy(scores, torch.arange(6)) + F.cross_entropy(scores.T, torch.arange(6))) / 2
    torch.testing.assert_close(losses.inter_modal_nce(text, video, temperature=0.07), expected)
    views = losses.intra_modal_nce(text, video, temperature=0.07)
    torch.testing.assert_close(views, F.cross_entropy(scores, torch.arange(6)))


def test_functions_are_the_modules():
    text, video = rows(8, 2).requires_grad_(), rows(4, 3).requires_grad_()
    owner, language = torch.arange(4).repeat_interleave(2), torch.tensor([0, 1]).repeat(4)
    concept = torch.tensor([0, 0, 1, 2])
    encoded = losses.Encoded(
        text=F.normalize(text),
        owner=owner,
        language=language,
        concept=concept,
        has_video=torch.ones(4, dtype=torch.bool),
        video=F.normalize(video),
    )
    apart = {"owner": owner, "language": language, "concept": concept}
    pairs = (
        (losses.inter_modal_nce(text, video, **apart), losses.InterModal()),
        (losses.text_contrastive_nce(text, **apart), losses.TextContrastive(temperature=0.1)),
        (losses.distillation_kl(text, video, owner, language, english=1), losses.Distillation(1)),
    )
    for value, module in pairs:
        torch.testing.assert_close(value, module(encoded))
        value.backward(retain_graph=True)
        assert text.grad.abs().max() > 0


def test_modules_are_summed_with_their_weights():
    encoded = losses.Encoded(
        text=F.normalize(rows(4, 4)),
        owner=torch.tensor([0, 0, 1, 1]),
        language=torch.tensor([0, 1, 0, 1]),
        concept=torch.arange(2),
        has_video=torch.ones(2, dtype=torch.bool),
        video=F.normalize(rows(2, 5)),
    )
    conditional = losses.ConditionalCrossLingual(losses.Conditioner(5).double(), weight=0.5)
    objectives = losses.Objectives([losses.InterModal(weight=2.0), conditional])
    found = objectives(encoded)
    expected = 2 * found.terms["inter_modal"] + found.terms["conditional_cross_lingual"] / 2
    torch.testing.assert_close(found.total, expected)


def test_the_temperature_can_be_a_parameter():
    temperature = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    losses.inter_modal_nce(rows(4, 0), rows(4, 1), temperature=temperature).backward()
    assert temperature.grad.abs() > 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: losses.inter_modal_nce(rows(4, 0), rows(3, 1)), "owner"),
        (lambda: losses.inter_modal_nce(rows(4, 0), rows(4, 1)[:, :3]), r"video.*\(4, 3\), not \(4, 5\)"),
        (lambda: losses.intra_modal_nce(rows(4, 0), rows(3, 1)), "masked"),
        (
            lambda: losses.text_contrastive_nce(rows(4, 0), torch.arange(4), torch.zeros(3)),
            r"language.*\(3,\), not \(4,\)",
        ),
    ],
)
def test_shapes_that_do_not_go_together_are_named(call, said):
    with pytest.raises(UsageError, match=said):
        call()


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "warm", torch.tensor(-0.1)])
def test_a_temperature_that_is_not_above_zero_is_refused(temperature):
    text, video = rows(4, 0), rows(4, 1)
    with pytest.raises(UsageError, match="a temperature must be"):
        losses.inter_modal_nce(text, video, temperature=temperature)
    if isinstance(temperature, float):
        with pytest.raises(UsageError, match="a temperature must be"):
            losses.InterModal(temperature=temperature)


def test_options_of_objectives_are_refused_by_name():
    with pytest.raises(UsageError, match="the weight of an objective must be above 0"):
        losses.IntraModal(weight=-1)
    # With types checked, as here in tests, the call itself is refused.
    with pytest.raises((UsageError, TypeCheckError), match="langauge"):
        losses.InterModal(average="langauge")
    with pytest.raises(UsageError, match="a temperature is one number"):
        losses.inter_modal_nce(rows(4, 0), rows(4, 1), temperature=torch.ones(2))
