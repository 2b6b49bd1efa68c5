"""Every objective against loops in float64, against cases worked out by hand, and at its edges."""

from __future__ import annotations

import math
from dataclasses import replace

import loops
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyreel.errors import UsageError
from polyreel.losses import conditional as conditional_module
from polyreel.losses import nce as nce_module
from polyreel.losses.conditioner import Conditioner
from polyreel.losses.encoded import Encoded
from polyreel.losses.objectives import OBJECTIVES, build_objectives
from polyreel.models.specs import (
    ConditionalCrossLingualSpec,
    DistillationSpec,
    InterModalSpec,
    IntraModalSpec,
    PoolingSpec,
    TextContrastiveSpec,
)

LANGUAGES = ("en", "de", "sw")
DIM = 6
TINY = PoolingSpec(layers=1, heads=2, width=8)
SPECS = {
    "inter_modal": InterModalSpec(),
    "intra_modal": IntraModalSpec(),
    "conditional_cross_lingual": ConditionalCrossLingualSpec(conditioner=TINY),
    "distillation": DistillationSpec(),
    "text_contrastive": TextContrastiveSpec(),
}
TENTH = torch.tensor(0.1, dtype=torch.float64)


def term(spec, encoded: Encoded, temperature=TENTH) -> torch.Tensor:
    objectives = built(spec, encoded.text.shape[1])
    return objectives.to(encoded.text.dtype)(encoded, temperature).terms[spec.name]


def built(spec, dim: int):
    """The term with random weights; what starts at zero has some, too."""
    torch.manual_seed(0)
    objectives = build_objectives([spec], dim=dim, languages=LANGUAGES)
    if spec.name == "conditional_cross_lingual":
        torch.nn.init.normal_(objectives.terms[spec.name].conditioner.out.weight)
    return objectives


def random_batch(seed: int, *, items: int = 5, texts: int = 14) -> Encoded:
    """Some items without video, concepts shared by items, languages missing here and there."""
    generator = np.random.default_rng(seed)

    def vectors(rows: int) -> torch.Tensor:
        drawn = generator.normal(size=(rows, DIM))
        return torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).requires_grad_()

    return Encoded(
        text=vectors(texts),
        owner=torch.from_numpy(generator.integers(0, items, texts)),
        language=torch.from_numpy(generator.integers(0, len(LANGUAGES), texts)),
        concept=torch.from_numpy(generator.integers(0, items, items)),
        has_video=torch.from_numpy(generator.random(items) < 0.7),
        video=vectors(items),
        text_masked=vectors(texts),
        video_masked=vectors(items),
    )


def as_arrays(encoded: Encoded) -> loops.Batch:
    fields = ("text", "owner", "language", "concept", "has_video", "video", "text_masked", "video_masked")
    values = {field: getattr(encoded, field) for field in fields}
    return loops.Batch(**{f: None if v is None else v.detach().numpy() for f, v in values.items()})


def conditioner_of(spec: ConditionalCrossLingualSpec):
    conditioner = built(spec, DIM).double().terms[spec.name].conditioner

    return lambda text, video: conditioner(torch.from_numpy(text), torch.from_numpy(video)).detach().numpy()


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from(["language", "text"]))
def test_each_term_is_what_the_loops_say(seed, average):
    encoded = random_batch(seed)
    batch, t = as_arrays(encoded), 0.1
    near = ConditionalCrossLingualSpec(conditioner=TINY, average=average, negatives=2)
    conditional = ConditionalCrossLingualSpec(conditioner=TINY, average=average)
    seen = conditioner_of(conditional)
    expected = [
        (InterModalSpec(average=average), loops.inter_modal(batch, t, average)),
        (IntraModalSpec(average=average), loops.intra_modal(batch, t, average)),
        (conditional, loops.conditional(batch, seen, t, average=average)),
        (near, loops.conditional(batch, seen, t, average=average, ahead=2)),
        (
            DistillationSpec(average=average, sharpness=0.5),
            loops.distillation(batch, t, average, english=0, sharpness=0.5),
        ),
        *(
            (
                TextContrastiveSpec(average=average, pairs=pairs),
                loops.text_pairs(batch, batch.text, t, average=average, pairs=pairs, with_video=False),
            )
            for pairs in ("languages", "all")
        ),
    ]
    for spec, value in expected:
        assert term(spec, encoded).item() == pytest.approx(value, rel=1e-9, abs=1e-9), spec.name


