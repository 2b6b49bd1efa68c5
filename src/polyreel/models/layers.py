"""One transformer layer, and a BERT made of them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own abbreviation

__all__ = ["BertEncoder", "TransformerLayer"]


class TransformerLayer(nn.Module):
    """Self-attention and feed-forward, each followed by residual and layer norm, as in BERT.

    Args:
        width: of the states, a multiple of ``heads``.
        heads: attention heads.
        feed_forward: width of the inner layer, under GELU.
        epsilon: added to the variance in the layer norms.
        dropout: of attention weights and of both branches.
    """

    def __init__(
        self, width: int, *, heads: int, feed_forward: int, epsilon: float = 1e-5, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.attention_output = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.feed_in, self.feed_out = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)
        self.output_norm = nn.LayerNorm(width, eps=epsilon)

    def forward(
        self, states: Float[Tensor, "rows steps width"], mask: Bool[Tensor, "rows steps"]
    ) -> Float[Tensor, "rows steps width"]:
        """States after the layer; steps where ``mask`` is False are not attended to.

        A row without any step attends to all of them, so that it stays finite; its states mean nothing.
        """
        allowed = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None, :]
        query, key, value = (self._split(part(states)) for part in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, dropout_p=dropout)
        attended = self.attention_output(context.transpose(1, 2).flatten(2))
        states = self.attention_norm(states + F.dropout(attended, dropout, self.training))
        forward = self.feed_out(F.gelu(self.feed_in(states)))
        after: Tensor = self.output_norm(states + F.dropout(forward, dropout, self.training))
        return after

    def _split(self, states: Tensor) -> Tensor:
        rows, steps, width = states.shape
        return states.view(rows, steps, self.heads, width // self.heads).transpose(1, 2)


def _empty_table(rows: int, width: int) -> nn.Embedding:
    """Rows that are not drawn: on the meta device that would load PyTorch's compiler, a second of CPU."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))


class BertEncoder(nn.Module):
    """Token ids -> token states, in the architecture of BERT and XLM-R with one token type; weights are to be
    loaded.

    Args:
        words: rows of the word embedding.
        width, layers, heads, feed_forward: size of the transformer.
        positions: longest input.
        epsilon: added to the variance in the layer norms.
        dropout: of the embeddings and the layers.
    """

    def __init__(
        self,
        words: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feed_forward: int,
        positions: int,
        epsilon: float = 1e-12,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.positions, self.dropout = width, positions, dropout
        self.words, self.place = (_empty_table(rows, width) for rows in (words, positions))
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.layers = nn.ModuleList(
            TransformerLayer(width, heads=heads, feed_forward=feed_forward, epsilon=epsilon, dropout=dropout)
            for _ in range(layers)
        )

    def forward(
        self, ids: Int[Tensor, "texts tokens"], mask: Bool[Tensor, "texts tokens"]
    ) -> Float[Tensor, "texts tokens width"]:
        """States of every token after the last layer."""
        places = torch.arange(ids.shape[1], device=ids.device)
        states: Tensor = self.norm(self.words(ids) + self.place(places))
        states = F.dropout(states, self.dropout, self.training)
        for layer in self.layers:
            states = layer(states, mask)
        return states
