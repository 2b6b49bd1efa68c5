"""Run every benchmark in turn and print what each prints.

    python benchmarks/run_all.py [--quick]

The exit status is 1 if one of them failed or broke a promise. One whose data are not here is passed over, and
said.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import SKIPPED

ORDER = (
    "demo_recall",
    "semantic_pooling",
    "confidence",
    "text_tower",
    "cold_start",
    "indexing",
    "exact_search",
    "evaluation",
)


def main() -> int:
    """Run all; arguments are handed on."""
    failed = []
    for name in ORDER:
        script = Path(__file__).with_name(f"{name}.py")
        code = subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=False).returncode
        if code == SKIPPED:
            print(f"\n## {name}: passed over, its data are not here")
        elif code:
            failed.append(name)
    if failed:
        print(f"\nNot as promised: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
