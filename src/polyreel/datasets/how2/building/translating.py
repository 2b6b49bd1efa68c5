"""Translate with a model on this computer: the one translator that is shipped.

A model is a folder that ``ct2-transformers-converter`` has written (``model.bin``, ``config.json``, a
vocabulary), with the files of its tokenizer: ``tokenizer.json``, or SentencePiece models as OPUS-MT, M2M100
and NLLB have them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyreel.errors import DatasetError, UnknownNameError
from polyreel.extras import install_packages
from polyreel.languages import clean

if TYPE_CHECKING:
    import ctranslate2

__all__ = ["CTranslate2Translator"]

_END = "</s>"
_MOST_TOKENS = 400
_BATCH_TOKENS = 2_048
_PACKAGES = ("ctranslate2", "sentencepiece")
# NLLB's names of languages: FLORES-200 codes.
_NLLB = {
    **{"ar": "arb_Arab", "bg": "bul_Cyrl", "cs": "ces_Latn", "de": "deu_Latn", "el": "ell_Grek"},
    **{"en": "eng_Latn", "es": "spa_Latn", "fr": "fra_Latn", "hi": "hin_Deva", "id": "ind_Latn"},
    **{"it": "ita_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang", "nl": "nld_Latn", "pl": "pol_Latn"},
    **{"pt": "por_Latn", "ru": "rus_Cyrl", "sw": "swh_Latn", "th": "tha_Thai", "tr": "tur_Latn"},
    **{"uk": "ukr_Cyrl", "ur": "urd_Arab", "vi": "vie_Latn", "zh": "zho_Hans"},
}


class CTranslate2Translator:
    """Translations by a local model, on the processor, in batches.

    Args:
        folder: a multilingual model (NLLB, M2M100), or a folder of models for one pair each, in subfolders
        called
            ``en-de`` and so on (OPUS-MT).
        beam_size: hypotheses kept while searching; 1 is fastest.
        threads: of the processor; 0 leaves it to the library.

    Raises:
        DatasetError: the folder holds no model.
    """

    def __init__(self, folder: Path, *, beam_size: int = 2, threads: int = 0) -> None:
        self._folder, self._beam_size, self._threads = folder, beam_size, threads
        self._pairs = sorted(path.parent.name for path in folder.glob("*-*/model.bin"))
        self._multilingual = (folder / "model.bin").is_file()
        self._loaded: dict[Path, _Model] = {}
        if not self._multilingual and not self._pairs:
            raise DatasetError(
                "no translation model is there",
                item=folder,
                remedy="Name a folder with model.bin, or with subfolders en-de, en-fr, ... that have one; "
                "ct2-transformers-converter writes them",
            )

    def __repr__(self) -> str:
        return f"CTranslate2Translator({str(self._folder)!r}, beam_size={self._beam_size})"

    def translate(self, texts: Sequence[str], *, source: str, target: str) -> list[str]:
        """As many translations as texts; empty for a text of more than 400 tokens, which would be cut.

        Args:
            texts: in the source language.
            source: BCP-47 tag of the texts.
            target: BCP-47 tag of the translations.

        Raises:
            UnknownNameError: the model does not know a language, or there is none for the pair.
            DatasetError: the model cannot be loaded.
        """
        model = self._model(source, target)
        prefix = model.marks(target)
        encoded = [model.encoded(text, source) for text in texts]
        places = [place for place, tokens in enumerate(encoded) if len(tokens) <= _MOST_TOKENS]
        results = model.engine.translate_batch(
            [encoded[place] for place in places],
            target_prefix=[prefix] * len(places) if prefix else None,
            beam_size=self._beam_size,
            max_batch_size=_BATCH_TOKENS,
            batch_type="tokens",
        )
        translations = [""] * len(texts)
        for place, result in zip(places, results, strict=True):
            translations[place] = clean(model.decode(result.hypotheses[0][len(prefix) :]))
        return translations

    def _model(self, source: str, target: str) -> _Model:
        folder = self._folder
        if not self._multilingual:
            pair = f"{source.split('-')[0]}-{target.split('-')[0]}"
            if pair not in self._pairs:
                raise UnknownNameError(f"translation model in {folder}", pair, self._pairs)
            folder /= pair
        if folder not in self._loaded:
            self._loaded[folder] = _load(folder, self._threads)
        return self._loaded[folder]


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded model with its tokenizer, and how it is told of languages."""

    engine: ctranslate2.Translator
    encode: Callable[[str], list[str]]
    decode: Callable[[list[str]], str]
    vocabulary: frozenset[str]
    adds_end: bool

    def encoded(self, text: str, source: str) -> list[str]:
        tail = [] if self.adds_end else [_END]
        return [*self.marks(source), *self.encode(text), *tail]

    def marks(self, language: str) -> list[str]:
        """What tells the model of a language; nothing where it knows one pair only."""
        base = language.split("-")[0]
        if _NLLB["en"] in self.vocabulary:
            known = {tag: code for tag, code in _NLLB.items() if code in self.vocabulary}
        elif "__en__" in self.vocabulary:
            known = {token.strip("_"): token for token in self.vocabulary if _is_m2m_mark(token)}
        else:
            return []
        if base not in known:
            raise UnknownNameError("language of the translation model", base, known)
        return [known[base]]


