"""``python benchmarks/exact_search.py``: exact search at 100,000 and 1,000,000 clips, by a bare product.

The floor is ``matrix @ query`` and ``argpartition`` in numpy, on the very same matrix. Held against it are
``polyreel.library.search.exact.best_rows`` after one product, and the whole ``Library.search`` without the
text encoder: reading the state of the library, ranking, merging moments, looking up rows. Recall is that of
the first 10 against a float64 product over all vectors as they are stored.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Settings of the machine's owner for numpy's BLAS would decide which kernel is measured.
_BLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
if any(name in os.environ for name in _BLAS_SETTINGS):
    kept = {name: value for name, value in os.environ.items() if name not in _BLAS_SETTINGS}
    os.execve(sys.executable, [sys.executable, *sys.argv], kept)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from common import Report, alternate, median_cpu_s, median_wall_s, options, paired_ratio, unit_rows  # noqa: E402
from polyreel.encoders.card import BundleCard, read_card  # noqa: E402
from polyreel.encoders.registry import locate_bundle  # noqa: E402
from polyreel.library.search.exact import best_rows  # noqa: E402
from polyreel.library.search.search import Library  # noqa: E402
from polyreel.library.store.state import generation_of  # noqa: E402
from polyreel.library.store.store import Commit, writing  # noqa: E402

DEPTH = 200  # what a search ranks before it merges moments
RECALL_AT = 10
CLIPS_PER_VIDEO = 20
CLIPS_PER_COMMIT = 50_000
Vectors = NDArray[np.float32]


class FixedQueries:
    """Stands in for a bundle: its card is real, its text encoder gives vectors that were made beforehand."""

    def __init__(self, folder: Path, vectors: Vectors) -> None:
        self.folder, self.card = folder, read_card(folder)
        self._vectors = vectors

    def encode_text(self, texts: list[str]) -> Vectors:
        """The vector whose number each text is."""
        return self._vectors[[int(text) for text in texts]]


def main() -> int:
    """Build libraries of random clips and search them."""
    arguments = options(__doc__).parse_args()
    report = Report("exact search", arguments)
    report.note(f"numpy's BLAS runs {blas()}. Random unit vectors of 384 numbers, float32.")
    bundle_folder = locate_bundle()
    for clips in (20_000,) if arguments.quick else (100_000, 1_000_000):
        measure(report, bundle_folder, clips)
    return report.close()


def measure(report: Report, bundle_folder: Path, clips: int) -> None:
    """One size."""
    rng = np.random.default_rng(report.arguments.seed)
    card = read_card(bundle_folder)
    queries = unit_rows(rng.standard_normal((50, card.dim), np.float32))
    bundle = FixedQueries(bundle_folder, queries)
    with tempfile.TemporaryDirectory(prefix="polyreel-exact-") as scratch:
        folder = Path(scratch) / "library"
        fill(folder, card, clips, rng)
        library = Library(folder, lambda _location: bundle)
        library.search("0", language="en", mode="visual")  # lays the matrix out, maps it into memory
        matrix = library.snapshot.index.clip_vectors
        parts = {
            "numpy: matrix @ query, argpartition": lambda: [bare(matrix, query) for query in queries],
            "top_rows": lambda: [best_rows(matrix @ query, DEPTH) for query in queries],
            "Library.search, text encoding left out": lambda: [
                library.search(str(number), language="en", mode="visual") for number in range(len(queries))
            ],
        }
        for part in parts.values():
            part()  # pages of the matrix come into memory
        costs = alternate(parts, 3 if report.arguments.quick else 15)
        right, found = (
            brute_force(matrix, queries),
            [best_rows(matrix @ query, DEPTH)[0] for query in queries],
        )
    floor = costs["numpy: matrix @ query, argpartition"]
    rows = [
        [
            name,
            1000 * median_cpu_s(cost) / len(queries),
            1000 * median_wall_s(cost) / len(queries),
            f"{paired_ratio(cost, floor):.2f}",
            f"{paired_ratio(cost, floor, wall=True):.2f}",
        ]
        for name, cost in costs.items()
    ]
    columns = ["", "CPU ms a query", "wall ms", "CPU by numpy's", "wall by numpy's"]
    report.table(f"{clips:,} clips, the best {DEPTH} of them, {len(queries)} queries", columns, rows)
    recall = np.mean(
        [
            len(set(a[:RECALL_AT].tolist()) & set(b.tolist())) / RECALL_AT
            for a, b in zip(found, right, strict=True)
        ]
    )
    for name in ("top_rows", "Library.search, text encoding left out"):
        report.target(
            f"{clips:,} clips, CPU of {name} by numpy's", paired_ratio(costs[name], floor), "<=", 1.3
        )
    report.target(f"{clips:,} clips, recall@{RECALL_AT}", recall, ">=", 1.0)


def bare(matrix: Vectors, query: Vectors) -> NDArray[np.int64]:
    """The least that gives the best rows in order."""
    scores = matrix @ query
    rows = np.argpartition(scores, len(scores) - DEPTH)[-DEPTH:]
    return rows[np.argsort(-scores[rows])]


def brute_force(matrix: Vectors, queries: Vectors) -> list[NDArray[np.int64]]:
    """The first rows for each query by float64 products, a part of the matrix at a time."""
    wide = queries.astype(np.float64).T
    scores = np.concatenate(
        [matrix[at : at + 100_000].astype(np.float64) @ wide for at in range(0, len(matrix), 100_000)]
    )
    return [np.argsort(-column, kind="stable")[:RECALL_AT] for column in scores.T]


def fill(folder: Path, card: BundleCard, clips: int, rng: np.random.Generator) -> None:
    """Write a library of ``clips`` random clips, as indexing would."""
    with writing(folder, generation_of(card, "small")) as writer:
        for first in range(0, clips, CLIPS_PER_COMMIT):
            count = min(CLIPS_PER_COMMIT, clips - first)
            vectors = unit_rows(rng.standard_normal((count, card.dim), np.float32))
            rows = list(random_clips(first, count))
            videos = sorted({row["video"] for row in rows})
            writer.commit(
                Commit(
                    files=[file_row(video) for video in videos],
                    clips=rows,
                    embeddings=[
                        {"id": row["clip_id"], "video": row["video"], "kind": "clip"} for row in rows
                    ],
                    vectors=list(vectors),
                )
            )


def random_clips(first: int, count: int) -> Iterator[dict[str, object]]:
    """Rows of clips of 10 s."""
    for number in range(first, first + count):
        video, place = divmod(number, CLIPS_PER_VIDEO)
        yield {
            "clip_id": f"{video:08d}@{place:04d}",
            "video": f"{video:08d}",
            "start_s": 10.0 * place,
            "end_s": 10.0 * place + 10,
            "thumbnail": f"thumbs/{number}.jpg",
        }


def file_row(video: str) -> dict[str, object]:
    """The row of a file that is well."""
    facts = dict.fromkeys(("sidecars", "message", "health", "indexed_at"), "")
    return {
        "path": f"/videos/{video}.mp4",
        "video": video,
        "size_bytes": 1,
        "mtime_ns": 1,
        "status": "ok",
        **facts,
    }


def blas() -> str:
    """Processor family that numpy's OpenBLAS took this one for, and its threads."""
    for library in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        loaded = ctypes.CDLL(str(library))
        loaded.scipy_openblas_get_corename64_.restype = ctypes.c_char_p
        kernel = loaded.scipy_openblas_get_corename64_().decode()
        return f"its {kernel} kernel on {loaded.scipy_openblas_get_num_threads64_()} threads"
    return "an unknown kernel"


if __name__ == "__main__":
    sys.exit(main())
