"""How a package that is missing gets here: a command that works for the way in which polyreel was installed.

No package index has polyreel. So its checkout, or the folder or wheel that it came from, is installed again
with the extra; where none of them is there now, just the packages that the extra names are.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from polyreel.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["install_extra", "install_packages", "installed_extras", "missing_extra"]

_NAME = "polyreel"
# What polyreel is made with, and no part of what it does.
_FOR_MAKERS = frozenset({"build", "dev", "docs"})


def missing_extra(
    extra: str, what: str, *, item: object = None, value: object = None, otherwise: str | None = None
) -> UsageError:
    """The error for what cannot be done without an extra.

    Args:
        extra: its name in ``pyproject.toml``.
        what, item, value: as ``PolyreelError`` takes them.
        otherwise: what can be done without it, as a clause.
    """
    remedy = f"Install it with: {install_extra(extra)}"
    return UsageError(
        what, item=item, value=value, remedy=remedy if otherwise is None else f"{remedy}; {otherwise}"
    )


def install_extra(extra: str) -> str:
    """The shell command that adds an extra to the environment that runs.

    Args:
        extra: its name in ``pyproject.toml``.
    """
    checkout = _checkout()
    if checkout is not None:
        return shlex.join([*_pip(), *_constrained(checkout), "-e", f"{_shown(checkout)}[{extra}]"])
    # Imported late: most commands lack nothing.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(_NAME)
    except PackageNotFoundError:  # a copy of the sources
        return f"the packages of the extra {extra!r} in polyreel's pyproject.toml"
    origin = _origin(installed)
    if origin is not None:
        return shlex.join([*_pip(), *_constrained(origin), f"{_shown(origin)}[{extra}]"])
    return install_packages(*_requirements(installed, extra))


def install_packages(*packages: str) -> str:
    """The shell command that adds packages of an index to the environment that runs.

    Args:
        packages: names, with versions where they matter.
    """
    return shlex.join([*_pip(), *packages])


def installed_extras() -> tuple[str, ...]:
    """The extras whose packages are all here, in whatever version; none of a copy of the sources."""
    from importlib.metadata import PackageNotFoundError, distribution, version

    def is_here(requirement: str) -> bool:
        try:
            version(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
        except PackageNotFoundError:
            return False
        return True

    try:
        own = distribution(_NAME)
    except PackageNotFoundError:
        return ()
    named = sorted(set(own.metadata.get_all("Provides-Extra") or ()) - _FOR_MAKERS)
    return tuple(extra for extra in named if all(map(is_here, _requirements(own, extra))))


def _pip() -> list[str]:
    python = Path(sys.executable)
    if find_spec("pip") is None:  # as uv makes environments
        return ["uv", "pip", "install", "--python", str(python)]
    found = shutil.which("pip")
    if found is not None and Path(found).parent == python.parent:
        return ["pip", "install"]
    return [_shown(python), "-m", "pip", "install"]


def _checkout() -> Path | None:
    """Where polyreel runs from its sources, as an editable install does."""
    source = Path(__file__).parents[1]
    return source.parent if source.name == "src" and (source.parent / "pyproject.toml").is_file() else None


def _origin(installed: Distribution) -> Path | None:
    """The folder or wheel of this machine that it was installed from, if that is still there (PEP 610)."""
    try:
        parts = urlsplit(json.loads(installed.read_text("direct_url.json") or "{}")["url"])
    except (LookupError, TypeError, ValueError):
        return None
    path = Path(unquote(parts.path))
    return path if parts.scheme == "file" and path.exists() else None


def _constrained(origin: Path) -> list[str]:
    """To the versions that the tests pass with."""
    constraints = origin / "constraints.txt"
    return ["--constraint", _shown(constraints)] if constraints.is_file() else []


def _requirements(installed: Distribution, extra: str) -> list[str]:
    named = re.compile(rf"extra == ['\"]{re.escape(extra)}['\"]")
    return [line.partition(";")[0].strip() for line in installed.requires or () if named.search(line)]


def _shown(path: Path) -> str:
    """As short as it can be typed here; for pip, a path has to look like one."""
    try:
        short = path.relative_to(Path.cwd())
    except (OSError, ValueError):  # elsewhere, or the current folder is gone
        return str(path)
    return str(short) if short == Path() else f"./{short}"
