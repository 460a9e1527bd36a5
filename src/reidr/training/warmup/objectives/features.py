"""A contrastive identity loss on the hidden states of the two pictures; it trains no word."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from reidr.training.recipes.warmup import WarmupRecipe
from reidr.training.warmup.examples import ForwardPass, Kind, WarmupExample, WarmupModel
from reidr.training.warmup.objectives.objective import Loss


class Features:
    """Contrastive loss (Hadsell et al. 2006) on cosines: 1 - cos for one person, max(0, cos - margin) for two."""

    kinds: ClassVar[frozenset[Kind]] = frozenset(("direct",))

    def __init__(self, recipe: WarmupRecipe, model: WarmupModel) -> None:
        self.margin, self.features = recipe.margin, model.features

    def __call__(self, forward: ForwardPass) -> Loss:
        rows = enumerate(forward.examples)
        cosine = torch.stack([self._cosine(forward.hidden[row], example) for row, example in rows])
        labels = forward.tensor([example.label for example in forward.examples])
        total = torch.where(labels, 1 - cosine, (cosine - self.margin).clamp(min=0)).sum()
        same = max(1, sum(example.label for example in forward.group))
        different = max(1, len(forward.group) - same)
        return Loss(
            total,
            len(forward.group),
            {
                "feature_loss": float(total.detach()) / len(forward.group),
                "cosine_same": float(cosine.detach()[labels].sum()) / same,
                "cosine_different": float(cosine.detach()[~labels].sum()) / different,
            },
        )

    def _cosine(self, hidden: Tensor, example: WarmupExample) -> Tensor:
        """Cosine of the mean hidden states, (length, size), of the tokens of picture A and of picture B."""
        ids = torch.tensor(self.features.prompt(example.text, example.crops)[0])
        tokens = (ids == self.features.processor.image_token_id).nonzero()[:, 0]
        length = self.features.visual_tokens(example.crops[0])
        sides = tokens[:length], tokens[length:]
        first, second = (hidden[side.to(hidden.device)].float().mean(dim=0) for side in sides)
        return functional.cosine_similarity(first, second, dim=0)
