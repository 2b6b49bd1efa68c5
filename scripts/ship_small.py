"""``python scripts/ship_small.py runs/small``: make a run's best checkpoint the default bundle that ships.

Writes the trained heads, in float16, and the texts of the card into ``encoders/build/assets``, and what the
built bundles are made of, which their folders are named by (``--made-of``: only that). Figures are added by
``python benchmarks/demo_recall.py --write-card``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polyreel.encoders.build
from polyreel.encoders.build.bundle_spec import shipped, training_free
from polyreel.encoders.build.small import made_of
from polyreel.encoders.build.trained_heads import write_trained_heads
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.exporting import export_details, trained_heads

ASSETS = Path(polyreel.encoders.build.__file__).parent / "assets"
# Chosen on MSR-VTT dev by benchmarks/confidence.py.
CONFIDENCE = {"clip": 0.20, "subtitle": 0.30}


def main() -> int:
    """Write the files."""
    if sys.argv[1:] != ["--made-of"] and not ship(Path(sys.argv[1])):
        print("this run does not stand on the parts of the default bundle", file=sys.stderr)
        return 1
    digests = {spec.name: made_of(spec) for spec in (shipped(), training_free())}
    (ASSETS / "made_of.json").write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    return 0


def ship(run: Path) -> bool:
    """Write heads and texts of a run, if they fit."""
    checkpoint = load_checkpoint(run)
    model = checkpoint.build_model()
    heads = trained_heads(model)
    if heads is None or model.video is None or model.video.spec.features != shipped().features:
        return False
    details = export_details(checkpoint)
    write_trained_heads(ASSETS / "small_learnt.npz", heads)
    facts = {
        "description": checkpoint.state.recipe.description,
        "training": details.training,
        "confidence": CONFIDENCE,
        "licences": [licence.model_dump() for licence in details.licences],
        "measured": [],
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (ASSETS / "small.json").write_text(text, encoding="utf-8")
    size = (ASSETS / "small_learnt.npz").stat().st_size
    print(f"{size / 1e6:.2f} MB of arrays; now run: python benchmarks/demo_recall.py --write-card")
    return True


if __name__ == "__main__":
    sys.exit(main())