def three_by_three(**changes: object) -> Encoded:
    """Three items along three axes, each with an English and a German text on the same axis."""
    axes = torch.eye(3, dtype=torch.float64)
    fields = {
        "text": torch.cat([axes, axes]),
        "owner": torch.tensor([0, 1, 2, 0, 1, 2]),
        "language": torch.tensor([0, 0, 0, 1, 1, 1]),
        "concept": torch.tensor([0, 1, 2]),
        "has_video": torch.ones(3, dtype=torch.bool),
        "video": axes,
        "text_masked": torch.cat([axes, axes]),
        "video_masked": axes,
    }
    return Encoded(**(fields | changes))


ONE = torch.tensor(1.0, dtype=torch.float64)
# One positive with cosine 1 against two negatives with cosine 0, at temperature 1: -log(e / (e + 1 + 1)).
MATCHED = math.log(math.e + 2) - 1


@pytest.mark.parametrize("name", ["inter_modal", "intra_modal", "text_contrastive"])
def test_three_matched_items_cost_what_the_formula_says_by_hand(name):
    assert term(SPECS[name], three_by_three(), ONE).item() == pytest.approx(MATCHED)


def test_a_lower_temperature_sharpens():
    # -log(e^10 / (e^10 + 2))
    expected = math.log(math.exp(10) + 2) - 10
    assert term(InterModalSpec(), three_by_three()).item() == pytest.approx(expected)
    assert term(InterModalSpec(temperature=0.1), three_by_three(), ONE).item() == pytest.approx(expected)


def test_items_of_one_concept_are_no_negatives_by_hand():
    # Items 0 and 1 show the same: each has one negative left, item 2 still has two.
    encoded = three_by_three(concept=torch.tensor([7, 7, 9]))
    expected = (2 * (math.log(math.e + 1) - 1) + MATCHED) / 3
    for name in ("inter_modal", "intra_modal", "text_contrastive"):
        assert term(SPECS[name], encoded, ONE).item() == pytest.approx(expected), name


def test_swapped_german_texts_cost_by_hand():
    axes = torch.eye(3, dtype=torch.float64)
    encoded = three_by_three(text=torch.cat([axes, axes[[1, 0, 2]]]))
    # A swapped text has cosine 0 with its video and meets one negative of cosine 1: -log(1 / (1 + e + 1)).
    swapped = math.log(math.e + 2)
    german = (2 * swapped + MATCHED) / 3
    assert term(InterModalSpec(), encoded, ONE).item() == pytest.approx((MATCHED + german) / 2)


def test_distillation_by_hand():
    # English is sure of its own video: softmax of (1, 0, 0); German sees none of the three: (1/3, 1/3, 1/3).
    encoded = three_by_three(text=torch.cat([torch.eye(3), torch.zeros(3, 3)]).double())
    own, other = math.e / (math.e + 2), 1 / (math.e + 2)
    expected = own * math.log(3 * own) + 2 * other * math.log(3 * other)
    assert term(DistillationSpec(), encoded, ONE).item() == pytest.approx(expected)
    assert term(DistillationSpec(), three_by_three(), ONE).item() == pytest.approx(0, abs=1e-12)


def test_the_teacher_gets_no_gradient():
    text = torch.nn.functional.normalize(torch.randn(6, 3, dtype=torch.float64)).requires_grad_()
    term(DistillationSpec(), three_by_three(text=text)).backward()
    assert text.grad[:3].abs().max() == 0
    assert text.grad[3:].abs().max() > 0


