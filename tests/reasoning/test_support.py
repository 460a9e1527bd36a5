"""Whether words support an answer, worked by hand."""

from __future__ import annotations

import pytest

from reidr.reasoning.rationales.support import compared_regions, degree_of_support, supports
from reidr.reasoning.types import Answer

AGREE = "The hair agrees. The shoes agree."
TWO_TO_ONE = "The hair agrees. The shoes agree. The bag differs."
TIE = "The hair agrees. The bag differs."
HIDDEN = "The shoes cannot be seen. The bag cannot be seen. The hair agrees."
HIDDEN_TIE = "The shoes cannot be seen. The hair agrees."
BOTH_WAYS = "The hair agrees. The hair differs."
NO_DIFFERENCE = "The upper clothing differs: a red top in A, a red top in B. The bag differs."
NOTHING = "I cannot say."


@pytest.mark.parametrize(
    ("words", "same", "different", "insufficient"),
    [
        (AGREE, 1.0, -1.0, -1.0),
        (TWO_TO_ONE, 1 / 3, 1.0, -1.0),  # (2 - 1) / 3; one difference can decide
        (TIE, 0.0, 1.0, -1.0),
        (HIDDEN, 1.0, -1.0, 1 / 3),  # (2 unseen - 1 compared) / 3 named
        (HIDDEN_TIE, 1.0, -1.0, 0.0),
        (BOTH_WAYS, -1.0, -1.0, -1.0),
        (NO_DIFFERENCE, -1.0, -1.0, -1.0),  # though the bag differs
        (NOTHING, 0.0, 0.0, 0.0),
    ],
)
def test_support_by_hand(words: str, same: float, different: float, insufficient: float) -> None:
    expected: dict[Answer, float] = {"same": same, "different": different, "insufficient": insufficient}
    for answer, degree in expected.items():
        assert degree_of_support(answer, compared_regions(words)) == pytest.approx(degree)
        assert supports(answer, words) == (degree > 0)


def test_a_repeated_comparison_counts_once() -> None:
    assert not supports("same", "The hair agrees. The hair is the same. The bag differs.")
    assert supports("same", "The hair agrees. The shoes agree. The bag differs. The bag is different.")


def test_a_region_that_is_compared_is_not_also_unseen() -> None:
    regions = compared_regions("The bag cannot be seen. The bag differs.")
    assert (regions.unseen, regions.compared) == (frozenset(), {"bag"})
