"""``python benchmarks/evaluation.py``: what full metrics cost, against a bare matrix product and against
peers.

50,000 queries against 50,000 items of 512 numbers (``--quick``: 10,000): ranks, all metrics and their
intervals, beside the product of the same vectors in pieces of the same height, in turn. Peak memory is that
of a process that does nothing else. Then the metrics of one score matrix, beside torchmetrics and ranx where
they are installed (``pip install torchmetrics ranx``); they are warmed up first.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from common import Report, alternate, median_cpu_s, median_wall_s, options, paired_ratio, run, unit_rows
from polyreel.memory import peak_memory_bytes
from polyreel.metrics.ranks import Ranks, Relevance, rank_embeddings, rank_scores
from polyreel.metrics.retrieval import METRICS
from polyreel.metrics.scores import score_ranks

SIZE, QUICK_SIZE, DIM = 50_000, 10_000, 512
BLOCK_BYTES = 64 << 20
PEER_SIZE, QUICK_PEER_SIZE = 2000, 500
Embeddings = tuple[NDArray[np.float32], NDArray[np.float32]]


def main() -> int:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--repetitions", type=int, default=3, help="of each measurement")
    parser.add_argument("--peak", type=int, metavar="SIZE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        full_metrics(embeddings(arguments.peak, arguments.seed))
        print(peak_memory_bytes())
        return 0
    report = Report("evaluation", arguments, ("torch", "torchmetrics", "ranx"))
    against_product(report, QUICK_SIZE if arguments.quick else SIZE)
    against_peers(report, QUICK_PEER_SIZE if arguments.quick else PEER_SIZE)
    return report.close()


def embeddings(size: int, seed: int) -> Embeddings:
    """Queries and items of unit length; query i is item i and much noise."""
    rng = np.random.default_rng(seed)
    items = unit_rows(rng.standard_normal((size, DIM), np.float32))
    return unit_rows(items + 0.25 * rng.standard_normal((size, DIM), np.float32)), items


def own(size: int) -> Relevance:
    """Query i wants item i."""
    return Relevance.of([[i] for i in range(size)], size)


def product(vectors: Embeddings) -> None:
    """The scores and nothing else, in pieces."""
    queries, items = vectors
    height = BLOCK_BYTES // (4 * len(items))
    for start in range(0, len(queries), height):
        queries[start : start + height] @ items.T


def ranked(vectors: Embeddings) -> Ranks:
    """Ranks of all queries."""
    return rank_embeddings(*vectors, own(len(vectors[1])), memory_bytes=BLOCK_BYTES)


def summarised(ranks: Ranks) -> None:
    """Every metric with its interval, and the median's."""
    score_ranks(ranks)


def full_metrics(vectors: Embeddings) -> None:
    """From embeddings to figures and intervals."""
    summarised(ranked(vectors))


def against_product(report: Report, size: int) -> None:
    """Time and memory of everything beside the bare product."""
    vectors = embeddings(size, report.arguments.seed)
    ranks = ranked(vectors)
    parts: Mapping[str, Callable[[], object]] = {
        "bare product": lambda: product(vectors),
        "full metrics": lambda: full_metrics(vectors),
        "of that: metrics and intervals": lambda: summarised(ranks),
    }
    costs = alternate(parts, report.arguments.repetitions)
    floor = costs["bare product"]
    rows = [
        [
            name,
            median_wall_s(own_costs),
            median_cpu_s(own_costs),
            paired_ratio(own_costs, floor, wall=True),
            paired_ratio(own_costs, floor),
        ]
        for name, own_costs in costs.items()
    ]
    columns = ["", "wall s", "CPU s", "wall / product", "CPU / product"]
    title = f"{size:,} queries x {size:,} items, {DIM}-d, blocks of {BLOCK_BYTES >> 20} MiB"
    report.table(title, columns, rows)
    peak_gb = int(run([sys.executable, __file__, "--peak", str(size)])) / 1e9
    held_gb = sum(each.nbytes for each in vectors) / 1e9
    report.note(f"Peak memory {peak_gb:.2f} GB, of which the embeddings are {held_gb:.2f} GB.")
    report.target("CPU time by that of the product", rows[1][4], "<=", 1.1)
    report.target("wall time by that of the product", rows[1][3], "<=", 1.5)
    report.target("peak memory in GB", peak_gb, "<=", 1.5)


