"""Corpora of random features and captions that go together, and recipes that train on them in a second."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import tiny_encoders
from polyreel.clips import Caption, Clip
from polyreel.datasets.records import Record
from polyreel.datasets.store.feature_writer import write_features
from polyreel.datasets.store.table import open_table
from polyreel.datasets.store.table_writer import write_table
from polyreel.training.recipe import Recipe

DIM = 6
FEATURES = "toy"
LANGUAGES = ("en", "de", "sw")
SPLITS = {"train": 48, "dev": 16, "test": 8}
TEXTS = 30


@dataclass(frozen=True)
class World:
    """Where everything is."""

    home: Path

    def recipe(self, **changes: Any) -> Recipe:
        """``document`` as a recipe."""
        return Recipe.model_validate(self.document(**changes))

    def document(self, **changes: Any) -> dict[str, Any]:
        """Every objective, transformer pooling on both sides, one trained layer of a tiny BERT."""
        pooler = {"layers": 1, "heads": 2, "width": 16}
        whole = {
            "run": "toy",
            "seed": 3,
            "languages": list(LANGUAGES),
            "data": [
                {"corpus": "films", "features": [FEATURES]},
                {"corpus": "texts", "languages": ["en", "de"]},
            ],
            "model": {
                "text": {
                    "encoder": str(self.home / "bert"),
                    "frozen_below": tiny_encoders.LAYERS,
                    "pooling": "transformer",
                    "pooler": pooler,
                },
                "video": {"features": DIM, "pooling": "transformer", "pooler": pooler},
                "dim": 8,
                "learn_temperature": True,
            },
            "objectives": [
                {"name": "inter_modal"},
                {"name": "intra_modal", "weight": 0.3},
                {"name": "conditional_cross_lingual", "weight": 0.5, "conditioner": pooler},
                {"name": "distillation", "weight": 0.2},
                {"name": "text_contrastive", "weight": 0.5},
            ],
            "batch": {"batch_size": 12},
            "optimiser": {"lr": 0.003, "steps": 10, "warmup_steps": 2},
            "device": "cpu",
        }
        return whole | changes

    def write(self, path: Path, **changes: Any) -> Path:
        """``document`` as a YAML file."""
        path.write_text(yaml.safe_dump(self.document(**changes), sort_keys=False), encoding="utf-8")
        return path


VALIDATION = {
    "tables": [{"corpus": "films", "split": "dev", "features": [FEATURES]}],
    "every_steps": 4,
}


def make_world(home: Path) -> World:
    """Write the corpora and lexicons; the encoder is there already."""
    rng = np.random.default_rng(0)
    write_table(home / "films", _films(rng), name="films")
    table = open_table(home / "films")
    means = rng.normal(size=(len(tiny_encoders.WORDS), DIM))
    rows = []
    for index in range(len(table)):
        words = table.captions(index)[0].text.split()
        mean = means[[tiny_encoders.WORDS.index(word) for word in words]].mean(axis=0)
        rows.append((table.clip(index).clip_id, mean + rng.normal(0, 0.1, (1 + index % 5, DIM))))
    write_features(home / "films", FEATURES, rows, dim=DIM, rate_hz=1.0)
    write_table(home / "texts", _texts(rng), name="texts")
    (home / "lexicons").mkdir()
    (home / "lexicons" / "en-de.tsv").write_text("dog\thund\t3\nruns\tläuft\t2\n", encoding="utf-8")
    return World(home)


def _films(rng: np.random.Generator) -> list[Record]:
    records = []
    for split, count in SPLITS.items():
        for number in range(count):
            clip = Clip(f"{split}-{number:02d}", 0.0, 10.0)
            # Every sixth film lacks Swahili; every eighth has a second English caption.
            tags = [*LANGUAGES[: 3 if number % 6 else 2], *(["en"] if number % 8 == 0 else [])]
            captions = tuple(Caption(sentence(rng), tag, 0.0, 10.0, "created") for tag in tags)
            records.append(Record(clip, captions, split, None, f"pair-{number // 2}" if number < 4 else ""))
    return records


def _texts(rng: np.random.Generator) -> list[Record]:
    return [
        Record(
            Clip(f"text-{number:02d}", 0.0, 0.0),
            tuple(Caption(sentence(rng), tag, 0.0, 0.0, "created") for tag in ("en", "de")),
        )
        for number in range(TEXTS)
    ]


def sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(tiny_encoders.WORDS, int(rng.integers(3, 8))))


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens at."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in taken]
    for server in taken:
        server.close()
    return ports


def together(script: Path, *arguments: object) -> list[subprocess.CompletedProcess[str]]:
    """Run a script in two processes of one group; what became of each."""
    started = [
        subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                # Tests first, then what this process found polyreel in.
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
                "MASTER_ADDR": "127.0.0.1",
                "WORLD_SIZE": "2",
                "RANK": str(rank),
                "OMP_NUM_THREADS": "1",
            },
        )
        for rank in range(2)
    ]
    done = []
    for process in started:
        stdout, stderr = process.communicate(timeout=240)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr))
    return done
