"""Training examples as tensors: a prompt about crops, its completion, and where the loss counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reidr.reasoning.inference.crop_features import CropFeatures

FREE = -200
"""Label of a token that is one of the answer words, each as likely as the others."""

Spans = tuple[tuple[int, int], ...]
"""(first, end) character ranges of a completion."""


@dataclass(frozen=True)
class Example:
    """One sequence to learn.

    Attributes:
        crops: places in the `CropFeatures`, in the order of the prompt's pictures.
        prompt: rendered text with one image token per picture. completion: what follows it, end token included.
        free: parts of the completion, answer words, where any answer word is as likely as another.
    """

    crops: tuple[int, ...]
    prompt: str
    completion: str
    free: Spans = field(default=())


def example_batch(features: CropFeatures, examples: Sequence[Example]) -> tuple[dict[str, Any], Tensor]:
    """Model inputs and (N, length) labels: -100 on prompts and padding, `FREE` on free parts."""
    rows, labels = [], []
    for example in examples:
        encoded = features.processor.tokenizer(
            example.completion, add_special_tokens=False, return_offsets_mapping=True
        )
        ids, ranges = encoded["input_ids"], encoded["offset_mapping"]
        free = [any(a < end and first < b for first, end in example.free) for a, b in ranges]
        opening, _ = features.prompt(example.prompt, example.crops)
        rows.append((example.prompt, example.crops, ids))
        labels.append(
            [-100] * len(opening) + [FREE if any_word else token for token, any_word in zip(ids, free, strict=True)]
        )
    inputs = features.training_inputs(rows)
    longest = inputs["input_ids"].shape[1]
    padded = [row + [-100] * (longest - len(row)) for row in labels]
    return inputs, torch.tensor(padded, device=inputs["input_ids"].device)


def completion_loss(logits: Tensor, labels: Tensor, words: Sequence[int]) -> Tensor:
    """Mean cross-entropy of the next token over each row's labelled tokens, (N,).

    At a `FREE` token the target is a uniform distribution over `words` (token ids): the model learns that one of them
    stands there, and nothing about which. (If any one of them counted as right, the model would settle on one, and
    training another answer afterwards would be hard.)
    """
    logits, labels = logits[:, :-1], labels[:, 1:]
    any_word = labels == FREE
    each = functional.cross_entropy(
        logits.transpose(1, 2), labels.masked_fill(any_word, -100), reduction="none", ignore_index=-100
    )
    places = logits[any_word]
    each = each.masked_scatter(any_word, places.logsumexp(dim=-1) - places[:, list(words)].mean(dim=-1))
    return each.sum(dim=1) / (labels != -100).sum(dim=1).clamp(min=1)
