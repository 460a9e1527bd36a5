"""Calibration and risk-coverage: worked by hand, and against plain loops."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.metrics.calibration import (
    brier_score,
    expected_calibration_error,
    reliability_curve,
    risk_coverage,
)


def test_bins_of_equal_width_by_hand():
    # Bins (0, .5] and (.5, 1]: {.2, .5} with outcomes {0, 1} and {.6, .8, 1} with {0, 1, 1}.
    # Means .35 and .8, frequencies 1/2 and 2/3; error (2·|.35 - .5| + 3·|.8 - 2/3|) / 5 = (.3 + .4) / 5 = .14.
    given, happened = [0.2, 0.6, 0.5, 0.8, 1.0], [0, 0, 1, 1, 1]
    curve = reliability_curve(given, happened, bins=2, binning="width")
    np.testing.assert_allclose(curve.probability, [0.35, 0.8])
    np.testing.assert_allclose(curve.frequency, [1 / 2, 2 / 3])
    assert curve.count.tolist() == [2, 3]
    assert expected_calibration_error(given, happened, bins=2, binning="width") == pytest.approx(0.14)


def test_bins_of_equal_mass_by_hand():
    # Sorted .1 .2 .3 | .7 .8 .9 with outcomes 0 0 1 | 1 1 1: means .2, .8, frequencies 1/3, 1.
    # Error (|.2 - 1/3| + |.8 - 1|) / 2 = (2/15 + 3/15) / 2 = 1/6.
    given, happened = [0.9, 0.1, 0.3, 0.7, 0.2, 0.8], [1, 0, 1, 1, 0, 1]
    curve = reliability_curve(given, happened, bins=2)
    np.testing.assert_allclose(curve.probability, [0.2, 0.8])
    np.testing.assert_allclose(curve.frequency, [1 / 3, 1.0])
    assert curve.expected_error == pytest.approx(1 / 6)


def test_equal_probabilities_share_a_bin_whatever_their_order():
    # A yes/no verifier says .9 or .1 only; ten bins are asked for, two can be had.
    given, happened = np.array([0.9] * 6 + [0.1] * 4), np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1])
    curve = reliability_curve(given, happened, bins=10)
    assert curve.count.tolist() == [4, 6]
    np.testing.assert_allclose(curve.frequency, [1 / 4, 4 / 6])
    order = np.random.default_rng(0).permutation(10)
    again = reliability_curve(given[order], happened[order], bins=10)
    np.testing.assert_array_equal(again.frequency, curve.frequency)


def test_equal_mass_bins_differ_by_one_case_at_most_without_ties():
    random = np.random.default_rng(1)
    curve = reliability_curve(random.random(103), random.integers(0, 2, 103), bins=10)
    assert curve.count.sum() == 103
    assert set(curve.count.tolist()) == {10, 11}


def test_calibrated_forecasts_have_a_small_error_and_shifted_ones_their_shift():
    random = np.random.default_rng(2)
    given = random.uniform(0.1, 0.8, 200_000)
    happened = random.random(200_000) < given
    for binning in ("mass", "width"):
        assert expected_calibration_error(given, happened, binning=binning) < 0.01
        assert expected_calibration_error(given + 0.2, happened, binning=binning) == pytest.approx(0.2, abs=0.01)


def test_brier_by_hand():
    # (.8 - 1)² = .04, (.3 - 0)² = .09, (.5 - 1)² = .25; mean .38 / 3.
    assert brier_score([0.8, 0.3, 0.5], [True, False, True]) == pytest.approx(0.38 / 3)


def test_risk_coverage_by_hand():
    # Surest first: right, wrong, right, wrong. Risks 0/1, 1/2, 1/3, 2/4; area (0 + 1/2 + 1/3 + 1/2) / 4 = 1/3.
    found = risk_coverage([0.7, 0.9, 0.2, 0.5], [0, 1, 0, 1])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(found.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert found.area == pytest.approx(1 / 3)


def test_tied_confidence_is_the_mean_over_all_orders():
    sure, right = [0.9, 0.5, 0.5, 0.5, 0.1, 0.1], [1, 0, 1, 1, 1, 0]
    risks = []
    for order in permutations(range(6)):
        if all(sure[a] >= sure[b] for a, b in pairwise(order)):
            wrong = np.cumsum([1 - right[i] for i in order])
            risks.append(wrong / np.arange(1, 7))
    found = risk_coverage(sure, right)
    np.testing.assert_allclose(found.risk, np.mean(risks, axis=0))


@pytest.mark.parametrize(
    ("given", "happened", "message"),
    [
        ([], [], "one equal length"),
        ([0.5, 0.5], [1], "one equal length"),
        ([0.5, 1.5], [1, 0], "probability 1 is 1.5"),
        ([0.5, np.nan], [1, 0], "probability 1 is nan"),
        ([0.5, 0.5], [1, 2], "True or False"),
    ],
)
@pytest.mark.parametrize("measure", [reliability_curve, brier_score])
def test_bad_input_is_refused(measure, given, happened, message):
    with pytest.raises(ReIDError, match=message):
        measure(given, happened)


def test_bad_confidence_and_bad_bins_are_refused():
    with pytest.raises(ReIDError, match="confidence 1 is NaN"):
        risk_coverage([0.1, np.nan], [1, 0])
    with pytest.raises(ReIDError, match="one equal length"):
        risk_coverage([], [])
    with pytest.raises(ReIDError, match="at least 1 bin"):
        reliability_curve([0.5], [1], bins=0)
