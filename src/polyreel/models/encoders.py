"""Text encoders: token ids -> token states. The packaged weights, hashed bags, and Hugging Face's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from polyreel.encoders.build.e5 import E5Weights
from polyreel.encoders.build.parts import E5_PREFIX, load_e5, text_tokenizer
from polyreel.errors import UsageError
from polyreel.models.adapters import AdaptedLinear
from polyreel.models.fresh_rows import FreshRows, FreshRowsReader
from polyreel.models.hashed_bag import HashedBag, HashedReader
from polyreel.models.inputs import Reader, TextReader
from polyreel.models.layers import BertEncoder
from polyreel.models.specs import (
    E5_SMALL,
    HASHED_BAG,
    AdapterSpec,
    FreshRowsSpec,
    HashedBagSpec,
    TextTowerSpec,
)

__all__ = ["LoadedEncoder", "bert_from_e5", "load_encoder", "waits_for_the_hub"]

# The parts of a layer: our name of each -> its path in a layer of BERT, RoBERTa and XLM-R.
_HUB_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "feed_in": "intermediate.dense",
    "feed_out": "output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "output_norm": "output.LayerNorm",
}
# The same, in the names of the packaged weights.
_E5_LINEARS = {
    "query": "q",
    "key": "k",
    "value": "v",
    "attention_output": "ao",
    "feed_in": "fi",
    "feed_out": "fo",
}
_E5_NORMS = {"attention_norm": "aln", "output_norm": "oln"}


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An encoder with what is needed to feed and to change it.

    Attributes:
        module: called with ``ids`` and ``mask``, gives the states of its last layer.
        layers: the transformer layers inside ``module``, first to last.
        parts: our name of a part of a layer -> its path in a layer.
        width: of the states.
        reader: how texts are prepared.
    """

    module: nn.Module
    layers: nn.ModuleList
    parts: dict[str, str]
    width: int
    reader: Reader

    def keep_layers(self, count: int) -> None:
        """Drop the layers after ``count``, so that the module gives the states of that layer.

        Raises:
            UsageError: there are not so many.
        """
        if count > len(self.layers):
            raise UsageError(
                "the text encoder has fewer layers", item=f"layer {count}", value=f"{len(self.layers)} layers"
            )
        del self.layers[count:]

    def freeze_below(self, layer: int | None) -> None:
        """Freeze the embeddings and the layers numbered below ``layer``, from 1; None freezes all, 0 none."""
        if layer == 0:
            return
        self.module.requires_grad_(False)
        for trained in self.layers[len(self.layers) if layer is None else layer - 1 :]:
            trained.requires_grad_(True)

    def adapt(self, spec: AdapterSpec) -> None:
        """Put low-rank adapters around the linear maps that ``spec`` names, in every layer.

        Raises:
            UsageError: the layers are not built like BERT's.
        """
        for layer in self.layers:
            for target in spec.targets:
                path = self.parts[target]
                base = dict(layer.named_modules()).get(path)
                if not isinstance(base, nn.Linear):
                    raise _not_like_bert(layer, path)
                adapted = AdaptedLinear(base, rank=spec.rank, alpha=spec.alpha)
                layer.set_submodule(path, adapted)


def load_encoder(spec: TextTowerSpec) -> LoadedEncoder:
    """The encoder that ``spec`` names, cut to its layer, frozen and adapted as it says.

    Raises:
        FetchError: the packaged weights could not be had.
        UsageError: a Hugging Face encoder that is not there, or does not fit.
    """
    if spec.encoder == HASHED_BAG:
        return _hashed_bag(spec.hashed_bag or HashedBagSpec())
    if spec.encoder == E5_SMALL:
        encoder = _e5_small(spec)
    else:
        # Imported late: transformers takes seconds.
        from polyreel.models.hub import load_hub_encoder

        hub = load_hub_encoder(spec.encoder, dropout=spec.dropout)
        encoder = LoadedEncoder(
            module=hub,
            layers=hub.layers,
            parts=_HUB_PARTS,
            width=hub.width,
            reader=_reader(spec, hub.tokenizer, pad_id=hub.pad_id, prefix="", positions=hub.positions),
        )
    encoder.keep_layers(spec.layer or len(encoder.layers))
    encoder.freeze_below(spec.frozen_below)
    if spec.adapters is not None:
        encoder.adapt(spec.adapters)
    return encoder if spec.fresh_rows is None else _with_fresh_rows(encoder, spec.fresh_rows)


