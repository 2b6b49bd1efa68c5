"""Build, keep and search a library of video."""

from polyreel.files import write_atomically
from polyreel.library.index.events import Committed, IndexEvent, Planned, Progressed, Settled
from polyreel.library.index.indexing import IndexReport, index
from polyreel.library.index.progress_file import IndexProgress, read_progress
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
from polyreel.library.search.calibration import BACKGROUND_QUERIES, FALSE_ALARM_RATE
from polyreel.library.search.examples import Example, encode_example
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.search import Library
from polyreel.library.search.snapshot import LibrarySnapshot, Video
from polyreel.library.store.contents import Contents, ProblemFile
from polyreel.library.store.doctor import FileProblem, LibraryHealth, examine
from polyreel.library.store.state import Generation, LibraryState, read_state

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
    "LibrarySnapshot",
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
    "encode_example",
    "examine",
    "index",
    "read_progress",
    "read_state",
    "write_atomically",
]
