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
from polyreel.errors import UsageError

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
    _require_two(old, new)
    bundles = load_bundle(old), load_bundle(new)
    if bundles[0].card.identity == bundles[1].card.identity:
        raise _one_bundle(old, new)
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


def _require_two(old: str, new: str) -> None:
    """Refuse what is seen to be one bundle, or none, before anything is fetched or built."""
    from polyreel.encoders.registry import known_card

    cards = known_card(old), known_card(new)
    same = cards[0] is not None and cards[1] is not None and cards[0].identity == cards[1].identity
    if old == new or same:
        raise _one_bundle(old, new)


def _one_bundle(old: str, new: str) -> UsageError:
    return UsageError(
        "name two bundles: a bundle is not compared with itself",
        item=new if old == new else f"{new} and {old}",
        remedy="'polyreel bundles list' shows those that are here",
    )
