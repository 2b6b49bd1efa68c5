"""``python benchmarks/query_kinds.py [BUNDLE...]``: kinds of query that a bundle answers, in nine languages.

``data/query_kinds.json`` has forty queries of nine kinds over the demo's clips, each in nine languages and
with the clips that show it. It was written and judged once, by looking at pictures of the clips and before
any ranking was seen; nothing may be chosen on it. Only pictures are searched: a query about text on the
screen is answered by what the image network makes of it, not by reading.

Top-3 share: right videos among the first three, by as many as three places could hold of those there are.
Intervals are over queries, of which a kind has four or five: they are wide.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import Report, cell, options
from demo_recall import fetched_clips, indexed
from polyreel.encoders.registry import DEFAULT_BUNDLE, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES

QUERIES = Path(__file__).parent / "data" / "query_kinds.json"
FIRST = 3


def main() -> int:
    """A table for each bundle."""
    parser = options(__doc__)
    parser.add_argument("bundles", nargs="*", metavar="BUNDLE", help="names or folders")
    arguments = parser.parse_args()
    report = Report("kinds of query", arguments)
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))
    _, files = fetched_clips(pypi_only=arguments.quick)
    there = {path.name[:10] for path in files}
    queries = [each for each in queries if there.issuperset(each["clips"])]
    report.note(f"Gallery: {len(files)} videos. Queries: {len(queries)} in each of nine languages.")
    kinds = np.array([each["kind"] for each in queries])
    parts = {kind: kinds == kind for kind in dict.fromkeys(kinds)} | {"all": np.full(len(kinds), True)}
    for name in arguments.bundles or [DEFAULT_BUNDLE]:
        found = shares(Bundle(locate_bundle(name)), files, queries)
        mean = np.mean(list(found.values()), axis=0)
        rows = [
            [
                kind,
                int(part.sum()),
                cell(mean[part], arguments.seed),
                *(f"{found[tag][part].mean():.0f}" for tag in found),
            ]
            for kind, part in parts.items()
        ]
        report.table(
            f"{name}: share of the top {FIRST} that is right, %",
            ["kind", "queries", "mean [95%]", *found],
            rows,
        )
    return report.close()


def shares(
    bundle: Bundle, files: Sequence[Path], queries: Sequence[Mapping[str, Any]]
) -> dict[str, NDArray[np.float64]]:
    """Language -> share of the top three that is right, in percent, (queries,)."""
    library = indexed(bundle, files)
    found = {}
    for tag in STUDY_LANGUAGES:
        asked = bundle.encode_text([each["query"][tag] for each in queries])
        paths, scores = library.score_videos(asked, pooling="best")
        names = np.array([Path(path).name[:10] for path in paths])
        first = names[np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]]
        found[tag] = np.array(
            [
                100 * len(set(row) & set(each["clips"])) / min(FIRST, len(each["clips"]))
                for row, each in zip(first, queries, strict=True)
            ]
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
