"""SVG drawings as pictures, drawn by resvg, which runs no scripts and knows no network."""

from __future__ import annotations

import re

from polyreel.errors import MediaError

__all__ = ["is_drawing", "rasterised"]

_BEGINS = re.compile(rb"\s*<(?:\?xml|svg)\b")
# resvg would read a picture that a drawing names by its path; an entity could hide such a name.
_OUTSIDE = re.compile(r"<!ENTITY|href\s*=\s*[\"'](?!\s*(?:#|data:))")
# A drawing has no pixels of its own, and the size that it states can be any.
_SIDE_PX = 512


def is_drawing(data: bytes) -> bool:
    """Whether the bytes begin as SVG does."""
    return _BEGINS.match(data.removeprefix(b"\xef\xbb\xbf")) is not None


def rasterised(data: bytes, size: tuple[int, int] | None = None, *, item: object = None) -> bytes:
    """The drawing as a PNG file, transparent where nothing is drawn.

    Args:
        data: the SVG file.
        size: width and height in pixels that it fills, its proportions kept; 512 by default.
        item: what messages call it.

    Raises:
        MediaError: it is no SVG, too large, or refers to other files.
    """
    # Imported late: few corpora have drawings.
    import resvg_py

    width, height = size or (_SIDE_PX, _SIDE_PX)
    try:
        text = data.decode("utf-8-sig")
        if _OUTSIDE.search(text):
            raise MediaError("the drawing refers to other files, which are not read", item=item)
        return resvg_py.svg_to_bytes(svg_string=text, width=width, height=height, skip_system_fonts=True)
    except ValueError as error:
        raise MediaError("the file is no drawing that can be read", item=item, value=error) from error
