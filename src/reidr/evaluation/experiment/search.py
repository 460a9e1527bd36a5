"""One trial's search while it is measured: the ranked list, what a reasoner was asked, and how a list is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocols.trial import Trial
from reidr.errors import ReIDError
from reidr.evaluation.experiment.candidate_scoring import PairScorer, Scores
from reidr.evaluation.experiment.outcome import Progress, Settings
from reidr.evaluation.experiment.rows import CSLS, Role, Row
from reidr.evaluation.experiment.trial_reranking import rerank_trial
from reidr.evaluation.metrics.ranking_result import RankingResult
from reidr.reasoning.types import Verdict
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.reranker import Advance, RerankContext

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Reals = NDArray[np.float64]
Measure = Callable[..., RankingResult]
"""`evaluate_features` with everything but the re-ranked list."""
ORDERS = 2  # calls that a scored pair costs: one for each order of the crops


@dataclass(eq=False)
class TrialSearch:
    """What every method of one trial starts from, and what was already paid for.

    Attributes:
        ranked: (Q, up to 50) the retriever's list without crops that the protocol ignores; with CSLS distances where
            the settings ask for them. k: candidates per query that may be put before the reasoner.
        retriever_row: name of the retriever's row. known: P(same) of pairs that were scored, also in earlier trials.
        verdicts: by (query id, candidate id), of pairs that the reasoner thought about.
        csls_row: whether CSLS has a row of its own.
    """

    trial: Trial
    queries: Gallery
    gallery: Gallery
    ranked: RankedList
    k: int
    settings: Settings
    measure: Measure
    progress: Progress
    retriever_row: str
    reasoner: Backend | None = None
    known: Scores = field(default_factory=dict)
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    csls_row: bool = False
    _scores: Reals | None = None
    _similarities: Reals | None = None
    _compared: bool = False
    _again: RankedList | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def built_on(self) -> tuple[str, ...]:
        """Names of the rows without a reasoner that methods on `ranked` are held against."""
        return (self.retriever_row, CSLS) if self.csls_row else (self.retriever_row,)

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """(Q, k) True where there is a candidate."""
        return self.ranked.indices[:, : self.k] >= 0

    @cached_property
    def scorer(self) -> PairScorer:
        """Asks the reasoner. Raises ReIDError where there is none."""
        if self.reasoner is None:
            raise ReIDError("this method asks a reasoner, and there is none; name one by --reasoner")
        settings = self.settings
        profile = settings.profile
        return PairScorer(
            self.reasoner, self.trial, self.known, settings.batch, profile.score, profile.least_doubt, self.verdicts
        )

    def scores(self) -> Reals:
        """(Q, k) P(same) of the direct score of all first k candidates, asked once; NaN where padded."""
        if self._scores is None:
            started, wanted = time.perf_counter(), self.wanted
            with self.progress("scoring pairs", int(wanted.sum())) as advance:
                self._scores = self.scorer.ask(self.ranked, wanted, advance)
            self.seconds["scores"] = time.perf_counter() - started
        return self._scores

    def similarities(self) -> Reals | None:
        """(Q, k, 3) vision similarities of the first k candidates; None where nothing that was tuned uses them."""
        tuned = (self.settings.profile.score_predictor, self.settings.profile.fitted)
        wanted = any(each is not None and each.vision_similarities for each in tuned)
        if not self._compared and self.reasoner is not None and wanted:
            started = time.perf_counter()
            self._similarities = self.scorer.vision_similarity(self.ranked, self.k, self.progress)
            self.seconds["similarities"] = time.perf_counter() - started
        self._compared = True
        return self._similarities

    def context(self) -> RerankContext:
        """What a re-ranker may use of this search; asks the reasoner about each pair once."""
        return RerankContext(
            self.trial.query,
            self.trial.gallery,
            self.queries.features,
            self.gallery.features,
            self.k,
            junk=self.trial.junk,
            ask=None if self.reasoner is None else self._ask,
            compare=lambda ranked, m: self.similarities() if ranked is self.ranked and m == self.k else None,
        )

    def _ask(self, ranked: RankedList, wanted: NDArray[np.bool_], advance: Advance | None = None) -> Reals:
        if ranked is self.ranked and np.array_equal(wanted, self.wanted):
            return self.scores()
        if advance is not None:
            return self.scorer.ask(ranked, wanted, advance)
        with self.progress("scoring pairs", int(wanted.sum())) as shown:
            return self.scorer.ask(ranked, wanted, shown)

    def after_k_reciprocal(self) -> RankedList:
        """The list by k-reciprocal re-ranking, made once.

        Whole lists of a large gallery would fill the memory; crops that share no neighbour with the query, which is all
        but a few hundred, keep the retriever's order anyway.
        """
        if self._again is None:
            depth = max(1000, 20_000_000 // len(self.queries))
            self._again = rerank_trial(self.trial, self.queries, self.gallery, depth)
        return self._again

    def row(self, method: MethodName, reranked: RankedList, cost: Cost | None = None, note: str = "") -> Row:
        """The row of a re-ranked list; its seconds are those of `cost` and of measuring it."""
        cost = Cost() if cost is None else cost
        started = time.perf_counter()
        result = self.measure(reranked=reranked)
        seconds = cost.seconds + time.perf_counter() - started
        base = self.built_on if method.built_on is None else method.built_on
        return Row(
            method.name, result, cost.calls, seconds, note, role=method.role, variant=method.variant, built_on=base
        )


@dataclass(frozen=True)
class MethodName:
    """What a method is called and what it is; see `Row`. `built_on`: None for what the search's list is built on."""

    name: str
    role: Role
    variant: str = ""
    built_on: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Cost:
    """What a list has cost before it is measured."""

    calls: int = 0
    seconds: float = 0.0
