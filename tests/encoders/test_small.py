"""Building the default bundle."""

from __future__ import annotations

import numpy as np
import pytest

from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import FetchError
from polyreel.packages.members import cache_dir


@pytest.mark.slow
def test_a_bundle_that_is_built_again_makes_the_same_embeddings(small_bundle, tmp_path, monkeypatch):
    sources = cache_dir() / "sources"
    (tmp_path / "sources").mkdir()
    for path in sources.iterdir() if sources.is_dir() else ():
        (tmp_path / "sources" / path.name).symlink_to(path)
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    told = []
    try:
        again = Bundle(locate_bundle(step=lambda what, done, total: told.append((done, total))))
    except FetchError as error:
        pytest.skip(f"the sources cannot be had: {error}")
    assert again.card.identity == small_bundle.card.identity
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    again.verify()
    texts = ["a dog", "ein Hund", "一只狗", "mbwa"]
    pictures = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), np.uint8)
    for ours, theirs in (
        (again.encode_text(texts), small_bundle.encode_text(texts)),
        (
            again.encode_video([again.encode_frames(pictures)]),
            small_bundle.encode_video([small_bundle.encode_frames(pictures)]),
        ),
    ):
        assert (ours * theirs).sum(axis=1).min() > 0.999
    assert [path.name for path in (tmp_path / "bundles").iterdir() if path.is_dir()] == [again.folder.name]
