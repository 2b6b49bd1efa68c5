"""Bundles by name: where they live, which can be built, and how one is found."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from polyreel.encoders.build.bundle_spec import BundleSpec, shipped, training_free
from polyreel.encoders.card import CARD_FILE, BundleCard, read_card
from polyreel.errors import BundleError, UnknownNameError, UsageError
from polyreel.files import absolute, exclusive_lock
from polyreel.packages.members import cache_dir
from polyreel.progress import OnProgress, ignore_progress

__all__ = [
    "DEFAULT_BUNDLE",
    "OF_A_PROGRAM",
    "BundleEntry",
    "build_bundle",
    "build_on_default",
    "bundle_name",
    "bundle_with_features",
    "earlier_build",
    "from_anywhere",
    "known_card",
    "list_bundles",
    "locate_bundle",
    "place_for",
]

DEFAULT_BUNDLE = "small"
OF_A_PROGRAM = "python:"
"""Begins what stands for a location where an encoder that is an object of a program made a library."""

_UNNAMED = re.compile(r"[^a-z0-9._-]")


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A bundle that is there or can be built.

    Attributes:
        name: its name.
        folder: where it is or would be.
        card: its card, None if it is not there yet.
        problem: why a bundle that is there cannot be used, None if it can.
    """

    name: str
    folder: Path
    card: BundleCard | None
    problem: BundleError | None = None


def list_bundles() -> list[BundleEntry]:
    """Bundles that are installed or can be built, by name."""
    places = {path.parent.name: path.parent for path in _home().glob(f"[!.]*/{CARD_FILE}")}
    for name in _BUILT:
        places.pop(_place(name).name, None)
        places[name] = _place(name)
    return [_entry(name, places[name]) for name in sorted(places)]


def _entry(name: str, folder: Path) -> BundleEntry:
    if not folder.is_dir():
        return BundleEntry(name, folder, None)
    try:
        return BundleEntry(name, folder, read_card(folder))
    except BundleError as error:
        return BundleEntry(name, folder, None, error)


def locate_bundle(
    name_or_folder: str = DEFAULT_BUNDLE,
    *,
    download: OnProgress | None = None,
    step: OnProgress | None = None,
) -> Path:
    """Folder of a bundle named by registry name or by path; one that can be built is built on first use.

    One that is built lies in a folder of what it is made of, so that no older polyreel's is taken for it.
    A library that an encoder of a Python program made has the name of that instead, which finds nothing.

    Args:
        name_or_folder: Name in the registry, or path.
        download: Called with the name of an archive, its bytes that have arrived, and all of them.
        step: Called with what is being computed, the steps done, and all of them.

    Raises:
        UnknownNameError: neither a known name nor a folder.
        BundleError: no bundle is meant, but an encoder of a Python program.
        FetchError: a package that the bundle is built from could not be had.
    """
    if name_or_folder.startswith(OF_A_PROGRAM):
        raise BundleError(
            "this is not a bundle but an encoder of a Python program, which only that program has",
            item=name_or_folder.removeprefix(OF_A_PROGRAM),
            remedy=(
                "There, pass it: polyreel.open(LIBRARY, encoder=...), polyreel.index(..., encoder=...). To "
                "search from elsewhere, move the library to a bundle: polyreel bundles set NAME"
            ),
        )
    if (found := _found(name_or_folder)) is not None:
        return found
    build_bundle(name_or_folder, download=download, step=step)
    return _place(name_or_folder)


def known_card(name_or_folder: str) -> BundleCard | None:
    """The card of a bundle, without building it; None if it has to be built first.

    Raises:
        UnknownNameError: neither a known name nor a folder.
        BundleError: the card cannot be read.
    """
    found = _found(name_or_folder)
    return None if found is None else read_card(found)


def _found(name_or_folder: str) -> Path | None:
    """Folder of a bundle that is there; None if it can be built."""
    folder = _place(name_or_folder)
    # No folder has a name that is too long for a path (OSError) or is in the home of nobody (RuntimeError).
    with contextlib.suppress(OSError, RuntimeError):
        given = Path(name_or_folder).expanduser()
        if (given / CARD_FILE).is_file():
            return given
        if "/" not in name_or_folder and (folder / CARD_FILE).is_file():
            return folder
    if name_or_folder not in _BUILT:
        raise UnknownNameError("bundle", name_or_folder, [entry.name for entry in list_bundles()])
    return None


def from_anywhere(location: str) -> str:
    """Name or absolute folder of the bundle at ``location``, which is a name or a folder from here."""
    with contextlib.suppress(OSError):  # a name can be too long for a path
        if ((folder := absolute(Path(location))) / CARD_FILE).is_file():
            return str(folder)
    return location


