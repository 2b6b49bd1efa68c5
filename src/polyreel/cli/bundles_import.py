"""``polyreel bundles import``: a model of the hub, or of a folder, becomes a bundle."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from cyclopts import Parameter

from polyreel.cli.options import Json
from polyreel.cli.output import print_json, show_progress, stdout
from polyreel.units import duration

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
    force: Annotated[bool, _Flag] = False,
    json: Json = False,
) -> int:
    """Make a bundle of a model: exported by us, or a ready ONNX export; then held against the model.

    Example: polyreel bundles import google/siglip2-base-patch16-256 --name siglip2

    Args:
        source: A name on the Hugging Face hub, or a folder with a model's files.
        name: Of the bundle; by default the model's own.
        precision: Of the weights.
        images: Name or folder of the image tower, for models that encode texts alone.
        revision: Branch, tag or commit on the hub.
        offline: Take what was downloaded before, and ask nobody.
        accept_licence: Yes to terms that forbid commercial use.
        force: Replace a bundle of that name.
    """
    from polyreel.encoders.importing.importer import import_model
    from polyreel.encoders.importing.sources import find_model
    from polyreel.encoders.registry import bundle_name, place_for
    from polyreel.media.pictures import read_for_encoder

    began = time.monotonic()
    chosen = bundle_name(source) if name is None else name
    with show_progress() as show, place_for(chosen, force=force) as folder:
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
            step=show.part_of("importing the model"),
        )
    if json:
        print_json(card.model_dump(mode="json") | {"folder": str(folder)})
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
    return 0
