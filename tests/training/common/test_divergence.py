"""A training that has left the finite numbers ends in a sentence, not in a model."""

from __future__ import annotations

import pytest

from reidr.errors import RecipeError
from reidr.training.common.divergence import check_finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_no_number_is_named(value: float) -> None:
    check_finite({"identity_loss": 1.0, "triplet_loss": 0.0}, "epoch 1")
    with pytest.raises(
        RecipeError, match=r"triplet loss is (nan|inf|-inf) in epoch 3, and nothing of it is saved; take"
    ):
        check_finite({"identity_loss": 1.0, "triplet_loss": value}, "epoch 3")
