"""``python benchmarks/exact_search.py``: search at 100,000 and 1,000,000 clips, as they are and quantised.

The floor is ``matrix @ query`` and ``argpartition`` in numpy, on the very same matrix in float32. Held
against it are ``best_rows`` after one product, quantised vectors (by signs, then in one byte a number, the
best compared exactly), and the whole ``Library.search`` without the text encoder: reading the state of the
library, ranking, merging moments, looking up rows; it takes the way that the size decides. Memory is what
searching adds to a process of its own. Recall is that of the first 10 against a float64 product over all
vectors as they are stored: of random ones with filters, and of real pictures and sentences.

``--part vectors`` measures a million vectors without a library around them, in a quarter of the time.
``--part ten-million`` has ten million of 384 numbers (4.6 GB on the disk: the same million ten times, each
time with other signs, so that no two are alike), searched in a process of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Settings of the machine's owner for numpy's BLAS would decide which kernel is measured.
_BLAS_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
if any(name in os.environ for name in _BLAS_SETTINGS):
    kept = {name: value for name, value in os.environ.items() if name not in _BLAS_SETTINGS}
    os.execve(sys.executable, [sys.executable, *sys.argv], kept)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from common import (  # noqa: E402
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
from polyreel.encoders.card import BundleCard, read_card  # noqa: E402
from polyreel.encoders.registry import locate_bundle  # noqa: E402
from polyreel.encoders.runtime import Bundle  # noqa: E402
from polyreel.library.search.exact import best_rows  # noqa: E402
from polyreel.library.search.quantised import Codes, quantise  # noqa: E402
from polyreel.library.search.search import Library  # noqa: E402
from polyreel.library.search.searched_vectors import (  # noqa: E402
    SIGNS_FROM,
    QuantisedVectors,
    SearchedVectors,
    read_vectors,
    write_vectors,
)
from polyreel.library.store.state import generation_of  # noqa: E402
from polyreel.library.store.store import Commit, writing  # noqa: E402

DEPTH = 200  # what a search ranks before it merges moments
RECALL_AT = 10
CLIPS_PER_VIDEO = 20
CLIPS_PER_COMMIT = 50_000
FLOOR, EXACT = "numpy: matrix @ query, argpartition", "float32, best_rows"
BYTES, WHOLE = "signs, bytes, the best compared", "Library.search, text encoding left out"
PARTS, WAYS = ("libraries", "real", "vectors", "ten-million"), ("exact", "quantised")
LOOK = "of that, the first look at one bit a number"
FILTERS = (10, 1_000)
MIXED = "two pictures mixed 10 to 3, by captions"
MILLION = 1_000_000
QUERIES_OF_A_MILLION = 10  # so that all parts end within minutes
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
    parser = options(__doc__)
    parser.add_argument(
        "--part", choices=PARTS, action="append", help="what to measure; by default the first two"
    )
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--searched", type=Path, help=argparse.SUPPRESS)  # what a process of its own searches
    arguments = parser.parse_args()
    if arguments.searched is not None:
        print(json.dumps(searched_alone(arguments.searched, arguments.seed)))
        return 0
    report = Report("exact search", arguments, ("numpy", "numkong"))
    parts = arguments.part or PARTS[:2]
    bundle_folder = locate_bundle()
    report.note(f"numpy's BLAS runs {blas()}. Random unit vectors of {read_card(bundle_folder).dim} numbers.")
    if "libraries" in parts:
        for clips in (20_000,) if arguments.quick else (100_000, MILLION):
            measure(report, bundle_folder, clips)
    if "real" in parts:
        real_vectors(report, Bundle(bundle_folder), 20_000 if arguments.quick else MILLION)
    if "vectors" in parts:
        measure_vectors(report, read_card(bundle_folder).dim, 20_000 if arguments.quick else MILLION)
    if "ten-million" in parts:
        ten_million(report)
    return report.close()


def measure(report: Report, bundle_folder: Path, clips: int) -> None:
    """Libraries of one size."""
    rng = np.random.default_rng(report.arguments.seed)
    card = read_card(bundle_folder)
    queries = unit_rows(rng.standard_normal((asked(report, clips), card.dim), np.float32))
    bundle = FixedQueries(bundle_folder, queries)
    with tempfile.TemporaryDirectory(prefix="polyreel-exact-") as scratch:
        folder = Path(scratch) / "library"
        fill(folder, card, clips, rng)
        library = Library(folder, lambda _location: bundle)
        library.search("0", language="en", mode="visual")  # lays the vectors out, maps them into memory
        write_both_ways(Path(scratch), library.snapshot.index.clip_vectors.stored)
        whole = {
            WHOLE: lambda: [
                library.search(str(number), language="en", mode="visual") for number in range(len(queries))
            ]
        }
        costs = compare(report, Path(scratch), queries, whole)
    ratio = paired_ratio(costs[WHOLE], costs[FLOOR])
    report.target(f"{clips:,} clips, CPU of {WHOLE} by numpy's", ratio, "<=", 1.3)


def asked(report: Report, clips: int) -> int:
    """How many queries are asked of so many clips."""
    most = QUERIES_OF_A_MILLION if clips >= MILLION else report.arguments.queries
    return min(report.arguments.queries, most)


def measure_vectors(report: Report, dim: int, clips: int) -> None:
    """Vectors alone, without what a library has beside them."""
    rng = np.random.default_rng(report.arguments.seed)
    queries = unit_rows(rng.standard_normal((asked(report, clips), dim), np.float32))
    halves = random_halves(clips, dim, rng)
    with tempfile.TemporaryDirectory(prefix="polyreel-exact-") as scratch:
        write_both_ways(Path(scratch), halves)
        del halves
        compare(report, Path(scratch), queries, {})


def random_halves(rows: int, dim: int, rng: np.random.Generator) -> NDArray[np.float16]:
    """Random unit vectors as they are stored, (rows, dim)."""
    halves = np.empty((rows, dim), np.float16)
    for start in range(0, rows, CLIPS_PER_COMMIT):
        count = min(CLIPS_PER_COMMIT, rows - start)
        halves[start : start + count] = unit_rows(rng.standard_normal((count, dim), np.float32))
    return halves


def compare(
    report: Report, folder: Path, queries: Vectors, further: Mapping[str, Callable[[], object]]
) -> dict[str, list[Any]]:
    """Time, recall and memory of what ``write_both_ways`` wrote, and the time of what is beside it."""
    exact, small = (read_vectors(folder / way, "clips") for way in WAYS)
    matrix = np.asarray(exact)  # mapped, too
    clips = len(matrix)
    parts = {
        FLOOR: lambda: [bare(matrix, query) for query in queries],
        EXACT: lambda: [exact.cosines(query[None])[0].best(DEPTH) for query in queries],
        BYTES: lambda: [small.cosines(query[None])[0].best(DEPTH) for query in queries],
        LOOK: lambda: [small.codes.estimates(query[None]) for query in queries],
        **further,
    }
    for part in parts.values():
        part()  # pages of the matrix come into memory
    costs = alternate(parts, 3 if report.arguments.quick or clips >= MILLION else 15)
    time_table(
        report, f"{clips:,} clips, the best {DEPTH} of them, {len(queries)} queries", costs, len(queries)
    )
    recall_table(report, queries, matrix, {EXACT: exact, BYTES: small})
    memory = {way: alone(folder / way, report.arguments.seed)["MB"] for way in WAYS}
    report.note(
        f"Memory that searching adds, MB: float32 {memory['exact']:.0f}, "
        f"quantised {memory['quantised']:.0f}; the matrix in float32 is {matrix.nbytes / 1e6:.0f}."
    )
    ratio = paired_ratio(costs[EXACT], costs[FLOOR])
    report.target(f"{clips:,} clips, CPU of {EXACT} by numpy's", ratio, "<=", 1.3)
    if clips >= MILLION:
        cpu, wall = (paired_ratio(costs[BYTES], costs[FLOOR], wall=wall) for wall in (False, True))
        report.target(f"{clips:,} clips, CPU of {BYTES} by numpy's", cpu, "<=", 0.42)
        report.target(f"{clips:,} clips, wall time of {BYTES} by numpy's", wall, "<=", 0.45)
        share = memory["quantised"] / memory["exact"]
        report.target(f"{clips:,} clips, memory of {BYTES} by float32's", share, "<=", 0.28)
    return costs


def write_both_ways(folder: Path, vectors: NDArray[np.floating[Any]]) -> None:
    """Keep vectors in float32 and quantised, as a library's are kept."""
    halves = vectors.astype(np.float16, copy=False)
    for way in WAYS:
        (folder / way).mkdir()
    write_vectors(folder / "quantised", "clips", QuantisedVectors(halves, quantise(halves)))
    matrix = np.lib.format.open_memmap(folder / "exact" / "clips.npy", "w+", np.float32, halves.shape)
    for start in range(0, len(halves), CLIPS_PER_COMMIT):
        matrix[start : start + CLIPS_PER_COMMIT] = halves[start : start + CLIPS_PER_COMMIT]
    matrix.flush()


