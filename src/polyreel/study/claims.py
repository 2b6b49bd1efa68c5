"""A claim as its file says it: the sentence, what is measured for it, and when it would be refuted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from polyreel.study.design import OTHERS, Spec

__all__ = [
    "AboveChance",
    "ArmDifference",
    "ClaimList",
    "ClaimSpec",
    "MeasureOfClaim",
    "RelativeLoss",
    "ShareKept",
    "names_in",
]


class _Measured(Spec):
    """What all measures have.

    Attributes:
        benchmark: Its name; None takes the study's first text-to-video benchmark.
        decides: Whether the verdict looks at it; others stand beside it.
    """

    benchmark: str | None = None
    decides: bool = True


class ArmDifference(_Measured):
    """One arm minus another.

    Attributes:
        arms: The first minus the second, a contrast of the design in either order.
        outcome: A language, or one of ``design.OUTCOMES``.
        above: The claim holds if all of the interval lies above this, in points.
    """

    measure: Literal["difference"]
    arms: tuple[str, str]
    outcome: str = OTHERS
    above: float = 0.0


class AboveChance(_Measured):
    """What an arm finds outside English, against chance.

    Attributes:
        arms: The one.
        language: ``others`` takes the mean without English, ``worst`` the language with the lowest interval.
    """

    measure: Literal["above chance"]
    arms: tuple[str]
    language: Literal["others", "worst"] = "others"


class RelativeLoss(_Measured):
    """Loss outside English as a share of English above chance: of one arm minus another's.

    Attributes:
        arms: The first minus the second.
        against: Benchmark of the second; that of the first is ``benchmark``.
    """

    measure: Literal["relative loss"]
    arms: tuple[str, str]
    against: str | None = None


class ShareKept(_Measured):
    """What an arm keeps outside English of what English has above chance.

    Attributes:
        arms: The one.
        above: The claim holds if all of the interval lies above this share.
    """

    measure: Literal["share kept"]
    arms: tuple[str]
    above: float = 0.0


MeasureOfClaim = Annotated[
    ArmDifference | AboveChance | RelativeLoss | ShareKept, Field(discriminator="measure")
]


class ClaimSpec(Spec):
    """A claim before anything was measured.

    Attributes:
        number: Of the claim; 0 for the question of the study.
        sentence: The claim.
        experiment: That tests it here; empty if none does.
        refuted_if: What would speak against it.
        would_test: Recipe and data that would test the claim as it was made.
        measures: What is measured for it; nothing where it cannot be tested.
        untestable: Why it cannot be tested here.
        encoder: That decides: the study's ``first``, or the first that it ``pretrained`` itself. Where it has
            none the claim is ``untestable``.
        caveat: Goes with every verdict.
    """

    number: int = Field(ge=0)
    sentence: str = Field(min_length=1)
    experiment: str = ""
    refuted_if: str = ""
    would_test: str = ""
    measures: tuple[MeasureOfClaim, ...] = ()
    untestable: str = ""
    encoder: Literal["first", "pretrained"] = "first"
    caveat: str = ""


class ClaimList(Spec):
    """A file of claims."""

    claims: tuple[ClaimSpec, ...] = Field(min_length=1)


def names_in(claims: Sequence[ClaimSpec]) -> Iterator[tuple[str, str, str]]:
    """Each arm, benchmark and outcome that claims name: its place, its kind and the name."""
    for at, claim in enumerate(claims):
        for number, found in enumerate(claim.measures):
            place = f"claims.{at}.measures.{number}"
            yield from ((place, "arm", name) for name in found.arms)
            named = (found.benchmark, found.against if isinstance(found, RelativeLoss) else None)
            yield from ((place, "benchmark", name) for name in named if name is not None)
            if isinstance(found, ArmDifference):
                yield place, "outcome", found.outcome
