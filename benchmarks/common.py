"""Shared by all benchmarks: what ran where, costs measured side by side, and how results are shown.

Every benchmark compares its parts within one run, in alternating order, so that whatever else the machine is
doing falls on all of them; what it reports is a ratio.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from polyreel.memory import peak_memory_bytes
from polyreel.metrics.ranks import Relevance, rank_scores
from polyreel.metrics.retrieval import hits_at
from polyreel.packages.members import cache_dir

SKIPPED = 3
PACKAGES = ("polyreel", "av", "lancedb", "numpy", "onnx", "onnxruntime", "pyarrow", "tokenizers")
_RESAMPLES = 10_000


def options(doc: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark understands; ``doc`` is the script's docstring."""
    # Lance logs ordinary events as warnings; it reads this when it is first imported, which is later.
    os.environ.setdefault("LANCEDB_LOG", "error")
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it runs, not more")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn at random")
    return parser


@dataclass(frozen=True, slots=True)
class Target:
    """A number that the project promises."""

    what: str
    value: float
    relation: str
    limit: float

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.limit if self.relation == "<=" else self.value >= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        return f"{verdict}: {self.what} {self.value:.4g} (promised {self.relation} {self.limit:g})"


@dataclass(slots=True)
class Report:
    """Collects tables, notes and targets, and prints them as Markdown or as one JSON document.

    Args:
        name: of the benchmark.
        arguments: as parsed by ``options``.
        packages: whose versions matter beside ``PACKAGES``.
    """

    name: str
    arguments: argparse.Namespace
    packages: tuple[str, ...] = ()
    targets: list[Target] = field(default_factory=list)
    _parts: list[dict[str, Any]] = field(default_factory=list)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; floats are shown with two or three digits that matter."""
        self._parts.append({"title": title, "columns": list(columns), "rows": [list(row) for row in rows]})

    def note(self, text: str) -> None:
        """Add a sentence."""
        self._parts.append({"note": text})

    def target(self, what: str, value: float, relation: str, limit: float) -> None:
        """Hold ``value`` against what was promised: ``relation`` is "<=" or ">="."""
        self.targets.append(Target(what, float(value), relation, limit))

    def close(self) -> int:
        """Print everything; the exit status is 1 if a promise was broken at full size."""
        machine = machine_facts(self.packages)
        if self.arguments.json:
            document = {
                "benchmark": self.name,
                "command": _command(),
                "machine": machine,
                "seed": self.arguments.seed,
                "quick": self.arguments.quick,
                "results": self._parts,
                "targets": [
                    {
                        "what": t.what,
                        "value": t.value,
                        "relation": t.relation,
                        "limit": t.limit,
                        "met": t.met,
                    }
                    for t in self.targets
                ],
            }
            print(json.dumps(document, ensure_ascii=False, indent=1))
        else:
            versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
            print(f"\n## {self.name}\n\n    {_command()}\n")
            print(f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, load {machine['load']},")
            print(f"Python {machine['python']}, {versions}, seed {self.arguments.seed}.")
            for part in self._parts:
                print("\n" + (part["note"] if "note" in part else _markdown(part)))
            print("\n" + "".join(f"- {target}\n" for target in self.targets))
        return int(not self.arguments.quick and not all(target.met for target in self.targets))


def machine_facts(packages: Sequence[str] = ()) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in (*PACKAGES, *packages)},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _command() -> str:
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def _markdown(part: Mapping[str, Any]) -> str:
    cells = [[shown(cell) for cell in row] for row in part["rows"]]
    lines = [part["columns"], ["---", *["--:"] * (len(part["columns"]) - 1)], *cells]
    return f"{part['title']}\n\n" + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shown(cell: object) -> str:
    """A table's cell as text."""
    if isinstance(cell, bool) or not isinstance(cell, float | np.floating):
        return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
    size = abs(cell)
    return f"{cell:,.0f}" if size >= 1000 else f"{cell:.1f}" if size >= 10 else f"{cell:.2f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: wall time, and CPU time of this process and its children, in seconds."""

    wall_s: float
    cpu_s: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Do ``work`` once and say what it took."""
    cpu_s, wall_s = _cpu_s(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - wall_s, _cpu_s() - cpu_s)


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@dataclass(slots=True)
class PeakMemory:
    """What a process and its descendants held at most, in MB: that of each process, summed."""

    own_mb: float = 0.0
    descendants_mb: float = 0.0


@contextlib.contextmanager
def watching_memory(every_s: float = 0.05) -> Iterator[PeakMemory]:
    """Note the peak of this process, from its start on, and of the descendants that live at once.

    As the kernel has it for each, so that nothing between two looks is missed.
    """
    peak, over = PeakMemory(), threading.Event()

    def look() -> None:
        peak.own_mb = peak_mb()
        living = sum(peak_mb(each.pid) for each in family(psutil.Process())[1:])
        peak.descendants_mb = max(peak.descendants_mb, living)

    def watch() -> None:
        while not over.wait(every_s):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        look()


def peak_mb(process: int | None = None) -> float:
    """Most memory that a process has held, MB; None is this one. 0 if it has ended."""
    return peak_memory_bytes(process) / 2**20


def family(root: psutil.Process) -> list[psutil.Process]:
    """A process and its descendants, as far as they still live."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def alternate(parts: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, list[Cost]]:
    """Cost of each part, measured ``repetitions`` times in turn, each round beginning with another part."""
    costs: dict[str, list[Cost]] = {name: [] for name in parts}
    names = list(parts)
    for turn in range(repetitions):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            costs[name].append(cost_of(parts[name]))
    return costs