def time_table(report: Report, title: str, costs: dict[str, list[Any]], queries: int) -> None:
    """What a query takes, beside the floor."""
    rows = [
        [
            name,
            1000 * median_cpu_s(cost) / queries,
            1000 * median_wall_s(cost) / queries,
            f"{paired_ratio(cost, costs[FLOOR]):.2f}",
            f"{paired_ratio(cost, costs[FLOOR], wall=True):.2f}",
        ]
        for name, cost in costs.items()
    ]
    report.table(title, ["", "CPU ms a query", "wall ms", "CPU by numpy's", "wall by numpy's"], rows)


def recall_table(report: Report, queries: Vectors, matrix: Vectors, ways: dict[str, SearchedVectors]) -> None:
    """Recall of each way among all clips, and among one in so many."""
    clips = len(matrix)
    rng = np.random.default_rng(report.arguments.seed + 1)
    masks = {"all": None, **{f"one in {some:,}": rng.permutation(clips) % some == 0 for some in FILTERS}}
    scores = true_cosines(matrix, queries)
    rows = []
    for name, vectors in ways.items():
        recalls = [recall(vectors, queries, scores, mask) for mask in masks.values()]
        rows.append([name, *recalls])
        report.target(
            f"{clips:,} clips, recall@{RECALL_AT} of {name}, filtered or not", min(recalls), ">=", 0.995
        )
    report.table(f"{clips:,} clips, recall@{RECALL_AT} among", ["", *masks], rows)


