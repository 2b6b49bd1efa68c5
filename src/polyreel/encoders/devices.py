"""What runs the graphs of a bundle: ONNX Runtime's own CPU kernels, or another provider that is installed.

A provider comes with another build of ONNX Runtime, such as ``onnxruntime-gpu`` or ``onnxruntime-openvino``,
in the place of ``onnxruntime``. Where it fails, the CPU does the work, and one message says so.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.errors import UnknownNameError

if TYPE_CHECKING:
    import onnxruntime as ort

__all__ = ["CPU", "DEVICES", "DEVICE_VARIABLE", "chosen_device", "open_session", "tell_failure"]

DEVICE_VARIABLE = "POLYREEL_DEVICE"
"""Environment variable that names the device where nobody else does."""

CPU, AUTO = "cpu", "auto"

# Name of the provider and its options. Half precision, which some take unasked, changes ranks: OpenVINO takes
# bfloat16 on CPUs that have it, CUDA cuts factors to 19 bits.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    CPU: ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    "openvino": (
        "OpenVINOExecutionProvider",
        {"device_type": "CPU", "load_config": '{"CPU": {"INFERENCE_PRECISION_HINT": "f32"}}'},
    ),
    "coreml": ("CoreMLExecutionProvider", {"ModelFormat": "MLProgram"}),
    "directml": ("DmlExecutionProvider", {}),
    "migraphx": ("MIGraphXExecutionProvider", {}),
}
# OpenVINO is for those who ask for it: on a CPU it is another way to do the same.
_AUTO = ("cuda", "migraphx", "directml", "coreml")

DEVICES = (AUTO, *_PROVIDERS)
"""Names that can be chosen; ``auto`` takes the first accelerator that is installed, else the CPU."""

_log = logging.getLogger("polyreel")


def chosen_device(name: str | None = None, *, installed: Sequence[str] | None = None) -> str:
    """The device that is meant: never ``auto``, and the CPU where the provider is not installed.

    Args:
        name: one of ``DEVICES``; None takes ``$POLYREEL_DEVICE``, else the CPU.
        installed: names of ONNX Runtime's providers that are here; by default asked for.

    Raises:
        UnknownNameError: there is no such device.
    """
    wanted = name or os.environ.get(DEVICE_VARIABLE) or CPU
    if wanted not in DEVICES:
        raise UnknownNameError("device", wanted, DEVICES)
    if wanted == CPU:
        return CPU
    here = _installed() if installed is None else installed
    if wanted == AUTO:
        return next((device for device in _AUTO if _PROVIDERS[device][0] in here), CPU)
    if _PROVIDERS[wanted][0] not in here:
        _log.warning("device %s: its ONNX Runtime is not installed, so the CPU does the work", wanted)
        return CPU
    return wanted


def open_session(
    path: Path, options: ort.SessionOptions, device: str, *, on_failure: Callable[[object], object]
) -> ort.InferenceSession:
    """Open a graph on a device, or on the CPU if it cannot be opened there.

    Args:
        path: of the graph.
        options: of the session.
        device: as ``chosen_device`` gives it.
        on_failure: called with the reason if the device fails: to say so, and to try nothing else on it.
    """
    import onnxruntime as ort

    cpu = _PROVIDERS[CPU][0]
    if device != CPU:
        try:
            session = ort.InferenceSession(str(path), options, providers=[_PROVIDERS[device], cpu])
            if _PROVIDERS[device][0] in session.get_providers():
                return session
            reason: object = "ONNX Runtime left it out"
        except Exception as error:  # ONNX Runtime raises its own classes, which share no other base.
            reason = error
        on_failure(reason)
    return ort.InferenceSession(str(path), options, providers=[cpu])


def tell_failure(device: str, reason: object) -> None:
    """Say once that a device failed and the CPU goes on."""
    first = (str(reason).splitlines() or [type(reason).__name__])[0][:200]
    _log.warning("device %s failed, so the CPU does the work: %s", device, first)


def _installed() -> list[str]:
    import onnxruntime as ort

    return list(ort.get_available_providers())
