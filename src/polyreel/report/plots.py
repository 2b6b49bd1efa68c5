"""Plots as SVG for a page.

Readable in black and white, with the figures in words, equal for equal results.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from polyreel.evaluation.results import Matrix
from polyreel.languages import clean
from polyreel.report.entries import Entry
from polyreel.report.wording import best_of, headline, measure

__all__ = [
    "FAINT",
    "GREYS",
    "INK",
    "MARKERS",
    "as_svg",
    "dot_plot",
    "drawing",
    "gap_plot",
    "heat_map",
    "legend",
    "offset",
    "row_axis",
]

_WIDTH_IN = 5.4
_ROW_IN = 0.3
_LABEL_CHARS, _CELL_LABEL_CHARS, _UPRIGHT_CHARS = 44, 24, 5
_CHARACTER_IN = 0.085
# White contrasts with it as black does: 1.05 / (L + 0.05) = (L + 0.05) / 0.05.
_EVEN_LUMINANCE = 0.18
_RANDOM = "random system"
INK, FAINT = "#1a1a1a", "#d9d9d9"
# Told apart twice over, by shape and by grey; the third of a kind is told apart by its place in the row.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREYS = ("#111111", "#777777", "#ffffff", "#aaaaaa", "#444444")
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
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def dot_plot(entries: Sequence[Entry], *, id_prefix: str) -> Markup:
    """The headline metric of each language as a dot with its 95% interval, systems side by side.

    Args:
        entries: results that may be compared.
        id_prefix: begins every id in the SVG; unique within a page.
    """
    first = entries[0].result
    name, tags = headline(first), tuple(first.languages)
    title = measure(name).title
    with drawing(_height_in(tags, entries), salt=id_prefix) as (figure, axes):
        for place, entry in enumerate(entries):
            figures = [entry.result.languages[tag].metrics[name] for tag in tags]
            values = np.array([f.value for f in figures])
            low = np.array([f.value if f.low is None else f.low for f in figures])
            high = np.array([f.value if f.high is None else f.high for f in figures])
            axes.errorbar(
                values,
                np.arange(len(tags)) + offset(place, len(entries), 0.62),
                # A bootstrap interval may leave the figure itself out by a rounding error.
                xerr=np.maximum(np.stack([values - low, high - values]), 0),
                fmt=MARKERS[place % len(MARKERS)],
                color=INK,
                markerfacecolor=GREYS[place % len(GREYS)],
                markersize=5.5,
                markeredgewidth=0.8,
                elinewidth=0.9,
                capsize=2,
                label=_short(entry.label),
            )
        if (chance := _chance(name, first.gallery)) is not None:
            axes.axvline(chance, color="#666666", linewidth=0.8, linestyle=(0, (2, 2)), label=_RANDOM)
        row_axis(axes, tags)
        axes.set_xlabel(f"{title} in %, with 95% interval")
        # Percentages begin at 0; a marker there is drawn whole.
        axes.set_xlim(left=-0.015 * axes.get_xlim()[1])
        legend(figure, axes)
        words = "; ".join(f"{_short(entry.label)}: {_range_in_words(entry, name)}" for entry in entries)
        return as_svg(figure, f"{title} per language with 95% intervals. {words}.", id_prefix)


def gap_plot(entries: Sequence[Entry], *, id_prefix: str) -> Markup | None:
    """How many points each language lies below English, as bars; None where no result has a gap.

    Args:
        entries: results that may be compared.
        id_prefix: begins every id in the SVG; unique within a page.
    """
    name = headline(entries[0].result)
    gaps = {entry.label: gap for entry in entries if (gap := (entry.result.gap or {}).get(name)) is not None}
    tags = tuple(tag for tag in entries[0].result.languages if tag != "en")
    if not gaps or not tags:
        return None
    title = measure(name).title
    with drawing(_height_in(tags, entries), salt=id_prefix) as (figure, axes):
        for place, (label, gap) in enumerate(gaps.items()):
            axes.barh(
                np.arange(len(tags)) + offset(place, len(gaps), 0.74),
                [gap.per_language.get(tag, math.nan) for tag in tags],
                height=0.74 / len(gaps),
                color=GREYS[(place + 1) % len(GREYS)],
                edgecolor=INK,
                linewidth=0.7,
                hatch=_HATCHES[place % len(_HATCHES)],
                label=_short(label),
            )
        axes.axvline(0, color=INK, linewidth=0.8)
        row_axis(axes, tags)
        reached = [
            value for gap in gaps.values() for value in gap.per_language.values() if math.isfinite(value)
        ]
        axes.set_xlim(min([0.0, *reached]) * 1.05, max([1.0, *reached]) * 1.05)
        axes.set_xlabel(f"points of {title} below English")
        legend(figure, axes)
        words = "; ".join(f"{_short(label)}: mean {gap.absolute:.1f} points" for label, gap in gaps.items())
        return as_svg(figure, f"Transfer gap in {title}, English minus each language. {words}.", id_prefix)


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
    with drawing(height_in, salt=id_prefix, width_in=width_in) as (figure, axes):
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
        return as_svg(figure, f"{said}.", id_prefix)


def _compared(values: NDArray[np.float64], matrix: Matrix) -> NDArray[np.bool_]:
    """Which cells set the scale: all, or, where a language agrees with itself by definition, the others."""
    mask = np.isfinite(values)
    diagonal = values.diagonal()
    if len(values) > 1 and matrix.rows == matrix.columns and np.allclose(diagonal, 1):
        mask &= ~np.eye(len(values), dtype=bool)
    return mask


@contextmanager
def drawing(height_in: float, *, salt: str, width_in: float = _WIDTH_IN) -> Iterator[tuple[Figure, Axes]]:
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


def as_svg(figure: Figure, description: str, prefix: str) -> Markup:
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


def _height_in(tags: Sequence[str], entries: Sequence[Entry]) -> float:
    return max(_ROW_IN, 0.17 * len(entries)) * len(tags) + 0.22 * len(entries) + 0.75


def offset(place: int, count: int, spread: float) -> float:
    """How far the mark number ``place`` of ``count`` lies from the middle of its row."""
    return spread * ((place + 0.5) / count - 0.5)


def row_axis(axes: Axes, tags: Sequence[str]) -> None:
    """Rows from top to bottom, one for each of ``tags``."""
    axes.set_yticks(np.arange(len(tags)), [_short(tag) for tag in tags])
    axes.set_ylim(len(tags) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def legend(figure: Figure, axes: Axes) -> None:
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


def _chance(name: str, gallery: int) -> float | None:
    """What a random system scores, in percent."""
    return {"r@1": 100 / gallery, "accuracy@1": 100 / 3}.get(name)


def _range_in_words(entry: Entry, name: str) -> str:
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
