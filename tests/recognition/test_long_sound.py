"""Ten hours of sound: heard to the end, at the right times, in the memory that minutes take.

Needs what ``test_whisper`` needs, and minutes of the processor.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import wave

import pytest
from test_whisper import engine, speech  # noqa: F401  fixtures

pytestmark = pytest.mark.slow

RATE, HOURS = 8_000, 10
HEAR = """
import json, sys
from pathlib import Path
import psutil
from polyreel.recognition.registry import load_speech
def megabytes(process, what):
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(what)).split()[1]) / 1024
engine, lines, decoder, peaks = load_speech(device="cpu"), [], 0.0, []
for name in sys.argv[1:]:
    for stretch in engine.recognise(Path(name)):
        lines += [(line.start_s, line.text) for line in stretch.lines]
        for child in psutil.Process().children():
            decoder = max(decoder, megabytes(child.pid, "VmHWM"))
    peaks.append((megabytes("self", "VmHWM"), decoder))
print(json.dumps([lines, peaks]))
"""


def write_sparse(path, seconds, spoken, at_s):
    """A WAV file of silence, which takes no room on the disk, in which something is said at some times."""
    size = 2 * RATE * seconds
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE"),
        *(b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16),
        *(b"data", size),
    )
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
        for time_s in at_s:
            file.seek(len(head) + 2 * RATE * time_s)
            file.write(spoken)
    return path


def test_ten_hours_are_heard_to_the_end_in_the_memory_of_minutes(engine, speech, tmp_path):  # noqa: F811
    assert engine
    with wave.open(str(speech)) as file:
        assert file.getframerate() == RATE
        spoken = file.readframes(file.getnframes())
    short = write_sparse(tmp_path / "short.wav", 240, spoken, [20, 180])
    late_s = 3_600 * HOURS - 60
    long = write_sparse(tmp_path / "long.wav", 3_600 * HOURS, spoken, [20, 18_000, late_s])
    done = subprocess.run(
        [sys.executable, "-c", HEAR, short, long], capture_output=True, text=True, check=True
    )
    lines, ((own, decoder), (own_long, decoder_long)) = json.loads(done.stdout)
    begins = [start_s for start_s, text in lines if text.startswith("Congratulations")]
    assert begins == pytest.approx([20, 180, 20, 18_000, late_s], abs=0.5)
    # In MB; ten hours at 16 kHz are 1,152 as they are decoded.
    assert own_long - own < 50
    assert decoder_long - decoder < 20
