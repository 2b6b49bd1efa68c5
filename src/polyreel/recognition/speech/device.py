"""What runs a speech model: CTranslate2 knows the processor and CUDA, and nothing else."""

from __future__ import annotations

import logging
import os

from polyreel.encoders.devices import CPU, DEVICE_VARIABLE, DEVICES, tell_failure
from polyreel.errors import UnknownNameError

__all__ = ["CUDA", "compute_type", "speech_device"]

CUDA = "cuda"
# Of old GPUs that have no half precision of their own.
_FALL_BACK = "float32"

_log = logging.getLogger("polyreel")


def speech_device(name: str | None = None) -> str:
    """ "cpu" or "cuda": a GPU where CTranslate2 finds one, unless the processor is asked for.

    What else ONNX Runtime can use for pictures says nothing about speech, and counts as no wish.

    Args:
        name: one of ``encoders.devices.DEVICES``; None takes ``$POLYREEL_DEVICE``.

    Raises:
        UnknownNameError: there is no such device.
    """
    wanted = name or os.environ.get(DEVICE_VARIABLE)
    if wanted and wanted not in DEVICES:
        raise UnknownNameError("device", wanted, DEVICES)
    if wanted == CPU:
        return CPU
    if _gpus():
        return CUDA
    if wanted == CUDA:
        _log.warning("device cuda: CTranslate2 finds no GPU, so the CPU hears")
    return CPU


def compute_type(device: str) -> str:
    """Precision of the weights there: int8 on processors, half precision on GPUs."""
    import ctranslate2

    if device == CPU:
        return "int8"
    return "float16" if "float16" in ctranslate2.get_supported_compute_types(device) else _FALL_BACK


def _gpus() -> int:
    import ctranslate2

    try:
        return int(ctranslate2.get_cuda_device_count())
    except RuntimeError as error:  # a driver that is too old for this CTranslate2
        tell_failure(CUDA, error)
        return 0
