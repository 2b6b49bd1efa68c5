"""What polyreel has here, library or not: packages, extras, the default bundle and what runs it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from polyreel.encoders.devices import CPU, chosen_device
from polyreel.encoders.registry import DEFAULT_BUNDLE, BundleEntry, list_bundles
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.extras import installed_extras
from polyreel.library.results import LibraryResult

__all__ = ["NOT_BUILT", "WHOLE", "Installation", "installation", "versions"]

NOT_BUILT, WHOLE = "not installed yet; it is built on first use", "installed and whole"
_PACKAGES = ("polyreel", "av", "lancedb", "numkong", "onnxruntime", "pyarrow", "tokenizers")


class Installation(LibraryResult):
    """What ``installation`` finds.

    Attributes:
        bundle, bundle_state: the default bundle, and whether it is here and whole.
        device: what runs a bundle here, where a command names none.
        extras: those that are installed.
        versions: package -> version.
    """

    bundle: str
    bundle_state: str
    device: str
    extras: tuple[str, ...]
    versions: Mapping[str, str]


def installation() -> Installation:
    """Look at what is installed, without changing it."""
    entry = next(entry for entry in list_bundles() if entry.name == DEFAULT_BUNDLE)
    return Installation(
        bundle=DEFAULT_BUNDLE if entry.card is None else entry.card.label,
        bundle_state=_state(entry),
        device=chosen_device(),
        extras=installed_extras(),
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Package -> version, of Python and of what polyreel stands on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _state(entry: BundleEntry) -> str:
    if entry.problem is not None:
        return str(entry.problem)
    if entry.card is None:
        return NOT_BUILT
    try:
        Bundle(entry.folder, device=CPU).verify()  # nothing is run
    except BundleError as error:
        return str(error)
    return WHOLE
