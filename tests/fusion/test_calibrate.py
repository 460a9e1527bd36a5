"""Calibration and the fitted fusion: they recover what made the data, keep orders, and survive being stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.fusion.calibration import Calibration, choose_calibration, fit_calibration, margin_of, mean_margin
from reidr.fusion.fusion_choice import choose_fusion
from reidr.fusion.logistic import (
    LogisticFusion,
    fit_logistic,
    fit_logistic_fusion,
    fuse_whole,
    probabilities_for_threshold,
    rank_by_probability,
)
from reidr.fusion.weighted import choose_weight
from reidr.retrieval.ranked_list import RankedList


def sigmoid(odds):
    return 1 / (1 + np.exp(-odds))


def drawn(number=4000, slope=0.5, offset=-1.0, seed=0):
    random = np.random.default_rng(seed)
    margins = random.normal(0, 4, number)
    return margins, random.random(number) < sigmoid(slope * margins + offset)


def listed(queries=60, k=60, seed=0):
    """Five matches per query, nearer by their persons' noise, and margins that know the truth better."""
    random = np.random.default_rng(seed)
    truth = np.zeros((queries, k), dtype=bool)
    truth[:, :5] = True
    distances = np.where(truth, 0.8, 1.0) + random.normal(0, 0.08, truth.shape)
    margins = np.where(truth, 2.0, -2.0) + random.normal(0, 1.5, truth.shape)
    order = np.argsort(distances, axis=1)
    distances, truth, margins = (np.take_along_axis(each, order, axis=1) for each in (distances, truth, margins))
    ranked = RankedList(
        tuple(f"q{i}" for i in range(queries)), tuple(f"g{i}" for i in range(k)), order, np.clip(distances, 0, 2)
    )
    return ranked, margins[:, :10], truth[:, :10]


def test_both_orders_are_averaged_as_margins():
    logits = np.array([[[2.0, 1.0, 9.0]], [[0.0, 3.0, -9.0]]])
    assert mean_margin(logits).tolist() == [-1.0]  # (1 - 3) / 2
    np.testing.assert_allclose(margin_of([0.5, sigmoid(3.0)]), [0.0, 3.0])
    assert np.isnan(margin_of([np.nan])).all()
    assert np.isfinite(margin_of([0.0, 1.0])).all()


def test_platt_recovers_slope_and_offset_and_temperature_the_slope():
    found = fit_calibration("platt", *drawn())
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.offset == pytest.approx(-1.0, abs=0.15)
    found = fit_calibration("temperature", *drawn(offset=0.0))
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.offset == 0


def test_separable_margins_give_a_finite_slope_and_a_misleading_reasoner_a_flat_one():
    found = fit_calibration("platt", [-2.0, -1.0, 1.0, 2.0], [False, False, True, True])
    # Platt's targets are 3/4 and 1/4: log-odds of about ±1.1 at margins of about ±1.5.
    assert 0.5 < found.slope < 1.2
    margins, outcomes = drawn(offset=0.0)
    assert fit_calibration("platt", -margins, outcomes).slope == 0


def test_isotonic_by_hand_and_ascending():
    # Frequencies 0, 1, 0, 1: the middle two break the order and are pooled to 1/2.
    found = fit_calibration("isotonic", [1.0, 2.0, 3.0, 4.0], [False, True, False, True])
    np.testing.assert_allclose(found.apply([0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 9.0]), [0, 0, 0.5, 0.5, 0.5, 0.75, 1])
    margins, outcomes = drawn(500)
    curve = fit_calibration("isotonic", margins, outcomes).apply(np.linspace(-15, 15, 200))
    assert (np.diff(curve) >= 0).all()
    assert curve.min() >= 0
    assert curve.max() <= 1


