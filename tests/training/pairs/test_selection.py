"""Which candidates become pairs: the rule that ships, and a rule from outside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reidr.errors import DataError, RecipeError
from reidr.training.pairs.selection import select_candidates, spread_over_ranks
from reidr.training.recipes.pairs import PairsRecipe

SAME = np.array([False, True, False, False, True, False, True])
PEOPLE = np.array(["b", "a", "b", "c", "a", "d", "a"])


def test_the_worst_matches_and_the_best_others_spread_over_the_ranks() -> None:
    recipe = PairsRecipe(positives=2, negatives=2, negative_ranks=6)
    positives, negatives = spread_over_ranks(recipe, SAME, PEOPLE)
    assert positives.tolist() == [1, 6]  # the last match and, spread evenly, the first
    assert negatives.tolist() == [0, 5]  # one crop per person: of b the first
    assert [places.tolist() for places in select_candidates(recipe, SAME, PEOPLE)] == [[1, 6], [0, 5]]


def test_positives_can_be_kept_to_the_ranks_that_a_verifier_is_asked_about() -> None:
    near = PairsRecipe(positives=2, positive_ranks=5)
    assert spread_over_ranks(near, SAME, PEOPLE)[0].tolist() == [1, 4]  # not place 6, the worst
    assert spread_over_ranks(PairsRecipe(positives=2, positive_ranks=1), SAME, PEOPLE)[0].tolist() == []


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with one rule that works and two that do not."""
    (tmp_path / "outside_selection.py").write_text(
        "def pick(recipe, same, people):\n"
        "    return same.nonzero()[0][: recipe.positives], (~same).nonzero()[0][: recipe.negatives]\n\n"
        "def swapped(recipe, same, people):\n    return pick(recipe, same, people)[::-1]\n\n"
        "def beyond(recipe, same, people):\n    return [len(same)], []\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "outside_selection"


def test_a_rule_from_outside_the_package(rule: str) -> None:
    recipe = PairsRecipe.from_values({"selection": f"{rule}:pick", "positives": 1, "negatives": 3}, "here")
    assert [places.tolist() for places in select_candidates(recipe, SAME, PEOPLE)] == [[1], [0, 2, 3]]


def test_rules_that_cannot_be_used_are_refused(rule: str) -> None:
    for name, message in (("swapped", "place 0 of 7 is no positive"), ("beyond", "place 7 of 7 is no positive")):
        with pytest.raises(DataError, match=message):
            select_candidates(PairsRecipe(selection=f"{rule}:{name}"), SAME, PEOPLE)
    with pytest.raises(RecipeError, match="no selection rule 'hardest'; there is spread-over-ranks"):
        select_candidates(PairsRecipe(selection="hardest"), SAME, PEOPLE)
    with pytest.raises(RecipeError, match="has no absent"):
        select_candidates(PairsRecipe(selection=f"{rule}:absent"), SAME, PEOPLE)
