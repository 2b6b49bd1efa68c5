"""The claims that the project started from, each against what was measured here.

A verdict is computed from intervals, never written: it is ``supported`` where the whole 95% interval lies on
the claim's side. What a study cannot test says so, and names the recipe and data that would.
"""

from __future__ import annotations

from polyreel.study.ledger import Claim, Measured, Row, judged
from polyreel.study.summary import AGREEMENT, ALL, GAP, OTHERS, TOGETHER, StudyResults

__all__ = ["judge_claims"]


def judge_claims(results: StudyResults) -> tuple[Claim, ...]:
    """The ledger of a study, by its first text-to-video benchmark; mostly its first encoder decides."""
    retrieval = results.recipe.measure.retrieval[0].name
    return tuple(judged(row, results, retrieval) for row in _ROWS)


def _difference(
    results: StudyResults,
    encoder: str,
    one: str,
    other: str,
    benchmark: str,
    outcome: str,
    *,
    decides: bool = True,
    needs_above: float = 0.0,
    flip: bool = False,
) -> Measured | None:
    found = results.contrast(encoder, one, other, benchmark, outcome)
    if found is None:
        return None
    value, low, high = found.difference, found.low, found.high
    if flip:
        one, other, value, low, high = other, one, -value, -high, -low
    return Measured(
        what=f"{one} minus {other}, {outcome}, {benchmark}",
        value=value,
        low=low,
        high=high,
        needs_above=needs_above,
        detectable=found.detectable,
        decides=decides,
    )