def against_peers(report: Report, size: int) -> None:
    """Recall, MRR, nDCG and mAP of one score matrix, beside other libraries."""
    queries, items = embeddings(size, report.arguments.seed)
    scores, truth = queries @ items.T, own(size)

    def ours() -> dict[str, float]:
        ranks = rank_scores(scores, truth)
        return {name: float(metric(ranks).mean()) for name, metric in METRICS.items()}

    parts: dict[str, Callable[[], object]] = {"polyreel": ours}
    for name, prepare in (("torchmetrics", with_torchmetrics), ("ranx", with_ranx)):
        if importlib.util.find_spec(name) is None:
            report.note(f"{name} is not installed: left out.")
            continue
        parts |= prepare(scores)
    figures = {name: part() for name, part in parts.items()}
    costs = alternate(parts, report.arguments.repetitions)
    rows = []
    for name, own_costs in costs.items():
        found = figures[name]
        assert isinstance(found, dict)
        slower = [paired_ratio(own_costs, costs["polyreel"], wall=wall) for wall in (True, False)]
        shown = [found[key] for key in ("r@1", "mrr", "ndcg@10", "map")]
        rows.append([name, median_wall_s(own_costs), median_cpu_s(own_costs), *slower, *shown])
        if name != "polyreel":
            report.target(f"wall time of {name} by ours", slower[0], ">=", 5)
            report.target(f"CPU time of {name} by ours", slower[1], ">=", 5)
    columns = ["", "wall s", "CPU s", "wall / ours", "CPU / ours", "R@1", "MRR", "nDCG@10", "mAP"]
    report.table(f"Metrics of one {size:,} x {size:,} score matrix, no ties", columns, rows)


def with_torchmetrics(scores: NDArray[np.float32]) -> dict[str, Callable[[], dict[str, float]]]:
    """torchmetrics takes every cell with its query's number."""
    import torch
    from torchmetrics import retrieval

    size = len(scores)
    kinds = {
        "r@1": lambda: retrieval.RetrievalHitRate(top_k=1),
        "r@5": lambda: retrieval.RetrievalHitRate(top_k=5),
        "r@10": lambda: retrieval.RetrievalHitRate(top_k=10),
        "mrr": retrieval.RetrievalMRR,
        "ndcg@10": lambda: retrieval.RetrievalNormalizedDCG(top_k=10),
        "map": retrieval.RetrievalMAP,
    }
    predicted = torch.from_numpy(scores).reshape(-1)
    wanted = torch.eye(size, dtype=torch.bool).reshape(-1)
    query = torch.arange(size).repeat_interleave(size)

    def measure() -> dict[str, float]:
        found = {name: float(kind()(predicted, wanted, indexes=query)) for name, kind in kinds.items()}
        return {name: (100 if name.startswith("r@") else 1) * value for name, value in found.items()}

    return {"torchmetrics": measure}


def with_ranx(scores: NDArray[np.float32]) -> dict[str, Callable[[], dict[str, float]]]:
    """ranx takes a dict of dicts; once with making it, once with it already made."""
    from ranx import Qrels, Run, evaluate

    names = {"hit_rate@1": "r@1", "hit_rate@5": "r@5", "hit_rate@10": "r@10", "mrr": "mrr"}
    names |= {"ndcg@10": "ndcg@10", "map": "map"}
    items = [f"d{i}" for i in range(scores.shape[1])]
    wanted = Qrels({f"q{i}": {f"d{i}": 1} for i in range(len(scores))})

    def made() -> Run:
        rows = (row.tolist() for row in scores)
        return Run({f"q{i}": dict(zip(items, row, strict=True)) for i, row in enumerate(rows)})

    def measure(found: Run) -> dict[str, float]:
        values = evaluate(wanted, found, list(names))
        return {
            ours: (100 if ours.startswith("r@") else 1) * float(values[theirs])
            for theirs, ours in names.items()
        }

    ready = made()
    return {
        "ranx, from the matrix": lambda: measure(made()),
        "ranx, from its own form": lambda: measure(ready),
    }


if __name__ == "__main__":
    sys.exit(main())
