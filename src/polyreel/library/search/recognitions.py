"""What was heard and read in single videos of a library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from polyreel.library.line_kinds import line_kind
from polyreel.library.search.snapshot import LibrarySnapshot
from polyreel.library.store.recognised import RECOGNISED_COLUMNS, VideoRecognition, video_recognition
from polyreel.library.store.store import TableReader
from polyreel.library.store.tables import FILES, RECOGNISED, SUBTITLES

__all__ = ["recognitions"]


def recognitions(
    snapshot: LibrarySnapshot, videos: Sequence[str]
) -> Mapping[str, Sequence[VideoRecognition]]:
    """What was heard and read in each of some videos; nothing of what was begun in no video of the library.

    Args:
        snapshot: the library.
        videos: ids of videos that it holds.
    """
    if not videos or not snapshot.recognised:
        return dict.fromkeys(videos, ())
    tables = TableReader(snapshot.folder, snapshot.state)
    files = tables.read_of_videos(FILES, ["video", "health"], videos).to_pylist()
    file_of = {file["video"]: file for file in files}
    rows = tables.read_of_videos(RECOGNISED, RECOGNISED_COLUMNS, videos).to_pylist()
    row_of = {(row["video"], row["source"]): row for row in rows}
    lines: dict[tuple[str, str], Counter[str]] = {}
    for line in tables.read_of_videos(SUBTITLES, ["video", "language", "source"], videos).to_pylist():
        key = line["video"], line_kind(line["source"])
        lines.setdefault(key, Counter())[line["language"]] += 1
    return {
        video: [
            video_recognition(
                source,
                file_of[video],
                row_of.get((video, source)),
                dict(lines.get((video, source), Counter()).most_common()),
            )
            for source in snapshot.recognised
        ]
        for video in videos
    }
