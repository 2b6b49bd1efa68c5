"""What the owner of a library said of it once, and every later run keeps to, whoever starts it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from polyreel.errors import LibraryError
from polyreel.files import read_regular, write_atomically
from polyreel.media.sampling import DEFAULT_SAMPLING, Sampling

__all__ = ["PREFERENCES_FILE", "Preferences", "read_preferences", "write_preferences"]

PREFERENCES_FILE = "preferences.json"


class Preferences(BaseModel):
    """The wishes.

    Attributes:
        languages: BCP-47 tags of languages that are likely to be spoken in the videos.
        sampling: how pictures of new videos are chosen.
    """

    # A newer version may know more of them.
    model_config = ConfigDict(frozen=True, extra="ignore")

    languages: tuple[str, ...] = ()
    sampling: Sampling = DEFAULT_SAMPLING


def read_preferences(folder: Path) -> Preferences:
    """Those of the library in ``folder``; the default ones if nothing was said.

    Raises:
        LibraryError: the file is there and cannot be read.
    """
    path = folder / PREFERENCES_FILE
    try:
        return Preferences.model_validate_json(read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return Preferences()
    except (OSError, ValidationError) as error:
        value = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise LibraryError(
            "what the library remembers of its owner's wishes cannot be read",
            item=path,
            value=value,
            remedy="Remove the file, and give --languages and --sampling again",
        ) from error


def write_preferences(folder: Path, preferences: Preferences) -> None:
    """Keep them, durably.

    Raises:
        LibraryError: the disk is full or fails.
    """
    path = folder / PREFERENCES_FILE
    try:
        write_atomically(path, (preferences.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        raise LibraryError(
            "the library's wishes cannot be kept", item=path, value=error.strerror, remedy="Make room for it"
        ) from error
