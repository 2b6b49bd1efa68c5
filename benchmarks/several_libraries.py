"""``python benchmarks/several_libraries.py``: a search of three libraries by one of the same rows.

Random clips, and a line for every fifth of them, lie in one library and, by their paths, in three. Both are
asked the same, by sight and in everything, without the text encoder: the ratio of CPU is what joining costs
a search. Every answer must be the other's, hit by hit. Also shown is what opening takes, once measured, and
what a process holds in memory that did one or the other.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import (
    Report,
    alternate,
    cost_of,
    median_cpu_s,
    median_wall_s,
    options,
    paired_ratio,
    run,
    unit_rows,
)
from exact_search import CLIPS_PER_COMMIT, CLIPS_PER_VIDEO, FixedQueries, file_row, random_clips, resident_mb
from polyreel.encoders.registry import locate_bundle
from polyreel.library.search.joined_library import JoinedLibrary, open_joined
from polyreel.library.search.search import Library
from polyreel.library.store.state import generation_of
from polyreel.library.store.store import Commit, writing

WAYS, CLIPS_PER_LINE, WORDS = 3, 5, 2_000
ONE, SEVERAL = "one library", f"{WAYS} libraries"
MODES = ("visual", "hybrid")
Vectors = NDArray[np.float32]


def main() -> int:
    """Fill the libraries and search them."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=300_000)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--searched", type=Path, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    bundle = fixed_queries(arguments.queries, arguments.seed)
    if arguments.searched is not None:
        print(json.dumps(alone(arguments.searched, bundle)))
        return 0
    report = Report("several libraries", arguments, ("numpy", "numkong", "pyarrow"))
    clips = 6_000 if arguments.quick else arguments.clips
    with tempfile.TemporaryDirectory(prefix="polyreel-several-") as scratch:
        places = {ONE: [Path(scratch) / "one"], SEVERAL: [Path(scratch) / str(part) for part in range(WAYS)]}
        rng = np.random.default_rng(arguments.seed)
        fill(places, bundle, clips, rng)
        opened = {name: opened_of(folders, bundle) for name, folders in places.items()}
        for library in opened.values():
            library.calibrate()
        for mode in MODES:
            compare(report, opened, mode, arguments.queries, clips)
        facts = {
            name: json.loads(
                run([sys.executable, __file__, "--searched", *folders, "--seed", str(arguments.seed)])
            )
            for name, folders in places.items()
        }
    shown = list(facts[ONE])
    report.table(
        f"{clips:,} clips, a process of its own",
        ["", *shown],
        [[name, *own.values()] for name, own in facts.items()],
    )
    return report.close()


def fixed_queries(count: int, seed: int) -> FixedQueries:
    """Encoded beforehand: the vector of a text is that of its number; those of longer texts are made up."""
    folder = locate_bundle()
    bundle = FixedQueries(folder, np.zeros((0, 0), np.float32))
    rng = np.random.default_rng(seed + 1)
    bundle._vectors = unit_rows(rng.standard_normal((max(count, WORDS), bundle.card.dim), np.float32))
    encode = bundle.encode_text

    def encode_any(texts: list[str]) -> Vectors:
        # Background queries are sentences.
        numbers = [text if text.isdecimal() else str(sum(map(ord, text)) % WORDS) for text in texts]
        return encode(numbers)

    bundle.encode_text = encode_any  # type: ignore[method-assign]
    return bundle


def opened_of(folders: list[Path], bundle: FixedQueries) -> Library | JoinedLibrary:
    """One library as it is, several as one."""
    if len(folders) == 1:
        return Library(folders[0], lambda _location: bundle)
    return open_joined(folders, lambda _location: bundle)


def compare(
    report: Report, opened: dict[str, Library | JoinedLibrary], mode: str, queries: int, clips: int
) -> None:
    """Time both, and hold their hits against each other."""

    def all_of(library: Library | JoinedLibrary) -> Callable[[], list[list[tuple[str, float, float | None]]]]:
        return lambda: [
            [
                (hit.clip_id, hit.score, hit.strength)
                for hit in library.search(str(number), language="en", mode=mode, top=20, per_video=1).hits
            ]
            for number in range(queries)
        ]

    parts = {name: all_of(library) for name, library in opened.items()}
    found = {name: part() for name, part in parts.items()}
    equal = np.mean([a == b for a, b in zip(found[ONE], found[SEVERAL], strict=True)])
    costs = alternate(parts, 3 if report.arguments.quick else 9)
    rows = [
        [name, 1000 * median_cpu_s(cost) / queries, 1000 * median_wall_s(cost) / queries]
        for name, cost in costs.items()
    ]
    report.table(f"{clips:,} clips, {mode}, {queries} queries", ["", "CPU ms a query", "wall ms"], rows)
    report.target(f"{mode}, share of equal answers", float(equal), ">=", 1.0)
    report.target(f"{mode}, CPU of {SEVERAL} by {ONE}", paired_ratio(costs[SEVERAL], costs[ONE]), "<=", 1.3)


def alone(folders: list[Path], bundle: FixedQueries) -> dict[str, float]:
    """What a new process takes to open libraries that are measured, and holds after some searches."""
    began_mb = resident_mb()
    library = opened_of(folders, bundle)

    def first() -> object:
        return library.search("0", language="en", top=20, per_video=1)

    cost = cost_of(first)
    for number in range(1, 5):
        library.search(str(number), language="en", top=20, per_video=1)
    return {"CPU s of opening and a search": cost.cpu_s, "MB": resident_mb() - began_mb}


def fill(places: dict[str, list[Path]], bundle: FixedQueries, clips: int, rng: np.random.Generator) -> None:
    """The same random clips and lines into one library and, in order of path, into several."""
    per_part = clips // WAYS // CLIPS_PER_VIDEO * CLIPS_PER_VIDEO
    for part, folder in enumerate(places[SEVERAL]):
        begin, end = part * per_part, clips if part == WAYS - 1 else (part + 1) * per_part
        for first in range(begin, end, CLIPS_PER_COMMIT):
            commit = random_commit(first, min(CLIPS_PER_COMMIT, end - first), bundle.card.dim, rng)
            for into in (folder, *places[ONE]):
                with writing(into, generation_of(bundle.card, "small")) as writer:
                    writer.commit(commit)


def random_commit(first: int, count: int, dim: int, rng: np.random.Generator) -> Commit:
    """Clips, and lines of words that are numbers, some rarer than others."""
    clips = list(random_clips(first, count))
    lines: list[dict[str, Any]] = [
        {
            "subtitle_id": f"{clip['clip_id']}#0",
            "video": clip["video"],
            "start_s": clip["start_s"],
            "end_s": clip["end_s"],
            "text": " ".join(map(str, (WORDS * rng.random(6) ** 3).astype(int))),
            "language": "en",
            "source": "film.srt",
        }
        for clip in clips[::CLIPS_PER_LINE]
    ]
    keys = [{"id": clip["clip_id"], "video": clip["video"], "kind": "clip"} for clip in clips]
    keys += [{"id": line["subtitle_id"], "video": line["video"], "kind": "subtitle"} for line in lines]
    return Commit(
        files=[file_row(video) for video in sorted({str(clip["video"]) for clip in clips})],
        clips=clips,
        subtitles=lines,
        embeddings=keys,  # type: ignore[arg-type]
        vectors=list(unit_rows(rng.standard_normal((len(keys), dim), np.float32))),
    )


if __name__ == "__main__":
    sys.exit(main())
