"""Calibration of probabilities, and the gain of abstaining; `fusion/calibration.py` corrects probabilities.

Everywhere: `probabilities` (N,) of "same person" in [0, 1], `outcomes` (N,) whether it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.core.checks import as_array, flag_array, one_of, plain_array, whole_number
from reidr.errors import ReIDError

Reals = NDArray[np.float64]
Binning = Literal["mass", "width"]
MOST_BINS = 1_000_000


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Per non-empty bin: (B,) mean probability, (B,) frequency of the outcome, (B,) number of cases."""

    probability: Reals
    frequency: Reals
    count: NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean gap between probability and frequency, weighted by cases."""
        return float(np.average(np.abs(self.probability - self.frequency), weights=self.count))


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """(N,) coverage i/N for i = 1 … N and the (N,) error rate among the i most confident cases."""

    coverage: Reals
    risk: Reals

    @property
    def area(self) -> float:
        """AURC, the mean risk over all coverages (Geifman, Uziel and El-Yaniv, ICLR 2019); smaller is better."""
        return float(self.risk.mean())


def reliability_curve(
    probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 15, binning: Binning = "mass"
) -> ReliabilityCurve:
    """Observed frequency against stated probability.

    Args:
        binning: "mass" puts equally many cases into each bin (equal probabilities never share out over two bins, so
            there may be fewer bins), "width" cuts [0, 1] into equal parts, each holding its upper end.

    Raises:
        ReIDError: no cases, lengths that differ, a probability outside [0, 1], NaN, an outcome that is neither True nor
            False (1 nor 0), bins outside 1 to a million, or another binning.
    """
    given, happened = _checked(probabilities, outcomes)
    bins = whole_number(bins, "bins")
    if bins < 1:
        raise ReIDError(f"reliability: needs at least 1 bin, not {bins}")
    whole_number(bins, "bins", least=1, most=MOST_BINS)
    one_of(binning, "binning", get_args(Binning))
    if binning == "width":
        place = np.clip(np.ceil(given * bins) - 1, 0, bins - 1).astype(np.int64)
    else:
        # Equal values take the bin of their first: the bin is a function of the value, not of the order of cases.
        before = np.searchsorted(np.sort(given), given, side="left")
        place = before * bins // len(given)
    count = np.bincount(place, minlength=bins)
    some = count > 0
    mean = np.bincount(place, weights=given, minlength=bins)[some] / count[some]
    frequency = np.bincount(place, weights=happened, minlength=bins)[some] / count[some]
    return ReliabilityCurve(mean, frequency, count[some])


def expected_calibration_error(
    probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 15, binning: Binning = "mass"
) -> float:
    """ECE (Naeini et al., AAAI 2015); 0 is calibrated. Arguments and errors as `reliability_curve`."""
    return reliability_curve(probabilities, outcomes, bins=bins, binning=binning).expected_error


def brier_score(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Mean squared distance of probability and outcome (Brier 1950). Errors as `reliability_curve`."""
    given, happened = _checked(probabilities, outcomes)
    return float(np.mean((given - happened) ** 2))


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Error rate when only the most confident cases are answered.

    Args:
        confidence: (N,) any scale, more is surer. correct: (N,) whether the answer was right, True or False (1 or 0).

    Cases of equal confidence are taken in random order, and the risk is the mean over all such orders.
    Raises ReIDError for no cases, lengths that differ, NaN, or `correct` that is neither True nor False.
    """
    sure = as_array(confidence, "confidence")
    right = plain_array(correct, "correct")
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise ReIDError(f"risk-coverage: confidence {sure.shape} and correct {right.shape} must be one equal length")
    if np.isnan(sure).any():
        raise ReIDError(f"risk-coverage: confidence {int(np.flatnonzero(np.isnan(sure))[0])} is NaN")
    right = flag_array(right, "correct", sure.shape).astype(np.float64)
    # In their own type: as floats, large whole numbers would tie. Ascending, so the surest group comes last.
    _, group, size = np.unique(sure, return_inverse=True, return_counts=True)
    error_rate = (np.bincount(group, weights=1.0 - right) / size)[::-1]
    size = size[::-1]
    errors = np.cumsum(np.repeat(error_rate, size))
    taken = np.arange(1, len(sure) + 1)
    return RiskCoverage(taken / len(sure), errors / taken)


def _checked(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[Reals, Reals]:
    given = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    happened = plain_array(outcomes, "outcomes")
    if given.ndim != 1 or given.shape != happened.shape or not len(given):
        raise ReIDError(
            f"calibration: probabilities {given.shape} and outcomes {happened.shape} must be one equal length"
        )
    wrong = ~((given >= 0) & (given <= 1))
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise ReIDError(
            f"calibration: probability {position} is {given[position]}, outside [0, 1]; leave out pairs without a score"
        )
    return given, flag_array(happened, "outcomes", given.shape).astype(np.float64)
