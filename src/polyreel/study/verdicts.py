"""From intervals to the answer to a registered question. Nothing here is written by hand.

Five answers:

- *supported*: the interval of every contrast lies above its margin, the gain that the register asks for is
  there, and the question stays clear when all questions of the register are judged together (below).
- *refuted*: the interval of the deciding contrast lies below what the register calls refuting.
- *no effect worth having*: that interval lies within the bounds of equivalence. It is said before *refuted*,
  being the more exact of the two.
- *undecided*: neither; with the difference that four of five such studies would have found.
- *cannot be tested here*: an arm, a setting or a second seed is missing.

One interval decides, the crossed bootstrap at 95% (``metrics.crossed``); there is no second condition.

**Several contrasts** are an intersection-union test (Berger 1982): "one beats three others" is false
if one of them is, so each may be tested at the full level, and the p of the question is the largest of its
contrasts'. A contrast that points the other way has p = 1.

**Several questions**: these p are corrected by Holm (1979) over the register's family, which holds the chance
that *any* false question is called supported under the level. The p are two-sided and one side supports, so
it is half of that. Refuted and no effect are read off the interval as it is: they are not what one would like
to find. Equivalence asks for the 95% interval within the bounds, where two one-sided tests at 5% (Schuirmann
1987) would ask for the 90% one: it is said at 2.5%.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from polyreel.metrics.crossed import CrossedEstimate
from polyreel.metrics.significance import holm
from polyreel.study.design import Spec
from polyreel.study.outcomes import BOUNDS, UNITS, Asked, StudyRanks
from polyreel.study.register import Outcome, Question, Register

__all__ = [
    "Answer",
    "Measuring",
    "StudyFigure",
    "Verdict",
    "answers_of",
    "judge_register",
    "measured_in",
    "measured_of",
]

Verdict = Literal["supported", "refuted", "no effect worth having", "undecided", "cannot be tested here"]
Measuring = Callable[[Outcome, tuple[str, str], float], "StudyFigure | None"]
"""(outcome, arms, null) -> their difference."""


# What a reader asks next: of consistency, how much of it is more than accuracy.
_OTHER_OUTCOME: Mapping[Outcome, Outcome] = {
    "log2 rank": "r@10",
    "r@10": "log2 rank",
    "found in both@10": "kappa@10",
}


class StudyFigure(Spec):
    """A figure with its interval for new seeds and new queries.

    Attributes:
        arms: one arm, or two of which the second is taken from the first.
        outcome, unit: what it is of.
        value, low, high: the figure and its 95% interval; in differences more is better.
        p: two-sided, against ``null``.
        null: what a contrast has to lie above.
        detectable: difference that four of five such studies would have found.
        seeds, queries, sources: how many it is from; seeds of each cell, sources that queries are cut from.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    unit: str
    value: float
    low: float
    high: float
    p: float
    null: float = 0.0
    detectable: float
    seeds: int
    queries: int
    sources: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out ``null``."""
        return self.low > self.null or self.high < self.null

    @property
    def holds(self) -> bool:
        """Whether all of the interval lies above ``null``."""
        return self.low > self.null

    @property
    def name(self) -> str:
        """Of the arm, or the pair."""
        return " − ".join(self.arms)


class Answer(Spec):
    """What a registered question came to.

    Attributes:
        name, asks, caveat: as registered.
        verdict: computed from the rest.
        because: why, in a sentence.
        contrasts: that decide, the deciding one for a refutation among them.
        gain: that is asked for besides.
        beside: what is shown and decides nothing: other pairs, and the same ones in another outcome.
        p: of the question, the largest of its contrasts'; None where it cannot be tested.
        p_holm: corrected over the family.
    """

    name: str
    asks: str
    verdict: Verdict
    because: str
    contrasts: tuple[StudyFigure, ...] = ()
    gain: StudyFigure | None = None
    beside: tuple[StudyFigure, ...] = ()
    p: float | None = None
    p_holm: float | None = None
    caveat: str = ""


def judge_register(register: Register, ranks: StudyRanks) -> tuple[Answer, ...]:
    """The answer to every question of a register.

    Args:
        register: With questions and rules.
        ranks: Of the cells that there are.
    """
    return answers_of(
        register, {name: measured_in(ranks, question) for name, question in register.questions.items()}
    )


def measured_in(ranks: StudyRanks, question: Question) -> Measuring:
    """How differences are measured for a question.

    Args:
        ranks: Of the cells.
        question: What is asked, of which encoder and where.
    """
    asked = Asked(question.encoder, question.settings, question.task, question.queries)

    def measure(outcome: Outcome, arms: tuple[str, str], null: float) -> StudyFigure | None:
        return measured_of(ranks.difference(asked, outcome, arms, null=null), outcome, arms, null)

    return measure


def answers_of(register: Register, measuring: Mapping[str, Measuring]) -> tuple[Answer, ...]:
    """The answers, given how each question's differences are measured.

    Args:
        register: With questions and rules.
        measuring: Name of a question -> how.
    """
    raw = {name: _measure(name, question, measuring[name]) for name, question in register.questions.items()}
    # One that cannot be tested takes its place in the family all the same: it was registered.
    corrected = holm({name: 1.0 if raw[name].p is None else raw[name].p or 0.0 for name in register.family})
    return tuple(
        _judged(
            answer.model_copy(update={"p_holm": corrected.get(name)}),
            register.questions[name],
            register.level,
        )
        for name, answer in raw.items()
    )


def measured_of(
    found: CrossedEstimate | None, outcome: Outcome, arms: tuple[str, ...], null: float = 0.0
) -> StudyFigure | None:
    """An estimate with what it is of; None stays None.

    Args:
        found: the estimate.
        outcome: what it is of.
        arms: one arm, or two.
        null: what it has to lie above.
    """
    if found is None:
        return None
    # Few seeds that differ make an interval that passes what is possible.
    least, most = BOUNDS[outcome]
    if len(arms) == 2:
        least, most = least - most, most - least
    return StudyFigure(
        arms=arms,
        outcome=outcome,
        unit=UNITS[outcome],
        value=_rounded(found.mean),
        low=_rounded(max(found.low, least)),
        high=_rounded(min(found.high, most)),
        p=_rounded(found.p),
        null=null,
        detectable=_rounded(found.detectable),
        seeds=found.seeds,
        queries=found.queries,
        sources=found.clusters,
    )


def _measure(name: str, question: Question, measure: Measuring) -> Answer:
    contrasts = [measure(question.outcome, rule.arms, rule.above) for rule in question.contrasts]
    rule = question.gain
    gain = None if rule is None else measure(rule.outcome, rule.arms, 0.0)
    there = tuple(found for found in contrasts if found is not None)
    missing = [
        " − ".join(each.arms)
        for each, found in zip(question.contrasts, contrasts, strict=True)
        if found is None
    ]
    if rule is not None and gain is None:
        missing.append(f"{' − '.join(rule.arms)} in {rule.outcome}")
    return Answer(
        name=name,
        asks=question.asks,
        verdict="cannot be tested here" if missing else "undecided",
        because=f"Not measured with two seeds in every setting: {', '.join(missing)}." if missing else "",
        contrasts=there,
        gain=gain,
        beside=tuple(found for each in _beside(question) if (found := measure(*each, 0.0)) is not None),
        p=None if missing else max(found.p if found.value > found.null else 1.0 for found in there),
        caveat=question.caveat,
    )


def _beside(question: Question) -> Iterator[tuple[Outcome, tuple[str, str]]]:
    """Other pairs in the outcome that decides, and the pairs that decide in another outcome."""
    yield from ((question.outcome, arms) for arms in question.beside)
    other = _OTHER_OUTCOME.get(question.outcome)
    for rule in question.contrasts:
        known = question.gain is not None and (question.gain.outcome, question.gain.arms) == (
            other,
            rule.arms,
        )
        if other is not None and not known:
            yield other, rule.arms


def _judged(answer: Answer, question: Question, level: float) -> Answer:
    if answer.p is None:
        return answer
    deciding = next(found for found in answer.contrasts if found.arms == question.refuted.arms)
    verdict, because = _verdict(answer, question, deciding, level)
    return answer.model_copy(update={"verdict": verdict, "because": because})


def _verdict(answer: Answer, question: Question, deciding: StudyFigure, level: float) -> tuple[Verdict, str]:
    where, bound = f"{deciding.name} {_interval(deciding)}", question.no_effect
    if -bound < deciding.low and deciding.high < bound:
        return "no effect worth having", f"{where} lies within ±{_amount(bound, deciding.unit)}."
    if deciding.high < question.refuted.below:
        return "refuted", f"{where} lies below {_amount(question.refuted.below, deciding.unit)}."
    open_ones = [found for found in answer.contrasts if not found.holds]
    if open_ones:
        return "undecided", " ".join(map(_why_open, open_ones))
    gain, least = answer.gain, question.gain.least if question.gain else 0.0
    if gain is not None and gain.value < least:
        wanted = _amount(least, gain.unit)
        return (
            "undecided",
            f"Clear, but {gain.name} gains {gain.value:+.2f} in {gain.outcome}, less than {wanted}.",
        )
    if answer.p_holm is not None and answer.p_holm >= level:
        return "undecided", f"Clear by itself, not among all questions (p {answer.p_holm:.3f} after Holm)."
    return (
        "supported",
        f"{_listed(answer.contrasts)} above {_margins(answer.contrasts)} with all of the interval.",
    )


def _why_open(found: StudyFigure) -> str:
    margin, seen = _amount(found.null, found.unit), _amount(found.detectable, found.unit)
    if found.high < found.null:
        return f"{found.name} {_interval(found)} lies below {margin}."
    return f"{found.name} {_interval(found)} holds {margin}; a difference of {seen} would have been seen."


def _listed(contrasts: Sequence[StudyFigure]) -> str:
    names = [found.name for found in contrasts]
    verb = "lies" if len(names) == 1 else "lie"
    return f"{', '.join(names)} {verb}"


def _margins(contrasts: Sequence[StudyFigure]) -> str:
    return " and ".join(dict.fromkeys(_amount(found.null, found.unit) for found in contrasts))


def _interval(found: StudyFigure) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}".strip() if value % 1 else f"{value:.0f} {unit}".strip()


def _rounded(value: float) -> float:
    return round(value, 5)
