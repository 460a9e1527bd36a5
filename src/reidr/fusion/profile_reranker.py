"""The one re-ranker that an inference profile describes, behind `find` and `evaluate` alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.fusion.ask_policy import ask_in_doubt
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import probabilities_for_threshold, rank_by_probability
from reidr.fusion.weighted import SCORE_NAMES, fuse, fuse_for_threshold, fused_distances
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import with_csls
from reidr.retrieval.rerankers.reranker import Advance, RerankContext
from reidr.retrieval.score_normalisation import has_z_norm

if TYPE_CHECKING:
    from reidr.fusion.profile import InferenceProfile

Reals = NDArray[np.float64]
FusedBy = Literal["fused distance", "fused score"]


def _unseen(_: float) -> None:
    """Progress within a rank, which the progress by ranks already shows."""


@dataclass(frozen=True, eq=False)
class Reranked:
    """A ranked list as an inference profile orders it, and what the order was made of.

    Attributes:
        ranked: the whole list, its first m candidates in the new order.
        by: the name of the number that decides. values: (Q, m) that number of the first m candidates in the order in
            which they came; a smaller fused distance is nearer, a greater fused score is likelier; NaN or +inf where
            padded. rule: how it is made, one sentence.
        thresholded: the first m alone, by distances that are comparable across queries.
        scores: (Q, m) direct scores, NaN where not asked. probabilities: (Q, m) P(same): those scores calibrated, or
            as they are where the profile has no calibration.
    """

    ranked: RankedList
    by: FusedBy
    values: Reals
    rule: str
    thresholded: RankedList
    scores: Reals
    probabilities: Reals


@dataclass(frozen=True, eq=False)
class ProfileReranker:
    """Asks a verifier about the first candidates, and orders them by the fusion that was tuned for it."""

    profile: InferenceProfile

    @property
    def name(self) -> str:
        """For tables."""
        return f"inference profile, {self.profile.fusion} fusion"

    @property
    def uses_similarities(self) -> bool:
        """Whether anything tuned uses the similarities of the reasoner's vision encoder."""
        profile = self.profile
        return any(part is not None and part.vision_similarities for part in (profile.fitted, profile.score_predictor))

    def prepared(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """`ranked` with CSLS distances where the profile uses them and the list has none yet."""
        if not self.profile.csls or ranked.local is not None:
            return ranked
        return with_csls(ranked, context.gallery_features, junk=context.junk)

    def rerank(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """The list in the profile's order. Raises ReIDError as `run`."""
        return self.run(ranked, context).ranked

    def run(self, ranked: RankedList, context: RerankContext, advance: Advance | None = None) -> Reranked:
        """Ask and order. Raises ReIDError without a verifier, and where `asking` "in doubt" lacks what it needs."""
        ranked = self.prepared(ranked, context)
        m = min(context.k, ranked.k)
        similarities = context.similarities(ranked, m) if self.uses_similarities else None
        if self.profile.asking == "in doubt":
            return self.fused_in_doubt(ranked, self.asked(ranked, m, similarities, context, advance), similarities)
        return self.fused(ranked, context.scores(ranked, ranked.indices[:, :m] >= 0, advance), similarities)

    def asked(
        self, ranked: RankedList, m: int, similarities: Reals | None, context: RerankContext, advance: Advance | None
    ) -> Reals:
        """(Q, m) direct scores of the candidates in doubt, NaN elsewhere."""
        policy, predictor = self.profile.policy, self.profile.score_predictor
        if policy is None or not has_z_norm(ranked, policy.first, policy.last):
            raise ReIDError(
                "asking about the pairs in doubt alone needs a tuned policy and, for every query, at least "
                f"{3 if policy is None else policy.first + 2} candidates in the gallery; ask about all of them"
            )
        predicted = None if predictor is None else predictor.guess(ranked, m, similarities)
        return ask_in_doubt(
            policy, ranked, m, predicted, lambda wanted: context.scores(ranked, wanted, _unseen), advance
        )

    def fused(self, ranked: RankedList, scores: Reals, similarities: Reals | None = None) -> Reranked:
        """The order by (Q, m) direct scores of all first candidates, NaN where there is none.

        Args:
            similarities: (Q, m, 3) of the reasoner's vision encoder; None where it gives none.

        Raises ReIDError for shapes that do not fit.
        """
        profile = self.profile
        fitted = profile.fitted
        if profile.fusion == "fitted" and fitted is not None and fitted.fits(ranked, similarities):
            values = fitted.probabilities(ranked, margin_of(scores), similarities)
            rule = (
                "The order is that of the fused score, 0 to 1, higher is likelier: a regression fitted on training "
                f"identities makes it of distance, rank, surroundings and {SCORE_NAMES[profile.score]}."
            )
            order = rank_by_probability(ranked, values)
            thresholded = probabilities_for_threshold(ranked, values)
            return Reranked(order, "fused score", values, rule, thresholded, scores, self.calibrated(scores))
        return self._weighted(ranked, scores, scores, scores)

    def fused_in_doubt(self, ranked: RankedList, scores: Reals, similarities: Reals | None = None) -> Reranked:
        """The order where only the candidates in doubt have a score: the others count with their predicted one."""
        predictor = self.profile.score_predictor
        if predictor is None:
            return self._weighted(ranked, scores, scores, scores)
        filled = predictor.fill(ranked, scores, similarities)
        comparable = predictor.fill(ranked, scores, similarities, unasked_queries=True)
        return self._weighted(ranked, scores, filled, comparable)

    def _weighted(self, ranked: RankedList, scores: Reals, filled: Reals, comparable: Reals) -> Reranked:
        weight = self.profile.weight
        kind = "distance" if ranked.local is None else "CSLS distance"
        rule = (
            f"The order is that of the fused distance, smaller is nearer: {1 - weight:g} x {kind} + "
            f"{weight:g} x 2 x (1 - {SCORE_NAMES[self.profile.score]})."
        )
        values = fused_distances(ranked, filled, weight)
        thresholded = fuse_for_threshold(ranked, comparable, weight)
        order = fuse(ranked, filled, weight)
        return Reranked(order, "fused distance", values, rule, thresholded, scores, self.calibrated(scores))

    def calibrated(self, scores: Reals) -> Reals:
        """P(same) of direct scores of any shape, NaN where there is none."""
        calibration = self.profile.calibration
        return np.asarray(scores) if calibration is None else calibration.apply(margin_of(scores))
