"""What is expected of candidates that are not asked about."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.fusion.logistic import features_of
from reidr.fusion.score_predictor import ScorePredictor, fit_score_predictor, fuse_asked
from reidr.fusion.weighted import fuse
from reidr.retrieval.ranked_list import RankedList

FIRST, LAST = 5, 20


def ranked_lists(queries: int = 30, k: int = 25) -> RankedList:
    random = np.random.default_rng(0)
    distances = np.sort(random.uniform(0.4, 1.4, (queries, k)), axis=1)
    indices = np.tile(np.arange(k), (queries, 1))
    return RankedList(tuple(f"q{i}" for i in range(queries)), tuple(f"g{i}" for i in range(k)), indices, distances)


def test_a_straight_line_is_found_again_and_fills_the_gaps() -> None:
    ranked, random = ranked_lists(), np.random.default_rng(1)
    true = ScorePredictor((-2.0, -0.5, 0.3), 1.0, FIRST, LAST)
    features, _ = features_of(ranked, np.zeros((len(ranked), 8)), FIRST, LAST)
    odds = features[..., :3] @ np.array(true.weights) + true.bias
    scores = 1 / (1 + np.exp(-odds))
    known = np.where(random.random(scores.shape) < 0.6, scores, np.nan)
    known[3] = np.nan
    found = fit_score_predictor(ranked, known, first=FIRST, last=LAST)
    np.testing.assert_allclose((*found.weights, found.bias), (*true.weights, true.bias), atol=1e-8)
    filled = found.fill(ranked, known)
    np.testing.assert_allclose(np.delete(filled, 3, axis=0), np.delete(scores, 3, axis=0), atol=1e-9)
    # Nothing was asked of this query: it stays the retriever's.
    assert np.isnan(filled[3]).all()
    np.testing.assert_allclose(found.fill(ranked, known, unasked_queries=True), scores, atol=1e-9)
    assert ScorePredictor.read(json.loads(json.dumps(found.stored()))) == found


def test_asking_part_of_a_list_does_not_move_what_scores_as_expected() -> None:
    """A reasoner that always says 0.3: asked candidates sink beside unasked ones, unless those are expected to."""
    ranked = ranked_lists()
    scores = np.full((len(ranked), 8), np.nan)
    scores[:, 0] = 0.3
    score_predictor = ScorePredictor((0.0, 0.0, 0.0), float(np.log(0.3 / 0.7)), FIRST, LAST)
    kept = fuse_asked(ranked, scores, 0.5, score_predictor)
    np.testing.assert_array_equal(kept.indices, ranked.indices)
    assert (fuse(ranked, scores, 0.5).indices[:, 0] != 0).any()
    np.testing.assert_array_equal(fuse_asked(ranked, scores, 0.5, None).indices, fuse(ranked, scores, 0.5).indices)


def test_padded_places_and_short_lists_stay_empty() -> None:
    ranked = ranked_lists()
    scores = np.full((len(ranked), 3), np.nan)
    scores[:, 0] = 0.6
    short = ranked.top(3)
    filled = ScorePredictor((0.0, 0.0, 0.0), 0.0, FIRST, LAST).fill(short, scores)
    np.testing.assert_array_equal(filled, scores)


def test_too_little_and_nonsense_are_refused() -> None:
    ranked = ranked_lists()
    with pytest.raises(ReIDError, match="at least 4"):
        fit_score_predictor(ranked, np.full((len(ranked), 8), np.nan), first=FIRST, last=LAST)
    with pytest.raises(ReIDError, match="not a stored expectation"):
        ScorePredictor.read({"weights": [1, 2], "bias": 0, "first": 1, "last": 2})


def test_glances_tell_of_queries_that_were_never_asked() -> None:
    ranked, random = ranked_lists(), np.random.default_rng(2)
    vision_similarities = random.uniform(-1, 1, (len(ranked), 8, 3))
    odds = 3.0 * vision_similarities[..., 0] - vision_similarities[..., 2] + 0.5
    scores = 1 / (1 + np.exp(-odds))
    known = np.where(random.random(scores.shape) < 0.6, scores, np.nan)
    known[3] = np.nan
    found = fit_score_predictor(ranked, known, vision_similarities, first=FIRST, last=LAST)
    assert found.vision_similarities
    np.testing.assert_allclose(found.weights, (0, 0, 0, 3, 0, -1), atol=1e-8)
    np.testing.assert_allclose(found.fill(ranked, known, vision_similarities), scores, atol=1e-9)
    # Without them nothing is guessed, rather than something wrong.
    assert found.guess(ranked, 8) is None
    np.testing.assert_array_equal(found.fill(ranked, known), known)
    assert ScorePredictor.read(json.loads(json.dumps(found.stored()))) == found
    with pytest.raises(ReIDError, match="vision_similarities"):
        found.guess(ranked, 8, vision_similarities[:, :4])


def test_glances_at_padded_places_are_never_used() -> None:
    ranked = ranked_lists()
    indices, distances = ranked.indices.copy(), ranked.distances.copy()
    indices[4, 23:], distances[4, 23:] = -1, np.inf
    padded = RankedList(ranked.query_ids, ranked.gallery_ids, indices, distances)
    vision_similarities = np.zeros((len(ranked), 25, 3))
    vision_similarities[4, 23:] = np.nan
    guess = ScorePredictor((0.0,) * 6, 0.0, FIRST, LAST).guess(padded, 25, vision_similarities)
    assert guess is not None
    assert np.isnan(guess).sum() == 2
    assert np.isnan(guess[4, 23:]).all()
