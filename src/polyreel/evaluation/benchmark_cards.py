"""The cards of the benchmarks. What is on them is checked when a benchmark is run."""

from __future__ import annotations

from collections.abc import Iterable

from polyreel.evaluation.cards import BenchmarkCard, SampleCreation
from polyreel.languages import STUDY_LANGUAGES

__all__ = [
    "DEMO",
    "DEMO_61",
    "EMOJI",
    "FLICKR8K",
    "FOLDER",
    "MSRVTT_1K_A",
    "MSRVTT_1K_B",
    "MSRVTT_DEV",
    "MSRVTT_FULL",
    "MULTI30K",
    "NTREX",
    "STAMPS",
    "VATEX",
    "XM3600",
    "XNLI",
    "XTD10",
]


def _all_nine(creation: SampleCreation) -> dict[str, SampleCreation]:
    return dict.fromkeys(STUDY_LANGUAGES, creation)


def _human_and(creation: SampleCreation, tags: Iterable[str]) -> dict[str, SampleCreation]:
    """English by people, the other languages as said."""
    return {**dict.fromkeys(tags, creation), "en": "human"}


def _demo(name: str, description: str, split: str, count: int) -> BenchmarkCard:
    return BenchmarkCard(
        name=name,
        task="text->video",
        description=description,
        split=split,
        gallery=count,
        queries=dict.fromkeys(STUDY_LANGUAGES, count),
        relevance="own item",
        sample_creation=_all_nine("written for this project"),
        licence="the clips keep the licences of the packages that carry them",
        citation="polyreel",
        known_faults=(
            "captions were written by looking at frames and not reviewed by native speakers",
            "the gallery is small: one clip is more than a point of R@1",
        ),
        data="Nothing to do: the clips are fetched from packages",
    )


DEMO = _demo("demo", "The real clips that 'make demo' fetches.", "archives within 150 MB", 25)
DEMO_61 = _demo("demo-61", "All 61 real clips of the demo corpus.", "all", 61)
MSRVTT_DEV = BenchmarkCard(
    name="msrvtt-dev-9",
    task="text->video",
    description="Key frames of 324 MSR-VTT videos, a caption each in nine languages. For choosing settings.",
    split="our own dev split; none of the standard 1k-A test videos",
    gallery=324,
    queries=dict.fromkeys(STUDY_LANGUAGES, 324),
    relevance="own item and equal captions",
    sample_creation=_human_and("written for this project", STUDY_LANGUAGES),
    licence="MSR-VTT: research use, not redistributed",
    citation="Xu et al., MSR-VTT, CVPR 2016",
    known_faults=("up to four key frames stand for a video", "one caption in twenty was kept"),
    data="Name the folder with videos.jsonl, frames-N.zip and dev-captions.json by --data",
)
FLICKR8K = BenchmarkCard(
    name="flickr8k-1000",
    task="text->image",
    description="1,000 Flickr8k photos, five English captions each; de, fr, cs of Multi30K for 937.",
    split="the first 1,000; mostly Multi30K training images",
    gallery=1000,
    queries={"en": 5000, "de": 937, "fr": 937, "cs": 937},
    relevance="own item and equal captions",
    sample_creation=_human_and("human translation", ("de", "fr", "cs")),
    licence="Flickr8k and Multi30K: research use",
    citation="Hodosh et al., JAIR 2013; Elliott et al., Multi30K, 2016",
    known_faults=("not a held-out split: do not use it for models trained on Multi30K",),
    data="Name the folder with captions.jsonl and images.zip by --data",
)
NTREX = BenchmarkCard(
    name="ntrex",
    task="text->text",
    description="News sentences in nine languages: find the English one.",
    split="the first 1,000 rows of NTREX-128",
    gallery=1000,
    queries={tag: 1000 for tag in STUDY_LANGUAGES if tag != "en"},
    relevance="same sentence",
    sample_creation={tag: "human translation" for tag in STUDY_LANGUAGES if tag != "en"},
    licence="CC BY-SA 4.0",
    citation="Federmann et al., NTREX-128, 2022",
    data="Name the folder with ntrex.dev.LANGUAGE.txt(.gz) by --data",
)
XNLI = BenchmarkCard(
    name="xnli",
    task="text->text",
    description="X-MNLI retrieval on XNLI dev: a premise in one language, all hypotheses in another.",
    split="dev: 830 premises with three hypotheses each",
    gallery=2490,
    relevance="entailed hypothesis",
    sample_creation=_human_and("human translation", ("de", "fr", "zh", "ru", "vi", "sw", "es")),
    licence="CC BY-NC 4.0",
    citation="Conneau et al., XNLI, EMNLP 2018",
    known_faults=(
        "no Czech",
        "a hypothesis of one premise can be entailed by another; it counts as wrong",
    ),
    data="Unpack XNLI-1.0 into a folder, so that it holds xnli.dev.tsv, and name it by --data",
)
FOLDER = BenchmarkCard(
    name="folder",
    task="text->video",
    description="Anyone's own clips.",
    split="as given",
    relevance="own item",
    sample_creation={},
    licence="the user's own data",
    citation="none",
    data="Write items.jsonl into a folder, a line a clip, and name the folder by --data",
)


