"""P(same) read from the words of rollouts alone, by a frozen copy of the starting model or by the model that learns."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal

from reidr.reasoning.inference.reasoned_score import reasoned_logits
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.grammar import try_parse
from reidr.reasoning.prompting.prompt import crop_pixels
from reidr.training.common.lora import starting_weights

Judge = Literal["policy", "frozen"]
"""Who reads the words: the model with the weights that it has at the time, or as it was at the start."""


class WordsJudge:
    """Reads P(same) from reasonings with `model`, two grey pictures in the place of the crops."""

    def __init__(self, model: Any, processor: Any, who: Judge, *, lora: bool = False) -> None:
        """`lora`: LoRA will be trained on `model`, so that its own weights stay as they are; else a frozen judge is a
        copy."""
        self.model, self.processor, self.who, self.lora = model, processor, who, lora
        if who == "frozen" and not lora:
            self.model = copy.deepcopy(model).eval().requires_grad_(False)

    def score(self, completions: Sequence[str]) -> list[float | None]:
        """P(same) from the reasoning of each completion; None for a completion that cannot be parsed."""
        reasonings = {
            place: parsed.reasoning for place, text in enumerate(completions) if (parsed := try_parse(text)) is not None
        }
        training = self.model.training
        self.model.eval()
        with starting_weights(self.model) if self.who == "frozen" and self.lora else nullcontext():
            probabilities = words_probabilities(self.model, self.processor, list(reasonings.values()))
        self.model.train(training)
        scores: list[float | None] = [None] * len(completions)
        for place, probability in zip(reasonings, probabilities, strict=True):
            scores[place] = probability
        return scores


def words_probabilities(model: Any, processor: Any, reasonings: Sequence[str]) -> list[float]:
    """P(same) after each reasoning, with two grey pictures in place of the crops; each distinct one is read once.

    The prompt keeps its form, because models were not trained on prompts without pictures.

    Args:
        model: in evaluation mode, not wrapped.
    """
    distinct = list(dict.fromkeys(reasonings))
    logits = reasoned_logits(adapt(model, processor, crop_pixels(processor)), distinct)
    found = dict(zip(distinct, yes_probability(logits[None]).tolist(), strict=True))
    return [found[each] for each in reasonings]