def test_dropping_the_inner_points_of_level_stretches_changes_nothing():
    margins, outcomes = drawn(300, seed=3)
    found = fit_calibration("isotonic", margins, outcomes)
    values = found.apply(margins)
    order = np.argsort(margins)
    # Naive twin: pool adjacent violators on the sorted outcomes.
    blocks: list[list[float]] = []
    for outcome in outcomes[order].astype(float):
        blocks.append([outcome, 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            value, size = blocks.pop()
            last = blocks[-1]
            blocks[-1] = [(last[0] * last[1] + value * size) / (last[1] + size), last[1] + size]
    np.testing.assert_allclose(values[order], np.repeat([b[0] for b in blocks], [int(b[1]) for b in blocks]))
    assert len(found.seen) < 100


def test_the_choice_is_judged_on_other_groups_and_prefers_the_true_form():
    margins, outcomes = drawn(3000)
    groups = np.arange(3000) // 10
    found, scores = choose_calibration(margins, outcomes, groups)
    assert found.method in ("platt", "isotonic")
    assert scores["platt"] < scores["temperature"]
    bent = np.random.default_rng(0).random(3000) < np.where(margins > 0, 0.6, 0.1)
    assert choose_calibration(margins, bent, groups)[0].method == "isotonic"


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_stored_calibration_says_the_same(method):
    found = fit_calibration(method, *drawn(200))
    again = Calibration.read(json.loads(json.dumps(found.stored())))
    assert again == found
    np.testing.assert_array_equal(again.apply([-3.0, 0.3]), found.apply([-3.0, 0.3]))
    assert np.isnan(found.apply(np.nan))


def test_bad_input_is_refused():
    with pytest.raises(ReIDError, match="margin 1"):
        fit_calibration("platt", [0.0, np.nan], [True, False])
    with pytest.raises(ReIDError, match="two persons"):
        fit_calibration("platt", [0.0, 1.0], [True, True])
    with pytest.raises(ReIDError, match="not a stored calibration"):
        Calibration.read({"method": "platt", "inclination": 1})
    with pytest.raises(ReIDError, match="ascend"):
        Calibration("isotonic", seen=(2.0, 1.0), became=(0.1, 0.2))


def test_fused_into_the_whole_list_by_hand():
    ranked = RankedList(("q",), ("a", "b", "c"), np.array([[0, 1, 2]]), np.array([[0.2, 0.4, 0.6]]))
    # a: 0.5·0.2 + 0.5·2·0.8 = 0.9, behind the unscored c; b: 0.5·0.4 + 0.5·2·0.1 = 0.3.
    found = fuse_whole(ranked, np.array([[0.2, 0.9]]), 0.5)
    assert found.indices.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(found.distances, [[0.3, 0.6, 0.9]])
    # On a scale of 1, as k-reciprocal's distances: a 0.5·0.2 + 0.5·0.8 = 0.5, b 0.5·0.4 + 0.5·0.1 = 0.25.
    found = fuse_whole(ranked, np.array([[0.2, 0.9]]), 0.5, scale=1.0)
    np.testing.assert_allclose(found.distances, [[0.25, 0.5, 0.6]])
    assert fuse_whole(ranked, np.array([[0.2, 0.9]]), 0.0).indices.tolist() == [[0, 1, 2]]


def test_logistic_regression_stands_at_its_optimum():
    random = np.random.default_rng(0)
    features = random.normal(3, 2, (400, 3))
    features[:, 2] = 5.0  # constant
    outcomes = random.random(400) < sigmoid(features[:, 0] - 3)
    found = fit_logistic(features, outcomes, decay=0.01)
    assert found.weights[2] == 0
    assert found.weights[0] > 1 > abs(found.weights[1])

    def loss(weights, bias):
        scaled = (features - found.mean) / found.scale
        odds = scaled @ weights + bias
        return np.mean(np.log1p(np.exp(odds)) - outcomes * odds) + 0.005 * np.sum(np.square(weights))

    best = loss(np.array(found.weights), found.bias)
    for step in random.normal(0, 0.05, (50, 4)):
        assert loss(np.array(found.weights) + step[:3] * [1, 1, 0], found.bias + step[3]) > best - 1e-9


def test_fused_probabilities_are_calibrated_on_other_people_and_rank_better():
    fitted = fit_logistic_fusion(*listed(seed=0))
    ranked, margins, truth = listed(seed=1)
    fused = fitted.probabilities(ranked, margins)
    assert abs(fused.mean() - truth.mean()) < 0.03
    sure = fused > 0.8
    assert truth[sure].mean() > 0.8
    retriever = fitted.probabilities(ranked, np.full_like(margins, np.nan))
    assert abs(retriever.mean() - truth.mean()) < 0.03
    brier = [((p - truth) ** 2).mean() for p in (fused, retriever)]
    assert brier[0] < brier[1]
    again = rank_by_probability(ranked, fused)
    before = truth[:, :3].mean()
    column = {(q, i): c for q in range(len(ranked)) for c, i in enumerate(ranked.indices[q, :10].tolist())}
    after = np.mean([truth[q, column[q, i]] for q in range(len(ranked)) for i in again.indices[q, :3].tolist()])
    assert after > before
    np.testing.assert_array_equal(again.indices[:, 10:], ranked.indices[:, 10:])
    np.testing.assert_allclose(probabilities_for_threshold(ranked, fused).distances[:, 0], 1 - fused.max(axis=1))


def test_asked_and_unasked_candidates_stand_beside_each_other_and_padding_stays_empty():
    fitted = fit_logistic_fusion(*listed(seed=0))
    ranked, margins, _ = listed(seed=2)
    margins[:, 1::2] = np.nan
    padded = RankedList(ranked.query_ids, ranked.gallery_ids, *(each.copy() for each in (ranked.indices,
                        ranked.distances)))  # fmt: skip
    found = fitted.probabilities(padded, margins)
    assert np.isfinite(found).all()
    short = ranked.indices.copy(), ranked.distances.copy()
    short[0][0, 20:], short[1][0, 20:] = -1, np.inf
    found = fitted.probabilities(RankedList(ranked.query_ids, ranked.gallery_ids, *short), np.full((60, 25), np.nan))
    assert np.isnan(found[0, 20:]).all()
    assert np.isfinite(found[0, :20]).all()
    assert np.isfinite(found[1:]).all()


def test_a_stored_fusion_says_the_same():
    fitted = fit_logistic_fusion(*listed(seed=0))
    assert LogisticFusion.read(json.loads(json.dumps(fitted.stored()))) == fitted
    with pytest.raises(ReIDError, match="not a stored fusion"):
        LogisticFusion.read({"asked": None})


def people_of(ranked):
    return [f"person {number // 2}" for number in range(len(ranked))]


def first_and_precision(order, truth):
    """(mAP, Rank-1) of one ordering per query, counted one by one."""
    values, firsts = [], []
    for row, places in enumerate(order):
        hits = [bool(truth[row, place]) for place in places]
        if any(hits):
            values.append(np.mean([sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]))
            firsts.append(hits[0])
    return np.mean(values), np.mean(firsts)


def test_fusions_are_compared_on_people_that_they_were_not_chosen_on(monkeypatch):
    """A plain loop over one drawing of the folds, with a fusion of its own for every fold."""
    ranked, margins, truth = listed(queries=40, seed=3)
    scores, people = sigmoid(margins), people_of(ranked)
    names = sorted(set(people))
    parts = np.random.default_rng(0).permutation(len(names)) % 4
    weighted, fitted = {}, {}
    for part in range(4):
        known = [row for row, person in enumerate(people) if parts[names.index(person)] != part]
        own = [row for row in range(40) if row not in known]
        assert not {people[row] for row in known} & {people[row] for row in own}
        lists = RankedList(tuple(f"q{row}" for row in known), ranked.gallery_ids, ranked.indices[known],
                           ranked.distances[known])  # fmt: skip
        weight = choose_weight(lists, scores[known], truth[known]).weight
        model = fit_logistic_fusion(lists, margins[known], truth[known])
        for row in own:
            alone = RankedList(("q",), ranked.gallery_ids, ranked.indices[[row]], ranked.distances[[row]])
            distances = (1 - weight) * ranked.distances[row, :10] + 2 * weight * (1 - scores[row])
            weighted[row] = np.argsort(distances)
            fitted[row] = np.argsort(-model.probabilities(alone, margins[[row]])[0])
    monkeypatch.setattr("reidr.fusion.fusion_choice.DRAWS", 1)
    found = choose_fusion(ranked, scores, truth, people, folds=4)
    for name, order in (("weighted", weighted), ("fitted", fitted)):
        assert found.tried[name] == pytest.approx(first_and_precision([order[row] for row in range(40)], truth))
    assert found.fusion == max(found.tried, key=lambda name: found.tried[name][0])


def test_the_weight_is_kept_among_equals_and_few_people_are_refused():
    ranked, _, truth = listed(seed=4)
    known = choose_fusion(ranked, np.where(truth, 0.99, 0.01), truth, people_of(ranked))
    assert known.tried["weighted"] == known.tried["fitted"] == (1.0, 1.0)
    assert known.fusion == "weighted"
    with pytest.raises(ReIDError, match="60 queries of 2 people"):
        choose_fusion(ranked, np.where(truth, 0.9, 0.1), truth, ["one"] * 30 + ["two"] * 30)


def test_glances_count_where_they_know_more_than_the_margin():
    ranked, margins, truth = listed(seed=5)
    random = np.random.default_rng(6)
    vision_similarities = np.stack([np.where(truth, 0.9, 0.1) + random.normal(0, 0.05, truth.shape)] * 3, axis=-1)
    known = choose_fusion(ranked, sigmoid(margins), truth, people_of(ranked), vision_similarities)
    assert known.fusion == "fitted"
    assert known.tried["fitted"][0] > known.tried["weighted"][0] + 0.02
