"""Subtitles of videos on a platform, by ``yt-dlp`` where it is installed and a network allows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from polyreel.errors import DatasetError
from polyreel.extras import install_packages

__all__ = ["YtDlp", "is_platform_id"]

_TIMEOUT_S = 300
_PLATFORM_ID = re.compile(r"[A-Za-z0-9_-]{11}")


def is_platform_id(text: str) -> bool:
    """Whether ``text`` can be the id of a video on a platform: eleven letters, digits, "-" or "_"."""
    return _PLATFORM_ID.fullmatch(text) is not None


class YtDlp:
    """Fetches the subtitles that people have uploaded; no video, and no captions that the platform made.

    Args:
        program: the executable; by default the one on the path.

    Raises:
        DatasetError: it is not installed.
    """

    def __init__(self, program: str = "yt-dlp") -> None:
        found = shutil.which(program)
        if found is None:
            raise DatasetError(
                "subtitles from a platform need yt-dlp",
                item=program,
                remedy=f"Install it with: {install_packages('yt-dlp')}; or download the subtitles yourself "
                "and name their folder",
            )
        self._program = found

    def fetch(self, video: str, folder: Path, *, languages: Sequence[str]) -> None:
        """Write ``<video>.<language>.vtt`` into ``folder`` for each language that is there.

        Args:
            video: its id on the platform.
            folder: where to; it exists.
            languages: BCP-47 tags; regional variants are taken too.

        Raises:
            DatasetError: the network or the platform refuses, or it takes longer than five minutes.
        """
        wanted = ",".join(f"{tag},{tag}-.*" for tag in languages)
        command = [
            self._program,
            *("--ignore-config", "--skip-download", "--write-subs", "--no-write-auto-subs", "--no-playlist"),
            *("--no-progress", "--no-warnings", "--retries", "2", "--sub-langs", wanted),
            *("--sub-format", "vtt/srt/best", "--paths", str(folder), "--output", f"{video}.%(ext)s"),
            *("--", video),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DatasetError("yt-dlp took too long", item=video, value=f"{_TIMEOUT_S} s") from error
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise DatasetError(
                "yt-dlp could not fetch the subtitles",
                item=video,
                value=said[0][:300],
                remedy="Run it again where the network allows it; what is done is kept",
            )
