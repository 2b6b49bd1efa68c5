"""``python benchmarks/playback.py``: what it costs to play the files that browsers refuse.

Those of the demo's clips that no browser plays as they are, each for its first 20 seconds: CPU time of the
process that streams them, for each second of video, and how much is sent. Pictures are copied or coded anew,
at most 480 lines of them, as the server decides (``polyreel.media.playable``).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from common import Report, options
from demo_recall import fetched_clips
from polyreel.errors import MediaError
from polyreel.media.playable import how_to_play
from polyreel.media.restream import restream
from polyreel.media.seeking import SeekableVideo

_SECONDS = 20.0


@dataclass
class _Sent:
    """What came out so far."""

    size_bytes: int = 0
    video_s: float = 0.0
    first_s: float | None = None
    began: float = field(default_factory=time.monotonic)

    def take(self, piece: bytes, time_s: float) -> None:
        if piece and self.first_s is None:
            self.first_s = time.monotonic() - self.began
        self.size_bytes += len(piece)
        self.video_s = max(self.video_s, time_s)


def main() -> int:
    """Stream one file after the other."""
    arguments = options(__doc__).parse_args()
    report = Report("playing what browsers refuse", arguments)
    _, files = fetched_clips(pypi_only=arguments.quick)
    rows, costs, as_they_are = [], {"copy": [], "encode": []}, 0
    for file in sorted(files):
        try:
            with SeekableVideo(file) as video:
                playback, _ = how_to_play(video, 0.0)
                codec, size = video.stream.codec_context.name, (video.stream.width, video.stream.height)
            if playback.way == "file":
                as_they_are += 1
                continue
            sent = _Sent()
            cpu_s = cpu_of(lambda file=file, sent=sent: restream(file, 0.0, _SECONDS, sent.take))
        except MediaError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        share = cpu_s / max(sent.video_s, 0.1)
        costs[playback.way].append(share)
        kbit_per_s = sent.size_bytes * 8 / 1_000 / max(sent.video_s, 0.1)
        rows.append(
            [
                file.name.partition("-")[2],
                f"{codec}, {size[0]} x {size[1]}",
                playback.way,
                share,
                round(kbit_per_s),
                f"{sent.first_s or 0.0:.2f}",
            ]
        )
    report.table(
        f"First {_SECONDS:g} s; the other {as_they_are} files are played as they are",
        ["file", "codec and size", "way", "CPU s per second", "kbit/s", "s to the first piece"],
        rows,
    )
    encoded = costs["encode"]
    if encoded:
        report.note(f"Coded anew: median {statistics.median(encoded):.3f} CPU s per second of video.")
        report.target("CPU s per second of video coded anew, at most", max(encoded), "<=", 0.5)
    return report.close()


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
