"""What is laid out of several libraries, as one: their videos by path, each once, with clips and lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyreel.library.search.joined_rows import JoinedTable, JoinedVectors, JoinedWords, RowOrder
from polyreel.library.search.search_index import SearchIndex
from polyreel.library.search.word_index import WordIndex

__all__ = ["JoinedIndex", "join_indexes"]

_PART = "part"


@dataclass(frozen=True, slots=True)
class JoinedIndex:
    """Several libraries as one.

    Attributes:
        index: what is searched; its ``videos`` are in memory, all else stays where it is.
        part_of_video: (videos,) number of the library that each video's clips and lines are from.
    """

    index: SearchIndex
    part_of_video: NDArray[np.int64]


def join_indexes(parts: Sequence[SearchIndex]) -> JoinedIndex:
    """The one library that holds all files of several.

    A file that several have looked at is the one that was changed last. Content that several hold counts
    once: its clips and lines are those of the library that lacks the fewest vectors of it, then of the one
    that has the most lines of it, then of the one that holds the first of its paths.

    Args:
        parts: at least one, of vectors of one width.
    """
    videos = _videos(parts)
    part_of = videos[_PART].to_numpy()
    clip_ends = np.concatenate([[0], np.cumsum([len(part.clips) for part in parts])])
    counts, firsts = videos["clips"].to_numpy(), videos["first"].to_numpy()
    first = np.cumsum(counts) - counts
    # Of each clip: where its video begins among all parts' clips, and how far it is from there.
    begins = np.repeat(clip_ends[part_of] + firsts - first, counts)
    clips = RowOrder.of(begins + np.arange(len(begins)), [len(part.clips) for part in parts])
    clip_of_line = np.concatenate(
        [clips.of_part(number)[part.subtitles["clip"].to_numpy()] for number, part in enumerate(parts)]
    )
    # Lines of a clip are all of one part, and lie in their order there.
    places = np.argsort(clip_of_line, kind="stable")
    places = places[np.count_nonzero(clip_of_line < 0) :]
    lines = RowOrder.of(places, [len(part.subtitles) for part in parts])
    words = []
    for part in parts:
        assert isinstance(part.words, WordIndex)
        words.append(part.words)
    index = SearchIndex(
        JoinedTable([part.clips for part in parts], clips),
        JoinedVectors([part.clip_vectors for part in parts], clips),
        JoinedTable(
            [part.subtitles for part in parts],
            lines,
            {"clip": pa.chunked_array([clip_of_line[places]], pa.int64())},
        ),
        JoinedVectors([part.subtitle_vectors for part in parts], lines),
        videos.drop_columns(_PART).set_column(
            videos.column_names.index("first"), "first", pa.array(first, pa.int64())
        ),
        JoinedWords(words, lines),
    )
    return JoinedIndex(index, part_of)


def _videos(parts: Sequence[SearchIndex]) -> pa.Table:
    """The videos of all parts by path, each once, with the number of the part that it is from."""
    tables = [
        part.videos.append_column(_PART, pa.array(np.full(len(part.videos), number), pa.int64()))
        for number, part in enumerate(parts)
    ]
    videos = pa.concat_tables(tables).combine_chunks()
    schema = videos.schema
    doubled = _doubled(videos)
    if doubled.any():
        known = videos.filter(pa.array(doubled)).to_pylist()
        once = pa.Table.from_pylist(_each_once(known, _how_whole(parts, known)), schema=schema)
        videos = pa.concat_tables([videos.filter(pa.array(~doubled)), once])
    return videos.sort_by("path").combine_chunks()


def _doubled(videos: pa.Table) -> NDArray[np.bool_]:
    """Which videos share their content, or a path, with another one, (videos,)."""
    ids, firsts = videos["video"].to_pylist(), videos["path"].to_pylist()
    paths = [
        {first, *(copy["path"] for copy in copies)}
        for first, copies in zip(firsts, videos["copies"].to_pylist(), strict=True)
    ]
    times = Counter(ids), Counter(path for own in paths for path in own)
    shared = (
        times[0][video] > 1 or any(times[1][path] > 1 for path in own)
        for video, own in zip(ids, paths, strict=True)
    )
    return np.fromiter(shared, bool, len(ids))


def _how_whole(parts: Sequence[SearchIndex], rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """How whole each row's library has its video: minus its clips that lack a vector, and its lines.

    Where one has listened to what another only looked at, or has it since a move to a bundle for which the
    file was gone, moments that the one finds by itself must not be lost beside the other.
    """
    encoded = [part.clips["encoded"].to_numpy() for part in parts]
    clip_of_line = [part.subtitles["clip"].to_numpy() for part in parts]
    found = []
    for row in rows:
        first, end = row["first"], row["first"] + row["clips"]
        own = encoded[row[_PART]][first:end]
        begin_line, end_line = np.searchsorted(clip_of_line[row[_PART]], [first, end])
        found.append((int(np.count_nonzero(own)) - len(own), int(end_line - begin_line)))
    return found


def _each_once(
    rows: Sequence[Mapping[str, Any]], how_whole: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """Rows of videos that share content or paths, as one library would have them."""
    file_at: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rows):
        for file in (row, *row["copies"]):
            known = file_at.get(file["path"])
            if known is None or file["mtime_ns"] > known[0]:
                file_at[file["path"]] = file["mtime_ns"], number
    paths: dict[str, list[tuple[str, int, int]]] = {}
    for path, (mtime_ns, number) in sorted(file_at.items()):
        paths.setdefault(rows[number]["video"], []).append((path, mtime_ns, number))
    held_by: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        held_by.setdefault(row["video"], []).append(number)
    found = []
    for video, files in paths.items():
        # The name that one of the libraries has for it, not that of a copy there.
        names = {rows[number]["path"] for number in held_by[video]}
        named = next((file for file in files if file[0] in names), files[0])
        path, mtime_ns, first = named
        copies = [file for file in files if file is not named]
        wholest = max((first, *held_by[video]), key=lambda number: how_whole[number])
        found.append(
            {
                **rows[wholest],
                "path": path,
                "mtime_ns": mtime_ns,
                "copies": [{"path": path, "mtime_ns": mtime_ns} for path, mtime_ns, _ in copies],
            }
        )
    return found
