"""The figures of a study: what is drawn, and the data that it is drawn from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from polyreel.report.plots import GREYS, INK, MARKERS, as_svg, drawing, heat_map, legend, offset, row_axis
from polyreel.study.design import AGREEMENT, GAP, OTHERS
from polyreel.study.summary import Estimated, StudyResults

__all__ = ["Drawn", "draw_study"]

_ROW_IN, _MARK_IN = 0.3, 0.12
_LOOK: dict[str, Any] = {"elinewidth": 0.8, "capsize": 2, "markersize": 5, "markeredgewidth": 0.8}
Series = Mapping[str, Sequence[Estimated]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure.

    Attributes:
        name: of its file of data.
        title, caption: what it shows.
        svg: the drawing.
        data: what it is drawn from, as JSON has it.
        wide: whether it may need to be scrolled.
    """

    name: str
    title: str
    caption: str
    svg: Markup
    data: object
    wide: bool = False


def draw_study(results: StudyResults) -> list[Drawn]:
    """All figures that the results have data for, encoder by encoder."""
    found: list[Drawn | None] = []
    for encoder in results.recipe.encoders:
        for benchmark in (spec.name for spec in results.recipe.measure.retrieval):
            found += [
                _gaps(results, encoder, benchmark),
                _consistency(results, encoder, benchmark),
                _over_p(results, encoder, benchmark),
                _coverage(results, encoder, benchmark),
                _unseen(results, encoder, benchmark),
            ]
        found += _matrices(results, encoder)
    return [drawn for drawn in found if drawn is not None]


