"""Plots as SVG for a page.

Readable in black and white, with the figures in words, equal for equal results.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from typing import Any, Protocol

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from polyreel.evaluation.results import Matrix
from polyreel.languages import clean
from polyreel.report.labelled import LabelledResult
from polyreel.report.wording import best_of, headline, measure

__all__ = ["curve_plot", "dot_plot", "gap_plot", "heat_map", "point_plot", "row_plot"]

_WIDTH_IN = 5.4
_ROW_IN = 0.3
_LABEL_CHARS, _CELL_LABEL_CHARS, _UPRIGHT_CHARS = 44, 24, 5
_CHARACTER_IN = 0.085
# White contrasts with it as black does: 1.05 / (L + 0.05) = (L + 0.05) / 0.05.
_EVEN_LUMINANCE = 0.18
_RANDOM = "random system"
_INK, _FAINT = "#1a1a1a", "#d9d9d9"
# Told apart twice over, by shape and by grey; the third of a kind is told apart by its place in the row.
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_GREYS = ("#111111", "#777777", "#ffffff", "#aaaaaa", "#444444")
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
# Lightness falls from end to end, so that a black-and-white print keeps the order.
_COLOURS = LinearSegmentedColormap.from_list("polyreel", ["#f7f7f7", "#9ecae1", "#08306b"])
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # labels come from results files; "$" in one is a dollar
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "hatch.linewidth": 0.6,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.6,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def dot_plot(entries: Sequence[LabelledResult], *, id_prefix: str) -> Markup:
    """The headline metric of each language as a dot with its 95% interval, systems side by side.

    Args:
        entries: Results that may be compared.
        id_prefix: Begins every id in the SVG; unique within a page.
    """
    first = entries[0].result
    name, title = headline(first), measure(headline(first)).title
    words = "; ".join(f"{_short(entry.label)}: {_range_in_words(entry, name)}" for entry in entries)
    chance = {"r@1": 100 / first.gallery, "accuracy@1": 100 / 3}.get(name)
    return row_plot(
        tuple(first.languages),
        {
            entry.label: [entry.result.languages[t].metrics[name] for t in first.languages]
            for entry in entries
        },
        x_label=f"{title} in %, with 95% interval",
        description=f"{title} per language with 95% intervals. {words}.",
        reference=None if chance is None else (_RANDOM, chance),
        id_prefix=id_prefix,
    )


def row_plot(
    rows: Sequence[str],
    series: Mapping[str, Sequence[_Interval]],
    *,
    x_label: str,
    description: str,
    reference: tuple[str, float] | None = None,
    id_prefix: str,
) -> Markup:
    """Figures with intervals, a row for each language, the series side by side.

    Args:
        rows: Names of the rows.
        series: Label -> a figure for each row.
        x_label: What the figures are.
        description: The drawing in words.
        reference: Label and place of a line across all rows.
        id_prefix: Begins every id in the SVG; unique within a page.
    """
    with _drawing(_height_in(rows, series), salt=id_prefix) as (figure, axes):
        for place, (label, found) in enumerate(series.items()):
            axes.errorbar(
                [each.value for each in found],
                np.arange(len(rows)) + _offset(place, len(series), 0.66),
                xerr=_reach(found),
                label=_short(label),
                **_mark(place),
            )
        if reference is not None:
            label, at = reference
            axes.axvline(at, color="#666666", linewidth=0.8, linestyle=(0, (2, 2)), label=label)
        _row_axis(axes, rows)
        axes.set_xlabel(x_label)
        if all(
            (each.value if each.low is None else each.low) >= 0 for found in series.values() for each in found
        ):
            # The scale begins at 0; a marker there is drawn whole.
            axes.set_xlim(left=-0.015 * axes.get_xlim()[1])
        else:
            axes.axvline(0, color=_INK, linewidth=0.6)
        _legend(figure, axes)
        return _as_svg(figure, description, id_prefix)


def point_plot(
    points: Mapping[str, tuple[_Interval, _Interval]],
    *,
    x_label: str,
    y_label: str,
    reference: tuple[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] | None = None,
    id_prefix: str,
) -> Markup:
    """Points with intervals both ways, each with its name beside it.

    Args:
        points: Name -> where.
        x_label, y_label: What the axes are.
        reference: Label of a line, and its height at each x.
        id_prefix: Begins every id in the SVG; unique within a page.
    """
    with _drawing(3.6, salt=id_prefix) as (figure, axes):
        if reference is not None:
            label, height = reference
            across = np.linspace(0, 1.05 * max(x.value for x, _ in points.values()), 100)
            axes.plot(across, height(across), color="#666666", linewidth=0.8, linestyle=(0, (2, 2)))
            axes.annotate(
                label,
                (across[-1], height(across)[-1]),
                xytext=(0, -9),
                textcoords="offset points",
                fontsize=7,
                ha="right",
                color="#444444",
            )
        for place, (label, (x, y)) in enumerate(points.items()):
            axes.errorbar([x.value], [y.value], xerr=_reach([x]), yerr=_reach([y]), **_mark(place))
            axes.annotate(
                label, (x.value, y.value), xytext=(5, 4), textcoords="offset points", fontsize=8, color=_INK
            )
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.spines[["top", "right"]].set_visible(False)
        words = "; ".join(f"{label} {x.value:.1f}, {y.value:.1f}" for label, (x, y) in points.items())
        return _as_svg(figure, f"{y_label} against {x_label}. {words}.", id_prefix)


def curve_plot(
    places: Sequence[float],
    series: Mapping[str, Sequence[_Interval]],
    *,
    x_label: str,
    y_label: str,
    id_prefix: str,
) -> Markup:
    """Figures with intervals over a quantity, a line for each series.

    Args:
        places: Values of the quantity.
        series: Label -> a figure for each of them.
        x_label, y_label: What the axes are.
        id_prefix: Begins every id in the SVG; unique within a page.
    """
    with _drawing(3.2, salt=id_prefix) as (figure, axes):
        for number, (label, row) in enumerate(series.items()):
            look = _mark(number) | {"fmt": f"{_MARKERS[number % len(_MARKERS)]}-", "linewidth": 0.8}
            axes.errorbar(places, [each.value for each in row], yerr=_reach(row), label=label, **look)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.spines[["top", "right"]].set_visible(False)
        _legend(figure, axes)
        words = "; ".join(
            f"{label}: "
            + ", ".join(f"{each.value:.1f} at {p:g}" for p, each in zip(places, row, strict=True))
            for label, row in series.items()
        )
        return _as_svg(figure, f"{y_label} over {x_label}. {words}.", id_prefix)


def _mark(place: int) -> dict[str, Any]:
    """The look of the series number ``place``."""
    return {
        "fmt": _MARKERS[place % len(_MARKERS)],
        "markerfacecolor": _GREYS[place % len(_GREYS)],
        "color": _INK,
        "markersize": 5.5,
        "markeredgewidth": 0.8,
        "elinewidth": 0.9,
        "capsize": 2,
    }


def _reach(row: Sequence[_Interval]) -> NDArray[np.float64]:
    """(2, figures) lengths from the figure to the ends of its interval."""
    low = [0.0 if each.low is None else each.value - each.low for each in row]
    high = [0.0 if each.high is None else each.high - each.value for each in row]
    # A bootstrap interval may leave the figure itself out by a rounding error.
    return np.maximum([low, high], 0.0)


def gap_plot(entries: Sequence[LabelledResult], *, id_prefix: str) -> Markup | None:
    """How many points each language lies below English, as bars; None where no result has a gap.

    Args:
        entries: results that may be compared.
        id_prefix: begins every id in the SVG; unique within a page.
    """
    name = headline(entries[0].result)
    gaps = {entry.label: gap for entry in entries if (gap := entry.result.told_gap(name)) is not None}
    tags = tuple(tag for tag in entries[0].result.languages if tag != "en")
    if not gaps or not tags:
        return None
    title = measure(name).title
    with _drawing(_height_in(tags, entries), salt=id_prefix) as (figure, axes):
        for place, (label, gap) in enumerate(gaps.items()):
            axes.barh(
                np.arange(len(tags)) + _offset(place, len(gaps), 0.74),
                [gap.per_language.get(tag, math.nan) for tag in tags],
                height=0.74 / len(gaps),
                color=_GREYS[(place + 1) % len(_GREYS)],
                edgecolor=_INK,
                linewidth=0.7,
                hatch=_HATCHES[place % len(_HATCHES)],
                label=_short(label),
            )
        axes.axvline(0, color=_INK, linewidth=0.8)
        _row_axis(axes, tags)
        reached = [
            value for gap in gaps.values() for value in gap.per_language.values() if math.isfinite(value)
        ]
        axes.set_xlim(min([0.0, *reached]) * 1.05, max([1.0, *reached]) * 1.05)
        axes.set_xlabel(f"points of {title} below English")
        _legend(figure, axes)
        words = "; ".join(f"{_short(label)}: mean {gap.absolute:.1f} points" for label, gap in gaps.items())
        return _as_svg(figure, f"Transfer gap in {title}, English minus each language. {words}.", id_prefix)


def heat_map(name: str, matrix: Matrix, *, id_prefix: str) -> Markup:
    """A table of figures as shades with the numbers written in.

    Args:
        name: what it shows.
        matrix: rectangular.
        id_prefix: begins every id in the SVG; unique within a page.
    """
    values = np.array(matrix.values, dtype=np.float64)
    height, width = values.shape
    compared = _compared(values, matrix)
    finite = values[compared]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = max(high - low, 1e-9)
    digits = 1 if high > 1.5 else 2
    rows, columns = (
        [_short(label)[:_CELL_LABEL_CHARS] for label in tags] for tags in (matrix.rows, matrix.columns)
    )
    longest_row, longest_column = (max(map(_width, labels)) for labels in (rows, columns))
    slanted = longest_column > _UPRIGHT_CHARS
    # Room for the labels, which the layout takes from the cells.
    width_in = 0.46 * width + _CHARACTER_IN * (longest_row + (longest_column if slanted else 0)) + 0.3
    height_in = 0.34 * height + _CHARACTER_IN * (0.7 * longest_column if slanted else 0) + 0.35
    with _drawing(height_in, salt=id_prefix, width_in=width_in) as (figure, axes):
        mesh = axes.pcolormesh(values, cmap=_COLOURS, vmin=low, vmax=low + span, edgecolors="white")
        mesh.set_linewidth(1.2)
        for (row, column), value in np.ndenumerate(values):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value:.{digits}f}" if math.isfinite(value) else "–",
                ha="center",
                va="center_baseline",
                fontsize=8,
                color=_readable_on(_COLOURS((float(value) - low) / span)),
            )
        axes.set_xticks(
            np.arange(width) + 0.5, columns, rotation=40 if slanted else 0, ha="left" if slanted else "center"
        )
        axes.set_yticks(np.arange(height) + 0.5, rows)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        said = f"{name}, {height} rows by {width} columns"
        if finite.size:
            row, column = np.argwhere(compared & (values == low))[0]
            lowest = f"{matrix.rows[row]} with {matrix.columns[column]}"
            said += (
                f": from {low:.{digits}f} ({lowest}) to {high:.{digits}f}, mean {finite.mean():.{digits}f}"
            )
        if not compared.diagonal().any():
            said += ", without the diagonal"
        return _as_svg(figure, f"{said}.", id_prefix)


def _compared(values: NDArray[np.float64], matrix: Matrix) -> NDArray[np.bool_]:
    """Which cells set the scale: all, or, where a language agrees with itself by definition, the others."""
    mask = np.isfinite(values)
    diagonal = values.diagonal()
    if len(values) > 1 and matrix.rows == matrix.columns and np.allclose(diagonal, 1):
        mask &= ~np.eye(len(values), dtype=bool)
    return mask


@contextmanager
def _drawing(height_in: float, *, salt: str, width_in: float = _WIDTH_IN) -> Iterator[tuple[Figure, Axes]]:
    """Room for one plot in the pages' style; equal calls with one ``salt`` give equal drawings."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A page looks the same whatever the reader's matplotlibrc says.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        matplotlib.rcParams["svg.hashsalt"] = salt
        # The reader's browser has glyphs that the measuring font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Cramped labels are better than no drawing.
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        yield figure, figure.add_subplot()


