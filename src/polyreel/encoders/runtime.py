"""Run a bundle: text, frames and clips in, vectors of one shared space out. ONNX Runtime alone."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from polyreel.encoders.card import CARD_FILE, BundleCard, read_card
from polyreel.encoders.devices import CPU, chosen_device, open_session, tell_failure
from polyreel.encoders.fast_start import FastStart, find_fast_start, make_fast_start
from polyreel.encoders.glosses import GLOSSES_FILE, GlossTable, glossed, read_glosses
from polyreel.encoders.text_rows import cleaned, filled, rows_of
from polyreel.errors import BundleError
from polyreel.packages.members import sha256_of
from polyreel.query_languages import detect_query

if TYPE_CHECKING:
    import onnxruntime as ort
    from tokenizers import Tokenizer

    from polyreel.encoders.compact_tokenizer import CompactTokenizer

__all__ = ["Bundle"]

# Rows of one length, nearly: what a larger batch saves it loses to padding, a quarter with 64 at once.
_TEXTS_AT_ONCE = 16
# Batches that are encoded at the same time, each by one thread; windows of 512 tokens take 200 MB a batch.
_BATCHES_BESIDE = 4
_FRAMES_AT_ONCE = 16
# Texts, and characters of each call, that the tokenizer which starts at once still splits sooner than the
# fast one is loaded.
_FEW_TEXTS, _FEW_CHARS = 32, 2_000


class Bundle:
    """A loaded bundle. Parts are opened, and checked against their digests, when first used.

    Args:
        folder: the bundle's folder.
        threads: threads of each model, for texts batches at the same time; 0 takes one for each core.
        device: what runs it, one of ``devices.DEVICES``; None takes ``$POLYREEL_DEVICE``, else the CPU. One
            that fails gives way to the CPU, with one message to the log.

    Raises:
        BundleError: the card is missing or of another schema.
        UnknownNameError: there is no such device.
    """

    def __init__(self, folder: Path, *, threads: int = 0, device: str | None = None) -> None:
        self.folder = folder
        self.card: BundleCard = read_card(folder)
        self._threads = threads
        self.device = chosen_device(device)
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._opening = threading.RLock()
        self._texts_so_far = 0

    def encode_text(
        self,
        texts: Sequence[str],
        *,
        languages: Sequence[str | None] | None = None,
        role: Literal["query", "line"] = "query",
    ) -> NDArray[np.float32]:
        """Unit vectors of ``texts``, (texts, dim). Text of any language and length; see ``languages.clean``.

        A text longer than the model reads is encoded in windows and averaged by their length, never cut.

        Args:
            texts: as ``languages.clean`` leaves them.
            languages: BCP-47 tag of each, which most bundles do not need; None has it detected, and one that
                is not clear is taken for the card's default.
            role: whether the texts ask or are searched, for bundles whose card has another prefix for each,
                or that put English words before queries of some languages.

        Raises:
            QueryError: the bundle has to be told the language, and does not know the one that was named.
        """
        windows: list[list[int]] = []
        owners: list[int] = []
        for owner, rows in enumerate(self.token_rows(texts, languages=languages, role=role)):
            windows.extend(rows)
            owners.extend([owner] * len(rows))
        vectors = np.zeros((len(texts), self.card.dim), np.float32)
        # Rows of similar length share a batch, so that little of it is padding.
        order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        batches = [order[start : start + _TEXTS_AT_ONCE] for start in range(0, len(order), _TEXTS_AT_ONCE)]
        encoded = self._run_texts([[windows[index] for index in chosen] for chosen in batches])
        for chosen, batch in zip(batches, encoded, strict=True):
            for index, vector in zip(chosen, batch, strict=True):
                vectors[owners[index]] += vector * len(windows[index])
        return _unit_rows(vectors)

    def token_rows(
        self,
        texts: Sequence[str],
        *,
        languages: Sequence[str | None] | None = None,
        role: Literal["query", "line"] = "query",
    ) -> list[list[list[int]]]:
        """The windows of each text, each a row of token ids; nearly always it is one.

        Args:
            texts: as ``languages.clean`` leaves them.
            languages: BCP-47 tag of each, as ``encode_text`` takes them.
            role: as ``encode_text`` takes it.

        Raises:
            QueryError: the bundle has to be told the language, and does not know the one that was named.
        """
        spec = self.card.text
        own = spec.document_prefix if role == "line" else None
        prefix = spec.prefix if own is None else own
        if role == "query" and self._glosses:
            told = languages or [None] * len(texts)
            texts = [
                glossed(text, tag or detect_query(text).language, self._glosses)
                for text, tag in zip(texts, told, strict=True)
            ]
        tokenizer = self._tokenizer_for(texts, prefix)
        return list(rows_of(tokenizer, spec, texts, languages, prefix=prefix))

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of upright RGB pictures: (frames, height, width, 3) uint8 -> (frames, features)."""
        parts = [
            self._run("frames.onnx", {"frames": frames[start : start + _FRAMES_AT_ONCE]})
            for start in range(0, len(frames), _FRAMES_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.card.frames.dim), np.float32)

    def encode_video(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Unit vectors of clips, (clips, dim), from the features of each one's frames, (frames, features)."""
        if not clips:
            return np.zeros((0, self.card.dim), np.float32)
        longest = max(len(clip) for clip in clips)
        features = np.zeros((len(clips), longest, self.card.frames.dim), np.float32)
        mask = np.zeros((len(clips), longest), np.float32)
        for row, clip in enumerate(clips):
            features[row, : len(clip)] = clip
            mask[row, : len(clip)] = 1.0
        return self._run("video.onnx", {"features": features, "mask": mask})

    def prepare_for_many_texts(self) -> None:
        """Load now what many texts need, in a process that stays; one text does without.

        Raises:
            BundleError: a part is missing or changed.
        """
        self._session("text.onnx")
        self._texts_so_far = _FEW_TEXTS + 1
        self._tokenizer_for(())

    def verify(self) -> None:
        """Check every part against its digest.

        Raises:
            BundleError: a part is missing or changed.
        """
        for name in self.card.files:
            self._checked(name)

    def _run_texts(self, batches: Sequence[Sequence[list[int]]]) -> list[NDArray[np.float32]]:
        """Unit vectors of each batch of windows, some batches beside each other."""

        def run(windows: Sequence[list[int]]) -> NDArray[np.float32]:
            ids, mask = filled(windows, self.card.text)
            return _unit_rows(self._run("text.onnx", {"ids": ids, "mask": mask}))

        cores = self._threads or len(os.sched_getaffinity(0))
        beside = min(len(batches), cores, _BATCHES_BESIDE) if self.device == CPU else 1
        if beside <= 1:
            return [run(windows) for windows in batches]
        with ThreadPoolExecutor(beside) as pool:
            return list(pool.map(run, batches))

    def _run(self, name: str, inputs: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        device = self.device  # a search beside this one may leave it meanwhile
        try:
            return self._run_once(name, inputs)
        except Exception as error:  # a device's own, which share no base; the CPU's are not caught
            if device == CPU:
                raise
            self._leave_device(error)
        return self._run_once(name, inputs)

    def _run_once(self, name: str, inputs: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        session = self._session(name)
        taken = {given.name: inputs[given.name] for given in session.get_inputs()}
        if session.get_inputs()[0].shape[0] == 1:  # exported for one row at a time
            rows = zip(*taken.values(), strict=True)
            parts = [
                session.run(None, dict(zip(taken, (part[None] for part in row), strict=True)))[0]
                for row in rows
            ]
            return np.concatenate(parts).astype(np.float32)
        (output,) = session.run(None, taken)
        return np.asarray(output, np.float32)

    @functools.cached_property
    def _glosses(self) -> GlossTable:
        return read_glosses(self._checked(GLOSSES_FILE)) if GLOSSES_FILE in self.card.files else {}

    @functools.cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        path = self._checked("tokenizer.json")
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # The tokenizers package raises no class of its own.
            raise _not_runnable(path, error) from error

    def _tokenizer_for(self, texts: Sequence[str], prefix: str = "") -> Tokenizer | CompactTokenizer:
        """The full tokenizer if it is loaded or will be worth it, else the one that starts at once."""
        self._texts_so_far += len(texts)
        few = self._texts_so_far <= _FEW_TEXTS and sum(map(len, texts)) <= _FEW_CHARS
        if few and "_tokenizer" not in self.__dict__ and (compact := self._compact_tokenizer) is not None:
            spec = self.card.text
            if compact.knows(cleaned(prefix + text, spec.cleaning) for text in texts):
                return compact
        return self._tokenizer

    @functools.cached_property
    def _compact_tokenizer(self) -> CompactTokenizer | None:
        return None if self._fast_start is None else self._fast_start.tokenizer()

    @functools.cached_property
    def _fast_start(self) -> FastStart | None:
        found = find_fast_start(self.folder, self.card)
        if found is None:
            for name in ("text.onnx", "tokenizer.json"):
                self._checked(name)
            found = make_fast_start(self.folder, self.card, self._text_options)
        return found

    def _session(self, name: str) -> ort.InferenceSession:
        with self._opening:
            if name not in self._sessions:
                self._sessions[name] = self._open(name)
            return self._sessions[name]

    def _open(self, name: str) -> ort.InferenceSession:
        session = self._open_fast() if name == "text.onnx" else None
        session = session or self._open_checked(name)
        self._require_width(name, session.get_outputs()[0].shape[-1])
        return session

    def _open_fast(self) -> ort.InferenceSession | None:
        if self.device == CPU and (fast := self._fast_start) is not None:
            with contextlib.suppress(Exception):  # what was made can be anything; the part itself is there
                return fast.open_text(self._text_options())
        return None

    def _open_checked(self, name: str) -> ort.InferenceSession:
        path = self._checked(name)
        options = self._text_options() if name == "text.onnx" else self._options(self._threads)
        try:
            return open_session(path, options, self.device, on_failure=self._leave_device)
        except Exception as error:  # ONNX Runtime raises its own classes, which share no other base.
            raise _not_runnable(path, error) from error

    def _text_options(self) -> ort.SessionOptions:
        """Those of one thread: products of few tokens are so small that waking others costs a tenth."""
        return self._options(1)

    def _options(self, threads: int) -> ort.SessionOptions:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Idle threads sleep instead of spinning: decoding runs on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return options

    def _leave_device(self, reason: object) -> None:
        """Do all work on the CPU from now on, and say so once."""
        with self._opening:
            if self.device != CPU:
                tell_failure(self.device, reason)
                self.device = CPU
                self._sessions.clear()

    def _require_width(self, name: str, found: object) -> None:
        """Hold the card against the model; a graph whose width is not fixed is believed."""
        key, stated = (
            ("frames.dim", self.card.frames.dim) if name == "frames.onnx" else ("dim", self.card.dim)
        )
        if isinstance(found, int) and found != stated:
            raise BundleError(
                "the bundle's card contradicts its model",
                item=self.folder / CARD_FILE,
                value=f"{key}: {stated}, but {name} gives {found}",
                remedy="The card was changed or is of another bundle; build or copy the bundle again",
            )

    def _checked(self, name: str) -> Path:
        """The path of a part that is as its digest says; weights beside a graph are part of it."""
        for part in (name, *(file for file in self.card.files if file.startswith(f"{name}."))):
            path = self.folder / part
            expected = self.card.files.get(part)
            found = sha256_of(path) if path.is_file() else "missing"
            if found != expected:
                raise BundleError(
                    "a part of the bundle is damaged",
                    item=path,
                    value=f"sha256 {found[:12]}, expected {str(expected)[:12]}",
                    remedy=f"Run '{self._made_by}' or copy the bundle again",
                )
        return self.folder / name

    @property
    def _made_by(self) -> str:
        name, origin = self.card.name, self.card.origin
        if origin is None:
            return f"polyreel bundles build {name} --force"
        return f"polyreel bundles import {origin.source} --name {name}"


def _not_runnable(path: Path, error: Exception) -> BundleError:
    return BundleError("a part of the bundle cannot be run", item=path, value=str(error).splitlines()[0])


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