def _gaps(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    tags = [tag for tag in _languages(results, benchmark) if tag != "en"]
    series = {
        arm: [found.figures[f"{GAP} {tag}"] for tag in tags]
        for arm in results.recipe.arms
        if (found := results.figure(encoder, arm, benchmark)) is not None and GAP in found.figures
    }
    if not series:
        return None
    name = _name("gap", encoder, benchmark)
    return Drawn(
        name,
        f"Transfer gap on {benchmark}, {encoder}",
        "R@1 in English minus R@1 in each language, by arm, with 95% intervals for new seeds and queries. "
        "A short gap is worth something only beside a good figure.",
        _rows_plot(tags, series, "points of R@1 below English", name),
        {arm: dict(zip(tags, _plain(row), strict=True)) for arm, row in series.items()},
    )


def _consistency(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    points = {
        arm: (found.figures[OTHERS], found.figures[AGREEMENT])
        for arm in results.recipe.arms
        if (found := results.figure(encoder, arm, benchmark)) is not None and AGREEMENT in found.figures
    }
    if not points:
        return None
    name = _name("consistency", encoder, benchmark)
    return Drawn(
        name,
        f"Consistency against accuracy on {benchmark}, {encoder}",
        "Overlap of the first ten between pairs of languages, against R@1 outside English; 95% intervals.",
        _points_plot(points, "R@1 outside English", "overlap of the first ten, %", name),
        {arm: {"r@1": _plain([x])[0], "overlap": _plain([y])[0]} for arm, (x, y) in points.items()},
    )


def _over_p(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    switching = results.recipe.training.get("code_switching") or {}
    own = switching.get("p", 0.5)
    roles = results.recipe.design.switching
    if roles is None or not results.recipe.variants.p or not isinstance(own, int | float):
        return None
    arms = {
        p: roles.arm if p == own else f"{roles.arm} p={p:g}"
        for p in sorted({*results.recipe.variants.p, float(own)})
    }
    found = {p: results.figure(encoder, arm, benchmark) for p, arm in arms.items()}
    there = {p: figures for p, figures in found.items() if figures is not None}
    if len(there) < 2:
        return None
    series = {
        "English": [figures.figures["en"] for figures in there.values()],
        "other languages": [figures.figures[OTHERS] for figures in there.values()],
    }
    name = _name("p", encoder, benchmark)
    return Drawn(
        name,
        f"Chance of switching on {benchmark}, {encoder}",
        f"R@1 of {roles.arm} as the chance p of switching a word that has a translation grows; "
        "95% intervals.",
        _curve(list(there), series, "p", "R@1", name),
        {label: dict(zip(map(str, there), _plain(row), strict=True)) for label, row in series.items()},
    )


def _coverage(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    if (roles := results.recipe.design.switching) is None:
        return None
    points = {}
    for tag, share in results.coverage.items():
        gain = results.contrast(encoder, roles.arm, roles.baseline, benchmark, tag)
        if gain is not None:
            at = Estimated(value=100 * share, low=100 * share, high=100 * share)
            points[tag] = (at, Estimated(value=gain.difference, low=gain.low, high=gain.high))
    if len(points) < 2:
        return None
    name = _name("coverage", encoder, benchmark)
    trend = next((t for t in results.trends if (t.encoder, t.benchmark) == (encoder, benchmark)), None)
    said = "" if trend is None else f" Spearman's rho {trend.rho:+.2f}, p {trend.p:.2f}."
    return Drawn(
        name,
        f"Lexicon coverage against gain on {benchmark}, {encoder}",
        "Share of the words of English captions that the lexicon translates, against what code-switching "
        f"adds ({roles.arm} minus {roles.baseline}) in that language; 95% intervals.{said}",
        _points_plot(points, "words with a translation, %", "points of R@1 gained", name),
        {tag: {"coverage": x.value, "gain": _plain([y])[0]} for tag, (x, y) in points.items()},
    )


def _unseen(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    if (roles := results.recipe.design.switching) is None:
        return None
    base, arm = roles.baseline, roles.arm
    series: dict[str, list[Estimated]] = {base: [], f"{arm} without it": [], arm: []}
    tags = []
    for tag in results.recipe.variants.leave_out:
        arms = [results.figure(encoder, name, benchmark) for name in (base, f"{arm} without {tag}", arm)]
        if all(figures is not None and tag in figures.figures for figures in arms):
            tags.append(tag)
            for row, figures in zip(series.values(), arms, strict=True):
                assert figures is not None
                row.append(figures.figures[tag])
    if not tags:
        return None
    name = _name("unseen", encoder, benchmark)
    return Drawn(
        name,
        f"Seen and unseen languages on {benchmark}, {encoder}",
        f"R@1 in a language without switching ({base}), with switching into all the others (unseen), and "
        f"into it too ({arm}); 95% intervals.",
        _rows_plot(tags, series, "R@1", name),
        {label: dict(zip(tags, _plain(row), strict=True)) for label, row in series.items()},
    )


def _matrices(results: StudyResults, encoder: str) -> list[Drawn]:
    design, found = results.recipe.design, []
    for arm in design.matrices:
        for fact in results.benchmarks:
            figures = results.figure(encoder, arm, fact.name)
            if figures is not None and figures.matrix is not None:
                name = _name(fact.name, encoder, arm)
                title = f"{design.titles.get(fact.name, fact.name)} of {arm}, {encoder}"
                caption = (
                    f"{fact.metric} among {fact.gallery}, query language by language of what is searched; "
                    f"random is {100 / fact.gallery:.1f}."
                )
                drawing = heat_map(title, figures.matrix, id_prefix=_prefix(name))
                found.append(Drawn(name, title, caption, drawing, figures.matrix.model_dump(mode="json")))
    return found


def _rows_plot(tags: Sequence[str], series: Series, label: str, name: str) -> Markup:
    height = max(_ROW_IN, _MARK_IN * len(series)) * len(tags) + 0.2 * len(series) + 0.8
    with drawing(height, salt=_prefix(name)) as (figure, axes):
        for place, (arm, row) in enumerate(series.items()):
            values = np.array([each.value for each in row])
            axes.errorbar(
                values,
                np.arange(len(tags)) + offset(place, len(series), 0.7),
                xerr=_reach(row),
                fmt=MARKERS[place % len(MARKERS)],
                markerfacecolor=GREYS[place % len(GREYS)],
                label=arm,
                color=INK,
                **_LOOK,
            )
        axes.axvline(0, color=INK, linewidth=0.6)
        row_axis(axes, tags)
        axes.set_xlabel(label)
        legend(figure, axes)
        words = "; ".join(
            f"{arm}: mean {np.mean([each.value for each in row]):.1f}" for arm, row in series.items()
        )
        return as_svg(figure, f"{label}: {words}.", _prefix(name))


def _points_plot(
    points: Mapping[str, tuple[Estimated, Estimated]], x_label: str, y_label: str, name: str
) -> Markup:
    with drawing(3.6, salt=_prefix(name)) as (figure, axes):
        for place, (label, (x, y)) in enumerate(points.items()):
            axes.errorbar(
                [x.value],
                [y.value],
                xerr=_reach([x]),
                yerr=_reach([y]),
                fmt=MARKERS[place % len(MARKERS)],
                markerfacecolor=GREYS[place % len(GREYS)],
                color=INK,
                **_LOOK,
            )
            axes.annotate(
                label, (x.value, y.value), xytext=(5, 4), textcoords="offset points", fontsize=8, color=INK
            )
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.spines[["top", "right"]].set_visible(False)
        words = "; ".join(f"{label} {x.value:.1f}, {y.value:.1f}" for label, (x, y) in points.items())
        return as_svg(figure, f"{y_label} against {x_label}. {words}.", _prefix(name))


def _curve(places: Sequence[float], series: Series, x_label: str, y_label: str, name: str) -> Markup:
    with drawing(3.2, salt=_prefix(name)) as (figure, axes):
        for number, (label, row) in enumerate(series.items()):
            axes.errorbar(
                places,
                [each.value for each in row],
                yerr=_reach(row),
                fmt=f"{MARKERS[number]}-",
                linewidth=0.8,
                markerfacecolor=GREYS[number],
                label=label,
                color=INK,
                **_LOOK,
            )
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.spines[["top", "right"]].set_visible(False)
        legend(figure, axes)
        words = "; ".join(
            f"{label}: "
            + ", ".join(f"{each.value:.1f} at {p:g}" for p, each in zip(places, row, strict=True))
            for label, row in series.items()
        )
        return as_svg(figure, f"{y_label} over {x_label}. {words}.", _prefix(name))


def _reach(row: Sequence[Estimated]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    ends = np.array([[each.value - each.low, each.high - each.value] for each in row], np.float64)
    return np.asarray(np.maximum(ends.T, 0))


def _plain(row: Sequence[Estimated]) -> list[dict[str, float]]:
    return [each.model_dump() for each in row]


def _languages(results: StudyResults, benchmark: str) -> tuple[str, ...]:
    return next((fact.languages for fact in results.benchmarks if fact.name == benchmark), ())


def _name(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts)


def _prefix(name: str) -> str:
    """Of the ids in a drawing, hundreds of them: short, to keep the page small."""
    return "d" + hashlib.sha256(name.encode()).hexdigest()[:5]
