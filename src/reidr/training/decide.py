"""Choosing the fusion weight on training identities that neither model was fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reidr.data.join import join_training
from reidr.data.protocol import Trial, find_protocol
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.evaluation.experiment import Progress, candidate_pairs, embed_trial, matches_of, steps_of
from reidr.reasoning.fusion import choose_weight
from reidr.reasoning.reasoner import Reasoner
from reidr.retrieval.embedder import Embedder
from reidr.training.identities import hold_out_identities


def as_search(name: str, crops: Sequence[Crop], queries: int, seed: int) -> ReIDDataset:
    """Labelled crops as a search: the first crop of each person and camera is a query, the others are the gallery.

    At most `queries` queries are kept, drawn by `seed`. Persons seen by one camera only stay in the gallery.
    """
    first: dict[tuple[str | None, str | None], Crop] = {}
    for crop in sorted(crops, key=lambda crop: crop.id):
        first.setdefault((crop.person, crop.camera), crop)
    several = {person for person, _ in first if len({c for p, c in first if p == person}) > 1}
    chosen = [crop for (person, _), crop in sorted(first.items(), key=lambda item: item[1].id) if person in several]
    taken = {crop.id for crop in chosen}
    gallery = tuple(crop for crop in crops if crop.id not in taken)
    if len(chosen) > queries:
        rows = np.sort(np.random.default_rng(seed).choice(len(chosen), queries, replace=False))
        chosen = [chosen[row] for row in rows]
    return ReIDDataset(name, None, query=tuple(chosen), gallery=gallery)


def weight_curve(
    search: ReIDDataset, retriever: Embedder, reasoner: Reasoner, k: int, progress: Progress
) -> list[tuple[float, float, float]]:
    """(weight, mAP, Rank-1) over the re-ranked first k, for every weight tried (see `choose_weight`)."""
    trial = Trial(find_protocol("standard"), search.query, search.gallery)
    queries, gallery, trial = embed_trial(trial, retriever, None, progress)
    ranked = gallery.search(queries, k, excluded=trial.excluded)
    pairs, places = candidate_pairs(trial, ranked, ranked.k)
    with progress(f"scoring pairs of {search.name}", len(pairs)) as advance:
        scores: NDArray[np.float64] = np.full(ranked.indices.shape, np.nan)
        scores[places] = reasoner.score(pairs, progress=steps_of(advance))
    return list(choose_weight(ranked, scores, matches_of(trial, ranked, ranked.k)).grid)


def best_weight(curve: Sequence[tuple[float, float, float]]) -> float:
    """The weight with the best mAP of a `weight_curve`; the smallest of equals."""
    return max(curve, key=lambda row: (round(row[1], 9), -row[0]))[0]


def held_out_search(dataset: ReIDDataset, retriever: Embedder) -> ReIDDataset:
    """The training identities of `dataset` that `retriever` never saw, as a search.

    Raises DataError where the retriever was not trained on this data set (by its folder's name), does not say whom it
    held out, or nobody was held out.
    """
    held_out = getattr(retriever, "held_out", None)
    if held_out is None or dataset.name not in getattr(retriever, "trained_on", ()):
        raise DataError(f"retriever {retriever.name} does not say which identities of {dataset.name} it held out")
    _, crops = hold_out_identities(join_training([dataset]), *held_out)
    search = as_search(f"{dataset.name}, held-out training identities", crops, len(crops) + 1, 0)
    if not search.query or not search.gallery:
        raise DataError(f"{dataset.name}: retriever {retriever.name} held out nobody who is seen by two cameras")
    return search
