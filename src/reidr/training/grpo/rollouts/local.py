"""Rollouts written by the model itself, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reidr.reasoning.backends.reference import crop_pixels
from reidr.reasoning.inference.sampling import Completion, continue_prompts, read_completions, unwrap
from reidr.reasoning.inference.shared_vision import share_vision
from reidr.reasoning.prompting.prompt import Images, encode_pairs, prepare_pair
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

        Raises RecipeError also where the model's probabilities are not finite.
        """
        base, pixels = unwrap(self.model), crop_pixels(self.processor)
        images = [prepare_pair(self.processor, pair, pixels) for pair in pairs]
        inputs = encode_pairs(self.processor, images, "think", pixels=pixels).to(base.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(base.dtype)
        with torch.no_grad():
            shared = share_vision(base, dict(inputs), [picture for pair in images for picture in pair])
        tokenizer = self.processor.tokenizer
        settings: dict[str, Any] = {"temperature": self.temperature, "max_new_tokens": max_new_tokens, "seed": seed}
        try:
            sampled = continue_prompts(base, tokenizer, shared, copies, **settings)
        except RuntimeError as error:
            # torch.multinomial says so where weights have grown so large that their logits overflow.
            if "probability tensor contains" not in str(error):
                raise
            raise diverged("the probabilities of the next token are not finite") from error
        completions = iter(read_completions(base, tokenizer, sampled))
        return [[next(completions) for _ in range(number)] for number in copies]
