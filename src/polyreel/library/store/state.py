"""``library.json``: which versions of the tables are the library. Replacing this file is what commits.

Lance makes each table safe but not several together. So a commit first adds to the tables and then names
their new versions here, in one atomic rename; until then readers see the old versions, and a writer that
finds newer ones left by a killed run takes them back.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyreel.encoders.card import EncoderCard, short_identity
from polyreel.encoders.registry import OF_A_PROGRAM
from polyreel.errors import BundleMismatchError, LibraryError, LibraryVersionError
from polyreel.files import read_regular, write_atomically
from polyreel.library.store.tables import RECOGNISED, embedding_table

__all__ = [
    "SCHEMA_VERSION",
    "STATE_FILE",
    "Generation",
    "LibraryState",
    "first_state",
    "generation_of",
    "read_state",
    "require_bundle",
    "require_state",
    "write_state",
]

SCHEMA_VERSION = 4
# Version 1 had neither an id nor a revision, version 2 neither half-read files, folded words nor a second
# generation, version 3 no recognised lines; the next index run makes them the newest.
_READABLE = (1, 2, 3, SCHEMA_VERSION)
STATE_FILE = "library.json"


class Generation(BaseModel):
    """The embeddings of one library made by one bundle.

    Attributes:
        bundle: name of the bundle, or of an encoder that is an object of a program.
        identity: its identity; a bundle of the same name with another identity makes other embeddings.
        location: what finds the bundle again: its registry name or absolute folder; after ``OF_A_PROGRAM``,
            the name of an encoder that nothing finds.
        dim: width of the vectors.
        served: whether searches have used it before another one; it is whole but for what came since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    identity: str
    location: str
    dim: int = Field(gt=0)
    served: bool = False

    @property
    def label(self) -> str:
        """Name and start of the identity, as messages show it."""
        return f"{self.bundle} ({short_identity(self.identity)})"

    @property
    def is_of_a_program(self) -> bool:
        """Whether an encoder made it that is an object of a Python program, and no bundle."""
        return self.location.startswith(OF_A_PROGRAM)


