"""What an agent can ask of a library: tools with typed arguments. Nothing here knows the protocol."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyreel.client.documents import VideosDocument
from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import MAX_QUERY_CHARS
from polyreel.library.results import (
    ClipScore,
    LibraryClip,
    LibraryLine,
    LibraryResult,
    SearchResult,
    Video,
)
from polyreel.library.search.filters import EVERYTHING, Filter
from polyreel.library.search.search import Library
from polyreel.recipes import form_problems

__all__ = ["TOOLS", "LinesOfVideo", "MomentsOfVideo", "Tool", "ToolAnswer", "call"]

_MOST = 100
_MOST_LINES = 500
_LONGEST_S = 1e9


class _Arguments(BaseModel):
    """Base of all arguments: nothing is converted, and what is misspelt is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Search(_Arguments):
    query: str = Field(
        min_length=1, max_length=MAX_QUERY_CHARS, description="What is shown or said, in any language"
    )
    top: int = Field(default=10, ge=1, le=_MOST, description="How many moments")
    mode: str = Field(
        default="hybrid",
        max_length=64,
        description="Where to look: visual, speech, subtitles, screen, several with commas; hybrid is all",
    )
    per_video: int | None = Field(
        default=1,
        ge=1,
        le=_MOST,
        description="How many moments of one video at most, null for all; 'more' says how many more match",
    )
    language: str = Field(
        default="auto", max_length=35, description="BCP-47 tag of the query; auto detects it"
    )
    min_match: float = Field(
        default=0,
        ge=0,
        le=100,
        description="Least strength of a moment, in percent; 'left_out' says how many",
    )
    folder: str = Field(default="", max_length=4096, description="Only videos below this folder")


class _Videos(_Arguments):
    skip: int = Field(default=0, ge=0, le=10**9, description="How many to leave out at the beginning")
    top: int = Field(default=50, ge=1, le=_MOST, description="How many videos")
    folder: str = Field(default="", max_length=4096, description="Only videos below this folder")


class _Moments(_Arguments):
    video_id: str = Field(min_length=1, max_length=64, description="video_id of a hit, or id of a video")
    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARS, description="What is shown, in any language")
    top: int = Field(default=10, ge=1, le=_MOST, description="How many moments")
    language: str = Field(
        default="auto", max_length=35, description="BCP-47 tag of the query; auto detects it"
    )


class _Lines(_Arguments):
    video_id: str = Field(min_length=1, max_length=64, description="video_id of a hit, or id of a video")
    start_s: float = Field(default=0, ge=0, le=_LONGEST_S, description="From this second on")
    end_s: float = Field(default=_LONGEST_S, ge=0, le=_LONGEST_S, description="Up to this second")
    skip: int = Field(default=0, ge=0, le=10**9, description="How many to leave out at the beginning")
    top: int = Field(default=100, ge=1, le=_MOST_LINES, description="How many lines")


class _Thumbnail(_Arguments):
    clip_id: str = Field(min_length=1, max_length=64, description="clip_id of a hit or of a moment")


class MomentsOfVideo(LibraryResult):
    """The clips of a video that match a query best, best first; ``left_out`` more match less."""

    video: Video
    query: str
    language: str
    moments: tuple[ClipScore, ...]
    left_out: int


