"""Multi-HowTo100M built anew, from videos or from caption files."""

from polyreel.corpora.building.collecting import Downloader, VideoSource, collect, listed_videos
from polyreel.corpora.building.corpus import REPORT_FILE, How2Plan, build_how2, how2_records
from polyreel.corpora.building.downloading import YtDlp, is_platform_id
from polyreel.corpora.building.filtering import boilerplate_reason, filtered, is_other_language
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

__all__ = [
    "REPORT_FILE",
    "BuildProgress",
    "BuildReport",
    "CTranslate2Translator",
    "Downloader",
    "GivenTranscripts",
    "How2Plan",
    "Plugins",
    "Recogniser",
    "Translator",
    "VideoSource",
    "WhisperRecogniser",
    "YtDlp",
    "boilerplate_reason",
    "build_captions",
    "build_how2",
    "build_videos",
    "collect",
    "filtered",
    "how2_records",
    "is_other_language",
    "is_platform_id",
    "listed_videos",
]
