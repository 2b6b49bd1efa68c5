"""Multi-HowTo100M built anew, from videos or from caption files."""

from polyreel.datasets.how2.building.collecting import Downloader, VideoSource, collect, listed_videos
from polyreel.datasets.how2.building.corpus import REPORT_FILE, How2Plan, build_how2, how2_records
from polyreel.datasets.how2.building.downloading import YtDlp, is_platform_id
from polyreel.datasets.how2.building.filtering import boilerplate_reason, filtered, is_other_language
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
