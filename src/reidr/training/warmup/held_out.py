"""Measurements of a warm-up on validation pairs, from which nothing is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from reidr.training.processes.team import processes
from reidr.training.warmup.examples import WarmupExample, WarmupModel
from reidr.training.warmup.rationales import health, write_rationales


class Measuring(Protocol):
    """What of a recipe measuring depends on; see `WarmupRecipe`."""

    @property
    def rows(self) -> int:
        """Sequences per forward pass."""
        ...

    @property
    def temperature(self) -> float:
        """Of sampled rationales."""
        ...

    @property
    def max_new_tokens(self) -> int:
        """Of a rationale."""
        ...

    @property
    def seed(self) -> int:
        """Of sampling."""
        ...


@torch.no_grad()
def measure(
    recipe: Measuring, model: WarmupModel, places: Sequence[tuple[int, int]], labels: Sequence[bool]
) -> dict[str, Any]:
    """Direct scores in both orders and one rationale each; empty without pairs.

    Args:
        places: (N) pairs of places in the crops' features. labels: (N) True for one person.
    """
    if not places:
        return {}
    same = np.array(labels, dtype=bool)
    orders = []
    for swapped in (False, True):
        examples = [
            WarmupExample(model.texts["score"], pair[::-1] if swapped else pair, (), 0, bool(label))
            for pair, label in zip(places, same, strict=True)
        ]
        parts = [examples[start : start + recipe.rows] for start in range(0, len(examples), recipe.rows)]
        logits = processes().spread(
            parts, lambda part: model.answer_logits(model.hidden(part), part)[:, model.words[:2]].cpu()
        )
        orders.append(torch.cat(logits).softmax(dim=1)[:, 0].numpy())
    yes = np.mean(orders, axis=0)
    completions = write_rationales(
        model.features,
        places,
        temperature=recipe.temperature,
        max_new_tokens=recipe.max_new_tokens,
        seed=recipe.seed,
    )
    above = (yes[same][:, None] > yes[~same]) + 0.5 * (yes[same][:, None] == yes[~same])
    measured = health(completions, same.tolist()) | {
        "direct_accuracy": float(((yes > 0.5) == same).mean()),
        "direct_area": float(above.mean()),
        "direct_said_yes": float((yes > 0.5).mean()),
        "order_flips": float(((orders[0] > 0.5) != (orders[1] > 0.5)).mean()),
    }
    return {f"held_out_{name}": value for name, value in measured.items()}