def median_cpu_s(costs: Sequence[Cost]) -> float:
    """Median CPU time in seconds."""
    return statistics.median(cost.cpu_s for cost in costs)


def median_wall_s(costs: Sequence[Cost]) -> float:
    """Median wall time in seconds."""
    return statistics.median(cost.wall_s for cost in costs)


def paired_ratio(costs: Sequence[Cost], peer: Sequence[Cost], *, wall: bool = False) -> float:
    """Median over the rounds of this part's time by the peer's time of the same round."""
    what = "wall_s" if wall else "cpu_s"
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(costs, peer, strict=True))


def run(command: Sequence[str | Path], **environment: str) -> str:
    """Run a command to its end and return its stdout; a failure ends the benchmark with its stderr."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


def polyreel(*arguments: str | Path) -> list[str | Path]:
    """The command line program, started as an installed one is."""
    return [Path(sys.executable).parent / "polyreel", *arguments]


def work_dir() -> Path:
    """Where benchmarks keep what is slow to make again."""
    folder = cache_dir() / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def interval(values: NDArray[np.floating], seed: int, *, resamples: int = _RESAMPLES) -> tuple[float, float]:
    """95% bootstrap interval of the mean of ``values`` (items,): percentiles over resampled items."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(values), size=(resamples, len(values)), dtype=np.int32)
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def cell(values: NDArray[np.floating], seed: int, *, digits: int = 1) -> str:
    """Mean of ``values`` (items,) with ``digits`` behind the point, and its 95% interval, for a table."""
    low, high = interval(values, seed)
    return f"{values.mean():.{digits}f} [{low:.0f}, {high:.0f}]"


def recall(
    scores: NDArray[np.floating], truth: NDArray[np.integer], cutoffs: Sequence[int]
) -> dict[int, NDArray[np.float64]]:
    """Cut-off -> recall of each query in percent, (queries,); ``truth`` is each query's one right column."""
    relevance = Relevance.of([[int(column)] for column in truth], scores.shape[1])
    ranks = rank_scores(scores, relevance)
    return {k: 100 * hits_at(ranks, k) for k in cutoffs}


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows scaled to length 1."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
