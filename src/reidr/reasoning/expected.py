"""What a reasoner is expected to say of candidates it is not asked about, so that they can be ranked beside the asked.

An asked candidate moves by the reasoner's own level of confidence. A neighbour that was not asked and keeps its bare
distance would be overtaken, or fall behind, by that level alone: asking part of a list would harm it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.reasoning.calibrate import margin_of
from reidr.reasoning.fusion import fuse
from reidr.reasoning.logistic_fusion import features_of
from reidr.retrieval.neighbourhood import has_neighbourhood
from reidr.retrieval.ranking import RankedList

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class ExpectedScore:
    """Log-odds expected of a candidate: weights·(distance, normalised distance, log rank) + bias.

    Attributes:
        first, last: ranks of the neighbourhood that normalises distances.
    """

    weights: tuple[float, float, float]
    bias: float
    first: int = 11
    last: int = 50

    def fill(self, ranked: RankedList, probabilities: Reals, *, unasked_queries: bool = False) -> Reals:
        """(Q, m) P(same) with what is expected in place of NaN, for queries of which something was asked.

        A query that was not asked at all keeps its NaN, so its ranking stays the retriever's, unless `unasked_queries`:
        one threshold over all queries needs all of them on one scale. Lists too short for a neighbourhood stay as they
        are. Raises ReIDError for shapes that do not fit.
        """
        filled = np.array(probabilities, dtype=np.float64)
        if not has_neighbourhood(ranked, self.first, self.last):
            return filled
        features, known = features_of(ranked, filled, self.first, self.last)
        wanted = known & np.isnan(filled)
        if not unasked_queries:
            wanted &= np.isfinite(filled).any(axis=1, keepdims=True)
        odds = features[..., :3][wanted] @ np.array(self.weights) + self.bias
        filled[wanted] = 0.5 * (1.0 + np.tanh(0.5 * odds))
        return filled

    def stored(self) -> dict[str, Any]:
        """Plain values for `decision.json`."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ExpectedScore:
        """From `stored`. Raises ReIDError where it is none."""
        try:
            one, two, three = (float(value) for value in stored["weights"])
            return cls((one, two, three), float(stored["bias"]), int(stored["first"]), int(stored["last"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ReIDError(f"not a stored expectation of scores: {error!r}") from None


def fit_expected_score(ranked: RankedList, probabilities: Reals, *, first: int = 11, last: int = 50) -> ExpectedScore:
    """Least squares on the log-odds of the asked candidates, (Q, m) with NaN where not asked; on training identities.

    Raises ReIDError where fewer than four candidates were asked.
    """
    features, known = features_of(ranked, margin_of(probabilities), first, last)
    asked = known & np.isfinite(features[..., 3])
    if asked.sum() < 4:
        raise ReIDError("an expectation of scores needs at least four candidates that were asked")
    inputs = np.column_stack([features[asked][:, :3], np.ones(int(asked.sum()))])
    one, two, three, bias = np.linalg.lstsq(inputs, features[asked][:, 3], rcond=None)[0].tolist()
    return ExpectedScore((one, two, three), bias, first, last)


def fuse_asked(ranked: RankedList, probabilities: Reals, weight: float, expected: ExpectedScore | None) -> RankedList:
    """`fuse` where only some candidates were asked: the others count with what is `expected` of them, if anything."""
    return fuse(ranked, probabilities if expected is None else expected.fill(ranked, probabilities), weight)
