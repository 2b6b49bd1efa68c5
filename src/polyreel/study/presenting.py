"""Findings and claims as pages: HTML to read, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyreel.report.rendering import render_template, report_packages
from polyreel.report.wording import p_value
from polyreel.study.findings import ArmTable, Findings
from polyreel.study.ledger import Claim
from polyreel.study.register import Outcome
from polyreel.study.verdicts import Answer, StudyFigure

__all__ = ["StudyPage", "limits_of", "markdown_page", "registration_words", "render_study"]

_TITLES: Mapping[Outcome, str] = {
    "log2 rank": "log2 rank, bits (less is better)",
    "r@10": "R@10, %",
    "mrr": "MRR",
    "r@1": "R@1, %",
    "found in both@10": "found in both@10, %",
    "found in both@1": "found in both@1, %",
    "kappa@10": "kappa@10",
}
_TWO_DIGITS = ("log2 rank", "mrr", "kappa@10")
_HEAD = ("arms", "of", "difference [95%]", "p", "would have been seen", "from")
_A_DIFFERENCE = (
    "A difference is the first arm minus the second, turned so that more is better, with its 95% interval "
    "for new seeds and new queries."
)
_DECIDES = "Only that interval decides, by rules that were registered before the first cell was run;"
_EXPLORES = (
    "It decides nothing: what is looked at was registered before the first cell was run, but no rule that "
    "would answer a question;"
)
_SEEN = "“would have been seen” is what four of five such studies would have found."


@dataclass(frozen=True, slots=True)
class StudyPage:
    """The page, and the data of each of its figures by file name."""

    html: str
    figures: Mapping[str, object]


def render_study(findings: Findings, claims: Sequence[Claim]) -> StudyPage:
    """The page; equal findings give equal bytes.

    Args:
        findings: Of the study.
        claims: Judged.

    Raises:
        UsageError: the packages of the extra ``report`` are not installed.
    """
    with report_packages():
        from polyreel.study.drawings import draw_study
    drawings = draw_study(findings)
    page = render_template(
        "study.html.j2",
        "polyreel.study",
        findings=findings,
        claims=claims,
        drawings=drawings,
        how_to_read=_how_to_read(findings),
        registration=registration_words(findings),
        answers=[
            (
                answer,
                _encoder_of(findings.rules.questions[answer.name].encoder, findings),
                _figures_of(answer),
                _setting_rows(answer.name, findings),
            )
            for answer in findings.answers
        ],
        tables=[_shown(table, findings) for table in findings.tables],
        explorations=[
            (each, _encoder_of(each.encoder, findings), [_row(figure) for figure in each.figures])
            for each in findings.explorations
        ],
        limits=limits_of(findings),
    )
    return StudyPage(page, {drawn.name: drawn.data for drawn in drawings})


def markdown_page(findings: Findings, claims: Sequence[Claim]) -> str:
    """The answers, the main tables and the ledger as Markdown.

    Args:
        findings: Of the study.
        claims: Judged.
    """
    lines = [
        f"# Study: {findings.study}",
        "",
        f"> {findings.rules.question}",
        "",
        *(f"- **{each.name}: {each.verdict}.** {each.asks}" for each in findings.answers),
        *([""] if findings.answers else []),
        f"{registration_words(findings)} Register of {findings.rules.registered}, SHA-256 "
        f"`{findings.register_sha256}`. Written by `{findings.command}` from {findings.cells:,} cells "
        f"({findings.hours:.1f} hours of one core); all figures are in [report.html](report.html) and "
        "[findings.json](findings.json).",
        "",
        _how_to_read(findings),
        "",
    ]
    for answer in findings.answers:
        lines += _markdown_answer(answer, findings)
    lines += ["## What each encoder was trained on", ""]
    lines += [*(f"- **{name}**: {findings.trained_on(name)}" for name in findings.encoders), ""]
    lines += _markdown_explorations(findings)
    for table in findings.tables:
        if len(table.settings) > 1 or all(len(t.settings) == 1 for t in findings.tables):
            lines += _markdown_table_of(table, findings)
    lines += _markdown_claims(claims)
    lines += ["## What the data do not show", "", *(f"- {limit}" for limit in limits_of(findings))]
    return "\n".join(lines) + "\n"


def _how_to_read(findings: Findings) -> str:
    return " ".join((_A_DIFFERENCE, _DECIDES if findings.rules.questions else _EXPLORES, _SEEN))


def registration_words(findings: Findings) -> str:
    """Whether the cells were run under the register, and what of it this study does not have."""
    if not findings.shortened:
        return findings.registration
    lacking = "; ".join(findings.shortened)
    return f"{findings.registration} Shortened: less than the register asks for ({lacking})."


def limits_of(findings: Findings) -> list[str]:
    """What a reader should not conclude.

    Args:
        findings: Of the study.
    """
    found = list(findings.limits)
    if not findings.registered:
        found.insert(0, findings.registration)
    for note in findings.rules.amendments:
        found.append(f"Amended on {note.on}: {note.what} ({note.why}). It said: {note.was}")
    if findings.shortened:
        found.insert(0, "The answers rest on less than was registered: they are not the registered ones.")
    if findings.missing:
        shown = "; ".join(findings.missing[:5])
        more = f" and {len(findings.missing) - 5:,} more" if len(findings.missing) > 5 else ""
        found.append(f"Cells that the register has and the study has not: {shown}{more}.")
    translated = [name for name, each in findings.rules.settings.items() if not each.human]
    if translated:
        found.append(
            f"The captions outside English in {', '.join(translated)} were not written by people anew."
        )
    found.append(
        "Explorations, single settings and what stands beside a question are corrected for nothing: of "
        "twenty such intervals without any effect one leaves out zero."
    )
    return found + [f"Left out: {each}" for each in findings.rules.exclusions]


def _encoder_of(encoder: str, findings: Findings) -> str:
    return f"Encoder {encoder}: {findings.trained_on(encoder)}"


def _figures_of(answer: Answer) -> list[tuple[str, ...]]:
    rows = [(*_row(figure), "decides") for figure in answer.contrasts]
    if answer.gain is not None:
        rows.append((*_row(answer.gain), "must be gained"))
    return rows + [(*_row(figure), "beside") for figure in answer.beside]


def _row(figure: StudyFigure) -> tuple[str, ...]:
    """Name, outcome, difference, p, detectable, how many."""
    return (
        figure.name,
        figure.outcome,
        _signed(figure),
        p_value(figure.p),
        f"{figure.detectable:.2f} {figure.unit}".strip(),
        f"{figure.seeds} seeds, {figure.queries:,} queries of {figure.sources:,} sources",
    )


def _signed(figure: StudyFigure) -> str:
    ends = [f"{each:+.2f}".replace("-", "−") for each in (figure.value, figure.low, figure.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}] {figure.unit}".strip()


def _written(figure: StudyFigure | None) -> str:
    if figure is None:
        return "–"
    digits = 2 if figure.outcome in _TWO_DIGITS else 1
    value, low, high = (f"{each:.{digits}f}" for each in (figure.value, figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def _shown(table: ArmTable, findings: Findings) -> dict[str, object]:
    outcomes = _outcomes(table, findings)
    first = next(iter(table.rows[0].figures.values()))
    chance = ["chance", *(f"{table.chance[outcome]:.2f}" for outcome in outcomes)]
    return {
        "title": table.title,
        "caption": f"{first.queries:,} queries of {first.sources:,} sources, {first.seeds} seeds, gallery of "
        f"{table.gallery:g} on average; 95% intervals for new seeds and new queries. "
        + _encoder_of(table.encoder, findings),
        "head": ["arm", *(_TITLES[outcome] for outcome in outcomes)],
        "rows": [
            [row.arm, *(_written(row.figures.get(outcome)) for outcome in outcomes)] for row in table.rows
        ]
        + [chance],
        "is_mean": len(table.settings) > 1,
    }


def _outcomes(table: ArmTable, findings: Findings) -> list[Outcome]:
    there = {outcome for row in table.rows for outcome in row.figures}
    return [outcome for outcome in findings.rules.order if outcome in there]


def _setting_rows(question: str, findings: Findings) -> list[tuple[str, ...]]:
    """Setting, then as ``_row``."""
    return [
        (each.setting, *_row(figure))
        for each in findings.by_setting
        if each.question == question
        for figure in each.figures
    ]


def _markdown_answer(answer: Answer, findings: Findings) -> list[str]:
    rows = _setting_rows(answer.name, findings)
    by_setting = ["In each setting (decides nothing):", "", *_markdown_table(["setting", *_HEAD], rows)]
    p = "" if answer.p is None or answer.p_holm is None else f" p {p_value(answer.p_holm)} after Holm."
    return [
        f"## {answer.name}: {answer.verdict}",
        "",
        answer.asks,
        "",
        f"**{answer.verdict.capitalize()}.** {answer.because}{p} {answer.caveat}".strip(),
        "",
        _encoder_of(findings.rules.questions[answer.name].encoder, findings),
        "",
        *(_markdown_table([*_HEAD, ""], _figures_of(answer)) if answer.contrasts else []),
        *(by_setting if rows else []),
    ]


def _markdown_explorations(findings: Findings) -> list[str]:
    lines: list[str] = []
    for each in findings.explorations:
        if each.figures:
            rows = [_row(figure) for figure in each.figures]
            lines += [
                f"### {each.name} ({each.encoder}, decides nothing)",
                "",
                f"{each.asks} {each.note}".strip(),
                "",
                _encoder_of(each.encoder, findings),
                "",
            ]
            lines += _markdown_table(_HEAD, rows)
    return ["## Explorations", "", *lines] if lines else []


def _markdown_table_of(table: ArmTable, findings: Findings) -> list[str]:
    shown = _shown(table, findings)
    head, rows = shown["head"], shown["rows"]
    assert isinstance(head, list)
    assert isinstance(rows, list)
    return [f"## {table.title}", "", str(shown["caption"]), "", *_markdown_table(head, rows)]


def _markdown_claims(claims: Sequence[Claim]) -> list[str]:
    rows = [
        [str(claim.number or "–"), _cell(claim.sentence), claim.verdict, _cell(claim.because)]
        for claim in claims
    ]
    return ["## Claims", "", *_markdown_table(["no.", "claim", "verdict", "why"], rows)] if rows else []


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:], ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
