"""What a bundle takes of memory while one searches with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["resident_while_searching"]

_QUERIES = ("a dog runs on the beach", "ein Hund rennt am Strand", "狗在海滩上奔跑")
# Runs in a process of its own, which loads nothing but the text side, as a search does.
_SEARCH = """
import os
import sys
from pathlib import Path
from polyreel.encoders.runtime import Bundle

bundle = Bundle(Path(sys.argv[1]), threads=1)
for text in sys.argv[2:]:
    bundle.encode_text([text])
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(pages * os.sysconf("SC_PAGE_SIZE"))
"""


def resident_while_searching(folder: Path) -> int | None:
    """Bytes that are resident in a process that encodes queries with the bundle and does nothing else.

    None where such a process does not end well, or the system does not tell. Pages of files that it shares
    with others are counted.
    """
    command = [sys.executable, "-P", "-c", _SEARCH, str(folder), *_QUERIES]
    subprocess.run(command, capture_output=True, check=False)  # makes what later processes start with
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else None
