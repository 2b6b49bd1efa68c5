"""Text in one picture: found in a reduced copy of it, read from the picture itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from polyreel.errors import UsageError
from polyreel.languages import clean
from polyreel.recognition.screen.text_boxes import TextBox, find_boxes
from polyreel.recognition.screen.weights import ScreenModel

if TYPE_CHECKING:
    from pathlib import Path

    import onnxruntime as ort

__all__ = ["PictureReader", "ReadText"]

# Captions of 3% of the picture's height are found in a copy of this longest side: docs/screen-text.md.
_DETECTOR_PX = 480
_MULTIPLE = 32
_LINE_PX = 48
_NARROWEST_PX, _WIDEST_PX = 160, 2_400
# So much taller than wide, a line stands on end.
_ON_END = 1.5
# What is read worse than this one way round may be the other way round.
_DOUBTFUL = 0.95
# Small copy of a line, by which it is known again, and how much of a part of it may differ, of 255.
_COPY_PX = (96, 12)
_COPY_PARTS = 12
_SAME = 10.0


@dataclass(frozen=True, slots=True)
class ReadText:
    """What was read in one box.

    Attributes:
        box: where.
        text: NFC, without the marks that the model has no letters for.
        confidence: mean probability of its characters, 0 to 1.
        copy: (rows, columns) of the line's brightness, by which it is known again.
    """

    box: TextBox
    text: str
    confidence: float
    copy: NDArray[np.float32]


class PictureReader:
    """Finds and reads text.

    Args:
        model: the two graphs.
        threads: processor threads for each; 0 for one each core.

    Raises:
        UsageError: ONNX Runtime cannot open a graph.
    """

    def __init__(self, model: ScreenModel, *, threads: int = 0) -> None:
        self._detector = _session(model.detector, threads)
        self._recogniser = _session(model.recogniser, threads)
        characters = self._recogniser.get_modelmeta().custom_metadata_map.get("character", "")
        self._characters = np.array(["", *characters.split("\n"), " "], dtype=object)

    def read(self, picture: NDArray[np.uint8], known: list[ReadText]) -> list[ReadText]:
        """The texts in a picture, in no order.

        Args:
            picture: (height, width, 3) RGB.
            known: texts of the picture before; those that look the same are not read again.
        """
        image = Image.fromarray(picture)
        return [self._line(image, box, known) for box in self._boxes(image)]

    def _boxes(self, image: Image.Image) -> list[TextBox]:
        scale = _DETECTOR_PX / max(image.size)
        width, height = (max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BILINEAR)
        (found,) = self._detector.run(None, {"x": _as_input(small)})
        return find_boxes(np.asarray(found[0, 0], np.float32), image.size)

    def _line(self, image: Image.Image, box: TextBox, known: list[ReadText]) -> ReadText:
        on_end = box.height > _ON_END * box.width
        line = _cut_out(image, np.roll(box.corners, -1, axis=0) if on_end else box.corners)
        copy = np.asarray(line.convert("L").resize(_COPY_PX, Image.Resampling.BOX), np.float32)
        for before in known:
            if _is_same(copy, before.copy) and _is_near(box, before.box):
                return ReadText(box, before.text, before.confidence, copy)
        text, confidence = self._recognise(line)
        if on_end and confidence < _DOUBTFUL:
            other, other_confidence = self._recognise(line.transpose(Image.Transpose.ROTATE_180))
            if other_confidence > confidence:
                text, confidence = other, other_confidence
        return ReadText(box, text, confidence, copy)

    def _recognise(self, line: Image.Image) -> tuple[str, float]:
        """The text of a line, and the mean probability of its characters."""
        pixels = _as_input(line)
        # Sizes that come again are quicker, and the model knows short lines with grey beside them.
        width = max(_NARROWEST_PX, -(-line.width // _MULTIPLE) * _MULTIPLE)
        padded = np.zeros((1, 3, _LINE_PX, width), np.float32)
        padded[..., : line.width] = pixels
        (found,) = self._recogniser.run(None, {"x": padded})
        best = found[0].argmax(axis=1)
        # Connectionist temporal classification: repetitions are one character, and 0 is none.
        kept = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
        if not kept.any():
            return "", 0.0
        text = clean("".join(self._characters[best[kept]]))
        return text, float(found[0][kept, best[kept]].mean())


def _session(path: Path, threads: int) -> ort.InferenceSession:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Lines are of many widths: an arena would keep memory for each.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own classes, which share no other base.
        raise UsageError(
            "the model for text on the screen cannot be opened",
            item=path,
            value=str(error).splitlines()[0][:200],
            remedy="Delete the file; it is fetched again",
        ) from error


def _as_input(image: Image.Image) -> NDArray[np.float32]:
    """(1, 3, height, width) of -1 to 1, blue first."""
    pixels = np.asarray(image, np.float32)[:, :, ::-1] / 127.5 - 1
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def _cut_out(image: Image.Image, corners: NDArray[np.float32]) -> Image.Image:
    """The line within corners (from its own top left one on), upright and of the model's height."""
    across, down = (float(np.hypot(*(corners[end] - corners[0]))) for end in (1, 3))
    width = min(_WIDEST_PX, max(1, math.ceil(_LINE_PX * across / max(down, 1.0))))
    left, top = corners[0].tolist()
    right, bottom = corners[2].tolist()
    if corners[0, 1] == corners[1, 1] and right > left and bottom > top:
        bounds = (left, top, right, bottom)
        return image.resize((width, _LINE_PX), Image.Resampling.BILINEAR, box=bounds)
    quad = corners[[0, 3, 2, 1]].reshape(-1).tolist()
    return image.transform((width, _LINE_PX), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)


def _is_same(copy: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two lines look alike in every part of their length."""
    parts = np.abs(copy - other).reshape(_COPY_PX[1], _COPY_PARTS, -1)
    return bool(parts.mean(axis=(0, 2)).max() < _SAME)


def _is_near(box: TextBox, other: TextBox) -> bool:
    return bool(np.abs(box.corners - other.corners).max() < min(box.height, box.width))
