"""Many requests, many users, many connections that say nothing: a server in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest
from servers import wait_for

from films import film, index_films
from tiny_bundle import MEANINGS

WORDS = [word for meaning in MEANINGS for word in meaning]


@contextlib.contextmanager
def process_of(library: Path) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "polyreel", "serve", "--library", str(library), "--port", "0"]
    environment = {**os.environ, "POLYREEL_TOKEN": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            address = process.stdout.readline().strip()
            assert address, "it did not start"
            wait_for(lambda: b'"unmeasured"' not in urlopen(address + "api/v1/search?q=red").read())
            yield int(address.rstrip("/").rpartition(":")[2]), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


async def ask(port: int, paths: Sequence[str], users: int) -> dict[int, int]:
    """Ask for all paths, by so many side by side; status -> how often."""
    waiting, statuses = iter(paths), {}

    async def user() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in waiting:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            status = int(head.split()[1])
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(user() for _ in range(users)))
    return statuses


def mixture(port: int) -> list[str]:
    """Addresses of all kinds, good and bad."""
    hit = json.load(urlopen(f"http://localhost:{port}/api/v1/search?q=red"))["hits"][0]
    return [
        *(f"/api/v1/search?q={quote(word)}" for word in WORDS[:20]),
        *(f"/?q={quote(word)}" for word in WORDS[20:30]),
        hit["thumbnail"],
        hit["media"].partition("#")[0],
        f"/api/v1/search/like/{hit['clip_id']}",
        f"/videos/{hit['video_id']}?q=red",
        "/library",
        "/api/v1/videos",
        "/api/v1/videos/x",
        "/api/v1/search",
        "/nothing",
    ]


def test_fifty_users_get_answers_without_an_error(library_folder):
    with process_of(library_folder) as (port, _):
        statuses = asyncio.run(ask(port, list(islice(cycle(mixture(port)), 300)), 50))
    assert set(statuses) == {200, 404, 422}
    assert sum(statuses.values()) == 300


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_two_hundred_thousand_requests_leave_memory_as_it_was(library_folder):
    """The mean of the last fifth against that of the first after a warm-up, for memory goes up and down."""
    with process_of(library_folder) as (port, process):
        paths = mixture(port)
        asyncio.run(ask(port, list(islice(cycle(paths), 10_000)), 16))
        resident, statuses = [], Counter()
        for _ in range(40):
            statuses.update(asyncio.run(ask(port, list(islice(cycle(paths), 5_000)), 16)))
            resident.append(process.memory_info().rss)
            print(f"{statuses.total():,} requests: {resident[-1] / 1e6:.1f} MB", flush=True)
    first, last = fmean(resident[:8]), fmean(resident[-8:])
    print(f"{first / 1e6:.1f} MB at first, {last / 1e6:.1f} MB at last, answers {dict(statuses)}")
    assert set(statuses) == {200, 404, 422}
    assert statuses.total() == 200_000
    assert last <= 1.03 * first


@pytest.mark.slow
def test_a_thousand_idle_connections_stop_nobody(library_folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3_000:
        pytest.skip(f"this process may open {hard} files at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3_000), hard))
    with process_of(library_folder) as (port, process), contextlib.ExitStack() as idle:
        for number in range(1_000):
            connection = idle.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:  # half of them have begun to say something
                connection.sendall(b"GET / HTTP/1.1\r\nHo")
        # The system connects before the server accepts.
        wait_for(lambda: process.num_fds() > 1_000, seconds=30)
        statuses = asyncio.run(ask(port, list(islice(cycle(mixture(port)), 400)), 20))
        assert set(statuses) == {200, 404, 422}
        wait_for(lambda: process.num_fds() < 200, seconds=60)


@pytest.mark.slow
def test_fifty_users_search_while_an_index_run_writes(tmp_path, tiny_bundle):
    for number in range(4):
        film(tmp_path / "videos" / f"{number}.mp4", "red", "blue", each_s=2 + number / 10)
    library = tmp_path / "library"
    index_films(tmp_path / "videos", library, tiny_bundle)
    for number in range(4, 40):
        film(tmp_path / "videos" / f"{number}.mp4", "green", "white", "black", each_s=2 + number / 10)

    async def both(port: int) -> dict[int, int]:
        run = asyncio.to_thread(index_films, tmp_path / "videos", library, tiny_bundle, commit_every_s=0)
        paths = [f"/api/v1/search?q={word}" for word in islice(cycle(["red", "green", "blue"]), 5_000)]
        _, statuses = await asyncio.gather(run, ask(port, paths, 50))
        return statuses

    with process_of(library) as (port, _):
        assert asyncio.run(both(port)) == {200: 5_000}
        count = f"http://localhost:{port}/api/v1/library"
        wait_for(lambda: b'"videos":40' in urlopen(count).read(), seconds=60)