def _msrvtt(name: str, split: str, gallery: int, queries: int) -> BenchmarkCard:
    return BenchmarkCard(
        name=name,
        task="text->video",
        description=f"MSR-VTT, the {split} split, in English and whatever languages the user adds.",
        split=split,
        gallery=gallery,
        queries={"en": queries},
        relevance="own item",
        sample_creation=_human_and("machine translation", STUDY_LANGUAGES),
        licence="MSR-VTT: research use, not redistributed",
        citation="Xu et al., MSR-VTT, CVPR 2016",
        known_faults=(
            "1k-A has no validation set: hold out training videos to choose settings",
            "some captions recur across videos, and only the own video counts",
            "the nine-language captions in use are machine translations, which favours translate-train",
        ),
        data=(
            "Put MSRVTT_data.json (or train_val_videodatainfo.json and test_videodatainfo.json), the list of "
            "the split (1k-A: MSRVTT_JSFUSION_test.csv), videos/<id>.mp4 and, for other languages, "
            "captions.<tag>.json into a folder and name it by --data"
        ),
    )


MSRVTT_1K_A = _msrvtt("msrvtt-1k-a", "1k-A", 1_000, 1_000)
MSRVTT_1K_B = _msrvtt("msrvtt-1k-b", "1k-B", 1_000, 1_000)
MSRVTT_FULL = _msrvtt("msrvtt-full", "full", 2_990, 59_800)
VATEX = BenchmarkCard(
    name="vatex",
    task="text->video",
    description="VATEX, ten English and ten Chinese captions a video.",
    split="test: the half of the public validation set that retrieval work uses",
    gallery=1_500,
    queries={"en": 15_000, "zh": 14_999},
    relevance="own item",
    sample_creation={"en": "human", "zh": "human"},
    licence="CC BY 4.0 (captions)",
    citation="Wang et al., VATEX, ICCV 2019",
    known_faults=("one Chinese caption of the test half is empty", "videos go offline: compare galleries"),
    data=("Put vatex_validation_v1.0.json, test_list.txt and videos/<videoID>.mp4 into a folder, by --data"),
)
MULTI30K = BenchmarkCard(
    name="multi30k",
    task="text->image",
    description="Multi30K, one caption a photo in en, de, fr, cs.",
    split="test_2016_flickr",
    gallery=1_000,
    queries=dict.fromkeys(("en", "de", "fr", "cs"), 1_000),
    relevance="own item",
    sample_creation=_human_and("human translation", ("de", "fr", "cs")),
    licence="Flickr30k: research use",
    citation="Elliott et al., Multi30K, 2016",
    data="Put test_2016_flickr.{txt,en.gz,de.gz,fr.gz,cs.gz} and images/ into a folder, by --data",
)
XTD10 = BenchmarkCard(
    name="xtd10",
    task="text->image",
    description="XTD10, one caption a COCO photo, in the study languages that it has.",
    split="test",
    gallery=1_000,
    queries=dict.fromkeys(("en", "de", "fr", "zh", "ru", "es"), 1_000),
    relevance="own item",
    sample_creation=_human_and("human translation", ("de", "fr", "zh", "ru", "es")),
    licence="MIT (captions)",
    citation="Aggarwal and Kale, 2020; de and fr from MIC, ja from STAIR",
    data="Put the text files of XTD10 and its photos as images/ into a folder and name it by --data",
)
XM3600 = BenchmarkCard(
    name="xm3600",
    task="text->image",
    description="Crossmodal-3600: captions written in 36 languages for photos from where those are spoken.",
    split="test",
    gallery=3_600,
    relevance="own item",
    sample_creation=_all_nine("human"),
    licence="CC BY 4.0",
    citation="Thapliyal et al., EMNLP 2022",
    known_faults=("languages describe different things: their queries are not parallel",),
    data="Put captions.jsonl and the photos as images/<key>.jpg into a folder and name it by --data",
)
STAMPS = BenchmarkCard(
    name="stamps",
    task="text->image",
    description="Photos and clip art of Tux Paint with descriptions by its translators.",
    split="all raster stamps of tuxpaint-stamps-default",
    gallery=963,
    relevance="own item and equal captions",
    sample_creation=_human_and("human translation", STUDY_LANGUAGES),
    licence="GPL-2+ and others, by stamp",
    citation="Tux Paint stamps",
    known_faults=(
        "most are clip art",
        "178 of 963 are SVG or have no description and are listed as missing",
        "Swahili has a fifth of the descriptions",
    ),
    data="Nothing to do: fetched by Debian's client",
)
EMOJI = BenchmarkCard(
    name="emoji",
    task="text->image",
    description="Emoji of one vendor by their CLDR names.",
    split="all emoji of emoji-datasource-google",
    gallery=1_911,
    relevance="own item and equal captions",
    sample_creation=_all_nine("human"),
    licence="Apache-2.0 (pictures), Unicode-3.0 (names)",
    citation="Unicode CLDR",
    known_faults=("names are labels, not sentences",),
    data="Nothing to do: fetched by npm's client",
)
