"""``polyreel bundles compare``: is another bundle better here, before a library is moved to it?"""

from __future__ import annotations

from polyreel.cli.bundle_measuring import (
    BundleFacts,
    Measuring,
    compared,
    comparison_document,
    print_comparison,
)
from polyreel.cli.options import AskedPath, Json, Seed, load_bundle
from polyreel.cli.output import print_json, show_progress

__all__ = ["compare"]


def compare(
    new: str,
    old: str = "small",
    /,
    *,
    benchmark: str = "demo",
    data: AskedPath | None = None,
    languages: str | None = None,
    seed: Seed = 0,
    json: Json = False,
) -> int:
    """Measure two bundles on the same queries: R@1 by language with paired intervals, and costs.

    Example: polyreel bundles compare siglip2 small

    Args:
        new: Name or folder of the one that might be better.
        old: Name or folder of the one to hold it against.
        benchmark: As 'polyreel eval' lists them.
        data: Folder of the benchmark's data.
        languages: Query languages, as en,de,sw; all by default.
        seed: Of the resampling.
    """
    bundles = load_bundle(old), load_bundle(new)
    with show_progress() as show:
        chosen = languages.split(",") if languages else None
        measuring = Measuring(benchmark, data=data, languages=chosen, seed=seed, show=show)
        found = compared(measuring, *bundles)
    facts = [BundleFacts.of(bundle) for bundle in bundles]
    if json:
        print_json(comparison_document(benchmark, found, facts))
    else:
        print_comparison(benchmark, found, facts)
    return 0
