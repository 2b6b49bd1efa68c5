"""The REST API from the outside: its documents, and a client with the calls of a local library."""

from polyreel.client.documents import (
    ClipScoreDocument,
    ErrorDocument,
    ErrorFacts,
    EvidenceDocument,
    HealthDocument,
    HitDocument,
    IndexRequest,
    LibraryDocument,
    MomentDocument,
    ProblemDocument,
    ProgressDocument,
    SearchDocument,
    SubtitleDocument,
    TimelineDocument,
    VideoDocument,
    VideosDocument,
)
from polyreel.client.remote import RemoteLibrary, connect

__all__ = [
    "ClipScoreDocument",
    "ErrorDocument",
    "ErrorFacts",
    "EvidenceDocument",
    "HealthDocument",
    "HitDocument",
    "IndexRequest",
    "LibraryDocument",
    "MomentDocument",
    "ProblemDocument",
    "ProgressDocument",
    "RemoteLibrary",
    "SearchDocument",
    "SubtitleDocument",
    "TimelineDocument",
    "VideoDocument",
    "VideosDocument",
    "connect",
]
