"""The npm packages that emoji, animated emoji and their names come in; side by side, as in ``node_modules``.

``emoji-datasource-<vendor>``, ``openmoji`` and ``@lobehub/fluent-emoji-*`` hold pictures,
``cldr-annotations-full`` and ``-derived-full`` the names that translators wrote for Unicode's CLDR.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from polyreel.languages import STUDY_LANGUAGES
from polyreel.packages.fetch import fetch_tree
from polyreel.packages.members import Archive
from polyreel.progress import OnProgress

__all__ = ["EMOJI_ARCHIVES", "EMOJI_LICENCES", "fetch_packages", "without_skin_tones"]

# Package -> version, licence of the pictures or names, digest of the archive.
_PINNED = {
    "@lobehub/fluent-emoji-3d": (
        "1.1.0",
        "MIT",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    ),
    "@lobehub/fluent-emoji-anim-1": (
        "1.0.0",
        "MIT",
        "4c03ac178c1eabf2e2a16dd498f3cc2b92dc30ec3466ae38fdc497d4774c99ea",
    ),
    "@lobehub/fluent-emoji-anim-2": (
        "1.0.0",
        "MIT",
        "e431da8172e394036c330faa77648d6fbbae1fd3b0be95637c4497c9075019c0",
    ),
    "@lobehub/fluent-emoji-anim-3": (
        "1.0.0",
        "MIT",
        "3624d0c34c819c1794b74ccf6ae9034adff7c4cb6318dd2a645145f0196feb43",
    ),
    "@lobehub/fluent-emoji-anim-4": (
        "1.0.0",
        "MIT",
        "3d4c08f1e321f70808ef4996aba0ab575a9d97b6c56ffffc92cf6161a7836aa3",
    ),
    "cldr-annotations-derived-full": (
        "48.2.0",
        "Unicode-3.0",
        "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e",
    ),
    "cldr-annotations-full": (
        "48.2.0",
        "Unicode-3.0",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    ),
    "emoji-datasource-google": (
        "16.0.0",
        "Apache-2.0",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    "emoji-datasource-twitter": (
        "16.0.0",
        "CC BY 4.0",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    ),
    "openmoji": (
        "17.0.0",
        "CC BY-SA 4.0",
        "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
    ),
}


def _archive(package: str) -> Archive:
    version, _, sha256 = _PINNED[package]
    name = package.removeprefix("@").replace("/", "-")  # as npm calls the archive
    return Archive(
        registry="npm", package=package, version=version, archive=f"{name}-{version}.tgz", sha256=sha256
    )


EMOJI_ARCHIVES = {package: _archive(package) for package in _PINNED}
"""Package -> what is fetched of it."""

EMOJI_LICENCES = {package: licence for package, (_, licence, _) in _PINNED.items()}
"""Package -> terms of what is fetched of it."""

_KEPT = re.compile(
    r"package/(emoji\.json"
    r"|img/\w+/64/[^/]+\.png"
    r"|color/svg/[^/]+\.svg"
    r"|assets/[^/]+\.webp"
    rf"|annotations(?:Derived)?/(?:{'|'.join(STUDY_LANGUAGES)})/annotations\.json)"
)
_SKIN_TONE = re.compile(r"-1f3f[b-f]", re.IGNORECASE)


def without_skin_tones(code: str) -> bool:
    """Whether an emoji's code, hexadecimal numbers with hyphens between, has no skin tone."""
    return _SKIN_TONE.search(code) is None


def fetch_packages(
    cache_folder: Path, packages: Iterable[str], *, progress: OnProgress | None = None
) -> Path:
    """The folder with these packages below ``cache_folder``; what is not there is fetched.

    Args:
        cache_folder: below which packages are kept.
        packages: names of packages of npm.
        progress: called as bytes arrive.

    Raises:
        FetchError: a package cannot be had or is another one.
    """
    # Another version of any of them is another folder.
    pinned = hashlib.sha256("".join(sorted(sha256 for _, _, sha256 in _PINNED.values())).encode())
    folder = cache_folder / f"emoji-{pinned.hexdigest()[:12]}"
    for package in packages:
        fetch_tree(EMOJI_ARCHIVES[package], folder / package, _kept, progress=progress)
    return folder


def _kept(member: str) -> str | None:
    found = _KEPT.fullmatch(member)
    return found[1] if found and without_skin_tones(found[1]) else None
