"""What a check of a table comes to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from polyreel.datasets.store.manifest import DataSource, LeftOut

__all__ = ["EXAMPLES", "CheckReport", "Finding", "LanguageCheck", "MediaCheck", "reasons"]

EXAMPLES = 5
"""How many of the things that a finding is about are named."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Facts):
    """One thing to know about a table.

    Attributes:
        level: "broken" is to be repaired, "warning" can make a measurement wrong, "note" is good to know.
        what: a sentence without a full stop, with its numbers.
        count: how many clips, captions or files it is about.
        examples: the first few of them.
    """

    level: Literal["broken", "warning", "note"]
    what: str
    count: int
    examples: tuple[str, ...] = ()


class LanguageCheck(_Facts):
    """Captions of one language.

    Attributes:
        captions: how many.
        clips: split -> clips that have one.
        sampled: how many were long enough to be judged, and were.
        wrong: how many of those seem to be in another language.
        seems: the other language that is met most, None if none is.
    """

    captions: int
    clips: Mapping[str, int]
    sampled: int
    wrong: int
    seems: str | None


class MediaCheck(_Facts):
    """Pictures and videos.

    Attributes:
        named: clips with media.
        without: clips that name none.
        not_there: clips of whose media a file or member is missing.
        decoded: clips whose media were decoded: a sample of each split.
        broken: clips of those with a medium that does not decode.
    """

    named: int
    without: int
    not_there: int
    decoded: int
    broken: int


class CheckReport(_Facts):
    """Everything that a check found.

    Attributes:
        name, version, folder: which table.
        clips: split -> clips.
        sources: what it was made from, with licences.
        left_out: what its reader met and did not take.
        languages: BCP-47 tag -> captions.
        media: pictures and videos, None if the files of the table are damaged.
        features: name -> clips with rows.
        findings: gravest first.
    """

    name: str
    version: str
    folder: str
    clips: Mapping[str, int]
    sources: tuple[DataSource, ...]
    left_out: tuple[LeftOut, ...]
    languages: Mapping[str, LanguageCheck]
    media: MediaCheck | None
    features: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def is_broken(self) -> bool:
        """Whether something is to be repaired."""
        return any(finding.level == "broken" for finding in self.findings)


def reasons(clips: Mapping[str, str]) -> tuple[str, ...]:
    """The first few of clips and what is wrong with each."""
    return tuple(f"{clip_id}: {reason}" for clip_id, reason in itertools.islice(clips.items(), EXAMPLES))
