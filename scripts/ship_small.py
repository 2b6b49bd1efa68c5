"""``python scripts/ship_small.py --data DIR RUN...``: make the mean of runs the default bundle that ships.

The runs differ in their seed alone; of each the best checkpoint is taken. Writes the trained heads, in
float16, and the texts of the card into ``encoders/build/assets``, and what the built bundles are made of,
which their folders are named by; without runs, only that. Figures are added by
``python benchmarks/demo_recall.py --write-card``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import polyreel.encoders.build
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.encoders.build.bundle_spec import shipped, training_free
from polyreel.encoders.build.small import made_of
from polyreel.encoders.build.trained_heads import TrainedHeads, write_trained_heads
from polyreel.errors import UsageError
from polyreel.models.inputs import TextInputs
from polyreel.models.towers import TwoTowers
from polyreel.training.assembly import open_training_sets
from polyreel.training.batches import padded
from polyreel.training.checkpoints import Checkpoint, load_checkpoint
from polyreel.training.exporting import export_details, trained_heads
from polyreel.training.merging import merge_heads
from polyreel.training.training_set import TrainingSet

ASSETS = Path(polyreel.encoders.build.__file__).parent / "assets"
# Chosen on MSR-VTT dev by benchmarks/confidence.py.
CONFIDENCE = {"clip": 0.30, "subtitle": 0.30}
# Chosen on the first half of NTREX by its --fit.
TRAINED_IN_LINES = 0.2
# Whether the map that scripts/fit_caption_map.py makes is added: chosen on MSR-VTT dev, docs/training.md.
CAPTION_MAP = True
# Training clips that the seeds are brought to agree on.
CLIPS = 2000


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs")
    parser.add_argument("--data", type=Path, default=None, help="folder that corpora are relative to")
    arguments = parser.parse_args()
    if arguments.runs:
        ship([load_checkpoint(run) for run in arguments.runs], arguments.data)
    digests = {spec.name: made_of(spec) for spec in (shipped(), training_free())}
    (ASSETS / "made_of.json").write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def ship(checkpoints: Sequence[Checkpoint], data: Path | None) -> None:
    """Write heads and texts of runs."""
    models = [checkpoint.build_model().eval() for checkpoint in checkpoints]
    recipe = checkpoints[0].state.recipe
    (clips, *_) = open_training_sets(recipe, DatasetCatalog(data, recipe.folders))
    heads = merge_heads([heads_of(model) for model in models], outputs_of(models, clips))
    write_trained_heads(ASSETS / "small_learnt.npz", heads)
    details = [export_details(checkpoint) for checkpoint in checkpoints]
    seeds = "; ".join(each.training for each in details)
    facts = {
        "description": recipe.description,
        "training": seeds if len(details) == 1 else f"mean of {len(details)} seeds, turned alike: {seeds}",
        "confidence": CONFIDENCE,
        "trained_in_lines": TRAINED_IN_LINES,
        "caption_map": CAPTION_MAP,
        "licences": [licence.model_dump() for licence in details[0].licences],
        "measured": [],
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (ASSETS / "small.json").write_text(text, encoding="utf-8")
    size = (ASSETS / "small_learnt.npz").stat().st_size
    print(f"{size / 1e6:.2f} MB of arrays; now run: python benchmarks/demo_recall.py --write-card")


def heads_of(model: TwoTowers) -> TrainedHeads:
    """What a model adds to the parts of the default bundle."""
    heads = trained_heads(model)
    if heads is None or model.video is None or model.video.spec.features != shipped().features:
        raise UsageError("a run does not stand on the parts of the default bundle")
    return heads


def outputs_of(models: Sequence[TwoTowers], clips: TrainingSet) -> list[NDArray[np.float32]]:
    """What each model makes of training clips and their first captions."""
    rows = [row for row in map(int, clips.table.rows(clips.split)) if clips.usable(row)][:CLIPS]
    frames, mask = padded([clips.frames(row, at_most=32) for row in rows])
    texts = [next(iter(clips.texts(row).values()))[0] for row in rows]
    with torch.inference_mode():
        # Frozen in all of them, so that one speaks for all.
        features = torch.from_numpy(np.asarray(models[0].text.encode_frozen(texts)))
        return [
            torch.cat(
                [model.encode_text(TextInputs(features=features)), model.encode_video(frames, mask)]
            ).numpy()
            for model in models
        ]


if __name__ == "__main__":
    main()