def recall(
    vectors: SearchedVectors,
    queries: Vectors,
    scores: NDArray[np.float64],
    mask: NDArray[np.bool_] | None = None,
    depth: int = RECALL_AT,
) -> float:
    """Share of the first by true cosines, (queries, rows), that are found among the first."""
    shares = []
    for cosines, true in zip(vectors.cosines(queries), scores, strict=True):
        allowed = true if mask is None else np.where(mask, true, -2.0)
        right = np.argpartition(allowed, len(allowed) - depth)[len(allowed) - depth :]
        found = cosines.best(DEPTH, mask)[0][:depth]
        shares.append(len(set(found.tolist()) & set(right.tolist())) / depth)
    return float(np.mean(shares))


def real_vectors(report: Report, bundle: Bundle, mixtures: int) -> None:
    """Recall on what the default bundle makes of pictures and sentences, and of mixtures of the pictures."""
    rows = []
    for name, vectors, queries in real_sets(bundle, mixtures, report.arguments.seed):
        halves = vectors.astype(np.float16, copy=False)
        searched = QuantisedVectors(halves, quantise(halves))
        scores = true_cosines(halves, queries)
        found, deep = (recall(searched, queries, scores, depth=depth) for depth in (RECALL_AT, DEPTH))
        rows.append([name, len(halves), len(queries), found, deep])
        report.target(f"{name}, recall@{RECALL_AT}", found, ">=", 0.995)
        if len(halves) >= MILLION:
            time_of_real(report, searched, queries[:QUERIES_OF_A_MILLION])
    columns = ["real vectors", "rows", "queries", f"recall@{RECALL_AT}", f"recall@{DEPTH}"]
    report.table(f"{BYTES}; signs are looked at first where more than {SIGNS_FROM:,} rows", columns, rows)


