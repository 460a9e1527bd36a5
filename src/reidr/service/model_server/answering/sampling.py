"""The next token: greedy, or drawn at a temperature from what top_k, top_p and min_p leave."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GREEDY_BELOW = 1e-4  # a temperature at which no other than the likeliest token would ever be drawn


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy; top_k 0 or -1, top_p 1 and min_p 0 leave every token in."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def probabilities(self, logits: Tensor) -> Tensor:
        """What a token is drawn from, (V,): the temperature first, then min_p, top_k and top_p, as vLLM does it."""
        chances = ((logits - logits.max()) / self.temperature).softmax(dim=0)
        if self.min_p > 0:
            chances = torch.where(chances >= self.min_p * chances.max(), chances, 0.0)
        if 0 < self.top_k < len(chances):
            least = chances.topk(self.top_k).values[-1]
            chances = torch.where(chances >= least, chances, 0.0)
        if self.top_p < 1:
            ordered, order = chances.sort(descending=True)
            # A token stays if those before it do not yet reach top_p: the likeliest one always does.
            before = (ordered / ordered.sum()).cumsum(dim=0).roll(1)
            before[0] = 0.0
            chances = torch.zeros_like(chances).scatter(0, order, torch.where(before < self.top_p, ordered, 0.0))
        return chances / chances.sum()

    def draw(self, logits: Tensor, generator: torch.Generator) -> int:
        """A token, from logits (V,)."""
        if self.temperature < GREEDY_BELOW:
            return int(logits.argmax())
        return int(torch.multinomial(self.probabilities(logits), 1, generator=generator))