def test_the_videos_alone_tell_nothing_of_the_conditional_term():
    """With a conditioner that hands through the video, every candidate is alike: chance, log(1 + 2)."""
    spec = SPECS["conditional_cross_lingual"]
    objectives = build_objectives([spec], dim=3, languages=LANGUAGES).double()

    class Video(torch.nn.Module):
        def forward(self, text, video):
            return video

    objectives.terms[spec.name].conditioner = Video()
    assert objectives(three_by_three(), ONE).total.item() == pytest.approx(math.log(3))


def test_the_texts_alone_are_the_text_contrastive_term():
    spec = SPECS["conditional_cross_lingual"]
    objectives = build_objectives([spec], dim=DIM, languages=LANGUAGES).double()

    class Text(torch.nn.Module):
        def forward(self, text, video):
            return text

    objectives.terms[spec.name].conditioner = Text()
    encoded = random_batch(8)
    with_video = encoded.has_video[encoded.owner]
    seen = replace(
        encoded,
        text=encoded.text[with_video],
        owner=encoded.owner[with_video],
        language=encoded.language[with_video],
        text_masked=None,
    )
    expected = term(SPECS["text_contrastive"], seen)
    assert objectives(encoded, TENTH).total.item() == pytest.approx(expected.item())


class ToyLanguages:
    """Two languages and videos of the same items, each a rotation of its own: nothing is aligned.

    A linear map for each is all that is trained; every batch is of new items.
    """

    items, dim = 24, 16

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.rotations = [torch.linalg.qr(torch.randn(self.dim, self.dim))[0] for _ in range(3)]
        self.maps = torch.nn.ModuleList(torch.nn.Linear(self.dim, self.dim, bias=False) for _ in range(3))

    def vectors(self, *, constant_text: bool = False) -> list[torch.Tensor]:
        """(items, dim) of new items in English and in German, and of their videos."""
        shown = torch.randn(self.items, self.dim)
        shown = [shown, shown, shown]
        if constant_text:
            shown[:2] = [rows[:1].expand(self.items, -1) for rows in shown[:2]]
        rotated = (rows @ rotation for rows, rotation in zip(shown, self.rotations, strict=True))
        return [
            torch.nn.functional.normalize(of(rows), dim=1)
            for of, rows in zip(self.maps, rotated, strict=True)
        ]

    def train(self, spec, steps: int, *, constant_text: bool = False) -> list[float]:
        """The loss of every step, of one term alone."""
        objectives = build_objectives([spec], dim=self.dim, languages=["en", "de"])
        optimiser = torch.optim.Adam([*self.maps.parameters(), *objectives.parameters()], lr=0.02)
        losses = []
        for _ in range(steps):
            english, german, video = self.vectors(constant_text=constant_text)
            encoded = Encoded(
                text=torch.cat([english, german]),
                owner=torch.arange(self.items).repeat(2),
                language=torch.arange(2).repeat_interleave(self.items),
                concept=torch.arange(self.items),
                has_video=torch.ones(self.items, dtype=torch.bool),
                video=video,
            )
            loss = objectives(encoded, torch.tensor(0.1)).total
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses

    @torch.no_grad()
    def found(self) -> float:
        """R@1 of new German texts asked for by their English ones."""
        english, german, _ = self.vectors()
        return float(((english @ german.T).argmax(dim=1) == torch.arange(self.items)).float().mean())


CONDITIONAL = ConditionalCrossLingualSpec(conditioner=PoolingSpec(layers=1, heads=2, width=16))


def test_constant_text_cannot_solve_the_conditional_term():
    """Where the texts of a language are all alike, none can be told from the others, whatever videos do."""
    toy = ToyLanguages()
    losses = toy.train(CONDITIONAL, 30, constant_text=True)
    assert min(losses) > 0.9 * math.log(toy.items)


def test_the_conditional_term_alone_aligns_two_languages():
    toy = ToyLanguages()
    assert toy.found() < 0.3
    losses = toy.train(CONDITIONAL, 60)
    assert losses[-1] < 0.1 * losses[0]
    assert toy.found() >= 0.95