def _as_svg(figure: Figure, description: str, prefix: str) -> Markup:
    """The drawing as an element for a page, with a title, the page's font and ids of its own."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    drawing = buffer.getvalue()
    start = drawing.index("<svg")
    head, _, body = drawing[start:].partition(">")
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    # Text is escaped, so whatever stands between "<" and ">" is a tag of matplotlib's.
    body = re.sub(r"<[^<>]+>", lambda tag: _own_tag(tag[0], prefix), body)
    width, height, box = (_attribute(head, key) for key in ("width", "height", "viewBox"))
    said = escape(clean(description))
    return Markup(  # noqa: S704  # escaped above, by matplotlib and by markupsafe
        f'<svg class="plot" role="img" aria-label="{said}" viewBox="{box}" width="{width}" height="{height}">'
        f"<title>{said}</title>{body.strip()}"
    )


def _own_tag(tag: str, prefix: str) -> str:
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = re.sub(r'\b(?:xlink:)?href="#', f'href="#{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-")
    return re.sub(r"font-family: [^;\"]*;? ?", "", tag)


def _attribute(tag: str, key: str) -> str:
    found = re.search(rf'\b{key}="([^"]*)"', tag)
    assert found is not None, key
    return found[1]


def _height_in(rows: Sized, series: Sized) -> float:
    return max(_ROW_IN, 0.17 * len(series)) * len(rows) + 0.22 * len(series) + 0.75


def _offset(place: int, count: int, spread: float) -> float:
    """How far the mark number ``place`` of ``count`` lies from the middle of its row."""
    return spread * ((place + 0.5) / count - 0.5)


def _row_axis(axes: Axes, tags: Sequence[str]) -> None:
    """Rows from top to bottom, one for each of ``tags``."""
    axes.set_yticks(np.arange(len(tags)), [_short(tag) for tag in tags])
    axes.set_ylim(len(tags) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _legend(figure: Figure, axes: Axes) -> None:
    """What the marks stand for, above the plot."""
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    order = sorted(handles, key=_RANDOM.__eq__)
    figure.legend(
        [handles[label] for label in order],
        order,
        loc="outside upper left",
        frameon=False,
        fontsize=8,
        borderaxespad=0.2,
    )


def _range_in_words(entry: LabelledResult, name: str) -> str:
    best, worst = best_of(name, entry.result.languages)
    value = {tag: entry.result.languages[tag].metrics[name].value for tag in (best, worst)}
    words = f"mean {entry.result.macro[name].value:.1f}"
    return words + f", best {best} {value[best]:.1f}, worst {worst} {value[worst]:.1f}"


def _short(label: str) -> str:
    tidy = clean(label)
    return tidy if len(tidy) <= _LABEL_CHARS else tidy[: _LABEL_CHARS - 1] + "…"


def _readable_on(colour: tuple[float, float, float, float]) -> str:
    """Black or white, whichever has the higher contrast by WCAG 2: at least 4.5 on any colour."""
    red, green, blue, opacity = colour
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return "white" if opacity and luminance < _EVEN_LUMINANCE else "black"


def _width(label: str) -> int:
    """In characters, of which a Chinese one takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in label)
