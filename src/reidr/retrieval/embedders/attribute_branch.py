"""The part of the retriever's network that reads attributes: what a person wears and carries, value by value.

It shares the trunk with the embedding, so that reading costs next to nothing where a crop is embedded anyway. For each
family of values (`reidr.data.vocabulary`) an attention over the cells of the map decides where on the body to look; the
logits of its values come from what lies there and from the whole picture. One more logit a family says that it cannot
be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

HEIGHTS = 16  # places from head to feet at which a family may be likelier


class AttributeBranch(nn.Module):
    """The trunk's map → logits of every value, and of "cannot be seen" for every family."""

    def __init__(self, channels: int, families: Mapping[str, Sequence[str]], width: int) -> None:
        """`channels` of the map; values by family; `width` of the features that are attended to."""
        super().__init__()
        self.families = {name: tuple(values) for name, values in families.items()}
        self.head = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.where = nn.Conv2d(width, len(self.families), 1)
        self.drop = nn.Dropout(0.3)
        self.out = nn.ModuleList(nn.Linear(2 * width, len(values) + 1) for values in self.families.values())
        self.rows = nn.Parameter(torch.zeros(len(self.families), HEIGHTS))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, h, w) → (N, values) in the order of `families`, and (N, families)."""
        features = self.head(features)
        share = self.attention(features)
        cells = features.flatten(2)
        parts, whole = torch.einsum("nkl,ncl->nkc", share, cells), cells.mean(dim=2)
        logits = [own(self.drop(torch.cat([parts[:, place], whole], dim=1))) for place, own in enumerate(self.out)]
        return torch.cat([each[:, :-1] for each in logits], dim=1), torch.stack([each[:, -1] for each in logits], dim=1)

    def attention(self, features: Tensor) -> Tensor:
        """(N, width, h, w) as `head` gives it → (N, families, cells): where each family is looked for, sum 1."""
        prior = functional.interpolate(self.rows[None], size=features.shape[2], mode="linear", align_corners=False)[0]
        return (self.where(features) + prior[None, :, :, None]).flatten(2).softmax(dim=-1)

    def boxes(self, features: Tensor) -> Tensor:
        """(N, channels, h, w) → (N, families, 4): left, top, right, bottom of where each family is looked for.

        In shares of the picture: the attention's mean and one and a half standard deviations to each side.
        """
        features = self.head(features)
        height, width = features.shape[2:]
        share = self.attention(features)
        rows, columns = torch.meshgrid(
            (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
        )
        middles, spreads = [], []
        for places in (columns.flatten().to(share), rows.flatten().to(share)):
            mean = share @ places
            spread = (share @ places.square() - mean.square()).clamp(min=0).sqrt()
            middles.append(mean)
            spreads.append(1.5 * spread + 0.5 / max(height, width))
        (x, y), (wide, high) = middles, spreads
        return torch.stack([x - wide, y - high, x + wide, y + high], dim=-1).clamp(0, 1)
