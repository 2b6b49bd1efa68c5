"""Studies of the toy world that train all their arms in seconds, on files that they make themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

import tiny_encoders
import toys
from polyreel.languages import STUDY_LANGUAGES

MMP = Path(__file__).parents[1] / "studies" / "mmp"
LABELS = ("entailment", "neutral", "contradiction")


def make_study_world(home: Path) -> toys.World:
    """Films with features, texts, lexicons, an encoder, and the two benchmarks of texts."""
    tiny_encoders.save_bert(home / "bert")
    world = toys.make_world(home)
    (home / "lexicons" / "en-sw.tsv").write_text("dog\tmbwa\t3\ncat\tpaka\t2\n", encoding="utf-8")
    rng = np.random.default_rng(1)
    _write_xnli(home / "xnli", rng)
    (home / "ntrex").mkdir()
    for tag in STUDY_LANGUAGES:
        lines = [toys.sentence(rng) for _ in range(12)]
        (home / "ntrex" / f"ntrex.dev.{tag}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return world


def document(world: toys.World, **changes: Any) -> dict[str, Any]:
    """A study of every arm of ``studies/mmp`` on toy films, or with ``changes``."""
    whole: dict[str, Any] = {
        "study": "toy",
        "seeds": [0, 1],
        "languages": ["en", "de", "sw"],
        "encoders": {"bert": {"encoder": str(world.home / "bert"), "head": "linear"}},
        "design": yaml.safe_load((MMP / "arms.yaml").read_text(encoding="utf-8")),
        **yaml.safe_load((MMP / "claims.yaml").read_text(encoding="utf-8")),
        "variants": {"p": [0, 0.5], "leave_out": ["sw"], "modes": ["multilingual"]},
        "video": [{"corpus": "films", "features": toys.FEATURES}],
        "text": [{"corpus": "texts"}],
        "training": {
            "model": {"video": {"features": toys.DIM, "pooling": "mean"}, "dim": 8},
            "objectives": [
                {"name": "inter_modal"},
                {"name": "text_contrastive", "weight": 0.5},
                {"name": "intra_modal", "weight": 0.2},
            ],
            "code_switching": {"p": 0.5, "mode": "bilingual"},
            "batch": {"items": 12},
            "optimiser": {"lr": 0.01, "steps": 6},
            "save_every_steps": 2,
            "device": "cpu",
        },
        "measure": {
            "retrieval": [{"name": "films-dev", "corpus": "films", "features": toys.FEATURES}],
            "xnli": {"premises": 6},
            "bitext": {"sentences": 10},
        },
        "resamples": 200,
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
