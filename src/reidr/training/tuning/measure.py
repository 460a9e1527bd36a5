"""Measuring a reasoner on searches of training identities that neither model was fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocols.crops_compared import crops_compared
from reidr.data.protocols.trial import Trial, find_protocol, trials
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.candidate_scoring import (
    PairScorer,
    candidate_pairs,
    doubled,
    leave_out,
    steps_of,
)
from reidr.evaluation.experiment.experiment import DEPTH, Progress, embed_trial
from reidr.evaluation.experiment.trial_reranking import rerank_trial
from reidr.evaluation.metrics import RankingResult, evaluate_features
from reidr.evaluation.metrics.open_set import searches_of
from reidr.evaluation.metrics.open_set_scores import ScoreChoice, choose_score, lists_to_threshold
from reidr.fusion.weighted import ScoreKind, WeightChoice, choose_weight
from reidr.reasoning.backends.backend import Backend
from reidr.reasoning.backends.reasoned import reasoned_scores
from reidr.retrieval.embedders.embedder import Embedder
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import with_csls

FEWEST_ABSENT = 10
"""Searches for absent people below which no threshold is chosen."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A search with the first k candidates of every query scored.

    Attributes:
        ranked: (Q, up to 50) the retriever's list, CSLS where it is long enough. scores: (Q, k) P(same), NaN
            where padded. truth: (Q, k).
        base: the retriever's own result.
        vision_similarities: (Q, k, 3) of the candidates; None: the reasoner gives none.
    """

    trial: Trial
    ranked: RankedList
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]
    base: RankingResult
    vision_similarities: NDArray[np.float64] | None = None


class Tuner:
    """Scores searches of training identities, each pair once."""

    def __init__(self, retriever: Embedder, reasoner: Backend, k: int, progress: Progress) -> None:
        self.retriever, self.reasoner, self.k, self.progress = retriever, reasoner, k, progress
        self.known: dict[tuple[str, str], float] = {}
        self.kind: ScoreKind = "direct"
        self.least_doubt = 0.0

    def measure(self, search: ReIDDataset, protocol: str = "standard", seed: int = 0) -> Measured:
        """Rank the search and score the first k candidates of every query."""
        (trial,) = trials(search, find_protocol(protocol), seed)
        queries, gallery, trial = embed_trial(trial, self.retriever, None, self.progress)
        ranked = gallery.search(queries, DEPTH, excluded=trial.excluded)
        ranked = with_csls(ranked, gallery.features, junk=trial.junk)
        base = evaluate_features(queries.features, gallery.features, **trial.arguments())
        k = min(self.k, ranked.k)
        vision_similarities = PairScorer(self.reasoner, trial).vision_similarity(ranked, k, self.progress)
        scores = self._score(trial, ranked.top(k))
        return Measured(trial, ranked, scores, trial.shows_person(ranked.indices[:, :k]), base, vision_similarities)

    def reasoned(self, measured: Measured) -> NDArray[np.float64]:
        """(Q, k) what the words alone say of the pairs of `measured`, NaN where they cannot be read.

        Raises ReIDError as `reasoned_scores`.
        """
        pairs, places = candidate_pairs(measured.trial, measured.ranked, measured.scores.shape[1])
        table = np.full(measured.scores.shape, np.nan)
        with self.progress("reasoning about pairs", 2 * len(pairs)) as advance:
            table[places] = reasoned_scores(self.reasoner, pairs, progress=steps_of(advance)).scores
        return table

    def take(self, measured: Measured, kind: ScoreKind, least_doubt: float, scores: NDArray[np.float64]) -> Measured:
        """From now on score by `kind` (`score_pairs`): `scores` are those of `measured` by it; others are asked."""
        self.kind, self.least_doubt = kind, least_doubt
        pairs, places = candidate_pairs(measured.trial, measured.ranked, scores.shape[1])
        keys = [(pair.query.id, pair.candidate.id) for pair in pairs]
        self.known = dict(zip(keys, scores[places].tolist(), strict=True))
        return replace(measured, scores=scores)

    def after_k_reciprocal(self, search: ReIDDataset) -> WeightChoice:
        """The fusion weight for the first k of k-reciprocal re-ranking."""
        (trial,) = trials(search, find_protocol("standard"), 0)
        queries, gallery, trial = embed_trial(trial, self.retriever, None, self.progress)
        reranked = rerank_trial(trial, queries, gallery, 4 * DEPTH)
        reranked = doubled(leave_out(reranked, trial.excluded)).top(min(self.k, reranked.k))
        return choose_weight(reranked, self._score(trial, reranked), trial.shows_person(reranked.indices))

    def open_set(self, search: ReIDDataset, weight: float, seed: int, scaled: bool) -> ScoreChoice | None:
        """The score that misses fewest people at FPIR 10 %; None where too few searches are for absent people.

        `scaled`: whether the fused distance is made of CSLS distances.
        """
        measured = self.measure(search, "open-set", seed)
        measured = measured if scaled else plain(measured)
        mated = measured.trial.mated
        if (~mated).sum() < FEWEST_ABSENT or not mated.any():
            return None
        people = [crop.person for crop in measured.trial.query], [crop.person for crop in measured.trial.gallery]
        choice = choose_score(
            {
                name: searches_of(ranked, *people, mated, junk=measured.trial.idle)
                for name, ranked in lists_to_threshold(measured.ranked, measured.scores, weight).items()
            }
        )
        return replace(choice, crops=crops_compared(measured.trial, joined=True) or None)

    def _score(self, trial: Trial, ranked: RankedList) -> NDArray[np.float64]:
        wanted = ranked.indices >= 0
        with self.progress("scoring pairs", int(wanted.sum())) as advance:
            scorer = PairScorer(self.reasoner, trial, self.known, kind=self.kind, least_doubt=self.least_doubt)
            return scorer.ask(ranked, wanted, advance)


def plain(measured: Measured) -> Measured:
    """The same without CSLS."""
    return replace(measured, ranked=replace(measured.ranked, local=None))
