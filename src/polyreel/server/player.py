"""The player: what plays a moment, with its lines as subtitles, over the results or on a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from polyreel.errors import MediaError, NotFoundError, PolyreelError
from polyreel.library.line_kinds import LineKind, line_kind
from polyreel.library.results import LibraryLine, Video
from polyreel.media.playable import Playback
from polyreel.server.errors import status_of
from polyreel.server.failures import Failure, failure_of
from polyreel.server.files import video_file
from polyreel.server.rendering import render, spoken_languages, translations_for
from polyreel.server.search_params import SearchParams
from polyreel.server.state import Server, ServerState
from polyreel.server.translations import Translations

__all__ = ["Screen", "TextTrack", "router", "screen_or_failure"]

router = APIRouter(include_in_schema=False)

# Where a moment has no end, so much of it is played.
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TextTrack:
    """Subtitles that a player can show.

    Attributes:
        address: of the WebVTT file, without its ``shift``.
        language: BCP-47 tag.
        label: for people.
        chosen: whether they are shown at first.
    """

    address: str
    language: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Screen:
    """What plays a video from a second on.

    Attributes:
        video: what plays.
        poster: address of the picture that is there before.
        source: address that is played, with the moment.
        stream: address of streams, without their start; empty where the file itself is played.
        begins_s: second of the video at which ``source`` begins.
        tracks: subtitles.
    """

    video: Video
    poster: str
    source: str
    stream: str
    begins_s: float
    tracks: Sequence[TextTrack]


@router.get("/play/{video_id}")
async def play(request: Request, server: ServerState, video_id: str = Path(max_length=64)) -> Response:
    """A moment that plays: a page, or for the overlay of the results the part that is the player.

    Args:
        request: its address may hold ``start`` and ``end`` of the moment in seconds, the ``clip`` whose
            picture stands before it, and what was searched for.
        server: what has the video.
        video_id: hash of the video's content.
    """
    asked, translations = request.query_params, translations_for(request)
    params = SearchParams.of(asked)
    template = "screen.html" if "hx-request" in request.headers else "play.html"
    video = await run_in_threadpool(server.library.video, video_id)
    start_s = _second(asked.get("start", ""), 0.0)
    end_s = max(_second(asked.get("end", ""), start_s + _SECONDS), start_s + 1.0)
    poster = await run_in_threadpool(_poster, server, asked.get("clip", ""), video)
    spoken = spoken_languages(request)
    screen, failure, status = await screen_or_failure(
        server, video, translations, moment=(start_s, end_s), spoken=spoken, poster=poster
    )
    return render(
        request,
        template,
        status=status,
        params=params,
        video=video,
        start_s=start_s,
        end_s=end_s,
        screen=screen,
        failure=failure,
    )


async def screen_or_failure(
    server: Server,
    video: Video,
    translations: Translations,
    *,
    moment: tuple[float, float | None],
    spoken: Sequence[str] = (),
    poster: str = "",
) -> tuple[Screen | None, Failure | None, int]:
    """What plays a moment of a video, or why nothing does, and the status that says the same.

    Args:
        server: has the library.
        video: what plays.
        translations: of the page.
        moment: start and end, seconds; without an end it plays on.
        spoken: BCP-47 tags of who watches, the likeliest first.
        poster: address of the picture that is there before; by default the video's own.
    """
    try:
        path, lines = await run_in_threadpool(_file_and_lines, server, video)
        playback = await server.playback.look(path, moment[0])
    except PolyreelError as error:
        failure = failure_of(error, translations)
        if isinstance(error, MediaError):
            failure = replace(failure, head=translations.gettext("This video cannot be played"))
        return None, failure, status_of(error)
    api = f"{server.settings.root_path}/api/v1/videos/{video.id}"
    source, begins_s = _source(playback, video, api, moment)
    tracks = _tracks(lines, f"{api}/subtitles", translations, [translations.tag, *spoken])
    stream = "" if playback.way == "file" else f"{api}/stream"
    return Screen(video, poster or video.thumbnail, source, stream, begins_s, tracks), None, 200


def _name_of_kind(kind: LineKind, translations: Translations) -> str:
    """What people call lines of a kind."""
    _ = translations.gettext
    return {"subtitles": _("Subtitle"), "speech": _("Speech"), "screen": _("Text on the screen")}[kind]


def _file_and_lines(server: Server, video: Video) -> tuple[FilePath, list[LibraryLine]]:
    path, _ = video_file(server.snapshot, video.id)
    return path, server.library.lines(video.id) if video.subtitles else []


def _source(
    playback: Playback, video: Video, api: str, moment: tuple[float, float | None]
) -> tuple[str, float]:
    """Address of a moment, and the second at which what it leads to begins."""
    start_s, end_s = moment
    file = playback.way == "file"
    begins_s = 0.0 if file else playback.begins_s
    base = video.media.partition("#")[0] if file else f"{api}/stream?start={begins_s:.3f}"
    first_s = max(0.0, start_s - begins_s)
    if not first_s and end_s is None:
        return base, begins_s
    last = "" if end_s is None else f",{end_s - begins_s:.3f}"
    return f"{base}#t={first_s:.3f}{last}", begins_s


def _tracks(
    lines: Sequence[LibraryLine], address: str, translations: Translations, wanted: Sequence[str]
) -> list[TextTrack]:
    """A track for each source and language, those of the wanted languages first."""
    found = dict.fromkeys((line.language, line.source) for line in lines)
    places = {tag: place for place, tag in reversed(list(enumerate(wanted)))}
    ordered = sorted(found, key=lambda each: places.get(each[0], len(places)))
    languages = [language for language, _ in ordered]
    tracks = []
    for place, (language, source) in enumerate(ordered):
        label = translations.language(language)
        if languages.count(language) > 1:
            kind = line_kind(source)
            label += f" ({source if kind == 'subtitles' else _name_of_kind(kind, translations)})"
        query = urlencode({"lang": language, "source": source})
        tracks.append(TextTrack(f"{address}?{query}", language, label, place == 0))
    return tracks


def _poster(server: Server, clip_id: str, video: Video) -> str:
    """The picture of a clip of the video; its own for another one, and for one that is no longer there."""
    snapshot = server.snapshot
    if clip_id.partition("@")[0] != video.id:
        return video.thumbnail
    try:
        return snapshot.thumbnail(snapshot.clip_facts(clip_id))
    except NotFoundError:
        return video.thumbnail


def _second(text: str, otherwise: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1_000_000 else otherwise
