"""A real CTranslate2 model of one layer that says what it is told to say, whatever it reads.

Its attention and feed-forward weights are zero and its embeddings one-hot, so the next token depends on the
last one alone, and the projection is a table of which follows which. After a language's mark comes its
phrase.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from ctranslate2.specs import TransformerSpec
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

_SURE = 50.0
_FIRST, _UNKNOWN, _END = "<s>", "<unk>", "</s>"


def write_translator(folder: Path, phrases: Mapping[str, Sequence[str]], words: Sequence[str] = ()) -> Path:
    """Write a model that, after the mark, says the words that ``phrases`` gives for it.

    Args:
        folder: created.
        phrases: mark of a language such as "deu_Latn", or "" for a model of one pair, -> words, each once.
        words: what it can read beside that.
    """
    said = [word for phrase in phrases.values() for word in phrase]
    marks = [mark for mark in phrases if mark]
    vocabulary = [_FIRST, _UNKNOWN, _END, *marks, *dict.fromkeys([*said, *words])]
    following = {}
    for mark, phrase in phrases.items():
        chain = [mark or _END, *phrase, _END]
        following |= dict(pairwise(chain))
    spec = TransformerSpec.from_config((1, 1), 2)
    _fill(spec, vocabulary, following)
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.config.decoder_start_token = _END
    spec.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    _write_tokenizer(folder, vocabulary)
    return folder


def _fill(spec: TransformerSpec, vocabulary: list[str], following: Mapping[str, str]) -> None:
    width = len(vocabulary) + len(vocabulary) % 2
    one_hot = _SURE * np.eye(len(vocabulary), width, dtype=np.float32)
    projection = np.zeros((len(vocabulary), width), np.float32)
    for before, after in following.items():
        projection[vocabulary.index(after), vocabulary.index(before)] = _SURE
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = one_hot
    spec.decoder.projection.weight = projection
    for name, _ in spec.variables(ordered=True):
        layer, _, field = name.rpartition("/")
        if field in {"gamma", "beta"}:
            _set(spec, name, np.full(width, field == "gamma", np.float32))
        elif field == "weight" and "layer_0" in layer:
            rows = {"self_attention/linear_0": 3, "attention/linear_1": 2}
            many = next((n for end, n in rows.items() if layer.endswith("layer_0/" + end)), 1)
            _set(spec, name, np.zeros((many * width, width), np.float32))


def _set(spec: TransformerSpec, name: str, value: np.ndarray) -> None:
    *path, field = name.split("/")
    part = spec
    for step in path:
        stem, _, number = step.rpartition("_")
        if number.isdigit() and isinstance(getattr(part, stem, None), list):
            part = getattr(part, stem)[int(number)]
        else:
            part = getattr(part, step)
    setattr(part, field, value)


def _write_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    assert config["decoder_start_token"] == _END
