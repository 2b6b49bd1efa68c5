"""``polyreel search``: text in any language, a picture or a clip in, moments out."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from polyreel.cli.exporting import export_format, export_found
from polyreel.cli.options import (
    AskedPath,
    Device,
    Json,
    LibrariesOption,
    default_library,
    load_bundle,
    spoken_languages,
)
from polyreel.cli.output import print_json, print_lines, stderr, stdout, write_paths
from polyreel.errors import QueryError, UsageError
from polyreel.files import absolute
from polyreel.library.last_hits import recall_hit, remember_hits
from polyreel.library.local_socket import ask_server
from polyreel.remote.address import asked_place, given_path, is_address, on_a_disk, place
from polyreel.units import clock, clock_span, count, printable

if TYPE_CHECKING:
    from polyreel.library.results import Hit, SearchResult
    from polyreel.library.search.filters import Filter
    from polyreel.library.search.joined_library import JoinedLibrary
    from polyreel.library.search.search import Library

__all__ = ["hit_table", "search"]

# Lines that are there only where one asked for them, and by which option.
_MADE_BY = {"speech": "--speech", "screen": "--screen-text"}
# Characters: of a terminal that has room for bars; between two columns, and of a subtitle where the line fits
# the terminal and where it is wrapped.
_WIDE = 72
_GAP, _LEAST_LINE, _WRAPPED_LINE = 2, 8, 40


def search(
    *query: str,
    library: LibrariesOption = None,
    top: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 10,
    lang: str = "auto",
    mode: Annotated[str, Parameter(name=["--in", "--mode"])] = "hybrid",
    image: AskedPath | None = None,
    like: str | None = None,
    folder: str | None = None,
    min_duration: float | None = None,
    max_duration: float | None = None,
    subtitles: str | None = None,
    after: str | None = None,
    before: str | None = None,
    all_moments: Annotated[bool, Parameter(negative="")] = False,
    min_match: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=100))] = 0.0,
    exact: Annotated[bool, Parameter(negative="")] = False,
    open_hit: Annotated[int | None, Parameter(name="--open", validator=validators.Number(gte=1))] = None,
    paths: Annotated[bool, Parameter(negative="")] = False,
    null: Annotated[bool, Parameter(name=["--null", "-0"], negative="")] = False,
    export: str | None = None,
    out: Annotated[AskedPath | None, Parameter(name=["--out", "-o"])] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    device: Device = None,
    server: bool = True,
    json: Json = False,
) -> int:
    """Find moments that match a sentence in any language, a picture or a clip.

    Of each video the best moment is shown, and how many more of it match. Words in quotes that
    the shell leaves there, as in '"sea turtle" island', have to be said just so; words that begin with a dash
    stand behind --. Into a pipe or a file, a hit
    is a line of rank, start and end in seconds, score and path, between tabs.

    Example: polyreel search "mbwa anakimbia"

    Args:
        query: What the video shows, in any language; several words are one query.
        top: How many hits.
        lang: Language of the query as a BCP-47 tag, or auto.
        mode: Where to look: visual, speech, subtitles, screen, or several joined by commas; hybrid is all.
        image: A picture or a short clip to look like, in place of a query.
        like: A moment to look like, in place of a query: the rank of a hit of the last search, or the clip_id
            that --json shows.
        folder: Only videos below this folder, or this video.
        min_duration: Only videos that last so many seconds or more.
        max_duration: Only videos that last so many seconds or less.
        subtitles: Only videos with lines in this language, a BCP-47 tag.
        after: Only files changed on this day or later, such as 2026-01-31.
        before: Only files changed on this day or earlier.
        all_moments: Show every moment that matches, not only the best of each video.
        min_match: Only hits that match at least so well, in percent; how many are left out is said.
        exact: Compare with every vector as it is, as small libraries always are; see 'polyreel doctor'.
        open_hit: Also show this hit in a player: 1 is the best. Without a query, a hit of the last search.
        paths: Print only paths, best first and each once, a line each.
        null: The same with a null character after each path, for xargs -0.
        export: Also write the hits to a file, as otio, edl or fcpxml for editors, m3u for players, or csv; by
            default as the ending of --out says.
        out: File that the hits are also written to.
        overwrite: Let --out replace a file that is there.
        server: Ask the server of the library, if one runs on this machine, which is faster.
    """
    if json and (paths or null):
        raise UsageError(
            "--json prints one document, and no bare paths",
            value="--null" if null else "--paths",
            remedy="Leave one of the two out; in the document each hit has its path under 'video'",
        )
    export = export_format(export, out, overwrite=overwrite)
    libraries = [default_library(each) for each in library or (None,)]
    own = libraries[0]
    if open_hit is not None and not query and image is None and like is None:
        if export is not None:
            raise UsageError("an export needs a search", value="--open alone", remedy="Give a query too")
        _require_no_search(
            {
                "--paths": paths,
                "--null": null,
                "--all-moments": all_moments,
                "--min-match": min_match or None,
                "--exact": exact,
                "--top": top != 10,
                "--lang": lang != "auto",
                "--in": mode != "hybrid",
                "--folder": folder,
                "--min-duration": min_duration,
                "--max-duration": max_duration,
                "--subtitles": subtitles,
                "--after": after,
                "--before": before,
            }
        )
        last = recall_hit(own, open_hit)
        _open(last.video, last.watch_start_s)
        if json:
            print_json({**last._asdict(), "video": str(last.video)})
        return 0
    text = _text(query, image=image, like=like, mode=mode, lang=lang)
    filters = _filters(
        folder=_as_indexed(folder),
        min_duration_s=min_duration,
        max_duration_s=max_duration,
        subtitles=subtitles,
        after=_day(after),
        before=_day(before),
    )
    shown: dict[str, Any] = {"top": top, "per_video": None if all_moments else 1, "exact": exact}
    asked: dict[str, Any] = {"mode": mode, "language": lang, "likely": spoken_languages()}
    answer = None
    if server and text and device is None and len(libraries) == 1:
        answer = ask_server(own, {"query": text, "filters": filters, **shown, **asked})
    if json and answer is not None and open_hit is None and out is None and not min_match:
        remember_hits(own, answer["hits"])
        print_json(answer)
        return 0
    if answer is not None:
        result = _answered(answer)
    else:
        opened, shown = _opened(libraries, device), {**shown, "filters": _filter(filters)}
        if image is not None:
            result = opened.search_example(absolute(image), **shown)
        elif like is not None:
            result = opened.search_like(_clip(own, like), **shown)
        else:
            opened.calibrate_if_quick()
            result = opened.search(text, **shown, **asked)
    result = result.at_least(min_match / 100)
    for each in libraries:
        remember_hits(each, (hit.model_dump(mode="json") for hit in result.hits))
    if export is not None and out is not None:
        export_found(result, export, on_a_disk(out), libraries, overwrite=overwrite)
    chosen = None if open_hit is None else _chosen(result.hits, open_hit)
    if json:
        if chosen is not None:  # before the document: what fails is the only one
            _open(place(chosen.video), chosen.watch_start_s)
        print_json(result.model_dump(mode="json"))
        return 0
    if null or paths:
        found = dict.fromkeys(hit.video for hit in result.hits)
        write_paths(found) if null else print_lines(map(printable, found))
    else:
        _print(result, libraries, filtered=bool(filters))
    if chosen is not None:
        _open(place(chosen.video), chosen.watch_start_s)
    return 0


def _require_no_search(given: Mapping[str, object]) -> None:
    """Refuse options of a search where the hit of the last one is shown."""
    if options := [option for option, value in given.items() if value not in (None, False)]:
        raise UsageError(
            "without a query --open shows a hit of the last search, as it was",
            value=", ".join(options),
            remedy="Leave the other options out, or give a query too",
        )


def _text(query: tuple[str, ...], *, image: Path | None, like: str | None, mode: str, lang: str) -> str:
    """The query, empty where a picture or a clip is searched with."""
    if bool(query) + (image is not None) + (like is not None) > 1:
        raise UsageError("a search is for one thing", remedy="Give a query, --image or --like")
    if image is None and like is None:
        return _query(query)
    if mode not in {"visual", "hybrid"}:
        raise UsageError(
            "a picture or a clip is looked for among pictures alone",
            value=f"--in {mode}",
            remedy="Leave it out",
        )
    if lang != "auto":
        raise UsageError("a picture or a clip has no language", value=f"--lang {lang}", remedy="Leave it out")
    return ""


def _filters(**conditions: Any) -> dict[str, Any]:
    """The conditions that were given, as the server takes them; those that cannot be are refused here."""
    given = {name: value for name, value in conditions.items() if value is not None}
    if given:
        _filter(given)
    return given


def _filter(conditions: Mapping[str, Any]) -> Filter:
    from polyreel.library.search.filters import EVERYTHING, Filter

    days = {name: date.fromisoformat(conditions[name]) for name in ("after", "before") if name in conditions}
    return Filter(**{**conditions, **days}) if conditions else EVERYTHING


def _as_indexed(folder: str | None) -> str | None:
    """A folder as libraries name it: one that is here by its whole path, another as it was given."""
    if folder is None:
        return None
    if is_address(given := given_path(folder)):
        return str(asked_place(given))
    here = absolute(Path(folder))
    return str(here) if here.exists() else folder


def _day(given: str | None) -> str | None:
    try:
        return None if given is None else date.fromisoformat(given).isoformat()
    except ValueError:
        raise UsageError("not a day", value=repr(given), remedy="Write it as 2026-01-31") from None


def _answered(document: dict[str, Any]) -> SearchResult:
    from polyreel.library.results import SearchResult

    return SearchResult.model_validate(document)


def _opened(folders: Sequence[Path], device: str | None) -> Library | JoinedLibrary:
    load = functools.partial(load_bundle, device=device)
    if len(folders) == 1:
        from polyreel.library.search.search import Library

        return Library(folders[0], load)
    from polyreel.library.search.joined_library import open_joined

    def say() -> None:
        stderr.print(
            f"Measuring how much a match means in {len(folders)} libraries together, once until one of them "
            "changes.",
            style="dim",
            soft_wrap=True,
        )

    return open_joined(folders, load, on_measuring=say)


def _chosen(hits: Sequence[Hit], number: int) -> Hit:
    if number > len(hits):
        raise UsageError(
            "there is no such hit to open",
            value=f"{number}, of {count(len(hits), 'hit')}",
            remedy="Ask for more with --top",
        )
    return hits[number - 1]


def _clip(library: Path, named: str) -> str:
    """The clip that a rank or a clip_id names."""
    return recall_hit(library, int(named)).clip_id if named.isascii() and named.isdecimal() else named


def _open(video: Path, start_s: float) -> None:
    from polyreel.cli.players import open_moment

    name, at_the_time = open_moment(video, start_s)
    where = "" if at_the_time else f", which begins at the start: go to {clock(start_s)}"
    stderr.print(f"Shown by {name}{where}", style="dim")


def _nothing_found(result: SearchResult, libraries: Sequence[Path], *, filtered: bool) -> str:
    if result.library_is_empty:
        if half_read := sum(map(_half_read, libraries)):
            return (
                f"Nothing found: no video is read to its end yet, {count(half_read, 'file')} half. Run "
                "'polyreel index' again: it goes on from there."
            )
        return (
            "Nothing found: the library is empty. 'polyreel index FOLDER' fills it; 'polyreel doctor' says "
            "what was left out, and why."
        )
    if result.left_out:
        return f"Nothing found that matches so well; left out: {count(result.left_out, 'moment')}."
    asked = result.mode.split(",")
    if {"visual", "hybrid"} & set(asked):
        why = "no video passes the filters, or " if filtered else ""
        return f"Nothing found: {why}nothing matches."
    others = ", or no video passes the filters" if filtered else ""
    advice = [
        f"'polyreel index {_MADE_BY[kind]}' makes lines of {kind}." for kind in asked if kind in _MADE_BY
    ]
    return " ".join([f"Nothing found: no line of {' or '.join(asked)} matches{others}.", *advice])


def _half_read(library: Path) -> int:
    from polyreel.library.store.known_videos import count_half_read

    return count_half_read(library)


def _print(result: SearchResult, libraries: Sequence[Path], *, filtered: bool) -> None:
    if not result.hits:
        stderr.print(_nothing_found(result, libraries, filtered=filtered), soft_wrap=True)
        return
    if result.pictures_left_out:
        stderr.print(
            f"Not searched by what they show: {count(result.pictures_left_out, 'video')} that could not be "
            f"read when the library moved to {result.bundle}; see 'polyreel doctor'.",
            style="yellow",
        )
    if result.doubt:
        stderr.print(result.doubt, style="yellow")
    if stdout.is_terminal:
        stdout.print(hit_table(result.hits, width=stdout.width), crop=False)
    else:
        print_lines(_plain(hit) for hit in result.hits)
    if result.left_out:
        stderr.print(
            f"Left out: {count(result.left_out, 'moment that matches', 'moments that match')} less.",
            style="yellow",
        )
    language = f"{result.language}, " if result.query else ""
    stderr.print(f"{language}{result.bundle}, {result.took_ms:.0f} ms", style="dim")


def hit_table(hits: tuple[Hit, ...], *, width: int) -> Table:
    """Hits as a table; the file name links to the file where a terminal can.

    A path is never folded. Where it does not fit, the terminal wraps the line, and copies it in one piece.

    Args:
        hits: best first.
        width: of the terminal, in characters.
    """
    has_lines = any(hit.evidence.subtitle for hit in hits)
    libraries = any(hit.library for hit in hits)
    heads: tuple[str, ...] = ("#", "from", "to", "match")
    numbers: list[tuple[str, ...]] = [
        (str(hit.rank), *clock_span(hit.watch_start_s, hit.watch_end_s), _match(hit, width)) for hit in hits
    ]
    if any(hit.more for hit in hits):
        heads = (*heads, "more")
        numbers = [(*row, f"+{hit.more}" if hit.more else "") for row, hit in zip(numbers, hits, strict=True)]
    if libraries:
        heads = (*heads, "library")
        numbers = [
            (*row, printable(_short(Path(str(hit.library))))) for row, hit in zip(numbers, hits, strict=True)
        ]
    names = [printable(_short(place(hit.video))) for hit in hits]
    widest = max(map(cell_len, [*names, "video"]))
    before = sum(max(map(len, column)) + _GAP for column in zip(heads, *numbers, strict=True)) + widest + _GAP
    table = Table(box=None, pad_edge=False, header_style="bold", width=max(width, before))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("video", no_wrap=True, min_width=widest)
    if has_lines:
        # Where the row is wrapped anyway, the line need not be squeezed.
        room = width - before
        room = room if room >= _LEAST_LINE else _WRAPPED_LINE
        table.width = before + room
        table.add_column("line", overflow="ellipsis", no_wrap=True, width=room)
    for hit, figures, name in zip(hits, numbers, names, strict=True):
        row: list[str | Text] = [*figures, Text(name, style=f"link {place(hit.video).as_uri()}")]
        if has_lines:
            line = hit.evidence.subtitle
            row.append(Text(printable(str(line)) if line else ""))
        table.add_row(*row)
    return table


def _match(hit: Hit, width: int) -> str:
    """As much of what a match is worth as there is room for."""
    return hit.match if hit.grade is None or width >= _WIDE else hit.grade


def _query(words: tuple[str, ...]) -> str:
    """One query of all words."""
    if not words:
        raise QueryError("there is no query", remedy="Say what to look for: polyreel search 'mbwa anakimbia'")
    return " ".join(words)


def _plain(hit: Hit) -> str:
    fields = (str(hit.rank), f"{hit.start_s:.3f}", f"{hit.end_s:.3f}", f"{hit.score:.6f}", hit.video)
    return "\t".join(map(printable, fields))


def _short(path: Path) -> str:
    """``path`` from the home folder or the current one, whichever is shorter."""
    shown = [str(path)]
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            shown.append(prefix + str(path.relative_to(base)))
    return min(shown, key=len)
