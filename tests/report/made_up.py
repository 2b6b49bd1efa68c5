"""Results of made-up systems on a made-up benchmark, as 'polyreel eval' would write them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np

from polyreel.evaluation.cards import BenchmarkCard
from polyreel.evaluation.results import (
    Estimate,
    Gap,
    LanguageResult,
    Matrix,
    MissingItem,
    Result,
    SystemFacts,
    WorstQuery,
)
from polyreel.media.jpeg import encode_jpeg

LANGUAGES = ("en", "de", "zh", "sw")


def jpeg(shade: int = 128) -> str:
    """A small grey picture in base64."""
    return base64.b64encode(encode_jpeg(np.full((24, 32, 3), shade, np.uint8))).decode()


def make_card(name: str = "made-up", **changes: object) -> BenchmarkCard:
    creation: dict[str, str] = {"en": "created", "de": "machine-translated"}
    fields: dict[str, object] = {
        "name": name,
        "task": "text->video",
        "description": "Clips that nobody has seen.",
        "split": "test",
        "relevance": "own item",
        "sample_creation": creation,
        "licence": "CC BY 4.0",
        "citation": "Nobody, 2026",
        "known_faults": ("it does not exist",),
        "data": "nothing to do",
    }
    return BenchmarkCard.model_validate(fields | changes)


def make_language(hits: Sequence[float], *, clusters: Sequence[int] | None = None) -> LanguageResult:
    """A language whose R@1 is the mean of ``hits``; the other figures only look likely."""
    values = np.array(hits)
    r1 = 100 * float(values.mean())
    figure = Estimate(value=r1, low=max(0.0, r1 - 6), high=min(100.0, r1 + 6))
    metrics = {
        "r@1": figure,
        "r@5": Estimate(value=min(100.0, r1 + 20), low=r1, high=100.0),
        "r@10": Estimate(value=min(100.0, r1 + 30), low=r1, high=100.0),
        "mean_rank": Estimate(value=9.25, low=7.0, high=12.0),
        "mrr": Estimate(value=0.4123, low=0.35, high=0.5),
        "ndcg@10": Estimate(value=0.5, low=0.4, high=0.6),
        "map": Estimate(value=0.4123, low=0.35, high=0.5),
        "median_rank": Estimate(value=3.0, low=2.0, high=5.0),
    }
    return LanguageResult(
        n_queries=len(values),
        metrics=metrics,
        ranks=tuple(np.where(values == 1, 1.0, 4.0).tolist()),
        hits=tuple(values.tolist()),
        clusters=tuple(range(len(values)) if clusters is None else clusters),
    )


def make_result(
    bundle: str = "small",
    *,
    skill: float = 0.4,
    seed: int = 0,
    queries: int = 120,
    languages: Sequence[str] = LANGUAGES,
    card: BenchmarkCard | None = None,
    accuracy: bool = False,
    options: Mapping[str, str] | None = None,
    worst: Sequence[WorstQuery] = (),
    missing: Sequence[MissingItem] = (),
    gallery: int | None = None,
) -> Result:
    """A system that finds a share ``skill`` of the English clips first, and fewer in other languages."""
    rng = np.random.default_rng(seed)
    measured = {}
    for place, tag in enumerate(languages):
        hits = (rng.random(queries) < skill * (1 - 0.2 * place)).astype(float)
        language = make_language(hits.tolist())
        if accuracy:
            extra = {"accuracy@1": Estimate(value=61.5, low=58.0, high=65.0), "triplet": Estimate(value=75.0)}
            language = language.model_copy(update={"metrics": dict(language.metrics) | extra})
        measured[tag] = language
    card = card or make_card()
    names = next(iter(measured.values())).metrics
    macro = {
        name: Estimate(value=float(np.mean([language.metrics[name].value for language in measured.values()])))
        for name in names
    }
    gap = {}
    for name in ("r@1", "accuracy@1") if accuracy else ("r@1",):
        english = measured["en"].metrics[name].value
        per_language = {tag: english - measured[tag].metrics[name].value for tag in languages if tag != "en"}
        mean = float(np.mean(list(per_language.values()))) if per_language else 0.0
        gap[name] = Gap(absolute=mean, relative=mean / english, per_language=per_language)
    count = len(languages)
    overlap = tuple(
        tuple(1.0 if i == j else 0.5 + 0.1 * (i - j) ** 2 / 9 for j in range(count)) for i in range(count)
    )
    return Result(
        command=f"polyreel eval {card.name} --bundle {bundle}",
        card=card,
        card_digest=card.digest,
        system=SystemFacts(bundle=bundle, identity=f"{seed:08x}" * 8, polyreel="0.1.0"),
        gallery=gallery or queries,
        options=dict(options or {}),
        languages=measured,
        macro=macro,
        gap=gap if count > 1 else None,
        consistency={
            "overlap@10": 0.534,
            "rank_c": 0.61,
            "kendall_tau_top": 0.2,
            "rank_spread": 12.3,
            "all_languages_r@1": 11.7,
        },
        tables={"overlap@10": Matrix(rows=tuple(languages), columns=tuple(languages), values=overlap)},
        missing=tuple(missing),
        worst=tuple(worst),
        seed=0,
        environment={"python": "3.12.0", "numpy": "2.0"},
        date="2026-01-02T03:04:05+00:00",
        took_s=12.5,
        peak_memory_bytes=512_000_000,
    )


def worst_query(text: str = "犬が走る", *, picture: str | None = None) -> WorstQuery:
    return WorstQuery(
        language="zh",
        query=text,
        wanted="clip-1",
        found="clip-2",
        rank=57.5,
        wanted_picture=jpeg(40) if picture is None else picture,
        found_picture=jpeg(200),
    )
