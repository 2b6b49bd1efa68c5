"""Write a bundle from graphs that came from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from polyreel.encoders.build.bundle_spec import DEFAULT_CONFIDENCE
from polyreel.encoders.card import CARD_FILE, BundleCard, FrameInput, Licence, TextInput, identity_of
from polyreel.packages.members import sha256_of

__all__ = ["GraphParts", "write_bundle"]


@dataclass(frozen=True, slots=True)
class GraphParts:
    """What a bundle needs beside its frame graph, which is another bundle's.

    Attributes:
        name, description, training: for the card.
        dim: width of the shared space.
        text: how text is prepared.
        tokenizer: contents of ``tokenizer.json``.
        write_text, write_video: write ``text.onnx`` and ``video.onnx`` to a path.
        frames_of: folder of the bundle whose ``frames.onnx`` and frame input are taken.
        frames: how its pictures are prepared.
        licences: terms of every part.
    """

    name: str
    description: str
    training: str
    dim: int
    text: TextInput
    tokenizer: str
    write_text: Callable[[Path], None]
    write_video: Callable[[Path], None]
    frames_of: Path
    frames: FrameInput
    licences: tuple[Licence, ...]


def write_bundle(folder: Path, parts: GraphParts) -> BundleCard:
    """Write all files and the card into ``folder``, which is empty."""
    parts.write_text(folder / "text.onnx")
    parts.write_video(folder / "video.onnx")
    shutil.copyfile(parts.frames_of / "frames.onnx", folder / "frames.onnx")
    (folder / "tokenizer.json").write_text(parts.tokenizer, encoding="utf-8")
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    card = BundleCard(
        name=parts.name,
        # Traced graphs come from one run on one machine, so their bytes may stand for what they compute.
        identity=identity_of({"files": files}),
        description=parts.description,
        dim=parts.dim,
        text=parts.text,
        frames=parts.frames,
        confidence=DEFAULT_CONFIDENCE,
        licences=parts.licences,
        training=parts.training,
        files=files,
    )
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return card
