"""Which candidates of a query become pairs: the rule for positives and hard negatives.

A rule of your own is a function as `spread_over_ranks`; a recipe names it by its dotted path, `selection: mine:rule`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.core.extensions import is_dotted_path, load_object
from reidr.errors import DataError, RecipeError
from reidr.training.recipes.pairs import PairsRecipe

Places = NDArray[np.int64]
SELECTIONS = {
    "spread-over-ranks": "reidr.training.pairs.selection:spread_over_ranks",
    "spread-over-others": "reidr.training.pairs.selection:spread_over_others",
}


class SelectionRule(Protocol):
    """What a rule is; see `spread_over_ranks`."""

    def __call__(
        self, recipe: PairsRecipe, same: NDArray[np.bool_], people: NDArray[np.str_]
    ) -> tuple[Places, Places]: ...


def find_selection(name: str) -> SelectionRule:
    """The rule of that name, or at `module:function`. Raises RecipeError where there is none."""
    source = SELECTIONS.get(name, name)
    if not is_dotted_path(source):
        known = ", ".join(SELECTIONS)
        raise RecipeError(f"there is no selection rule {name!r}; there is {known}, or your own module:function")
    found: SelectionRule = load_object(source, "selection rule", RecipeError)
    return found


def select_candidates(recipe: PairsRecipe, same: NDArray[np.bool_], people: NDArray[np.str_]) -> tuple[Places, Places]:
    """Places of the positives and the negatives by the recipe's rule.

    Raises RecipeError without such a rule, DataError where it gives a place that is not in the list or that shows the
    other kind of person.
    """
    rule = find_selection(recipe.selection)
    positives, negatives = (np.asarray(places, dtype=np.int64) for places in rule(recipe, same, people))
    for places, kind in ((positives, True), (negatives, False)):
        wrong = next((place for place in places if not 0 <= place < len(same) or bool(same[place]) is not kind), None)
        if wrong is not None:
            what = "positive" if kind else "negative"
            raise DataError(f"selection rule {recipe.selection}: place {wrong} of {len(same)} is no {what}")
    return positives, negatives


def spread_over_ranks(recipe: PairsRecipe, same: NDArray[np.bool_], people: NDArray[np.str_]) -> tuple[Places, Places]:
    """Places, in a query's ranked gallery, of its positives and of its hard negatives.

    Positives: the worst-ranked true match (of the first `positive_ranks`, where that is set) and others spread evenly
    over the ranks of the matches, best first, up to `recipe.positives`. Hard negatives: the best-ranked other person
    and others spread evenly over `negative_ranks`, one crop per person, up to `recipe.negatives`. Worst matches and
    best others alone would train the rule that people who look alike are different.

    Args:
        same: (ranked) whether each candidate shows the query's person. people: (ranked) their labels.
    """
    matches = np.flatnonzero(same[: recipe.positive_ranks])
    positives = matches[spread(len(matches), recipe.positives)][::-1]
    others = np.flatnonzero(~same[: recipe.negative_ranks])
    return positives, hard_negatives(recipe, others, people)


def spread_over_others(recipe: PairsRecipe, same: NDArray[np.bool_], people: NDArray[np.str_]) -> tuple[Places, Places]:
    """As `spread_over_ranks`, with hard negatives from the first `negative_ranks` candidates that show other people.

    For data sets with many crops of each person: of PRCC some eighty are true matches of a query, which a fair
    retriever ranks first, so that hardly another person is among its first twenty candidates.
    """
    positives, _ = spread_over_ranks(recipe, same, people)
    return positives, hard_negatives(recipe, np.flatnonzero(~same)[: recipe.negative_ranks], people)


def hard_negatives(recipe: PairsRecipe, others: Places, people: NDArray[np.str_]) -> Places:
    """At most `recipe.negatives` of the places `others`, spread evenly, the best one among them, one of each person."""
    # One crop per other person: further pictures of the same person add little.
    _, first = np.unique(people[others], return_index=True)
    others = others[np.sort(first)]
    return others[len(others) - 1 - spread(len(others), recipe.negatives)]


def spread(length: int, number: int) -> Places:
    """At most `number` places of a list of `length`, evenly from its last one down to its first."""
    places: Places = np.unique(np.linspace(length - 1, 0, number).round().astype(np.int64))[::-1]
    return places if length else places[:0]
