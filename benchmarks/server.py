"""``python benchmarks/server.py``: the server of ``polyreel serve`` at 100,000 clips, as its users find it.

A server in a process of its own serves a library of random clips with the default bundle; queries in nine
languages, none twice, come from this process by HTTP over the machine's loopback. Held against it are, in
this process and in turn with it: encoding texts, one and sixteen at once, and the least that ranks 100,000
clips in numpy. The cores are shared: with many users, what asks takes from what answers.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib.resources
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil

from common import Cost, Report, cost_of, median_cpu_s, median_wall_s, options, paired_ratio, polyreel
from exact_search import bare, fill
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.search import Library

USERS, BATCH = 50, 16
ROUNDS = 6
BLOCK = 50  # queries that are measured in turn with the floor
WARM_UP = 500
MEASURED_WITH = ("fastapi", "starlette", "uvicorn")


def main() -> int:
    """Fill a library, serve it, ask it."""
    parser = options(__doc__)
    parser.add_argument(
        "--skip-memory", action="store_true", help="leave out the 20,000 requests of that check"
    )
    arguments = parser.parse_args()
    report = Report("server", arguments, MEASURED_WITH)
    clips, alone, crowd, soak = (
        (20_000, 100, 400, 1_500) if arguments.quick else (100_000, 500, 1_200, 20_000)
    )
    bundle = Bundle(locate_bundle())
    queries = some_queries(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="polyreel-server-") as scratch:
        folder = Path(scratch) / "library"
        fill(folder, bundle.card, clips, np.random.default_rng(arguments.seed))
        matrix = np.asarray(Library(folder, lambda _location: bundle).snapshot.index.clip_vectors)
        with serving(folder) as (address, process):
            first_page(report, address)
            one_user(report, address, bundle, matrix, queries, alone)
            many_users(report, address, process, bundle, queries, crowd)
            if not arguments.skip_memory:
                memory(report, address, process, queries, soak)
    return report.close()


def some_queries(seed: int) -> Iterator[str]:
    """Queries in nine languages, no two the same."""
    data = importlib.resources.files("polyreel.library.search") / "background.json"
    names = json.loads(data.read_text(encoding="utf-8"))["queries"]
    rng = np.random.default_rng(seed)
    for number in itertools.count():
        for words in names.values():
            one, other = rng.choice(len(words), 2, replace=False)
            yield f"{words[one]}, {words[other]} {number}"


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A server of that library, once it is ready and calibrated, and its process."""
    command = [str(part) for part in polyreel("serve", "--library", folder, "--port", "0")]
    log = (folder.parent / "log").open("w", encoding="utf-8")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rstrip("/")
        try:
            while json.loads(get(address + "/api/v1/search?q=x&top=1"))["false_alarm_rate"] is None:
                time.sleep(0.5)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            log.close()


def get(url: str) -> bytes:
    """A body, as it is after decompression."""
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def first_page(report: Report, address: str) -> None:
    """What the first page takes without its thumbnails."""
    page = get(address + "/").decode()
    parts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    bodies = [page.encode(), *(get(address + part) for part in parts)]
    kilobytes = sum(len(gzip.compress(body, 6)) for body in bodies) / 1000
    report.table(
        "First page, without thumbnails",
        ["", "requests", "kB compressed"],
        [["page", len(bodies), kilobytes]],
    )
    report.target("requests until the page can be used", len(bodies), "<=", 2)
    report.target("kB of it, compressed", kilobytes, "<=", 60)


