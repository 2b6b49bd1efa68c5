"""Index runs on a Ray cluster: the library is that of a run on this machine, whatever ends meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from clusters import Nodes, assert_equal, needs_ray, readers, three_nodes
from films import film, index_films, subtitles
from polyreel.encoders.on_node import NodeBundle
from polyreel.errors import PolyreelError
from polyreel.library.index.events import Settled
from polyreel.library.index.on_ray import RayReading
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import FILES
from polyreel.scale.cluster import LOCAL, Cluster
from tiny_bundle import PALETTE

pytestmark = [pytest.mark.slow, *needs_ray]
FILES_IN_ALL = 200
BROKEN = {"text.mp4", "cut.mp4", "empty.mp4"}


@pytest.fixture(scope="module")
def nodes():
    with three_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """200 files: films, some with lines, two of the same content, and some that are not videos."""
    folder = tmp_path_factory.mktemp("many") / "videos"
    colours = list(PALETTE)
    for number in range(FILES_IN_ALL - len(BROKEN) - 1):
        some = [colours[(number // 6**place) % 6] for place in range(4)]
        path = film(folder / f"{number % 7}" / f"{number:03}.mp4", *some, "red", "blue", each_s=1.5)
        if number % 5 == 0:
            subtitles(path.with_suffix(".en.srt"), (0, 2, f"line {number}"), (2, 4, "and another"))
    shutil.copy(folder / "0" / "007.mp4", folder / "copy.mp4")
    (folder / "text.mp4").write_text("not a video " * 100)
    (folder / "empty.mp4").write_bytes(b"")
    whole = (folder / "0" / "014.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 8])
    return folder


@pytest.fixture(scope="module")
def alone(folder, tiny_bundle) -> Path:
    """The library of a run on this machine alone."""
    library = folder.parent / "alone"
    index_films(folder, library, tiny_bundle)
    return library


def reading(address: str, bundle, **options) -> RayReading:
    return RayReading(Cluster(address), NodeBundle(str(bundle.folder), bundle.card.identity, **options))


def after(count: int, act):
    """Calls ``act`` once so many files are settled."""
    left = count

    def follow(event) -> None:
        nonlocal left
        left -= isinstance(event, Settled)
        if left == 0:
            left = -1
            act()

    return follow


def test_it_is_the_library_of_a_run_on_this_machine(nodes: Nodes, folder, alone, tiny_bundle, tmp_path):
    read = reading(nodes.address, tiny_bundle)
    report = index_films(folder, tmp_path / "library", tiny_bundle, read=read)
    assert (report.found, report.indexed, report.linked) == (FILES_IN_ALL, 196, 1)
    assert {Path(str(problem.item)).name for problem in report.failed} == BROKEN
    assert_equal(tmp_path / "library", alone)
    assert not index_films(folder, tmp_path / "library", tiny_bundle, read=read).changed


def test_a_reader_that_is_killed_costs_nothing(nodes: Nodes, folder, alone, tiny_bundle, tmp_path):
    def kill() -> None:
        readers()[0].kill()

    read, library = reading(nodes.address, tiny_bundle), tmp_path / "library"
    report = index_films(folder, library, tiny_bundle, read=read, on_event=after(20, kill))
    assert report.indexed == 196
    assert_equal(library, alone)


def test_a_node_that_is_killed_costs_nothing(nodes: Nodes, folder, alone, tiny_bundle, tmp_path):
    read, library = reading(nodes.address, tiny_bundle), tmp_path / "library"
    report = index_films(folder, library, tiny_bundle, read=read, on_event=after(20, nodes.kill_node))
    nodes.add_node()
    assert report.indexed == 196
    assert_equal(library, alone)


# Two hundred small files are read within the five seconds between two commits: nothing would be left to do.
COMMITS_AT_ONCE = """
import sys
from polyreel.library.index import indexing
from polyreel.__main__ import main
indexing.index.__kwdefaults__["commit_every_s"] = 0.1
sys.exit(main())
"""


def start(nodes: Nodes, folder: Path, library: Path, bundle) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMITS_AT_ONCE, "index", str(folder), "--library", str(library)]
    options = ["--bundle", str(bundle.folder), "--ray", nodes.address, "--no-speech", "--no-screen-text"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_commits(library: Path, files: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if (library / "library.json").exists() and open_snapshot(library).count(FILES) >= files:
            return
        time.sleep(0.2)
    raise AssertionError("nothing is committed")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_ended_goes_on_where_it_was(nodes: Nodes, folder, alone, tiny_bundle, tmp_path, end):
    library = tmp_path / "library"
    with start(nodes, folder, library, tiny_bundle) as run:
        wait_for_commits(library, 10)
        run.send_signal(end)
        said, _ = run.communicate(timeout=60)
    assert "Traceback" not in said
    assert run.returncode == (-end if end == signal.SIGKILL else 1), said
    assert open_snapshot(library).count(FILES) < FILES_IN_ALL
    with start(nodes, folder, library, tiny_bundle) as run:
        said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert_equal(library, alone)


@pytest.fixture
def two(tmp_path) -> Path:
    """A folder of two films."""
    for name in ("red", "green"):
        film(tmp_path / "two" / f"{name}.mp4", name)
    return tmp_path / "two"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"version": "0.0.1"}, "has another version of polyreel"),
        ({"identity": "0" * 64}, "has another bundle of that name"),
    ],
)
def test_a_node_that_is_not_alike_is_named(nodes: Nodes, two, tiny_bundle, tmp_path, wrong, said):
    read = reading(nodes.address, tiny_bundle)
    read = replace(read, bundle=replace(read.bundle, **wrong))
    with pytest.raises(PolyreelError, match=f"node .* {said}"):
        index_films(two, tmp_path / "library", tiny_bundle, read=read)


def test_readers_share_the_gpus_that_there_are(nodes: Nodes, two, tiny_bundle, tmp_path):
    nodes.add_node(num_gpus=1)
    read = reading(nodes.address, tiny_bundle, device="cuda")  # which no node has: the CPU does the work
    report = index_films(two, tmp_path / "library", tiny_bundle, read=read)
    nodes.kill_node()
    assert report.indexed == 2
    index_films(two, tmp_path / "alone", tiny_bundle)
    assert_equal(tmp_path / "library", tmp_path / "alone")


def test_nobody_else_reaches_a_cluster_of_this_machine(two, tiny_bundle, tmp_path):
    """All of its servers listen on the loopback interface, and its sockets lie where only this user gets."""
    listening, folders = set(), set()
    before = set(Path("/tmp").glob("polyreel-ray-*"))

    def look(event) -> None:
        if isinstance(event, Settled) and not listening:
            family = psutil.Process().children(recursive=True)
            ports = [each for process in family for each in process.net_connections("tcp")]
            listening.update(each.laddr.ip for each in ports if each.status == psutil.CONN_LISTEN)
            folders.update(set(Path("/tmp").glob("polyreel-ray-*")) - before)
            assert all(folder.stat().st_mode & 0o077 == 0 for folder in folders)

    read = reading(LOCAL, tiny_bundle)
    index_films(two, tmp_path / "library", tiny_bundle, read=read, on_event=look)
    assert listening
    assert all(ip_address(each.removeprefix("::ffff:")).is_loopback for each in listening), listening
    assert folders
    assert not any(folder.exists() for folder in folders)
