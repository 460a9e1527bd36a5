"""What one evaluation measures, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import one_of, real_number, whole_number
from reidr.core.defaults import DEFAULT_K
from reidr.core.progress import Advance
from reidr.data.protocols.trial import Trial
from reidr.errors import ReIDError
from reidr.evaluation.experiment.rows import Role, Row
from reidr.evaluation.metrics.ranking_result import AveragePrecision
from reidr.fusion.profile import UNTUNED, InferenceProfile, OpenSetRule
from reidr.reasoning.types import Verdict
from reidr.retrieval.ranked_list import RankedList

Progress = Callable[[str, int], AbstractContextManager[Advance]]
DEFAULT_COMPARE = ("csls", "k-reciprocal", "weighted", "fitted", "vision-similarity", "adaptive")
"""Methods measured without being named: none of them puts further pairs before the reasoner."""
DEPTH = 50  # ranked candidates kept per query: what pages and CMC curves show


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        profile: how the reasoner is used; its re-ranker is the reasoner's row. Its `k` is taken from below.
        k: candidates per query put before the reasoner.
        queries: sample this many queries (by `seed`); None takes all.
        think: candidates per query that the reasoner also thinks about in words; 0: it only scores.
        compare: further methods that get a row, by name or as `module:factory` (see `compared_methods.py`).
        protocol: name of the evaluation rule; None takes the data set's own.
        average_precision: how average precision is computed (see `AveragePrecision`).
        cache: folder of cached embeddings; None: no cache.

    Raises ReIDError for a number out of range.
    """

    profile: InferenceProfile = UNTUNED
    k: int = DEFAULT_K
    queries: int | None = None
    think: int = 0
    compare: tuple[str, ...] = DEFAULT_COMPARE
    protocol: str | None = None
    seed: int = 0
    batch: int = 32
    cache: Path | None = None
    average_precision: AveragePrecision = "exact"

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("think", 0), ("seed", 0), ("batch", 1)):
            whole_number(getattr(self, name), name, least=least)
        if self.queries is not None:
            whole_number(self.queries, "queries", least=1)
        one_of(self.average_precision, "average_precision", get_args(AveragePrecision))
        object.__setattr__(self, "profile", replace(self.profile, k=self.k))

    @property
    def in_doubt(self) -> bool:
        """Whether only the pairs in doubt are asked about, which saves the calls that other rows need."""
        return self.profile.asking == "in doubt"


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything measured on one trial, for tables and for the page.

    Attributes:
        ranked: the retriever's list, ignored crops left out. shown: the same with them, for showing what was dropped.
        scores: (Q, k) P(same) of the direct score, NaN where not asked; None without a reasoner.
        verdicts: by (query id, gallery id), where the reasoner thought.
        fused: the list as the inference profile orders it, which `reasoner_row` measures; None without a reasoner.
        thresholded: its first k by distances that are comparable across queries, for open-set thresholds.
        asked: (Q, k) which pairs the policy asks about; None without one. vision_similarities: (Q, k, 3) of the
            candidates; None where nothing that was tuned uses them.
        settings: what was measured.
        stored_rule: the retriever's stored distances for "not in the gallery"; without thresholds where it has none.
        problems: one sentence per unusable picture.
    """

    dataset: str
    trial: Trial
    rows: tuple[Row, ...]
    ranked: RankedList
    shown: RankedList
    scores: NDArray[np.float64] | None = None
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    fused: RankedList | None = None
    thresholded: RankedList | None = None
    asked: NDArray[np.bool_] | None = None
    vision_similarities: NDArray[np.float64] | None = None
    settings: Settings = Settings()
    stored_rule: OpenSetRule = field(default_factory=lambda: OpenSetRule("distance", {}))
    problems: tuple[str, ...] = ()

    def row(self, role: Role, variant: str | None = None) -> Row | None:
        """The first row of that role and, unless None, that variant."""
        return next((row for row in self.rows if row.role == role and variant in (None, row.variant)), None)

    @property
    def reasoner_row(self) -> Row | None:
        """The row that the headline, the cards and the curves speak of: the first of a reasoner."""
        return self.row("reasoner")


def settings_of(
    profile: InferenceProfile,
    *,
    adaptive: bool = False,
    budget: float | None = None,
    weight: float | None = None,
    **values: Any,
) -> Settings:
    """Settings with everything that was tuned for a reasoner.

    Args:
        adaptive: ask only what the policy asks about. budget: mean pairs per query it may cost on training identities;
            of the stored policies the best that keeps it. weight: fuse by this weight instead of the profile's fusion.
            values: other fields of `Settings`.

    Raises ReIDError where a policy is wanted and none is stored, or none is as cheap; and for a weight out of range.
    """
    if adaptive or budget is not None:
        if profile.policy is None:
            raise ReIDError("no policy is stored with this reasoner; leave --adaptive out, or choose one (reidr train)")
        profile = replace(profile, asking="in doubt")
    if budget is not None:
        kept = [(cost, each) for cost, each in profile.policies if cost <= budget]
        if not kept:
            least = min((cost for cost, _ in profile.policies), default=0.0)
            raise ReIDError(f"no stored policy costs as little as {budget:g} pairs per query; the least is {least:g}")
        profile = replace(profile, policy=max(kept, key=lambda each: each[0])[1])
    if weight is not None:
        profile = replace(profile, weight=real_number(weight, "weight", least=0.0, most=1.0), fusion="weighted")
    return Settings(profile, **values)
