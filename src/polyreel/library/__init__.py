"""Build, keep and search a library of video."""

from polyreel.library.doctor import FileProblem, LibraryHealth, examine
from polyreel.library.indexing import (
    Committed,
    IndexEvent,
    IndexReport,
    Planned,
    Progressed,
    Settled,
    index,
)
from polyreel.library.search import MODES, Hit, Library, Mode, SearchResult, SubtitleEvidence, VideoPooling
from polyreel.library.state import Generation, LibraryState, read_state, write_atomically

__all__ = [
    "MODES",
    "Committed",
    "FileProblem",
    "Generation",
    "Hit",
    "IndexEvent",
    "IndexReport",
    "Library",
    "LibraryHealth",
    "LibraryState",
    "Mode",
    "Planned",
    "Progressed",
    "SearchResult",
    "Settled",
    "SubtitleEvidence",
    "VideoPooling",
    "examine",
    "index",
    "read_state",
    "write_atomically",
]
