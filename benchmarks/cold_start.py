"""``python benchmarks/cold_start.py``: CPU time and memory of ``polyreel --help`` and of a search from cold.

Every run is a new process with its own interpreter; the files it reads are in the operating system's cache.
The library is that of the demo, once as it is and once with a subtitle line for each clip, so that a search
also has words to look through; and again while ``polyreel serve`` has that library open and answers.
``python -c pass`` and the imports that no search can do without stand beside them.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import Report, alternate, median_cpu_s, median_wall_s, options, polyreel, run, work_dir
from demo_recall import fetched_clips
from polyreel.datasets.readers.demo import DemoClip
from polyreel.encoders.card import read_card
from polyreel.encoders.registry import locate_bundle

QUERY = "pes běží po trávě"
SUBTITLE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"
PASS, IMPORT = "python -c pass", "import polyreel"
HELP, SILENT, WITH_SUBTITLES = "polyreel --help", "polyreel search", "polyreel search, with subtitles"
ASKED, ASKED_TABLE = "polyreel search --json, a server runs", "polyreel search, a server runs"


def main() -> int:
    """Make both libraries, then start and start again."""
    arguments = options(__doc__).parse_args()
    report = Report("cold start", arguments)
    clips, files = fetched_clips(pypi_only=arguments.quick)
    plain, subtitled = libraries(clips, files)
    commands = {
        PASS: [sys.executable, "-c", "pass"],
        IMPORT: [sys.executable, "-c", "import polyreel"],
        "import numpy, onnxruntime, pyarrow, tokenizers": [
            sys.executable,
            "-c",
            "import numpy, onnxruntime, pyarrow, tokenizers",
        ],
        HELP: polyreel("--help"),
        SILENT: polyreel("search", QUERY, "--library", plain, "--json", "--no-server"),
        WITH_SUBTITLES: polyreel("search", QUERY, "--library", subtitled, "--json", "--no-server"),
        ASKED: polyreel("search", QUERY, "--library", subtitled, "--json"),
        ASKED_TABLE: polyreel("search", QUERY, "--library", subtitled),
    }
    repetitions = 1 if arguments.quick else 7
    with server_of(subtitled):
        parts = {name: lambda line=line: run(line) for name, line in commands.items()}
        costs = alternate(parts, repetitions)
        memory = {name: peak_mb(line) for name, line in commands.items()}
    report.table(
        f"Median of {repetitions}; {len(clips)} videos, with a subtitle line each or none",
        ["", "CPU s", "wall s", "memory at most, MB"],
        [
            [name, median_cpu_s(cost), median_wall_s(cost), f"{memory[name]:.0f}"]
            for name, cost in costs.items()
        ],
    )
    report.target("CPU s of --help", median_cpu_s(costs[HELP]), "<=", 0.3)
    imports = median_cpu_s(costs[IMPORT]) - median_cpu_s(costs[PASS])
    report.target("CPU s of import polyreel, over Python's own", imports, "<=", 0.06)
    for name in (SILENT, WITH_SUBTITLES):
        report.target(f"CPU s of {name}", median_cpu_s(costs[name]), "<=", 1.2)
        report.target(f"MB of {name}", memory[name], "<=", 350)
    for name in (ASKED, ASKED_TABLE):
        report.target(f"CPU s of {name}", median_cpu_s(costs[name]), "<=", 0.35)
    return report.close()


@contextlib.contextmanager
def server_of(library: Path) -> Iterator[None]:
    """``polyreel serve`` on a library, from its first answer on."""
    command = [str(part) for part in polyreel("serve", "--library", library, "--port", "0")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()  # its address, once it answers
        try:
            yield
        finally:
            process.terminate()


def peak_mb(command: Sequence[str | Path]) -> float:
    """Most memory that a command and what it loads hold at once, MB."""
    # From a process that is small itself: a new one begins with the peak of the one that it was forked from.
    small = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=-3, check=True, stderr=-3); "
    )
    small += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return int(run([sys.executable, "-S", "-c", small, *command])) / 1024


def libraries(clips: Sequence[DemoClip], files: Sequence[Path]) -> tuple[Path, Path]:
    """The clips without and with a subtitle line each, indexed; kept for the next run."""
    identity = read_card(locate_bundle()).identity[:12]
    made = []
    for kind in ("silent", "subtitled"):
        folder = work_dir() / f"cold-{kind}-{len(clips)}-videos"
        folder.mkdir(exist_ok=True)
        for clip, file in zip(clips, files, strict=True):
            copy = folder / f"{clip.id}{file.suffix}"
            if not copy.is_file():
                shutil.copy2(file, copy)
            if kind == "subtitled":
                line = copy.with_suffix(".en.srt")
                if not line.is_file():
                    line.write_text(SUBTITLE.format(clip.captions["en"]), encoding="utf-8")
        library = work_dir() / f"cold-{kind}-{len(clips)}-{identity}"
        run(polyreel("index", folder, "--library", library))
        made.append(library)
    return made[0], made[1]


if __name__ == "__main__":
    sys.exit(main())
