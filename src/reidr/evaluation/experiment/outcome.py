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
from reidr.core.progress import Advance
from reidr.data.protocols.trial import Trial
from reidr.errors import ReIDError
from reidr.evaluation.experiment.cost_curve import Policy
from reidr.evaluation.metrics.ranking_result import AveragePrecision, RankingResult
from reidr.fusion.calibration import Calibration
from reidr.fusion.logistic import LogisticFusion
from reidr.fusion.profile import InferenceProfile
from reidr.fusion.score_predictor import ScorePredictor
from reidr.fusion.weighted import Fusion
from reidr.reasoning.types import Verdict
from reidr.retrieval.ranked_list import RankedList

Progress = Callable[[str, int], AbstractContextManager[Advance]]
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
            was fitted, not weighted (each None: that row is left out).
        fusion: which of `weight` and `fitted` was chosen to order candidates.
        expected: what the reasoner is expected to say of candidates that the policy does not ask about.
        policy: when the reasoner is asked, for the adaptive row (None: no such row). only_policy: ask nothing else,
            which saves the calls that the other rows need. policies: others, for the curve of costs.
        calibration: of the direct score, for the numbers beside the rows. absent: the `score` by which people who are
            not in the gallery are told, and its `thresholds` by wanted FPIR, chosen on training identities.
        local_scaling: fuse with CSLS distances, and measure the retriever ranked by them.
        k_reciprocal: also measure k-reciprocal re-ranking.
        protocol: name of the evaluation rule; None takes the data set's own.
        average_precision: how average precision is computed (see `AveragePrecision`).
        cache: folder of cached embeddings; None: no cache.

    Raises ReIDError for a number out of range.
    """

    k: int = 10
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
    absent: Mapping[str, Any] | None = None
    csls: bool = False
    k_reciprocal: bool = True
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


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table: a way of ranking, its result over the queries, and what it cost.

    `variant` tells it from others of its kind ("direct", "thinking", "k-reciprocal", …), empty where it needs no word.
    """

    name: str
    result: RankingResult
    calls: int = 0
    seconds: float = 0.0
    note: str = ""
    variant: str = ""

    def metrics(self) -> dict[str, float]:
        """mAP, rank1, rank5, rank10 and mINP as shares of 1."""
        return {
            "mAP": self.result.mean_average_precision,
            "rank1": self.result.rank(1),
            "rank5": self.result.rank(5),
            "rank10": self.result.rank(10),
            "mINP": self.result.mean_inverse_negative_penalty,
        }


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything measured on one trial, for tables and for the page.

    Attributes:
        ranked: the retriever's list, ignored crops left out. shown: the same with them, for showing what was dropped.
        scores: (Q, k) P(same) of the direct score, NaN where not asked; None without a reasoner.
        verdicts: by (query id, gallery id), where the reasoner thought.
        fused: the ranked list after the reasoner (thinking where there is any), None without one.
        thresholded: its first k by distances that are comparable across queries, for open-set thresholds.
        asked: (Q, k) which pairs the policy asks about; None without one. glances: (Q, k, 3) what the reasoner's eyes
            tell of the candidates without asking, where that is used.
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

    def row(self, start: str) -> Row | None:
        """The first row whose name starts with `start`."""
        return next((row for row in self.rows if row.name.startswith(start)), None)


def settings_of(
    profile: InferenceProfile, *, adaptive: bool = False, budget: float | None = None, **values: Any
) -> Settings:
    """Settings with what was decided for a reasoner: calibration, policies, the weight after k-reciprocal.

    Args:
        adaptive: ask only what the policy asks about. budget: mean pairs per query it may cost on training identities;
            of the stored policies the best that keeps it. values: other fields of `Settings`.

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
        fusion=profile.fusion,
        fitted=None if profile.fitted is None else LogisticFusion.read(profile.fitted),
        score_predictor=None if profile.score_predictor is None else ScorePredictor.read(profile.score_predictor),
        policy=None if stored is None else Policy.read(stored),
        policies=tuple(Policy.read(each) for _, each in profile.policies),
        only_policy=adaptive,
        csls=profile.csls,
        absent=profile.open_set,
        calibration=None if profile.calibration is None else Calibration.read(profile.calibration),
    )
