"""The figures of a study: what is drawn, and the data that it is drawn from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from polyreel.report.plots import point_plot, row_plot
from polyreel.study.findings import ArmTable, Findings
from polyreel.study.register import Outcome, Question
from polyreel.study.verdicts import StudyFigure

__all__ = ["Drawn", "draw_study"]

_RIGHT: Outcome = "r@10"
_Line = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure.

    Attributes:
        name: Of its file of data.
        title, caption: What it shows.
        svg: The drawing.
        data: What it is drawn from, as JSON has it.
    """

    name: str
    title: str
    caption: str
    svg: Markup
    data: object


def draw_study(findings: Findings) -> list[Drawn]:
    """The contrasts of each question in each setting, and consistency against accuracy.

    Args:
        findings: Of the study.
    """
    found = [_by_setting(findings, name, question) for name, question in findings.rules.questions.items()]
    return [drawn for drawn in found if drawn is not None] + list(_consistency(findings))


def _by_setting(findings: Findings, name: str, question: Question) -> Drawn | None:
    own = [each for each in findings.by_setting if each.question == name]
    answer = findings.answer(name)
    rows: list[str] = [each.setting for each in own]
    series: dict[str, list[StudyFigure]] = {}
    for rule in question.contrasts:
        of_rule = [_of(each.figures, rule.arms, question.outcome) for each in own]
        if answer is not None and len(own) > 1:
            of_rule.append(_of(answer.contrasts, rule.arms, question.outcome))
        there = [each for each in of_rule if each is not None]
        if there and len(there) == len(of_rule):
            series[" − ".join(rule.arms)] = there
    if not series:
        return None
    if len(own) > 1:
        rows.append("mean, decides")
    drawn_name = _name(name, "by-setting")
    unit = next(iter(series.values()))[0].unit
    axis = f"{question.outcome}, {unit}" if unit else question.outcome
    words = "; ".join(f"{label} {figures[-1].value:+.2f}" for label, figures in series.items())
    return Drawn(
        drawn_name,
        f"{name} in each setting",
        f"Differences in {axis}, with 95% intervals; to the right is better. Only the mean decides.",
        row_plot(
            rows,
            series,
            x_label=f"difference in {axis}",
            description=f"{question.outcome}, {rows[-1]}: {words}.",
            id_prefix=_prefix(drawn_name),
        ),
        {label: dict(zip(rows, map(_data, figures), strict=True)) for label, figures in series.items()},
    )


def _consistency(findings: Findings) -> Iterator[Drawn]:
    for table in findings.tables:
        wanted = [q.settings for q in findings.rules.questions.values() if q.encoder == table.encoder]
        wanted += [e.settings for e in findings.rules.explorations.values() if e.encoder == table.encoder]
        if table.task != "text to text" or table.queries != "all" or table.settings not in wanted:
            continue
        yield from _against_accuracy(
            table,
            "found in both@10",
            "Where directions failed independently of each other, found in both would be the product of "
            "their recalls (the line). Above it they agree on what they get right. A system that is wrong "
            "alike stays at the foot: found in both cannot rise without being right.",
            ("independent failures", lambda x: x * x / 100),
        )
        yield from _against_accuracy(
            table,
            "kappa@10",
            "Whether both directions succeed on the same queries, beyond what their recalls make likely (0, "
            "the line). A system that is wrong alike has 1 at chance: high on the left is no merit.",
            ("independent failures", np.zeros_like),
        )


def _against_accuracy(
    table: ArmTable, outcome: Outcome, caption: str, reference: tuple[str, _Line]
) -> Iterator[Drawn]:
    points = {
        row.arm: (row.figures[_RIGHT], row.figures[outcome])
        for row in table.rows
        if _RIGHT in row.figures and outcome in row.figures
    }
    if not points:
        return
    name = _name(outcome, table.encoder, *(table.settings if len(table.settings) == 1 else ("mean",)))
    yield Drawn(
        name,
        f"{outcome} against R@10: {table.title}",
        f"{caption} 95% intervals.",
        point_plot(points, x_label="R@10, %", y_label=outcome, reference=reference, id_prefix=_prefix(name)),
        {arm: {"r@10": _data(x), outcome: _data(y)} for arm, (x, y) in points.items()},
    )


def _of(figures: Sequence[StudyFigure], arms: tuple[str, str], outcome: Outcome) -> StudyFigure | None:
    return next((each for each in figures if (each.arms, each.outcome) == (arms, outcome)), None)


def _data(figure: StudyFigure) -> dict[str, float]:
    return {"value": figure.value, "low": figure.low, "high": figure.high}


def _name(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts)


def _prefix(name: str) -> str:
    """Of the ids in a drawing, hundreds of them: short, to keep the page small."""
    return "d" + hashlib.sha256(name.encode()).hexdigest()[:5]
