"""What a claim is, and how its verdict follows from intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from polyreel.study.recipe import StudyRecipe
from polyreel.study.summary import StudyResults

__all__ = ["Claim", "Measured", "Row", "Verdict", "judged"]

Verdict = Literal["supported", "not supported", "cannot be tested here"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Document):
    """A figure that a claim stands or falls with.

    Attributes:
        what: is measured.
        value, low, high: with its 95% interval, in ``unit``.
        unit: points of R@1 or accuracy, or a share.
        needs_above: the claim holds if all of the interval lies above this.
        detectable: smallest difference that could have been seen; None where it is no difference.
        decides: whether the verdict looks at it; others stand beside it.
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


class Claim(_Document):
    """One line of the ledger.

    Attributes:
        number: as in the document that the project started from; 0 for the research question.
        sentence: the claim.
        experiment: that tests it here; empty if none does.
        refuted_if: what would speak against it.
        measured: what was found.
        verdict: computed from ``measured``.
        because: why, in a sentence.
        would_test: recipe and data that would test the claim as it was made.
    """

    number: int
    sentence: str
    experiment: str
    refuted_if: str
    measured: tuple[Measured, ...] = ()
    verdict: Verdict
    because: str
    would_test: str


@dataclass(frozen=True, slots=True)
class Row:
    """A claim before anything was measured.

    Attributes:
        number, sentence, experiment, refuted_if, would_test: as in ``Claim``.
        measure: told results, encoder and benchmark, what is measured; None if nothing is.
        untestable: why, for a claim that cannot be tested here.
        unaligned: the verdict takes an encoder that was pretrained in the study, without parallel text, and
            the claim is only ``untestable`` where there is none.
        caveat: goes with every verdict.
    """

    number: int
    sentence: str
    experiment: str
    refuted_if: str
    would_test: str
    measure: Callable[[StudyResults, str, str], list[Measured | None]] | None = None
    untestable: str = ""
    unaligned: bool = False
    caveat: str = ""

    def deciding_encoder(self, recipe: StudyRecipe) -> str | None:
        """The encoder that the verdict takes: the study's first, unless it has to be an unaligned one."""
        return next(iter(recipe.pretraining if self.unaligned else recipe.encoders), None)


def judged(row: Row, results: StudyResults, retrieval: str) -> Claim:
    """The claim with what a study measured, on one text-to-video benchmark.

    One encoder decides; what was measured with the others stands beside it.
    """
    decider = row.deciding_encoder(results.recipe)
    measured: list[Measured] = []
    # The deciding encoder comes first, and False before True.
    for encoder in sorted(results.recipe.encoders, key=lambda name: name != decider):
        for found in row.measure(results, encoder, retrieval) if row.measure is not None else ():
            if found is not None:
                decides = found.decides and encoder == decider
                what = f"{found.what}, {encoder}"
                measured.append(found.model_copy(update={"what": what, "decides": decides}))
    deciding = [found for found in measured if found.decides]
    verdict, because = _verdict(row, deciding)
    return Claim(
        number=row.number,
        sentence=row.sentence,
        experiment=row.experiment,
        refuted_if=row.refuted_if,
        measured=tuple(measured),
        verdict=verdict,
        because=f"{because} {row.caveat}".strip(),
        would_test=row.would_test,
    )


def _verdict(row: Row, deciding: Sequence[Measured]) -> tuple[Verdict, str]:
    if row.untestable and not deciding:
        return "cannot be tested here", row.untestable
    if not deciding:
        return "cannot be tested here", "This study's recipe leaves out an arm or benchmark that it needs."
    if all(found.holds for found in deciding):
        return "supported", "All of the interval lies on the claim's side."
    if failed := [found.what for found in deciding if found.fails]:
        return "not supported", f"All of the interval lies on the other side: {'; '.join(failed)}."
    open_ = [found for found in deciding if not found.holds]
    seen = [
        f"{found.what} (a difference of {found.detectable:.1f} would have been seen)"
        if found.detectable is not None
        else found.what
        for found in open_
    ]
    return "not supported", f"The interval leaves it open: {'; '.join(seen)}."
