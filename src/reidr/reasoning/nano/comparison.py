"""The comparison module of `nano`: cross-attention between the two crops of a prompt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reidr.reasoning.nano.config import ConvolutionalVisionConfig


class Comparison(nn.Module):
    """Adds to each token of a crop its comparison with the other crop of the prompt.

    A token attends to the other crop's cells by cosine similarity of learned keys (several heads) and takes their mean
    key. The comparison consists of the product and the distance of that and its own key, the best similarity of each
    head, three cosines of the vision encoder's own embeddings (whole bodies, upper parts, lower parts), and how far the
    recognised attributes agree, family by family (`RecognisedAttributes.agreement`). Those are used as they are, since
    any metric learned anew from a few hundred people is worse on other people. The same weights serve both directions,
    so the comparison is symmetric; only the order of the prompt breaks the symmetry.
    """

    def __init__(self, config: ConvolutionalVisionConfig, recognised: int, families: int) -> None:
        """`recognised`: how many probabilities of attributes a token carries; `families`: of how many families."""
        super().__init__()
        network = config.settings
        self.heads = config.heads
        self.sizes = (config.key_size, network.embedding, network.stripe_embedding, recognised)
        self.sharpness = nn.Parameter(torch.full((config.heads,), math.log(8.0)))
        self.out = nn.Sequential(
            nn.Linear(2 * config.key_size + config.heads + 3 + families, config.out_hidden_size),
            nn.GELU(),
            nn.Linear(config.out_hidden_size, config.out_hidden_size),
        )

    def forward(self, own: Tensor, other: Tensor, agreement: Tensor) -> Tensor:
        """(N, m, sum of `sizes`) of a crop, (N, n, sum of `sizes`) of another, and (N, families) log Bayes factors →
        (N, m, out_hidden_size)."""
        cell, whole, stripe, _ = own.split(self.sizes, dim=-1)
        other_cell, other_whole, other_stripe, _ = other.split(self.sizes, dim=-1)
        cell, other_cell = self._unit(cell), self._unit(other_cell)
        similarity = torch.einsum("nmhd,nlhd->nhml", cell, other_cell)
        share = (similarity * self.sharpness.exp()[:, None, None]).softmax(dim=-1)
        attended = torch.einsum("nhml,nlhd->nmhd", share, other_cell)
        bodies = zip(whole_and_ends(whole, stripe), whole_and_ends(other_whole, other_stripe), strict=True)
        cosines = torch.stack([(one * another).sum(dim=-1) for one, another in bodies], dim=-1)
        scale = math.sqrt(self.sizes[0] / self.heads)
        parts = [
            (cell * attended).flatten(2) * scale,
            (cell - attended).abs().flatten(2) * scale / 2,
            similarity.amax(dim=-1).transpose(1, 2),
            # A few values beside hundreds: scaled so that training uses them first.
            (10 * (cosines - 0.5))[:, None].expand(-1, own.shape[1], -1),
            agreement.clamp(-4, 4)[:, None].expand(-1, own.shape[1], -1),
        ]
        update: Tensor = self.out(torch.cat(parts, dim=-1))
        return update

    def _unit(self, keys: Tensor) -> Tensor:
        """(N, m, heads, key_size / heads), each head a unit vector."""
        return functional.normalize(keys.unflatten(-1, (self.heads, -1)), dim=-1)


def whole_and_ends(whole: Tensor, stripe: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings of the whole body, the uppermost and the lowest stripe, from those in each token (…, tokens, values).

    The first token lies in the uppermost stripe, the last one in the lowest.
    """
    return whole[..., 0, :], stripe[..., 0, :], stripe[..., -1, :]
