"""Other ways to fuse than `fusion.fuse`: into the whole list, and by a fitted model whose output is a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reidr.core.checks import (
    as_array,
    flag_array,
    one_list,
    plain_array,
    real_array,
    real_number,
)
from reidr.errors import ReIDError
from reidr.fusion.weighted import (
    WEIGHTS,
    WeightChoice,
    fused_distances,
    listed_distances,
    listed_probabilities,
    order_quality,
)
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances

Reals = NDArray[np.float64]
LISTED = ("distance", "normalised distance", "log rank")
LOCAL = ("CSLS distance",)
VISION_SIMILARITIES = ("whole bodies", "upper parts", "lower parts")
DECAY = 1e-3


def fuse_whole(
    ranked: RankedList, probabilities: NDArray[np.float64], weight: float, *, scale: float = 2.0
) -> RankedList:
    """MUSE's own fusion: `(1 - w)·d + w·scale·(1 - p)` for the first m, and the whole list sorted anew.

    Unlike `fuse`, a scored candidate may fall behind unscored ones, or pass them. What would fall behind the end of the
    list stands at its end: list more than is scored (50 for m = 10).

    Args:
        probabilities: (Q, m) P(same), NaN where not asked. scale: the range of the distances: 2 for unit vectors
            (MUSE), 1 for a list that k-reciprocal re-ranking has made (fusion after it).

    Raises ReIDError as `fuse`.
    """
    scale = real_number(scale, "scale")
    if scale <= 0:
        raise ReIDError(f"fusion: the scale must be above 0, not {scale!r}")
    # `fused_distances` is made for distances within [0, 2].
    stretched = replace(ranked, distances=ranked.distances * (2.0 / scale))
    head = fused_distances(stretched, probabilities, weight) * (scale / 2.0)
    distances = np.concatenate([head, listed_distances(ranked)[:, head.shape[1] :]], axis=1)
    return ranked.sorted_by(distances, f"reasoner weight={weight:g} k={head.shape[1]}, into the whole list")


def choose_whole_weight(
    ranked: RankedList,
    probabilities: NDArray[np.float64],
    truth: NDArray[np.bool_],
    weights: Sequence[float] = WEIGHTS,
) -> WeightChoice:
    """The weight of `fuse_whole` with the best mAP over all listed candidates; to be chosen on training identities.

    Args:
        probabilities: (Q, m) as for `fuse`. truth: (Q, k) True where a listed candidate shows the query's person, for
            the whole list (k is `ranked.k`). Queries without a match in it do not count.

    Raises ReIDError as `fuse`, or where no query has a match.
    """
    weights = [real_number(weight, "weights") for weight in one_list(weights, "weights")]
    truth = plain_array(truth, "truth")
    if truth.shape != ranked.indices.shape:
        raise ReIDError(f"fusion: truth {truth.shape} does not fit a ranked list of {ranked.indices.shape}")
    truth = flag_array(truth, "truth", truth.shape)
    if not weights or not truth.any():
        raise ReIDError("fusion: choosing a weight needs candidate weights and at least one query with a match")
    grid = []
    for weight in weights:
        head = fused_distances(ranked, probabilities, weight)
        distances = np.concatenate([head, listed_distances(ranked)[:, head.shape[1] :]], axis=1)
        grid.append((float(weight), *order_quality(distances, truth)))
    best = max(grid, key=lambda row: (round(row[1], 9), round(row[2], 9), -row[0]))
    return WeightChoice(best[0], tuple(grid))


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on standardised features: P = 1 / (1 + exp(-(weights·(x - mean)/scale + bias)))."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def probabilities(self, features: Reals) -> Reals:
        """P of each row of features (..., F). Raises ReIDError for another number of features."""
        features = as_array(features, "features")
        if not features.ndim or features.shape[-1] != len(self.weights):
            raise ReIDError(f"fusion: features {features.shape} do not fit {len(self.weights)} weights")
        odds = ((features - np.array(self.mean)) / np.array(self.scale)) @ np.array(self.weights) + self.bias
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * odds)))


@dataclass(frozen=True)
class LogisticFusion:
    """P(same) of each candidate from the retriever and, where it was asked, the reasoner.

    Attributes:
        asked: for candidates with a margin (features as `features_of` gives them). unasked: for those without (all but
            the last), so that asked and unasked candidates stand on one scale.
        first, last: ranks from which z-norm is computed.
        local, vision_similarities: whether CSLS distances and vision similarities are among the features.
    """

    asked: Logistic
    unasked: Logistic
    first: int
    last: int
    local: bool = False
    vision_similarities: bool = False

    def fits(self, ranked: RankedList, vision_similarities: Reals | None = None) -> bool:
        """Whether everything it needs is there: candidates enough for z-norm, and what it was fitted with."""
        return (
            has_z_norm(ranked, self.first, self.last)
            and (ranked.local is not None or not self.local)
            and (vision_similarities is not None or not self.vision_similarities)
        )

    def probabilities(
        self, ranked: RankedList, margins: NDArray[np.float64], vision_similarities: NDArray[np.float64] | None = None
    ) -> Reals:
        """(Q, m) P(same) for margins (Q, m), NaN where not asked; NaN where the list is padded.

        Args:
            vision_similarities: (Q, m, 3) cosines of `Backend.vision_similarity`, NaN where padded.

        Raises ReIDError for shapes that do not fit, or where it does not fit (`fits`).
        """
        if not self.fits(ranked, vision_similarities):
            raise ReIDError("fusion: the list is too short for z-norm, or lacks what this fusion was fitted with")
        plain = ranked if self.local else replace(ranked, local=None)
        features, known = features_of(
            plain, margins, self.first, self.last, vision_similarities if self.vision_similarities else None
        )
        result = np.full(known.shape, np.nan)
        scored = known & np.isfinite(features[..., -1])
        rest = known & ~scored
        result[scored] = self.asked.probabilities(features[scored])
        result[rest] = self.unasked.probabilities(features[rest][:, :-1])
        return result

    def stored(self) -> dict[str, Any]:
        """Plain values for `inference_profile.json`."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> LogisticFusion:
        """From `stored`. Raises ReIDError where it is none."""
        try:
            parts = [
                Logistic(tuple(each["mean"]), tuple(each["scale"]), tuple(each["weights"]), float(each["bias"]))
                for each in (stored["asked"], stored["unasked"])
            ]
            ranks = int(stored["first"]), int(stored["last"])
            return cls(parts[0], parts[1], *ranks, bool(stored.get("local")), bool(stored.get("vision_similarities")))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReIDError(f"not a stored fusion: {error!r}") from None


