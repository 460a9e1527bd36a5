"""Rank crops by a description: how probable is it that each shows all that is asked for, and nothing that is not?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.data.vocabulary import VALUES
from reidr.errors import DataError
from reidr.search.words.types import DescriptionQuery, Term

COLUMN = {value: column for column, value in enumerate(VALUES)}
LEAST = 1e-3
"""Probabilities are kept so far from 0 and 1, so that one value that is surely misread does not decide alone."""


@dataclass(frozen=True)
class DescriptionScores:
    """How well each crop fits a description.

    Attributes:
        scores: (crops,) natural logarithm of the probability that all terms hold, as if they were independent; 0 is
            certain, less is less likely. Of a query without terms all are 0.
        contributions: (crops, terms) logarithm of the probability of each term; a row sums to the crop's score.
        known: (crops, terms) whether anything is known of a term. Where it is not, the contribution is the mean of the
            crops for which it is known, so that it neither lifts nor lowers a crop among them; 0 where it is known for
            none.
    """

    scores: NDArray[np.float64]
    contributions: NDArray[np.float64]
    known: NDArray[np.bool_]

    @property
    def order(self) -> NDArray[np.int64]:
        """Rows of the crops, best first; equal scores in their given order."""
        return np.argsort(-self.scores, kind="stable")


def rank_by_description(query: DescriptionQuery, probabilities: ArrayLike) -> DescriptionScores:
    """Score crops by a description.

    Args:
        query: what `reidr.search.words.parse.parse_description` made of the words.
        probabilities: (crops, values) calibrated probability of every value, in the order of
            `reidr.data.vocabulary.VALUES`; NaN where it is unknown.

    A term of one value contributes log p, one of several values of which any may be true log(1 - (1 - p1)(1 - p2)…),
    an unwanted one the logarithm of the opposite. Unknown values take no part. Raises DataError for another shape or
    for numbers that are no probabilities.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(VALUES):
        raise DataError(
            f"probabilities have the shape {table.shape}; they need one column for each of {len(VALUES)} values"
        )
    if ((table < 0) | (table > 1)).any():
        raise DataError("probabilities must lie between 0 and 1, or be NaN where a value is unknown")
    contributions = np.zeros((len(table), len(query.terms)))
    known = np.zeros(contributions.shape, dtype=bool)
    for column, term in enumerate(query.terms):
        chance = term_probability(term, table)
        known[:, column] = ~np.isnan(chance)
        logs = np.log(np.clip(chance, LEAST, 1 - LEAST))
        if known[:, column].any():
            contributions[:, column] = np.where(known[:, column], logs, logs[known[:, column]].mean())
    return DescriptionScores(contributions.sum(axis=1), contributions, known)


def term_probability(term: Term, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(crops,) probability that a term holds, from a table as in `rank_by_description`; NaN where nothing is known."""
    own = table[:, [COLUMN[value] for value in term.values]]
    unknown = np.isnan(own)
    none_of_them = np.where(unknown, 1.0, 1 - own).prod(axis=1)
    chance = 1 - none_of_them if term.wanted else none_of_them
    return np.where(unknown.all(axis=1), np.nan, chance)
