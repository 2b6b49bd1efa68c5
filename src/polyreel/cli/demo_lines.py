"""What the demo finds by what is said in its clips, and by what is written in their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from polyreel.cli.listening import LineMaker
from polyreel.cli.output import stderr, stdout
from polyreel.extras import install_extra
from polyreel.units import clock_span, printable

if TYPE_CHECKING:
    from polyreel.errors import MediaError
    from polyreel.library.line_kinds import LineKind
    from polyreel.library.results import SearchResult
    from polyreel.library.search.search import Library

__all__ = ["SPEAKER", "LinesOfDemo"]

SPEAKER = "e273111721"
"""The clip in which somebody speaks; its archive (42 MB) is fetched where speech can be recognised."""

_SOURCES: dict[LineKind, str] = {"speech": "heard", "screen": "read"}


@dataclass(frozen=True, slots=True)
class _Question:
    """A query about what is said or written in a clip."""

    language: str
    query: str
    kind: LineKind
    clip: str


_QUESTIONS = (
    _Question("sw", "mhadhiri wa saikolojia katika chuo kikuu", "speech", SPEAKER),
    _Question("ru", "я главный автор", "speech", SPEAKER),
    _Question("zh", "A4纸的长度", "screen", "85a4c1934e"),
)


class LinesOfDemo:
    """Hears and reads the demo's clips, and asks for what came of it.

    Args:
        files: the clips.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        from polyreel.library.index.line_stages import line_stages

        self.makers = tuple(
            LineMaker(stage, paths=files, retry_failed=False, memory_limit_mb=1500)
            for stage in line_stages(screen_text=True)
        )
        self._answers: list[tuple[_Question, SearchResult]] = []

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it before it had heard and read all of them."""
        return any(maker.was_interrupted for maker in self.makers)

    @property
    def failures(self) -> list[MediaError]:
        """Clips that could not be heard or read."""
        return [error for maker in self.makers for error in maker.failures]

    def ask(self, library: Library, *, top: int) -> None:
        """Search in the lines of each kind that there are.

        Args:
            library: the demo's.
            top: hits of each query.
        """
        there = library.snapshot.line_kinds
        self._answers = [
            (asked, library.search(asked.query, top=top, mode=asked.kind, language=asked.language))
            for asked in _QUESTIONS
            if asked.kind in there
        ]

    def document(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        asked = [
            {
                "language": question.language,
                "query": question.query,
                "in": question.kind,
                "wanted": question.clip,
                "hits": [
                    {
                        "clip": Path(hit.video).stem[:10],
                        "start_s": hit.start_s,
                        "end_s": hit.end_s,
                        "line": None if hit.evidence.subtitle is None else hit.evidence.subtitle.model_dump(),
                    }
                    for hit in result.hits
                ],
            }
            for question, result in self._answers
        ]
        return {"line_queries": asked} | {
            key: value for maker in self.makers for key, value in maker.document().items()
        }

    def print_answers(self) -> None:
        """Show the best line for each query, and say where some are left out."""
        if not self.makers[0].stage.is_on:
            stderr.print(
                "Nothing was heard in this run, without the extra 'speech'. "
                f"Install it with: {install_extra('speech')}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
        if not self._answers:
            return
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
        table.add_column("", no_wrap=True)
        table.add_column("query", ratio=3, overflow="fold")
        table.add_column("best line, said or written in a clip (* the one that is meant)", ratio=4)
        for question, result in self._answers:
            table.add_row(question.language, question.query, _best(question, result))
        stdout.print(table)
        stdout.print()


def _best(question: _Question, result: SearchResult) -> str:
    if not result.hits or result.hits[0].evidence.subtitle is None:
        return "-"
    hit, line = result.hits[0], result.hits[0].evidence.subtitle
    name = Path(hit.video).stem[:10]
    star = "*" if name == question.clip else ""
    when = "-".join(clock_span(hit.watch_start_s, hit.watch_end_s))
    return printable(f"{star}{name[:6]} {when}, {_SOURCES[question.kind]}: [{line.language}] {line.text}")
