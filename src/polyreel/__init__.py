"""Search video in any language; train and measure the multilingual models behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyreel._version import __version__

if TYPE_CHECKING:
    from polyreel.client.remote import RemoteLibrary

__all__ = ["__version__", "connect"]


def connect(url: str, *, token: str | None = None, timeout_s: float = 60.0) -> RemoteLibrary:
    """The library that a ``polyreel serve`` at ``url`` serves. See ``polyreel.client.connect``."""
    # Imported late: nothing else that polyreel does needs an HTTP client.
    try:
        from polyreel.client.remote import connect as connect_to
    except ModuleNotFoundError as error:
        from polyreel.errors import UsageError

        raise UsageError(
            "a package that the client needs is not installed",
            item=error.name,
            remedy="Install it with: pip install 'polyreel[serve]'",
        ) from error
    return connect_to(url, token=token, timeout_s=timeout_s)
