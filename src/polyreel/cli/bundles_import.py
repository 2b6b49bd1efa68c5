"""``polyreel bundles import``: a model of the hub, or of a folder, becomes a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from polyreel.cli.bundle_measuring import (
    BundleFacts,
    Measuring,
    compared,
    comparison_document,
    print_comparison,
)
from polyreel.cli.options import Json
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.errors import PolyreelError
from polyreel.units import duration

if TYPE_CHECKING:
    from polyreel.encoders.card import BundleCard
    from polyreel.encoders.runtime import Bundle
    from polyreel.report.comparison import Comparison

__all__ = ["import_"]

_Flag = Parameter(negative="")


def import_(
    source: str,
    /,
    *,
    name: str | None = None,
    precision: Literal["auto", "fp32", "fp16", "int8"] = "auto",
    images: str | None = None,
    revision: str | None = None,
    offline: Annotated[bool, _Flag] = False,
    accept_licence: Annotated[bool, _Flag] = False,
    benchmark: str = "demo",
    data: Path | None = None,
    no_benchmark: Annotated[bool, _Flag] = False,
    against: str = "small",
    force: Annotated[bool, _Flag] = False,
    json: Json = False,
) -> int:
    """Make a bundle of a model, exported by us or a ready ONNX export; hold it against the model; measure it.

    Example: polyreel bundles import google/siglip2-base-patch16-256 --name siglip2

    Args:
        source: A name on the Hugging Face hub, or a folder with a model's files.
        name: Of the bundle; by default the model's own.
        precision: Of the weights; auto takes the fewest bits that cost at most 0.5 R@10 on the benchmark.
        images: Name or folder of the image tower, for models that encode texts alone.
        revision: Branch, tag or commit on the hub.
        offline: Take what was downloaded before, and ask nobody.
        accept_licence: Yes to terms that forbid commercial use.
        benchmark: What it is measured on, as 'polyreel eval' lists them.
        data: Folder of the benchmark's data.
        no_benchmark: Measure nothing.
        against: Installed bundle that it is held against on that benchmark.
        force: Replace a bundle of that name.
    """
    from polyreel.encoders.importing.importer import import_model
    from polyreel.encoders.importing.sources import find_model
    from polyreel.encoders.registry import bundle_name, place_for
    from polyreel.encoders.runtime import Bundle
    from polyreel.media.pictures import read_for_encoder

    began = time.monotonic()
    chosen = bundle_name(source) if name is None else name
    with show_progress() as show, place_for(chosen, force=force) as folder:
        measuring = None
        if not no_benchmark:
            measuring = Measuring(benchmark, data=data, offline=offline, show=show)
        hub = find_model(source, revision=revision, offline=offline, download=show.download)
        beside = find_model(images, offline=offline, download=show.download) if images else None
        card = import_model(
            hub,
            folder,
            name=chosen,
            as_decoded=read_for_encoder,
            precision=precision,
            accept_licence=accept_licence,
            images=beside,
            measure=None if measuring is None else measuring.measurement,
            step=show.part_of("importing the model"),
        )
        bundles = _present(against), Bundle(folder)
        found = _compared(measuring, card, *bundles)
    facts = [BundleFacts.of(bundle) for bundle in bundles if bundle is not None and found is not None]
    if json:
        document = None if found is None else comparison_document(benchmark, found, facts)
        print_json(card.model_dump(mode="json") | {"folder": str(folder), "comparison": document})
        return 0
    stdout.print(f"{card.label} is ready, after {duration(time.monotonic() - began)}. {card.description}")
    assert card.origin is not None
    if (proof := card.origin.proof) is not None:
        texts, pictures = proof.count
        stdout.print(
            f"Smallest cosine to the model itself: {proof.texts:.4f} of {texts} texts, "
            f"{proof.pictures:.4f} of {pictures} pictures, {proof.decoder:.4f} as our decoder scales them."
        )
    for remark in card.origin.remarks:
        stdout.print(remark)
    if found is not None:
        print_comparison(benchmark, found, facts)
    elif measuring is not None:
        why = measuring.problem or f"there is no bundle {against!r} here to hold it against"
        stdout.print(
            f"Not compared: {why}. Later: polyreel bundles compare {card.name} {against}", soft_wrap=True
        )
    return 0


def _present(name: str) -> Bundle | None:
    """A bundle that is installed; none is built for a comparison."""
    from polyreel.encoders.card import CARD_FILE
    from polyreel.encoders.registry import list_bundles
    from polyreel.encoders.runtime import Bundle

    entry = next((entry for entry in list_bundles() if entry.name == name and entry.card is not None), None)
    folder = entry.folder if entry is not None else Path(name)
    return Bundle(folder) if (folder / CARD_FILE).is_file() else None


def _compared(
    measuring: Measuring | None, card: BundleCard, old: Bundle | None, new: Bundle
) -> Comparison | None:
    """The new bundle against the present one; None, said below, where they cannot be. The import stands."""
    if measuring is None or old is None or not card.measured:
        return None
    try:
        return compared(measuring, old, new)
    except PolyreelError as error:
        measuring.problem = error
        return None