def waits_for_the_hub(spec: TextTowerSpec) -> bool:
    """Whether the encoder is a name on the hub of Hugging Face of which nothing has been fetched yet."""
    if spec.encoder in {E5_SMALL, HASHED_BAG} or Path(spec.encoder).expanduser().is_dir():
        return False
    # Imported late, with transformers, which brings it.
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return not isinstance(try_to_load_from_cache(spec.encoder, "config.json"), str)
    except HFValidationError:  # no name on the hub, but a folder that is not there
        return False


def _e5_small(spec: TextTowerSpec) -> LoadedEncoder:
    weights = load_e5()
    module, vocabulary = bert_from_e5(weights, dropout=spec.dropout), weights.vocabulary
    reader = _reader(
        spec,
        text_tokenizer(vocabulary),
        pad_id=vocabulary.pad_id,
        prefix=E5_PREFIX,
        positions=module.positions,
    )
    return LoadedEncoder(
        module=module,
        layers=module.layers,
        parts={part: part for part in _HUB_PARTS},
        width=module.width,
        reader=reader,
    )


def _hashed_bag(spec: HashedBagSpec) -> LoadedEncoder:
    bag = HashedBag(spec)
    return LoadedEncoder(
        module=bag, layers=nn.ModuleList(), parts={}, width=bag.width, reader=HashedReader(spec)
    )


def _with_fresh_rows(encoder: LoadedEncoder, spec: FreshRowsSpec) -> LoadedEncoder:
    """The encoder with its table of word rows inside one that has fresh ones, too."""
    words, reader = encoder.module.words, encoder.reader
    assert isinstance(words, nn.Embedding)
    assert isinstance(reader, TextReader)
    path = next(path for path, part in encoder.module.named_modules() if part is words)
    encoder.module.set_submodule(path, FreshRows(words, spec))
    return replace(encoder, reader=FreshRowsReader(reader, spec, words=words.num_embeddings))


def _reader(
    spec: TextTowerSpec, tokenizer: Tokenizer, *, pad_id: int, prefix: str, positions: int
) -> TextReader:
    return TextReader(
        tokenizer,
        pad_id=pad_id,
        prefix=prefix if spec.prefix is None else spec.prefix,
        max_tokens=min(spec.max_tokens, positions),
    )


def bert_from_e5(weights: E5Weights, *, dropout: float = 0.0) -> BertEncoder:
    """The packed weights as exact float32, computing what the bundle's text graph computes."""
    words, width = weights.quantised["emb.word"].levels.shape
    with torch.device("meta"):
        encoder = BertEncoder(
            words,
            width=width,
            layers=weights.layers,
            heads=weights.heads,
            feed_forward=weights.quantised["l0.fi.w"].levels.shape[0],
            positions=weights.positions,
            epsilon=weights.epsilon,
            dropout=dropout,
        )
    floats = weights.floats
    state: dict[str, NDArray[np.float32]] = {
        "words.weight": weights.quantised["emb.word"].to_float(),
        # Every token has type 0, so the type embedding is part of the position's.
        "place.weight": floats["emb.pos"].reshape(-1, width) + floats["emb.type"][:width],
        "norm.weight": floats["emb.ln.w"],
        "norm.bias": floats["emb.ln.b"],
    }
    for layer in range(weights.layers):
        for ours, theirs in _E5_LINEARS.items():
            state[f"layers.{layer}.{ours}.weight"] = weights.quantised[f"l{layer}.{theirs}.w"].to_float()
            state[f"layers.{layer}.{ours}.bias"] = floats[f"l{layer}.{theirs}.b"]
        for ours, theirs in _E5_NORMS.items():
            state[f"layers.{layer}.{ours}.weight"] = floats[f"l{layer}.{theirs}.w"]
            state[f"layers.{layer}.{ours}.bias"] = floats[f"l{layer}.{theirs}.b"]
    # What is read from the package cannot be written to, so that is copied, and nothing else.
    tensors = {name: torch.from_numpy(np.require(value, requirements="W")) for name, value in state.items()}
    encoder.load_state_dict(tensors, assign=True)
    return encoder


def _not_like_bert(layer: nn.Module, path: str) -> UsageError:
    linear = [name for name, part in layer.named_modules() if isinstance(part, nn.Linear)]
    return UsageError(
        "adapters cannot be put into this text encoder",
        item=path,
        value=f"its layers hold {', '.join(linear)}",
        remedy="Adapters know encoders built like BERT and XLM-R; train its upper layers with 'frozen_below'",
    )
