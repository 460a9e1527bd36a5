"""Thresholds for larger galleries: the closed form where it is known, never looser, and the rate that was wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import norm

from reidr.errors import ReIDError
from reidr.fusion.gallery_size import for_gallery, rule_for_gallery
from reidr.fusion.profile import OpenSetRule
from reidr.fusion.shipped_curve import curve_through

RATES = ("0.01", "0.05", "0.1")
NORMAL = {rate: 1.1 + 0.2 * float(norm.ppf(float(rate))) for rate in RATES}  # on the normal curve of mean 1.1
SIZES = st.one_of(st.sampled_from([0, 1, 5, 10, 484, 15_913]), st.floats(1e-3, 1e12))


@st.composite
def shipped(draw: st.DrawFn) -> dict[str, float]:
    """Thresholds that rise with the rate, some of them equal."""
    rates = sorted(draw(st.sets(st.sampled_from([0.001, 0.01, 0.02, 0.05, 0.1, 0.3]), min_size=1)))
    values = sorted(draw(st.lists(st.floats(-3, 3).map(lambda value: round(value, 2)),
                                  min_size=len(rates), max_size=len(rates))))  # fmt: skip
    return dict(zip(map(str, rates), values, strict=True))


def in_order(thresholds: dict[str, float]) -> list[float]:
    return [thresholds[rate] for rate in sorted(thresholds, key=float)]


@pytest.mark.parametrize("times", [1.5, 10, 33])
def test_on_a_normal_curve_it_is_the_closed_form(times: float) -> None:
    found = for_gallery(NORMAL, 484, 484 * times)
    for rate in RATES:
        among_fewer = 1 - (1 - float(rate)) ** (1 / times)
        assert found[rate] == pytest.approx(1.1 + 0.2 * norm.ppf(among_fewer), abs=1e-12)


def test_a_case_by_hand() -> None:
    """Among twice as many crops the threshold for 19 % is the one for 10 %: 1 - 0.9² = 0.19."""
    found = for_gallery({"0.1": 0.5, "0.19": 0.8}, 100, 200)
    assert found["0.19"] == pytest.approx(0.5)
    assert found["0.1"] < 0.5


def test_between_the_shipped_thresholds_it_is_straight_in_normal_quantiles() -> None:
    share = -math.expm1(0.5 * math.log1p(-0.1))  # 5.13 %, between the two
    part = (norm.ppf(share) - norm.ppf(0.05)) / (norm.ppf(0.1) - norm.ppf(0.05))
    assert for_gallery({"0.05": 0.4, "0.1": 0.7}, 100, 200)["0.1"] == pytest.approx(0.4 + 0.3 * part)


@given(shipped(), st.floats(0.5, 1e5), SIZES, SIZES)
def test_properties(thresholds: dict[str, float], chosen_in: float, one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    small, large = for_gallery(thresholds, chosen_in, fewer), for_gallery(thresholds, chosen_in, more)
    for found in (small, large):
        assert list(found) == list(thresholds)
        assert all(math.isfinite(value) for value in found.values())
        assert in_order(found) == sorted(found.values())
        assert all(found[rate] <= thresholds[rate] for rate in thresholds)
    assert all(large[rate] <= small[rate] + 1e-12 for rate in thresholds)
    assert for_gallery(thresholds, chosen_in, chosen_in) == thresholds
    if fewer <= chosen_in:
        assert small == thresholds


@pytest.mark.parametrize(
    ("thresholds", "chosen_in", "crops"),
    [
        (NORMAL, None, 10_000),
        (NORMAL, 484, None),
        (NORMAL, 484, 484),
        *((NORMAL, 484, few) for few in (0, 1, 5, 10)),
        ({}, 484, 10_000),
        ({"0.1": 0.7}, 484, 10_000),
        ({"0.05": 0.7, "0.1": 0.7}, 484, 10_000),
        ({"0.05": 0.8, "0.1": 0.7}, 484, 10_000),
        ({"0.05": 0.8, "0.1": float("inf")}, 484, 10_000),
    ],
)
def test_where_nothing_is_known_they_stay(thresholds: dict[str, float], chosen_in: object, crops: object) -> None:
    assert for_gallery(thresholds, chosen_in, crops) == thresholds  # type: ignore[arg-type]


def test_without_end_they_stay_finite() -> None:
    for crops in (1e15, 1e300, 1.7e308):
        assert all(math.isfinite(value) for value in for_gallery(NORMAL, 1, crops).values())
    huge = {"0.05": 0.0, "0.1": 1.7e308}
    assert all(math.isfinite(value) for value in for_gallery(huge, 1, 1e9).values())


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ReIDError, match="between 0 and 1"):
        for_gallery({"0": 0.1, "0.1": 0.2}, 10, 20)


def test_equal_thresholds_do_not_jump_up() -> None:
    """The curve keeps one of them, and lies above the other where the gallery is hardly larger."""
    found = for_gallery({"0.01": 0.5, "0.05": 0.5, "0.1": 0.6}, 1000, 1001)
    assert in_order(found) == sorted(found.values())
    assert found["0.05"] <= 0.5
    assert curve_through({"0.01": 0.5, "0.05": 0.5, "0.1": 0.6}).value(0.05) > 0.5  # type: ignore[union-attr]


def test_independent_strangers_alarm_as_often_as_wanted_in_a_gallery_ten_times_larger() -> None:
    random = np.random.default_rng(0)
    number, searches = 300, 20_000

    def nearest(crops: int) -> np.ndarray:
        """The least of `crops` distances, normal with mean 1.2 and deviation 0.12, by its exact distribution."""
        return 1.2 + 0.12 * norm.ppf(-np.expm1(np.log1p(-random.random(searches)) / crops))

    few, many = np.sort(nearest(number)), nearest(10 * number)
    chosen = {rate: float(few[int(float(rate) * searches)]) for rate in RATES}
    fitted = for_gallery(chosen, number, 10 * number)
    for rate in RATES:
        wanted = float(rate)
        assert (many <= chosen[rate]).mean() == pytest.approx(1 - (1 - wanted) ** 10, rel=0.1)
        assert (many <= chosen[rate]).mean() > 5 * wanted
        assert 0.6 * wanted < (many <= fitted[rate]).mean() < 1.4 * wanted


@pytest.mark.parametrize("score", ["distance", "fused distance"])
def test_a_rule_of_distances_says_for_how_many_crops_it_is(score: str) -> None:
    fitted = rule_for_gallery(OpenSetRule(score, NORMAL, 484), 5000)
    assert fitted == OpenSetRule(score, for_gallery(NORMAL, 484, 5000), 5000)
    assert rule_for_gallery(fitted, 5000) == fitted  # once is enough
    for crops in (None, 10):
        assert rule_for_gallery(OpenSetRule(score, NORMAL, 484), crops) == OpenSetRule(score, NORMAL)
    assert rule_for_gallery(OpenSetRule(score, NORMAL), 5000) == OpenSetRule(score, NORMAL)
    assert rule_for_gallery(OpenSetRule(score, {"0.1": 0.5}, 484), 5000) == OpenSetRule(score, {"0.1": 0.5})


@pytest.mark.parametrize("score", ["distance in units of ranks 11-50", "1 - P(same)"])
def test_scores_that_do_not_fall_with_the_size_stay(score: str) -> None:
    assert rule_for_gallery(OpenSetRule(score, NORMAL, 484), 5000) == OpenSetRule(score, NORMAL)


@pytest.mark.parametrize("crops", [0, -1, float("inf"), float("nan")])
def test_a_number_of_crops_that_is_none_is_refused(crops: float) -> None:
    with pytest.raises(ValidationError):
        OpenSetRule("distance", NORMAL, crops)
