"""How a picture gets the size that a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from av.video.reformatter import Interpolation

if TYPE_CHECKING:
    from polyreel.encoders.card import FrameInput

__all__ = ["STRETCH", "Scaling"]

# All of them grow with the factor when a picture shrinks, as Pillow's do (antialiasing).
_KERNELS = {
    "area": Interpolation.AREA,
    "bilinear": Interpolation.BILINEAR,
    "bicubic": Interpolation.BICUBIC,
    "lanczos": Interpolation.LANCZOS,
}


@dataclass(frozen=True, slots=True)
class Scaling:
    """The way from a picture's own size to a given one.

    Attributes:
        resize: ``squash`` stretches the whole picture; ``crop`` scales it until its shorter side has
            ``shortest_px`` and cuts the middle out.
        shortest_px: None takes the shorter side of the given size.
        kernel: how pixels are made.
    """

    resize: Literal["squash", "crop"] = "squash"
    shortest_px: int | None = None
    kernel: Literal["area", "bilinear", "bicubic", "lanczos"] = "area"

    @classmethod
    def of(cls, frames: FrameInput) -> Scaling:
        """The way that a card asks for."""
        return cls(frames.resize, frames.shortest_px, frames.kernel)

    @property
    def interpolation(self) -> Interpolation:
        """FFmpeg's name of the kernel."""
        return _KERNELS[self.kernel]

    def scaled_size(self, own: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
        """Size before anything is cut off.

        Args:
            own: width and height in pixels of the upright picture.
            wanted: width and height in pixels in the end.
        """
        if self.resize == "squash":
            return wanted
        shortest = self.shortest_px or min(wanted)
        factor = shortest / min(own)
        # Rounded down as torchvision and transformers do; a long thin picture still fills the size.
        width, height = (
            max(shortest if side == min(own) else int(side * factor + 1e-9), least)
            for side, least in zip(own, wanted, strict=True)
        )
        return width, height


STRETCH = Scaling()
