"""Results and claims as pages: HTML to read, Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyreel.report.rendering import render_template, report_packages
from polyreel.report.wording import p_value, signed
from polyreel.study.design import AGREEMENT, ALL, GAP, OTHERS, TOGETHER
from polyreel.study.ledger import Claim
from polyreel.study.summary import BenchmarkFacts, Contrast, Estimated, StudyResults

__all__ = ["StudyPage", "limits_of", "markdown_page", "render_study"]

_TITLES = {GAP: "gap", TOGETHER: "all at once", AGREEMENT: "agreement"}
_MAIN = (OTHERS, GAP, TOGETHER, AGREEMENT)


@dataclass(frozen=True, slots=True)
class StudyPage:
    """The page, and the data of each of its figures by file name."""

    html: str
    figures: Mapping[str, object]


def render_study(results: StudyResults, claims: Sequence[Claim]) -> StudyPage:
    """The page; equal results give equal bytes.

    Raises:
        UsageError: the packages of the extra ``report`` are not installed.
    """
    with report_packages():
        from polyreel.study.drawings import draw_study
    drawings = draw_study(results)
    page = render_template(
        "study.html.j2",
        "polyreel.study",
        title=f"polyreel study: {results.recipe.study}",
        results=results,
        question=_question(claims),
        claims=claims,
        tables=[_table(results, encoder, fact.name) for encoder, fact in _each(results)],
        drawings=drawings,
        contrasts=_grouped(results),
        limits=limits_of(results),
    )
    return StudyPage(page, {drawn.name: drawn.data for drawn in drawings})


def markdown_page(results: StudyResults, claims: Sequence[Claim]) -> str:
    """The main tables and the ledger as Markdown."""
    lines = [
        f"# Study: {results.recipe.study}",
        "",
        results.recipe.description,
        "",
        f"Written by `{results.command}`; figures and all differences are in [report.html](report.html), "
        "[results.json](results.json) and [claims.json](claims.json).",
        "",
    ]
    if (question := _question(claims)) is not None:
        verdict = f"**{question.verdict.capitalize()}.** {question.because}"
        lines += ["## The question", "", question.sentence, "", verdict, "", *_measured_lines(question)]
    for encoder, fact in _each(results):
        lines += _markdown_figures(results, encoder, fact)
    lines += [*_markdown_contrasts(results), *_markdown_coverage(results), *_markdown_claims(claims)]
    lines += ["## What the data do not show", "", *(f"- {limit}" for limit in limits_of(results))]
    return "\n".join(lines) + "\n"


def limits_of(results: StudyResults) -> list[str]:
    """What a reader should not conclude."""
    recipe = results.recipe
    clips = ", ".join(
        f"{spec.corpus} ({spec.clips:,} clips at most)" if spec.clips else spec.corpus
        for spec in recipe.video
    )
    found = [f"The arms train on {clips}, with {len(recipe.seeds)} seeds: a small study, whatever it finds."]
    texts = ", ".join(spec.corpus for spec in recipe.text)
    names = {fact.name for fact in results.benchmarks}
    for limit in recipe.design.limits:
        applies = (limit.encoder is None or limit.encoder in recipe.encoders) and (
            limit.benchmark is None or limit.benchmark in names
        )
        if applies and (texts or "{text}" not in limit.text):
            found.append(limit.text.replace("{text}", texts))
    for encoder, fact in _each(results):
        if fact.metric == "r@1" and not _is_above_chance(results, encoder, fact):
            found.append(
                f"With {encoder} no arm finds more than chance ({100 / fact.gallery:.1f}%) on {fact.name} "
                "outside English, so a difference between its arms there says nothing of transfer, and no "
                "difference does not speak against it."
            )
    if len(recipe.arms) < len(recipe.design.arms):
        found.append("Not all arms were trained; claims that need the others say so.")
    if len(recipe.seeds) < 5:
        found.append("Fewer than five seeds: intervals for new seeds are wide, and should be.")
    return found


def _question(claims: Sequence[Claim]) -> Claim | None:
    return next((claim for claim in claims if claim.number == 0), None)


def _is_above_chance(results: StudyResults, encoder: str, fact: BenchmarkFacts) -> bool:
    """Whether an arm is, outside English, with all of its interval."""
    others = [
        found.figures[OTHERS]
        for found in results.figures
        if (found.encoder, found.benchmark) == (encoder, fact.name) and OTHERS in found.figures
    ]
    return not others or any(figure.low > 100 / fact.gallery for figure in others)


def _each(results: StudyResults) -> list[tuple[str, BenchmarkFacts]]:
    return [(encoder, fact) for encoder in results.recipe.encoders for fact in results.benchmarks]


def _table(results: StudyResults, encoder: str, benchmark: str) -> dict[str, object]:
    fact = next(fact for fact in results.benchmarks if fact.name == benchmark)
    outcomes = [*fact.languages, *_MAIN]
    return {
        "title": f"{benchmark}, {encoder}",
        "caption": f"{fact.metric} in %, {fact.queries:,} queries a language, gallery {fact.gallery:,}; 95% "
        "intervals for new seeds and queries. others: mean without English; all at once: found first in "
        "every language; agreement: what pairs of languages find in common.",
        "columns": [_TITLES.get(outcome, outcome) for outcome in outcomes],
        "rows": [
            {
                "arm": found.arm,
                "figures": [found.figures.get(outcome) for outcome in outcomes],
                "texts": results.texts.get(encoder, {}).get(found.arm, 0.0),
            }
            for found in results.figures
            if (found.encoder, found.benchmark) == (encoder, benchmark)
        ],
    }


def _grouped(results: StudyResults) -> list[dict[str, object]]:
    """Differences by encoder and benchmark; of variants the means, and the language that one leaves out."""

    def is_shown(found: Contrast) -> bool:
        variant = found.one not in results.recipe.arms
        left_out = found.one.endswith(f" {found.outcome}")
        return not variant or left_out or found.outcome in (ALL, *_MAIN)

    shown = [found for found in results.contrasts if is_shown(found)]
    return [
        {"title": f"{fact.name}, {encoder}", "rows": rows}
        for encoder, fact in _each(results)
        if (rows := [c for c in shown if (c.encoder, c.benchmark) == (encoder, fact.name)])
    ]


def _markdown_figures(results: StudyResults, encoder: str, fact: BenchmarkFacts) -> list[str]:
    outcomes = [*(["en"] if "en" in fact.languages else []), *_MAIN]
    return [
        f"## {fact.name}, {encoder}",
        "",
        f"{fact.metric} in %, {fact.queries:,} queries in each of {', '.join(fact.languages)}, gallery "
        f"{fact.gallery:,}; [95% intervals] for new seeds and queries.",
        "",
        *_markdown_table(
            ["arm", *(_TITLES.get(outcome, outcome) for outcome in outcomes)],
            [
                [found.arm, *(_written(found.figures.get(outcome)) for outcome in outcomes)]
                for found in results.figures
                if (found.encoder, found.benchmark) == (encoder, fact.name)
            ],
        ),
    ]


def _markdown_contrasts(results: StudyResults) -> list[str]:
    """Of the means, and of a language that is left out; the other languages are in the report."""
    head = ["benchmark", "encoder", "arms", "of", "difference", "p", "could be seen", "outcome"]
    rows = [
        [
            found.benchmark,
            found.encoder,
            f"{found.one} − {found.other}",
            found.outcome,
            f"{signed(found.difference)} [{signed(found.low)}, {signed(found.high)}]",
            p_value(found.p),
            f"{found.detectable:.1f}",
            found.words,
        ]
        for found in results.contrasts
        if found.outcome in (ALL, OTHERS, AGREEMENT) or found.one.endswith(f" {found.outcome}")
    ]
    return ["## Differences", "", *_markdown_table(head, rows)]


def _markdown_coverage(results: StudyResults) -> list[str]:
    """What the lexicons translate, and whether that goes with what switching adds."""
    roles, trends = results.recipe.design.switching, results.trends
    if not trends or roles is None:
        return []
    rows = []
    for tag, share in results.coverage.items():
        gains = [results.contrast(t.encoder, roles.arm, roles.baseline, t.benchmark, tag) for t in trends]
        rows.append(
            [tag, f"{100 * share:.0f}%", *(signed(gain.difference) if gain else "–" for gain in gains)]
        )
    rows.append(["Spearman's rho", "", *(f"{trend.rho:+.2f} (p {p_value(trend.p)})" for trend in trends)])
    return [
        "## Lexicon coverage and gain",
        "",
        "Words of English captions that the lexicon translates, and "
        f"{roles.arm} − {roles.baseline} in that language, in points.",
        "",
        *_markdown_table(
            ["language", "coverage", *(f"{trend.benchmark}, {trend.encoder}" for trend in trends)], rows
        ),
    ]


def _markdown_claims(claims: Sequence[Claim]) -> list[str]:
    rows = [
        [str(claim.number), _cell(claim.sentence), claim.verdict, _cell(claim.because)]
        for claim in claims
        if claim.number
    ]
    return ["## Claims", "", *_markdown_table(["no.", "claim", "verdict", "why"], rows)] if rows else []


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:], ""]


def _measured_lines(claim: Claim) -> list[str]:
    return [
        f"- {found.what}: {signed(found.value)} [{signed(found.low)}, {signed(found.high)}]"
        + ("" if found.decides else " (beside)")
        for found in claim.measured
    ] + [""]


def _written(figure: Estimated | None) -> str:
    return "–" if figure is None else f"{figure.value:.1f} [{figure.low:.1f}, {figure.high:.1f}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
