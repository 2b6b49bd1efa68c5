"""``polyreel bundles``: the models that make search possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.table import Table

from polyreel.cli.bundle_speed import speed
from polyreel.cli.bundles_compare import compare
from polyreel.cli.bundles_import import import_
from polyreel.cli.generations import drop, set_
from polyreel.cli.options import Json
from polyreel.cli.output import print_columns, print_json, show_progress, stdout
from polyreel.units import size

if TYPE_CHECKING:
    from polyreel.encoders.card import Origin

__all__ = ["app"]

app = App(
    name="bundles", help="Models: list them, show one's card, build or import one, move a library to one."
)
app.command(import_, name="import")
app.command(compare)
app.command(set_, name="set")
app.command(drop)


@app.command(name="list")
def list_(*, json: Json = False) -> int:
    """Bundles that are installed or can be built.

    Example: polyreel bundles list
    """
    from polyreel.encoders.registry import list_bundles

    entries = list_bundles()
    if json:
        print_json(
            [
                {
                    "name": entry.name,
                    "folder": str(entry.folder),
                    "installed": entry.card is not None,
                    "identity": entry.card.identity if entry.card else None,
                    "problem": str(entry.problem) if entry.problem else None,
                }
                for entry in entries
            ]
        )
        return 0
    rows = [("name", "state", "folder")]
    for entry in entries:
        state = "installed" if entry.card else "damaged" if entry.problem else "can be built"
        rows.append((entry.name, state, str(entry.folder)))
    print_columns(rows, heads=True)
    return 0


@app.command
def show(name: Annotated[str, Parameter(help="Name or folder.")] = "small", /, *, json: Json = False) -> int:
    """The card of a bundle: what it is, how well it does in each language, licences; checks its files.

    Example: polyreel bundles show small
    """
    from polyreel.cli.options import load_bundle

    bundle = load_bundle(name)
    bundle.verify()
    card = bundle.card
    if json:
        print_json(card.model_dump(mode="json") | {"folder": str(bundle.folder)})
        return 0
    stdout.print(f"{card.name}  {card.identity[:12]}  {bundle.folder}", markup=False, soft_wrap=True)
    stdout.print(card.description)
    stdout.print(f"Training: {card.training}")
    if card.origin is not None:
        _print_origin(card.origin)
    for measured in card.measured:
        stdout.print(f"\n{measured.benchmark}: {measured.queries} queries, gallery {measured.gallery}")
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("language")
        for metric in next(iter(measured.recall.values()), {}):
            table.add_column(metric, justify="right")
        for language, recall in measured.recall.items():
            table.add_row(language, *(f"{value:.1f}" for value in recall.values()))
        stdout.print(table)
    stdout.print("\nLicences:")
    for licence in card.licences:
        line = f"  {licence.part}: {licence.licence} ({licence.source})"
        if licence.non_commercial:
            stdout.print(f"{line}: NOT FOR COMMERCIAL USE", style="bold red", markup=False, soft_wrap=True)
        else:
            stdout.print(line, markup=False, soft_wrap=True)
    texts, pictures = speed(bundle)
    stdout.print(f"Here: {texts:.0f} short texts and {pictures:.1f} pictures a second.")
    total = sum((bundle.folder / name).stat().st_size for name in card.files)
    stdout.print(f"{len(card.files)} files, {size(total)}, all as their digests say.")
    return 0


def _print_origin(origin: Origin) -> None:
    revision = "" if origin.revision is None else f" at {origin.revision[:12]}"
    stdout.print(
        f"Imported from {origin.source}{revision}, {origin.family}, weights in {origin.precision}.",
        soft_wrap=True,
    )
    if (proof := origin.proof) is not None:
        stdout.print(
            f"Smallest cosine to the model: {proof.texts:.4f} of texts, {proof.pictures:.4f} of pictures, "
            f"{proof.decoder:.4f} as our decoder scales them."
        )
    for remark in origin.remarks:
        stdout.print(remark)


@app.command
def build(
    name: str = "small",
    /,
    *,
    force: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Build a bundle from weights that sit inside ordinary packages.

    Example: polyreel bundles build small

    Args:
        name: Name of a bundle that can be built.
        force: Build it anew even if it is there.
    """
    from polyreel.encoders.registry import build_bundle

    with show_progress() as show:
        step = show.part_of("building the bundle")
        card = build_bundle(name, force=force, download=show.download, step=step)
    if json:
        print_json(card.model_dump(mode="json"))
    else:
        stdout.print(f"{card.label} is ready.", soft_wrap=True)
    return 0
