"""CPU time of a cold ``polyreel --help`` and of a cold ``polyreel search``, without and with subtitles.

    python benchmarks/cold_start.py

Each run is a process of its own. The library is that of the demo clips (``polyreel demo`` makes it); the one
with subtitles holds a film that this script writes, with forty lines beside it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import Report, alternate, median_cpu_s, median_wall_s, options, polyreel, run
from polyreel.archives import cache_dir
from polyreel.corpora import shown_in_demo

ROUNDS = 7


def main() -> int:
    """Measure three commands in turn."""
    arguments = options(__doc__).parse_args()
    report = Report("cold_start", arguments)
    with tempfile.TemporaryDirectory() as scratch:
        silent, spoken = Path(scratch) / "silent", Path(scratch) / "spoken"
        clips = [cache_dir() / "clips" / clip.source.file_name for clip in shown_in_demo()]
        present = [clip for clip in clips if clip.is_file()]
        if not present:
            raise SystemExit("the demo clips are not here: run 'polyreel demo' first")
        run(polyreel("index", *present, "--library", silent))
        run(polyreel("index", _with_subtitles(Path(scratch), present[0]), "--library", spoken))
        search = ("search", "a dog runs on the grass", "--json", "--library")
        parts = {
            "polyreel --help": lambda: run(polyreel("--help")),
            "polyreel search, no subtitles": lambda: run(polyreel(*search, silent)),
            "polyreel search, with subtitles": lambda: run(polyreel(*search, spoken)),
        }
        costs = alternate(parts, 2 if arguments.quick else ROUNDS)
    report.table(
        f"Whole processes, median of {ROUNDS} alternating runs.",
        ["command", "CPU, s", "wall, s"],
        [[name, median_cpu_s(costs[name]), median_wall_s(costs[name])] for name in parts],
    )
    report.target("CPU seconds of --help", median_cpu_s(costs["polyreel --help"]), "<=", 0.4)
    report.target("CPU seconds of a search", median_cpu_s(costs["polyreel search, no subtitles"]), "<=", 2.5)
    report.note(
        "With subtitles a search also opens Lance for its full-text index; there is no promise for that."
    )
    return report.close()


def _with_subtitles(folder: Path, clip: Path) -> Path:
    film = folder / f"film{clip.suffix}"
    film.write_bytes(clip.read_bytes())
    lines = (f"{i + 1}\n00:00:{i:02d},000 --> 00:00:{i:02d},900\nline {i} of a film\n" for i in range(40))
    film.with_suffix(".en.srt").write_text("\n".join(lines), encoding="utf-8")
    return film


if __name__ == "__main__":
    sys.exit(main())
