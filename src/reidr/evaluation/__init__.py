"""Measuring: exact ranking metrics, statistics, calibration, open set; needs NumPy and SciPy alone.

from reidr.evaluation import evaluate_ranking
result = evaluate_ranking(distances, query_ids, gallery_ids, query_cameras, gallery_cameras)
print(result.mean_average_precision, result.rank(1), result.mean_inverse_negative_penalty)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reidr.core.lazy import loaded_when_used

if TYPE_CHECKING:
    from reidr.evaluation.metrics.calibration import (
        ReliabilityCurve,
        RiskCoverage,
        brier_score,
        expected_calibration_error,
        reliability_curve,
        risk_coverage,
    )
    from reidr.evaluation.metrics.open_set import (
        OpenSetErrors,
        Searches,
        open_set_curve,
        open_set_errors,
        searches_of,
        threshold_at,
    )
    from reidr.evaluation.metrics.oracle_gain import oracle_at_k, share_of_oracle_gain
    from reidr.evaluation.metrics.ranking import RankingResult, evaluate_features, evaluate_ranking
    from reidr.evaluation.metrics.statistics import bootstrap_interval, oracle_gain_interval, paired_bootstrap

__all__ = [
    "OpenSetErrors",
    "RankingResult",
    "ReliabilityCurve",
    "RiskCoverage",
    "Searches",
    "bootstrap_interval",
    "brier_score",
    "evaluate_features",
    "evaluate_ranking",
    "expected_calibration_error",
    "open_set_curve",
    "open_set_errors",
    "oracle_at_k",
    "oracle_gain_interval",
    "paired_bootstrap",
    "reliability_curve",
    "risk_coverage",
    "searches_of",
    "share_of_oracle_gain",
    "threshold_at",
]

_MODULES = {
    "metrics.calibration": (
        "ReliabilityCurve", "RiskCoverage", "brier_score", "expected_calibration_error", "reliability_curve",
        "risk_coverage",
    ),
    "metrics.oracle_gain": ("share_of_oracle_gain", "oracle_at_k"),
    "metrics.open_set": (
        "OpenSetErrors", "Searches", "open_set_curve", "open_set_errors", "searches_of", "threshold_at",
    ),
    "metrics.ranking": ("RankingResult", "evaluate_features", "evaluate_ranking"),
    "metrics.statistics": ("bootstrap_interval", "oracle_gain_interval", "paired_bootstrap"),
}  # fmt: skip

__getattr__ = loaded_when_used(
    __name__, {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
)
