"""Lay FFmpeg's libraries, as PyAV's wheel has them, in a folder under the names that torchcodec looks for.

    LD_LIBRARY_PATH=FOLDER python ...

Spares an FFmpeg of the system, for tests; both packages then share one. Does nothing where PyAV was built
against one of the system.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import av

_OWN_NAME = re.compile(r"(lib(?:av|sw)\w+)-[0-9a-f]+(\.so\.\d+)\.")


def link(folder: Path) -> None:
    """Make the folder, with a link for each library and one more for those of FFmpeg."""
    folder.mkdir(parents=True, exist_ok=True)
    for library in sorted((Path(av.__file__).parents[1] / "av.libs").glob("lib*.so*")):
        found = _OWN_NAME.match(library.name)
        for name in {library.name, "".join(found.groups()) if found else library.name}:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(library)


if __name__ == "__main__":
    link(Path(sys.argv[1]))
