"""``polyreel data build how2``: what only this dataset has options for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from rich.table import Table

from polyreel.cli.options import AskedPath, absolute
from polyreel.cli.output import show_progress, stdout
from polyreel.errors import UsageError
from polyreel.problems import Problems

if TYPE_CHECKING:
    from polyreel.datasets.how2.building.pipeline import BuildReport
    from polyreel.datasets.store.manifest import Manifest

__all__ = ["How2Options", "build_how2_table", "print_problems", "print_report"]

_EXAMPLES = 3


@Parameter(name="*", group=Group("Options of how2"))
@dataclass(frozen=True, slots=True)
class How2Options:
    """Where captions come from beside ``how2_[lang].json``, and what fills their gaps."""

    videos: Annotated[
        tuple[AskedPath, ...],
        Parameter(
            consume_multiple=True,
            negative="",
            show_default=False,
            help="Videos: files, folders, .txt lists, ids on a platform.",
        ),
    ] = ()
    languages: Annotated[
        str | None, Parameter(help="Languages, with commas; the first leads. By default the nine.")
    ] = None
    labels: Annotated[
        Literal["name", "detected"],
        Parameter(help="Whether a caption file is in the language of its name or in the detected one."),
    ] = "name"
    translator: Annotated[
        AskedPath | None, Parameter(help="Folder of a CTranslate2 model that translates missing languages.")
    ] = None
    recogniser: Annotated[
        AskedPath | None, Parameter(help="Folder of a Whisper model, for videos without subtitles.")
    ] = None
    download: Annotated[
        bool, Parameter(negative="", help="Fetch subtitles of ids with yt-dlp; needs a network.")
    ] = False

    @property
    def given(self) -> list[str]:
        """Options that are not as they are by default."""
        return [f"--{field.name}" for field in fields(self) if getattr(self, field.name) != field.default]


def build_how2_table(out: Path, captions: Path | None, options: How2Options) -> tuple[Manifest, BuildReport]:
    """Build with a progress bar on stderr. Raises as ``build_how2``.

    Args:
        out: Folder of the table.
        captions: Folder of ``how2_[lang].json``; None where all comes from videos.
        options: Options that only this dataset has.
    """
    from polyreel.datasets.how2.building.downloading import YtDlp
    from polyreel.datasets.how2.building.pipeline import Plugins
    from polyreel.datasets.how2.building.recognising import WhisperRecogniser
    from polyreel.datasets.how2.building.table import How2Plan, build_how2
    from polyreel.datasets.how2.building.translating import CTranslate2Translator

    plan = How2Plan(
        captions=captions,
        videos=options.videos,
        labels=options.labels,
        plugins=Plugins(
            translator=CTranslate2Translator(absolute(options.translator)) if options.translator else None,
            recogniser=WhisperRecogniser(absolute(options.recogniser)) if options.recogniser else None,
            downloader=YtDlp() if options.download else None,
        ),
        **({"languages": _tags(options.languages)} if options.languages else {}),
    )
    with show_progress() as show:
        return build_how2(
            out, plan, on_progress=lambda now: show(f"how2: {now.video[:24]}", now.done, now.total)
        )


def _tags(given: str) -> tuple[str, ...]:
    from polyreel.languages import parse_tag

    tags = []
    for part in given.split(","):
        tag = parse_tag(part)
        if tag is None:
            raise UsageError("not a language", item=repr(part), remedy="Write tags with commas: en,de,sw")
        tags.append(tag.split("-")[0])
    return tuple(dict.fromkeys(tags))


def print_problems(problems: Problems) -> None:
    """Each kind of fault with its number and the first examples."""
    for what, count in problems.counts.items():
        stdout.print(f"{count:,} times: {what}", style="yellow", markup=False, soft_wrap=True)
        for problem in [one for one in problems.examples if one.what == what][:_EXAMPLES]:
            stdout.print(f"    {problem}", markup=False, soft_wrap=True)


def print_report(report: BuildReport) -> None:
    """Coverage by language, what was dropped and what went wrong."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("language")
    for column in (
        "videos",
        "lines",
        "clips",
        "coverage",
        "where it is",
        "overlap",
        "dropped",
        "made by",
    ):
        table.add_column(column, justify="right")
    summary = report.alignment.summary()
    for tag in [*summary, *(tag for tag in report.dropped if tag not in summary)]:
        row = summary.get(tag, {})
        table.add_row(
            tag,
            f"{row.get('videos', 0):,}",
            f"{row.get('lines', 0):,}",
            f"{row.get('captions', 0):,}",
            f"{100 * row.get('coverage', 0):.1f}%",
            f"{100 * row.get('recovered', 0):.1f}%",
            f"{row.get('median_overlap', 0):.2f}",
            f"{report.dropped[tag].total():,}",
            ", ".join(report.lines[tag]),
        )
    stdout.print(table)
    for tag, reasons in report.dropped.items():
        for reason, count in reasons.items():
            stdout.print(f"Dropped: {count:,} lines in {tag}, {reason}.", markup=False, soft_wrap=True)
    print_problems(report.problems)
    if report.resumed:
        stdout.print(f"{report.resumed:,} videos were finished by an earlier run.")
