"""Text encoders in the format of Hugging Face: a local folder, or a name on their hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from polyreel.errors import UsageError

__all__ = ["HubEncoder", "load_hub_encoder"]

# RoBERTa and XLM-R count positions from the padding id on, so two of their positions are never used.
_OFFSET_FAMILIES = {"camembert", "roberta", "xlm-roberta", "xlm-roberta-xl", "xmod"}
_UNLIMITED = 1_000_000


class HubEncoder(nn.Module):
    """A ``transformers`` encoder as the text tower wants it.

    Args:
        model, tokenizer: Parts that ``transformers`` loaded.
        item: Name of the encoder, for messages.

    Attributes:
        width: Width of the token states.
        tokenizer, pad_id, positions: how texts are prepared, and how many tokens they may have.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, item: str) -> None:
        super().__init__()
        # The pooler is a layer on the first token that nothing here uses; left in, it would have no gradient.
        if getattr(model, "pooler", None) is not None:
            model.register_module("pooler", None)
        self.model = model
        # In a tuple, because they are registered inside the model already.
        self._layers = (_layers(model, item),)
        self.width: int = model.config.hidden_size
        self.tokenizer = _fast_tokenizer(tokenizer, item)
        self.pad_id: int = tokenizer.pad_token_id or 0
        self.positions = _positions(model, tokenizer)

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer layers, first to last."""
        return self._layers[0]

    @property
    def words(self) -> nn.Module:
        """The table of word rows."""
        found: nn.Module = self.model.get_input_embeddings()
        return found

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(texts, tokens) ids and mask -> (texts, tokens, width) states after the last layer."""
        states: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states


def load_hub_encoder(name: str, *, dropout: float) -> HubEncoder:
    """Load an encoder and its tokenizer. Only safetensors are read, and no code of theirs is run.

    Args:
        name: a local folder, which goes first, or a name on the hub.
        dropout: replaces every dropout that the encoder was configured with.

    Raises:
        UsageError: nothing loadable is there.
    """
    local = Path(name).expanduser().is_dir()
    source = str(Path(name).expanduser()) if local else name
    try:
        try:
            # What was fetched before is taken as it is: offline, asking the hub takes half a minute.
            config, model, missing, tokenizer = _parts(source, dropout, local_files_only=True)
        except (OSError, ValueError):
            if local:
                raise
            config, model, missing, tokenizer = _parts(source, dropout, local_files_only=False)
    except (OSError, ValueError) as error:
        raise _not_loadable(name, str(error).strip().splitlines()[0]) from error
    if missing := [key for key in missing if not key.startswith("pooler.")]:
        raise _not_loadable(name, f"{len(missing)} weights are missing, {min(missing)} among them")
    # Without its file transformers makes up a tokenizer that knows five pieces.
    if not config.vocab_size / 2 <= len(tokenizer) <= config.vocab_size:
        raise _not_loadable(
            name, f"{len(tokenizer):,} pieces in its tokenizer, {config.vocab_size:,} in its weights"
        )
    return HubEncoder(model, tokenizer, item=name)


def _parts(
    source: str, dropout: float, *, local_files_only: bool
) -> tuple[PreTrainedConfig, PreTrainedModel, Iterable[str], PreTrainedTokenizerBase]:
    """Configuration, model, names of weights that were not there, tokenizer."""
    where = {"local_files_only": local_files_only, "trust_remote_code": False}
    with _quietly():
        config = AutoConfig.from_pretrained(source, **where)
        for option in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if hasattr(config, option):
                setattr(config, option, dropout)
        # Checkpoints in half precision would otherwise be trained in it.
        kind = {"config": config, "dtype": torch.float32, "use_safetensors": True}
        model, loaded = AutoModel.from_pretrained(source, output_loading_info=True, **kind, **where)
        return config, model, loaded["missing_keys"], AutoTokenizer.from_pretrained(source, **where)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the progress bars of ``transformers``, and its report of weights that are ours to judge."""
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _not_loadable(name: str, why: str) -> UsageError:
    return UsageError(
        "the text encoder cannot be loaded",
        item=name,
        value=why,
        remedy=(
            "Name a folder with config.json, model.safetensors and tokenizer.json, a hub name, "
            "'e5-small' or 'hashed-bag'"
        ),
    )


def _layers(model: PreTrainedModel, item: str) -> nn.ModuleList:
    count = model.config.num_hidden_layers
    found = [part for part in model.modules() if isinstance(part, nn.ModuleList) and len(part) == count]
    if len(found) != 1:
        raise UsageError(
            "the layers of the text encoder cannot be told apart",
            item=item,
            value=f"{type(model).__name__} with {len(found)} lists of {count} layers",
            remedy="Use an encoder built like BERT or XLM-R",
        )
    return found[0]


def _fast_tokenizer(tokenizer: PreTrainedTokenizerBase, item: str) -> Tokenizer:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise UsageError(
            "the text encoder has no tokenizer.json",
            item=item,
            remedy="Save its tokenizer in the fast format",
        )
    return backend


def _positions(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    positions = int(getattr(model.config, "max_position_embeddings", _UNLIMITED))
    if model.config.model_type in _OFFSET_FAMILIES:
        positions -= model.config.pad_token_id + 1
    return min(positions, int(tokenizer.model_max_length))
