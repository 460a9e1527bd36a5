"""Every public function says in one sentence which argument is wrong, and takes what is right in every form.

Forms: lists, NumPy arrays and scalars, torch tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reidr import evaluation
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.evaluation import (
    Searches,
    bootstrap_interval,
    brier_score,
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
    searches_of,
    share_of_oracle_gain,
    threshold_at,
)
from reidr.evaluation.experiment.cost_curve import Study
from reidr.evaluation.experiment.outcome import Settings, settings_of
from reidr.evaluation.experiment.policy_choice import choose_policies
from reidr.evaluation.explanations.probe import fit_probe
from reidr.evaluation.metrics import measure_pair_verification, pair_areas, roc_area
from reidr.evaluation.metrics.open_set_scores import choose_score, rescored, thresholds_for
from reidr.fusion.ask_policy import Policy, asked_pairs, entropy
from reidr.fusion.calibration import Calibration, choose_calibration, fit_calibration, margin_of, mean_margin
from reidr.fusion.fusion_choice import choose_fusion
from reidr.fusion.logistic import (
    choose_whole_weight,
    fit_logistic,
    fit_logistic_fusion,
    fuse_whole,
    probabilities_for_threshold,
    rank_by_probability,
)
from reidr.fusion.profile import UNTUNED
from reidr.fusion.score_predictor import ScorePredictor, fit_score_predictor
from reidr.fusion.weighted import choose_weight, fuse, fuse_for_threshold, order_quality
from reidr.retrieval.gallery import Gallery
from reidr.retrieval.ranked_list import RankedList, rank_features
from reidr.retrieval.rerankers.csls import with_csls
from reidr.retrieval.rerankers.k_reciprocal import k_reciprocal, k_reciprocal_of_list
from reidr.retrieval.rerankers.neighbours import nearest_neighbours
from reidr.retrieval.score_normalisation import cohort_normalised, has_z_norm, normalised_distances

Q, G, D = 6, 20, 8
RANDOM = np.random.default_rng(0)
NAN, INF = float("nan"), float("inf")
RAGGED = [[1.0, 2.0], [1.0]]


def unit(rows: int, columns: int = D) -> np.ndarray:
    features = np.random.default_rng(rows * columns).normal(size=(rows, columns))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


QUERY, GALLERY = unit(Q), unit(G)
QUERY_IDS, GALLERY_IDS = tuple(f"q{i}" for i in range(Q)), tuple(f"g{i}" for i in range(G))
WHO, SHOWN = [i % 3 for i in range(Q)], [i % 4 for i in range(G)]
RANKED = rank_features(QUERY, GALLERY, QUERY_IDS, GALLERY_IDS, G)
TRUTH = np.array(SHOWN)[RANKED.indices] == np.array(WHO)[:, None]
SCORES = np.clip(TRUTH[:, :5] * 0.4 + RANDOM.random((Q, 5)) * 0.5, 0, 1)
RESULT = evaluate_features(QUERY, GALLERY, WHO, SHOWN, None, None)
SEARCHES = searches_of(RANKED, [*WHO[:-1], 77], SHOWN)
EYE = np.zeros((G, Q), dtype=bool)  # transposed
MARGINS, OUTCOMES = RANDOM.normal(size=40), RANDOM.random(40) < 0.5


def with_nan(array: np.ndarray) -> np.ndarray:
    array = np.array(array, dtype=np.float64)
    array.flat[-1] = NAN
    return array


ranking = partial(
    evaluate_ranking, distances=1 - QUERY @ GALLERY.T, query_ids=WHO, gallery_ids=SHOWN, query_cameras=None,
    gallery_cameras=None,
)  # fmt: skip
features = partial(
    evaluate_features, query_features=QUERY, gallery_features=GALLERY, query_ids=WHO, gallery_ids=SHOWN,
    query_cameras=None, gallery_cameras=None,
)  # fmt: skip
reciprocal = partial(
    k_reciprocal, query_features=QUERY, gallery_features=GALLERY, query_ids=QUERY_IDS, gallery_ids=GALLERY_IDS, k=5
)
search = partial(rank_features, query=QUERY, gallery=GALLERY, query_ids=QUERY_IDS, gallery_ids=GALLERY_IDS, k=5)
of_list = partial(k_reciprocal_of_list, ranked=RANKED, query_features=QUERY, gallery_features=GALLERY)
interval = partial(bootstrap_interval, values=[0.1, 0.9, 0.4])
paired = partial(paired_bootstrap, ours=[0.1, 0.9], theirs=[0.2, 0.3])
shares = partial(oracle_gain_interval, base=[0.1, 0.2], ours=[0.2, 0.3], oracle=[1.0, 0.5])
curve = partial(reliability_curve, probabilities=[0.1, 0.8], outcomes=[0, 1])
reduce = partial(searches_of, ranked=RANKED, query_ids=[*WHO[:-1], 77], gallery_ids=SHOWN)
scaling = partial(with_csls, ranked=RANKED, gallery=GALLERY, first=3, last=10)
weighted = partial(choose_weight, ranked=RANKED, probabilities=SCORES, truth=TRUTH[:, :5])
fused = partial(choose_fusion, ranked=RANKED, probabilities=SCORES, truth=TRUTH[:, :5], people=[*"aabbcc"])
calibrated = partial(choose_calibration, margins=MARGINS, outcomes=OUTCOMES, groups=[i % 10 for i in range(40)])
judged = partial(
    measure_pair_verification,
    ranked=RANKED,
    probabilities=SCORES,
    truth=TRUTH[:, :5],
    matches=RESULT.matches,
    weight=0.2,
)
areas = partial(pair_areas, scores={"a": SCORES, "b": SCORES}, truth=TRUTH[:, :5], rows=np.arange(Q), base="a")
study = partial(Study, ranked=RANKED, scores=SCORES, truth=TRUTH[:, :5], base=RESULT)
mated = partial(
    Searches, mated=[True, False], enrolled=3, nearest=[1.0, 2.0], match=[1.0, INF], match_rank=[1.0, INF], depth=5,
    listed=[3, 3], known_to=[INF, INF],
)  # fmt: skip

NO_INT = (0, -1, 1.5, "2", None, True, NAN)
NO_COUNT = (-1, 1.5, "2", None, True, NAN)
NO_SHARE = (-0.1, 1.1, NAN, INF, "x", None, [0.5, 0.5])
NO_FEATURES = (None, [], RAGGED, with_nan(QUERY), QUERY * 2, QUERY[0], QUERY[:, :3], QUERY.astype(object), "abc",
               np.zeros((Q, D)), QUERY.astype(complex), QUERY > 0)  # fmt: skip
NO_IDS = (None, "abcdef", 5, [1.5] * Q, [None, NAN, 1, 1, 1, 1], WHO[:-1], [[1]] * Q, [True] * Q, np.array(WHO) / 2)
NO_GROUPS = (["a", None, "b"], ["a", NAN, "b"], [1.0, NAN, 2.0], ["a", "b"], [1, "b", 2], [[1], [2], [3]], "abc", 5,
             [True, False, True])  # fmt: skip
NO_VALUES = ([0.1, NAN, 0.2], [INF, 0, 0], [[0.1], [0.2], [0.3]], [None, 1, 2], ["a", "b", "c"], RAGGED, None)
NO_TRUTHS = (5, [0, 1], [[2, 1]], TRUTH[:, :4], TRUTH[:, :5].T, TRUTH[:, :5] * 7, with_nan(TRUTH[:, :5]), None,
             np.full((Q, 5), "x"))  # fmt: skip
NO_MASK = (EYE, np.zeros((Q, G)), [True], np.zeros((Q, G - 1), dtype=bool), lambda rows: EYE)
NO_RANKED_SHAPE = (SCORES[:, 0], SCORES[:-1], np.zeros((Q, G + 1)), SCORES + 1, SCORES - 1, None, RAGGED, "x")

TABLE: list[tuple[Callable[..., Any], str, tuple[Any, ...], str]] = [
    (ranking, "distances", (None, [], RAGGED, [1.0], np.zeros((G, Q)), with_nan(np.ones((Q, G))), "x",
                            np.ones((Q, G), dtype=object), np.full((Q, G), -INF)), "distance|ids"),
    (ranking, "query_ids", NO_IDS, "person|query ids"),
    (ranking, "gallery_ids", (None, "a", [1.5] * G, SHOWN[:-1], [None] * (G - 1) + [NAN]), "person|gallery ids"),
    (ranking, "maximum_rank", NO_INT, "maximum_rank"),
    (ranking, "ties", ("random", None, 1), "ties"),
    (ranking, "average_precision", ("area", None, 1), "average_precision"),
    (ranking, "junk", ([True], [2] * G, ["x"] * G, [[True]] * G, [NAN] * G), "junk"),
    (ranking, "ignored", NO_MASK, "ignored"),
    (ranking, "clothes", ("both", 1), "clothes"),
    (ranking, "reranked", (RANKED.of_queries(np.arange(2)),), "re-ranked list"),
    (partial(ranking, query_cameras=[1] * Q), "gallery_cameras", ([1], [1.5] * G, "x"), "camera"),
    (partial(ranking, clothes="same", query_outfits=[1] * Q), "gallery_outfits", (None, [1], [1.5] * G), "outfit"),
    (RESULT.rank, "k", (*NO_INT, 51), "rank"),
    (features, "query_features", NO_FEATURES, "query|distance"),
    (features, "gallery_features", NO_FEATURES, "gallery|numbers a row"),
    (features, "block", NO_INT, "block"),
    (features, "ignored", NO_MASK, "ignored"),
    (reciprocal, "query_features", NO_FEATURES, "query"),
    (reciprocal, "gallery_features", NO_FEATURES, "gallery"),
    (reciprocal, "query_ids", (None, "abcdef", QUERY_IDS[:-1], (), 5), "query"),
    (reciprocal, "k", NO_INT, "k "),
    (reciprocal, "k1", NO_INT, "k1"),
    (reciprocal, "k2", NO_INT, "k2"),
    (reciprocal, "weight", NO_SHARE, "weight|lambda"),
    (reciprocal, "excluded", NO_MASK, "excluded"),
    (reciprocal, "memory_limit", (-1, 1.5, "2"), "memory"),
    (of_list, "query_features", NO_FEATURES, "query"),
    (of_list, "gallery_features", NO_FEATURES, "gallery"),
    (of_list, "k1", NO_INT, "k1"),
    (search, "query", NO_FEATURES, "query"),
    (search, "gallery", NO_FEATURES, "gallery"),
    (search, "k", NO_INT, "k "),
    (search, "block", NO_INT, "block"),
    (search, "excluded", NO_MASK, "excluded"),
    (scaling, "gallery", NO_FEATURES, "gallery"),
    (scaling, "junk", ([True], EYE, ["x"] * G), "junk"),
    (scaling, "first", NO_INT, "first|ranks"),
    (scaling, "last", (2, *NO_INT), "last|ranks"),
    (scaling, "block", NO_INT, "block"),
    (partial(nearest_neighbours, QUERY, block=2), "depth", (*NO_INT, Q + 1), "depth"),
    (partial(normalised_distances, RANKED, last=10), "first", NO_INT, "first|ranks"),
    (partial(has_z_norm, RANKED, last=10), "first", NO_INT, "first|ranks"),
    (partial(cohort_normalised, RANKED), "cohort", (None, RAGGED, np.ones((Q, 9)), np.zeros((9, Q)), "x",
                                                    with_nan(np.ones((Q, 9)))), "cohort"),
    (RANKED.top, "k", NO_COUNT, "k "),
    (RANKED.of_queries, "rows", ([Q], [-1], [0.5], None, [[0]], "x", [True]), "rows"),
    (partial(RANKED.reordered, step="s"), "distances", (None, RAGGED, SCORES[0], with_nan(SCORES), np.zeros((Q, G + 1)),
                                                        "x"), "distance"),
    (partial(RankedList, ("q",), ("a", "b"), distances=[[0.1, 0.2]]), "indices",
     ([[0.5, 1.0]], [[0, NAN]], [[True, False]], [[0, 2]], [[0, -2]], [0, 1], RAGGED, None, "x"), "ind(ices|ex)"),
    (partial(RankedList, ("q",), ("a", "b"), [[0, 1]], [[0.1, 0.2]]), "local",
     ([[0.1]], [[0.1, NAN]], [["a", "b"]]), "local"),
    (interval, "values", NO_VALUES, "values"),
    (interval, "groups", NO_GROUPS, "groups"),
    (interval, "draws", NO_INT, "draws"),
    (interval, "seed", NO_COUNT, "seed"),
    (interval, "level", (0, 1, -0.1, 1.5, NAN, "x", None, True), "level"),
    (paired, "ours", (*NO_VALUES, [1.0]), "ours|queries"),
    (paired, "theirs", (*NO_VALUES, [1.0]), "theirs|queries"),
    (paired, "draws", NO_INT, "draws"),
    (paired, "groups", (["a", None], ["a"]), "groups"),
    (shares, "oracle", (*NO_VALUES, [1.0]), "oracle|queries"),
    (curve, "probabilities", ([0.1, 1.5], [NAN, 1], [0.1], [], RAGGED, None, ["a", "b"]), "probabilit"),
    (curve, "outcomes", ([0, 2], [0, NAN], [1], ["x", "y"], [None, 1]), "outcomes"),
    (curve, "bins", NO_INT, "bin"),
    (curve, "binning", ("equal", None), "binning"),
    (partial(brier_score, [0.1, 0.8]), "outcomes", ([0, 2], [0, NAN]), "outcomes"),
    (partial(expected_calibration_error, outcomes=[0, 1]), "probabilities", ([0.1, -1], [0.1, NAN]), "probability"),
    (partial(risk_coverage, [0.1, 0.9]), "correct", ([7, 1], [NAN, 1], [1], [None, 1], ["a", "b"]), "correct"),
    (partial(risk_coverage, correct=[0, 1]), "confidence", ([NAN, 1], [1], [None, 1], [[1, 2]], []), "confidence"),
    (partial(share_of_oracle_gain, 0.5, 0.6), "oracle", (0.4, NAN, "x", None, [1.0, 1.0]), "oracle"),
    (partial(oracle_at_k, RANKED), "is_match", (None, TRUTH.T, TRUTH[:, :5] * 3, RAGGED, "x"), "is_match"),
    (reduce, "query_ids", NO_IDS, "person"),
    (reduce, "gallery_ids", (None, SHOWN[:-1], [1.5] * G), "person"),
    (reduce, "mated", ([True], [2] * Q, [NAN] * Q, [True] * Q), "mated"),
    (reduce, "junk", ([True], [2] * G, ["x"] * G), "junk"),
    (mated, "mated", ([True, True], [0, 2], None, [[True]]), "mated"),
    (mated, "nearest", ([1.0], [NAN, 1.0], None, "x"), "nearest"),
    (partial(open_set_errors, SEARCHES), "threshold", (NAN, "x", None, [1, 2]), "threshold"),
    (partial(open_set_errors, SEARCHES, 1.0), "rank", (*NO_INT, G + 1), "rank"),
    (partial(open_set_curve, SEARCHES), "rank", (*NO_INT, G + 1), "rank"),
    (partial(threshold_at, SEARCHES), "false_positive", (-0.1, 1.1, NAN, "x", None), "FPIR|false_positive"),
    (partial(thresholds_for, SEARCHES), "wanted", ([2.0], [NAN], ["x"]), "wanted"),
    (partial(choose_score, {"a": SEARCHES}), "wanted", (2.0, NAN, "x"), "FPIR|false_positive"),
    (partial(rescored, RANKED, name="s"), "scores", (None, RAGGED, SCORES[0], with_nan(SCORES), SCORES.T), "score"),
    (partial(roc_area, [0.1, 0.2]), "truth", ([0, 2], [1], ["a", "b"], [True, True]), "truth|pairs"),
    (partial(roc_area, truth=[True, False]), "scores", ([NAN, 1], [1], None, RAGGED), "scores|truth"),
    (judged, "truth", NO_TRUTHS, "truth"),
    (judged, "probabilities", NO_RANKED_SHAPE, "probabilit|truth"),
    (judged, "weight", NO_SHARE, "weight"),
    (judged, "people", (["a"], [[1]] * Q), "people"),
    (judged, "matches", ([1], [NAN] * Q, None), "matches"),
    (areas, "scores", ({"a": SCORES.T}, {"a": None}, {"b": SCORES}), "a|base"),
    (areas, "truth", NO_TRUTHS[2:], "truth|a must"),
    (study, "scores", (None, SCORES[0], SCORES[:-1], RAGGED), "scores"),
    (study, "truth", NO_TRUTHS[2:], "truth"),
    (study, "thought_costs", (-1, NAN, "x"), "thought_costs"),
    (partial(Policy, most=3), "band", (-1, NAN, "x", None), "band"),
    (partial(Policy, 1.0), "most", NO_COUNT, "most"),
    (partial(Policy, 1.0, 3), "first", NO_INT, "first"),
    (partial(choose_policies, study()), "budgets", ([-1.0], [NAN], ["x"]), "budget"),
    (entropy, "probabilities", ([1.5], [-0.1], ["x"], None), "probabilit"),
    (partial(asked_pairs, Policy(1.0, 3), RANKED.distances), "scores", (SCORES[0], SCORES.T, None), "scores"),
    (partial(Settings), "k", NO_INT, "k "),
    (partial(Settings), "queries", (0, -1, 1.5), "queries"),
    (partial(settings_of, UNTUNED), "weight", NO_SHARE[:-2], "weight"),
    (partial(Settings), "average_precision", ("area",), "average_precision"),
    (partial(fit_probe, QUERY), "values", (["a"], [["a"]] * Q, []), "values"),
    (partial(fit_probe, values=["a"] * Q), "features", (with_nan(QUERY), RAGGED, None, QUERY[0]), "features"),
    (partial(fit_probe, QUERY, ["a"] * Q), "steps", NO_INT, "steps"),
    (partial(fuse, RANKED, weight=0.5), "probabilities", NO_RANKED_SHAPE, "probabilit"),
    (partial(fuse, RANKED, SCORES), "weight", NO_SHARE, "weight"),
    (partial(fuse_for_threshold, RANKED, SCORES), "weight", NO_SHARE, "weight"),
    (weighted, "truth", NO_TRUTHS, "truth"),
    (weighted, "weights", ([], None, [2.0], [NAN], 0.5), "weight"),
    (partial(order_quality, SCORES), "truth", (*NO_TRUTHS, np.zeros((Q, 5), dtype=bool)), "truth|match"),
    (partial(order_quality, truth=TRUTH[:, :5]), "distances", (None, with_nan(SCORES), RAGGED), "distances"),
    (partial(fuse_whole, RANKED, SCORES, 0.5), "scale", (0, -1, NAN, "x", None), "scale"),
    (partial(choose_whole_weight, RANKED, SCORES), "truth", (*NO_TRUTHS, TRUTH[:, :5]), "truth"),
    (partial(fit_logistic, QUERY), "outcomes", ([1], [2] * Q, [True] * Q), "outcomes|candidates"),
    (partial(fit_logistic, outcomes=[0, 1] * 3), "features", (with_nan(QUERY), RAGGED, QUERY[0]), "features"),
    (partial(fit_logistic_fusion, RANKED, margin_of(SCORES), first=3, last=10), "truth", NO_TRUTHS, "truth"),
    (partial(fit_logistic_fusion, RANKED, truth=TRUTH[:, :5], first=3, last=10), "margins",
     (None, RAGGED, SCORES.T, SCORES[0]), "margins"),
    (fused, "people", (["a"] * Q, [*"aabbc", None], [*"abc"], None), "people"),
    (fused, "folds", NO_INT, "folds"),
    (partial(rank_by_probability, RANKED), "probabilities", NO_RANKED_SHAPE, "probabilit"),
    (partial(probabilities_for_threshold, RANKED), "probabilities", NO_RANKED_SHAPE, "probabilit"),
    (margin_of, "probabilities", ([1.5], [-0.1], None, "x", RAGGED), "probabilit"),
    (mean_margin, "logits", (None, [1.0], np.zeros((2, 3)), RAGGED), "logits"),
    (partial(fit_calibration, margins=MARGINS, outcomes=OUTCOMES), "method", ("beta", None), "method"),
    (partial(fit_calibration, "platt", outcomes=OUTCOMES), "margins", (None, with_nan(MARGINS), MARGINS[1:], RAGGED),
     "margin"),
    (partial(fit_calibration, "platt", MARGINS), "outcomes", (None, OUTCOMES * 2, np.full(40, NAN), ["x"] * 40,
                                                              np.ones(40)), "outcomes|pairs"),
    (calibrated, "groups", (["a"] * 39, [None] * 40, ["a"] * 40), "group"),
    (calibrated, "folds", NO_INT, "folds"),
    (calibrated, "seed", NO_COUNT, "seed"),
    (partial(Calibration, "platt"), "slope", (-1, NAN, "x", None), "slope"),
    (Calibration("platt").apply, "margins", (None, RAGGED, ["x"]), "margins"),
    (partial(ScorePredictor((1.0, 1.0, 1.0), 0.0, 3, 10).guess, RANKED), "m", (-1, G + 1, 1.5, None), "m "),
    (partial(ScorePredictor((1.0, 1.0, 1.0), 0.0, 3, 10).fill, RANKED), "probabilities",
     (None, SCORES[0], np.zeros((Q, G + 1)), RAGGED), "probabilit"),
    (partial(fit_score_predictor, RANKED, first=3, last=10), "probabilities", (None, SCORES[0], SCORES + 1),
     "probabilit|margins"),
]  # fmt: skip


def cases() -> list[Any]:
    return [
        pytest.param(call, argument, value, words, id=f"{getattr(call, 'func', call).__qualname__}-{argument}-{place}")
        for call, argument, values, words in TABLE
        for place, value in enumerate(values)
    ]


@pytest.mark.parametrize(("call", "argument", "value", "words"), cases())
def test_a_bad_argument_is_named_in_one_sentence(call: Any, argument: str, value: Any, words: str) -> None:
    with pytest.raises(ReIDError, match=words) as caught:
        call(**{argument: value})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_every_public_function_is_in_the_table() -> None:
    tried = {getattr(call, "func", call).__name__ for call, *_ in TABLE}
    missing = {name for name in evaluation.__all__ if callable(getattr(evaluation, name))} - tried
    results = {"OpenSetErrors", "RankingResult", "ReliabilityCurve", "RiskCoverage"}  # never given
    assert missing == {*results, "evaluate"}  # `evaluate` needs a trial: see test_stands_alone.py


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda array: array.tolist(),
    "list of rows": lambda array: list(array),
    "float64": lambda array: array.astype(np.float64),
    "tensor": torch.from_numpy,
    "with a gradient": lambda array: torch.from_numpy(array).requires_grad_(),
    "list of tensors": lambda array: [torch.tensor(row, requires_grad=True) for row in array],
    "column order": np.asfortranarray,
}


@pytest.mark.parametrize("form", FORMS)
def test_features_and_distances_are_taken_in_every_form(form: str) -> None:
    give = FORMS[form]
    expected = features()
    found = features(query_features=give(QUERY), gallery_features=give(GALLERY))
    np.testing.assert_array_equal(found.average_precision, expected.average_precision)
    distances = 1 - QUERY @ GALLERY.T
    np.testing.assert_array_equal(ranking(distances=give(distances)).average_precision, ranking().average_precision)
    listed = search(query=give(QUERY), gallery=give(GALLERY))
    np.testing.assert_array_equal(listed.indices, search().indices)
    again = reciprocal(query_features=give(QUERY), gallery_features=give(GALLERY))
    np.testing.assert_allclose(again.distances, reciprocal().distances, atol=1e-6)


def test_bfloat16_counts_as_the_single_precision_numbers_it_stands_for() -> None:
    # Multiples of 1/2: exact in bfloat16, rows of length 1.
    rows = np.array([[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5], [0.5, 0.5, -0.5, -0.5]], dtype=np.float32)
    low = torch.from_numpy(rows).to(torch.bfloat16).requires_grad_()
    expected = evaluate_features(rows, rows, [1, 2, 3], [1, 2, 2], None, None, ties="expected")
    found = evaluate_features(low, low, [1, 2, 3], torch.tensor([1, 2, 2]), None, None, ties="expected")
    np.testing.assert_array_equal(found.average_precision, expected.average_precision)
    distances = torch.tensor([[0.5, 0.25, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    assert evaluate_ranking(distances, [1], [1, 2, 2], None, None).mean_average_precision == 0.5


@pytest.mark.parametrize(
    "ids",
    [WHO, np.array(WHO), np.array(WHO, dtype=np.int8), torch.tensor(WHO), tuple(WHO), [np.int64(who) for who in WHO]],
)
def test_ids_are_taken_in_every_form(ids: Any) -> None:
    np.testing.assert_array_equal(features(query_ids=ids).average_precision, features().average_precision)
    text = features(query_ids=[str(int(who)) for who in ids], gallery_ids=np.array(SHOWN).astype(str))
    np.testing.assert_array_equal(text.average_precision, features().average_precision)


NO_LIST = (None, "x", 5, [1], SEARCHES, RANKED.distances)
TAKES_A_LIST: list[Callable[[Any], Any]] = [
    lambda ranked: searches_of(ranked, WHO, SHOWN),
    lambda ranked: oracle_at_k(ranked, TRUTH[:, :5]),
    lambda ranked: k_reciprocal_of_list(ranked, QUERY, GALLERY),
    lambda ranked: with_csls(ranked, GALLERY, first=3, last=10),
    lambda ranked: normalised_distances(ranked, last=10),
    lambda ranked: has_z_norm(ranked, last=10),
    lambda ranked: cohort_normalised(ranked, np.ones((Q, 9))),
    lambda ranked: rescored(ranked, SCORES, "s"),
    lambda ranked: fuse(ranked, SCORES, 0.5),
    lambda ranked: fuse_for_threshold(ranked, SCORES, 0.5),
    lambda ranked: rank_by_probability(ranked, SCORES),
    lambda ranked: ranking(reranked=ranked) if ranked is not None else ranking(distances=None),
]


@pytest.mark.parametrize("place", range(len(TAKES_A_LIST)))
@pytest.mark.parametrize("value", NO_LIST, ids=lambda value: type(value).__name__)
def test_what_is_no_ranked_list_is_refused(place: int, value: Any) -> None:
    with pytest.raises(ReIDError, match=r"must be a RankedList, not|distances must be"):
        TAKES_A_LIST[place](value)


@pytest.mark.parametrize("call", [partial(open_set_errors, threshold=1.0), partial(threshold_at, false_positive=0.1),
                                  open_set_curve])  # fmt: skip
def test_what_is_no_searches_is_refused(call: Any) -> None:
    for value in (None, "x", RANKED):
        with pytest.raises(ReIDError, match="searches must be a Searches, not"):
            call(value)


def test_deeply_nested_tensors_are_numbers() -> None:
    distances = 1 - QUERY @ GALLERY.T
    for give in (torch.tensor, lambda number: torch.tensor(number, requires_grad=True)):
        nested = [[give(number) for number in row] for row in distances]
        np.testing.assert_array_equal(ranking(distances=nested).average_precision, ranking().average_precision)
    low = [[torch.tensor(number, dtype=torch.bfloat16) for number in (0.5, 0.25, 1.0)]]
    assert evaluate_ranking(low, [1], [1, 2, 2], None, None).mean_average_precision == 0.5


def test_a_number_may_carry_a_gradient(recwarn: pytest.WarningsRecorder) -> None:
    numbers = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.5, 0.6, 0.7)]
    assert share_of_oracle_gain(*numbers) == share_of_oracle_gain(0.5, 0.6, 0.7)
    assert not recwarn.list


def test_large_whole_numbers_are_kept_apart() -> None:
    # As floats 2**53 and 2**53 + 1 are one number, so two persons would be drawn as one.
    values = [0.1, 0.5, 0.9]
    wanted = interval(values=values, groups=["a", "b", "c"])
    assert interval(values=values, groups=[1.0, 2**53, 2**53 + 1]) == wanted
    assert interval(values=values, groups=[-1, 2**63, 2**63 + 1]) == wanted
    risk = risk_coverage(np.array([2**60, 2**60 + 1, 2**60 + 2]), [0, 1, 1]).risk
    np.testing.assert_allclose(risk, [0, 0, 1 / 3])


def test_truths_in_a_column_of_objects_are_truths() -> None:
    assert brier_score([0.1, 0.8], np.array([False, True], dtype=object)) == brier_score([0.1, 0.8], [0, 1])
    with pytest.raises(ReIDError, match="outcomes"):
        brier_score([0.1, 0.8], np.array([False, None], dtype=object))


def test_what_cannot_be_held_is_refused_before_it_is_tried() -> None:
    with pytest.raises(ReIDError, match="maximum_rank is 1000000000; it must be a whole number from 1 to 100000"):
        ranking(maximum_rank=10**9)
    assert ranking(maximum_rank=1000).rank(1000) == 1.0
    for bins in (10**9, 2**62, 10**30):
        with pytest.raises(ReIDError, match="bins is"):
            curve(bins=bins)
    with pytest.raises(ReIDError, match=r"value 1 is 1e\+308, too large"):
        interval(values=[0.0, 1e308, 1e308])
    # There are no more neighbours than crops, so a large k1 needs no more memory than N.
    np.testing.assert_array_equal(reciprocal(k1=2**70).distances, reciprocal(k1=Q + G).distances)


def test_searches_that_cannot_be_are_refused() -> None:
    for wrong, words in (({"match_rank": [0.0, INF]}, "match_rank of search 0 is 0"), ({"listed": [3, -1]}, "listed"),
                         ({"enrolled": 0}, "enrolled")):  # fmt: skip
        with pytest.raises(ReIDError, match=words):
            mated(**wrong)


def test_numpy_numbers_are_numbers() -> None:
    assert reciprocal(k=np.int64(5), k1=np.uint8(20), weight=np.float32(0.5)).k == 5
    assert interval(draws=np.int32(10), level=np.float64(0.9), groups=np.array(["a", "b", "b"], dtype=object))
    assert open_set_errors(SEARCHES, np.float32(1.0), rank=np.int16(1)).rank == 1
    assert RESULT.rank(np.int64(1)) == RESULT.rank(1)
    assert interval(values=[True, False, True]) == interval(values=[1.0, 0.0, 1.0])


def test_a_transposed_mask_is_said_to_be_transposed() -> None:
    with pytest.raises(ReIDError, match=r"excluded must be \(6, 20\) bool, not \(20, 6\) bool; it is transposed"):
        reciprocal(excluded=EYE)


def test_masks_and_functions_of_rows_mean_the_same() -> None:
    mask = np.zeros((Q, G), dtype=bool)
    mask[:, ::3] = True
    for call, name in ((features, "ignored"), (reciprocal, "excluded"), (search, "excluded")):
        one, other = call(**{name: mask}), call(**{name: mask.__getitem__})
        for field in ("average_precision", "indices"):
            if hasattr(one, field):
                np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_labels_and_masked_values_are_never_guessed() -> None:
    with pytest.raises(ReIDError, match="masked values"):
        features(query_features=np.ma.masked_greater(QUERY, 0.1))
    with pytest.raises(ReIDError, match="numbers and text"):
        interval(groups=[1, "1", 2])
    with pytest.raises(ReIDError, match="person labels must be a list"):
        features(query_ids={0, 1, 2})


def test_a_damaged_embedding_is_named_by_its_crop() -> None:
    features = GALLERY.copy()
    features[7, 3] = NAN
    crops = tuple(Crop(name, Path(name)) for name in GALLERY_IDS)
    queries = Gallery(crops[:Q], QUERY, (), "nano")
    with pytest.raises(ReIDError, match=r"gallery feature 7 holds NaN or infinity \(of g7\)"):
        Gallery(crops, features, (), "nano").search(queries, 5)


ANYTHING: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, NAN, INF, -INF, "", "a", b"a", 1j, object(), [], [[]], [[[]]], {}, set(),
    [None], [NAN], ["a"], [1, "a"], [[1], [1, 2]], [True], [[True]], [10**30], np.array(3), np.array([]),
    np.zeros((0, D)), np.zeros((Q, 0)), np.zeros((2, 2, 2)), np.array([1 + 1j]),
    np.array(["2020-01-01"], dtype="datetime64[D]"), np.zeros(3, dtype=[("a", int)]),
    np.full((Q, D), 1e300), np.full((Q, D), -0.0), np.ones((Q, D), dtype=np.float16),
    np.ones(Q, dtype=bool), np.ones(G, dtype=bool), np.ones((Q, G), dtype=bool), np.zeros((Q, G)), lambda *_: None,
    lambda rows: np.zeros((1, 1)), np.ma.masked_all((Q, D)), torch.zeros(0), torch.ones(Q, D, dtype=torch.bfloat16),
    torch.ones(2, dtype=torch.complex64), torch.tensor(3), torch.tensor(NAN), np.float32(0.5), np.int8(-3),
    np.str_("a"), range(3), iter([1, 2]), memoryview(b"abc"), 1e308, "1", "nan", [1.0, "1"], [[1, None]],
    ("a",) * Q, ("a",) * G,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_anything_at_all_is_taken_or_refused_in_a_sentence() -> None:
    seen = []
    for call, argument, *_ in TABLE:
        for value in ANYTHING:
            try:
                call(**{argument: value})
            except ReIDError as error:
                if "\n" in str(error):
                    seen.append((call, argument, value, "two lines"))
            except Exception as error:  # anything else is what this test looks for
                seen.append((getattr(call, "func", call).__qualname__, argument, value, repr(error)[:120]))
    assert not seen
