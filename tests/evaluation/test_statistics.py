"""Bootstrap intervals: against loops, against theory, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.statistics import bootstrap_interval, headroom_interval, paired_bootstrap


def test_a_mean_of_two_values_has_the_outcomes_that_can_be_counted():
    # Resamples of (0, 1): means 0, 1/2, 1/2, 1 equally often, so 25 % lie at either end: the 95 % interval is [0, 1],
    # the 40 % interval [1/2, 1/2].
    assert bootstrap_interval([0.0, 1.0], draws=2000) == (0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], draws=2000, level=0.4) == (0.5, 0.5)


def test_the_interval_of_many_values_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(0.6, 0.2, 2000)
    low, high = bootstrap_interval(values, draws=4000)
    error = values.std() / np.sqrt(2000)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_pairing_sees_a_constant_gain_that_unpaired_intervals_cannot():
    base = np.random.default_rng(1).random(50)
    low, high = paired_bootstrap(base + 0.01, base)
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(0.01)
    assert bootstrap_interval(base + 0.01)[0] < bootstrap_interval(base)[1]


def test_pairing_is_the_interval_of_the_differences_and_swaps_its_sign():
    random = np.random.default_rng(2)
    ours, theirs = random.random(40), random.random(40)
    assert paired_bootstrap(ours, theirs) == bootstrap_interval(ours - theirs)
    low, high = paired_bootstrap(ours, theirs)
    np.testing.assert_allclose(paired_bootstrap(theirs, ours), (-high, -low), atol=1e-12)


def test_a_seed_gives_the_same_interval_and_another_one_another():
    values = np.random.default_rng(3).random(30)
    assert bootstrap_interval(values, seed=5) == bootstrap_interval(values, seed=5)
    assert bootstrap_interval(values, seed=5) != bootstrap_interval(values, seed=6)


def test_headroom_where_every_query_gains_a_quarter_of_what_is_possible():
    # Ratios of sums: whatever is drawn, ours - base is a quarter of oracle - base.
    random = np.random.default_rng(4)
    base = random.random(30)
    room = random.random(30)
    low, high = headroom_interval(base, base + room / 4, base + room)
    assert low == pytest.approx(0.25)
    assert high == pytest.approx(0.25)


def test_headroom_equals_resampling_by_loops():
    random = np.random.default_rng(5)
    base, ours = random.random(12), random.random(12)
    oracle = np.maximum(base, ours) + 0.1
    draws = np.random.default_rng(7).integers(12, size=(60, 12))
    shares = [sum(ours[i] - base[i] for i in draw) / sum(oracle[i] - base[i] for i in draw) for draw in draws.tolist()]
    expected = np.quantile(shares, [0.05, 0.95])
    np.testing.assert_allclose(headroom_interval(base, ours, oracle, draws=60, level=0.9, seed=7), expected)


def test_headroom_without_room_is_no_number():
    assert np.isnan(headroom_interval([0.5, 0.7], [0.5, 0.6], [0.5, 0.7])).all()
    # Only the first query has room; draws that miss it (one in four) are left out, the others capture half.
    assert headroom_interval([0.5, 0.7], [0.6, 0.7], [0.7, 0.7]) == pytest.approx((0.5, 0.5))


def test_lengths_and_nan_are_refused():
    with pytest.raises(ReIDError, match="not of the same queries"):
        paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(ReIDError, match="not of the same queries"):
        headroom_interval([1.0, 2.0], [1.0, 2.0], [1.0])
    with pytest.raises(ReIDError, match="value 1 is NaN"):
        bootstrap_interval([0.5, np.nan])
