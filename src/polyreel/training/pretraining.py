"""Masked language modelling: a small text encoder of our own from text in many languages.

Its words are guessed from their neighbours (Devlin et al. 2019), so that nothing tells it which sentences of
two languages mean the same. What training on video and text then adds to the alignment of languages can be
seen, which an encoder that was trained on translations may hide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

from polyreel.errors import UsageError
from polyreel.files import write_atomically
from polyreel.languages import clean
from polyreel.models.inputs import TextInputs, TextReader
from polyreel.models.specs import ModelSpec, TextTowerSpec
from polyreel.models.text import TextTower
from polyreel.models.towers import build_model
from polyreel.training.recipe import OptimiserSpec
from polyreel.training.schedule import rate_factor

__all__ = ["pretrain"]

# As in BERT: of the tokens that are to be guessed some are shown, as others or as they are, so that the
# states of tokens that are seen stay meaningful, too.
_GUESSED, _SHOWN_AS_ANOTHER, _SHOWN_AS_IT_IS = 0.15, 0.1, 0.1
_LARGEST_NORM = 1.0


def pretrain(
    spec: TextTowerSpec,
    texts: Mapping[str, Sequence[str]],
    out: Path,
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    on_progress: Callable[[int, int, float], None] | None = None,
) -> None:
    """Train the encoder of ``spec`` to guess masked tokens, and write its weights.

    Args:
        spec: whose encoder is ``scratch``, starting from random weights.
        texts: language -> texts. Every language gives an equal part of each step.
        out: safetensors file for ``ScratchSpec.weights``; there whole or not at all.
        steps: of AdamW.
        batch_size: texts in each.
        lr: highest learning rate, after a tenth of the steps; it falls to 0 by half a cosine.
        seed: of the weights, the texts drawn and the tokens masked.
        on_progress: called after each step with (step, steps, loss in nats per guessed token).

    Raises:
        UsageError: a language has no text.
        OSError: the file cannot be written.
    """
    if not texts or not all(texts.values()):
        empty = sorted(tag for tag, group in texts.items() if not group)
        raise UsageError("there is no text to pretrain an encoder on", item=", ".join(empty) or None)
    torch.manual_seed(seed)
    tower = build_model(ModelSpec(text=spec, video=None)).text.train()
    guess = _Guess(tower)
    parameters = [*tower.encoder.parameters(), guess.bias]
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01)
    schedule = OptimiserSpec(lr=lr, warmup_steps=steps // 10, steps=steps)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_factor(step, steps, schedule))
    draw = torch.Generator().manual_seed(seed)
    groups = [[clean(text) for text in group] for _, group in sorted(texts.items())]
    for step in range(steps):
        loss = guess.loss(tower.prepare(_drawn(groups, batch_size, draw)), draw)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, _LARGEST_NORM)
        optimiser.step()
        rate.step()
        if on_progress is not None:
            on_progress(step + 1, steps, loss.item())
    out.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in tower.encoder.state_dict().items()}
    write_atomically(out, save(weights))


def _drawn(groups: Sequence[Sequence[str]], count: int, generator: torch.Generator) -> list[str]:
    """Texts of all languages in turn, each drawn at random."""
    turns = [groups[at % len(groups)] for at in range(count)]
    draws = torch.rand(count, generator=generator, dtype=torch.float64).tolist()
    return [group[int(draw * len(group))] for group, draw in zip(turns, draws, strict=True)]


class _Guess:
    """Token states -> which token it was, with the word embedding as output layer."""

    def __init__(self, tower: TextTower) -> None:
        words = tower.encoder.words
        assert isinstance(words, nn.Embedding)
        self._encoder, self._words = tower.encoder, words
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))
        # The vocabulary has no piece for a masked token: the unknown one stands in, which texts hardly hold.
        assert isinstance(tower.reader, TextReader)
        hidden = tower.reader.tokenizer.token_to_id("<unk>")
        assert hidden is not None
        self._hidden = hidden

    def loss(self, inputs: TextInputs, draw: torch.Generator) -> Tensor:
        """Mean cross-entropy of the tokens that are to be guessed."""
        assert inputs.ids is not None
        assert inputs.mask is not None
        guessed = inputs.mask & (torch.rand(inputs.ids.shape, generator=draw) < _GUESSED)
        guessed[:, 0] = False  # <s>
        guessed[0, 1] = True  # a step is never without any
        states: Tensor = self._encoder(self._shown(inputs.ids, guessed, draw), inputs.mask)
        return F.cross_entropy(F.linear(states[guessed], self._words.weight, self.bias), inputs.ids[guessed])

    def _shown(self, ids: Tensor, guessed: Tensor, draw: torch.Generator) -> Tensor:
        """(texts, tokens) ids as the encoder sees them."""
        chance = torch.rand(ids.shape, generator=draw)
        others = torch.randint(self._words.num_embeddings, ids.shape, generator=draw)
        shown = torch.where(chance < _SHOWN_AS_ANOTHER, others, torch.full_like(ids, self._hidden))
        as_it_is = ~guessed | (chance >= 1 - _SHOWN_AS_IT_IS)
        return torch.where(as_it_is, ids, shown)
