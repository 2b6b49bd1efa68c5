"""The peak of a process is its own."""

from __future__ import annotations

import os
import subprocess
import sys

from polyreel.memory import peak_memory_bytes

_TELL = "from polyreel.memory import peak_memory_bytes; print(peak_memory_bytes(), flush=True)"
# In a process that is small itself: a worker of the tests would have to touch more than it holds already.
_HOLD = f"""
{_TELL}
held = b"1" * (100 << 20)
del held
print(peak_memory_bytes(), flush=True)
import subprocess, sys
subprocess.run([sys.executable, "-c", {_TELL!r}], check=True)
"""


def test_what_a_process_held_is_told_of_it_and_not_of_the_one_it_starts():
    done = subprocess.run([sys.executable, "-c", _HOLD], capture_output=True, text=True, check=True)
    before, after, of_its_own = map(int, done.stdout.split())
    assert 1 << 20 < before < 64 << 20
    assert after > 100 << 20
    assert 1 << 20 < of_its_own < 64 << 20


def test_the_peak_of_this_process_is_known():
    assert 10 << 20 < peak_memory_bytes() <= peak_memory_bytes(os.getpid())


def test_nothing_is_told_of_a_process_that_has_ended():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert peak_memory_bytes(ended.pid) == 0
