"""The order of a search's matches, and the one number that decides it.

Every number has one name, in the terminal, on the page, in JSON and in CSV:

- *distance*: the retriever's, in [0, 2], smaller is nearer;
- *direct score*: the reasoner's answer without words, the share of "yes" among "yes" and "no", not calibrated;
- *P(same)*: the direct score after the calibration stored with the reasoner; there is none without one;
- *fused distance* or *fused score*: what is made of the above and decides the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.fusion.calibration import Calibration, margin_of
from reidr.fusion.logistic import LogisticFusion
from reidr.fusion.profile import InferenceProfile
from reidr.fusion.weighted import fused_distances
from reidr.reasoning.types import Pair
from reidr.retrieval.ranked_list import RankedList
from reidr.search.folding import Group

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Reals = NDArray[np.float64]
OrderName = Literal["distance", "fused distance", "fused score"]


@dataclass(frozen=True, eq=False)
class Order:
    """How candidates are ordered.

    Attributes:
        by: the name of the number. rule: how it is made, one sentence. places: the candidates, best first.
        values: (n,) that number of each candidate, in the order in which they were given.
    """

    by: OrderName
    rule: str
    places: tuple[int, ...]
    values: Reals


def by_distance(distances: Reals) -> Order:
    """The retriever's own order, in which candidates are given."""
    rule = "The order is that of the retriever's distance, smaller is nearer."
    return Order("distance", rule, tuple(range(len(distances))), distances)


def fused_order(
    listed: RankedList,
    groups: Sequence[Group],
    direct: Reals,
    pairs: Sequence[Pair],
    model: Backend,
    profile: InferenceProfile,
) -> Order:
    """The order that was chosen for the reasoner: by its fusion weight, or by the fitted fusion where that fits.

    Args:
        listed: (1, m) the ranked list with its surroundings. groups: the n candidates' places in it. direct: (n,)
            direct scores, NaN where there is none. pairs: as `groups`.
    """
    columns = np.array([group.column for group in groups])
    scores = np.full((1, int(columns.max()) + 1), np.nan)
    scores[0, columns] = direct
    if profile.fusion == "fitted" and profile.fitted is not None:
        fitted = LogisticFusion.read(profile.fitted)
        vision_similarities = None
        if (
            fitted.vision_similarities
            and model.capabilities.vision_similarity
            and (seen := model.vision_similarity(pairs)) is not None
        ):
            vision_similarities = np.full((*scores.shape, seen.shape[1]), np.nan)
            vision_similarities[0, columns] = seen
        if fitted.fits(listed, vision_similarities):
            values = fitted.probabilities(listed, margin_of(scores), vision_similarities)[0, columns]
            rule = (
                "The order is that of the fused score, 0 to 1, higher is likelier: a regression fitted on training "
                "identities makes it of distance, rank, surroundings and direct score."
            )
            return Order("fused score", rule, sorted_places(-values), values)
    values = fused_distances(listed, scores, profile.weight)[0, columns]
    kind = "distance" if listed.local is None else "CSLS distance"
    rule = (
        f"The order is that of the fused distance, smaller is nearer: {1 - profile.weight:g} x {kind} + "
        f"{profile.weight:g} x 2 x (1 - direct score)."
    )
    return Order("fused distance", rule, sorted_places(values), values)


def sorted_places(values: Reals) -> tuple[int, ...]:
    """Places by rising value, ties in the order given."""
    return tuple(np.argsort(values, kind="stable").tolist())


def calibrated(direct: Reals, stored: Mapping[str, object] | None) -> Reals:
    """P(same) of direct scores by a stored calibration; NaN for all of them without one, and where there is none."""
    if stored is None:
        return np.full(len(direct), np.nan)
    return Calibration.read(stored).apply(margin_of(direct))
