"""A frozen scorer that sees only the reasoning: does the text alone lead to the verdict?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from reidr.reasoning.backends.reference import crop_pixels
from reidr.reasoning.inference.shared_vision import share_vision
from reidr.reasoning.prompting.answers import answer_token_ids, yes_probability
from reidr.reasoning.prompting.prompt import PREFIXES, encode_pairs

BLANK = Image.new("RGB", (64, 128), (128, 128, 128))


@torch.no_grad()
def text_only_probabilities(model: Any, processor: Any, reasonings: Sequence[str]) -> list[float]:
    """P(same) after each reasoning, with two grey pictures in the place of the crops.

    The prompt keeps its form, so that a model which has never met a prompt without pictures can still read it.

    Args:
        model: the frozen scorer, not wrapped, in evaluation mode; it must not be the model that is being trained, or
            the text could become a code between the two.
    """
    if not reasonings:
        return []
    prefixes = [f"<think>{reasoning}</think>{PREFIXES['score']}" for reasoning in reasonings]
    blank = (BLANK, BLANK)
    inputs = encode_pairs(processor, [blank] * len(prefixes), "think", prefixes, crop_pixels(processor))
    inputs = inputs.to(model.device)
    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    shared = share_vision(model, dict(inputs), [BLANK, BLANK] * len(prefixes))
    logits = model(**shared, use_cache=False, logits_to_keep=1).logits[
        :, -1, list(answer_token_ids(processor.tokenizer))
    ]
    probabilities: list[float] = yes_probability(logits.double().cpu().numpy()[None]).tolist()
    return probabilities
