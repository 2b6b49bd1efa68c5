"""``polyreel export``: a checkpoint -> a bundle."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from polyreel.cli.formats import out_folder
from polyreel.cli.options import AskedPath, Json, require_torch
from polyreel.cli.output import print_json, stdout

__all__ = ["export"]


def export(
    checkpoint: AskedPath,
    /,
    *,
    out: AskedPath,
    name: str | None = None,
    int8: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Turn a checkpoint into a bundle that searches and evaluates without PyTorch.

    The graphs are held against the model before the bundle appears.

    Example: polyreel export runs/smoke --out build/bundle

    Args:
        checkpoint: A checkpoint, or a run's folder, whose best checkpoint is taken.
        out: Folder of the bundle.
        name: Name of the bundle; the run's by default.
        int8: Text weights in 8 bits, a quarter of the size.
    """
    require_torch()
    out_folder(out)
    from polyreel.training.exporting import export_checkpoint

    made = export_checkpoint(checkpoint, out, name=name, int8=int8)
    if json:
        print_json(
            {
                "bundle": str(made.folder),
                "name": made.card.name,
                "identity": made.card.identity,
                "dim": made.card.dim,
                "cosine_distance": {"text": made.text_distance, "video": made.video_distance},
            }
        )
        return 0
    stdout.print(
        f"{made.folder}: bundle {made.card.label}, {made.card.dim} numbers a vector.",
        highlight=False,
        soft_wrap=True,
    )
    stdout.print(
        f"Against the model, at most {made.text_distance:.1e} cosine distance of texts and "
        f"{made.video_distance:.1e} of clips.",
        highlight=False,
    )
    return 0
