"""Index runs on a Ray cluster: the library is that of a run on this machine, whatever ends meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from clusters import Nodes, readers, three_nodes
from films import film, holdings, index_films, orphans, subtitles
from polyreel.library.index.events import Settled
from polyreel.library.index.on_ray import RayReading
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS, FILES, SUBTITLES
from tiny_bundle import PALETTE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: the extra polyreel[scale]"),
    # Ray's own, of files and processes that it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
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
    return RayReading(address, str(bundle.folder), bundle.card.identity, **options)


def rows(library: Path) -> dict[str, pa.Table]:
    """Everything in a library but when it came there, each row where its key puts it."""
    snapshot = open_snapshot(library)
    keys = {FILES: "path", CLIPS: "clip_id", SUBTITLES: "subtitle_id", snapshot.embeddings: "id"}
    read = {name: snapshot.read(name).sort_by(key) for name, key in keys.items()}
    read[FILES] = read[FILES].drop_columns("indexed_at")
    return read


def assert_equal(library: Path, expected: Path) -> None:
    """Row by row, types included, each file and clip once; and the pictures of the clips, too."""
    holdings(library)
    assert not orphans(library)
    ours, theirs = rows(library), rows(expected)
    assert ours.keys() == theirs.keys()
    for name, table in theirs.items():
        assert ours[name].schema == table.schema
        assert ours[name].to_pylist() == table.to_pylist(), name
    for name in theirs[CLIPS]["thumbnail"].to_pylist():
        assert (library / name).read_bytes() == (expected / name).read_bytes()


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


def start(nodes: Nodes, folder: Path, library: Path, bundle) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "polyreel", "index", str(folder), "--library", str(library)]
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
