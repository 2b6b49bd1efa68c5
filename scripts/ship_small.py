"""``python scripts/ship_small.py runs/small``: make a run's best checkpoint the default bundle that ships.

Writes the trained heads, in float16, and the texts of the card into ``encoders/build/assets``. Figures are
added by ``python benchmarks/demo_recall.py --write-card``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polyreel.encoders.build
from polyreel.encoders.build.trained_heads import write_trained_heads
from polyreel.training.checkpoints import load_checkpoint
from polyreel.training.exporting import export_details, trained_heads

ASSETS = Path(polyreel.encoders.build.__file__).parent / "assets"
# Chosen on MSR-VTT dev by benchmarks/confidence.py.
CONFIDENCE = {"clip": 0.20, "subtitle": 0.30}


def main() -> int:
    """Write the two files."""
    checkpoint = load_checkpoint(Path(sys.argv[1]))
    heads = trained_heads(checkpoint.build_model())
    if heads is None:
        print("this run does not stand on the parts of the default bundle", file=sys.stderr)
        return 1
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
