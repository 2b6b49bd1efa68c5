"""``polyreel demo``: real clips, indexed and searched in nine languages."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from rich.table import Table

from polyreel.cli.demo_lines import SPEAKER, LinesOfDemo
from polyreel.cli.index import index_with_progress
from polyreel.cli.listening import in_turn
from polyreel.cli.options import AskedPath, Json, absolute, load_bundle, own_command
from polyreel.cli.output import print_json, show_progress, stderr, stdout
from polyreel.errors import FetchError
from polyreel.interrupts import INTERRUPTED
from polyreel.units import clock_span

if TYPE_CHECKING:
    from polyreel.datasets.readers.demo import DemoClip
    from polyreel.library.results import SearchResult
    from polyreel.library.search.search import Library

__all__ = ["demo", "demo_recall"]

_CUTOFFS = (1, 5, 10)
_SHOWN_HITS = 3


def demo(
    *,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    library: AskedPath | None = None,
    json: Json = False,
) -> int:
    """Fetch real clips, index them, search them in nine languages and measure the recall.

    Then look for what is said and written in them, too.

    Example: polyreel demo

    Args:
        everything: Also the large archives, and npm's and Debian's clips.
        library: Folder for the demo's library.
    """
    from polyreel.languages import STUDY_LANGUAGES
    from polyreel.library.search.search import Library

    clips, files = _fetch(everything)
    if not clips:
        raise FetchError("none of the demo's clips could be had", remedy="Check the network and try again")
    folder = absolute(library) if library else _own_library(everything)
    lines = LinesOfDemo(files)
    report = index_with_progress(
        files,
        folder,
        bundle=None,
        workers=len(os.sched_getaffinity(0)),
        after=in_turn(*lines.makers),
    )
    for error in (*report.failed, *lines.failures):
        stderr.print(f"left out: {error}", style="yellow", markup=False, soft_wrap=True)
    opened = Library(folder, load_bundle)
    asked = [(language, _spread(clips, place)) for place, language in enumerate(STUDY_LANGUAGES)]
    answers = [
        (clip, opened.search(clip.captions[language], top=_SHOWN_HITS, language=language, per_video=1))
        for language, clip in asked
    ]
    lines.ask(opened, top=_SHOWN_HITS)
    recall = demo_recall(opened, clips, STUDY_LANGUAGES)
    if json:
        print_json(
            {
                "clips": len(clips),
                "video_s": sum(clip.duration_s for clip in clips),
                "queries": [
                    {
                        "language": result.language,
                        "query": result.query,
                        "wanted": clip.id,
                        "hits": [
                            {"clip": _clip_id(hit.video), "start_s": hit.start_s, "end_s": hit.end_s}
                            for hit in result.hits
                        ],
                    }
                    for clip, result in answers
                ],
                "recall": recall,
                "library": str(folder),
            }
            | lines.document()
        )
        return INTERRUPTED if lines.interrupted else 0
    minutes = sum(clip.duration_s for clip in clips) / 60
    stdout.print(
        f"{len(clips)} real clips, {minutes:.0f} minutes, are in {folder}\n", markup=False, soft_wrap=True
    )
    if report.clips:
        stdout.print(f"Indexing took {report.took_s:.0f} s for {report.video_s:.0f} s of video.\n")
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("query", ratio=3, overflow="fold")
    table.add_column("best moments (* is the clip that the query describes)", ratio=3, overflow="fold")
    for clip, result in answers:
        table.add_row(result.language, result.query, _moments(result, clip))
    stdout.print(table)
    stdout.print()
    lines.print_answers()
    stdout.print(_recall_table(recall, len(clips)))
    stdout.print("\nGo on:", *_next_commands(folder), sep="\n  ", markup=False, soft_wrap=True)
    own = f"{own_command()} index FOLDER"
    stdout.print(
        f"\nFor videos of your own: {own}, and then search without --library.", markup=False, soft_wrap=True
    )
    return INTERRUPTED if lines.interrupted else 0


def _own_library(everything: bool) -> Path:
    """The demo's library, which is of the bundle that is built now: one of an earlier build is left alone.

    With more clips it is another one: what is told of the fewer is told of a library that holds no others.
    """
    from polyreel.encoders.registry import DEFAULT_BUNDLE, list_bundles
    from polyreel.library.location import newer_build
    from polyreel.packages.members import cache_dir

    # Not "library", which held whatever clips the cache had.
    folder = cache_dir() / "demo" / ("all-clips" if everything else "clips")
    if newer_build(folder) is None:
        return folder
    (present,) = (entry.folder for entry in list_bundles() if entry.name == DEFAULT_BUNDLE)
    return folder.with_name(f"{folder.name}-{present.name}")


def demo_recall(
    library: Library, clips: Sequence[DemoClip], languages: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Text-to-video recall over all captions of ``clips``: language -> {"r@1": .., ..}, 0 to 100, and their
    mean.

    The gallery is whole videos, each scored by its best clip, as a search does.

    Args:
        library: Library that holds the clips, and perhaps others.
        clips: Clips of the demo; those that could not be indexed are no queries.
        languages: Languages of the captions that are the queries.
    """
    from polyreel.metrics.ranks import Relevance, rank_scores
    from polyreel.metrics.retrieval import hits_at

    wanted = {clip.id for clip in clips}
    recall = {}
    for language in languages:
        vectors = library.bundle.encode_text([clip.captions[language] for clip in clips])
        paths, scores = library.score_videos(vectors)
        columns = [column for column, path in enumerate(paths) if _clip_id(path) in wanted]
        place = {_clip_id(paths[column]): i for i, column in enumerate(columns)}
        rows = [row for row, clip in enumerate(clips) if clip.id in place]  # one may not have decoded
        truth = Relevance.of([[place[clips[row].id]] for row in rows], len(columns))
        ranks = rank_scores(scores[np.ix_(rows, columns)], truth)
        recall[language] = {f"r@{k}": round(float(hits_at(ranks, k).mean()) * 100, 2) for k in _CUTOFFS}
    recall["mean"] = {
        f"r@{k}": round(float(np.mean([recall[language][f"r@{k}"] for language in languages])), 2)
        for k in _CUTOFFS
    }
    return recall


