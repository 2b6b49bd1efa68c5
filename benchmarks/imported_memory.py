"""The text side of an imported bundle of SigLIP 2 base's size, random weights, int8: files and memory.

What is promised: 450 MB resident while searching, and a table of 256,000 words in 120 MB. The search runs in
a process of its own, through a bundle with a tokenizer of as many pieces. It takes two minutes and 5 GB.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from common import SKIPPED, Report, options

WIDTH, TOKENS = 768, 64


def main() -> int:
    """Export, quantise, and search in a process of its own."""
    arguments = options(__doc__).parse_args()
    try:
        import torch
    except ImportError:
        print("needs polyreel[import]", file=sys.stderr)
        return SKIPPED
    from polyreel.encoders.footprint import resident_while_searching
    from polyreel.encoders.importing.precision import reduce_precision

    words, layers = (20_000, 2) if arguments.quick else (256_000, 12)
    torch.manual_seed(arguments.seed)
    report = Report(
        "imported_memory", arguments, packages=("torch", "transformers", "onnxruntime", "tokenizers")
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "text.onnx"
        export(path, words=words, layers=layers)
        whole = total(folder)
        reduce_precision(path, "int8")
        small, table = total(folder), table_bytes(path)
        tokenizer(words, arguments.seed).save(str(folder / "tokenizer.json"))
        write_card(folder)
        resident = resident_while_searching(folder)
    rows: list[list[Any]] = [
        ["text side on disk, fp32", whole / 1e6],
        ["text side on disk, int8", small / 1e6],
        ["its table of words", table / 1e6],
        ["resident while searching", float("nan") if resident is None else resident / 1e6],
    ]
    report.table(f"{words:,} words, {layers} layers", ["what", "MB"], rows)
    report.target("MB of the table", table / 1e6, "<=", 120)
    report.target("MB resident while searching", rows[-1][1], "<=", 450)
    return report.close()


def export(path: Path, *, words: int, layers: int) -> None:
    """The text tower of SigLIP with random weights: (texts, 64) ids -> (texts, 768)."""
    import torch
    from transformers import SiglipTextConfig, SiglipTextModel

    config = SiglipTextConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=12,
        max_position_embeddings=TOKENS,
        projection_size=WIDTH,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )

    class Text(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = SiglipTextModel(config)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=ids).pooler_output

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing
        torch.onnx.export(
            Text().eval(),
            (torch.zeros((2, TOKENS), dtype=torch.int64),),
            str(path),
            input_names=["ids"],
            output_names=["embeddings"],
            dynamic_axes={"ids": {0: "rows"}, "embeddings": {0: "rows"}},
            opset_version=20,
            dynamo=False,
        )


def table_bytes(path: Path) -> int:
    """Bytes of what tables of words are made of: their weights and a scale for each block."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    parts = {part.name: part for part in model.graph.initializer}
    tables = {name for node in model.graph.node if "Gather" in node.op_type for name in node.input}
    in_bits = {onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4, onnx.TensorProto.UINT8: 8}
    bits = (
        int(np.prod(parts[name].dims)) * in_bits.get(parts[name].data_type, 32)
        for name in tables & parts.keys()
    )
    return sum(bits) // 8


def tokenizer(words: int, seed: int) -> Any:
    """As many pieces as Gemma's tokenizer has, each joined from two shorter ones."""
    from tokenizers import Tokenizer, models, normalizers, processors

    random = np.random.default_rng(seed)
    pieces = [
        "<pad>",
        "<eos>",
        "<bos>",
        "<unk>",
        "▁",
        *map(chr, range(97, 123)),
        *map(chr, range(0x4E00, 0x5200)),
    ]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    merges: list[tuple[str, str]] = []
    while len(pieces) < words:
        left, right = (pieces[place] for place in random.integers(4, len(pieces), 2))
        if len(left + right) <= 12 and left + right not in vocabulary:
            vocabulary[left + right] = len(pieces)
            pieces.append(left + right)
            merges.append((left, right))
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return made


def write_card(folder: Path) -> None:
    """The card of a bundle whose picture side is not there: a search does not open it."""
    from polyreel.encoders.card import (
        CARD_FILE,
        BundleCard,
        Confidence,
        FrameInput,
        Licence,
        TextInput,
        identity_of,
    )
    from polyreel.packages.members import sha256_of

    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    card = BundleCard(
        name="random",
        identity=identity_of(files),
        description="SigLIP 2 base's size with random weights.",
        dim=WIDTH,
        text=TextInput(
            cleaning="lower", template="$A <eos>", max_tokens=TOKENS, pad_id=0, pad_to=TOKENS, masked=False
        ),
        frames=FrameInput(width_px=256, height_px=256, fps=1, dim=WIDTH),
        pooling="mean",
        confidence=Confidence(clip=0.0, subtitle=0.0),
        licences=(Licence(part="everything", licence="Apache-2.0", source="this file"),),
        training="none",
        files=files,
    )
    (folder / CARD_FILE).write_text(card.model_dump_json(), encoding="utf-8")


def total(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
