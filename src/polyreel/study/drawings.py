"""The figures of a study: what is drawn, and the data that it is drawn from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from polyreel.report.plots import curve_plot, heat_map, point_plot, row_plot
from polyreel.study.design import AGREEMENT, GAP, OTHERS
from polyreel.study.summary import Estimated, StudyResults

__all__ = ["Drawn", "draw_study"]

_Series = Mapping[str, Sequence[Estimated]]


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
    fact = results.fact(benchmark)
    tags = [tag for tag in (fact.languages if fact else ()) if tag != "en"]
    series = {
        arm: [found.figures[f"{GAP} {tag}"] for tag in tags]
        for arm in results.recipe.arms
        if (found := results.figure(encoder, arm, benchmark)) is not None and GAP in found.figures
    }
    return _rows(
        _name("gap", encoder, benchmark),
        f"Transfer gap on {benchmark}, {encoder}",
        "R@1 in English minus R@1 in each language, by arm, with 95% intervals for new seeds and queries. "
        "A short gap is worth something only beside a good figure.",
        tags,
        series,
        "points of R@1 below English",
    )


def _unseen(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    if (roles := results.recipe.design.switching) is None:
        return None
    base, arm = roles.baseline, roles.arm
    series: dict[str, list[Estimated]] = {base: [], f"{arm} without it": [], arm: []}
    tags = []
    for tag in results.recipe.variants.leave_out:
        arms = [results.figure(encoder, name, benchmark) for name in (base, f"{arm} without {tag}", arm)]
        there = [found.figures[tag] for found in arms if found is not None and tag in found.figures]
        if len(there) == len(series):
            tags.append(tag)
            for row, figure in zip(series.values(), there, strict=True):
                row.append(figure)
    return _rows(
        _name("unseen", encoder, benchmark),
        f"Seen and unseen languages on {benchmark}, {encoder}",
        f"R@1 in a language without switching ({base}), with switching into all the others (unseen), and "
        f"into it too ({arm}); 95% intervals.",
        tags,
        series,
        "R@1",
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
    x_label, y_label = "R@1 outside English", "overlap of the first ten, %"
    return Drawn(
        name,
        f"Consistency against accuracy on {benchmark}, {encoder}",
        "Overlap of the first ten between pairs of languages, against R@1 outside English; 95% intervals.",
        point_plot(points, x_label=x_label, y_label=y_label, id_prefix=_prefix(name)),
        {arm: {"r@1": x.model_dump(), "overlap": y.model_dump()} for arm, (x, y) in points.items()},
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
    x_label, y_label = "words with a translation, %", "points of R@1 gained"
    return Drawn(
        name,
        f"Lexicon coverage against gain on {benchmark}, {encoder}",
        "Share of the words of English captions that the lexicon translates, against what code-switching "
        f"adds ({roles.arm} minus {roles.baseline}) in that language; 95% intervals.{said}",
        point_plot(points, x_label=x_label, y_label=y_label, id_prefix=_prefix(name)),
        {tag: {"coverage": x.value, "gain": y.model_dump()} for tag, (x, y) in points.items()},
    )


def _over_p(results: StudyResults, encoder: str, benchmark: str) -> Drawn | None:
    roles, variants = results.recipe.design.switching, results.recipe.variants
    own = (results.recipe.training.get("code_switching") or {}).get("p", 0.5)
    if roles is None or not variants.p or not isinstance(own, int | float):
        return None
    arms = {p: roles.arm if p == own else f"{roles.arm} p={p:g}" for p in sorted({*variants.p, float(own)})}
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
        f"R@1 of {roles.arm} over the chance p of switching a word that has a translation; 95% intervals.",
        curve_plot(list(there), series, x_label="p", y_label="R@1", id_prefix=_prefix(name)),
        _data(list(map(str, there)), series),
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


def _rows(
    name: str, title: str, caption: str, tags: Sequence[str], series: _Series, x_label: str
) -> Drawn | None:
    if not tags or not series:
        return None
    means = {label: np.mean([each.value for each in row]) for label, row in series.items()}
    words = "; ".join(f"{label}: mean {mean:.1f}" for label, mean in means.items())
    svg = row_plot(tags, series, x_label=x_label, description=f"{x_label}: {words}.", id_prefix=_prefix(name))
    return Drawn(name, title, caption, svg, _data(tags, series))


def _data(keys: Sequence[str], series: _Series) -> dict[str, dict[str, object]]:
    return {
        label: {key: each.model_dump() for key, each in zip(keys, row, strict=True)}
        for label, row in series.items()
    }


def _name(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in parts)


def _prefix(name: str) -> str:
    """Of the ids in a drawing, hundreds of them: short, to keep the page small."""
    return "d" + hashlib.sha256(name.encode()).hexdigest()[:5]
