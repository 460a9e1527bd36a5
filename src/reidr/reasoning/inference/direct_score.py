"""The direct score of many pairs of crops that were encoded once (`CropFeatures`): for experiments with many models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.prompting.answers import answer_token_ids, yes_probability
from reidr.reasoning.prompting.prompt import render


def score_seen_pairs(
    features: CropFeatures, model: Any, pairs: Sequence[tuple[int, int]], batch: int = 256
) -> NDArray[np.float64]:
    """P(same person) of pairs of crops, (N,), both orders averaged: what `Reasoner.score` gives, without pixels.

    Args:
        features: of the crops, for `model`. pairs: places of crops in `features`. batch: pairs of one forward pass.
    """
    return yes_probability(seen_answer_logits(features, model, pairs, batch))


@torch.inference_mode()
def seen_answer_logits(
    features: CropFeatures, model: Any, pairs: Sequence[tuple[int, int]], batch: int = 256
) -> NDArray[np.float64]:
    """Logits of yes, no, insufficient at the forced answer position, (2, N, 3), as `Reasoner.answer_logits` has them.

    `CropFeatures.training_inputs` pads rows on the right, so the answer position is each row's own last token: crops of
    other sizes have prompts of other lengths, and the last column of a batch is padding for all but the longest.
    """
    text, words = render(features.processor, "score"), list(answer_token_ids(features.processor.tokenizer))
    logits = np.empty((2, len(pairs), 3))
    for order, swapped in enumerate((False, True)):
        rows = [(b, a) if swapped else (a, b) for a, b in pairs]
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            ends = torch.tensor([len(features.prompt(text, row)[0]) - 1 for row in some])
            kept, place = ends.unique(return_inverse=True)
            inputs = features.training_inputs([(text, row, ()) for row in some])
            output = model(**inputs, logits_to_keep=kept.to(inputs["input_ids"].device)).logits
            answers = output[torch.arange(len(some)), place][:, words]
            logits[order, start : start + len(some)] = answers.double().cpu().numpy()
    return logits
