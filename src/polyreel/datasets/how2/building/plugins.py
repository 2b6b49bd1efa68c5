"""What can be plugged into a build: a translator for missing languages, a recogniser where no subtitle is.

A run goes on from an earlier one only if its plug-ins have the same ``repr``, so let it name the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from polyreel.clips import Caption

__all__ = ["Recogniser", "Translator"]


class Translator(Protocol):
    """Translates sentences. One method; nothing of ours has to be imported to write one."""

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        """As many translations as texts, in their order.

        Args:
            texts: sentences or subtitle lines, cleaned.
            source, target: BCP-47 tags.

        Raises:
            DatasetError: it does not know one of the languages; the build goes on without.
        """
        ...


class Recogniser(Protocol):
    """Takes down what is said in a video."""

    def transcribe(self, video: Path) -> Sequence[Caption]:
        """Captions with times in seconds, all in the language that is spoken; none in a silent film.

        Raises:
            DatasetError: the sound cannot be read; the build goes on without.
        """
        ...
