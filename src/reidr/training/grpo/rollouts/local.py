"""Rollouts written by the model itself, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import Completion, continue_prompts, pair_prompts, read_completions
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.prompt import Images, crop_pixels
from reidr.reasoning.types import Pair
from reidr.training.common.divergence import diverged


class LocalRollouts:
    """The model as the writer of rollouts, with the weights that it has at the time."""

    def __init__(self, model: Any, processor: Any, temperature: float = 1.0) -> None:
        """`model`: with LoRA around it or not. `temperature`: of sampling; 0 is greedy."""
        self.model, self.processor, self.temperature = model, processor, temperature

    def sample(
        self, pairs: Sequence[Pair | Images], copies: Sequence[int], *, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        """As `RolloutSource.sample`, all pairs in one batch; prompt and pictures of a pair are encoded once.

        The completions of pair i are chosen by `seed` + i alone, whatever pairs stand beside it: processes that share
        the pairs of a batch write what one would write.

        Raises RecipeError also where the model's probabilities are not finite.
        """
        adapter = adapt(self.model, self.processor, crop_pixels(self.processor))
        settings = Thinking(max_new_tokens, self.temperature, seed)
        noise = torch.cat(
            [
                torch.rand(number, max_new_tokens, generator=torch.Generator().manual_seed(seed + place))
                for place, number in enumerate(copies)
            ]
        )
        try:
            sampled = continue_prompts(adapter, pair_prompts(adapter, pairs, "think"), copies, settings, noise)
        except RuntimeError as error:
            # torch.multinomial says so where weights have grown so large that their logits overflow.
            if "probability tensor contains" not in str(error):
                raise
            raise diverged("the probabilities of the next token are not finite") from error
        completions = iter(read_completions(adapter, sampled))
        return [[next(completions) for _ in range(number)] for number in copies]
