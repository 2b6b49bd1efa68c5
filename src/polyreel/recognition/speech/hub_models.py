"""Speech models of the Hugging Face hub that can be asked for by name; none is fetched unless it is."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from polyreel.encoders.importing.sources import find_model
from polyreel.errors import FetchError
from polyreel.packages.members import sha256_of
from polyreel.progress import OnProgress

__all__ = ["HUB_MODELS", "hub_folder", "hub_name", "is_here"]

_PREFIX = "whisper-"
_WANTED = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")

HUB_MODELS: Mapping[str, str] = {
    "whisper-tiny": "Systran/faster-whisper-tiny",
    "whisper-tiny.en": "Systran/faster-whisper-tiny.en",
    "whisper-base.en": "Systran/faster-whisper-base.en",
    "whisper-small": "Systran/faster-whisper-small",
    "whisper-small.en": "Systran/faster-whisper-small.en",
    "whisper-medium": "Systran/faster-whisper-medium",
    "whisper-medium.en": "Systran/faster-whisper-medium.en",
    "whisper-large-v1": "Systran/faster-whisper-large-v1",
    "whisper-large-v2": "Systran/faster-whisper-large-v2",
    "whisper-large-v3": "Systran/faster-whisper-large-v3",
    "whisper-large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
"""Our name -> name on the hub: those of faster-whisper, in CTranslate2's format, all MIT as Whisper is."""

_ALSO = {"large": "large-v3", "turbo": "large-v3-turbo"}

_log = logging.getLogger("polyreel")


def hub_name(name: str) -> str:
    """The name as ``HUB_MODELS`` has it, where it stands there; faster-whisper's own lack the "whisper-"."""
    bare = name.removeprefix(_PREFIX)
    bare = _ALSO.get(bare, bare)
    return bare if bare in HUB_MODELS else _PREFIX + bare


def is_here(name: str) -> bool:
    """Whether a model of ``HUB_MODELS`` was fetched before."""
    try:
        find_model(HUB_MODELS[name], offline=True)
    except FetchError:
        return False
    return True


def hub_folder(name: str, download: OnProgress | None) -> Path:
    """The folder of a model of ``HUB_MODELS``; what was fetched once is taken without asking anybody.

    What is fetched is pinned to a commit, checked against the hub's digest, and told: source, bytes, SHA-256.

    Raises:
        FetchError: the hub cannot be reached or does not give it.
    """
    source = HUB_MODELS[name]
    try:
        return find_model(source, offline=True).path
    except FetchError:
        pass
    try:
        hub = find_model(source, wanted=_wanted, download=download)
    except FetchError as error:
        raise FetchError(
            "the weights of the speech model cannot be had",
            item=name,
            value=error.what if error.value is None else f"{error.what}: {error.value}",
            remedy=f"{error.remedy or 'Try again later'}; or give the folder of such a model that you have",
        ) from error
    weights = hub.path / "model.bin"
    _log.warning(
        "speech model %s: %s at commit %s, %s MB, sha256 %s",
        *(
            name,
            source,
            (hub.revision or "")[:12],
            f"{weights.stat().st_size / 1e6:,.0f}",
            sha256_of(weights),
        ),
    )
    return hub.path


def _wanted(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if any(fnmatch.fnmatchcase(name, each) for each in _WANTED))