def features_of(
    ranked: RankedList,
    margins: NDArray[np.float64],
    first: int,
    last: int,
    vision_similarities: NDArray[np.float64] | None = None,
) -> tuple[Reals, NDArray[np.bool_]]:
    """(Q, m, F) features of each candidate, and (Q, m) where there is one.

    In this order: `LISTED`; `LOCAL` where the list has them; `VISION_SIMILARITIES` where `vision_similarities`
    (Q, m, 3) are given; the margin.
    """
    margins = np.asarray(as_array(margins, "margins"), dtype=np.float64)
    if margins.ndim != 2 or len(margins) != len(ranked) or margins.shape[1] > ranked.k:
        raise ReIDError(f"fusion: margins {margins.shape} do not fit a ranked list of ({len(ranked)}, {ranked.k})")
    m = margins.shape[1]
    distances = ranked.distances[:, :m]
    ranks = np.broadcast_to(np.log(np.arange(1, m + 1)), distances.shape)
    columns = [distances, normalised_distances(ranked, first, last)[:, :m], ranks]
    if ranked.local is not None:
        columns.append(ranked.local[:, :m])
    if vision_similarities is not None:
        vision_similarities = np.asarray(as_array(vision_similarities, "vision_similarities"), dtype=np.float64)
        if vision_similarities.shape != (*margins.shape, len(VISION_SIMILARITIES)):
            raise ReIDError(
                f"fusion: vision_similarities {vision_similarities.shape} do not fit candidates {margins.shape}"
            )
        columns += [vision_similarities[..., place] for place in range(len(VISION_SIMILARITIES))]
    return np.stack([*columns, margins], axis=-1), ranked.indices[:, :m] >= 0


