"""The text side of an imported bundle of SigLIP 2 base's size, with random weights, as int8.

What is promised: 450 MB resident while searching. Making it takes two minutes and 5 GB of memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from common import SKIPPED, Report, options

TOKENS = 64
QUERY = """
import sys
import numpy, onnxruntime
chosen = onnxruntime.SessionOptions()
chosen.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], chosen, providers=["CPUExecutionProvider"])
for row in range(3):
    session.run(None, {"ids": numpy.random.default_rng(row).integers(5, int(sys.argv[2]), (1, 64))})
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
"""


def main() -> int:
    """Export, quantise, and search in a process of its own."""
    arguments = options(__doc__).parse_args()
    try:
        import torch
        from transformers import SiglipTextConfig, SiglipTextModel
    except ImportError:
        print("needs polyreel[import]", file=sys.stderr)
        return SKIPPED
    from polyreel.encoders.importing.precision import reduce_precision

    words, layers = (20_000, 2) if arguments.quick else (256_000, 12)
    config = SiglipTextConfig(
        vocab_size=words,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=layers,
        num_attention_heads=12,
        max_position_embeddings=TOKENS,
        projection_size=768,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )

    class Text(torch.nn.Module):
        """(texts, 64) ids -> (texts, 768)."""

        def __init__(self) -> None:
            super().__init__()
            self.model = SiglipTextModel(config)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            """The state at the last position, projected."""
            return self.model(input_ids=ids).pooler_output

    torch.manual_seed(arguments.seed)
    report = Report("imported_memory", arguments, packages=("torch", "transformers"))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "text.onnx"
        with torch.inference_mode():
            torch.onnx.export(
                Text().eval(),
                (torch.zeros((2, TOKENS), dtype=torch.int64),),
                str(path),
                input_names=["ids"],
                output_names=["embeddings"],
                dynamic_axes={"ids": {0: "rows"}},
                opset_version=20,
                dynamo=False,
            )
        whole = path.stat().st_size
        reduce_precision(path, "int8")
        small = sum(file.stat().st_size for file in Path(scratch).iterdir())
        done = subprocess.run(
            [sys.executable, "-c", QUERY, str(path), str(words)], capture_output=True, text=True, check=True
        )
    resident = int(done.stdout)
    rows = [["fp32 on disk", whole / 1e6], ["int8 on disk", small / 1e6], ["int8 resident", resident / 1e6]]
    report.table(f"{words:,} words, {layers} layers", ["what", "MB"], rows)
    report.target("MB resident while searching", resident / 1e6, "<=", 450)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
