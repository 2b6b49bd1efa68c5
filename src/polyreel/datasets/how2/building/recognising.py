"""Recognise speech with a model on this computer: the one recogniser that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polyreel.clips import Caption
from polyreel.errors import DatasetError
from polyreel.extras import install_packages
from polyreel.languages import UNKNOWN, clean, parse_tag

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

__all__ = ["WhisperRecogniser"]

_FILES = ("model.bin", "config.json", "tokenizer.json")


class WhisperRecogniser:
    """Whisper in CTranslate2's format, by the package ``faster-whisper``, on the processor.

    Args:
        folder: a converted model: ``model.bin``, ``config.json``, ``tokenizer.json``. Nothing is downloaded.

    Raises:
        DatasetError: the folder holds no model.
    """

    def __init__(self, folder: Path) -> None:
        # Without a tokenizer beside the model the package would download one.
        if missing := [name for name in _FILES if not (folder / name).is_file()]:
            raise DatasetError(
                "no speech model is there",
                item=folder,
                value=f"{', '.join(missing)} missing",
                remedy="Convert a Whisper model with ct2-transformers-converter --copy_files tokenizer.json",
            )
        self._folder = folder
        self._model: WhisperModel | None = None

    def __repr__(self) -> str:
        return f"WhisperRecogniser({str(self._folder)!r})"

    def transcribe(self, video: Path) -> list[Caption]:
        """What is said, in the language that is recognised from the first half minute.

        Raises:
            DatasetError: the package is missing, the model cannot be loaded, or the sound cannot be read.
        """
        model = self._loaded()
        try:
            segments, facts = model.transcribe(str(video), condition_on_previous_text=False)
            language = parse_tag(facts.language) or UNKNOWN
            return [
                Caption(text, language, segment.start, segment.end, "transcribed")
                for segment in segments
                if (text := clean(segment.text))
            ]
        # A file without sound raises IndexError there, a broken one an error of the decoder's own.
        except (OSError, ValueError, RuntimeError, IndexError) as error:
            raise DatasetError("the speech cannot be recognised", item=video, value=error) from error

    def _loaded(self) -> WhisperModel:
        if self._model is None:
            try:
                from faster_whisper import WhisperModel
            except ImportError as error:
                raise DatasetError(
                    "recognising speech needs faster-whisper",
                    value=error,
                    remedy=f"Install it with: {install_packages('faster-whisper')}",
                ) from error
            try:
                self._model = WhisperModel(str(self._folder), device="cpu", local_files_only=True)
            except (OSError, ValueError, RuntimeError) as error:
                raise DatasetError(
                    "the speech model cannot be loaded", item=self._folder, value=error
                ) from error
        return self._model