def fit_logistic(features: Reals, outcomes: NDArray[np.bool_], decay: float = DECAY) -> Logistic:
    """Greatest likelihood with weight decay on the standardised weights (N, F), (N,); a constant feature gets none.

    Raises ReIDError unless both outcomes occur, and for shapes that do not fit or values that are not finite.
    """
    features = real_array(features, "features", (None, None))
    outcomes = flag_array(outcomes, "outcomes", (len(features),))
    decay = real_number(decay, "decay", least=0.0)
    if outcomes.all() or not outcomes.any():
        raise ReIDError("fusion: needs candidates of the same person and of other persons to be fitted")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    inputs = np.column_stack([(features - mean) / scale, np.ones(len(features))])
    target = outcomes.astype(np.float64)
    penalty = np.append(np.full(features.shape[1], decay), 0.0)

    def loss(weights: Reals) -> tuple[float, Reals]:
        odds = inputs @ weights
        surplus = 0.5 * (1.0 + np.tanh(0.5 * odds)) - target
        value = (np.logaddexp(0.0, odds) - target * odds).mean() + (penalty * weights**2).sum() / 2
        return float(value), inputs.T @ surplus / len(inputs) + penalty * weights

    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    return Logistic(tuple(mean.tolist()), tuple(scale.tolist()), tuple(found[:-1].tolist()), float(found[-1]))


def fit_logistic_fusion(
    ranked: RankedList,
    margins: NDArray[np.float64],
    truth: NDArray[np.bool_],
    vision_similarities: NDArray[np.float64] | None = None,
    *,
    first: int = 11,
    last: int = 50,
) -> LogisticFusion:
    """Fit both models on training identities: margins (Q, m), NaN where not asked, and truth (Q, m).

    CSLS distances and vision similarities are among the features where they are there. `unasked` is fitted on all
    candidates, as though none had been asked. Raises ReIDError as `features_of` and `fit_logistic`.
    """
    features, known = features_of(ranked, margins, first, last, vision_similarities)
    truth = plain_array(truth, "truth")
    if truth.shape != known.shape:
        raise ReIDError(f"fusion: truth {truth.shape} and margins {known.shape} need equal shapes")
    truth = flag_array(truth, "truth", truth.shape)
    scored = known & np.isfinite(features[..., -1])
    return LogisticFusion(
        fit_logistic(features[scored], truth[scored]),
        fit_logistic(features[known][:, :-1], truth[known]),
        first,
        last,
        ranked.local is not None,
        vision_similarities is not None,
    )


def rank_by_probability(ranked: RankedList, probabilities: Reals) -> RankedList:
    """Re-rank the first m candidates by falling P(same), ties in the retriever's order; nothing beyond m moves.

    Raises ReIDError for shapes that do not fit, a probability outside [0, 1], or none for a listed candidate.
    """
    probabilities = listed_probabilities(ranked, probabilities)
    behind = np.where(np.isnan(probabilities), np.inf, 1.0 - probabilities)
    return ranked.reordered(behind, f"fused probability k={behind.shape[1]}")


def probabilities_for_threshold(ranked: RankedList, probabilities: Reals) -> RankedList:
    """The first m candidates alone, at distance 1 - P(same): comparable across queries and scenes.

    Raises ReIDError for shapes that do not fit and a probability outside [0, 1].
    """
    probabilities = listed_probabilities(ranked, probabilities)
    behind = np.where(np.isnan(probabilities), np.inf, 1.0 - probabilities)
    return ranked.sorted_by(behind, f"1 - fused probability k={behind.shape[1]}")
