"""A training that has left the finite numbers is stopped: what it would save knows nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from reidr.errors import RecipeError


def check_finite(losses: Mapping[str, float], when: str) -> None:
    """Raise RecipeError naming the first loss that is NaN or infinite. `when`: "epoch 3", for the sentence."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise RecipeError(
                f"the training diverged: {name.replace('_', ' ')} is {value} in {when}, and nothing of it is saved; "
                "take a smaller learning_rate, in another run folder"
            )
