"""Tables for papers, as Markdown and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from polyreel.evaluation.results import Estimate
from polyreel.languages import clean
from polyreel.report.comparison import Comparison
from polyreel.report.grouping import BenchmarkGroup
from polyreel.report.labelled import LabelledResult
from polyreel.report.wording import headline, measure, p_value, shown_metrics, signed

__all__ = ["latex_tables", "markdown_tables"]

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#!&$])")
_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "†": r"\textdagger{}",
    "−": "$-$",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_"},
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """A number with its interval, or a name."""

    text: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class _Table:
    """What both formats write.

    Attributes:
        name: for references.
        caption: what it shows.
        head: of the columns; the first holds names, the others numbers.
        rows: the figures.
        foot: rows under a line.
    """

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[_Cell, ...], ...]
    foot: tuple[tuple[_Cell, ...], ...] = ()


def markdown_tables(groups: Sequence[BenchmarkGroup]) -> str:
    """The figures of all results in Markdown."""
    return _document(
        groups, _markdown, lambda name: f"## {_markdown_text(name)}", lambda said: _markdown_text(said)
    )


def latex_tables(groups: Sequence[BenchmarkGroup]) -> str:
    """The figures of all results in LaTeX; they need the package ``booktabs``."""

    def comment(said: str) -> str:
        return f"% {clean(said)}"

    return "% Tables by polyreel report; in the preamble: \\usepackage{booktabs}\n\n" + _document(
        groups, _latex, comment, comment
    )


def _document(
    groups: Sequence[BenchmarkGroup],
    write: Callable[[_Table], str],
    heading: Callable[[str], str],
    remark: Callable[[str], str],
) -> str:
    parts = []
    for group in groups:
        parts.append(heading(group.card.name))
        parts.extend(write(table) for table in _tables(group))
        parts.extend(
            remark(f"Not compared: {pair.one} and {pair.other}: {'; '.join(pair.obstacles)}.")
            for pair in group.comparisons
            if pair.obstacles
        )
    return "\n\n".join(parts) + "\n"


def _tables(group: BenchmarkGroup) -> Iterator[_Table]:
    for part, entries in enumerate(group.sets, 1):
        name = group.card.name + (f"-{part}" if len(group.sets) > 1 else "")
        yield _per_language(name, entries)
        yield _means(name, entries)
    pairs = [comparison for comparison in group.comparisons if not comparison.obstacles]
    for number, pair in enumerate(pairs, 1):
        yield _pair(f"{group.card.name}-pair-{number}", group.card.name, pair)


def _per_language(name: str, entries: Sequence[LabelledResult]) -> _Table:
    first = entries[0].result
    metric = headline(first)
    rows = tuple(
        (_Cell(tag), *_figures(metric, [entry.result.languages[tag].metrics[metric] for entry in entries]))
        for tag in first.languages
    )
    foot = [(_Cell("mean"), *_figures(metric, [entry.result.macro[metric] for entry in entries]))]
    gaps = [entry.result.told_gap(metric) for entry in entries]
    if any(gaps):
        foot.append((_Cell("gap"), *(_Cell("–" if gap is None else f"{gap.absolute:.1f}") for gap in gaps)))
    caption = (
        f"{measure(metric).title} in % on {first.card.name} ({first.card.task}, gallery {first.gallery:,}) "
        "with 95% intervals over queries."
    )
    if any(gaps):
        caption += " Gap: English minus the mean of the others."
    return _Table(
        f"{name}-languages", caption + _remarks(entries), ("", *map(_marked, entries)), rows, tuple(foot)
    )


def _means(name: str, entries: Sequence[LabelledResult]) -> _Table:
    first = entries[0].result
    metrics = shown_metrics(first)
    columns = [_figures(metric, [entry.result.macro[metric] for entry in entries]) for metric in metrics]
    rows = tuple(
        (_Cell(_marked(entry)), *(column[place] for column in columns)) for place, entry in enumerate(entries)
    )
    caption = f"Means over {len(first.languages)} languages on {first.card.name}, gallery {first.gallery:,}."
    titles = tuple(measure(metric).title for metric in metrics)
    return _Table(f"{name}-means", caption + _remarks(entries), ("", *titles), rows)


def _pair(name: str, benchmark: str, pair: Comparison) -> _Table:
    rows = [
        (
            _Cell(row.language),
            _Cell(f"{row.one:.1f}"),
            _Cell(f"{row.other:.1f}"),
            _Cell(signed(row.difference), f"[{signed(row.low)}, {signed(row.high)}]"),
            _Cell(p_value(row.p_holm)),
        )
        for row in pair.rows
    ]
    count = len(pair.languages)
    caption = (
        f"R@1 of {pair.other} minus {pair.one} on {benchmark}, in points, with a 95% interval (paired "
        f"bootstrap) and p (permutation test, Holm over {count} languages); seed {pair.seed}."
    )
    head = ("", pair.one, pair.other, "difference", "p")
    return _Table(name, caption, head, tuple(rows[:count]), tuple(rows[count:]))


def _figures(metric: str, figures: Sequence[Estimate]) -> list[_Cell]:
    """The best is marked where there is a choice; what prints alike is marked alike."""
    how = measure(metric)
    written = [how.write(figure.value) for figure in figures]
    values = [figure.value for figure in figures]
    best = how.write(max(values) if how.higher_is_better else min(values))
    return [
        _Cell(
            text,
            "" if f.low is None or f.high is None else f"[{how.write(f.low)}, {how.write(f.high)}]",
            best=text == best and len(set(written)) > 1,
        )
        for text, f in zip(written, figures, strict=True)
    ]


def _marked(entry: LabelledResult) -> str:
    return entry.label + ("†" if entry.result.options else "")


def _remarks(entries: Sequence[LabelledResult]) -> str:
    result = entries[0].result
    remarks = [" Bold: best; it need not be significantly so."] if len(entries) > 1 else []
    machine = [
        tag
        for tag, how in result.card.sample_creation.items()
        if how == "machine-translated" and tag in result.languages
    ]
    if machine:
        remarks.append(f" Queries in {', '.join(machine)} are machine-translated.")
    used = {name: how for entry in entries for name, how in entry.result.options.items()}
    if used:
        remarks.append(f" † Transductive: {'; '.join(f'{name} ({how})' for name, how in used.items())}.")
    lost = [f"{entry.label} {len(entry.result.missing)}" for entry in entries if entry.result.missing]
    if lost:
        remarks.append(f" Missing items: {', '.join(lost)}.")
    return "".join(remarks)


def _markdown(table: _Table) -> str:
    def cell(cell: _Cell) -> str:
        text = _markdown_text(cell.text)
        return (f"**{text}**" if cell.best else text) + (
            f" {_markdown_text(cell.interval)}" if cell.interval else ""
        )

    head = "| " + " | ".join(map(_markdown_text, table.head)) + " |"
    rule = "|:---|" + "---:|" * (len(table.head) - 1)
    rows = ["| " + " | ".join(map(cell, row)) + " |" for row in (*table.rows, *table.foot)]
    return "\n".join([_markdown_text(table.caption), "", head, rule, *rows])


def _markdown_text(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", clean(text))


def _latex(table: _Table) -> str:
    def cell(cell: _Cell) -> str:
        text = _latex_text(cell.text)
        text = f"\\textbf{{{text}}}" if cell.best else text
        return text + (f" {{\\scriptsize {_latex_text(cell.interval)}}}" if cell.interval else "")

    def lines(rows: Sequence[Sequence[_Cell]]) -> list[str]:
        return [_latex_row(map(cell, row)) for row in rows]

    label = re.sub(r"[^A-Za-z0-9]+", "-", table.name).strip("-").lower()
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{_latex_text(table.caption)}}}",
            f"\\label{{tab:{label}}}",
            f"\\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
            r"\toprule",
            _latex_row(map(_latex_text, table.head)),
            r"\midrule",
            *lines(table.rows),
            *([r"\midrule", *lines(table.foot)] if table.foot else []),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_row(cells: Iterable[str]) -> str:
    row = " & ".join(cells) + r" \\"
    # The line break or rule before it would take such a beginning for its own argument.
    return "{}" + row if row.startswith(("[", "*")) else row


def _latex_text(text: str) -> str:
    separate = re.sub(r"-(?=-)", "-\0", clean(text))  # two hyphens would become a dash
    return "".join(_LATEX_SPECIAL.get(character, character) for character in separate).replace("\0", "{}")
