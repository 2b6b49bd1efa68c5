"""Whisper by faster-whisper: sound is decoded elsewhere, and each window is decoded once."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.encoders.devices import CPU, tell_failure
from polyreel.errors import UsageError
from polyreel.extras import missing_extra
from polyreel.languages import UNKNOWN, clean
from polyreel.media.hearing import read_sound, sound_tracks
from polyreel.media.limited import DecodeWorker, Limits
from polyreel.media.sound import AudioTrack, Sound
from polyreel.progress import OnProgress
from polyreel.recognition.protocol import START, Place, RecognisedLine, Source, Stretch
from polyreel.recognition.speech.belief import LanguageBelief
from polyreel.recognition.speech.codes import tag_of, whisper_codes
from polyreel.recognition.speech.cutting import SpokenWord, cut_into_lines
from polyreel.recognition.speech.device import compute_type
from polyreel.recognition.speech.guards import is_credit, is_farewell, is_unlikely, without_loop
from polyreel.recognition.speech.voice import Block, SpeechWindow, Utterance, blocks, join_spans
from polyreel.recognition.speech.weights import SpeechModel

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

__all__ = ["WhisperSpeech"]

# Whoever changes what comes out for the same sound counts this up: files are heard anew.
_REVISION = 2
_FRAMES_A_SECOND = 100
# Beams 2 and 5 make as many mistakes and cost more: docs/speech.md.
_BEAMS = 1
_MULTILINGUAL_ONLY = "en"


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A window as the model's encoder sees it, and what the model makes of its language alone."""

    window: SpeechWindow
    states: Any
    languages: Mapping[str, float]


