"""Bootstrap intervals: against loops, against theory, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.metrics.oracle_gain import oracle_gain_interval
from reidr.evaluation.metrics.statistics import bootstrap_interval, draw_rows, paired_bootstrap


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
    low, high = oracle_gain_interval(base, base + room / 4, base + room)
    assert low == pytest.approx(0.25)
    assert high == pytest.approx(0.25)


def test_oracle_gain_equals_resampling_by_loops():
    random = np.random.default_rng(5)
    base, ours = random.random(12), random.random(12)
    oracle = np.maximum(base, ours) + 0.1
    draws = np.random.default_rng(7).integers(12, size=(60, 12))
    shares = [sum(ours[i] - base[i] for i in draw) / sum(oracle[i] - base[i] for i in draw) for draw in draws.tolist()]
    expected = np.quantile(shares, [0.025, 0.975])
    np.testing.assert_allclose(oracle_gain_interval(base, ours, oracle, draws=60, seed=7), expected)


def test_where_nothing_can_be_gained_there_is_no_share():
    assert np.isnan(oracle_gain_interval([0.5, 0.7], [0.5, 0.6], [0.5, 0.7])).all()
    # Only the first query has room; draws that miss it (one in four) are left out, the others make half of the gain.
    assert oracle_gain_interval([0.5, 0.7], [0.6, 0.7], [0.7, 0.7]) == pytest.approx((0.5, 0.5))


def test_lengths_and_nan_are_refused():
    with pytest.raises(ReIDError, match="not of the same queries"):
        paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(ReIDError, match="not of the same queries"):
        oracle_gain_interval([1.0, 2.0], [1.0, 2.0], [1.0])
    with pytest.raises(ReIDError, match="value 1 is NaN"):
        bootstrap_interval([0.5, np.nan])


def test_groups_of_one_are_single_values_and_whole_groups_are_drawn_together():
    random = np.random.default_rng(8)
    values, people = random.random(30), np.repeat(np.arange(10), 3)
    assert bootstrap_interval(values, groups=random.permutation(30), draws=4000) == pytest.approx(
        bootstrap_interval(values, draws=4000), abs=0.01
    )
    rows = np.random.default_rng(3)
    means = []
    for _ in range(4000):
        drawn = rows.integers(10, size=10)
        means.append(np.concatenate([values[people == person] for person in drawn]).mean())
    wanted = np.quantile(means, (0.025, 0.975))
    assert bootstrap_interval(values, groups=people, draws=4000) == pytest.approx(tuple(wanted), abs=0.01)
    assert paired_bootstrap(values, values * 0, groups=people) == bootstrap_interval(values, groups=people)


def test_queries_that_say_the_same_are_worth_one_person():
    """Four equal queries a person: the interval is that of the persons, twice as wide as that of the queries."""
    one = np.random.default_rng(9).random(50)
    four, people = np.repeat(one, 4), np.repeat(np.arange(50), 4)
    assert bootstrap_interval(four, groups=people, seed=1) == pytest.approx(bootstrap_interval(one, seed=1))
    wide, narrow = (np.diff(bootstrap_interval(four, groups=groups))[0] for groups in (people, None))
    assert wide == pytest.approx(2 * narrow, rel=0.15)
    room = oracle_gain_interval(four * 0, four, four * 0 + 1, groups=people)
    assert room == pytest.approx(bootstrap_interval(four, groups=people))


def test_a_sample_holds_whole_groups():
    groups = np.array(["b", "a", "b", "c", "a"])
    for seed in range(20):
        rows = draw_rows(groups, np.random.default_rng(seed))
        counts = np.bincount(rows, minlength=5)
        assert counts[0] == counts[2]
        assert counts[1] == counts[4]
        assert sum(counts[[0, 1, 3]]) == 3


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ReIDError, match="groups do not fit"):
        bootstrap_interval([1.0, 2.0], groups=[1])
