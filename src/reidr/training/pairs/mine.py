"""Mining candidate pairs out of fold: hard positives and hard negatives, across cameras, balanced.

A retriever ranks people it was trained on almost perfectly; pairs mined there are nothing like those at test time. So
every pair here is of people that its ranker has never seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.embedder import Advance, Embedder, embed_usable_crops
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.pairs_warmup_sampling import PairsRecipe

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Ranker:
    """An embedder and the training people it has never seen. `fold` numbers it; `part` says what its pairs are for."""

    embedder: Embedder
    unseen: frozenset[str]
    fold: int = 0
    part: str = "train"


def fold_of(person: str, folds: int, seed: int) -> int:
    """Which of `folds` folds a person belongs to, by hash: file order, other people and machine do not count."""
    digest = hashlib.sha256(f"{seed}:fold:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def mine_pairs(
    recipe: PairsRecipe,
    crops: Sequence[Crop],
    ranker: Ranker,
    forbidden: Collection[str] = (),
    advance: Advance | None = None,
) -> list[MinedPair]:
    """All hard pairs among `crops` of people that `ranker` has never seen, not yet balanced.

    Each data set (the part of a person's label before ":") is searched by itself. A query's gallery are the crops of
    other cameras. Positives: its worst-ranked true match and others spread evenly over the ranks of its matches, up to
    `positives`. Hard negatives: its best-ranked other person and others spread evenly over `negative_ranks`, one crop
    each, up to `negatives`. Worst matches and best others alone would teach that those who look alike are two people.
    A pair found from both sides is kept once.

    Args:
        crops: joined training crops (`join_training`).
        forbidden: ids of people no pair may show (the queries and gallery of a test, for a check against mistakes).

    Raises:
        DataError: a forbidden person is among those to be mined, or nobody was unseen.
    """
    chosen = [crop for crop in crops if crop.person in ranker.unseen and crop.camera is not None and not crop.junk]
    if not chosen:
        raise DataError(f"{ranker.embedder.name}: no crop shows a person that it has not seen; nothing can be mined")
    clash = {str(crop.person) for crop in chosen} & set(forbidden)
    if clash:
        raise DataError(
            f"person {min(clash)} is a test identity; pairs of test identities may not be used for training"
        )
    features, kept, _ = embed_usable_crops(ranker.embedder, chosen, advance=advance)
    sets: dict[str, list[int]] = {}
    for row, position in enumerate(kept):
        sets.setdefault(dataset_of(chosen[position]), []).append(row)
    found: dict[tuple[str, str], MinedPair] = {}
    for name, rows in sorted(sets.items()):
        own = [chosen[kept[row]] for row in rows]
        for pair in _mine_set(recipe, name, own, features[rows], ranker):
            first, second = sorted((pair.query.id, pair.candidate.id))
            found.setdefault((first, second), pair)
    return list(found.values())


def spread(length: int, number: int) -> NDArray[np.int64]:
    """At most `number` places of a list of `length`, evenly from its last one down to its first."""
    places: NDArray[np.int64] = np.unique(np.linspace(length - 1, 0, number).round().astype(np.int64))[::-1]
    return places if length else places[:0]


def dataset_of(crop: Crop) -> str:
    """The data set of a joined crop."""
    return str(crop.person).split(":")[0]


def _mine_set(
    recipe: PairsRecipe, dataset: str, crops: Sequence[Crop], features: NDArray[np.float32], ranker: Ranker
) -> list[MinedPair]:
    people = np.array([str(crop.person) for crop in crops])
    cameras = np.array([str(crop.camera) for crop in crops])
    order = np.argsort([crop.id for crop in crops])
    if len(order) > recipe.queries:
        order = np.sort(np.random.default_rng(recipe.seed).choice(order, recipe.queries, replace=False))
    mined: list[MinedPair] = []
    for query in order.tolist():
        gallery = np.flatnonzero(cameras != cameras[query])
        if not len(gallery):
            continue
        squared = 2.0 - 2.0 * (features[gallery] @ features[query]).astype(np.float64)
        distances = np.sqrt(np.maximum(squared, 0.0))
        ranked = np.argsort(distances, kind="stable")
        same = people[gallery[ranked]] == people[query]
        matches = np.flatnonzero(same)
        positives = matches[spread(len(matches), recipe.positives)][::-1]
        others = np.flatnonzero(~same[: recipe.negative_ranks])
        # One crop per other person: ten pictures of one look-alike are one lesson.
        _, first = np.unique(people[gallery[ranked[others]]], return_index=True)
        others = others[np.sort(first)]
        negatives = others[len(others) - 1 - spread(len(others), recipe.negatives)]
        nearest = float(distances[ranked[0]])
        listed = [(float(distances[ranked[i]]), bool(same[i])) for i in range(min(len(ranked), recipe.negative_ranks))]
        for place in [*positives.tolist(), *negatives.tolist()]:
            distance = float(distances[ranked[place]])
            mined.append(
                MinedPair(
                    query=crops[query],
                    candidate=crops[gallery[ranked[place]]],
                    dataset=dataset,
                    part=ranker.part,
                    fold=ranker.fold,
                    rank=place + 1,
                    distance=distance,
                    gap=distance - nearest,
                    label=bool(same[place]),
                    retriever=ranker.embedder.fingerprint,
                    others=tuple(each for i, each in enumerate(listed) if i != place),
                )
            )
    return mined


def balance_pairs(pairs: Sequence[MinedPair], most: int, seed: int) -> list[MinedPair]:
    """At most `most` of `pairs`, as many of one label as of the other in every data set and pair of cameras.

    The budget is shared out evenly over data sets, then over pairs of cameras; what one cannot use goes to the others
    (`share_out`). Within such a cell pairs are drawn by `seed`. The order of `pairs` is kept.
    """
    cells: dict[tuple[str, tuple[str, str]], dict[bool, list[int]]] = {}
    for place, pair in enumerate(pairs):
        cells.setdefault((pair.dataset, pair.cameras), {True: [], False: []})[pair.label].append(place)
    room = {cell: min(len(own[True]), len(own[False])) for cell, own in cells.items()}
    by_set: dict[str, int] = {}
    for (name, _), size in room.items():
        by_set[name] = by_set.get(name, 0) + size
    random = np.random.default_rng(seed)
    kept: list[int] = []
    for name, budget in sorted(share_out(by_set, most // 2).items()):
        own_room = {cell: size for cell, size in room.items() if cell[0] == name}
        for cell, size in sorted(share_out(own_room, budget).items()):
            for label in (True, False):
                kept += random.permutation(cells[cell][label])[:size].astype(int).tolist()
    return [pairs[place] for place in sorted(kept)]


def share_out(room: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Share `total` out as evenly as the room of each allows; ties in the order of the keys' text."""
    given = dict.fromkeys(room, 0)
    # Smallest first: whoever cannot use an even share leaves the rest to those who can.
    waiting = sorted(room, key=lambda key: (room[key], str(key)))
    for place, key in enumerate(waiting):
        given[key] = min(room[key], total // (len(waiting) - place))
        total -= given[key]
    return given


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

    Crops of people who are not in `people` (held out for judging) are given to no fold, so every ranker may also rank
    them.
    """
    rankers = []
    for fold, unseen in enumerate(split_folds(people, folds, seed)):
        seen = [crop for crop in crops if crop.person in people and crop.person not in unseen]
        rankers.append(Ranker(train(seen, fold), unseen, fold))
    return rankers
