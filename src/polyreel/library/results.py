"""What a library answers: one frozen shape for Python, the command line's JSON, REST and the client.

Times are seconds from the start of a video. ``thumbnail`` and ``media`` say where a picture and a video are:
by path if the library is on this machine, by address if a server has it. A hit's ``video`` is the path of the
file; from a server it is the path from the library's common folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urljoin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo

from polyreel.errors import UsageError
from polyreel.library.line_kinds import LineKind
from polyreel.units import clock, count, printable

__all__ = [
    "FAIR",
    "MODES",
    "STRONG",
    "ClipScore",
    "Contents",
    "Evidence",
    "Grade",
    "Hit",
    "IndexStatus",
    "LibraryClip",
    "LibraryLine",
    "LibraryResult",
    "Mode",
    "ProblemFile",
    "SearchResult",
    "Stage",
    "SubtitleEvidence",
    "Timeline",
    "Verdict",
    "Video",
    "VideoPooling",
    "grade_of",
]

Mode = str
VideoPooling = Literal["best", "mean"]
MODES: tuple[Mode, ...] = ("visual", "speech", "subtitles", "screen", "hybrid")
"""What can be searched: what is seen, lines of each kind, or all of that. Several are joined by commas."""

Grade = Literal["strong", "fair", "weak"]
Verdict = Literal["good", "poor", "unsure", "unmeasured"]
Stage = Literal["pictures", "speech", "screen"]
# Probabilities from which on a match is called so; benchmarks/confidence.py says what passes.
STRONG, FAIR = 0.8, 0.2


def grade_of(strength: float) -> Grade:
    """The word for a probability that a match is what was asked for: the same one everywhere."""
    return "strong" if strength >= STRONG else "fair" if strength >= FAIR else "weak"


def _resolve(value: str, info: ValidationInfo) -> str:
    return urljoin(info.context, value) if info.context else value


def _rounded(digits: int) -> PlainSerializer:
    return PlainSerializer(lambda value: round(value, digits), return_type=float, when_used="json")


# A client validates with the server's address as the context, so that relative addresses become whole.
Place = Annotated[str, AfterValidator(_resolve)]
Seconds = Annotated[float, _rounded(3)]
Score = Annotated[float, _rounded(6)]
Share = Annotated[float, Field(ge=0, le=1)]


class LibraryResult(BaseModel):
    """Base of all results. JSON rounds times to milliseconds and scores to six places."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SubtitleEvidence(LibraryResult):
    """A line of a video.

    Attributes:
        text: as the file has it, or as it was recognised.
        language: BCP-47 tag; "und" is unknown.
        kind: whether it is a subtitle, or was heard or read on the screen.
        start_s, end_s: when it is there, seconds; None from a server that does not tell.
    """

    text: str
    language: str
    kind: LineKind = "subtitles"
    start_s: Seconds | None = None
    end_s: Seconds | None = None

    def __str__(self) -> str:
        made = "" if self.kind == "subtitles" else f", {self.kind}"
        return f"[{self.language}{made}] {self.text}"


class Evidence(LibraryResult):
    """Why a moment was found.

    Attributes:
        visual: cosine of query and best clip; None in mode "subtitles", and where the library's bundle has
            not encoded the clip.
        picture: probability that the clip shows what was asked for; None as ``visual``, and where that cannot
            be told (see ``Hit.strength``).
        line: probability that a line says what was asked for; None where that cannot be told.
        subtitle: the best matching line; None if no line matches.
    """

    visual: Score | None
    picture: Share | None
    line: Share | None
    subtitle: SubtitleEvidence | None


class Hit(LibraryResult):
    """A moment: one clip, or adjacent ones merged. What shows the same as a better one beside it is no other.

    Attributes:
        video: path of the file; of several copies, where only a folder was searched, of one that lies there.
        video_id: hash of the video's content.
        clip_id: key of the best clip.
        start_s, end_s: the moment, seconds.
        watch_start_s, watch_end_s: what to watch of it: from a second before the line on, where a line speaks
            more for it than what it shows; with some time before and after, where that is under 4 seconds.
        score: what hits are ranked by: the cosine in mode "visual", else what all evidence together makes of
            it, 0 to 1.
        rank: 1 for the best.
        more: how many more moments of this video match and are not among the hits, where a search shows only
            so many of each video: fair ones, and those at least half as likely as this one. 0 but for the
            best of its video.
        strength: probability that the moment is what was asked for, were half of all queries about something
            that is in the library; None where that cannot be told: before ``Library.calibrate``, and for what
            was searched with a picture or a clip.
        grade: the word for it.
        thumbnail: JPEG of the best clip's middle.
        media: the video's file, at the moment if it is an address.
        library: folder of the library that it is from, where several are searched as one; else None.
        evidence: why it was found.
    """

    video: str
    video_id: str
    clip_id: str
    start_s: Seconds
    end_s: Seconds
    watch_start_s: Seconds
    watch_end_s: Seconds
    score: Score
    rank: int
    more: int = 0
    strength: Share | None
    grade: Grade | None
    thumbnail: Place
    media: Place
    library: str | None = None
    evidence: Evidence

    @property
    def match(self) -> str:
        """Its strength as a bar, a word and percent; the bare score where that cannot be told."""
        if self.strength is None:
            return f"{self.score:.2f}"
        filled = round(self.strength * _BAR_WIDTH)
        return f"{'■' * filled}{'□' * (_BAR_WIDTH - filled)} {self.grade} {self.strength:.0%}"


