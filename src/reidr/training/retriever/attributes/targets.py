"""What is known of training crops, as arrays in the order of the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reidr.data.attribute_sources import facts_of
from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES, VOCABULARY

UNKNOWN = -1
FAMILIES = tuple(family.name for family in VOCABULARY)
FAMILY_OF_VALUE = np.array([FAMILIES.index(family) for family, _ in VALUES])
Marks = NDArray[np.int8]


def marks_of(crops: Sequence[Crop]) -> tuple[Marks, Marks]:
    """(N, values): 1 true, 0 false, -1 unknown; and (N, families): 1 where the source says that it cannot be seen.

    Of a family that cannot be seen every value is unknown.
    """
    place = {value: column for column, value in enumerate(VALUES)}
    values = np.full((len(crops), len(VALUES)), UNKNOWN, np.int8)
    hidden = np.zeros((len(crops), len(FAMILIES)), np.int8)
    for row, crop in enumerate(crops):
        for family, known in facts_of(crop.attributes).items():
            if known.get(CANNOT_BE_SEEN):
                hidden[row, FAMILIES.index(family)] = 1
                continue
            for value, true in known.items():
                values[row, place[family, value]] = true
    return values, hidden


def shares_true(values: Marks, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(values,) how often each is true among the crops of which it is known, crops counted by `weights` (N,).

    Within 0.4 and 99.6 %: a value that hardly occurs is never certain.
    """
    known, true = weights[:, None] * (values != UNKNOWN), weights[:, None] * (values == 1)
    found: NDArray[np.float64] = (true.sum(axis=0) / np.maximum(known.sum(axis=0), 1e-9)).clip(0.004, 0.996)
    return found


def drawing_weights(crops: Sequence[Crop], families: Sequence[str], shares: dict[str, float]) -> NDArray[np.float64]:
    """(N,) how likely each crop is drawn, sum 1: each family of data sets by its share, a person by the root of its
    number of crops, so that a few people with many crops do not decide."""
    weights, own_family = np.zeros(len(crops)), np.array(families)
    for family in sorted(set(families)):
        rows = np.flatnonzero(own_family == family)
        persons = [str(crops[row].person) for row in rows.tolist()]
        _, place, count = np.unique(persons, return_inverse=True, return_counts=True)
        each = count[place] ** -0.5
        weights[rows] = shares.get(family, 1.0) * each / each.sum()
    whole: NDArray[np.float64] = weights / weights.sum()
    return whole
