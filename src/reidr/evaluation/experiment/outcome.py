"""What one evaluation measures, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
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
from reidr.fusion.ask_policy import Policy
from reidr.fusion.calibration import Calibration
from reidr.fusion.logistic import LogisticFusion
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.fusion.score_predictor import ScorePredictor
from reidr.fusion.weighted import Fusion
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
        k: candidates per query put before the reasoner.
        queries: sample this many queries (by `seed`); None takes all.
        think: candidates per query that the reasoner also thinks about in words; 0: it only scores.
        weight: fusion weight of the reasoner, chosen on training identities; k_reciprocal_weight: that for a list which
            k-reciprocal re-ranking has made; whole_weight: that for sorting the whole list anew; fitted: a fusion that
            was fitted, not weighted (each None: none was chosen).
        fusion: which of `weight` and `fitted` orders candidates.
        score_predictor: predicts the score of candidates that the policy does not ask about.
        policy: when the reasoner is asked (None: always). only_policy: ask nothing else, which saves the calls that
            other rows need. policies: others, for the curve of costs.
        calibration: of the direct score. absent: the `score` by which people who are not in the gallery are recognised,
            and its `thresholds` by wanted FPIR, chosen on training identities.
        csls: fuse with CSLS distances.
        compare: further methods that get a row, by name or as `module:factory` (see `compared_methods.py`).
        protocol: name of the evaluation rule; None takes the data set's own.
        average_precision: how average precision is computed (see `AveragePrecision`).
        cache: folder of cached embeddings; None: no cache.

    Raises ReIDError for a number out of range.
    """

    k: int = DEFAULT_K
    queries: int | None = None
    think: int = 0
    weight: float = 0.2
    k_reciprocal_weight: float | None = None
    whole_weight: float | None = None
    fitted: LogisticFusion | None = None
    fusion: Fusion = "weighted"
    score_predictor: ScorePredictor | None = None
    policy: Policy | None = None
    policies: tuple[Policy, ...] = ()
    only_policy: bool = False
    calibration: Calibration | None = None
    absent: OpenSetRule | None = None
    csls: bool = False
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
        for name in ("weight", "k_reciprocal_weight", "whole_weight"):
            if getattr(self, name) is not None:
                real_number(getattr(self, name), name, least=0.0, most=1.0)
        one_of(self.average_precision, "average_precision", get_args(AveragePrecision))

    @property
    def profile(self) -> InferenceProfile:
        """The inference profile that these settings stand for: its re-ranker is the reasoner's row."""
        return InferenceProfile(
            self.weight,
            "these settings",
            k_reciprocal_weight=self.k_reciprocal_weight,
            calibration=self.calibration,
            policy=self.policy,
            open_set=self.absent,
            whole_weight=self.whole_weight,
            fitted=self.fitted,
            score_predictor=self.score_predictor,
            csls=self.csls,
            fusion=self.fusion,
            asking="in doubt" if self.only_policy else "all",
            k=self.k,
        )


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
        thresholds: the retriever's distances for "not in the gallery", by wanted FPIR.
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
    thresholds: Mapping[str, float] = field(default_factory=dict)
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

    Raises ReIDError where a policy is wanted and none is stored, or none is as cheap.
    """
    stored = profile.policy
    if (adaptive or budget is not None) and stored is None:
        raise ReIDError("no policy is stored with this reasoner; leave --adaptive out, or choose one (reidr train)")
    if budget is not None:
        kept = [(cost, each) for cost, each in profile.policies if cost <= budget]
        if not kept:
            least = min((cost for cost, _ in profile.policies), default=0.0)
            raise ReIDError(f"no stored policy costs as little as {budget:g} pairs per query; the least is {least:g}")
        stored = max(kept, key=lambda each: each[0])[1]
    return Settings(
        **values,
        k_reciprocal_weight=profile.k_reciprocal_weight,
        whole_weight=profile.whole_weight,
        weight=profile.weight if weight is None else weight,
        fusion=profile.fusion if weight is None else "weighted",
        fitted=profile.fitted,
        score_predictor=profile.score_predictor,
        policy=stored,
        policies=tuple(policy for _, policy in profile.policies),
        only_policy=adaptive or budget is not None or profile.asking == "in doubt",
        csls=profile.csls,
        absent=profile.open_set,
        calibration=profile.calibration,
    )
