"""Fusing the reasoner's probabilities into the retriever's ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, flag_array, instance_of, one_list, plain_array, real_number
from reidr.errors import ReIDError
from reidr.retrieval.average_precision import hits_in_order, precision_sums
from reidr.retrieval.ranked_list import RankedList

Fusion = Literal["weighted", "fitted"]
ScoreKind = Literal["direct", "reasoned", "both"]
"""Where P(same) of a pair comes from: the answer right after the pictures; the answer read from rationales with the
pictures taken away; or the mean log-odds of the two."""
SCORE_NAMES: dict[ScoreKind, str] = {
    "direct": "direct score",
    "reasoned": "reasoned score",
    "both": "direct and reasoned score",
}
"""What each is called wherever it is shown."""
WEIGHTS = tuple(round(0.05 * i, 2) for i in range(21))


@dataclass(frozen=True)
class WeightChoice:
    """The chosen fusion weight, and for every weight tried (weight, mAP, Rank-1) over the re-ranked columns."""

    weight: float
    grid: tuple[tuple[float, float, float], ...]


def fuse(ranked: RankedList, probabilities: NDArray[np.float64], weight: float) -> RankedList:
    """Re-rank the first m candidates of each query by `(1 - w)·d + w·2·(1 - p)`; nothing beyond rank m moves.

    Formula of MUSE (RikoLi/MUSE, `utils/reranking_fast.py`); the factor 2 is the range of Euclidean distances between
    unit vectors, so `ranked` must hold such distances. Here it only permutes the first m, while MUSE lets a scored
    entry pass unscored ones. Where `ranked` has CSLS distances (`retrieval.csls`), d is those.

    Args:
        probabilities: (Q, m) P(same), m at most `ranked.k`; NaN where there is none: that entry keeps its distance d.
        weight: w in [0, 1]; 0 keeps the ranking, 1 sorts by the reasoner alone (ties keep the retriever's order).

    Raises:
        ReIDError: shapes that do not fit, or a value out of range.
    """
    head = fused_distances(ranked, probabilities, weight)
    return ranked.reordered(head, f"reasoner weight={weight:g} k={head.shape[1]}")


def fuse_for_threshold(ranked: RankedList, probabilities: NDArray[np.float64], weight: float) -> RankedList:
    """The first m candidates alone, by their fused distances as they are: comparable across queries.

    `fuse` shifts each query's distances to keep the rest of its list in place, which changes no order but makes them
    useless for one threshold over all queries; here nothing is shifted and nothing follows. Arguments as `fuse`.
    """
    head = fused_distances(ranked, probabilities, weight)
    return ranked.sorted_by(head, f"reasoner weight={weight:g} k={head.shape[1]}, for thresholds")


def fused_distances(ranked: RankedList, probabilities: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """`fuse`'s distances of the first m candidates, (Q, m), +inf where padded. Raises ReIDError as `fuse`."""
    probabilities = listed_probabilities(ranked, probabilities)
    weight = real_number(weight, "fusion: the weight", least=0.0, most=1.0)
    distances = listed_distances(ranked)[:, : probabilities.shape[1]]
    finite = np.isfinite(distances)
    if ranked.local is None and weight > 0 and (distances[finite] > 2.0 + 1e-6).any():
        raise ReIDError("fusion: distances above 2 are not those of unit vectors; fuse before re-ranking, not after")
    known = finite & ~np.isnan(probabilities)
    fused = distances.copy()
    fused[known] = (1.0 - weight) * distances[known] + weight * 2.0 * (1.0 - probabilities[known])
    return fused


def listed_probabilities(ranked: RankedList, probabilities: ArrayLike) -> NDArray[np.float64]:
    """(Q, m) P(same) of the first m candidates of `ranked`, NaN where there is none.

    Raises ReIDError for shapes that do not fit and a value outside [0, 1].
    """
    instance_of(ranked, RankedList, "ranked")
    given = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    if given.ndim != 2 or len(given) != len(ranked) or given.shape[1] > ranked.k:
        raise ReIDError(f"fusion: probabilities {given.shape} do not fit a ranked list of ({len(ranked)}, {ranked.k})")
    wrong = ~np.isnan(given) & ~((given >= 0) & (given <= 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ReIDError(
            f"fusion: probability {given[row, column]} of query {ranked.query_ids[row]} at rank {column + 1} lies "
            "outside [0, 1]"
        )
    return given


def listed_distances(ranked: RankedList) -> NDArray[np.float64]:
    """What fusion takes for the distance of every listed candidate: the CSLS one where there is one."""
    return ranked.distances if ranked.local is None else ranked.local


def choose_weight(
    ranked: RankedList,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.bool_],
    weights: Sequence[float] = WEIGHTS,
) -> WeightChoice:
    """The fusion weight with the best mAP, then Rank-1, then the smallest; to be chosen on training identities.

    Args:
        probabilities: (Q, m) as for `fuse`.
        truth: (Q, m) True where `ranked`'s candidate shows the query's person.

    mAP and Rank-1 look at the first m columns only, since fusion moves nothing else; queries without a match there do
    not count. Ties are ordered pessimistically, matches last, so a saturated verifier gains nothing from them.

    Raises:
        ReIDError: shapes that do not fit, no weights, or no query with a match in its first m.
    """
    probabilities = as_array(probabilities, "probabilities")
    weights = [real_number(weight, "weights") for weight in one_list(weights, "weights")]
    truth = plain_array(truth, "truth")
    if truth.shape != np.shape(probabilities):
        raise ReIDError(f"fusion: truth {truth.shape} and probabilities {np.shape(probabilities)} need equal shapes")
    truth = flag_array(truth, "truth", truth.shape)
    if not weights or not truth.any():
        raise ReIDError("fusion: choosing a weight needs candidate weights and at least one query with a match")
    grid = [
        (float(weight), *order_quality(fused_distances(ranked, probabilities, weight), truth)) for weight in weights
    ]
    best = max(grid, key=lambda row: (round(row[1], 9), round(row[2], 9), -row[0]))
    return WeightChoice(best[0], tuple(grid))


def order_quality(distances: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """(mAP, Rank-1) of the candidates (Q, m) sorted by `distances`, among themselves.

    Queries without a match among their m do not count; of equal distances matches come last. Raises ReIDError for
    shapes that do not fit, NaN, and where no query has a match.
    """
    distances = np.asarray(as_array(distances, "distances"), dtype=np.float64)
    if distances.ndim != 2 or np.isnan(distances).any():
        raise ReIDError(f"fusion: distances {distances.shape} must be one row of numbers for each query, without NaN")
    truth = flag_array(truth, "truth", distances.shape)
    if not truth.any():
        raise ReIDError("fusion: no query has a match among these candidates; there is no order to measure")
    hits = hits_in_order(distances, truth)[truth.any(axis=1)]
    return float((precision_sums(hits) / hits.sum(axis=1)).mean()), float(hits[:, 0].mean())
