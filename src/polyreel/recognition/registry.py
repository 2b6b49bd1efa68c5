"""The recognisers that there are."""

from __future__ import annotations

import importlib.util

from polyreel.errors import UsageError
from polyreel.media.limited import Limits
from polyreel.progress import OnProgress
from polyreel.recognition.protocol import LineRecogniser
from polyreel.recognition.speech.weights import DEFAULT_MODEL, find_model

__all__ = ["has_speech", "load_speech", "require_speech"]


def has_speech() -> bool:
    """Whether the extra is installed that recognises speech; its weights are fetched on first use."""
    return importlib.util.find_spec("faster_whisper") is not None


def require_speech() -> None:
    """Ask for the extra before anything is done.

    Raises:
        UsageError: it is not installed.
    """
    if not has_speech():
        raise UsageError("recognising speech needs faster-whisper", remedy="pip install 'polyreel[speech]'")


def load_speech(
    name: str | None = None,
    *,
    track: int | None = None,
    limits: Limits | None = None,
    download: OnProgress | None = None,
) -> LineRecogniser:
    """What recognises speech; its model is loaded, and fetched if need be, when there is something to hear.

    Args:
        name: of a packaged model, or a folder with one in CTranslate2's format; None for the default.
        track: number of the one sound track to hear; None for one of each language.
        limits: what decoding the sound of one file may take.
        download: called with what arrives of the weights.

    Raises:
        UsageError: the extra is not installed, or there is no such model.
    """
    from polyreel.recognition.speech.whisper import WhisperSpeech

    require_speech()
    return WhisperSpeech(find_model(name or DEFAULT_MODEL), limits=limits, track=track, download=download)
