"""Which bundle a library is indexed with."""

from __future__ import annotations

from pathlib import Path

from polyreel.encoders.protocol import Encoder
from polyreel.encoders.registry import DEFAULT_BUNDLE, OF_A_PROGRAM, earlier_build, from_anywhere
from polyreel.encoders.runtime import Bundle
from polyreel.library.store.state import Generation, read_state

__all__ = ["bundle_location", "location_of", "newer_build", "own_location"]


def bundle_location(library: Path, named: str | None = None) -> str:
    """Name or absolute folder of the bundle to index with, which finds it again from anywhere.

    That is the one that is named, else the library's own, else the default.
    """
    state = read_state(library)
    return from_anywhere(named or (DEFAULT_BUNDLE if state is None else own_location(state.generation)))


def own_location(generation: Generation) -> str:
    """What finds the bundle that made a generation: the location that it states, or, where a newer polyreel
    builds another bundle under that name, the folder of the one that is still there."""
    earlier = earlier_build(generation.location, generation.identity)
    return generation.location if earlier is None else str(earlier)


def newer_build(library: Path) -> str | None:
    """Name of the bundle that made a library, if polyreel builds another one under that name by now."""
    state = read_state(library)
    if state is None or own_location(state.generation) == state.generation.location:
        return None
    return state.generation.location


def location_of(encoder: Encoder) -> str:
    """Folder of a bundle; of an object of a program, what says that nothing finds it, and its name."""
    return str(encoder.folder) if isinstance(encoder, Bundle) else f"{OF_A_PROGRAM}{encoder.card.name}"