class WhisperSpeech:
    """Recognises speech in the sound of media files.

    Of several sound tracks one of each stated language is heard; among those of one language, and among
    those without any, the one that a player would play.

    Args:
        model: weights and their name; loaded when there is something to hear.
        threads: processor threads; None for one each core that this process may use.
        device: "cpu" or "cuda"; one that fails leaves the work to the processor, with one warning.
        limits: what decoding the sound of one file may take.
        track: number of the one sound track to hear; None for those described above.
        download: called with what arrives of the weights.
    """

    source: Source = "speech"

    def __init__(
        self,
        model: SpeechModel,
        *,
        threads: int | None = None,
        device: str = CPU,
        limits: Limits | None = None,
        track: int | None = None,
        download: OnProgress | None = None,
    ) -> None:
        self._weights, self._download = model, download
        self._threads, self._device = threads or len(os.sched_getaffinity(0)), device
        self._limits, self._track = limits, track
        self._tokenizers: dict[str, Tokenizer] = {}
        self.cost = model.cost

    @property
    def engine(self) -> str:
        """Name of the model, and of how it is used."""
        return f"{self._weights.name}/{_REVISION}"

    def recognise(
        self, media: Path, *, languages: Sequence[str] = (), begin: Place = START
    ) -> Iterator[Stretch]:
        """What is said in ``media``.

        Args: those of ``LineRecogniser``, as are the errors, and ``FetchError`` where there are no weights.
        """
        with DecodeWorker(self._limits) as worker:
            tracks = sound_tracks(worker, media)
            if self._track is not None and self._track >= len(tracks):
                # Refused there, in the words for it, and before any weights are fetched.
                next(read_sound(worker, media, self._track))
            chosen = self._chosen(tracks)
            # Not before there is something to hear: it takes seconds, or has to be fetched first.
            likely = whisper_codes(languages, self._known_codes()) if chosen else ()
            for track in chosen:
                if track.number < begin.track:
                    continue
                from_s = begin.time_s if track.number == begin.track else 0.0
                yield from self._hear(worker, media, track, from_s, likely)

    def _chosen(self, tracks: Sequence[AudioTrack]) -> list[AudioTrack]:
        if self._track is not None:
            return [*tracks[self._track : self._track + 1]]
        chosen: dict[str, AudioTrack] = {}
        for track in sorted(tracks, key=lambda each: (not each.is_default, each.number)):
            chosen.setdefault(track.language, track)
        if len(chosen) > 1 and not any(t.is_default for t in tracks if t.language == UNKNOWN):
            chosen.pop(UNKNOWN, None)
        return sorted(chosen.values(), key=lambda each: each.number)

    def _hear(
        self, worker: DecodeWorker, media: Path, track: AudioTrack, from_s: float, likely: Sequence[str]
    ) -> Iterator[Stretch]:
        stated = [track.language] if track.language != UNKNOWN else []
        with contextlib.suppress(UsageError):  # a language that the model has never heard of
            likely = [*likely, *whisper_codes(stated, self._known_codes())]
        belief = LanguageBelief(self._known_codes(), likely)
        remarks: list[str] = []

        def pieces() -> Iterator[Sound]:
            for event in read_sound(worker, media, track.number, from_s=from_s):
                if isinstance(event, Sound):
                    yield event
                else:
                    remarks.extend(event.remarks)

        until = Place(track.number, from_s)
        for block, spans in blocks(pieces()):
            lines = self._lines_of(block, spans, belief, likely)
            until = Place(track.number, block.end_s)
            yield Stretch(tuple(lines), until)
        yield Stretch((), until, tuple(remarks))

    def _lines_of(
        self, block: Block, spans: Sequence[Utterance], belief: LanguageBelief, likely: Sequence[str]
    ) -> list[RecognisedLine]:
        encoded = [self._encode(window) for window in join_spans(block, spans)]
        told = belief.languages([(each.languages, each.window.seconds) for each in encoded])
        lines: list[RecognisedLine] = []
        for each, (code, _probability) in zip(encoded, told, strict=True):
            lines += self._decode(each, code, 1.0 if code in likely else each.languages.get(code, 0.0))
        return lines

    def _encode(self, window: SpeechWindow) -> _Encoded:
        from faster_whisper.audio import pad_or_trim

        features = self._model.feature_extractor(window.samples)
        states = self._model.encode(pad_or_trim(features))
        return _Encoded(window, states, _languages_in(self._model, states))

    @property
    def _model(self) -> WhisperModel:
        return self._loaded[0]

    def _known_codes(self) -> tuple[str, ...]:
        """Codes that the model has a token for; its tokenizer has names of more."""
        return self._loaded[1]

    @functools.cached_property
    def _loaded(self) -> tuple[WhisperModel, tuple[str, ...]]:
        try:
            import faster_whisper  # noqa: F401  before its weights are fetched
        except ImportError as error:
            raise missing_extra("speech", "recognising speech needs faster-whisper", value=error) from error
        folder = self._weights.folder(self._download)
        if self._device != CPU:
            try:
                return _load(folder, self._device, self._threads)
            except UsageError as error:  # such as a driver whose libraries are not there
                tell_failure(self._device, error.value)
                self._device = CPU
        return _load(folder, CPU, self._threads)

    def _decode(self, encoded: _Encoded, code: str, sureness: float) -> list[RecognisedLine]:
        tokenizer = self._tokenizer(code)
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        (result,) = self._model.model.generate(
            encoded.states,
            [prompt],
            beam_size=_BEAMS,
            max_length=self._model.max_length,
            suppress_tokens=self._suppressed(tokenizer),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        text, seconds = clean(tokenizer.decode(tokens)), encoded.window.seconds
        language = tag_of(code)
        if (
            not text
            or is_unlikely(
                text,
                log_probability=result.scores[0],
                silence=result.no_speech_prob,
                language=sureness,
                seconds=seconds,
            )
            or is_farewell(text, language)
        ):
            return []
        words = without_loop(self._words(encoded, tokens, tokenizer))
        return [line for line in cut_into_lines(words, language) if not is_credit(line.text)]

    def _words(self, encoded: _Encoded, tokens: list[int], tokenizer: Tokenizer) -> list[SpokenWord]:
        window = encoded.window
        frames = min(round(window.seconds * _FRAMES_A_SECOND), self._model.feature_extractor.nb_max_frames)
        (found,) = self._model.find_alignment(tokenizer, [tokens], encoded.states, frames)
        words = []
        for word in found:
            if not word["word"]:
                continue
            start_s, end_s = float(word["start"]), float(word["end"])
            span = window.utterance_at((start_s + end_s) / 2)
            words.append(
                SpokenWord(
                    text=word["word"],
                    start_s=window.video_time_s(start_s, span),
                    end_s=window.video_time_s(end_s, span),
                    probability=float(word["probability"]),
                    span=span,
                )
            )
        return words

    def _tokenizer(self, code: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        if code not in self._tokenizers:
            self._tokenizers[code] = Tokenizer(
                self._model.hf_tokenizer,
                self._model.model.is_multilingual,
                task="transcribe",
                language=code,
            )
        return self._tokenizers[code]

    @staticmethod
    def _suppressed(tokenizer: Tokenizer) -> list[int]:
        """Signs that are not said, such as notes of music and brackets, and what steers the model."""
        steering = (
            tokenizer.transcribe,
            tokenizer.translate,
            tokenizer.sot,
            tokenizer.sot_prev,
            tokenizer.sot_lm,
            tokenizer.no_speech,
        )
        return sorted({*tokenizer.non_speech_tokens, *steering})


def _load(folder: Path, device: str, threads: int) -> tuple[WhisperModel, tuple[str, ...]]:
    """The model, and the codes that it tells in silence: what a device or a folder lacks shows only there."""
    import numpy as np
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim

    try:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type(device),
            cpu_threads=threads,
            local_files_only=True,
        )
        silence = pad_or_trim(model.feature_extractor(np.zeros(1_600, np.float32)))
        return model, tuple(sorted(_languages_in(model, model.encode(silence))))
    # A tokenizer that is none makes its reader raise a bare Exception.
    except Exception as error:
        raise UsageError("the speech model cannot be loaded", item=folder, value=error) from error


def _languages_in(model: WhisperModel, states: Any) -> dict[str, float]:
    if not model.model.is_multilingual:
        return {_MULTILINGUAL_ONLY: 1.0}
    (found,) = model.model.detect_language(states)
    return {token.strip("<|>"): float(probability) for token, probability in found}