def time_of_real(report: Report, searched: QuantisedVectors, queries: Vectors) -> None:
    """What a million take that lie as real ones do, where fewer are as good by their signs as the best."""
    matrix = searched.stored.astype(np.float32)
    costs = alternate(
        {
            FLOOR: lambda: [bare(matrix, query) for query in queries],
            BYTES: lambda: [searched.cosines(query[None])[0].best(DEPTH) for query in queries],
            LOOK: lambda: [searched.codes.estimates(query[None]) for query in queries],
        },
        5,
    )
    time_table(report, f"{MIXED}, the best {DEPTH} of {len(matrix):,}", costs, len(queries))
    ratio = paired_ratio(costs[BYTES], costs[FLOOR])
    report.target(f"{MIXED}, CPU of {BYTES} by numpy's", ratio, "<=", 0.12)


def real_sets(
    bundle: Bundle, mixtures: int, seed: int
) -> Iterator[tuple[str, NDArray[np.floating[Any]], Vectors]]:
    """Name, vectors and queries of what the default bundle makes of pictures and sentences.

    Args:
        bundle: the default one.
        mixtures: how many mixtures of two pictures there are, which are many enough to be quantised.
        seed: of these.
    """
    # Imported late: it decodes pictures.
    from research_data import ntrex, text_vectors

    pictures, captions = real_pictures(bundle)
    lines = np.concatenate([text_vectors(own, bundle) for own in ntrex().values()])
    yield "pictures, by captions in nine languages", pictures, captions
    yield "sentences, by sentences of the same meaning and others", lines, lines[::60]
    yield MIXED, mixtures_of(pictures, mixtures, seed), captions[::20]


def real_pictures(bundle: Bundle) -> tuple[Vectors, Vectors]:
    """Pictures and captions of MSR-VTT's dev split and Flickr8k, as the bundle encodes them."""
    from research_data import flickr8k, frame_features, msrvtt_dev, text_vectors

    dev, photos = msrvtt_dev(), flickr8k()
    frames = [
        frame[None] for each in (dev, photos) for item in frame_features(each, bundle) for frame in item
    ]
    captions = np.concatenate([text_vectors(own, bundle)[::5] for own in dev.captions.values()])
    return bundle.encode_video(frames), captions


