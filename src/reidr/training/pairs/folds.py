"""Folds of identities, and embedders that rank only people they were not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.embedder import Embedder


@dataclass(frozen=True)
class Ranker:
    """An embedder and the people it was not trained on.

    `fold` numbers it; `part` says what its pairs are for: "train" or "held_out".
    """

    embedder: Embedder
    unseen: frozenset[str]
    fold: int = 0
    part: str = "train"


def fold_of(person: str, folds: int, seed: int) -> int:
    """Which of `folds` folds a person belongs to: by hash, so independent of file order, other people and machine."""
    digest = hashlib.sha256(f"{seed}:fold:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def split_folds(people: Collection[str], folds: int, seed: int) -> list[frozenset[str]]:
    """`people` in `folds` folds by `fold_of`. Raises DataError where a fold is empty."""
    found = [frozenset(person for person in people if fold_of(person, folds, seed) == fold) for fold in range(folds)]
    if not all(found):
        raise DataError(f"{len(people)} identities are too few for {folds} folds; take fewer folds")
    return found


def rank_out_of_fold(
    crops: Sequence[Crop],
    people: Collection[str],
    folds: int,
    seed: int,
    train: Callable[[Sequence[Crop], int], Embedder],
) -> list[Ranker]:
    """One ranker per fold of `people`: `train(crops, fold)` is given only the crops of people outside the fold.

    Crops of people who are not in `people` (held out for validation) are in no training set, so every ranker may rank
    them too.
    """
    return [
        Ranker(train(seen_outside(crops, people, unseen), fold), unseen, fold)
        for fold, unseen in enumerate(split_folds(people, folds, seed))
    ]


def seen_outside(crops: Sequence[Crop], people: Collection[str], unseen: Collection[str]) -> list[Crop]:
    """The crops of those of `people` who are not in the fold `unseen`."""
    return [crop for crop in crops if crop.person in people and crop.person not in unseen]
