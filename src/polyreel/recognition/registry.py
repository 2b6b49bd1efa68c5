"""The recognisers that there are."""

from __future__ import annotations

import importlib.util

from polyreel.errors import UsageError
from polyreel.media.limited import Limits
from polyreel.progress import OnProgress
from polyreel.recognition.protocol import LineRecogniser
from polyreel.recognition.speech.weights import DEFAULT_MODEL, find_model

__all__ = ["has_speech", "load_speech"]


def has_speech() -> bool:
    """Whether the extra is installed that recognises speech; its weights are fetched on first use."""
    return importlib.util.find_spec("faster_whisper") is not None


def load_speech(
    name: str = DEFAULT_MODEL,
    *,
    track: int | None = None,
    limits: Limits | None = None,
    download: OnProgress | None = None,
) -> LineRecogniser:
    """What recognises speech, ready to use.

    Args:
        name: of a packaged model, or a folder with one in CTranslate2's format.
        track: number of the one sound track to hear; None for one of each language.
        limits: what decoding the sound of one file may take.
        download: called with what arrives of the weights, on first use.

    Raises:
        UsageError: the extra is not installed, or there is no such model.
        FetchError: the weights could not be had.
    """
    from polyreel.recognition.speech.whisper import WhisperSpeech

    if not has_speech():
        raise UsageError("recognising speech needs faster-whisper", remedy="pip install 'polyreel[speech]'")
    return WhisperSpeech(find_model(name, download=download), limits=limits, track=track)
