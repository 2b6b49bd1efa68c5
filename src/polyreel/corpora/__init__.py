"""Datasets as items, clips and captions."""

from polyreel.corpora.demo import DemoClip, demo_clips, shown_in_demo, within_budget
from polyreel.corpora.emoji import EMOJI_VENDORS, fetch_emoji, read_emoji
from polyreel.corpora.flickr8k import read_flickr8k
from polyreel.corpora.folder import identify_folder, read_folder
from polyreel.corpora.items import Corpus, Frames, Item, Media, Missing, VideoFile
from polyreel.corpora.msrvtt import MSRVTT_SPLITS, read_msrvtt
from polyreel.corpora.msrvtt_frames import read_msrvtt_dev
from polyreel.corpora.multi30k import MULTI30K_SPLITS, read_multi30k
from polyreel.corpora.ntrex import read_ntrex
from polyreel.corpora.stamps import fetch_stamps, read_stamps
from polyreel.corpora.vatex import VATEX_SPLITS, read_vatex
from polyreel.corpora.xm3600 import read_xm3600
from polyreel.corpora.xnli import LABELS, NliPremise, read_xnli
from polyreel.corpora.xtd10 import read_xtd10

__all__ = [
    "EMOJI_VENDORS",
    "LABELS",
    "MSRVTT_SPLITS",
    "MULTI30K_SPLITS",
    "VATEX_SPLITS",
    "Corpus",
    "DemoClip",
    "Frames",
    "Item",
    "Media",
    "Missing",
    "NliPremise",
    "VideoFile",
    "demo_clips",
    "fetch_emoji",
    "fetch_stamps",
    "identify_folder",
    "read_emoji",
    "read_flickr8k",
    "read_folder",
    "read_msrvtt",
    "read_msrvtt_dev",
    "read_multi30k",
    "read_ntrex",
    "read_stamps",
    "read_vatex",
    "read_xm3600",
    "read_xnli",
    "read_xtd10",
    "shown_in_demo",
    "within_budget",
]
