"""Unrelated queries in nine languages, as a model encodes them: what a match is measured against.

Encoding 1,800 texts costs more than indexing a short video. So a library keeps their vectors, and the user's
cache keeps those of each bundle for all its libraries, under the digests of the parts that make them. What a
library keeps is never taken over into the user's cache: libraries come from other people, too.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from polyreel._version import __version__
from polyreel.encoders.card import identity_of, short_identity
from polyreel.encoders.fast_start import starts_at_once
from polyreel.encoders.protocol import Encoder
from polyreel.encoders.runtime import Bundle
from polyreel.files import open_regular, write_atomically
from polyreel.packages.members import cache_dir

__all__ = [
    "BACKGROUND_QUERIES",
    "Background",
    "background_queries",
    "kept_background",
    "load_background",
]

BACKGROUND_QUERIES = 200
"""How many there are in each language."""

Background = Mapping[str, NDArray[np.float32]]
"""Vectors of the background queries: BCP-47 tag -> (queries, dim)."""

_FILE = "background.json"
_DIGEST_BYTES = hashlib.sha256().digest_size
_NUMBER = np.dtype("<f4")


@functools.cache
def background_queries() -> tuple[dict[str, list[str]], str]:
    """BCP-47 tag -> queries, as many in each language; and the start of the digest of them all."""
    data = (importlib.resources.files("polyreel.library.search") / _FILE).read_bytes()
    return json.loads(data)["queries"], hashlib.sha256(data).hexdigest()[:8]


def load_background(bundle: Encoder, cache_folder: Path) -> Background:
    """The background queries as ``bundle`` encodes them, kept in ``cache_folder`` where that can be written.

    Encoding takes seconds, reading what was kept milliseconds. Those of a bundle are kept for its other
    libraries as well, where the user's cache can be written.
    """
    own = _own_file(bundle, cache_folder)
    found = _read(own, bundle.card.dim)
    if found is None:
        found = _read_shared(bundle)
        if found is None:
            found = {tag: bundle.encode_text(texts) for tag, texts in background_queries()[0].items()}
            # Asked for again: a device that failed meanwhile gave way to the CPU.
            if (shared := _shared_file(bundle)) is not None:
                with contextlib.suppress(OSError):
                    shared.parent.mkdir(parents=True, exist_ok=True)
                _write(shared, found)
        _write(own, found)
    return found


def kept_background(bundle: Encoder, cache_folder: Path) -> Background | None:
    """As ``load_background``, but None where they would have to be encoded."""
    found = _read(_own_file(bundle, cache_folder), bundle.card.dim)
    return _read_shared(bundle) if found is None else found


def _own_file(bundle: Encoder, cache_folder: Path) -> Path:
    identity = short_identity(bundle.card.identity, 16)
    return cache_folder / f"background-{identity}-{background_queries()[1]}.vectors"


def _shared_file(bundle: Encoder) -> Path | None:
    """Where the user's cache keeps them.

    None for encoders of a program, whose identities are as true as their authors make them and may come
    again, and for models so small that they encode everything in a moment.
    """
    if type(bundle) is not Bundle or starts_at_once(bundle.folder):
        return None
    # All that decides the bits: parts and preparation, the device, and how texts are made ready here.
    made_of = {"text": bundle.card.text_key, "device": bundle.device, "polyreel": __version__}
    return cache_dir() / "background" / f"{identity_of(made_of)[:16]}-{background_queries()[1]}.vectors"


def _read_shared(bundle: Encoder) -> Background | None:
    shared = _shared_file(bundle)
    return None if shared is None else _read(shared, bundle.card.dim)


def _write(path: Path, vectors: Background) -> None:
    """Keep them, after the digest of their bytes; where that cannot be written, nothing is kept."""
    data = b"".join(np.ascontiguousarray(each, _NUMBER).tobytes() for each in vectors.values())
    with contextlib.suppress(OSError):
        write_atomically(path, hashlib.sha256(data).digest() + data)


def _read(path: Path, dim: int) -> Background | None:
    """What ``_write`` kept; None if it is not there, damaged or of another width."""
    tags = list(background_queries()[0])
    size = len(tags) * BACKGROUND_QUERIES * dim * _NUMBER.itemsize
    try:
        with open_regular(path) as file:
            digest, data = file.read(_DIGEST_BYTES), file.read(size + 1)
    except OSError:
        return None
    if len(data) != size or hashlib.sha256(data).digest() != digest:
        return None
    vectors = np.frombuffer(data, _NUMBER).reshape(len(tags), BACKGROUND_QUERIES, dim)
    return dict(zip(tags, vectors, strict=True))