class LibraryState(BaseModel):
    """Contents of ``library.json``.

    Attributes:
        schema_version: layout of the library.
        library_id: the library's own, wherever its folder goes; empty until one of version 1 is written.
        revision: drawn anew by each commit, so that no two states of any libraries share one.
        shown: revision of the latest commit that changed what searches see; empty before version 3.
        commit: counts commits.
        active_generation: number of the generation that searches use.
        generations: number -> its bundle. Those that searches do not use are in the making, or kept.
        tables: table -> version that belongs to this commit.
        gaps: whether clips or lines may lack a vector of the generation that searches use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    library_id: str = ""
    revision: str = ""
    shown: str = ""
    commit: int
    active_generation: int
    generations: Mapping[int, Generation]
    tables: Mapping[str, int]
    gaps: bool = False

    @property
    def generation(self) -> Generation:
        """The generation that searches use."""
        return self.generations[self.active_generation]

    @property
    def key(self) -> str:
        """Tells what searches see from what they see of other commits, libraries and restored backups."""
        versions = sorted(self._shown_tables.items())
        facts = [self.library_id, self.shown or self.revision, self.generation.identity, versions]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]

    @property
    def _shown_tables(self) -> Mapping[str, int]:
        """Versions of the tables that searches read: all but those of other generations and of progress."""
        others = {embedding_table(number) for number in self.generations if number != self.active_generation}
        others.add(RECOGNISED)
        return {name: version for name, version in self.tables.items() if name not in others}

    def number_of(self, identity: str) -> int | None:
        """Number of the generation that the bundle of this identity makes, None if there is none."""
        return next((n for n, made in self.generations.items() if made.identity == identity), None)

    def after(self, tables: Mapping[str, int], **changes: Any) -> LibraryState:
        """The next commit.

        Args:
            tables: their versions.
            changes: other fields that change.
        """
        revision = uuid.uuid4().hex
        following = self.model_copy(
            update={
                "schema_version": SCHEMA_VERSION,
                "library_id": self.library_id or uuid.uuid4().hex,
                "revision": revision,
                "commit": self.commit + 1,
                "tables": tables,
                **changes,
            }
        )
        # A library without an id gets one here, which is part of the key: to searches that is a change.
        unchanged = self.library_id and self._shown_tables == following._shown_tables
        return following.model_copy(
            update={"shown": (self.shown or self.revision) if unchanged else revision}
        )


def first_state(generation: Generation, tables: Mapping[str, int]) -> LibraryState:
    """A new library with one generation."""
    return LibraryState(
        schema_version=SCHEMA_VERSION,
        library_id=uuid.uuid4().hex,
        revision=uuid.uuid4().hex,
        commit=0,
        active_generation=1,
        generations={1: generation},
        tables=tables,
    )


def generation_of(card: EncoderCard, location: str) -> Generation:
    """The generation that the bundle of ``card``, found at ``location``, would make."""
    return Generation(bundle=card.name, identity=card.identity, location=location, dim=card.dim)


def require_bundle(folder: Path, state: LibraryState, generation: Generation) -> None:
    """Refuse a bundle that the library's embeddings were not made by.

    Args:
        folder: the library, for the message.
        state: its state.
        generation: what the bundle would make.

    Raises:
        BundleMismatchError: the bundle is another one; the message names both and the way to the new one.
    """
    own = state.generation
    if own.identity != generation.identity:
        kind = "encoder" if own.is_of_a_program else "bundle"
        raise BundleMismatchError(
            f"the library needs the {kind} {own.label}, not {generation.label}",
            item=folder,
            remedy=_way_out(own, generation),
        )
    if own.dim != generation.dim:
        raise BundleMismatchError(
            "the encoder has the identity of the library's own, but vectors of another width",
            item=generation.label,
            value=f"{generation.dim}, expected {own.dim}",
            remedy="Give its card another identity, and index into another folder",
        )


def _way_out(own: Generation, given: Generation) -> str:
    if given.is_of_a_program:
        first = "Pass that one" if own.is_of_a_program else "Leave the encoder out"
        return f"{first}, or index into another folder"
    if own.bundle == given.bundle and "/" not in own.location:
        return (
            "What is built under this name has changed, and the former one is gone: "
            f"polyreel bundles set {own.location} moves the library to it"
        )
    first = "Pass it as encoder=..." if own.is_of_a_program else f"Use --bundle {own.location}"
    return (
        f"{first}, or move the library to the other one, which searches do not wait for: "
        f"polyreel bundles set {given.location}"
    )


class _SchemaOnly(BaseModel):
    schema_version: int


def read_state(folder: Path) -> LibraryState | None:
    """The state of the library in ``folder``, None if there is no library.

    Raises:
        LibraryVersionError: the library is of a newer schema.
        LibraryError: the file is damaged.
    """
    path = folder / STATE_FILE
    try:
        text = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LibraryError("the library cannot be read", item=path, value=error.strerror) from error
    try:
        version = _SchemaOnly.model_validate_json(text).schema_version
        if version not in _READABLE:
            raise LibraryVersionError(
                "the library is of another version",
                item=folder,
                value=f"schema {version}, this polyreel reads up to {SCHEMA_VERSION}",
                remedy="Update polyreel, or index into another folder with --library",
            )
        return LibraryState.model_validate_json(text)
    except ValidationError as error:
        raise LibraryError(
            "the library's library.json is damaged",
            item=path,
            value=error.errors()[0]["msg"],
            remedy="Restore it from a backup, or index into another folder with --library",
        ) from error


def require_state(folder: Path) -> LibraryState:
    """As ``read_state``, where there must be a library.

    Raises:
        LibraryError: there is none.
    """
    state = read_state(folder)
    if state is None:
        raise LibraryError(
            "no library is here",
            item=folder,
            remedy="Make one with 'polyreel index FOLDER', or name another with --library",
        )
    return state


def write_state(folder: Path, state: LibraryState) -> None:
    """Commit: make ``state`` the library's state, durably and all at once."""
    write_atomically(folder / STATE_FILE, (state.model_dump_json(indent=1) + "\n").encode())