def test_a_view_that_lost_nothing_is_not_looked_for():
    """Texts and videos that the mask left whole are no anchors; as negatives they stay."""
    encoded = random_batch(4)
    changed = {
        "text_changed": torch.arange(len(encoded.text)) % 3 != 0,
        "video_changed": torch.tensor([True, False, True, True, True]),
    }
    far = torch.where(changed["text_changed"][:, None], encoded.text_masked, -encoded.text_masked).detach()
    value = term(IntraModalSpec(average="text"), replace(encoded, **changed))
    assert value.item() != pytest.approx(term(IntraModalSpec(average="text"), encoded).item())
    moved = term(IntraModalSpec(average="text"), replace(encoded, **changed, text_masked=far))
    assert moved.item() != pytest.approx(value.item()), "it is a negative still"
    none = {name: torch.zeros_like(rows) for name, rows in changed.items()}
    assert term(IntraModalSpec(), replace(encoded, **none)).item() == 0
    every = {name: torch.ones_like(rows) for name, rows in changed.items()}
    same = term(IntraModalSpec(), replace(encoded, **every))
    assert same.item() == pytest.approx(term(IntraModalSpec(), encoded).item())


def test_a_text_is_seen_with_its_video_and_not_taken_for_it():
    torch.manual_seed(0)
    conditioner = Conditioner(DIM, TINY)
    torch.testing.assert_close(conditioner(*2 * [torch.eye(DIM)]), torch.eye(DIM))  # at first, the text
    torch.nn.init.normal_(conditioner.out.weight)
    text, video, other = (torch.nn.functional.normalize(torch.randn(4, DIM)) for _ in range(3))
    seen = conditioner(text, video)
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(4))
    for changed in (conditioner(text, other), conditioner(other, video), conditioner(video, text)):
        assert (changed - seen).abs().amax(dim=1).min() > 1e-3
    torch.testing.assert_close(conditioner(text[:1], video[:1]), seen[:1])


@pytest.mark.parametrize("name", SPECS)
def test_gradients_are_those_of_finite_differences(name):
    encoded = random_batch(3)
    tensors = (encoded.text, encoded.video, encoded.text_masked, encoded.video_masked)
    english, still = (encoded.language == 0)[:, None], encoded.text.detach().clone()

    def of(text, video, text_masked, video_masked):
        if name == "distillation":  # its teacher is held still, as the objective does
            text = torch.where(english, still, text)
        changed = Encoded(
            text=text,
            owner=encoded.owner,
            language=encoded.language,
            concept=encoded.concept,
            has_video=encoded.has_video,
            video=video,
            text_masked=text_masked,
            video_masked=video_masked,
        )
        return term(SPECS[name], changed)

    if name == "distillation":
        tensors = (encoded.text, encoded.video.detach(), encoded.text_masked, encoded.video_masked)
    assert torch.autograd.gradcheck(of, tensors, atol=1e-6, fast_mode=True)


@pytest.mark.parametrize("name", SPECS)
def test_a_batch_of_one_item_costs_nothing_it_cannot_judge(name):
    encoded = three_by_three(
        text=torch.eye(3, dtype=torch.float64)[:2].requires_grad_(),
        owner=torch.tensor([0, 0]),
        language=torch.tensor([0, 1]),
        concept=torch.tensor([4]),
        has_video=torch.tensor([True]),
        video=torch.eye(3, dtype=torch.float64)[:1],
        text_masked=torch.eye(3, dtype=torch.float64)[:2],
        video_masked=torch.eye(3, dtype=torch.float64)[:1],
    )
    value = term(SPECS[name], encoded)
    assert value.item() == 0
    value.backward()
    assert encoded.text.grad is None or encoded.text.grad.abs().max() == 0


