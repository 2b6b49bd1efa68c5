"""``python benchmarks/run_all.py [--quick]``: every benchmark in turn, the numbers of docs/performance.md.

``--quick`` takes small sizes and shows that all of them run, not more. ``--json`` prints one document with
those of all. A benchmark whose data are not there is left out with a message. The exit status is 1 if one
failed or a promised number was missed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from common import SKIPPED, options

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"ablation", "against", "common", "research_data", "indexing_peers", "run_all", "sampling"}


def main() -> int:
    """Run them one after the other: side by side they would disturb each other."""
    arguments = options(__doc__).parse_args()
    passed_on = ["--json"] * arguments.json + ["--quick"] * arguments.quick + ["--seed", str(arguments.seed)]
    documents, outcomes = {}, {}
    for script in sorted(HERE.glob("*.py")):
        if script.stem in NOT_BENCHMARKS:
            continue
        print(f"running {script.name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, str(script), *passed_on],
            stdout=subprocess.PIPE if arguments.json else None,
            check=False,
        )
        outcomes[script.name] = done.returncode
        if arguments.json and done.stdout:
            documents[script.stem] = json.loads(done.stdout)
    if arguments.json:
        print(json.dumps(documents, ensure_ascii=False, indent=1))
    words = {0: "done", SKIPPED: "left out: its data are not here"}
    for name, code in outcomes.items():
        print(f"{name}: {words.get(code, 'failed, or a promise was missed')}", file=sys.stderr)
    return int(any(code not in words for code in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