def _fetch(everything: bool) -> tuple[list[DemoClip], list[Path]]:
    """The clips that are here or could be fetched, and their files; what could not is a warning.

    The file of the clip in which somebody speaks is among them where speech can be recognised.
    """
    from polyreel.datasets.readers.demo import demo_clips, shown_in_demo
    from polyreel.packages.fetch import fetch
    from polyreel.packages.members import cache_dir
    from polyreel.recognition.registry import has_speech

    wanted = list(demo_clips()) if everything else shown_in_demo()
    spoken = [clip for clip in demo_clips() if clip.id == SPEAKER and clip not in wanted and has_speech()]
    sources = [clip.source for clip in [*wanted, *spoken]]
    with show_progress() as show:
        report = fetch(sources, cache_dir() / "clips", progress=show.download)
    for failure in {str(error) for error in report.failures.values()}:
        stderr.print(f"left out: {failure}", style="yellow", markup=False, soft_wrap=True)
    return [clip for clip in wanted if clip.source in report.files], list(report.files.values())


def _next_commands(library: Path) -> list[str]:
    """Commands that work as they stand, from any folder."""
    program, this = own_command(), shlex.quote(str(library))
    asked = ("a plane takes off", "ndege inapaa")
    commands = [f"{program} search '{query}' --library {this}" for query in asked]
    if find_spec("fastapi"):
        commands.append(f"{program} serve --library {this}")
    return [*commands, f"{program} doctor --library {this}"]


def _spread(clips: Sequence[DemoClip], place: int) -> DemoClip:
    """Nine clips from all over the corpus, the same ones at every run."""
    return clips[place * len(clips) // 9]


def _moments(result: SearchResult, wanted: DemoClip) -> str:
    """Which clip each hit is of, and when, with a star at the one that was asked for."""
    return ", ".join(
        f"{'*' if _clip_id(hit.video) == wanted.id else ''}{_clip_id(hit.video)[:6]} "
        + "-".join(clock_span(hit.watch_start_s, hit.watch_end_s))
        for hit in result.hits
    )


def _clip_id(path: str) -> str:
    return Path(path).stem[:10]


def _recall_table(recall: dict[str, dict[str, float]], gallery: int) -> Table:
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title=f"Recall of the right clip among {gallery}, one query a clip and language",
        title_justify="left",
    )
    table.add_column("language")
    for k in _CUTOFFS:
        table.add_column(f"R@{k}", justify="right")
    for language, values in recall.items():
        table.add_row(language, *(f"{value:.1f}" for value in values.values()))
    return table
