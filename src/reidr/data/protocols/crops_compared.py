"""How many crops the searches of a trial are compared with: how near strangers come by chance depends on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reidr.data.person_key import dataset_of
from reidr.data.protocols.trial import Trial
from reidr.data.types import Crop

BLOCK = 256


def crops_compared(trial: Trial, *, joined: bool = False) -> float:
    """The mean over the non-mated searches (over all where there are none) of the gallery crops not ignored for each.

    Args:
        joined: the crops are those of several data sets (`join_training`), and only the query's own one counts.
            Strangers of another data set are hardly ever the nearest: all who came nearer than the thresholds of `lite`
            were of the query's own one.

    0 for a trial without queries.
    """
    if not trial.query:
        return 0.0
    query, gallery = (data_sets(crops) if joined else np.zeros(len(crops)) for crops in (trial.query, trial.gallery))
    number = np.zeros(len(query), dtype=np.int64)
    for start in range(0, len(query), BLOCK):
        rows = slice(start, start + BLOCK)
        number[rows] = (~trial.excluded(rows) & (query[rows, None] == gallery[None, :])).sum(axis=1)
    return float((number if trial.mated.all() else number[~trial.mated]).mean())


def data_sets(crops: Sequence[Crop]) -> NDArray[np.str_]:
    """(N,) the data set in each person's label; empty text where the label is not that of a joined data set."""
    labels = [str(crop.person) for crop in crops]
    return np.array([dataset_of(label) if ":" in label else "" for label in labels], dtype=np.str_)
