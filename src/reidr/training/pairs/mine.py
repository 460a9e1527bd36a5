"""Mining candidate pairs out of fold: hard positives and hard negatives, across cameras, balanced.

A retriever ranks the people that it was trained on almost perfectly, so pairs mined among them are easier than those at
test time. Therefore every pair here shows people that its ranker was not trained on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.data.person_key import dataset_of
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.embedder import Advance, Embedder, embed_usable_crops
from reidr.training.pairs.folds import Ranker
from reidr.training.pairs.selection import select_candidates
from reidr.training.pairs.table import MinedPair
from reidr.training.processes.team import processes
from reidr.training.recipes.pairs import PairsRecipe

BATCH = 128
"""Crops that are embedded at once, whatever the number of processes: the bits of a feature depend on its batch."""


def mine_pairs(
    recipe: PairsRecipe,
    crops: Sequence[Crop],
    ranker: Ranker,
    forbidden: Collection[str] = (),
    advance: Advance | None = None,
) -> list[MinedPair]:
    """All hard pairs among `crops` of people that `ranker` was not trained on, not yet balanced.

    Each data set is searched separately. The gallery of a query is the crops of other cameras; the recipe's rule
    (`selection.py`) chooses the pairs. A pair that is selected from both sides is kept once.

    Args:
        crops: joined training crops (`join_training`).
        forbidden: ids of people whom no pair may show (those of a test: a check against mistakes).

    Raises:
        DataError: a forbidden person is among those to be mined, or nobody is left. DataError, RecipeError: as
            `select_candidates`.
    """
    chosen = [crop for crop in crops if crop.person in ranker.unseen and crop.camera is not None and not crop.junk]
    if not chosen:
        raise DataError(f"{ranker.embedder.name}: no crop shows a person that it has not seen; nothing can be mined")
    clash = {str(crop.person) for crop in chosen} & set(forbidden)
    if clash:
        raise DataError(
            f"person {min(clash)} is a test identity; pairs of test identities may not be used for training"
        )
    features, kept = embed_together(ranker.embedder, chosen, advance)
    sets: dict[str, list[int]] = {}
    for row, position in enumerate(kept):
        sets.setdefault(dataset_of(chosen[position].person), []).append(row)
    pairs: dict[tuple[str, str], MinedPair] = {}
    for name, rows in sorted(sets.items()):
        own = [chosen[kept[row]] for row in rows]
        for pair in _mine_set(recipe, name, own, features[rows], ranker):
            first, second = sorted((pair.query.id, pair.candidate.id))
            pairs.setdefault((first, second), pair)
    return list(pairs.values())


def embed_together(
    embedder: Embedder, crops: Sequence[Crop], advance: Advance | None = None
) -> tuple[NDArray[np.float32], list[int]]:
    """`embed_usable_crops`, its batches shared by all processes: features (M, D) and positions, the same bits as alone.

    `advance` counts the crops of all processes by those of this one.
    """
    team = processes()

    def embed(start: int) -> tuple[NDArray[np.float32], list[int]]:
        part = crops[start : start + BATCH]
        features, kept, _ = embed_usable_crops(embedder, part, batch=BATCH)
        if advance is not None:
            advance(min(len(part) * team.count, len(crops)))
        return features, [start + place for place in kept]

    parts = team.spread(range(0, len(crops), BATCH), embed)
    usable = [features for features, kept in parts if kept]
    whole = np.concatenate(usable) if usable else np.empty((0, 0), dtype=np.float32)
    return whole, [place for _, kept in parts for place in kept]


def _mine_set(
    recipe: PairsRecipe, dataset: str, crops: Sequence[Crop], features: NDArray[np.float32], ranker: Ranker
) -> list[MinedPair]:
    people = np.array([str(crop.person) for crop in crops])
    cameras = np.array([str(crop.camera) for crop in crops])
    order = np.argsort([crop.id for crop in crops])
    if len(order) > recipe.queries:
        order = np.sort(np.random.default_rng(recipe.seed).choice(order, recipe.queries, replace=False))

    def candidates_of(query: int) -> list[tuple[int, dict[str, Any]]]:
        """The row of each candidate of a query, and what its pair says of it: all that is sent between processes."""
        gallery = np.flatnonzero(cameras != cameras[query])
        if not len(gallery):
            return []
        squared = 2.0 - 2.0 * (features[gallery] @ features[query]).astype(np.float64)
        distances = np.sqrt(np.maximum(squared, 0.0))
        ranked = np.argsort(distances, kind="stable")
        same = people[gallery[ranked]] == people[query]
        positives, negatives = select_candidates(recipe, same, people[gallery[ranked]])
        nearest = float(distances[ranked[0]])
        listed = [(float(distances[ranked[i]]), bool(same[i])) for i in range(min(len(ranked), recipe.negative_ranks))]
        found = []
        for place in [*positives.tolist(), *negatives.tolist()]:
            distance = float(distances[ranked[place]])
            others = tuple(other for i, other in enumerate(listed) if i != place)
            facts = {"rank": place + 1, "distance": distance, "gap": distance - nearest, "label": bool(same[place])}
            found.append((int(gallery[ranked[place]]), {**facts, "others": others}))
        return found

    queries = order.tolist()
    fixed: dict[str, Any] = {
        "dataset": dataset,
        "part": ranker.part,
        "fold": ranker.fold,
        "retriever": ranker.embedder.fingerprint,
    }
    return [
        MinedPair(query=crops[query], candidate=crops[row], **fixed, **facts)
        for query, found in zip(queries, processes().spread(queries, candidates_of), strict=True)
        for row, facts in found
    ]
