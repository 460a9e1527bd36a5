"""A re-ranker from outside the package as a row: `evaluate --compare module:factory`."""

from __future__ import annotations

import time

from reidr.evaluation.experiment.rows import Role, Row
from reidr.evaluation.experiment.search import ORDERS, Cost, MethodName, TrialSearch
from reidr.retrieval.rerankers.reranker import checked_list, load_reranker


def external_row(search: TrialSearch, path: str) -> Row:
    """The row of the re-ranker at `module:factory`, with the role of a reasoner where it took scores of one.

    Raises ReIDError where it cannot be loaded, or gives another kind of list.
    """
    reranker = load_reranker(path)
    started, before, context = time.perf_counter(), len(search.known), search.context()
    reranked = checked_list(path, reranker.rerank(search.ranked, context), search.ranked)
    cost = Cost(ORDERS * (len(search.known) - before), time.perf_counter() - started)
    role: Role = "reasoner" if context.asked else "reranker"
    return search.row(MethodName(str(reranker.name), role, path), reranked, cost, path)
