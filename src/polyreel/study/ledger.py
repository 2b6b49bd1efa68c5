"""How the verdict on a claim follows from intervals.

A verdict is computed, never written: it is ``supported`` where the whole 95% interval lies on the claim's
side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from polyreel.report.wording import measure
from polyreel.study.claims import AboveChance, ArmDifference, ClaimSpec, RelativeLoss, ShareKept
from polyreel.study.design import GAP, OTHERS, Spec
from polyreel.study.summary import Estimated, StudyResults

__all__ = ["Claim", "MeasuredFigure", "Verdict", "judge_claims"]

Verdict = Literal["supported", "not supported", "cannot be tested here"]
_SHARE = "share of English above chance"


class MeasuredFigure(Spec):
    """A figure that a claim stands or falls with.

    Attributes:
        what: What is measured.
        value, low, high: The figure with its 95% interval, in ``unit``.
        unit: Points of R@1 or accuracy, or a share.
        needs_above: The claim holds if all of the interval lies above this.
        detectable: Smallest difference that could have been seen; None where it is not a difference.
        decides: Whether the verdict looks at it; others stand beside it.
    """

    what: str
    value: float
    low: float
    high: float
    unit: str = "points"
    needs_above: float = 0.0
    detectable: float | None = None
    decides: bool = True

    @property
    def holds(self) -> bool:
        """Whether all of the interval is on the claim's side."""
        return self.low > self.needs_above

    @property
    def fails(self) -> bool:
        """Whether all of it is on the other side."""
        return self.high < self.needs_above


class Claim(Spec):
    """One line of the ledger.

    Attributes:
        number, sentence, experiment, refuted_if, would_test: As in ``ClaimSpec``.
        measured: What was found.
        verdict: Computed from ``measured``.
        because: Why, in a sentence.
    """

    number: int
    sentence: str
    experiment: str
    refuted_if: str
    measured: tuple[MeasuredFigure, ...] = ()
    verdict: Verdict
    because: str
    would_test: str


def judge_claims(claims: Sequence[ClaimSpec], results: StudyResults) -> tuple[Claim, ...]:
    """Each claim with what a study measured for it.

    One encoder decides; what was measured with the others stands beside it.
    """
    return tuple(_judged(claim, results) for claim in claims)


def _judged(spec: ClaimSpec, results: StudyResults) -> Claim:
    recipe = results.recipe
    decider = next(iter(recipe.pretraining if spec.encoder == "pretrained" else recipe.encoders), None)
    measured: list[MeasuredFigure] = []
    # The deciding encoder comes first, and False before True.
    for encoder in sorted(recipe.encoders, key=lambda name: name != decider):
        for wanted in spec.measures:
            found = _MEASURES[type(wanted)](wanted, results, encoder)
            if found is not None:
                changes = {
                    "what": f"{found.what}, {encoder}",
                    "decides": wanted.decides and encoder == decider,
                }
                measured.append(found.model_copy(update=changes))
    verdict, because = _verdict(spec, [found for found in measured if found.decides])
    return Claim(
        number=spec.number,
        sentence=spec.sentence,
        experiment=spec.experiment,
        refuted_if=spec.refuted_if,
        measured=tuple(measured),
        verdict=verdict,
        because=f"{because} {spec.caveat}".strip(),
        would_test=spec.would_test,
    )


def _verdict(spec: ClaimSpec, deciding: Sequence[MeasuredFigure]) -> tuple[Verdict, str]:
    if spec.untestable and not deciding:
        return "cannot be tested here", spec.untestable
    if not deciding:
        return "cannot be tested here", "This study's recipe leaves out an arm or benchmark that it needs."
    if all(found.holds for found in deciding):
        return "supported", "All of the interval lies on the claim's side."
    if failed := [found.what for found in deciding if found.fails]:
        return "not supported", f"All of the interval lies on the other side: {'; '.join(failed)}."
    seen = [
        f"{found.what} (a difference of {found.detectable:.1f} would have been seen)"
        if found.detectable is not None
        else found.what
        for found in deciding
        if not found.holds
    ]
    return "not supported", f"The interval leaves it open: {'; '.join(seen)}."


