"""The recognisers that there are."""

from __future__ import annotations

import importlib.util

from polyreel.extras import missing_extra
from polyreel.media.limited import Limits
from polyreel.progress import OnProgress
from polyreel.recognition.protocol import LineRecogniser, Source
from polyreel.recognition.screen import weights as screen_weights
from polyreel.recognition.speech.device import speech_device
from polyreel.recognition.speech.weights import DEFAULT_MODEL, find_model

__all__ = [
    "fetch_weights",
    "has_screen",
    "has_speech",
    "has_weights",
    "load_screen",
    "load_speech",
    "require_speech",
]


def has_speech() -> bool:
    """Whether the extra is installed that recognises speech; its weights are fetched on first use."""
    return importlib.util.find_spec("faster_whisper") is not None


def has_screen() -> bool:
    """Whether the weights are there that read text on the screen; nothing else is needed for it."""
    return screen_weights.is_here()


def has_weights(source: Source, model: str | None = None) -> bool:
    """Whether nothing has to be fetched before lines of this kind can be found.

    Args:
        source: speech or screen.
        model: of speech, as ``load_speech`` takes it.

    Raises:
        UsageError: there is no such model.
    """
    return find_model(model or DEFAULT_MODEL).is_here() if source == "speech" else has_screen()


def fetch_weights(source: Source, model: str | None = None, *, download: OnProgress | None = None) -> None:
    """Have the weights here that ``has_weights`` asks for.

    Args:
        source: speech or screen.
        model: of speech, as ``load_speech`` takes it.
        download: called with what arrives.

    Raises:
        UsageError: there is no such model.
        FetchError: they cannot be had.
    """
    if source == "speech":
        find_model(model or DEFAULT_MODEL).folder(download)
    else:
        screen_weights.find_model(download=download)


def require_speech() -> None:
    """Ask for the extra before anything is done.

    Raises:
        UsageError: it is not installed.
    """
    if not has_speech():
        raise missing_extra("speech", "recognising speech needs faster-whisper")


def load_speech(
    name: str | None = None,
    *,
    device: str | None = None,
    track: int | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    download: OnProgress | None = None,
) -> LineRecogniser:
    """What recognises speech; its model is loaded, and fetched if need be, when there is something to hear.

    Args:
        name: of a model that there is, or a folder with one in CTranslate2's format; None for the default.
        device: as ``speech_device`` has it: a GPU where CTranslate2 finds one, unless the CPU is asked for.
        track: number of the one sound track to hear; None for one of each language.
        threads: processor threads; None for one each core.
        limits: what decoding the sound of one file may take.
        download: called with what arrives of the weights.

    Raises:
        UsageError: the extra is not installed, or there is no such model or device.
    """
    from polyreel.recognition.speech.whisper import WhisperSpeech

    require_speech()
    return WhisperSpeech(
        find_model(name or DEFAULT_MODEL),
        device=speech_device(device),
        limits=limits,
        track=track,
        threads=threads,
        download=download,
    )


def load_screen(
    *, threads: int | None = None, limits: Limits | None = None, download: OnProgress | None = None
) -> LineRecogniser:
    """What reads text on the screen; it needs no extra, and fetches its weights once there is a picture.

    Args:
        threads: processor threads; None for one each core.
        limits: what decoding the pictures of one file may take.
        download: called with what arrives of the weights.
    """
    from polyreel.recognition.screen.screen_text import ScreenText

    return ScreenText(threads=threads or 0, limits=limits, download=download)