def _question(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    beside = [
        _difference(results, encoder, one, other, benchmark, outcome, decides=False)
        for one, other in (("V2", "V2-blind"), ("V2", "T2"))
        for benchmark in ("xnli", "ntrex")
        for outcome in (OTHERS, AGREEMENT)
    ]
    return [
        _difference(results, encoder, "V2", "T2", retrieval, OTHERS),
        _difference(results, encoder, "V2", "T2", retrieval, AGREEMENT),
        _difference(results, encoder, "V2", "V2-shuffled", retrieval, OTHERS, decides=False),
        _difference(results, encoder, "V2", "T2", retrieval, TOGETHER, decides=False),
        *beside,
    ]


def _without_annotations(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    return [
        _difference(results, encoder, "V2", "V1", retrieval, OTHERS),
        _difference(results, encoder, "V3", "V1", retrieval, OTHERS, decides=False),
    ]


def _pivot(results: StudyResults, encoder: str, _retrieval: str) -> list[Measured | None]:
    return [
        _difference(results, encoder, "V2", other, benchmark, OTHERS, decides=benchmark == "xnli")
        for other in ("V2-shuffled", "V2-blind")
        for benchmark in ("xnli", "ntrex")
    ]


def _two_points(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    return [
        _difference(results, encoder, "V3", "V1", retrieval, ALL, needs_above=2.0),
        _difference(results, encoder, "V2", "V1", retrieval, ALL, needs_above=2.0, decides=False),
    ]


def _less_transfer(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    """Loss of the other languages as a share of English above chance: video by V1, text by T1."""
    seen, read = (
        _relative_loss(results, encoder, arm, benchmark, chance)
        for arm, benchmark, chance in (("V1", retrieval, None), ("T1", "xnli", 100 / 3))
    )
    if seen is None or read is None:
        return []
    reach = (((seen[1] / 2) ** 2 + (read[1] / 2) ** 2) ** 0.5) if seen[1] and read[1] else 0.0
    value = seen[0] - read[0]
    return [
        Measured(
            what=f"relative loss outside English: V1 on {retrieval} minus T1 on xnli",
            value=round(value, 4),
            low=round(value - reach, 4),
            high=round(value + reach, 4),
            unit="share of English above chance",
        )
    ]


def _relative_loss(
    results: StudyResults, encoder: str, arm: str, benchmark: str, chance: float | None
) -> tuple[float, float] | None:
    """The loss, and the length of its interval."""
    found = results.figure(encoder, arm, benchmark)
    fact = next((fact for fact in results.benchmarks if fact.name == benchmark), None)
    if found is None or fact is None or GAP not in found.figures:
        return None
    above = found.figures["en"].value - (100 / fact.gallery if chance is None else chance)
    if above <= 0:
        return None
    gap = found.figures[GAP]
    return gap.value / above, (gap.high - gap.low) / above


def _narrower_gap(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    return [
        _difference(results, encoder, "V3", "V1", retrieval, GAP, flip=True),
        _difference(results, encoder, "V2", "V1", retrieval, GAP, flip=True, decides=False),
    ]


def _applied_as_is(results: StudyResults, encoder: str, retrieval: str) -> list[Measured | None]:
    """The worst language of the arm that saw English alone, against chance."""
    found = results.figure(encoder, "V1", retrieval)
    fact = next((fact for fact in results.benchmarks if fact.name == retrieval), None)
    tags = [tag for tag in (fact.languages if fact else ()) if tag != "en"]
    if found is None or fact is None or not tags:
        return []
    worst = min(tags, key=lambda tag: found.figures[tag].low)
    figure = found.figures[worst]
    chance = 100 / fact.gallery
    return [
        Measured(
            what=f"V1 in {worst}, the worst language, against chance ({chance:.2f}), {retrieval}",
            value=figure.value,
            low=figure.low,
            high=figure.high,
            unit="R@1",
            needs_above=chance,
        )
    ]


def _text_transfer(results: StudyResults, encoder: str, _retrieval: str) -> list[Measured | None]:
    """What T1, which was trained on English alone, keeps outside English."""
    found = results.figure(encoder, "T1", "xnli")
    if found is None:
        return []
    others = found.figures[OTHERS]
    above_chance = Measured(
        what="T1 outside English, xnli, against chance (33.3)",
        value=others.value,
        low=others.low,
        high=others.high,
        unit="accuracy@1",
        needs_above=100 / 3,
    )
    loss = _relative_loss(results, encoder, "T1", "xnli", 100 / 3)
    if loss is None:
        return [above_chance]
    kept, reach = 1 - loss[0], loss[1] / 2
    return [
        above_chance,
        Measured(
            what="T1, what is kept outside English, xnli",
            value=round(kept, 4),
            low=round(kept - reach, 4),
            high=round(kept + reach, 4),
            unit="share of English above chance",
            needs_above=0.5,
        ),
    ]


def _needed(results: StudyResults, encoder: str, _retrieval: str) -> list[Measured | None]:
    return [
        _difference(results, encoder, "V2", "V2-blind", "xnli", OTHERS),
        _difference(results, encoder, "V2", "V2-blind", "ntrex", OTHERS, decides=False),
        _difference(results, encoder, "V2-blind", "T0", "xnli", OTHERS, decides=False),
    ]


_LARGE = "recipes/mmp-howto100m.yaml on Multi-HowTo100M (1.2 M videos, nine languages), then "
_ROWS = (
    Row(
        0,
        "Does pre-training on video and code-switched text improve zero-shot cross-lingual retrieval over "
        "text-only baselines, in accuracy and in cross-lingual consistency?",
        "V2 against T2, text to video outside English: R@1, and overlap of the first ten between languages.",
        "V2 is no better than T2 in either.",
        "recipes/study-full.yaml with XLM-R and mBERT on Multi-HowTo100M.",
        _question,
        caveat=(
            "T2 has no video tower and sees clips through the English names of ImageNet classes, so this is "
            "the gain of all of training on video; V2 minus V2-blind says what vision does to texts."
        ),
    ),
    Row(
        1,
        "Multilingual pre-training improves non-English video search without annotations in those languages.",
        "V2 (code-switched by a dictionary, no caption in another language) against V1, outside English.",
        "V2 is no better than V1 outside English.",
        _LARGE + "recipes/mmp-msrvtt9.yaml on MSR-VTT.",
        _without_annotations,
    ),
    Row(
        2,
        "It beats recent baselines on VTT and VATEX.",
        "",
        "The same model trained by the recipes below does not reach the published figures of the baselines.",
        _LARGE + "recipes/mmp-msrvtt9.yaml on MSR-VTT 1k-A and recipes/vatex.yaml on VATEX.",
        untestable="It takes the test videos of both datasets, and pre-training on 1.2 M videos.",
    ),
    Row(
        3,
        "The model and the dataset are available.",
        "",
        "No weights, or no dataset, can be had from the authors.",
        "Looking for them; no measurement does.",
        untestable="It is no matter of measurement. As far as is known captions were released, not weights.",
    ),
    Row(
        4,
        "Multi-HowTo100M holds subtitles of 1.2 M videos in nine languages.",
        "",
        "A count of the files gives other numbers.",
        "polyreel data build how2 on the released how2_[lang].json, which counts videos and languages.",
        untestable="The dataset is not here.",
    ),
    Row(
        5,
        "Visual data is an implicit pivot between languages, at scale.",
        "V2 against V2 with shuffled videos, and without vision at the same text: X-MNLI outside English.",
        "Vision that carries information does no more for text than vision that carries none.",
        _LARGE + "X-MNLI with recipes/study-full.yaml.",
        _pivot,
        caveat="What is tested is a pivot at the size of this study, not at scale.",
    ),
    Row(
        6,
        "It is worth +2 to +2.5 R@1, mean over nine languages, over pre-training on English video.",
        "V3 against V1, text to video, mean over all languages.",
        "The interval does not lie above +2.",
        _LARGE + "recipes/mmp-msrvtt9.yaml on MSR-VTT 1k-A.",
        _two_points,
        caveat="V3 has captions in those languages that its corpora have, which are not all nine.",
    ),
    Row(
        7,
        "It wins by a large margin on VATEX and in search from text to images.",
        "",
        "The margin over the English-only model is no larger than its interval.",
        "recipes/vatex.yaml on VATEX and recipes/multi30k.yaml on Multi30K with its photos.",
        untestable="Neither VATEX nor the photos of Multi30K's test set are here.",
    ),
    Row(
        8,
        "It is state of the art in supervised multilingual retrieval.",
        "",
        "A published model has better figures on the same split.",
        _LARGE + "recipes/multi30k.yaml and recipes/vatex.yaml with their whole training sets.",
        untestable="It takes full training sets, and figures of rivals on the same split; itself unverified.",
    ),
    Row(
        9,
        "Vision-language models transfer less across languages than language models.",
        "Loss outside English as a share of English above chance: V1 on text to video minus T1 on X-MNLI.",
        "The loss on video is no larger.",
        "recipes/study-full.yaml: one encoder for both tasks, XLM-R among them.",
        _less_transfer,
        caveat="Two tasks with two chance levels; the interval treats them as independent.",
    ),
    Row(
        10,
        "The strategy and the dataset improve cross-lingual transfer.",
        "Transfer gap (English minus the mean of the others) of V1 minus that of V3, text to video.",
        "The gap does not shrink.",
        _LARGE + "recipes/mmp-msrvtt9.yaml.",
        _narrower_gap,
        caveat="Tested is multilingual training here, not their dataset.",
    ),
    Row(
        11,
        "Early work needed parallel corpora or dictionaries.",
        "",
        "Early work that transferred without either.",
        "A reading of the literature.",
        untestable="It is about the history of the field.",
    ),
    Row(
        12,
        "Zero-shot transfer applies a model of the source language as it is.",
        "V1, which saw English captions alone, asked in each other language: worst language against chance.",
        "In some language it finds no more than chance.",
        "recipes/study-full.yaml.",
        _applied_as_is,
    ),
    Row(
        13,
        "Unsupervised multilingual learning suffices for much of cross-lingual transfer in NLP.",
        "T1, trained on English text, on X-MNLI outside English: against chance, and the share of what "
        "English has above chance. Much is taken to be half.",
        "An encoder pre-trained without parallel text is at chance outside English, or keeps less than half.",
        "recipes/study-full.yaml with XLM-R or mBERT, which saw no parallel text, as T0 and T1.",
        _text_transfer,
        untestable=(
            "The encoders of this study were trained on translations too, so their transfer is not "
            "unsupervised; the figures are shown all the same."
        ),
        unaligned=True,
        caveat="The unaligned encoder here is very small, and read a few thousand sentences a language.",
    ),
    Row(
        14,
        "A shared vocabulary and a shared structure of languages drive transfer.",
        "",
        "Encoders with separate vocabularies transfer as well.",
        "Encoders trained with and without a shared vocabulary, as hub models in recipes/study-full.yaml.",
        untestable="It takes encoders that differ in nothing but their vocabulary; all here share one.",
    ),
    Row(
        15,
        "Visual information is essential for the cross-lingual transfer of vision-language models.",
        "V2 against V2 without vision at the same text: X-MNLI outside English.",
        "Without vision, the same text gives as much.",
        _LARGE + "X-MNLI with recipes/study-full.yaml.",
        _needed,
        caveat="Better with vision is less than essential: that would need the arm without it to fail.",
    ),
)
