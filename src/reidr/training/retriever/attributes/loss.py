"""The loss of the attribute branch: a binary cross-entropy a value, where rare values weigh more."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from reidr.training.retriever.attributes.targets import FAMILY_OF_VALUE, Marks


class AttributeLoss(nn.Module):
    """Cross-entropies of values and of "cannot be seen"; what is unknown, or hidden, takes no part.

    A value's two sides weigh as 1 / (2 · share) to the power of `rarity`: with 0 a network answers "no hat" of
    everybody and is right most of the time, with 1 both sides count alike and rare noise is learned by heart. Shares
    are those of the crop's own data set: where one set shows summer and another winter, shares of both together would
    let the network tell the sets apart instead of sleeves.
    """

    def __init__(self, shares: NDArray[np.float64], rarity: float, hidden_weight: float) -> None:
        """`shares`: (data sets, values) how often each value is true."""
        super().__init__()
        for_true, for_false = ((0.5 / part) ** rarity for part in (shares, 1 - shares))
        self.register_buffer("for_true", torch.from_numpy(for_true).float())
        self.register_buffer("for_false", torch.from_numpy(for_false).float())
        self.hidden_weight = hidden_weight

    def forward(
        self, logits: tuple[Tensor, Tensor], values: Marks, hidden: Marks, sets: NDArray[np.int64]
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and what to log, of (N, values) and (N, families) logits.

        Args:
            values: (N, values) 1 true, 0 false, -1 unknown. hidden: (N, families) 1 hidden, 0 shown, -1 unknown.
            sets: (N,) the number of each crop's data set.
        """
        device = logits[0].device
        seen = np.where(hidden[:, FAMILY_OF_VALUE] == 0, values, -1)
        rows = torch.from_numpy(sets).to(device)
        weights = torch.where(
            torch.from_numpy(seen == 1).to(device),
            self.get_buffer("for_true")[rows],
            self.get_buffer("for_false")[rows],
        )
        attribute = mean_cross_entropy(logits[0], seen, weights)
        unseen = mean_cross_entropy(logits[1], hidden)
        parts = {"attribute_loss": float(attribute.detach()), "hidden_loss": float(unseen.detach())}
        return attribute + self.hidden_weight * unseen, parts


def mean_cross_entropy(logits: Tensor, marks: Marks, weights: Tensor | None = None) -> Tensor:
    """Mean over the known marks; 0 where nothing is known."""
    wanted = torch.from_numpy(marks).to(logits.device).float()
    each = functional.binary_cross_entropy_with_logits(logits, wanted.clamp(min=0), reduction="none")
    known = (wanted >= 0).float()
    weighed = each * known if weights is None else each * weights * known
    return weighed.sum() / known.sum().clamp(min=1)
