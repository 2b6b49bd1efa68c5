"""What a bundle's text side is made into once, so that the next process answers its first query sooner.

ONNX Runtime optimises a graph, and copies its weights, at every start; a graph that was optimised before,
with its weights in a file that is mapped, opens in a quarter of the time and of the memory. The tokenizer
is kept as ``compact_tokenizer`` reads it. All of it lies in a hidden folder of the bundle, under the
digests of what it was made from and the version of ONNX Runtime; it can be deleted at will.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.encoders.card import BundleCard
from polyreel.encoders.compact_tokenizer import CompactTokenizer, write_compact
from polyreel.files import read_regular, scratch_folder
from polyreel.packages.members import sha256_of

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["FastStart", "find_fast_start", "make_fast_start", "starts_at_once"]

_LAYOUT = 1
_FOLDER = ".fast-"
_GRAPH, _WEIGHTS, _DIGESTS = "text.onnx", "text.weights", "digests.json"
# Smaller models start at once anyway.
_LEAST_BYTES = 10_000_000

Options = Callable[[], "ort.SessionOptions"]


@dataclass(frozen=True, slots=True)
class FastStart:
    """Parts that were checked against the digests that were noted when they were made."""

    folder: Path

    def open_text(self, options: ort.SessionOptions) -> ort.InferenceSession:
        """The optimised text encoder; ``options`` are changed so that nothing is optimised again."""
        import onnxruntime as ort

        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(str(self.folder / _GRAPH), options, providers=["CPUExecutionProvider"])

    def tokenizer(self) -> CompactTokenizer | None:
        """The compact tokenizer, None where the bundle's is of another kind."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return CompactTokenizer(self.folder)
        return None


def starts_at_once(folder: Path) -> bool:
    """Whether the text side of the bundle in ``folder`` is so small that nothing needs to be kept for it."""
    parts = (path for path in folder.glob("text.onnx*") if path.is_file())
    return sum(path.stat().st_size for path in parts) < _LEAST_BYTES


def find_fast_start(folder: Path, card: BundleCard) -> FastStart | None:
    """What was made for a bundle, if it is there and whole.

    Args:
        folder: the bundle's folder.
        card: its card.
    """
    home = _home(folder, card)
    try:
        digests = json.loads(read_regular(home / _DIGESTS))
        whole = all(sha256_of(home / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return None
    return FastStart(home) if whole and _GRAPH in digests else None


def make_fast_start(folder: Path, card: BundleCard, options: Options) -> FastStart | None:
    """Make it, from parts that were checked; None where it would gain nothing or cannot be written.

    Args:
        folder: the bundle's folder.
        card: its card.
        options: gives those of a session on this machine.
    """
    # A full or read-only disk, a graph that ONNX Runtime cannot save: the bundle starts as before.
    with contextlib.suppress(Exception):
        if starts_at_once(folder):
            return None
        with scratch_folder(folder) as made:
            _optimise(folder / "text.onnx", made, options())
            write_compact(folder / "tokenizer.json", made)
            digests = {path.name: sha256_of(path) for path in sorted(made.iterdir())}
            (made / _DIGESTS).write_text(json.dumps(digests, indent=1), encoding="utf-8")
            for outdated in folder.glob(f"{_FOLDER}*"):
                shutil.rmtree(outdated, ignore_errors=True)
            made.replace(_home(folder, card))  # fails, as it should, if another process was first
    return find_fast_start(folder, card)


def _optimise(graph: Path, made: Path, options: ort.SessionOptions) -> None:
    import onnxruntime as ort

    # Above this level a graph is laid out for the processor that it is made on.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(made / _GRAPH)
    # Without a name of their own the weights stay where they were, and a later graph would mix with them.
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
    options.add_session_config_entry(
        "session.optimized_model_external_initializers_min_size_in_bytes", "1024"
    )
    ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def _home(folder: Path, card: BundleCard) -> Path:
    import onnxruntime as ort

    key = json.dumps([_LAYOUT, ort.__version__, sorted(card.text_parts.items())])
    return folder / f"{_FOLDER}{hashlib.sha256(key.encode()).hexdigest()[:16]}"
