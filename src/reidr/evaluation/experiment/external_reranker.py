"""A re-ranker from outside the package as a row: `evaluate --compare module:factory`."""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import Role, Row
from reidr.evaluation.experiment.search import ORDERS, Cost, MethodName, Reals, TrialSearch
from reidr.retrieval.ranked_list import RankedList


class RerankContext:
    """What a re-ranker may use beside the ranked list.

    Attributes:
        query_features: (Q, D), gallery_features: (G, D) unit rows. query, gallery: the crops, in the list's order.
        k: candidates per query that a reasoner may be asked about.
    """

    def __init__(self, search: TrialSearch) -> None:
        self._search = search
        self.query, self.gallery = search.trial.query, search.trial.gallery
        self.query_features, self.gallery_features = search.queries.features, search.gallery.features
        self.k = search.k
        self.asked = False
        """Whether scores of the reasoner were taken, paid for now or before."""

    @property
    def has_scores(self) -> bool:
        """Whether there is a reasoner to ask."""
        return self._search.reasoner is not None

    def scores(self, ranked: RankedList, wanted: NDArray[np.bool_]) -> Reals:
        """(Q, m) P(same) of the `wanted` (Q, m) places of a list, NaN elsewhere; a pair is asked about once at most.

        Raises ReIDError without a reasoner.
        """
        search = self._search
        if search.reasoner is None:
            raise ReIDError("this re-ranker asks a reasoner, and there is none; name one by --reasoner")
        self.asked = True
        with search.progress("scoring pairs", int(wanted.sum())) as advance:
            return search.scorer.ask(ranked, wanted, advance)


class ExternalReranker(Protocol):
    """What a factory gives: a name for the table, and the re-ranking itself."""

    @property
    def name(self) -> str:
        """For the table."""

    def rerank(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """The same queries and crops in another order."""


def load_reranker(path: str) -> ExternalReranker:
    """What the factory at `module:factory` gives. Raises ReIDError in one sentence where there is no re-ranker."""
    module, _, factory = path.partition(":")
    try:
        make: Any = import_module(module)
        for part in factory.split("."):
            make = getattr(make, part)
        made: ExternalReranker = make()
        if not callable(made.rerank) or not str(made.name):
            raise TypeError("it has no name or cannot rerank")
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ReIDError(f"--compare {path}: no re-ranker could be made there ({error})") from None
    return made


def external_row(search: TrialSearch, path: str) -> Row:
    """The row of the re-ranker at `module:factory`, with the role of a reasoner where it took scores of one.

    Raises ReIDError where it cannot be loaded, or gives another kind of list.
    """
    reranker = load_reranker(path)
    started, before = time.perf_counter(), len(search.known)
    context = RerankContext(search)
    reranked = reranker.rerank(search.ranked, context)
    if not isinstance(reranked, RankedList):
        raise ReIDError(f"--compare {path}: rerank gave a {type(reranked).__name__}, not a RankedList")
    cost = Cost(ORDERS * (len(search.known) - before), time.perf_counter() - started)
    role: Role = "reasoner" if context.asked else "reranker"
    return search.row(MethodName(str(reranker.name), role, path), reranked, cost, path)
