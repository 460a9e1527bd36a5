"""What reward functions are given beside the completions: types of the columns, and how a pair becomes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reidr.errors import ReIDError
from reidr.reasoning.types import Pair

ENOUGH_REGIONS = 3
"""Compared body regions from which on a reward counts in full: naming more earns no more."""
FUSION_WEIGHT = 0.5
"""Weight of the verdict in the fusion of the rank reward, in [0, 1]."""


@dataclass(frozen=True)
class RankContext:
    """The candidates of one query, of which the judged pair is one.

    Attributes:
        distances: the retriever's, unit vectors' Euclidean distances. labels: True where a candidate is the query's
            person. place: which candidate the pair is about. weight: the fusion's, as in `fusion.weighted.fuse`.
    """

    distances: tuple[float, ...]
    labels: tuple[bool, ...]
    place: int
    weight: float = FUSION_WEIGHT

    def __post_init__(self) -> None:
        if len(self.distances) != len(self.labels) or not 0 <= self.place < len(self.labels):
            raise ReIDError(
                f"rank context: {len(self.distances)} distances, {len(self.labels)} labels and place {self.place}"
                " do not fit together"
            )
        if not 0 <= self.weight <= 1:
            raise ReIDError(f"rank context: the weight must lie in [0, 1], not {self.weight!r}")


def rank_context(pair: Pair) -> RankContext | None:
    """The list in which a mined pair stands: its query's first candidates. None where they or its distance are unknown.

    `pair` has to be as it was mined, not with its pictures swapped: the list is its query's.
    """
    if pair.distance is None or not pair.others:
        return None
    distances, labels = zip(*pair.others, strict=True)
    return RankContext((pair.distance, *distances), (bool(pair.label), *labels), 0)


@dataclass(frozen=True)
class Facts:
    """Known attributes of the two crops of a pair.

    Attributes:
        a, b: attributes of person A, which is shown first, and of person B.
        per_crop: whether they say what each crop shows (rendered streets), or only what is true of the person (photos).
    """

    a: Mapping[str, str]
    b: Mapping[str, str]
    per_crop: bool
