"""What a reasoner is expected to say of candidates it is not asked about, so that they can be ranked beside the asked.

An asked candidate moves by the reasoner's own level of confidence. A neighbour that was not asked and keeps its bare
distance would be overtaken, or fall behind, by that level alone: asking part of a list would harm it. Where the
reasoner gives vision similarities (`Capabilities.vision_similarity`), these predict most of its score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import whole_number
from reidr.errors import ReIDError
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import LISTED, VISION_SIMILARITIES, features_of
from reidr.fusion.weighted import fuse, listed_probabilities
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class ScorePredictor:
    """Log-odds expected of a candidate: weights·(distance, normalised distance, log rank[, three cosines]) + bias.

    Attributes:
        weights: three, or six where it was fitted with vision similarities, which it then needs.
        first, last: ranks from which z-norm is computed.
    """

    weights: tuple[float, ...]
    bias: float
    first: int = 11
    last: int = 50

    @property
    def vision_similarities(self) -> bool:
        """Whether it needs the pairs' vision similarities."""
        return len(self.weights) > len(LISTED)

    def guess(self, ranked: RankedList, m: int, vision_similarities: Reals | None = None) -> Reals | None:
        """(Q, m) P(same) expected of the first m candidates, NaN where padded.

        None for lists too short for z-norm, and where vision similarities are needed and not given.

        Args:
            vision_similarities: (Q, m, 3) cosines of `Backend.vision_similarity`, NaN where padded.

        Raises ReIDError for an m beyond the list, and vision similarities that do not fit.
        """
        m = whole_number(m, "m", least=0, most=ranked.k)
        if not has_z_norm(ranked, self.first, self.last) or (self.vision_similarities and vision_similarities is None):
            return None
        features, known = _features(
            ranked, np.full((len(ranked), m), np.nan), vision_similarities, self.first, self.last
        )
        guess = np.full(known.shape, np.nan)
        odds = features[known][:, : len(self.weights)] @ np.array(self.weights) + self.bias
        guess[known] = 0.5 * (1.0 + np.tanh(0.5 * odds))
        return guess

    def fill(
        self,
        ranked: RankedList,
        probabilities: Reals,
        vision_similarities: Reals | None = None,
        *,
        unasked_queries: bool = False,
    ) -> Reals:
        """(Q, m) P(same) with what is expected in place of NaN; as given where nothing can be expected (`guess`).

        Without vision similarities a query that was not asked at all keeps its NaN, so that its ranking stays the
        retriever's, from which alone something could be expected; unless `unasked_queries`: one threshold over all
        queries needs all of them on one scale. Raises ReIDError for shapes that do not fit.
        """
        probabilities = listed_probabilities(ranked, probabilities)
        guess = self.guess(ranked, probabilities.shape[1], vision_similarities)
        if guess is None:
            return probabilities.copy()
        gaps = np.isnan(probabilities)
        if not self.vision_similarities and not unasked_queries:
            gaps &= np.isfinite(probabilities).any(axis=1, keepdims=True)
        return np.where(gaps, guess, probabilities)

    def stored(self) -> dict[str, Any]:
        """Plain values for `inference_profile.json`."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ScorePredictor:
        """From `stored`. Raises ReIDError where it is none."""
        try:
            weights = tuple(float(value) for value in stored["weights"])
            if len(weights) not in (len(LISTED), len(LISTED) + len(VISION_SIMILARITIES)):
                raise ValueError(f"{len(weights)} weights")
            return cls(weights, float(stored["bias"]), int(stored["first"]), int(stored["last"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ReIDError(f"not a stored expectation of scores: {error!r}") from None


def fit_score_predictor(
    ranked: RankedList,
    probabilities: Reals,
    vision_similarities: Reals | None = None,
    *,
    first: int = 11,
    last: int = 50,
) -> ScorePredictor:
    """Least squares on the log-odds of the asked candidates, (Q, m) with NaN where not asked; on training identities.

    Raises ReIDError where no more candidates were asked than there are weights to find.
    """
    margins = margin_of(probabilities)
    features, known = _features(ranked, margins, vision_similarities, first, last)
    asked = known & np.isfinite(margins)
    size = features.shape[-1]
    if asked.sum() < size + 1:
        raise ReIDError(f"an expectation of scores needs at least {size + 1} candidates that were asked")
    inputs = np.column_stack([features[asked], np.ones(int(asked.sum()))])
    *weights, bias = np.linalg.lstsq(inputs, margins[asked], rcond=None)[0].tolist()
    return ScorePredictor(tuple(weights), bias, first, last)


def _features(
    ranked: RankedList, margins: Reals, vision_similarities: Reals | None, first: int, last: int
) -> tuple[Reals, NDArray[np.bool_]]:
    """(Q, m, 3 or 6) what is known of each candidate without asking, and (Q, m) where there is one."""
    # What the reasoner will say of two crops does not depend on who else is in the gallery.
    features, known = features_of(replace(ranked, local=None), margins, first, last, vision_similarities)
    return features[..., :-1], known


def fuse_asked(
    ranked: RankedList,
    probabilities: Reals,
    weight: float,
    score_predictor: ScorePredictor | None,
    vision_similarities: Reals | None = None,
) -> RankedList:
    """`fuse` where only some candidates have a score: the others take the score that `score_predictor` predicts.

    Without a predictor they keep their distance.
    """
    return fuse(
        ranked,
        probabilities if score_predictor is None else score_predictor.fill(ranked, probabilities, vision_similarities),
        weight,
    )
