"""The claims that a study started from, each with what it came to.

A verdict is computed from the answers to registered questions, or the claim is said to be no matter of
measurement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from polyreel.errors import UnknownNameError
from polyreel.recipes import examine_recipe, recipe_error
from polyreel.study.design import Spec
from polyreel.study.findings import Findings
from polyreel.study.register import Register
from polyreel.study.verdicts import Answer

__all__ = ["Claim", "ClaimSpec", "judge_claims", "read_claims"]

Kind = Literal["measured", "definition", "history", "untestable"]
_VERDICTS = {"definition": "a definition", "history": "history", "untestable": "cannot be tested here"}


class ClaimSpec(Spec):
    """A claim before anything was measured.

    Attributes:
        number: Of the claim; 0 for the question of the study.
        sentence: The claim.
        questions: Of the register, whose answers are its verdict.
        kind: ``measured``, by ``questions``; a ``definition``, which holds by its words; ``history``, which
            no experiment can decide; or ``untestable`` here.
        why: Of all but the measured ones: why nothing is measured.
        would_test: Recipe and data that would test the claim as it was made.
        caveat: Goes with every verdict.
    """

    number: int = Field(ge=0)
    sentence: str = Field(min_length=1)
    questions: tuple[str, ...] = ()
    kind: Kind = "measured"
    why: str = ""
    would_test: str = ""
    caveat: str = ""

    @model_validator(mode="after")
    def _is_measured_or_says_why(self) -> Self:
        if self.kind == "measured" and (not self.questions or self.why):
            raise ValueError("a measured claim names questions of the register, and no 'why'")
        if self.kind != "measured" and (self.questions or not self.why):
            raise ValueError(f"kind {self.kind!r} says 'why', and names no questions")
        return self


class _ClaimList(Spec):
    claims: tuple[ClaimSpec, ...] = Field(min_length=1)

    def contradictions(self) -> list[tuple[str, str]]:
        numbers = [claim.number for claim in self.claims]
        return [("claims", f"number {n} comes twice") for n in dict.fromkeys(numbers) if numbers.count(n) > 1]


class Claim(Spec):
    """One line of the ledger.

    Attributes:
        number, sentence, would_test: As in ``ClaimSpec``.
        verdict: Of its questions, one after the other where they differ; or that it is a definition, history,
            or cannot be tested here.
        because: Why.
        answers: Names of its questions.
    """

    number: int
    sentence: str
    verdict: str
    because: str
    answers: tuple[str, ...] = ()
    would_test: str = ""


def read_claims(path: Path, register: Register) -> tuple[ClaimSpec, ...]:
    """The claims in a YAML file.

    Args:
        path: Of the file.
        register: Whose questions they name.

    Raises:
        RecipeError: with all mistakes.
        UsageError: PyYAML is not installed.
    """
    reading = examine_recipe(path, _ClaimList)
    problems = list(reading.problems)
    if reading.recipe is not None:
        problems += [reading.problem_at(*found) for found in _unknown(reading.recipe.claims, register)]
    if reading.recipe is None or problems:
        raise recipe_error(path, tuple(dict.fromkeys(problems)))
    return reading.recipe.claims


def _unknown(claims: Sequence[ClaimSpec], register: Register) -> Iterator[tuple[str, str]]:
    for at, claim in enumerate(claims):
        for name in claim.questions:
            if name not in register.questions:
                yield f"claims.{at}.questions", str(UnknownNameError("question", name, register.questions))


def judge_claims(claims: Sequence[ClaimSpec], findings: Findings) -> tuple[Claim, ...]:
    """Each claim with what the study says of it.

    Args:
        claims: To be judged.
        findings: Of the study.
    """
    return tuple(_judged(claim, findings) for claim in claims)


def _judged(spec: ClaimSpec, findings: Findings) -> Claim:
    if spec.kind != "measured":
        verdict, because = _VERDICTS[spec.kind], spec.why
    else:
        answers = [found for name in spec.questions if (found := findings.answer(name)) is not None]
        verdict, because = _together(answers)
    return Claim(
        number=spec.number,
        sentence=spec.sentence,
        verdict=verdict,
        because=f"{because} {spec.caveat}".strip(),
        answers=spec.questions,
        would_test=spec.would_test,
    )


def _together(answers: Sequence[Answer]) -> tuple[str, str]:
    verdicts = dict.fromkeys(found.verdict for found in answers)
    because = " ".join(f"{found.name}: {found.because}" for found in answers)
    if len(verdicts) == 1:
        return next(iter(verdicts)), because
    return "; ".join(f"{found.name} {found.verdict}" for found in answers), because
