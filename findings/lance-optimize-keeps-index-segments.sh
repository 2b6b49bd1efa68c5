#!/usr/bin/env bash
# What:      an index of vectors that was committed in segments (as a cluster builds it: one per group of fragments) is made one by
#            "optimize_indices()", or by "Table.optimize()" of lancedb, only while its partitions hold some thousand rows at most. With
#            half as many partitions over the very same rows nothing happens, without an error or a word, however often it is called.
# Seen in:   pylance 14.0.2, lancedb 0.40.0, numpy 2.4.6, pyarrow 26.0.1, Python 3.11, Linux: 24,000 vectors of 64 numbers in 8 fragments
#            and 8 segments of IVF_FLAT. With 32 partitions (750 rows each) one segment is left, with 16 (1,500 each) all 8 stay.
#            "optimize_indices(num_indices_to_merge=8)" makes one of them in both.
# Guessed:   that the call which "optimizes index performance" leaves one index; or none of them, whatever its size. In a test with
#            a small table it does, and in production, where partitions hold thousands of rows, it does not.
# Hurts:     every search, which asks each segment: twice the CPU with 16 segments over 300,000 rows (docs/scale.md).
# So:        polyreel names the number of segments to be merged, once they are committed (polyreel.library.index.vector_index_on_ray).
# Runs:      bash findings/lance-optimize-keeps-index-segments.sh; exit code 0 while the behaviour is as described.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "pylance==14.0.2" "lancedb==0.40.0" "numpy==2.4.6" "pyarrow==26.0.1"
cat >"$work/segments.py" <<'PYTHON'
import sys
import tempfile

import lance
import lancedb
import numpy as np
import pyarrow as pa
from lance.indices import IndicesBuilder

ROWS, DIM, FRAGMENTS = 24_000, 64, 8


def segments(place):
    return lance.dataset(place).stats.index_stats("by_vector")["num_indices"]


def left(partitions):
    """Segments as they were committed, after each of two calls that promise less work for searches, and after a merge."""
    vectors = np.random.default_rng(0).standard_normal((ROWS, DIM)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    home = tempfile.mkdtemp(dir=sys.argv[1])
    place = f"{home}/table.lance"
    dataset = lance.write_dataset(pa.table({"vector": column}), place, max_rows_per_file=ROWS // FRAGMENTS)
    centroids = IndicesBuilder(dataset, "vector").train_ivf(partitions, distance_type="cosine").centroids
    made = [
        dataset.create_index_uncommitted(
            column="vector",
            index_type="IVF_FLAT",
            name="by_vector",
            metric="cosine",
            num_partitions=partitions,
            ivf_centroids=centroids,
            fragment_ids=[fragment.fragment_id],
        )
        for fragment in dataset.get_fragments()
    ]
    dataset.commit_existing_index_segments("by_vector", "vector", made)
    counts = [segments(place)]
    lance.dataset(place).optimize.optimize_indices()
    counts.append(segments(place))
    lancedb.connect(home).open_table("table").optimize()
    counts.append(segments(place))
    lance.dataset(place).optimize.optimize_indices(num_indices_to_merge=FRAGMENTS)
    return [*counts, segments(place)]


for partitions in (32, 16):
    print(partitions, *left(partitions))
PYTHON
said=$("$work/venv/bin/python" "$work/segments.py" "$work" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
printf 'partitions, segments: committed, after optimize_indices(), after Table.optimize(), after a merge of 8\n%s\n' "$said"
if [[ "$said" != $'32 8 1 1 1\n16 8 8 8 1' ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
