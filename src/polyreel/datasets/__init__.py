"""Datasets as items, clips and captions, and each of them as one table on disk."""

from polyreel.codeswitch.lexicon_formats import LEXICON_FORMATS
from polyreel.codeswitch.lexicons import Lexicon, load_lexicons, read_lexicon
from polyreel.codeswitch.rates import Rate
from polyreel.codeswitch.romanise import romanise
from polyreel.codeswitch.switching import SWITCH_MODES, CodeSwitcher, Switched, SwitchRule
from polyreel.datasets.catalogue import DATASETS, Dataset, find_dataset
from polyreel.datasets.checks.checking import check_table
from polyreel.datasets.checks.findings import CheckReport, Finding
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.datasets.fetching import build_dataset, count_differences, fetch_dataset, fetched_table
from polyreel.datasets.how2.aligning import AlignmentReport, LanguageReport, align, align_video
from polyreel.datasets.how2.building.corpus import How2Plan, build_how2
from polyreel.datasets.how2.building.downloading import YtDlp
from polyreel.datasets.how2.building.filtering import filtered
from polyreel.datasets.how2.building.pipeline import (
    BuildProgress,
    BuildReport,
    Plugins,
    build_captions,
    build_videos,
)
from polyreel.datasets.how2.building.plugins import GivenTranscripts, Recogniser, Translator
from polyreel.datasets.how2.building.recognising import WhisperRecogniser
from polyreel.datasets.how2.building.translating import CTranslate2Translator
from polyreel.datasets.how2.reader import How2Files, find_how2
from polyreel.datasets.how2.tracks import Track, VideoTracks
from polyreel.datasets.items import Corpus, Frames, Item, Media, VideoFile
from polyreel.datasets.readers.caption_lines import read_caption_lines
from polyreel.datasets.readers.demo import DemoClip, demo_clips, shown_in_demo, within_budget
from polyreel.datasets.readers.emoji import EMOJI_VENDORS, fetch_emoji, read_emoji
from polyreel.datasets.readers.flickr8k import read_flickr8k
from polyreel.datasets.readers.folder import identify_folder, read_folder
from polyreel.datasets.readers.imagenet_names import class_names, fetch_imagenet_names
from polyreel.datasets.readers.msrvtt import MSRVTT_SPLITS, read_msrvtt
from polyreel.datasets.readers.msrvtt_frames import read_msrvtt_dev
from polyreel.datasets.readers.multi30k import MULTI30K_SPLITS, read_multi30k
from polyreel.datasets.readers.multinli import MULTINLI_PAIRS, ParallelNli, read_multinli
from polyreel.datasets.readers.ntrex import read_ntrex
from polyreel.datasets.readers.stamps import fetch_stamps, read_stamps
from polyreel.datasets.readers.vatex import VATEX_SPLITS, read_vatex
from polyreel.datasets.readers.xm3600 import read_xm3600
from polyreel.datasets.readers.xnli import LABELS, NliPremise, read_xnli
from polyreel.datasets.readers.xtd10 import read_xtd10
from polyreel.datasets.records import Record
from polyreel.datasets.store.bundle_features import add_bundle_features, bundle_features_name, read_frames
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.features import FeatureStore
from polyreel.datasets.store.howto_features import HowToFeatures, features_of_clips
from polyreel.datasets.store.manifest import FeatureSet, LeftOut, Manifest, Source, read_manifest
from polyreel.datasets.store.table import CorpusTable, open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.problems import Missing, Problems

__all__ = [
    "DATASETS",
    "EMOJI_VENDORS",
    "LABELS",
    "LEXICON_FORMATS",
    "MSRVTT_SPLITS",
    "MULTI30K_SPLITS",
    "MULTINLI_PAIRS",
    "SWITCH_MODES",
    "VATEX_SPLITS",
    "AlignmentReport",
    "BuildProgress",
    "BuildReport",
    "CTranslate2Translator",
    "CheckReport",
    "CodeSwitcher",
    "Corpus",
    "CorpusTable",
    "Dataset",
    "DatasetCatalog",
    "DemoClip",
    "FeatureSet",
    "FeatureStore",
    "Finding",
    "Frames",
    "GivenTranscripts",
    "How2Files",
    "How2Plan",
    "HowToFeatures",
    "Item",
    "LanguageReport",
    "LeftOut",
    "Lexicon",
    "Manifest",
    "Media",
    "Missing",
    "NliPremise",
    "ParallelNli",
    "Plugins",
    "Problems",
    "Rate",
    "Recogniser",
    "Record",
    "Source",
    "SwitchRule",
    "Switched",
    "Track",
    "Translator",
    "VideoFile",
    "VideoTracks",
    "WhisperRecogniser",
    "YtDlp",
    "add_bundle_features",
    "align",
    "align_video",
    "build_captions",
    "build_dataset",
    "build_how2",
    "build_videos",
    "bundle_features_name",
    "check_table",
    "class_names",
    "count_differences",
    "demo_clips",
    "features_of_clips",
    "fetch_dataset",
    "fetch_emoji",
    "fetch_imagenet_names",
    "fetch_stamps",
    "fetched_table",
    "filtered",
    "find_dataset",
    "find_how2",
    "identify_folder",
    "load_lexicons",
    "open_table",
    "read_caption_lines",
    "read_emoji",
    "read_flickr8k",
    "read_folder",
    "read_frames",
    "read_lexicon",
    "read_manifest",
    "read_msrvtt",
    "read_msrvtt_dev",
    "read_multi30k",
    "read_multinli",
    "read_ntrex",
    "read_stamps",
    "read_vatex",
    "read_xm3600",
    "read_xnli",
    "read_xtd10",
    "romanise",
    "shown_in_demo",
    "within_budget",
    "write_features",
    "write_table",
]
