"""``polyreel search``: text in any language in, moments out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators
from rich.table import Table
from rich.text import Text

from polyreel.cli.options import Json, LibraryOption, default_library, load_bundle
from polyreel.cli.output import print_json, stderr, stdout
from polyreel.units import clock

if TYPE_CHECKING:
    from polyreel.library.results import Hit

__all__ = ["hit_table", "search"]


def search(
    query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    library: LibraryOption = None,
    top: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 10,
    lang: str = "auto",
    mode: Literal["visual", "subtitles", "hybrid"] = "hybrid",
    json: Json = False,
) -> int:
    """Find moments that match a sentence in any language.

    Example: polyreel search "mbwa anakimbia"

    Args:
        query: What the video shows, in any language.
        top: How many hits.
        lang: Language of the query as a BCP-47 tag, or auto.
        mode: Look at pictures, at words spoken, or at both.
    """
    from polyreel.library.search.search import Library

    result = Library(default_library(library), load_bundle).search(query, top=top, mode=mode, language=lang)
    if json:
        print_json(result.model_dump(mode="json"))
        return 0
    if not result.hits:
        stdout.print("Nothing found: the library is empty, or no subtitle matches.")
        return 0
    if not result.confident:
        stderr.print("Nothing matches well; these are the nearest.", style="yellow")
    stdout.print(hit_table(result.hits))
    stderr.print(f"{result.language}, {result.bundle}, {result.took_ms:.0f} ms", style="dim")
    return 0


def hit_table(hits: tuple[Hit, ...]) -> Table:
    """Hits as a table that fits the terminal; the file name links to the thumbnail where a terminal can."""
    subtitles = any(hit.evidence.subtitle for hit in hits)
    # Expanded, the two wide columns share what is left by their ratio; else the longer starves the other.
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("#", justify="right")
    table.add_column("from", justify="right", no_wrap=True)
    table.add_column("to", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("video", overflow="fold", ratio=2)
    if subtitles:
        table.add_column("subtitle", overflow="ellipsis", no_wrap=True, ratio=2)
    for hit in hits:
        name = Text(_short(Path(hit.video)), style=f"link {Path(hit.thumbnail).as_uri()}")
        row: list[str | Text] = [
            str(hit.rank),
            clock(hit.start_s),
            clock(hit.end_s),
            f"{hit.score:.2f}",
            name,
        ]
        if subtitles:
            line = hit.evidence.subtitle
            row.append(Text(f"[{line.language}] {line.text}" if line else ""))
        table.add_row(*row)
    return table


def _short(path: Path) -> str:
    """``path`` from the home folder or the current one, whichever is shorter."""
    shown = [str(path)]
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            shown.append(prefix + str(path.relative_to(base)))
    return min(shown, key=len)
