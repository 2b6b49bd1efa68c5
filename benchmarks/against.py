"""``python benchmarks/against.py CHECKOUT``: CPU time of indexing by that of another checkout.

Over one folder of short videos that differ: excerpts of the demo clips, copied without encoding them anew, so
that their codecs and containers are those that people have. They begin at 0, as ordinary files do: where time
stamps begin later, two clocks sample other frames, which is other work. Both run ``polyreel index`` in
turn into new libraries, each as a process with its children, all counted whole; the one that begins changes
from pair to pair. Every index run reads the very same files, and both must keep the same number of them.
Speech and text on the screen are left out by those checkouts that know them: it is the pictures that compare.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import av
from av.container import InputContainer

from common import Cost, Report, cost_of, options, paired_ratio, work_dir
from demo_recall import fetched_clips

SECONDS = 2.0
BOUND = 1.03
PROGRAM = (sys.executable, "-m", "polyreel")


def main() -> int:
    """Cut the videos, index them in turn."""
    parser = options(__doc__)
    parser.add_argument("checkout", type=Path, help="root of the other checkout, with its src/")
    parser.add_argument("--files", type=int, default=200, help="videos in the folder")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each")
    arguments = parser.parse_args()
    files, pairs = (12, 1) if arguments.quick else (arguments.files, arguments.pairs)
    report = Report("against", arguments)
    folder = excerpts(files)
    roots = {"this": Path(__file__).parents[1], "other": arguments.checkout.resolve()}
    left_out = {name: other_stages(root) for name, root in roots.items()}
    compare(
        report,
        folder,
        roots,
        left_out,
        pairs=pairs,
        table=f"CPU seconds of indexing {files} videos of up to {SECONDS:g} s",
        target=("CPU by the other checkout's, median of pairs", BOUND),
    )
    return report.close()


def compare(
    report: Report,
    folder: Path,
    roots: Mapping[str, Path],
    told: Mapping[str, Sequence[str]],
    *,
    pairs: int,
    table: str,
    target: tuple[str, float],
) -> None:
    """CPU of two checkouts over a folder, in turn.

    Args:
        report: filled.
        folder: of videos.
        roots: "this" and "other" -> root of the checkout.
        told: what each one's command is told beside the folder.
        pairs: runs of each; the one that begins changes.
        table: what the table is called.
        target: what the ratio is called, and the most that it may be.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in roots}
    kept: dict[str, int] = {}
    for pair in range(pairs):
        for name in list(roots) if pair % 2 == 0 else list(roots)[::-1]:
            work = functools.partial(index, roots[name], folder, told[name])
            costs[name].append(cost_of(lambda name=name, work=work: kept.update({name: work()})))
            print(f"{folder.name}, {name}: {costs[name][-1].cpu_s:.1f} CPU s", file=sys.stderr, flush=True)
    rows = [[name, kept[name], *(f"{cost.cpu_s:.1f}" for cost in costs[name])] for name in roots]
    report.table(table, ["checkout", "videos kept", *(f"pair {pair + 1}" for pair in range(pairs))], rows)
    ratios = [mine.cpu_s / theirs.cpu_s for mine, theirs in zip(costs["this"], costs["other"], strict=True)]
    report.note(f"Ratios of the pairs: {', '.join(f'{ratio:.3f}' for ratio in ratios)}.")
    if kept["this"] < kept["other"]:
        report.note("This checkout keeps fewer videos: the times do not compare.")
    what, bound = target
    report.target(what, paired_ratio(costs["this"], costs["other"]), "<=", bound)


def excerpts(count: int) -> Path:
    """A folder of ``count`` different videos; kept for the next run."""
    folder = work_dir() / f"excerpts-from-0-{count}"
    if len(list(folder.glob("*"))) >= count:
        return folder
    folder.mkdir(exist_ok=True)
    sources = fetched_clips(pypi_only=False)[1]
    digests: set[bytes] = set()
    for number, source in enumerate(cycle(sources)):
        if len(digests) == count or number > 100 * count:
            break
        path = folder / f"{number:04d}{source.suffix.lower()}"
        if excerpt(source, SECONDS * (number // len(sources)), path):
            digest = hashlib.sha256(path.read_bytes()).digest()
            if digest in digests:  # from the key frame that the excerpt before began with
                path.unlink()
            digests.add(digest)
    return folder


def excerpt(source: Path, start_s: float, path: Path) -> bool:
    """Copy the packets of the picture from the key frame before ``start_s`` on; whether there were any."""
    try:
        with av.open(str(source)) as container:
            if start_s and (container.duration or 0) / av.time_base < start_s + 1:
                return False
            copy_packets(container, start_s, path)
    except (av.error.FFmpegError, ValueError):
        path.unlink(missing_ok=True)
        return False
    return path.stat().st_size > 0


def copy_packets(container: InputContainer, start_s: float, path: Path) -> None:
    """Write up to ``SECONDS`` of the picture from the key frame before ``start_s`` on."""
    stream, first = container.streams.video[0], None
    container.seek(int(start_s * av.time_base))
    with av.open(str(path), "w") as out:
        copy = out.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.size == 0 or packet.pts is None:
                continue
            first = packet.pts if first is None else first
            if float((packet.pts - first) * stream.time_base) > SECONDS:
                break
            packet.pts -= first
            packet.dts = None if packet.dts is None else packet.dts - first
            packet.stream = copy
            out.mux(packet)


def other_stages(root: Path) -> list[str]:
    """Options that leave out all but the pictures, as far as a checkout has such."""
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    told = subprocess.run([*PROGRAM, "index", "--help"], env=environment, check=True, capture_output=True)
    return [name for name in ("--no-speech", "--no-screen-text") if name in told.stdout.decode()]


def index(root: Path, folder: Path, left_out: Sequence[str]) -> int:
    """A whole run of a checkout's program into a new library; how many videos it kept."""
    with tempfile.TemporaryDirectory(prefix="polyreel-library-") as library:
        environment = os.environ | {"PYTHONPATH": str(root / "src")}
        subprocess.run(
            [*PROGRAM, "index", str(folder), "--library", library, "--workers", "2", *left_out],
            env=environment,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        doctor = [*PROGRAM, "doctor", "--library", library, "--json"]
        told = subprocess.run(doctor, env=environment, check=False, capture_output=True, text=True)
        return int(json.loads(told.stdout)["videos"])


if __name__ == "__main__":
    sys.exit(main())