def build_bundle(
    name: str,
    *,
    force: bool = False,
    download: OnProgress | None = None,
    step: OnProgress | None = None,
) -> BundleCard:
    """Build a bundle by its registry name, unless it is there as it ships now.

    Args:
        name: Name in the registry.
        force: Build it even if it is there.
        download: Called with the name of an archive, its bytes that have arrived, and all of them.
        step: Called with what is being computed, the steps done, and all of them.

    Raises:
        UnknownNameError: no builder has this name.
        FetchError: a source package could not be had.
    """
    if name not in _BUILT:
        raise UnknownNameError("bundle that can be built", name, _BUILT)
    folder = _place(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two first uses at once: the second waits and finds the bundle of the first.
    report = step or ignore_progress
    with exclusive_lock(
        folder.parent / f".{name}.lock",
        waiting=lambda: report("waiting for another process that builds it", 0, 4),
    ):
        trained = _BUILT[name]()
        if not force and (card := _current(folder, trained)) is not None:
            return card
        others = (_place(other) for other in _BUILT if other != name)
        alike = None if force else next((other for other in others if (other / CARD_FILE).is_file()), None)
        return build_on_default(folder, trained, alike=alike, download=download, step=step)


def bundle_with_features(features: int) -> str:
    """Name of the built bundle whose frames have so many features.

    Raises:
        UsageError: there is none.
    """
    widths = {name: make().features for name, make in _BUILT.items()}
    for name, width in widths.items():
        if width == features:
            return name
    raise UsageError(
        "no bundle that is built here makes features of this width",
        value=f"{features:,} a frame",
        remedy="Set model.video.features to "
        + " or ".join(f"{width:,} ({name})" for name, width in widths.items())
        + ", or name features of the data",
    )


def earlier_build(name: str, identity: str) -> Path | None:
    """Folder of the bundle of this identity that another version of polyreel built under this name.

    None if the present one has the identity, or no bundle has, or none is built under this name.
    """
    if name not in _BUILT:
        return None
    for folder in (_place(name), *_home().glob(f"{name}*")):
        with contextlib.suppress(BundleError):
            if read_card(folder).identity == identity:
                return None if folder == _place(name) else folder
    return None


def _current(folder: Path, trained: BundleSpec) -> BundleCard | None:
    """The card of the bundle in ``folder``, if it is what would be built there now."""
    from polyreel.encoders.build.small import identity

    if not (folder / CARD_FILE).is_file():
        return None
    card = read_card(folder)
    wanted = identity(trained.learnt, image=card.files["frames.onnx"], captions=trained.captions)
    return card if card.identity == wanted else None


def build_on_default(
    folder: Path,
    trained: BundleSpec,
    *,
    alike: Path | None = None,
    download: OnProgress | None = None,
    step: OnProgress | None = None,
) -> BundleCard:
    """Build a bundle that adds trained heads to the parts of the default one, into ``folder``.

    Args:
        folder: Where the bundle will be; it appears only when it is complete.
        trained: What it adds, and what its card says.
        alike: Folder of another bundle on the same parts, which spares a minute of computing them anew.
        download: Called with the name of an archive, its bytes that have arrived, and all of them.
        step: Called with what is being computed, the steps done, and all of them.

    Raises:
        FetchError: a source package could not be had.
        BundleError: a source has not the expected contents.
    """
    # Imported late: building needs the onnx package, running does not.
    from polyreel.encoders.build.small import build_trained

    return build_trained(folder, trained, alike=alike, download=download, step=step)


def bundle_name(source: str) -> str:
    """A bundle's name out of that of a model or a folder: ``google/SigLIP2`` gives ``siglip2``."""
    last = Path(source).expanduser().resolve().name if Path(source).is_dir() else source.rpartition("/")[2]
    return _UNNAMED.sub("-", last.lower()).strip("-._") or "model"


@contextlib.contextmanager
def place_for(name: str, *, force: bool = False) -> Iterator[Path]:
    """The folder of an installed bundle that is to be written, which nobody else writes meanwhile.

    Args:
        name: Of the bundle.
        force: Whether it may replace one that is there.

    Raises:
        UsageError: the name cannot be one, belongs to a bundle that is built here, or is taken.
    """
    if _UNNAMED.search(name) or not name[:1].isalnum():
        raise UsageError(
            "a bundle cannot have this name",
            item=repr(name),
            remedy="Use small letters, digits, '.', '_' and '-', such as siglip2-base",
        )
    if name in _BUILT:
        raise UsageError("this name belongs to a bundle that is built here", item=name, remedy="Use --name")
    home = _home()
    home.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(home / f".{name}.lock"):
        if (home / name / CARD_FILE).exists() and not force:
            raise UsageError(
                "a bundle of this name is there already",
                item=name,
                remedy="Choose another one with --name, or replace it with --force",
            )
        yield home / name


def _home() -> Path:
    return cache_dir() / "bundles"


def _place(name: str) -> Path:
    """Folder of an installed bundle."""
    return _home() / (f"{name}-{_digests()[name][:12]}" if name in _BUILT else name)


@functools.cache
def _digests() -> dict[str, str]:
    """Name of a bundle that is built -> ``small.made_of``, which takes longer to compute than to read."""
    path = resources.files("polyreel.encoders.build") / "assets" / "made_of.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


_BUILT: dict[str, Callable[[], BundleSpec]] = {
    DEFAULT_BUNDLE: shipped,
    "training-free": training_free,
}