def one_user(
    report: Report, address: str, bundle: Bundle, matrix: np.ndarray, queries: Iterator[str], count: int
) -> None:
    """Time of one search after another, in turn with what no search can do without."""
    floor_s: list[float] = []
    search_s: list[float] = []
    asyncio.run(ask(address, list(itertools.islice(queries, BLOCK)), 1))
    for _ in range(count // BLOCK):
        for query in itertools.islice(queries, BLOCK):
            began = time.perf_counter()
            bare(matrix, bundle.encode_text([query])[0])
            floor_s.append(time.perf_counter() - began)
        search_s += asyncio.run(ask(address, list(itertools.islice(queries, BLOCK)), 1))
    rows = [
        [name, *(1000 * float(np.percentile(values, share)) for share in (50, 95, 99))]
        for name, values in (("encode and rank in numpy", floor_s), ("search by HTTP", search_s))
    ]
    report.table(f"One user, {len(matrix):,} clips, ms", ["", "median", "p95", "p99"], rows)
    report.target("p95 of a search by the floor's", rows[1][2] / rows[0][2], "<=", 1.6)


def many_users(
    report: Report,
    address: str,
    process: psutil.Process,
    bundle: Bundle,
    queries: Iterator[str],
    count: int,
) -> None:
    """Searches of 50 users that never rest, in turn with as many texts encoded and nothing else."""
    own = psutil.Process()
    asyncio.run(ask(address, list(itertools.islice(queries, USERS)), USERS))
    names = {size: f"encoder alone, {size} at once" for size in (1, BATCH)}
    server = f"server, {USERS} users"
    costs: dict[str, list[Cost]] = {name: [] for name in (*names.values(), server)}
    asking: list[float] = []
    taken_s: list[float] = []
    for _ in range(ROUNDS):
        for size, name in names.items():
            texts = list(itertools.islice(queries, count // ROUNDS))
            costs[name].append(cost_of(lambda texts=texts, size=size: encode(bundle, texts, size)))
        texts = list(itertools.islice(queries, count // ROUNDS))
        before, own_before, began = cpu_of(process), cpu_of(own), time.perf_counter()
        taken_s += asyncio.run(ask(address, texts, USERS))
        costs[server].append(Cost(time.perf_counter() - began, cpu_of(process) - before))
        asking.append(cpu_of(own) - own_before)
    each = count // ROUNDS
    rows = [
        [name, each / median_wall_s(cost), 1000 * median_cpu_s(cost) / each, "", ""]
        for name, cost in costs.items()
    ]
    rows[-1][3:] = [1000 * float(np.percentile(taken_s, q)) for q in (50, 95)]
    rows.append(["asking, as users do", "", 1000 * float(np.median(asking)) / each, "", ""])
    report.table(
        f"Searches a second, median of {ROUNDS} rounds of {each}",
        ["", "a second", "CPU ms each", "median ms", "p95 ms"],
        rows,
    )
    report.table(
        "The server's by the encoder's alone, median of the rounds",
        ["", "searches a second", "CPU of the encoder by that of the server"],
        [
            [name, *(f"{paired_ratio(costs[name], costs[server], wall=wall):.2f}" for wall in (True, False))]
            for name in names.values()
        ],
    )
    for name in names.values():
        ratio = paired_ratio(costs[name], costs[server], wall=True)
        report.target(f"searches a second by texts a second of the {name}", ratio, ">=", 0.85)


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


def encode(bundle: Bundle, texts: Sequence[str], size: int) -> None:
    """Encode texts, ``size`` at once."""
    for at in range(0, len(texts), size):
        bundle.encode_text(texts[at : at + size])


def memory(report: Report, address: str, process: psutil.Process, queries: Iterator[str], count: int) -> None:
    """Growth of the server over many requests of several kinds, after it has warmed up."""
    asyncio.run(ask(address, list(itertools.islice(queries, WARM_UP)), 8))
    before = process.memory_info().rss
    kinds = itertools.cycle([ask, pages])
    for _, kind in zip(range(count // WARM_UP), kinds, strict=False):
        asyncio.run(kind(address, list(itertools.islice(queries, WARM_UP)), 8))
    after = process.memory_info().rss
    rows = [["after warming up", before / 1e6], [f"after {count:,} more requests", after / 1e6]]
    report.table("Memory of the server, MB", ["", "resident"], rows)
    report.target(f"growth over {count:,} requests, %", 100 * (after / before - 1), "<=", 5)


async def pages(address: str, queries: Sequence[str], users: int) -> list[float]:
    """As ``ask``, for pages."""
    return await ask(address, queries, users, path="/")


async def ask(
    address: str, queries: Sequence[str], users: int, *, path: str = "/api/v1/search"
) -> list[float]:
    """Seconds that each query took, asked by so many users side by side, each over one connection.

    Raises:
        SystemExit: an answer is no success.
    """
    host, _, port = address.removeprefix("http://").partition(":")
    waiting = iter(queries)
    taken_s: list[float] = []

    async def user() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for query in waiting:
            began = time.perf_counter()
            writer.write(f"GET {path}?q={quote(query)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{query!r} was answered with {head.splitlines()[0].decode()}")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            await reader.readexactly(int(length[1]))
            taken_s.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(user() for _ in range(users)))
    return taken_s


if __name__ == "__main__":
    sys.exit(main())