def _is_m2m_mark(token: str) -> bool:
    return len(token) in {6, 7} and token.startswith("__") and token.endswith("__")


def _load(folder: Path, threads: int) -> _Model:
    try:
        import ctranslate2
    except ImportError as error:
        raise DatasetError(
            "translating needs ctranslate2",
            value=error,
            remedy=f"Install it with: {install_packages(*_PACKAGES)}",
        ) from error
    try:
        engine = ctranslate2.Translator(str(folder), device="cpu", intra_threads=threads)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        vocabulary = _vocabulary(folder)
        encode, decode = _tokenizer(folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(
            "the translation model cannot be loaded",
            item=folder,
            value=error,
            remedy="Convert it again with ct2-transformers-converter, and copy its tokenizer's files along",
        ) from error
    return _Model(engine, encode, decode, vocabulary, bool(config.get("add_source_eos")))


def _vocabulary(folder: Path) -> frozenset[str]:
    for name in ("shared_vocabulary", "source_vocabulary"):
        if (path := folder / f"{name}.json").is_file():
            return frozenset(json.loads(path.read_text(encoding="utf-8")))
        if (path := folder / f"{name}.txt").is_file():
            return frozenset(path.read_text(encoding="utf-8").split("\n"))
    raise FileNotFoundError("no vocabulary is beside the model")


def _tokenizer(folder: Path) -> tuple[Callable[[str], list[str]], Callable[[list[str]], str]]:
    if (path := folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        fast = Tokenizer.from_file(str(path))
        fast.no_truncation()

        def decode(tokens: list[str]) -> str:
            ids = [number for token in tokens if (number := fast.token_to_id(token)) is not None]
            return str(fast.decode(ids))

        return lambda text: list(fast.encode(text, add_special_tokens=False).tokens), decode
    pieces = [folder / name for name in ("source.spm", "target.spm")]
    if not all(path.is_file() for path in pieces):
        pieces = [*folder.glob("*.model")][:1] * 2
    if not pieces:
        raise FileNotFoundError("no tokenizer.json, source.spm or *.model is beside the model")
    source, target = (_sentencepiece(path) for path in pieces)
    return lambda text: list(source.encode(text, out_type=str)), lambda tokens: str(target.decode(tokens))


def _sentencepiece(path: Path) -> Any:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise DatasetError(
            "this model's tokenizer needs sentencepiece",
            item=path,
            value=error,
            remedy=f"Install it with: {install_packages(*_PACKAGES)}",
        ) from error
    return SentencePieceProcessor(model_file=str(path))
