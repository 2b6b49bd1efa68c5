"""The tool that writes: a moment as a file, in one folder that the user named and nowhere else."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from polyreel.agents.tools import Tool, ToolAnswer
from polyreel.errors import UsageError
from polyreel.library.results import LibraryResult
from polyreel.library.search.search import Library
from polyreel.media.cuts.files import write_cut
from polyreel.media.cuts.request import CutRequest
from polyreel.remote.address import place

__all__ = ["CutFile", "cut_tool"]

_LONGEST_S = 1e9
_LONGEST_NAME = 120


class _Cut(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    video_id: str = Field(min_length=1, max_length=64, description="video_id of a hit, or id of a video")
    start_s: float = Field(ge=0, le=_LONGEST_S, description="The cut begins at this second")
    end_s: float = Field(gt=0, le=_LONGEST_S, description="The cut ends at this second")
    name: str = Field(
        min_length=1,
        max_length=_LONGEST_NAME,
        description="Name of the file, without a folder; .mkv holds every film, .mp4 most",
    )


class CutFile(LibraryResult):
    """A file that was written.

    Attributes:
        file: its path.
        start_s, end_s: the part of the video, seconds.
        pictures, encoded: how many pictures there are, and how many of them had to be encoded anew.
        left_out: what of the video the file does not have.
    """

    file: str
    start_s: float
    end_s: float
    pictures: int
    encoded: int
    left_out: tuple[str, ...]


def cut_tool(folder: Path) -> Tool:
    """The tool that cuts.

    Args:
        folder: where files are written; nothing in it is ever replaced.
    """

    def answer(library: Library, given: _Cut) -> ToolAnswer:
        if Path(given.name).name != given.name or given.name.startswith(".") or "\0" in given.name:
            raise UsageError(
                "a cut is written into one folder", value=given.name, remedy="Give a name without a folder"
            )
        source, target = place(library.video(given.video_id).media), folder / given.name
        report = write_cut(source, target, CutRequest(given.start_s, given.end_s))
        return ToolAnswer(
            CutFile(file=str(target), **report.model_dump(include=set(CutFile.model_fields) - {"file"}))
        )

    return Tool(
        "Cut a moment out",
        "Write a part of a video, with its sound and subtitles, to a file in the folder that the user chose "
        "for cuts. Pictures are copied where that is possible. A file that is there is never replaced: "
        "choose another name.",
        _Cut,
        CutFile,
        answer,
        writes=True,
    )
