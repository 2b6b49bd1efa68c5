"""Build, keep and search a library of video."""

from polyreel.files import write_atomically
from polyreel.library.calibration import BACKGROUND_QUERIES, FALSE_ALARM_RATE
from polyreel.library.contents import Contents, ProblemFile
from polyreel.library.doctor import FileProblem, LibraryHealth, examine
from polyreel.library.events import Committed, IndexEvent, Planned, Progressed, Settled
from polyreel.library.examples import Example, encode_example
from polyreel.library.filters import EVERYTHING, Filter
from polyreel.library.indexing import IndexReport, index
from polyreel.library.progress import IndexProgress, read_progress
from polyreel.library.results import (
    MODES,
    ClipScore,
    Hit,
    Mode,
    Question,
    SearchResult,
    SubtitleEvidence,
    VideoPooling,
)
from polyreel.library.search import Library
from polyreel.library.state import Generation, LibraryState, read_state
from polyreel.library.view import Video, View

__all__ = [
    "BACKGROUND_QUERIES",
    "EVERYTHING",
    "FALSE_ALARM_RATE",
    "MODES",
    "ClipScore",
    "Committed",
    "Contents",
    "Example",
    "FileProblem",
    "Filter",
    "Generation",
    "Hit",
    "IndexEvent",
    "IndexProgress",
    "IndexReport",
    "Library",
    "LibraryHealth",
    "LibraryState",
    "Mode",
    "Planned",
    "ProblemFile",
    "Progressed",
    "Question",
    "SearchResult",
    "Settled",
    "SubtitleEvidence",
    "Video",
    "VideoPooling",
    "View",
    "encode_example",
    "examine",
    "index",
    "read_progress",
    "read_state",
    "write_atomically",
]
