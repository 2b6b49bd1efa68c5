"""Animated emoji: three seconds of real motion each, with their names in all nine languages.

They come in npm's ``@lobehub/fluent-emoji-anim-1`` to ``-4``, which hold a still picture of what does not
move, the names in CLDR's packages (see ``cldr``). Layout: all of them side by side under their names.
"""

from __future__ import annotations

from pathlib import Path

from polyreel.datasets.readers.cldr import CLDR_PACKAGES, concept_of, emoji_text, read_cldr
from polyreel.datasets.readers.emoji_packages import fetch_packages, without_skin_tones
from polyreel.datasets.records import Record, Stream, VideoFile, created, record_of
from polyreel.errors import DatasetError, MediaError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.media.animation import is_animation
from polyreel.media.readers import open_video
from polyreel.problems import Missing
from polyreel.progress import OnProgress

__all__ = ["ANIMATED_PACKAGES", "animated_emoji_records", "fetch_animated_emoji"]

_PARTS = tuple(f"@lobehub/fluent-emoji-anim-{number}" for number in range(1, 5))
ANIMATED_PACKAGES = (*_PARTS, *CLDR_PACKAGES)
"""The packages of animations, and of the names."""


def fetch_animated_emoji(cache_folder: Path, progress: OnProgress | None = None) -> Path:
    """The folder with the animations below ``cache_folder``; fetched (730 MB) unless it is there.

    Raises:
        FetchError: a package cannot be had or is another one; those that have arrived are kept.
    """
    return fetch_packages(cache_folder, ANIMATED_PACKAGES, progress=progress)


def animated_emoji_records(folder: Path) -> Stream:
    """The animations without skin tones, by their codes; who does it makes no other concept.

    Raises:
        DatasetError: the names are not there, or there are no animations.
    """
    names = {tag: read_cldr(folder, tag) for tag in STUDY_LANGUAGES}
    found = {path.stem: path for part in _PARTS for path in (folder / part / "assets").glob("*.webp")}
    if not found:
        raise DatasetError(
            "there are no animated emoji",
            item=folder,
            remedy="Fetch the packages with 'polyreel data fetch emoji-anim'",
        )
    for code, path in sorted(found.items()):
        if without_skin_tones(code):
            text = emoji_text(code)
            named = {tag: entry.tts for tag, known in names.items() if (entry := known.get(text))}
            yield _record(code, path, named)


def _record(code: str, path: Path, names: dict[str, list[str]]) -> Record | Missing:
    if not is_animation(path):
        return Missing(code, "a still picture")
    if not names.get("en"):
        return Missing(code, "no English name")
    try:
        with open_video(path) as reader:
            length_s = reader.duration_asked_s or 0.0
    except MediaError as error:
        return Missing(code, error.what)
    media, concept = VideoFile(path.absolute()), concept_of(names["en"][0])
    return record_of(code, names, created, media=media, concept=concept, length_s=length_s)
