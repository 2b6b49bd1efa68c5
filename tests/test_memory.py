"""The peak of a process is its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from polyreel.memory import peak_memory_bytes

_TELL = "from polyreel.memory import peak_memory_bytes; print(peak_memory_bytes())"


def test_what_a_process_held_is_told_of_it_and_not_of_the_one_it_starts():
    before = peak_memory_bytes()
    assert before > 10 << 20
    held = np.ones(before + (64 << 20), np.uint8)  # touched, and given back
    del held
    assert peak_memory_bytes() > before + (64 << 20)
    done = subprocess.run([sys.executable, "-c", _TELL], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(done.stdout) < 64 << 20


def test_nothing_is_told_of_a_process_that_has_ended():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert peak_memory_bytes(ended.pid) == 0