_BAR_WIDTH = 4
_DOUBTS: Mapping[Verdict, str] = {
    "poor": "Nothing matches well; these are the nearest.",
    "unsure": "The model cannot tell whether these match; they are the nearest.",
}


class SearchResult(LibraryResult):
    """Answer to one query; ``print`` shows it as a table.

    Attributes:
        query: the query as it was encoded; empty for a picture or a clip.
        language: BCP-47 tag, given or detected; "und" is unknown.
        bundle: name of the bundle that encoded it.
        mode: what was searched: of "visual", "speech", "subtitles" and "screen" those that were asked for,
            joined by commas, or "hybrid" for all of them.
        took_ms: wall time of encoding and ranking.
        hits: best first.
        confident: whether anything in the library matches well, or may do so as far as was measured.
        verdict: "good" if the best hit is at least a fair match; else "unsure" if it may be one by what it
            shows, which the bundle cannot tell, or "poor"; "unmeasured" where matches have no strength.
        false_alarm_rate: share of unrelated queries that are "good" in this library as well; None where that
            has not been measured (see ``Library.calibrate``).
        pictures_left_out: videos whose pictures were not ranked, because they could not be read when the
            library moved to this bundle; their lines were.
        approximate: whether an index chose what the query was compared with, as in very large libraries, so
            that a good match may be missing.
        library_is_empty: whether there is no video to search in, so that nothing can be found.
        left_out: how many of the hits asked for are not among these, because they match less than was asked
            for (see ``at_least``).
    """

    query: str
    language: str
    bundle: str
    mode: Mode
    took_ms: float
    hits: tuple[Hit, ...]
    confident: bool
    verdict: Verdict
    false_alarm_rate: float | None = None
    pictures_left_out: int = 0
    approximate: bool = False
    library_is_empty: bool = False
    left_out: int = 0

    def at_least(self, strength: float) -> SearchResult:
        """The same without the hits that match less, which ``left_out`` counts; ``Hit.more`` stays.

        Args:
            strength: the least ``Hit.strength``, 0 to 1.

        Raises:
            UsageError: that is no probability, or how well the hits match is not known.
        """
        if not 0 <= strength <= 1:
            raise UsageError("the least match is not from 0 to 100%", value=f"{strength:.0%}")
        if strength == 0:
            return self
        if any(hit.strength is None for hit in self.hits):
            raise UsageError(
                "how well these match is not known, so that none can be left out for matching too little",
                remedy="Run 'polyreel index', which measures it; what looks like a picture never has it",
            )
        kept = tuple(hit for hit in self.hits if (hit.strength or 0.0) >= strength)
        left_out = self.left_out + len(self.hits) - len(kept)
        return self.model_copy(update={"hits": kept, "left_out": left_out})

    @property
    def doubt(self) -> str:
        """What to say of matches that are not good; empty if they are."""
        if self.verdict == "unmeasured" and self.query:
            return (
                "How well they match has not been measured yet: run 'polyreel index', or in Python, as for "
                "an encoder of your own, library.calibrate()."
            )
        return _DOUBTS.get(self.verdict, "")

    def __str__(self) -> str:
        asked = f"{self.query!r} " if self.query else ""
        lines = [
            f"{count(len(self.hits), 'hit')} for {asked}({self.language}, {self.mode}, {self.took_ms:.0f} ms)"
        ]
        if self.library_is_empty:
            lines.append("There is no video to search in: none has been indexed to its end.")
        elif self.hits and self.doubt:
            lines.append(self.doubt)
        if self.left_out:
            lines.append(f"Left out: {count(self.left_out, 'hit that matches', 'hits that match')} less.")
        for hit in self.hits:
            start, end = f"{clock(hit.start_s, digits=1):>7}", f"{clock(hit.end_s, digits=1):>7}"
            line = hit.evidence.subtitle
            said = f"  {line}" if line else ""
            more = f"  +{hit.more}" if hit.more else ""
            line_of_hit = f"{hit.rank:>4}  {start} -{end}  {hit.match:>16}  {hit.video}{more}{said}"
            lines.append(printable(line_of_hit))
        return "\n".join(lines)


