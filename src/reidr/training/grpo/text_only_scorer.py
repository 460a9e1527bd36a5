"""The starting model, frozen, sees only the reasoning: does the text alone lead to the verdict?"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from PIL import Image

from reidr.reasoning.inference.prefix_cache import fill
from reidr.reasoning.inference.sampling import pair_prompts
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.answers import answer_token_ids, yes_probability
from reidr.reasoning.prompting.grammar import try_parse
from reidr.reasoning.prompting.prompt import PREFIXES, crop_pixels
from reidr.training.common.lora import starting_weights

BLANK = Image.new("RGB", (64, 128), (128, 128, 128))


class TextOnlyScorer:
    """Scores reasonings by `model` as it is now."""

    def __init__(self, model: Any, processor: Any, *, lora: bool = False) -> None:
        """`lora`: LoRA will be trained on `model`, so that its own weights stay as they are; else a copy is made."""
        self.model, self.processor, self.lora = model, processor, lora
        if not lora:
            self.model = copy.deepcopy(model).eval().requires_grad_(False)

    def score(self, completions: Sequence[str]) -> list[float | None]:
        """P(same) from the reasoning of each completion; None for a completion that cannot be parsed."""
        reasonings = {
            place: parsed.reasoning for place, text in enumerate(completions) if (parsed := try_parse(text)) is not None
        }
        training = self.model.training
        self.model.eval()
        with starting_weights(self.model) if self.lora else nullcontext():
            probabilities = text_only_probabilities(self.model, self.processor, list(reasonings.values()))
        self.model.train(training)
        scores: list[float | None] = [None] * len(completions)
        for place, probability in zip(reasonings, probabilities, strict=True):
            scores[place] = probability
        return scores


@torch.no_grad()
def text_only_probabilities(model: Any, processor: Any, reasonings: Sequence[str]) -> list[float]:
    """P(same) after each reasoning, with two grey pictures in place of the crops.

    The prompt keeps its form, because models were not trained on prompts without pictures.

    Args:
        model: the frozen scorer, not wrapped, in evaluation mode; it must not be the model that is being trained, or
            the text could become a code between the two.
    """
    if not reasonings:
        return []
    prefixes = [f"<think>{reasoning}</think>{PREFIXES['score']}" for reasoning in reasonings]
    adapter = adapt(model, processor, crop_pixels(processor))
    (opening,) = pair_prompts(adapter, [(BLANK, BLANK)], "think")
    prompts = [opening.followed_by(processor.tokenizer.encode(text, add_special_tokens=False)) for text in prefixes]
    logits = fill(adapter, prompts, keep=False).logits[:, list(answer_token_ids(processor.tokenizer))]
    probabilities: list[float] = yes_probability(logits.double().cpu().numpy()[None]).tolist()
    return probabilities
