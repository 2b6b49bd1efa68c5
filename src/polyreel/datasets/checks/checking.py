"""``polyreel data check``: what is there, what is missing, what is there twice, and what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polyreel.datasets.checks.captions import check_languages, check_repeats, language_findings
from polyreel.datasets.checks.findings import CheckReport, Finding, LanguageCheck, MediaCheck, reasons
from polyreel.datasets.checks.media import check_media
from polyreel.datasets.fetching import count_differences
from polyreel.datasets.store.manifest import Manifest, read_manifest
from polyreel.datasets.store.table import DatasetTable, open_table
from polyreel.errors import DatasetError
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["SAMPLE", "check_table"]

SAMPLE = 1_000
"""Clips of each split whose media are decoded, unless told otherwise."""

_LEVELS = ("broken", "warning", "note")


def check_table(
    folder: Path, *, sample: int = SAMPLE, seed: int = 0, progress: OnProgress | None = None
) -> CheckReport:
    """Check a table on disk.

    Args:
        folder: of the table.
        sample: how many clips of each split have their media decoded and compared.
        seed: draws samples.
        progress: told of what is being done.

    Raises:
        DatasetError: there is no table at all; one that is damaged is a finding.
    """
    manifest = read_manifest(folder)
    tell = progress or ignore_progress
    tell("files", 0, 1)
    try:
        table = open_table(folder)
        table.verify()
    except DatasetError as error:
        damage = Finding(level="broken", what=str(error).rstrip("."), count=1)
        return _report(folder, manifest, {}, None, [damage])
    tell("captions", 0, 1)
    findings = [*_counts(manifest), *check_repeats(table)]
    languages = check_languages(table, seed=seed, progress=lambda done, total: tell("languages", done, total))
    media = check_media(
        table, sample=sample, seed=seed, progress=lambda done, total: tell("media", done, total)
    )
    findings += [*language_findings(languages), *media.findings, *_features(table)]
    return _report(folder, manifest, languages, media.check, findings)


def _report(
    folder: Path,
    manifest: Manifest,
    languages: dict[str, LanguageCheck],
    media: MediaCheck | None,
    findings: list[Finding],
) -> CheckReport:
    return CheckReport(
        name=manifest.name,
        version=manifest.version,
        folder=str(folder),
        clips=manifest.clips,
        sources=manifest.sources,
        left_out=manifest.left_out,
        languages=languages,
        media=media,
        features={name: facts.clips for name, facts in manifest.features.items()},
        findings=tuple(sorted(findings, key=lambda finding: _LEVELS.index(finding.level))),
    )


def _counts(manifest: Manifest) -> Iterator[Finding]:
    for difference in count_differences(manifest):
        yield Finding(level="warning", what=f"not as many clips as published: {difference}", count=1)
    for left_out in manifest.left_out:
        what = f"{left_out.count:,} left out: {left_out.reason}"
        yield Finding(level="note", what=what, count=left_out.count, examples=left_out.examples)
    if count := manifest.without_media:
        yield Finding(level="note", what=f"{count:,} clips come without pictures or video", count=count)


def _features(table: DatasetTable) -> Iterator[Finding]:
    for name in table.manifest.features:
        if broken := table.features(name).broken:
            what = f"{len(broken):,} clips have no {name}: their media could not be read"
            yield Finding(level="warning", what=what, count=len(broken), examples=reasons(broken))
