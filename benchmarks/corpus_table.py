"""``python benchmarks/corpus_table.py``: 1.2 M clips on disk, opened and looked up, and features read.

The corpus has a caption in each of nine languages for every clip. Opening is measured in a fresh process;
memory is the most that the process ever held, imports included. Shuffled reading copies the features of every
clip of an epoch into one buffer, as a trainer would; its floor is reading the same files from beginning to
end. Before each turn the files are dropped from the page cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common import Report, alternate, cost_of, median_wall_s, options, paired_ratio, work_dir
from polyreel.clips import Caption, Clip
from polyreel.datasets.records import Record
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.languages import STUDY_LANGUAGES

CLIPS_PER_VIDEO = 8
# 10 frames of the default bundle's image tower: 25.6 kB a clip.
ROWS, DIM = 10, 1_280
READ_BYTES = 8 << 20
OPENING = """
import sys, time
began = time.perf_counter()
from pathlib import Path
import pyarrow.compute
from polyreel.datasets.store.table import open_table
imported = time.perf_counter()
table = open_table(Path(sys.argv[1]))
opened = time.perf_counter()
found = table.record(table.index_of(sys.argv[2]))
train = table.rows("train")
first = next(table.shuffled("train", seed=0, epoch=0))
ended = time.perf_counter()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(imported - began, opened - imported, ended - opened, int(peak) / 1000, len(table))
"""


def main() -> int:
    """Build, open, look up, read."""
    arguments = options(__doc__).parse_args()
    report = Report("corpus table", arguments)
    with tempfile.TemporaryDirectory(dir=work_dir(), prefix="corpus-table-") as scratch:
        opening(report, Path(scratch) / "many", 50_000 if arguments.quick else 1_200_000)
        reading(report, Path(scratch) / "features", 10_000 if arguments.quick else 80_000)
    return report.close()


def opening(report: Report, folder: Path, clips: int) -> None:
    """Write a large corpus and open it in processes of their own."""
    cost = cost_of(lambda: write_table(folder, records(clips), name="synthetic"))
    wanted = f"video{clips // CLIPS_PER_VIDEO // 2:07d}@0000030000"
    command = [sys.executable, "-c", OPENING, str(folder), wanted]
    runs = []
    for _ in range(3 if report.arguments.quick else 7):
        drop(folder)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append([float(part) for part in done.stdout.split()])
    imported_s, opened_s, looked_up_s, peak_mb, found = np.median(runs, axis=0)
    assert found == clips
    table = open_table(folder)
    rng = np.random.default_rng(report.arguments.seed)
    drawn = [int(index) for index in rng.integers(0, clips, 10_000)]
    ids = [table.clip(index).clip_id for index in drawn]
    rows = [
        ["write, CPU s", cost.cpu_s],
        ["size on disk, MB", sum(file.bytes for file in table.manifest.files.values()) / 1e6],
        ["import polyreel.datasets and pyarrow, s", imported_s],
        ["open, s", opened_s],
        ["first clip by id, rows of a split, first of an epoch, s", looked_up_s],
        ["most memory of that process, MB", peak_mb],
        ["index of a clip id, µs", per_item_us(lambda: [table.index_of(id_) for id_ in ids], len(ids))],
        ["record of an index, µs", per_item_us(lambda: [table.record(index) for index in drawn], len(drawn))],
        [
            "next of a shuffled epoch, µs",
            per_item_us(lambda: list(table.shuffled("train", seed=0, epoch=0)), clips),
        ],
    ]
    captions = clips * len(STUDY_LANGUAGES)
    report.table(f"{clips:,} clips, {captions:,} captions, from a disk that forgot them", ["", ""], rows)
    report.target(f"{clips:,} clips, seconds to open and find the first", opened_s + looked_up_s, "<=", 1.0)
    report.target(f"{clips:,} clips, MB", peak_mb, "<=", 300)


def reading(report: Report, folder: Path, clips: int) -> None:
    """Read features in shuffled order, and the same files from beginning to end."""
    write_table(folder, records(clips, captions=False), name="synthetic")
    rng = np.random.default_rng(report.arguments.seed)
    noise = rng.standard_normal((ROWS, DIM), np.float32)
    table = open_table(folder)
    ids = (table.clip(index).clip_id for index in range(clips))
    write_features(folder, "frames", ((id_, noise) for id_ in ids), dim=DIM, rate_hz=1.0)
    shards = sorted((folder / "features").rglob("shard-*.npy"))
    epochs = iter(range(1_000))
    parts = {
        "from beginning to end": lambda: sequentially(folder, shards),
        "shuffled": lambda: shuffled(folder, open_table(folder), next(epochs)),
    }
    costs = alternate(parts, 2 if report.arguments.quick else 5)
    size_mb = sum(path.stat().st_size for path in shards) / 1e6
    rows = [
        [name, size_mb / median_wall_s(cost), sum(c.cpu_s for c in cost) / len(cost)]
        for name, cost in costs.items()
    ]
    title = f"{clips:,} clips of {ROWS} x {DIM} float16, {size_mb:,.0f} MB in {len(shards)} shards"
    report.table(title, ["", "MB/s", "CPU s"], rows)
    share = 1 / paired_ratio(costs["shuffled"], costs["from beginning to end"], wall=True)
    report.target("shuffled reading, share of the rate from beginning to end", share, ">=", 0.8)


def records(clips: int, *, captions: bool = True) -> Iterator[Record]:
    """Clips of 10 s, eight a video."""
    for number in range(clips):
        video, place = divmod(number, CLIPS_PER_VIDEO)
        start_s = 10.0 * place
        said = tuple(
            Caption(
                f"{tag} somebody does thing {number} with care", tag, start_s, start_s + 10, "transcribed"
            )
            for tag in (STUDY_LANGUAGES if captions else ())
        )
        yield Record(Clip(f"video{video:07d}", start_s, start_s + 10), said, "train" if video % 50 else "dev")


def sequentially(folder: Path, shards: list[Path]) -> None:
    """Read whole files."""
    drop(folder)
    buffer = bytearray(READ_BYTES)
    for path in shards:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def shuffled(folder: Path, table: DatasetTable, epoch: int) -> None:
    """Copy the features of every clip of both splits into a buffer."""
    drop(folder)
    store = table.features("frames")
    buffer = np.zeros((ROWS, DIM), np.float16)
    for split in table.splits:
        for index in table.shuffled(split, seed=0, epoch=epoch):
            buffer[:] = store.of(index)


def drop(folder: Path) -> None:
    """Have the files below ``folder`` forgotten by the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def per_item_us(work: object, items: int) -> float:
    """Microseconds of wall time an item."""
    return 1e6 * cost_of(work).wall_s / items  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
