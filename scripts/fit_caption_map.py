"""``python scripts/fit_caption_map.py --data DIR``: fit the caption map of the default bundle.

On the clips of MSR-VTT's training part that recipes/small.yaml trains on (none shares a source with dev or
test), with its English and Italian captions: the mean of a clip's captions in each language, and of the two
languages. Writes ``small_captions.npz`` into ``encoders/build/assets``; scripts/ship_small.py says whether it
is used.
Texts are encoded once and kept where runs keep theirs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import polyreel.encoders.build
from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.encoders.build.caption_map import fit_caption_map, write_caption_map
from polyreel.encoders.build.parts import read_language_neutral_projection
from polyreel.encoders.registry import locate_bundle
from polyreel.models.towers import build_model
from polyreel.packages.members import cache_dir
from polyreel.training.assembly import open_training_sets
from polyreel.training.recipe import read_training_recipe
from polyreel.training.text_memo import TextMemo

ROOT = Path(__file__).parents[1]
ASSET = Path(polyreel.encoders.build.__file__).parent / "assets" / "small_captions.npz"
# Chosen on MSR-VTT dev: 1 to 10, and 64, 128 or all directions, are the same within 0.01 bits of log2 rank.
RIDGE, RANK, POWER, WEIGHT = 3.0, 128, 0.5, 1.0


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12), np.float32)


def main() -> None:
    """Write the map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that corpora are relative to")
    arguments = parser.parse_args()
    recipe = read_training_recipe(ROOT / "recipes" / "small.yaml")
    clips = open_training_sets(recipe, DatasetCatalog(arguments.data, recipe.folders))[0]
    rows = [row for row in map(int, clips.table.rows(clips.split)) if clips.usable(row)]
    model = build_model(recipe.model)
    path = cache_dir() / "text-features" / f"{model.text.frozen_identity[:16]}.sqlite"
    memo = TextMemo(path, model.text.encode_frozen, dim=model.text.width)
    memo.of([text for row in rows for texts in clips.texts(row).values() for text in texts])
    space = read_language_neutral_projection(locate_bundle())

    def said(row: int) -> NDArray[np.float32]:
        """Where the captions of a clip lie."""
        of_language = [unit(space.free(memo.of(texts))).mean(axis=0) for texts in clips.texts(row).values()]
        return np.asarray(np.mean(of_language, axis=0))

    sentences = np.stack([said(row) for row in rows])
    features = np.stack([clips.frames(row, at_most=32).mean(axis=0) for row in rows])
    found = fit_caption_map(features, sentences, ridge=RIDGE, rank=RANK, power=POWER, weight=WEIGHT)
    write_caption_map(ASSET, found)
    print(f"{len(rows):,} clips; {ASSET.name}: {ASSET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
