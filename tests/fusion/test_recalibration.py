"""Thresholds and probabilities of a site: as shipped without decisions, as decided with many, never out of order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from reidr.errors import ReIDError
from reidr.fusion.calibration import Calibration, fit_calibration
from reidr.fusion.recalibration import alarms_in_words, recalibrated, site_thresholds

MARGINS = np.linspace(-8, 8, 161)
ISOTONIC = Calibration("isotonic", seen=(-3.0, -1.0, 0.0, 1.0, 4.0), became=(0.0, 0.05, 0.3, 0.6, 1.0))
SHIPPED = [None, Calibration("temperature", 0.7), Calibration("platt", 1.4, -0.8), ISOTONIC]


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


@pytest.mark.parametrize("shipped", SHIPPED)
def test_without_decisions_the_calibration_is_the_shipped_one(shipped: Calibration | None) -> None:
    found = recalibrated(shipped, [], np.zeros(0, bool)).apply(MARGINS)
    expected = sigmoid(MARGINS) if shipped is None else shipped.apply(MARGINS)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("shipped", SHIPPED)
def test_whatever_is_decided_a_greater_margin_is_never_less_likely(shipped: Calibration | None) -> None:
    random = np.random.default_rng(3)
    for number in (1, 2, 10, 60):
        margins = random.normal(0, 3, number)
        for outcomes in (random.random(number) < 0.5, margins < 0, np.ones(number, bool), np.zeros(number, bool)):
            found = recalibrated(shipped, margins, outcomes).apply(MARGINS)
            assert (np.diff(found) >= 0).all()
            assert ((found >= 0) & (found <= 1)).all()


def test_many_decisions_speak_alone() -> None:
    """Far more decisions than the prior is worth: what Platt's own fit to them says."""
    random = np.random.default_rng(5)
    margins = random.normal(0, 2, 20_000)
    outcomes = random.random(len(margins)) < sigmoid(0.5 * margins - 1.5)
    alone = fit_calibration("platt", margins, outcomes)
    for shipped in SHIPPED[:3]:
        found = recalibrated(shipped, margins, outcomes)
        np.testing.assert_allclose(found.apply(MARGINS), alone.apply(MARGINS), atol=0.01)


def test_few_decisions_move_a_little_and_towards_what_was_decided() -> None:
    here = Calibration("platt", 1.0, 0.0)
    before = float(here.apply([1.0])[0])
    rejected = [float(recalibrated(here, [1.0] * n, np.zeros(n, bool)).apply([1.0])[0]) for n in (1, 3, 10)]
    confirmed = [float(recalibrated(here, [1.0] * n, np.ones(n, bool)).apply([1.0])[0]) for n in (1, 3, 10)]
    assert before - 0.15 < rejected[0] < before < confirmed[0] < before + 0.15
    assert rejected == sorted(rejected, reverse=True)
    assert confirmed == sorted(confirmed)
    assert rejected[-1] < 0.5  # ten times in ten it was somebody else


def test_one_confirmed_match_that_was_thought_impossible_does_not_turn_everything_over() -> None:
    """The shipped probability there is 0; without a bound the slope would fall to nothing."""
    found = recalibrated(ISOTONIC, [-6.0], [True])
    assert found.apply([-6.0])[0] < 0.1
    assert abs(found.apply([0.5])[0] - ISOTONIC.apply([0.5])[0]) < 0.1


@pytest.mark.parametrize(("margins", "outcomes"), [([1.0, 2.0], [True]), ([np.nan], [True]), ([[1.0]], [[True]])])
def test_decisions_that_fit_nothing_are_refused(margins: object, outcomes: object) -> None:
    with pytest.raises(ReIDError):
        recalibrated(None, margins, outcomes)  # type: ignore[arg-type]


THRESHOLDS = {"0.01": 0.55, "0.05": 0.64, "0.1": 0.73}


def test_without_searches_the_thresholds_are_the_shipped_ones() -> None:
    assert site_thresholds(THRESHOLDS, []) == THRESHOLDS


def test_one_threshold_alone_says_nothing_of_the_others_and_stays() -> None:
    assert site_thresholds({"0.1": 0.7}, [0.1, 0.2]) == {"0.1": 0.7}
    assert site_thresholds({"0.1": 0.7, "0.2": 0.7}, [0.1, 0.2]) == {"0.1": 0.7, "0.2": 0.7}


def mixture(value: float, seen: np.ndarray, weight: float = 100.0) -> float:
    """The posterior mean at a value, written down from its definition."""
    x, y = norm.ppf([0.01, 0.05, 0.1]), np.array([0.55, 0.64, 0.73])
    left = 0 if value < y[1] else 1
    quantile = x[left] + (value - y[left]) / (y[left + 1] - y[left]) * (x[left + 1] - x[left])
    return float((weight * norm.cdf(quantile) + (seen <= value).sum()) / (weight + len(seen)))


@pytest.mark.parametrize("number", [1, 5, 40, 400])
def test_a_threshold_is_the_greatest_that_keeps_the_rate(number: int) -> None:
    random = np.random.default_rng(number)
    for _ in range(20):
        seen = random.normal(random.uniform(0.5, 1.0), random.uniform(0.02, 0.2), number)
        found = site_thresholds(THRESHOLDS, seen)
        values = [found[rate] for rate in sorted(found, key=float)]
        assert values == sorted(values)
        for rate, threshold in found.items():
            assert mixture(threshold, seen) <= float(rate) + 1e-9
            assert mixture(threshold + 1e-6, seen) > float(rate)


def test_many_searches_speak_alone() -> None:
    seen = np.random.default_rng(0).normal(0.9, 0.05, 50_000)
    found = site_thresholds(THRESHOLDS, seen)
    for rate, threshold in found.items():
        assert threshold == pytest.approx(np.quantile(seen, float(rate)), abs=0.004)


def test_rejected_people_who_come_near_make_it_stricter_and_those_who_stay_away_looser() -> None:
    near, far = site_thresholds(THRESHOLDS, [0.4] * 3), site_thresholds(THRESHOLDS, [1.2] * 30)
    assert all(near[rate] < THRESHOLDS[rate] < far[rate] for rate in THRESHOLDS)


def test_thresholds_that_are_none_are_refused() -> None:
    with pytest.raises(ReIDError, match="finite"):
        site_thresholds(THRESHOLDS, [np.nan])
    with pytest.raises(ReIDError, match="between 0 and 1"):
        site_thresholds({"0": 0.1, "0.1": 0.2}, [0.3])


def test_rates_are_told_in_people() -> None:
    assert alarms_in_words(0.01) == "at most about 1 false alarm in 100 absent people"
    assert alarms_in_words(0.05) == "at most about 1 false alarm in 20 absent people"
