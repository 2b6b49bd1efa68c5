"""Pictures with words on them, in letters of the font that matplotlib brings."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videos import Image as Pixels

__all__ = ["SIZE", "written"]

SIZE = (640, 360)
_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def written(
    *texts: tuple[str, int, int], px: int = 24, size: tuple[int, int] = SIZE, grey: int = 60
) -> Pixels:
    """A picture with texts at places (left, top), white on grey.

    Args:
        texts: words, left and top in pixels.
        px: height of the font.
        size: width and height in pixels.
        grey: what is behind.
    """
    image = Image.new("RGB", size, (grey,) * 3)
    canvas, font = ImageDraw.Draw(image), ImageFont.truetype(_FONT, px)
    for text, left, top in texts:
        canvas.text((left, top), text, "white", font)
    return np.asarray(image)
