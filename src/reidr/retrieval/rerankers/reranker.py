"""The protocol of a re-ranker, what it may use, and where re-rankers are found: by name here, or `module:factory`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reidr.core.extensions import is_dotted_path, make_object
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.rerankers.csls import with_csls
from reidr.retrieval.rerankers.k_reciprocal import k_reciprocal_of_list

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Advance = Callable[[float], None]
AskPairs = Callable[[RankedList, Flags, Advance | None], Reals]
"""(Q, m) direct scores of the wanted (Q, m) places of a list, NaN elsewhere; asks about each pair once at most."""
ComparePairs = Callable[[RankedList, int], Reals | None]
"""(Q, m, 3) similarities by the verifier's vision encoder of the first m candidates, NaN where padded, or None."""


@dataclass(eq=False)
class RerankContext:
    """What a re-ranker may use beside the ranked list.

    Attributes:
        query, gallery: the crops, in the list's order. query_features: (Q, D), gallery_features: (G, D) unit rows.
        k: candidates per query that a verifier may be asked about.
        junk: (G,) crops that are nobody's match and no neighbour; None for none.
        ask, compare: see `AskPairs`, `ComparePairs`; None without a verifier.
        asked: whether scores of the verifier were used.
    """

    query: Sequence[Crop]
    gallery: Sequence[Crop]
    query_features: NDArray[np.float32]
    gallery_features: NDArray[np.float32]
    k: int
    junk: Flags | None = None
    ask: AskPairs | None = None
    compare: ComparePairs | None = None
    asked: bool = field(default=False, init=False)

    @property
    def has_scores(self) -> bool:
        """Whether there is a verifier to ask."""
        return self.ask is not None

    def scores(self, ranked: RankedList, wanted: Flags, advance: Advance | None = None) -> Reals:
        """(Q, m) direct scores of the `wanted` (Q, m) places of a list, NaN elsewhere.

        A pair is asked about once at most. Raises ReIDError without a verifier.
        """
        if self.ask is None:
            raise ReIDError("this re-ranker asks a reasoner, and there is none; name one by --reasoner")
        self.asked = True
        return self.ask(ranked, wanted, advance)

    def similarities(self, ranked: RankedList, m: int) -> Reals | None:
        """(Q, m, 3) similarities by the verifier's vision encoder, NaN where padded; None where it gives none."""
        return None if self.compare is None else self.compare(ranked, m)


class Reranker(Protocol):
    """Puts the candidates of each query into another order."""

    @property
    def name(self) -> str:
        """For tables."""

    def rerank(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """The same queries and crops in another order, distances ascending."""


@dataclass(frozen=True)
class CSLSReranker:
    """The list by CSLS distances (`rerankers/csls.py`); as it is where it is too short for them."""

    name: str = "CSLS"

    def rerank(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """See `Reranker`."""
        scaled = ranked
        if ranked.local is None:
            scaled = with_csls(ranked, context.gallery_features, junk=context.junk)
        return ranked if scaled.local is None else scaled.reordered(scaled.local, "CSLS")


@dataclass(frozen=True)
class KReciprocalReranker:
    """The entries of the list by k-reciprocal re-ranking (`rerankers/k_reciprocal.py`)."""

    name: str = "k-reciprocal"

    def rerank(self, ranked: RankedList, context: RerankContext) -> RankedList:
        """See `Reranker`."""
        return k_reciprocal_of_list(ranked, context.query_features, context.gallery_features)


RERANKERS: dict[str, Callable[[], Reranker]] = {"csls": CSLSReranker, "k-reciprocal": KReciprocalReranker}
"""Re-rankers that `--reranker` knows by name. Add one here."""


def load_reranker(source: str | Reranker) -> Reranker:
    """A re-ranker by its name, or what the factory at `module:factory` makes.

    Raises ReIDError in one sentence where there is none.
    """
    if not isinstance(source, str):
        return source
    if source in RERANKERS:
        return RERANKERS[source]()
    if not is_dotted_path(source):
        raise ReIDError(f"re-ranker {source!r} is not known; known: {', '.join(RERANKERS)}, or your own module:factory")
    made: Reranker = make_object(source, "re-ranker", ("name", "rerank"))
    return made


def checked_list(source: str, reranked: object, ranked: RankedList) -> RankedList:
    """What a re-ranker gave. Raises ReIDError where it is no ranked list of the same queries."""
    if not isinstance(reranked, RankedList):
        raise ReIDError(f"re-ranker {source}: rerank gave a {type(reranked).__name__}, not a RankedList")
    if reranked.query_ids != ranked.query_ids or reranked.gallery_ids != ranked.gallery_ids:
        raise ReIDError(f"re-ranker {source}: rerank gave a list of other queries or another gallery")
    return reranked