def _difference(wanted: ArmDifference, results: StudyResults, encoder: str) -> MeasuredFigure | None:
    benchmark = wanted.benchmark or results.first_retrieval
    one, other = wanted.arms
    found = results.contrast(encoder, one, other, benchmark, wanted.outcome)
    if found is not None:
        value, low, high = found.difference, found.low, found.high
    elif (found := results.contrast(encoder, other, one, benchmark, wanted.outcome)) is not None:
        value, low, high = -found.difference, -found.high, -found.low
    else:
        return None
    return MeasuredFigure(
        what=f"{one} minus {other}, {wanted.outcome}, {benchmark}",
        value=value,
        low=low,
        high=high,
        needs_above=wanted.above,
        detectable=found.detectable,
    )


def _above_chance(wanted: AboveChance, results: StudyResults, encoder: str) -> MeasuredFigure | None:
    benchmark = wanted.benchmark or results.first_retrieval
    arm = wanted.arms[0]
    found, fact = results.figure(encoder, arm, benchmark), results.fact(benchmark)
    if found is None or fact is None:
        return None
    chance = 100 / fact.gallery
    tags = [tag for tag in fact.languages if tag != "en"]
    if wanted.language == "others" and OTHERS in found.figures:
        figure: Estimated = found.figures[OTHERS]
        what = f"{arm} outside English, {benchmark}, against chance ({chance:.1f})"
    elif wanted.language == "worst" and tags:
        worst = min(tags, key=lambda tag: found.figures[tag].low)
        figure = found.figures[worst]
        what = f"{arm} in {worst}, the worst language, against chance ({chance:.2f}), {benchmark}"
    else:
        return None
    return MeasuredFigure(
        what=what,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        unit=measure(fact.metric).title,
        needs_above=chance,
    )


def _relative_loss(wanted: RelativeLoss, results: StudyResults, encoder: str) -> MeasuredFigure | None:
    """The interval treats the two losses as independent."""
    one, other = (name or results.first_retrieval for name in (wanted.benchmark, wanted.against))
    first, second = wanted.arms
    a, b = _loss(results, encoder, first, one), _loss(results, encoder, second, other)
    if a is None or b is None:
        return None
    reach = ((a[1] / 2) ** 2 + (b[1] / 2) ** 2) ** 0.5 if a[1] and b[1] else 0.0
    what = f"relative loss outside English: {first} on {one} minus {second} on {other}"
    return _share(what, a[0] - b[0], reach)


def _share_kept(wanted: ShareKept, results: StudyResults, encoder: str) -> MeasuredFigure | None:
    benchmark, arm = wanted.benchmark or results.first_retrieval, wanted.arms[0]
    loss = _loss(results, encoder, arm, benchmark)
    if loss is None:
        return None
    what = f"{arm}, what is kept outside English, {benchmark}"
    return _share(what, 1 - loss[0], loss[1] / 2, above=wanted.above)


def _share(what: str, value: float, reach: float, *, above: float = 0.0) -> MeasuredFigure:
    return MeasuredFigure(
        what=what,
        value=round(value, 4),
        low=round(value - reach, 4),
        high=round(value + reach, 4),
        unit=_SHARE,
        needs_above=above,
    )


def _loss(results: StudyResults, encoder: str, arm: str, benchmark: str) -> tuple[float, float] | None:
    """Loss outside English as a share of English above chance, and the length of its interval."""
    found, fact = results.figure(encoder, arm, benchmark), results.fact(benchmark)
    if found is None or fact is None or GAP not in found.figures:
        return None
    above = found.figures["en"].value - 100 / fact.gallery
    if above <= 0:
        return None
    gap = found.figures[GAP]
    return gap.value / above, (gap.high - gap.low) / above


_MEASURES: Mapping[type, Callable[[Any, StudyResults, str], MeasuredFigure | None]] = {
    ArmDifference: _difference,
    AboveChance: _above_chance,
    RelativeLoss: _relative_loss,
    ShareKept: _share_kept,
}
