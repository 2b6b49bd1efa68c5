"""Studies of the toy world that train all their arms in seconds, on files that they make themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

import tiny_encoders
import toys

MMP = Path(__file__).parents[1] / "studies" / "mmp"
LABELS = ("entailment", "neutral", "contradiction")


def make_study_world(home: Path) -> toys.World:
    """Films with features, lexicons, an encoder, and X-MNLI."""
    tiny_encoders.save_bert(home / "bert")
    world = toys.make_world(home)
    (home / "lexicons" / "en-sw.tsv").write_text("dog\tmbwa\t3\ncat\tpaka\t2\n", encoding="utf-8")
    _write_xnli(home / "xnli", np.random.default_rng(1))
    return world


def document(**changes: Any) -> dict[str, Any]:
    """A study of some arms of ``studies/mmp`` on toy films, or with ``changes``."""
    whole: dict[str, Any] = {
        "study": "toy",
        "settings": {
            "films-de": {
                "corpus": "films",
                "test": "dev",
                "languages": ["en", "de"],
                "features": toys.FEATURES,
                "xnli": {"premises": 6},
            },
            "films-sw": {
                "corpus": "films",
                "splits": ["train", "dev"],
                "folds": 2,
                "languages": ["en", "sw"],
                "require": ["en"],
                "features": toys.FEATURES,
            },
        },
        "encoders": {
            "U": {
                "text": {"encoder": "hashed-bag", "hashed_bag": {"buckets": 64, "width": 8}, "head": "none"},
                "training": {"model": {"dim": 8}},
            }
        },
        "grids": [
            {
                "encoder": "U",
                "settings": ["films-de", "films-sw"],
                "arms": ["C", "VE", "VC0"],
                "seeds": [0, 1],
            }
        ],
        "tuning": {
            "grid": {"optimiser.lr": [0.01, 0.1], "weights": [0.5, 1.0]},
            "settings": {"U": ["films-de"]},
            "share": 4,
        },
        "training": {
            "model": {"video": {"features": toys.DIM, "pooling": "mean"}},
            "objectives": [{"name": "inter_modal"}],
            "code_switching": {"p": 0.5, "mode": "bilingual"},
            "batch": {"batch_size": 4},
            "optimiser": {"lr": 0.01, "steps": 4},
            "device": "cpu",
        },
        "cost": {"step_s": {"U": 1.0}, "around_s": {"U": 5.0}, "measured": "a guess"},
        "design": yaml.safe_load((MMP / "arms.yaml").read_text(encoding="utf-8")),
    }
    return whole | changes


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def _write_xnli(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir()
    rows = ["language\tgold_label\tsentence1\tsentence2\tpromptID\tpairID\tgenre"]
    for premise in range(8):
        for tag in ("en", "de", "sw"):
            text = toys.sentence(rng)
            for number, label in enumerate(LABELS):
                pair = 3 * premise + number
                rows.append(f"{tag}\t{label}\t{text}\t{toys.sentence(rng)}\t{premise}\t{pair}\tmade")
    (folder / "xnli.dev.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