def mixtures_of(pictures: Vectors, rows: int, seed: int) -> NDArray[np.float16]:
    """So many mixtures of two pictures each, (rows, dim)."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(pictures), (2, rows))
    mixed = np.empty((rows, pictures.shape[1]), np.float16)
    for start in range(0, rows, CLIPS_PER_COMMIT):
        part = slice(start, start + CLIPS_PER_COMMIT)
        mixed[part] = unit_rows(pictures[one[part]] + np.float32(0.3) * pictures[other[part]])
    return mixed


def ten_million(report: Report) -> None:
    """Ten million vectors in one byte a number."""
    dim, rows = 384, 20_000 if report.arguments.quick else MILLION
    rng = np.random.default_rng(report.arguments.seed)
    with tempfile.TemporaryDirectory(prefix="polyreel-exact-") as scratch:
        folder = Path(scratch)
        base = random_halves(rows, dim, rng)
        np.save(folder / "base.npy", base)
        signs = np.where(rng.random((10, dim)) < 0.5, -1, 1).astype(np.int8)
        np.save(folder / "signs.npy", signs)
        write_turned(folder, base, signs)
        del base
        facts = alone(folder, report.arguments.seed)
    shown = ("CPU s a query", "wall s a query", "MB", f"recall@{RECALL_AT}")
    report.table(f"{10 * rows:,} vectors of {dim} numbers", list(shown), [[facts[name] for name in shown]])
    report.target("CPU s a query", facts["CPU s a query"], "<=", 0.5)
    report.target("GB that searching adds", facts["MB"] / 1e3, "<=", 6)
    report.target(f"recall@{RECALL_AT}", facts[f"recall@{RECALL_AT}"], ">=", 0.995)


def write_turned(folder: Path, base: NDArray[np.float16], signs: NDArray[np.int8]) -> None:
    """Keep the codes of a matrix whose signs are turned, one such matrix after the other."""
    whole: dict[str, NDArray[Any]] = {}
    for number, sign in enumerate(signs):
        codes = quantise(base * sign.astype(np.float16), np.zeros(base.shape[1], np.float32))
        for name, array in codes.arrays().items():
            if name == "centre":
                np.save(folder / f"{name}.codes.npy", array)
                continue
            if name not in whole:
                shape = (len(array) * len(signs), *array.shape[1:])
                path = folder / f"{name}.codes.npy"
                whole[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
            whole[name][number * len(array) : (number + 1) * len(array)] = array
    for written in whole.values():
        written.flush()


class Repeated:
    """A matrix that is read as several, each with other signs."""

    base = None

    def __init__(self, matrix: NDArray[np.float16], signs: NDArray[np.int8]) -> None:
        self._matrix, self._signs = matrix, signs
        self.shape = (len(matrix) * len(signs), matrix.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.float16]:
        rows = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        return self._matrix[rows % len(self._matrix)] * self._signs[rows // len(self._matrix)].astype(
            np.float16
        )

    def best(self, queries: Vectors) -> list[list[int]]:
        """The first rows for each query by float32 products, each part of the matrix converted once."""
        many = (self._signs[:, None] * queries).reshape(
            -1, self.shape[1]
        )  # the signs may as well be the query's
        found: list[list[tuple[float, int]]] = [[] for _ in queries]
        for at in range(0, len(self._matrix), CLIPS_PER_COMMIT):
            scores = self._matrix[at : at + CLIPS_PER_COMMIT].astype(np.float32) @ many.T
            for place, column in enumerate(scores.T):
                sign, query = divmod(place, len(queries))
                first = best_rows(np.ascontiguousarray(column), RECALL_AT)[0].tolist()
                found[query] += [(-float(column[row]), sign * len(self._matrix) + at + row) for row in first]
        return [[row for _, row in sorted(own)[:RECALL_AT]] for own in found]


def alone(folder: Path, seed: int) -> dict[str, float]:
    """What a new process needs to search the vectors in a folder."""
    found: dict[str, float] = json.loads(
        run([sys.executable, __file__, "--searched", folder, "--seed", str(seed)])
    )
    return found


def searched_alone(folder: Path, seed: int) -> dict[str, float]:
    """Search the vectors in a folder: memory that this adds to the process, time and recall."""
    began_mb = resident_mb()
    signs = folder / "signs.npy"
    if signs.exists():
        matrix: Any = Repeated(np.load(folder / "base.npy", mmap_mode="r"), np.load(signs))
        names = [field.name for field in dataclasses.fields(Codes)]
        parts = {name: np.load(folder / f"{name}.codes.npy", mmap_mode="r") for name in names}
        codes = Codes(**parts)
        codes.checksum()  # as it is read when a library is opened
        vectors: SearchedVectors = QuantisedVectors(matrix, codes)
    else:
        vectors = read_vectors(folder, "clips")
    queries = unit_rows(np.random.default_rng(seed + 2).standard_normal((5, vectors.shape[1]), np.float32))

    def search() -> list[NDArray[np.int64]]:
        return [vectors.cosines(query[None])[0].best(DEPTH)[0] for query in queries]

    found = search()
    costs = [cost_of(search) for _ in range(3)]
    facts = {
        "MB": resident_mb() - began_mb,
        "CPU s a query": median_cpu_s(costs) / len(queries),
        "wall s a query": median_wall_s(costs) / len(queries),
    }
    if signs.exists():
        right = matrix.best(queries)
        shares = [
            len(set(true) & set(rows[:RECALL_AT].tolist())) / RECALL_AT
            for true, rows in zip(right, found, strict=True)
        ]
        facts[f"recall@{RECALL_AT}"] = float(np.mean(shares))
    return facts


def resident_mb() -> float:
    """Memory of this process now, files that are mapped into it included."""
    (line,) = (
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1e3


def bare(matrix: Vectors, query: Vectors) -> NDArray[np.int64]:
    """The least that gives the best rows in order."""
    scores = matrix @ query
    rows = np.argpartition(scores, len(scores) - DEPTH)[-DEPTH:]
    return rows[np.argsort(-scores[rows])]


def true_cosines(matrix: NDArray[np.floating[Any]], queries: Vectors) -> NDArray[np.float64]:
    """Cosines of each query with all rows, (queries, rows), by float64 products of a part at a time."""
    wide = queries.astype(np.float64)
    parts = range(0, len(matrix), CLIPS_PER_COMMIT)
    return np.concatenate(
        [wide @ matrix[at : at + CLIPS_PER_COMMIT].astype(np.float64).T for at in parts], axis=1
    )


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