class Video(LibraryResult):
    """A video that can be searched.

    Attributes:
        id: hash of its content.
        name: path from the library's common folder; where the same content lies at several paths, the first
            of them that is still there as it was indexed.
        duration_s: length in seconds.
        clips: number of clips.
        subtitles: BCP-47 tags of its subtitles.
        size_bytes, modified: size of the file, and when it was last changed, as it was indexed.
        thumbnail: JPEG of its middle clip.
        media: the file.
        copies: the other paths of the same content, from the common folder, whether or not they are there.
    """

    id: str
    name: str
    duration_s: Seconds
    clips: int
    subtitles: tuple[str, ...]
    size_bytes: int
    modified: datetime
    thumbnail: Place
    media: Place
    copies: tuple[str, ...] = ()


class LibraryClip(LibraryResult):
    """One clip and its video; the attributes are those of ``Hit``."""

    clip_id: str
    start_s: Seconds
    end_s: Seconds
    thumbnail: Place
    media: Place
    video: Video


class LibraryLine(LibraryResult):
    """A line of a video: a piece of text with times.

    Attributes:
        start_s, end_s: when it is there, seconds.
        text: as the file has it.
        language: BCP-47 tag; "und" is unknown.
        source: where it comes from: the name of the file beside the video, a track of the video, or "speech"
            or "screen" where it was recognised.
    """

    start_s: Seconds
    end_s: Seconds
    text: str
    language: str
    source: str


class ClipScore(LibraryResult):
    """How well one clip of a video matches.

    Attributes:
        clip_id: key of the clip.
        start_s, end_s: the clip, seconds.
        visual: cosine of query and clip; 0 where the library's bundle has not encoded the clip.
        strength: as ``picture`` in ``Evidence``.
        thumbnail: JPEG of its middle.
    """

    clip_id: str
    start_s: Seconds
    end_s: Seconds
    visual: Score
    strength: Share | None
    thumbnail: Place


class Timeline(LibraryResult):
    """How well each clip of a video matches a query, in order of time."""

    video: Video
    query: str
    language: str
    clips: tuple[ClipScore, ...]


class ProblemFile(LibraryResult):
    """A file that was left out, or read in part.

    Attributes:
        name: path from the library's common folder.
        left_out: whether nothing of it can be found.
        message: what is wrong, and what to do.
    """

    name: str
    left_out: bool
    message: str


class Contents(LibraryResult):
    """What can be searched.

    Attributes:
        commit: number of the commit; a new one means new contents.
        bundle: name and start of the identity of the bundle that made the embeddings.
        videos, clips, subtitles: how many can be searched; subtitles by line. A video is a content: copies of
            it are one.
        files: that these videos lie in, copies and all; 0 from a server that does not tell.
        paths: files that were looked at, whether or not they could be read.
        duration_s: seconds of video in all.
        lines: BCP-47 tag -> subtitle lines.
        folders: folders that hold videos, from the common folder.
        problems: files that were left out or read in part, by path.
        updated_at: when the run began that brought the last file, UTC; None if there is none.
        pictures_left_out: as in ``SearchResult``.
    """

    commit: int
    bundle: str
    videos: int
    clips: int
    subtitles: int
    paths: int
    duration_s: Seconds
    lines: Mapping[str, int]
    folders: tuple[str, ...]
    problems: tuple[ProblemFile, ...]
    updated_at: datetime | None = None
    pictures_left_out: int = 0
    files: int = 0


class IndexStatus(LibraryResult):
    """How far a running index is; the rest means nothing where ``running`` is False.

    Attributes:
        running: whether an index run goes on.
        stage: what it is at: "pictures", then "speech" and "screen", the lines of what is said and shown.
        files, files_done: files that this stage has to read, and those it is done with.
        failed: those among them that could not be read.
        share: how much of the stage is done.
        left_s: seconds that the rest of it will take at the pace so far; None where that cannot be told yet.
        current: the file that was done last, or that lines are being made of.
    """

    running: bool
    stage: Stage = "pictures"
    files: int = 0
    files_done: int = 0
    failed: int = 0
    share: Share = 0.0
    left_s: Seconds | None = None
    current: str = ""