class LinesOfVideo(LibraryResult):
    """Lines of a video in order of time; ``left_out`` more follow."""

    video: Video
    lines: tuple[LibraryLine, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool answers.

    Attributes:
        facts: the result.
        picture: JPEG that goes with it; None where there is none.
    """

    facts: LibraryResult
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        title: a few words for people.
        description: what it does, for the agent that chooses among tools.
        arguments: model of its arguments; their descriptions are the agent's.
        result: model of ``ToolAnswer.facts``.
        answer: the tool itself, given a library and checked arguments.
        writes: whether it makes files; it never changes or removes any.
    """

    title: str
    description: str
    arguments: type[BaseModel]
    result: type[LibraryResult]
    answer: Callable[[Library, Any], ToolAnswer]
    writes: bool = False


def call(
    library: Callable[[], Library],
    name: str,
    arguments: Mapping[str, Any],
    tools: Mapping[str, Tool] | None = None,
) -> ToolAnswer:
    """Check the arguments of a tool, then call it.

    Args:
        library: gives the open library; asked once the arguments are right.
        name: of the tool.
        arguments: as they came, from outside.
        tools: by name; ``TOOLS`` unless others are given.

    Raises:
        UnknownNameError: there is no such tool.
        UsageError: the arguments are wrong; all that is wrong is named.
        PolyreelError: those of the library.
    """
    known = TOOLS if tools is None else tools
    tool = known.get(name)
    if tool is None:
        raise UnknownNameError("tool", name[:64], known)
    try:
        checked = tool.arguments.model_validate(arguments)
    except ValidationError as error:
        problems = [problem for _, problem in form_problems(tool.arguments, arguments, error)]
        said = "; ".join(f"{place or 'the arguments'}: {message}" for place, message in problems)
        raise UsageError(f"the arguments of {name!r} are wrong: {said}") from error
    return tool.answer(library(), checked)


def _search(library: Library, given: _Search) -> ToolAnswer:
    return ToolAnswer(
        library.search(
            given.query,
            top=given.top,
            mode=given.mode,
            language=given.language,
            filters=_filter(given.folder),
            per_video=given.per_video,
        ).at_least(given.min_match / 100)
    )


def _videos(library: Library, given: _Videos) -> ToolAnswer:
    filters = _filter(given.folder)
    total = int(library.snapshot.allowed_videos(filters).sum())
    found = library.videos(skip=given.skip, top=given.top, filters=filters)
    return ToolAnswer(VideosDocument(total=total, videos=tuple(found)))


def _moments(library: Library, given: _Moments) -> ToolAnswer:
    timeline = library.timeline(given.video_id, given.query, language=given.language)
    # Of equal ones the first in time comes first.
    best = heapq.nlargest(given.top, timeline.clips, key=lambda clip: clip.visual)
    return ToolAnswer(
        MomentsOfVideo(
            video=timeline.video,
            query=timeline.query,
            language=timeline.language,
            moments=tuple(best),
            left_out=len(timeline.clips) - len(best),
        )
    )


def _lines(library: Library, given: _Lines) -> ToolAnswer:
    if given.end_s < given.start_s:
        raise UsageError(
            "no line can be there", value=f"from {given.start_s} to {given.end_s}", remedy="Swap the two"
        )
    lines = library.lines(given.video_id)
    within = [line for line in lines if line.end_s >= given.start_s and line.start_s <= given.end_s]
    shown = tuple(within[given.skip : given.skip + given.top])
    left_out = max(len(within) - given.skip - given.top, 0)
    return ToolAnswer(LinesOfVideo(video=library.video(given.video_id), lines=shown, left_out=left_out))


def _thumbnail(library: Library, given: _Thumbnail) -> ToolAnswer:
    snapshot = library.snapshot
    return ToolAnswer(snapshot.clip(given.clip_id), snapshot.thumbnail_file(given.clip_id))


def _filter(folder: str) -> Filter:
    return Filter(folder=folder) if folder else EVERYTHING


TOOLS: Mapping[str, Tool] = {
    "search": Tool(
        "Search videos",
        "Find moments in the videos of this library by what they show and by what is said in them. The query "
        "may be in any language, whatever the language of the videos. 'confident' is false where nothing "
        "matches well: then these are only the nearest.",
        _Search,
        SearchResult,
        _search,
    ),
    "moments": Tool(
        "Moments of a video",
        "Find the moments of one video that look most like a description, best first.",
        _Moments,
        MomentsOfVideo,
        _moments,
    ),
    "lines": Tool(
        "Lines of a video",
        "Read what is said in a video: its lines in order of time, each with start and end in seconds. "
        "'left_out' more follow: ask for them with 'skip'.",
        _Lines,
        LinesOfVideo,
        _lines,
    ),
    "thumbnail": Tool(
        "Picture of a moment",
        "Look at a moment: the picture from its middle, with its times and its video.",
        _Thumbnail,
        LibraryClip,
        _thumbnail,
    ),
    "videos": Tool(
        "List videos",
        "List the videos of this library in order of path, with length and languages of subtitles.",
        _Videos,
        VideosDocument,
        _videos,
    ),
}
"""Name -> tool."""
