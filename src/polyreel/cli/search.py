"""``polyreel search``: text in any language in, moments out."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from polyreel.cli.options import Device, Json, LibraryOption, default_library, load_bundle, spoken_languages
from polyreel.cli.output import print_json, print_lines, stderr, stdout, write_paths
from polyreel.errors import QueryError, UsageError
from polyreel.library.local_socket import ask_server
from polyreel.units import clock, count, printable

if TYPE_CHECKING:
    from polyreel.library.results import Hit, SearchResult

__all__ = ["hit_table", "search"]

# Characters: of a terminal that has room for bars; between two columns, and of a subtitle where the line fits
# the terminal and where it is wrapped.
_WIDE = 72
_GAP, _LEAST_SUBTITLE, _WRAPPED_SUBTITLE = 2, len("subtitle"), 40


def search(
    *query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    library: LibraryOption = None,
    top: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 10,
    lang: str = "auto",
    mode: Annotated[str, Parameter(name=["--in", "--mode"])] = "hybrid",
    device: Device = None,
    null: Annotated[bool, Parameter(name=["--null", "-0"], negative="")] = False,
    all_moments: Annotated[bool, Parameter(negative="")] = False,
    server: bool = True,
    json: Json = False,
) -> int:
    """Find moments that match a sentence in any language.

    Of each video the best moment is shown, and how many more of it match.
    Into a pipe or a file, a hit is a line of rank, start and end in seconds, score and path, between tabs.

    Example: polyreel search "mbwa anakimbia"

    Args:
        query: What the video shows, in any language; several words are one query.
        top: How many hits.
        lang: Language of the query as a BCP-47 tag, or auto.
        mode: Where to look: visual, speech, subtitles, screen, or several joined by commas; hybrid is all.
        null: Print only paths, best first and each once, with a null character after each: for xargs -0.
        all_moments: Show every moment that matches, not only the best of each video.
        server: Ask the server of the library, if one runs on this machine, which is faster.
    """
    text, folder = _query(query), default_library(library)
    asked: dict[str, Any] = {"top": top, "mode": mode, "language": lang, "likely": spoken_languages()}
    asked["per_video"] = None if all_moments else 1
    answer = ask_server(folder, {"query": text, **asked}) if server and device is None else None
    if json and answer is not None:
        print_json(answer)
        return 0
    result = _answered(answer) if answer is not None else _searched(folder, text, device=device, **asked)
    if json:
        print_json(result.model_dump(mode="json"))
        return 0
    if null:
        write_paths(dict.fromkeys(hit.video for hit in result.hits))
        return 0
    if not result.hits:
        stderr.print("Nothing found: the library is empty, or no subtitle matches.")
        return 0
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
    stderr.print(f"{result.language}, {result.bundle}, {result.took_ms:.0f} ms", style="dim")
    return 0


def _answered(document: dict[str, Any]) -> SearchResult:
    from polyreel.library.results import SearchResult

    return SearchResult.model_validate(document)


def _searched(folder: Path, text: str, *, device: str | None, **asked: Any) -> SearchResult:
    from polyreel.library.search.search import Library

    return Library(folder, functools.partial(load_bundle, device=device)).search(text, **asked)


def hit_table(hits: tuple[Hit, ...], *, width: int) -> Table:
    """Hits as a table; the file name links to the thumbnail where a terminal can.

    A path is never folded. Where it does not fit, the terminal wraps the line, and copies it in one piece.

    Args:
        hits: best first.
        width: of the terminal, in characters.
    """
    subtitles = any(hit.evidence.subtitle for hit in hits)
    heads: tuple[str, ...] = ("#", "from", "to", "match")
    numbers: list[tuple[str, ...]] = [
        (str(hit.rank), clock(hit.watch_start_s), clock(math.ceil(hit.watch_end_s)), _match(hit, width))
        for hit in hits
    ]
    if any(hit.more for hit in hits):
        heads = (*heads, "more")
        numbers = [(*row, f"+{hit.more}" if hit.more else "") for row, hit in zip(numbers, hits, strict=True)]
    names = [printable(_short(Path(hit.video))) for hit in hits]
    widest = max(map(cell_len, [*names, "video"]))
    before = sum(max(map(len, column)) + _GAP for column in zip(heads, *numbers, strict=True)) + widest + _GAP
    table = Table(box=None, pad_edge=False, header_style="bold", width=max(width, before))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("video", no_wrap=True, min_width=widest)
    if subtitles:
        # Where the line is wrapped anyway, the subtitle need not be squeezed.
        room = width - before
        room = room if room >= _LEAST_SUBTITLE else _WRAPPED_SUBTITLE
        table.width = before + room
        table.add_column("subtitle", overflow="ellipsis", no_wrap=True, width=room)
    for hit, figures, name in zip(hits, numbers, names, strict=True):
        row: list[str | Text] = [*figures, Text(name, style=f"link {Path(hit.thumbnail).as_uri()}")]
        if subtitles:
            line = hit.evidence.subtitle
            row.append(Text(printable(f"[{line.language}] {line.text}") if line else ""))
        table.add_row(*row)
    return table


def _match(hit: Hit, width: int) -> str:
    """As much of what a match is worth as there is room for."""
    return hit.match if hit.grade is None or width >= _WIDE else hit.grade


def _query(words: tuple[str, ...]) -> str:
    """One query of all words. One word may begin with a hyphen; among several it is a misspelt option."""
    if not words:
        raise QueryError("there is no query", remedy="Say what to look for: polyreel search 'mbwa anakimbia'")
    option = next((word for word in words if len(words) > 1 and word.startswith("--")), None)
    if option is not None:
        raise UsageError(
            "search has no such option", item=option, remedy="Put a query with hyphens in quotes, as one word"
        )
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
