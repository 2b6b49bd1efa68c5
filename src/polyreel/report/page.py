"""The report as one page of HTML that asks no other machine for anything."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polyreel._version import __version__
from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.results import Result, WorstQuery
from polyreel.languages import clean
from polyreel.report.agreement import describe_agreement
from polyreel.report.grouping import BenchmarkGroup
from polyreel.report.labelled import LabelledResult
from polyreel.report.plots import dot_plot, gap_plot, heat_map
from polyreel.report.rendering import render_template
from polyreel.report.wording import headline, measure, shown_metrics

__all__ = ["render_page"]

_TEMPLATE = "report.html.j2"
_NOT_STATED = "not stated"
_PICTURE_BYTES = 300_000
_COLUMNS_OF_A_NARROW_SCREEN = 12


@dataclass(frozen=True, slots=True)
class _Drawing:
    svg: Markup
    caption: str
    wide: bool = False


def render_page(groups: Sequence[BenchmarkGroup]) -> str:
    """The page; equal results give equal bytes."""
    return render_template(
        _TEMPLATE,
        title="polyreel report: " + ", ".join(group.card.name for group in groups),
        groups=[_group_view(group, f"b{number}") for number, group in enumerate(groups, 1)],
        measure=measure,
        version=__version__,
    )


def _group_view(group: BenchmarkGroup, group_id: str) -> dict[str, object]:
    card = group.card
    measured = dict.fromkeys(tag for entry in group.entries for tag in entry.result.languages)
    creation = _by_value({tag: card.sample_creation.get(tag, _NOT_STATED) for tag in measured})
    return {
        "id": group_id,
        "card": card,
        "glance": [_glance(entry) for entry in group.entries],
        "machine_translated": creation.get("machine-translated", []),
        "creation": list(creation.items()),
        "gallery": _each(f"{entry.result.gallery:,}" for entry in group.entries),
        "queries": _each(_query_counts(entry.result) for entry in group.entries),
        "sets": [_set_view(entries, f"{group_id}-{n}") for n, entries in enumerate(group.sets, 1)],
        "comparisons": group.comparisons,
    }


def _set_view(entries: Sequence[LabelledResult], set_id: str) -> dict[str, object]:
    result = entries[0].result
    name = measure(headline(result)).title
    plots = [
        _Drawing(dot_plot(entries, id_prefix=f"{set_id}-dots"), f"{name} per language with 95% intervals.")
    ]
    if (gaps := gap_plot(entries, id_prefix=f"{set_id}-gaps")) is not None:
        plots.append(
            _Drawing(gaps, "Transfer gap: how far each language lies below English; shorter is better.")
        )
    return {
        "title": f"gallery {result.gallery:,}, queries {_query_counts(result)}",
        "labels": [entry.label for entry in entries],
        "plots": plots,
        "agreement": describe_agreement([entry.result for entry in entries]),
        "systems": [_system_view(entry, f"{set_id}-{n}") for n, entry in enumerate(entries, 1)],
    }


def _system_view(entry: LabelledResult, system_id: str) -> dict[str, object]:
    result = entry.result
    maps = [
        _Drawing(
            heat_map(f"{name} of {entry.label}", table, id_prefix=f"{system_id}-map{n}"),
            name,
            len(table.columns) > _COLUMNS_OF_A_NARROW_SCREEN,
        )
        for n, (name, table) in enumerate(result.tables.items(), 1)
    ]
    return {
        "id": system_id,
        "label": entry.label,
        "result": result,
        "metrics": shown_metrics(result),
        "gap": _gap_in_words(result),
        "heat_maps": maps,
        "worst": [_worst_view(query) for query in result.worst],
        "facts": list(_facts(result)),
    }


def _worst_view(query: WorstQuery) -> dict[str, object]:
    pictures = {"wanted": query.wanted_picture, "found": query.found_picture}
    view: dict[str, object] = {
        "language": query.language,
        "query": clean(query.query),
        "rank": measure("median_rank").write(query.rank),
        "wanted": query.wanted,
        "found": query.found,
    }
    for name, picture in pictures.items():
        view[f"{name}_given"] = picture is not None
        view[f"{name}_uri"] = _jpeg_uri(picture)
    return view


def _jpeg_uri(picture: str | None) -> str | None:
    """A data: URI of a JPEG; None for whatever else a results file may hold there."""
    if picture is None or len(picture) > _PICTURE_BYTES:
        return None
    try:
        data = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _glance(entry: LabelledResult) -> dict[str, object]:
    result = entry.result
    name = headline(result)
    english = result.languages.get("en")
    gap = result.told_gap(name)
    return {
        "label": entry.label,
        "gallery": result.gallery,
        "languages": len(result.languages),
        "metric": measure(name).title,
        "english": "–" if english is None else measure(name).write(english.metrics[name].value),
        "mean": measure(name).write(result.macro[name].value),
        "gap": "–" if gap is None else f"{gap.absolute:.1f}",
    }


def _gap_in_words(result: Result) -> str | None:
    name = headline(result)
    gap = result.told_gap(name)
    if gap is None:
        return None
    far = max(gap.per_language, key=lambda tag: gap.per_language[tag], default=None)
    words = f"Transfer gap in {measure(name).title}: {gap.absolute:.1f} points, {gap.relative:.0%} of English"
    return words + (f"; widest in {far} ({gap.per_language[far]:.1f})." if far is not None else ".")


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    yield "Command", result.command or "not recorded"
    yield "Seed of the resampling", str(result.seed)
    yield "Transductive options", ", ".join(result.options) or "none"
    yield "Date", result.date
    yield "Time and peak memory", f"{result.took_s:,.1f} s, {result.peak_memory_bytes / 1e6:,.0f} MB"
    yield "Bundle", f"{result.system.bundle}, polyreel {result.system.polyreel}"
    yield "Bundle identity", result.system.identity
    yield "Benchmark digest", result.card_digest + _digest_warning(result.card, result.card_digest)
    yield (
        "Environment",
        ", ".join(f"{name} {value}" for name, value in result.environment.items()) or "not recorded",
    )


def _digest_warning(card: BenchmarkCard, digest: str) -> str:
    return "" if card.digest == digest else " (not that of the card in the file: one of them was changed)"


def _query_counts(result: Result) -> str:
    """``324 in each of en, de`` or ``5,000 in en; 937 in each of de, fr``."""
    counts = _by_value({tag: f"{language.n_queries:,}" for tag, language in result.languages.items()})
    parts = [f"{n} in {'each of ' if len(tags) > 1 else ''}{', '.join(tags)}" for n, tags in counts.items()]
    return "; ".join(parts)


def _by_value(mapping: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in mapping.items():
        found.setdefault(value, []).append(key)
    return found


def _each(texts: Iterator[str]) -> str:
    return " or ".join(dict.fromkeys(texts))
