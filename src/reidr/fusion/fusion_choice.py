"""Which fusion orders candidates, the weighted or the fitted one: chosen on people that neither was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import (
    as_array,
    flag_array,
    group_numbers,
    whole_number,
)
from reidr.errors import ReIDError
from reidr.fusion.calibration import draw_folds, margin_of
from reidr.fusion.logistic import fit_logistic_fusion
from reidr.fusion.weighted import (
    Fusion,
    choose_weight,
    fused_distances,
    order_quality,
)
from reidr.retrieval.ranked_list import RankedList

DRAWS = 4  # drawings of the people into folds


@dataclass(frozen=True)
class FusionChoice:
    """Which fusion orders unknown people best, and (mAP, Rank-1) of each among the first m candidates."""

    fusion: Fusion
    tried: dict[Fusion, tuple[float, float]]


def choose_fusion(
    ranked: RankedList,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.bool_],
    people: Sequence[str],
    vision_similarities: NDArray[np.float64] | None = None,
    *,
    folds: int = 5,
) -> FusionChoice:
    """One weight or a fitted probability: whichever has the better mAP on people that it was not chosen on.

    Args:
        ranked: (Q, 50 or so). probabilities, truth: (Q, m), NaN where not asked. people: the person of each query; one
            person's queries are never on both sides. vision_similarities: (Q, m, 3) or None, for the fitted one.
        folds: of the people, for each of `DRAWS` drawings of them, whose results are averaged.

    Of equals the weight, which needs neither z-norm nor vision similarities. Raises ReIDError where people are fewer
    than the folds, and as `choose_weight` and `fit_logistic_fusion`.
    """
    place, number = group_numbers(people, "people")
    folds = whole_number(folds, "folds", least=2)
    if len(place) != len(ranked) or number < folds:
        raise ReIDError(f"fusion: {len(place)} queries of {number} people; {len(ranked)} queries, {folds} folds")
    probabilities = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    truth = flag_array(truth, "truth", probabilities.shape)
    margins, found = margin_of(probabilities), np.zeros((2, 2))
    for draw in range(DRAWS):
        fold = draw_folds(place, folds, draw)
        weighted, fitted = np.empty(truth.shape), np.empty(truth.shape)
        for each in range(folds):
            known, new = np.flatnonzero(fold != each), np.flatnonzero(fold == each)
            seen, lists = ranked.of_queries(known), ranked.of_queries(new)
            weight = choose_weight(seen, probabilities[known], truth[known]).weight
            weighted[new] = fused_distances(lists, probabilities[new], weight)
            own, others = (
                (None, None) if vision_similarities is None else (vision_similarities[known], vision_similarities[new])
            )
            model = fit_logistic_fusion(seen, margins[known], truth[known], own)
            fitted[new] = 1.0 - model.probabilities(lists, margins[new], others)
        found += np.array([order_quality(weighted, truth), order_quality(np.nan_to_num(fitted, nan=np.inf), truth)])
    (one, two), (three, four) = (found / DRAWS).tolist()
    tried: dict[Fusion, tuple[float, float]] = {"weighted": (one, two), "fitted": (three, four)}
    return FusionChoice("fitted" if round(three, 9) > round(one, 9) else "weighted", tried)
