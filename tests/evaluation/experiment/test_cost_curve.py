"""Adaptive asking: exact against a whole ranking, by hand on a small list, and cheaper where doubt is uneven."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.evaluation.experiment.cost_curve import Study, adaptive_curve, fixed_curve, follow
from reidr.evaluation.experiment.policy_choice import choose_policies
from reidr.evaluation.metrics.ranking import evaluate_ranking
from reidr.fusion.ask_policy import NEVER, Policy, asked_pairs, entropy, explain
from reidr.fusion.weighted import fuse
from reidr.retrieval.ranked_list import RankedList

M = 10


def whole(seed: int, queries: int = 80, gallery: int = 60):
    """Half the queries are easy (their match stands alone), half have look-alikes; every query has three matches."""
    random = np.random.default_rng(seed)
    persons = [str(place % 20) for place in range(gallery)]
    asked_for = [str(place % 20) for place in range(queries)]
    match = np.array(asked_for)[:, None] == np.array(persons)[None, :]
    distances = 1.2 + 0.05 * random.normal(size=match.shape)
    hard = (np.arange(queries) % 2 == 1)[:, None]
    distances -= np.where(match, np.where(hard, 0.1, 0.6), 0.0)
    order = np.argsort(distances, axis=1, kind="stable")
    ranked = RankedList(
        tuple(f"q{i}" for i in range(queries)),
        tuple(f"g{i}" for i in range(gallery)),
        order,
        np.take_along_axis(distances, order, axis=1),
    )
    truth = np.take_along_axis(match, order, axis=1)[:, :M]
    scores = np.where(truth, 0.9, 0.1) + random.uniform(-0.09, 0.09, truth.shape)
    return distances, asked_for, persons, ranked, scores, truth


def study_of(seed: int, **changes) -> tuple[Study, tuple]:
    distances, asked_for, persons, ranked, scores, truth = whole(seed)
    base = evaluate_ranking(distances, asked_for, persons, None, None)
    return Study(ranked, scores, truth, base, weight=0.5, **changes), (distances, asked_for, persons)


def test_measured_points_are_those_of_the_whole_ranking() -> None:
    study, (distances, asked_for, persons) = study_of(0)
    random = np.random.default_rng(0)
    for share in (0.0, 0.3, 1.0):
        asked = random.random(study.scores.shape) < share
        again = fuse(study.ranked, np.where(asked, study.scores, np.nan), 0.5)
        exact = evaluate_ranking(distances, asked_for, persons, None, None, reranked=again)
        point = study.measure("", asked)
        assert point.mean_average_precision == pytest.approx(exact.mean_average_precision)
        assert point.rank1 == pytest.approx(exact.rank(1))
        assert point.calls == pytest.approx(asked.sum() / len(asked))
        assert point.asked == pytest.approx(asked.any(axis=1).mean())


def test_asking_nothing_is_the_retriever_and_asking_all_the_end_of_the_fixed_curve() -> None:
    study, _ = study_of(1)
    points = fixed_curve(study)
    assert [point.calls for point in points] == list(range(M + 1))
    assert points[0].mean_average_precision == pytest.approx(study.base.mean_average_precision)
    assert points[0].rank1 == pytest.approx(study.base.rank(1))
    everything = Policy(1e9, M)
    assert adaptive_curve(study, [everything])[0].rank1 == points[-1].rank1
    assert follow(study, everything)[0].all()


def test_who_is_asked_by_hand() -> None:
    # Gaps behind the nearest: 0.5, 2, 9; 3, 3.5, 4; 0.1, 0.2, 0.3.
    near = np.array([[-5.0, -4.5, -3.0, 4.0], [-5.0, -2.0, -1.5, -1.0], [-4.0, -3.9, -3.8, -3.7]])
    scores = np.array([[0.2, 0.95, 0.1], [0.9, 0.1, 0.1], [0.97, 0.1, 0.2]])
    assert asked_pairs(Policy(2.0, 3), near, scores).tolist() == [[True] * 3, [False] * 3, [True] * 3]
    assert asked_pairs(Policy(2.0, 2), near, scores).tolist() == [[True, True, False], [False] * 3, [True, True, False]]
    # Stopping at 0.9: the first query stops after its second candidate, the third after its first.
    assert asked_pairs(Policy(2.0, 3, sure=0.9), near, scores).tolist() == [
        [True, True, False],
        [False] * 3,
        [True, False, False],
    ]
    # Clear at -3.9: the first query's two nearest and the third's two are taken without asking.
    assert asked_pairs(Policy(2.0, 3, clear=-3.9), near, scores).tolist() == [
        [False, False, True],
        [False] * 3,
        [False, False, True],
    ]
    assert asked_pairs(Policy(1.0, 3), near, np.full((3, 3), np.nan)).sum() == 0


def test_a_program_can_follow_without_knowing_scores() -> None:
    study, _ = study_of(2)
    for policy in (Policy(2.0, 5), Policy(4.0, 3, clear=-4.0)):
        asked, _ = follow(study, policy)
        np.testing.assert_array_equal(asked, policy.candidates(study.ranked, M))
        assert 0 < asked.sum() < asked.size


def test_entropy_in_bits() -> None:
    np.testing.assert_allclose(entropy([0.0, 0.5, 1.0, 0.25]), [0, 1, 0, 2 - 0.75 * np.log2(3)])
    assert np.isnan(entropy(np.nan))


def test_thoughts_replace_doubtful_scores_and_cost_their_price() -> None:
    study, _ = study_of(0)
    doubtful = np.where(np.arange(M) < 2, 0.5, study.scores)
    thoughtful = Study(
        study.ranked, doubtful, study.truth, study.base, 0.5, thoughts=study.truth.astype(float), thought_costs=10.0
    )
    without = adaptive_curve(thoughtful, [Policy(1e9, M)])[0]
    found = adaptive_curve(thoughtful, [Policy(1e9, M, doubtful=0.99)])[0]
    assert found.thoughts == 2
    assert found.calls == M + 20
    assert found.mean_average_precision > without.mean_average_precision
    assert without.thoughts == 0


def test_a_policy_chosen_on_one_half_keeps_the_gain_for_half_of_the_calls_on_the_other() -> None:
    training, _ = study_of(3)
    test, _ = study_of(4)
    ((_, policy),) = choose_policies(training, (0.5 * M,))
    point = adaptive_curve(test, [policy])[0]
    fixed = fixed_curve(test)
    base, full = fixed[0], fixed[-1]
    assert full.mean_average_precision > base.mean_average_precision + 0.02
    wanted = base.mean_average_precision + 0.9 * (full.mean_average_precision - base.mean_average_precision)
    assert point.mean_average_precision >= wanted
    # Half the queries need no call at all, and most of the others all ten: at best half of the calls go.
    assert point.calls < 0.5 * M
    assert point.asked < 0.6
    assert point.calls < min(each.calls for each in fixed if each.mean_average_precision >= wanted)


def test_budgets_are_kept_and_more_never_brings_less_where_it_was_chosen() -> None:
    study, _ = study_of(5)
    chosen = choose_policies(study, (0, 1, 2, 5, 10))
    points = [adaptive_curve(study, [policy])[0] for _, policy in chosen]
    for (budget, _), point in zip(chosen, points, strict=True):
        assert point.calls <= budget + 1e-9
    gains = [point.mean_average_precision + point.rank1 for point in points]
    assert gains == sorted(gains)
    assert gains[-1] > gains[0]


def test_where_asking_brings_nothing_nothing_is_asked() -> None:
    study, _ = study_of(6)
    useless = Study(study.ranked, 1.0 - study.scores, study.truth, study.base, 0.5)
    assert [policy.most for _, policy in choose_policies(useless, (1, M))] == [0, 0]


def test_a_stored_policy_is_the_same_and_nonsense_is_refused() -> None:
    policy = Policy(1.5, 7, 0.9, NEVER, -2.5, 6, 30)
    assert Policy.read(json.loads(json.dumps(policy.stored()))) == policy
    with pytest.raises(ReIDError, match="not a stored policy"):
        Policy.read({"width": 1})
    with pytest.raises(ReIDError, match="at least 0"):
        Policy(float("nan"), 3)


def test_shapes_and_foreign_rerankings_are_refused() -> None:
    study, _ = study_of(0)
    with pytest.raises(ReIDError, match="equal"):
        Study(study.ranked, study.scores, study.truth[:, 1:], study.base)
    broken = Study(study.ranked, study.scores, study.truth, study.base, rerank=lambda r, p: RankedList(
        r.query_ids, r.gallery_ids, r.indices[:, ::-1], r.distances))  # fmt: skip
    with pytest.raises(ReIDError, match="permute"):
        fixed_curve(broken)


def test_the_sentences_say_why() -> None:
    near = np.array([-5.0, -2.0, -1.0])  # gaps 3 and 4
    none, two = np.zeros(3, dtype=bool), np.array([True, True, False])
    assert "the next candidate lies 3.0 standard deviations behind" in explain(Policy(2.0, 5), near, none)
    said = explain(Policy(3.5, 5), near, two)
    assert said == "Asked about 2: 2 candidates lie within 3.5 standard deviations of the nearest."
    assert "at most 2 are asked" in explain(Policy(9.0, 2), near, two)
    assert "one scored 0.9 or more" in explain(Policy(9.0, 5, sure=0.9), near, two)
    assert "1 of them clearly near" in explain(Policy(9.0, 5, clear=-5.0), near, np.array([False, True, True]))
    assert "stand clear" in explain(Policy(3.5, 5, clear=-2.0), near, none)
    assert "1 with reasons" in explain(Policy(3.5, 5), near, two, thought=1)
    assert "asks about nobody" in explain(Policy(0.0, 0), near, none)


def test_only_candidates_whose_predicted_score_leaves_a_doubt_are_asked() -> None:
    near = np.array([[0.0, 0.5, 1.0, 1.5]])
    scores, guess = np.full((1, 4), 0.5), np.array([[0.99, 0.6, np.nan, 0.4]])
    assert asked_pairs(Policy(9.0, 4, unsure=0.9), near, scores, guess).tolist() == [[False, True, False, True]]
    assert asked_pairs(Policy(9.0, 1, unsure=0.9), near, scores, guess).tolist() == [[False, True, False, False]]
    # Nothing expected: nothing left out.
    assert asked_pairs(Policy(9.0, 4, unsure=0.9), near, scores).all()
    assert "predicted" in explain(Policy(9.0, 4, unsure=0.9), near[0], np.zeros(4, dtype=bool))
    assert "the predicted scores of these leave a doubt" in explain(
        Policy(9.0, 4, unsure=0.9), near[0], np.array([False, True, False, True])
    )


def test_a_glance_that_tells_the_easy_pairs_saves_their_calls() -> None:
    """Half of the pairs are told by the glance as by the asking: the same ranking for fewer calls than without it."""
    study, _ = study_of(3)
    easy = np.random.default_rng(0).random(study.scores.shape) < 0.5
    guess = np.where(easy, study.scores, 0.5)

    def rerank(ranked: RankedList, known: np.ndarray) -> RankedList:
        return fuse(ranked, np.where(np.isnan(known), guess, known), 0.5)

    glancing = Study(study.ranked, study.scores, study.truth, study.base, 0.5, rerank, guess)
    half = M / 2
    ((_, policy),) = choose_policies(glancing, [half])
    found, everything = adaptive_curve(glancing, [policy])[0], fixed_curve(study)[-1]
    ((_, blind),) = choose_policies(study, [half])
    assert policy.unsure > 0
    assert found.calls <= half
    assert found.mean_average_precision == pytest.approx(everything.mean_average_precision, abs=2e-3)
    without = adaptive_curve(study, [blind])[0]
    assert without.mean_average_precision <= found.mean_average_precision
    assert found.calls < 0.6 * without.calls
