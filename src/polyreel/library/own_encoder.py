"""A library whose encoder is an object of a program, in the place of a bundle that is found by itself."""

from __future__ import annotations

import os
from pathlib import Path

from polyreel.encoders.protocol import CheckedEncoder, Encoder
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.library.location import location_of
from polyreel.library.search.search import Library, load_bundle
from polyreel.library.store.state import generation_of, require_bundle, require_state

__all__ = ["open_with", "own_encoder"]


def own_encoder(encoder: Encoder) -> Encoder:
    """The encoder with its answers checked; a loaded bundle as it is.

    Raises:
        UsageError: it lacks a method or a card, or is the name of a bundle.
    """
    if isinstance(encoder, str | os.PathLike):
        raise UsageError(
            "an encoder is an object",
            item=repr(encoder),
            remedy="Name a bundle with bundle=..., or pass what load_encoder gives",
        )
    return encoder if isinstance(encoder, Bundle) else CheckedEncoder(encoder, zeros="refused")


def open_with(folder: Path, encoder: Encoder) -> Library:
    """Open the library in ``folder`` with an encoder that nothing else finds.

    If the library moves to a bundle while it is open, searches follow it there.

    Raises:
        UsageError: the encoder lacks a method or a card.
        LibraryError: there is no library, or it cannot be read.
        BundleMismatchError: another one made the library.
    """
    own = own_encoder(encoder)
    state = require_state(folder)
    require_bundle(folder, state, generation_of(own.card, location_of(own)))
    at_first = state.generation.location
    return Library(folder, lambda location: own if location == at_first else load_bundle(location))
