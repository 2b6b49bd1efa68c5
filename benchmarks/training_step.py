"""``python benchmarks/training_step.py``: a training step with cached gradients, in time and in memory.

The peer is sentence-transformers' ``CachedMultipleNegativesRankingLoss``: the same encoder (4 layers, 256
wide, random weights, in the format of Hugging Face), the same pairs of captions (Multi30K, English and
German), the same loss in both directions, the same chunk, AdamW on both sides; the word embeddings are
frozen. That both compute the same loss is checked. It is not a dependency of polyreel: install
``sentence-transformers`` beside it, or only memory is measured.

Memory is the peak, during a step of one size, of a process of its own (Linux). The allocator of glibc is told
to give large blocks back when they are freed: left alone it keeps ever larger ones, and what is measured is
its habits as much as what a step holds.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is to be had, and nothing to be asked for

import torch

from common import Report, alternate, median_cpu_s, median_wall_s, options, paired_ratio, run
from polyreel.encoders.build.parts import load_e5, text_tokenizer
from polyreel.memory import peak_memory_bytes
from polyreel.training.assembly import build_engine
from polyreel.training.batches import Batch
from polyreel.training.distributed import Group
from polyreel.training.recipe import Recipe
from polyreel.training.sampling import Position
from polyreel.training.step import train_step
from research_data import data_folder

PEER = "sentence_transformers"
CHUNK = 32
TEMPERATURE = 0.05
SIZES = (256, 1024, 4096)
WIDTH, LAYERS = 256, 4


def main() -> int:
    """Measure time in this process and memory in others."""
    parser = options(__doc__)
    parser.add_argument("--memory-of", metavar="WHO:SIZE:FOLDER", help="take a step, print the peak in bytes")
    arguments = parser.parse_args()
    if arguments.memory_of:
        who, size, folder = arguments.memory_of.split(":", 2)
        return print_peak(who, int(size), Path(folder), arguments.seed)
    report = Report("training step", arguments, ("torch", "transformers", "sentence-transformers"))
    with tempfile.TemporaryDirectory(prefix="polyreel-step-") as scratch:
        encoder = save_encoder(Path(scratch) / "encoder", quick=arguments.quick)
        if importlib.util.find_spec(PEER) is None:
            report.note("sentence-transformers is not installed: no comparison of time.")
        else:
            time_of_a_step(report, encoder)
        peaks(report, encoder)
    return report.close()


def time_of_a_step(report: Report, encoder: Path) -> None:
    """One step of each in turn."""
    size = 32 if report.arguments.quick else SIZES[0]
    pairs = caption_pairs(size)
    parts = {
        "polyreel": ours(encoder, pairs, report.arguments.seed)[1],
        "sentence-transformers": theirs(encoder, pairs)[1],
    }
    losses = {name: part() for name, part in parts.items()}  # warms up, too
    difference = abs(losses["polyreel"] / losses["sentence-transformers"] - 1)
    report.note(
        f"Loss of the first step: {losses['polyreel']:.6f} and {losses['sentence-transformers']:.6f}."
    )
    costs = alternate(parts, 2 if report.arguments.quick else 5)
    peer = costs["sentence-transformers"]
    rows = [
        [
            name,
            median_wall_s(cost),
            median_cpu_s(cost),
            f"{paired_ratio(cost, peer, wall=True):.2f}",
            f"{paired_ratio(cost, peer):.2f}",
        ]
        for name, cost in costs.items()
    ]
    title = f"A step of {size} pairs, chunks of {CHUNK}"
    report.table(title, ["", "wall s", "CPU s", "wall by theirs", "CPU by theirs"], rows)
    report.target("difference of the two losses", difference, "<=", 1e-4)
    report.target(
        "wall time of a step by sentence-transformers'",
        paired_ratio(costs["polyreel"], peer, wall=True),
        "<=",
        0.9,
    )


_GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000"}


def peaks(report: Report, encoder: Path) -> None:
    """Peak memory by batch size."""
    sizes = (32, 64) if report.arguments.quick else SIZES
    names = ["polyreel", *(["sentence-transformers"] if importlib.util.find_spec(PEER) else [])]
    found = {
        name: [
            int(
                run(
                    [
                        sys.executable,
                        __file__,
                        "--memory-of",
                        f"{name}:{size}:{encoder}",
                        "--seed",
                        str(report.arguments.seed),
                    ],
                    **_GIVES_BACK,
                )
            )
            for size in sizes
        ]
        for name in names
    }
    rows = [
        [name, *(f"{peak / 1e6:,.0f} MB" for peak in peak_of), peak_of[-1] / peak_of[0]]
        for name, peak_of in found.items()
    ]
    columns = ["", *(f"{size:,} pairs" for size in sizes), "last by first"]
    report.table("Peak memory of a process", columns, rows)
    ours_by_size = found["polyreel"]
    report.target(
        f"peak memory at {sizes[-1]:,} pairs by that at {sizes[0]:,}",
        ours_by_size[-1] / ours_by_size[0],
        "<=",
        1.1,
    )


def print_peak(who: str, size: int, encoder: Path, seed: int) -> int:
    """A step of one size, alone in a process."""
    pairs = caption_pairs(size)
    model, step = ours(encoder, pairs, seed) if who == "polyreel" else theirs(encoder, pairs)
    # Weights are mapped from their file, and how much of the word table is there would depend on the words of
    # the batch; in a run it is all of it before long.
    for weights in model.parameters():
        weights.detach().sum()
    # Loading took more; getrusage would even tell of the process that started this one.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    step()
    print(peak_memory_bytes())
    return 0


def ours(
    encoder: Path, pairs: list[tuple[str, str]], seed: int
) -> tuple[torch.nn.Module, Callable[[], float]]:
    """polyreel's model, and its step."""
    recipe = Recipe.model_validate(
        {
            "run": "step",
            "seed": seed,
            "languages": ["en", "de"],
            "data": [{"corpus": "pairs"}],
            "model": {
                "text": {"encoder": str(encoder), "frozen_below": 1, "head": "none", "prefix": ""},
                "video": None,
                "dim": json.loads((encoder / "config.json").read_text(encoding="utf-8"))["hidden_size"],
                "temperature": TEMPERATURE,
            },
            "objectives": [{"name": "text_contrastive"}],
            "batch": {"batch_size": len(pairs), "micro_batch": CHUNK},
            "optimiser": {"lr": 1e-5, "steps": 1000, "decay": "constant", "clip_norm": None},
            "device": "cpu",
        }
    )
    engine = build_engine(recipe, [], total_steps=1000, device=torch.device("cpu"), group=Group())
    batch = batch_of(pairs)
    return engine.model, lambda: train_step(engine, batch, 0).loss


