"""Datasets as items, clips and captions, and each of them as one table on disk."""

from polyreel.codeswitch.lexicon_formats import LEXICON_FORMATS
from polyreel.codeswitch.lexicons import Lexicon, load_lexicons, read_lexicon
from polyreel.codeswitch.rates import Rate
from polyreel.codeswitch.romanise import romanise
from polyreel.codeswitch.switching import SWITCH_MODES, CodeSwitcher, Switched, SwitchRule
from polyreel.corpora.aligning import AlignmentReport, LanguageReport, align, align_video
from polyreel.corpora.building.corpus import How2Plan, build_how2
from polyreel.corpora.building.downloading import YtDlp
from polyreel.corpora.building.filtering import filtered
from polyreel.corpora.building.pipeline import (
    BuildProgress,
    BuildReport,
    Plugins,
    build_captions,
    build_videos,
)
from polyreel.corpora.building.plugins import GivenTranscripts, Recogniser, Translator
from polyreel.corpora.building.recognising import WhisperRecogniser
from polyreel.corpora.building.translating import CTranslate2Translator
from polyreel.corpora.bundle_features import add_bundle_features, bundle_features_name, read_frames
from polyreel.corpora.caption_lines import read_caption_lines
from polyreel.corpora.checking import check_table
from polyreel.corpora.datasets import build_dataset, count_differences, fetch_dataset, fetched_table
from polyreel.corpora.demo import DemoClip, demo_clips, shown_in_demo, within_budget
from polyreel.corpora.emoji import EMOJI_VENDORS, fetch_emoji, read_emoji
from polyreel.corpora.feature_writer import write_features
from polyreel.corpora.features import FeatureStore
from polyreel.corpora.findings import CheckReport, Finding
from polyreel.corpora.flickr8k import read_flickr8k
from polyreel.corpora.folder import identify_folder, read_folder
from polyreel.corpora.how2.reader import How2Files, find_how2
from polyreel.corpora.howto_features import HowToFeatures, features_of_clips
from polyreel.corpora.imagenet_names import class_names, fetch_imagenet_names
from polyreel.corpora.items import Corpus, Frames, Item, Media, VideoFile
from polyreel.corpora.manifest import FeatureSet, LeftOut, Manifest, Source, read_manifest
from polyreel.corpora.msrvtt import MSRVTT_SPLITS, read_msrvtt
from polyreel.corpora.msrvtt_frames import read_msrvtt_dev
from polyreel.corpora.multi30k import MULTI30K_SPLITS, read_multi30k
from polyreel.corpora.multinli import MULTINLI_PAIRS, ParallelNli, read_multinli
from polyreel.corpora.ntrex import read_ntrex
from polyreel.corpora.records import Record
from polyreel.corpora.registry import DATASETS, Dataset, find_dataset
from polyreel.corpora.shelf import Shelf
from polyreel.corpora.stamps import fetch_stamps, read_stamps
from polyreel.corpora.table import CorpusTable, open_table
from polyreel.corpora.table_writer import write_table
from polyreel.corpora.tracks import Track, VideoTracks
from polyreel.corpora.vatex import VATEX_SPLITS, read_vatex
from polyreel.corpora.xm3600 import read_xm3600
from polyreel.corpora.xnli import LABELS, NliPremise, read_xnli
from polyreel.corpora.xtd10 import read_xtd10
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
    "Shelf",
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
