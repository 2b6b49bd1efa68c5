"""State that the parts of one server share."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from polyreel.errors import NotFoundError
from polyreel.library.search.examples import Example
from polyreel.library.search.search import Library
from polyreel.library.search.snapshot import LibrarySnapshot
from polyreel.server.concurrency import ConcurrencyLimit
from polyreel.server.csrf import CsrfSigner
from polyreel.server.indexer import Indexer, Mover
from polyreel.server.metrics import Metrics
from polyreel.server.playback import PlaybackService
from polyreel.server.search_batcher import SearchBatcher
from polyreel.server.settings import ServerSettings

__all__ = ["Examples", "Server", "ServerState"]

_EXAMPLES = 500


class Examples:
    """Pictures and clips that were searched with, by a name that an address can hold; the latest 500."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Example] = OrderedDict()

    def keep(self, example: Example) -> str:
        """Keep one and return its name, which nobody can guess."""
        name = secrets.token_urlsafe(12)
        self._kept[name] = example
        if len(self._kept) > _EXAMPLES:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> Example:
        """The example of that name.

        Raises:
            NotFoundError: it is not kept, or no longer.
        """
        if name not in self._kept:
            raise NotFoundError("this example is no longer kept", remedy="Give the file again")
        return self._kept[name]


@dataclass(slots=True)
class Server:
    """One running server."""

    settings: ServerSettings
    batcher: SearchBatcher
    csrf: CsrfSigner
    metrics: Metrics
    indexer: Indexer
    mover: Mover
    examples: Examples = field(default_factory=Examples)
    playback: PlaybackService = field(default_factory=PlaybackService)
    # Of encoding, too; it takes much longer.
    cutting: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(at_once=1, waiting=4))
    # Decoding is at the expense of everybody's searches.
    decoding: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(at_once=2, waiting=8))

    @property
    def library(self) -> Library:
        """The library, if it can be searched now.

        Raises:
            LibraryError: it cannot.
        """
        self.batcher.require_library()
        return self.batcher.library

    @property
    def snapshot(self) -> LibrarySnapshot:
        """What searches see now. Raises as ``library``."""
        return self.library.snapshot


# A plain function, or a class, FastAPI would call in a thread of its own, which costs more than what it does.
async def _server(request: Request) -> Server:
    return cast(Server, request.app.state.server)


ServerState = Annotated[Server, Depends(_server)]