def batch_of(pairs: list[tuple[str, str]]) -> Batch:
    """Items without video, each with its two captions."""
    items = torch.arange(len(pairs))
    return Batch(
        items=tuple(map(str, range(len(pairs)))),
        concept=items,
        frames=None,
        frame_mask=None,
        has_video=torch.zeros(len(pairs), dtype=torch.bool),
        texts=tuple(text for pair in pairs for text in pair),
        parts=tuple(((tag, text),) for pair in pairs for tag, text in zip(("en", "de"), pair, strict=True)),
        owner=items.repeat_interleave(2),
        language=torch.arange(2).repeat(len(pairs)),
        item_key=items,
        text_key=torch.arange(2 * len(pairs)),
        switched=(),
        first=0,
        position=Position.start(1),
    )


def theirs(encoder: Path, pairs: list[tuple[str, str]]) -> tuple[torch.nn.Module, Callable[[], float]]:
    """The model of sentence-transformers, and the same step as its trainer takes it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(str(encoder))
    model = SentenceTransformer(modules=[body, Pooling(body.get_embedding_dimension(), "mean")], device="cpu")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".embeddings." not in name)
    loss = CachedMultipleNegativesRankingLoss(
        model,
        scale=1 / TEMPERATURE,
        mini_batch_size=CHUNK,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5)
    model.train()

    def step() -> float:
        features = [model.preprocess([pair[side] for pair in pairs]) for side in (0, 1)]
        optimiser.zero_grad(set_to_none=True)
        value = loss(features, None)
        value.backward()
        optimiser.step()
        return float(value.detach())

    return model, step


def save_encoder(folder: Path, *, quick: bool) -> Path:
    """A random BERT without dropout, with the default encoder's tokenizer."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = load_e5().vocabulary
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=text_tokenizer(vocabulary),
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=128,
    )
    width, layers = (64, 2) if quick else (WIDTH, LAYERS)
    config = BertConfig(
        vocab_size=len(vocabulary.pieces),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        pad_token_id=vocabulary.pad_id,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def caption_pairs(count: int) -> list[tuple[str, str]]:
    """English and German captions of photos, none twice: the peer would take a repeated one as a negative."""
    folder = data_folder("multi30k")
    english, german = (
        gzip.decompress((folder / f"train.{tag}.gz").read_bytes()).decode().splitlines()
        for tag in ("en", "de")
    )
    by_german = {pair[1]: pair for pair in zip(english, german, strict=True)}
    unique = {pair[0]: pair for pair in by_german.values()}
    return list(unique.values())[:count]


if __name__ == "__main__":
    sys.exit(main())
