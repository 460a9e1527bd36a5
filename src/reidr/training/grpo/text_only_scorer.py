"""A frozen copy of the starting model that sees only the reasoning: does the text alone lead to the verdict?"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from reidr.reasoning.inference.reasoned_score import reasoned_logits
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.prompting.answers import yes_probability
from reidr.reasoning.prompting.grammar import try_parse
from reidr.reasoning.prompting.prompt import crop_pixels


class TextOnlyScorer:
    """Scores reasonings by a copy of `model` as it is now."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = copy.deepcopy(model).eval().requires_grad_(False), processor

    def score(self, completions: Sequence[str]) -> list[float | None]:
        """P(same) from the reasoning of each completion; None for a completion that cannot be parsed."""
        reasonings = {
            place: parsed.reasoning for place, text in enumerate(completions) if (parsed := try_parse(text)) is not None
        }
        probabilities = text_only_probabilities(self.model, self.processor, list(reasonings.values()))
        scores: list[float | None] = [None] * len(completions)
        for place, probability in zip(reasonings, probabilities, strict=True):
            scores[place] = probability
        return scores


def text_only_probabilities(model: Any, processor: Any, reasonings: Sequence[str]) -> list[float]:
    """P(same) after each reasoning, with two grey pictures in place of the crops.

    The prompt keeps its form, because models were not trained on prompts without pictures.

    Args:
        model: the frozen scorer, not wrapped, in evaluation mode; it must not be the model that is being trained, or
            the text could become a code between the two.
    """
    logits = reasoned_logits(adapt(model, processor, crop_pixels(processor)), reasonings)
    probabilities: list[float] = yes_probability(logits[None]).tolist()
    return probabilities
