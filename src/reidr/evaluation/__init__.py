"""Measuring: metrics that stand alone (`metrics`), whole experiments, tests of explanations, and result files.

The names of `reidr.evaluation.metrics` are here too, loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reidr.core.lazy import loaded_when_used

if TYPE_CHECKING:
    from reidr.evaluation.metrics import (
        OpenSetErrors,
        RankingResult,
        ReliabilityCurve,
        RiskCoverage,
        Searches,
        bootstrap_interval,
        brier_score,
        evaluate,
        evaluate_features,
        evaluate_ranking,
        expected_calibration_error,
        open_set_curve,
        open_set_errors,
        oracle_at_k,
        oracle_gain_interval,
        paired_bootstrap,
        reliability_curve,
        risk_coverage,
        roc_area,
        searches_of,
        share_of_oracle_gain,
        threshold_at,
    )

__all__ = [
    "OpenSetErrors",
    "RankingResult",
    "ReliabilityCurve",
    "RiskCoverage",
    "Searches",
    "bootstrap_interval",
    "brier_score",
    "evaluate",
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
    "roc_area",
    "searches_of",
    "share_of_oracle_gain",
    "threshold_at",
]

__getattr__ = loaded_when_used(__name__, dict.fromkeys(__all__, f"{__name__}.metrics"))
