"""Which candidates of a query become pairs: the rule for positives and hard negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reidr.training.recipes.pairs import PairsRecipe


def select_candidates(
    recipe: PairsRecipe, same: NDArray[np.bool_], people: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places, in a query's ranked gallery, of its positives and of its hard negatives.

    Positives: the worst-ranked true match and others spread evenly over the ranks of the matches, best first, up to
    `recipe.positives`. Hard negatives: the best-ranked other person and others spread evenly over `negative_ranks`, one
    crop per person, up to `recipe.negatives`. Worst matches and best others alone would train the rule that people who
    look alike are two.

    Args:
        same: (ranked) whether each candidate shows the query's person. people: (ranked) their labels.
    """
    matches = np.flatnonzero(same)
    positives = matches[spread(len(matches), recipe.positives)][::-1]
    others = np.flatnonzero(~same[: recipe.negative_ranks])
    # One crop per other person: ten pictures of one look-alike teach the same thing.
    _, first = np.unique(people[others], return_index=True)
    others = others[np.sort(first)]
    negatives = others[len(others) - 1 - spread(len(others), recipe.negatives)]
    return positives, negatives


def spread(length: int, number: int) -> NDArray[np.int64]:
    """At most `number` places of a list of `length`, evenly from its last one down to its first."""
    places: NDArray[np.int64] = np.unique(np.linspace(length - 1, 0, number).round().astype(np.int64))[::-1]
    return places if length else places[:0]