@pytest.mark.parametrize("name", SPECS)
def test_text_without_video_gives_zero_or_the_text_term_and_always_a_gradient(name):
    encoded = three_by_three(
        video=None,
        video_masked=None,
        has_video=torch.zeros(3, dtype=torch.bool),
        text=three_by_three().text.requires_grad_(),
    )
    value = term(SPECS[name], encoded, ONE)
    value.backward()
    assert value.item() == pytest.approx(MATCHED if name in {"intra_modal", "text_contrastive"} else 0)
    assert encoded.text.grad.isfinite().all()


@pytest.mark.parametrize("name", SPECS)
def test_what_stands_in_a_row_without_video_does_not_matter(name):
    encoded = random_batch(5)
    assert not encoded.has_video.all()
    spoilt = {
        field: torch.where(encoded.has_video[:, None], getattr(encoded, field), 9.0).detach()
        for field in ("video", "video_masked")
    }
    other = Encoded(
        text=encoded.text,
        owner=encoded.owner,
        language=encoded.language,
        concept=encoded.concept,
        has_video=encoded.has_video,
        text_masked=encoded.text_masked,
        **spoilt,
    )
    assert term(SPECS[name], other).item() == pytest.approx(term(SPECS[name], encoded).item())


@pytest.mark.parametrize("name", SPECS)
def test_blocks_change_neither_value_nor_gradient(name, monkeypatch):
    def value_and_gradient():
        encoded = random_batch(11, items=9, texts=40)
        value = term(SPECS[name], encoded)
        value.backward()
        return value.item(), encoded.text.grad

    whole, gradient = value_and_gradient()
    monkeypatch.setattr(nce_module, "_ROWS_AT_ONCE", 3)
    monkeypatch.setattr(conditional_module, "_ROWS_AT_ONCE", 45)
    blocked, blocked_gradient = value_and_gradient()
    assert blocked == pytest.approx(whole, rel=1e-12)
    torch.testing.assert_close(blocked_gradient, gradient, rtol=1e-10, atol=1e-12)


def test_half_precision_around_the_terms_does_not_reach_them():
    encoded = random_batch(2)
    single = Encoded(
        **{
            field: value.detach().float() if value.is_floating_point() else value
            for field in Encoded.__slots__
            if (value := getattr(encoded, field)) is not None
        }
    )
    exact = term(InterModalSpec(), encoded).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert term(InterModalSpec(), single, torch.tensor(0.1)).item() == pytest.approx(exact, rel=1e-5)


def test_the_temperature_can_be_learnt():
    temperature = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    term(InterModalSpec(), random_batch(1), temperature).backward()
    assert temperature.grad.abs() > 0


def test_terms_are_weighted_and_named():
    specs = [InterModalSpec(weight=2.0), TextContrastiveSpec(weight=0.5)]
    objectives = build_objectives(specs, dim=3, languages=LANGUAGES)
    losses = objectives(three_by_three(), ONE)
    assert {name: value.item() for name, value in losses.terms.items()} == pytest.approx(
        {"inter_modal": MATCHED, "text_contrastive": MATCHED}
    )
    assert losses.total.item() == pytest.approx(2.5 * MATCHED)
    assert objectives.requires == {"video", "languages"}


def test_what_each_term_requires():
    requires = {
        name: build_objectives([spec], dim=DIM, languages=LANGUAGES).requires for name, spec in SPECS.items()
    }
    assert requires == {
        "inter_modal": {"video"},
        "intra_modal": {"masked"},
        "conditional_cross_lingual": {"video", "languages"},
        "distillation": {"video", "languages", "english"},
        "text_contrastive": {"languages"},
    }
    assert OBJECTIVES.keys() == requires.keys()


@pytest.mark.parametrize(
    ("specs", "languages", "message"),
    [
        ([], LANGUAGES, r"different objectives \(none\)"),
        ([InterModalSpec(), InterModalSpec()], LANGUAGES, "inter_modal, inter_modal"),
        ([DistillationSpec()], ("de", "sw"), r"learns from English \(de, sw\).*Add 'en'"),
    ],
)
def test_what_is_wrong_with_a_list_of_terms_is_said(specs, languages, message):
    with pytest.raises(UsageError, match=message):
        build_objectives(specs, dim=DIM, languages=languages)
