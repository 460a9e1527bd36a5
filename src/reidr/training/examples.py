"""Training examples as tensors: a prompt about crops, its completion, and where the loss counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from reidr.reasoning.crop_features import CropFeatures

Spans = tuple[tuple[int, int], ...]
"""(first, end) character ranges of a completion."""


@dataclass(frozen=True)
class Example:
    """One sequence to learn.

    Attributes:
        crops: places in the `CropFeatures`, in the order of the prompt's pictures.
        prompt: rendered text with one image token per picture. completion: what follows it, end token included.
        silent: parts of the completion that carry no loss.
    """

    crops: tuple[int, ...]
    prompt: str
    completion: str
    silent: Spans = field(default=())


def example_batch(seen: CropFeatures, examples: Sequence[Example]) -> tuple[dict[str, Any], Tensor]:
    """Model inputs and (N, length) labels, -100 where no loss counts: on prompts, silent parts and padding."""
    rows, labels = [], []
    for example in examples:
        encoded = seen.processor.tokenizer(example.completion, add_special_tokens=False, return_offsets_mapping=True)
        ids, ranges = encoded["input_ids"], encoded["offset_mapping"]
        quiet = [any(a < end and first < b for first, end in example.silent) for a, b in ranges]
        opening, _ = seen.prompt(example.prompt, example.crops)
        rows.append((example.prompt, example.crops, ids))
        labels.append([-100] * len(opening) + [-100 if q else token for token, q in zip(ids, quiet, strict=True)])
    inputs = seen.teach(rows)
    longest = inputs["input_ids"].shape[1]
    return inputs, torch.tensor([row + [-100] * (longest - len(row)) for row in labels])


def completion_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the next token over each row's labelled tokens, (N,)."""
    each = functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=-100)
    return each.sum(dim=1) / (labels[:, 1:] != -100).sum(dim=1).clamp(min=1)
