"""The evaluator: exact ranking metrics, statistics, calibration and open-set errors; it needs NumPy alone.

    from reidr.evaluation.metrics import evaluate_ranking
    result = evaluate_ranking(distances, query_ids, gallery_ids, query_cameras, gallery_cameras)
    print(result.mean_average_precision, result.rank(1), result.mean_inverse_negative_penalty)

Arrays may be lists, NumPy arrays or torch tensors of any dtype and device; ids may be integers or strings.
"""

from __future__ import annotations

from reidr.evaluation.metrics.calibration import (
    ReliabilityCurve,
    RiskCoverage,
    brier_score,
    expected_calibration_error,
    reliability_curve,
    risk_coverage,
)
from reidr.evaluation.metrics.counting.negative_counts import Ties
from reidr.evaluation.metrics.labels import Labels
from reidr.evaluation.metrics.open_set import (
    OpenSetErrors,
    Searches,
    open_set_curve,
    open_set_errors,
    searches_of,
    threshold_at,
)
from reidr.evaluation.metrics.oracle_gain import oracle_at_k, oracle_gain_interval, share_of_oracle_gain
from reidr.evaluation.metrics.pair_verification import PairVerification, measure_pair_verification, pair_areas
from reidr.evaluation.metrics.ranking import evaluate, evaluate_features, evaluate_ranking
from reidr.evaluation.metrics.ranking_result import AveragePrecision, RankingResult
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.evaluation.metrics.statistics import bootstrap_interval, paired_bootstrap
from reidr.retrieval.ranked_list import RankedList

__all__ = [
    "AveragePrecision",
    "Labels",
    "OpenSetErrors",
    "PairVerification",
    "RankedList",
    "RankingResult",
    "ReliabilityCurve",
    "RiskCoverage",
    "Searches",
    "Ties",
    "bootstrap_interval",
    "brier_score",
    "evaluate",
    "evaluate_features",
    "evaluate_ranking",
    "expected_calibration_error",
    "measure_pair_verification",
    "open_set_curve",
    "open_set_errors",
    "oracle_at_k",
    "oracle_gain_interval",
    "pair_areas",
    "paired_bootstrap",
    "reliability_curve",
    "risk_coverage",
    "roc_area",
    "searches_of",
    "share_of_oracle_gain",
    "threshold_at",
]
