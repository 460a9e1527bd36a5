"""Everything that is tuned for a reasoner, on a search whose truth a scripted reasoner partly knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.data.protocols.trial import find_protocol, trials
from reidr.data.types import Crop
from reidr.evaluation.experiment.cost_curve import Study, adaptive_curve
from reidr.fusion.ask_policy import Policy
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import LogisticFusion, fuse_whole, rank_by_probability
from reidr.fusion.score_predictor import fuse_asked
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Pair, RequestCounts
from reidr.training.tuning.choices import (
    BUDGETS,
    SHARE,
    best_weight,
    better_fusion,
    calibrated,
    fitted_fusion,
    policies_of,
    score_of_words,
    score_predictor,
    weight_curve,
    whole_weight,
)
from reidr.training.tuning.measure import Tuner
from reidr.training.tuning.searches import as_search

PEOPLE = 40


class Features:
    """An embedder whose features are drawn: a centre for each person and noise."""

    name = "drawn"

    def embed(self, crops: Sequence[Crop], **_: Any) -> NDArray[np.float32]:
        rows = []
        for crop in crops:
            centre = np.random.default_rng([1, int(str(crop.person))]).normal(size=24)
            noise = np.random.default_rng([2, int(crop.id)]).normal(size=24)
            rows.append(centre + 1.6 * noise)
        found = np.array(rows, dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


class Witness:
    """A reasoner that is right more often than not, and too sure of itself."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    name = "witness"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def score(self, pairs: Sequence[Pair], **_: Any) -> NDArray[np.float64]:
        self.asked += [(pair.query.id, pair.candidate.id) for pair in pairs]
        margins = [
            (2.0 if pair.label else -2.0)
            + 2.0 * np.random.default_rng([3, int(pair.query.id), int(pair.candidate.id)]).normal()
            for pair in pairs
        ]
        return 1 / (1 + np.exp(-4 * np.array(margins)))


@contextmanager
def silent(what: str, total: int) -> Iterator[Any]:
    yield lambda steps: None


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch) -> Tuner:
    import reidr.training.tuning.measure as module
    from reidr.retrieval.gallery import Gallery

    def embedded(trial: Any, embedder: Any, cache: Any, progress: Any) -> Any:
        parts = [Gallery(tuple(crops), embedder.embed(crops), (), "drawn") for crops in (trial.query, trial.gallery)]
        return *parts, trial

    monkeypatch.setattr(module, "embed_trial", embedded)
    return Tuner(Features(), Witness(), 10, silent)  # type: ignore[arg-type]


@pytest.fixture
def search() -> Any:
    crops = [
        Crop(str(10 * person + camera), Path("none.png"), str(person), str(camera % 3))
        for person in range(PEOPLE)
        for camera in range(6)
    ]
    return as_search("drawn people", crops, 200, 0)


def test_a_useful_reasoner_gets_weight_and_every_pair_is_scored_once(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    curve = weight_curve(found)
    weight = best_weight(curve)
    by_weight = {row[0]: row[1] for row in curve}
    assert weight > 0
    assert by_weight[weight] > by_weight[0.0] + 0.02
    tuner.measure(search)
    tuner.after_k_reciprocal(search)
    tuner.open_set(search, weight, 0, True)
    witness: Any = tuner.reasoner
    assert len(witness.asked) == len(set(witness.asked))


def test_other_fusions_are_chosen_and_do_what_was_measured(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    everyone = found.trial.shows_person(found.ranked.indices)

    def precision(indices: NDArray[np.int64]) -> float:
        """Mean average precision over the listed candidates, counted one by one."""
        people = [crop.person for crop in found.trial.gallery]
        values = []
        for row, crop in enumerate(found.trial.query):
            hits, terms = 0, []
            for place, item in enumerate(indices[row], start=1):
                if item >= 0 and people[item] == crop.person:
                    hits += 1
                    terms.append(hits / place)
            if everyone[row].any():
                values.append(sum(terms) / everyone[row].sum())
        return float(np.mean(values))

    choice = whole_weight(found)
    by_weight = {row[0]: row[1] for row in choice.grid}
    for weight in (0.0, choice.weight):
        fused = fuse_whole(found.ranked, found.scores, weight)
        assert by_weight[weight] == pytest.approx(precision(fused.indices))
    assert by_weight[choice.weight] == max(by_weight.values())
    fitted = fitted_fusion(found)
    assert fitted is not None
    assert LogisticFusion.read(fitted.stored()) == fitted
    ranked = rank_by_probability(found.ranked, fitted.probabilities(found.ranked, margin_of(found.scores)))
    choice_of_fusion = better_fusion(found)
    assert choice_of_fusion is not None
    assert choice_of_fusion.tried[choice_of_fusion.fusion] == max(choice_of_fusion.tried.values())
    assert better_fusion(replace(found, ranked=found.ranked.top(10))) is None, "the list is too short for the z-norm"
    # The witness knows more than the features: whoever listens to it does better than the retriever.
    assert precision(ranked.indices) > precision(found.ranked.indices) + 0.01


def test_calibration_corrects_a_reasoner_that_is_too_sure(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    chosen = calibrated(found)
    assert chosen is not None
    calibration, brier = chosen
    assert brier[calibration.method] == min(brier.values())
    # The witness's margins are four times what noise of standard deviation 2 around ±2 allows: log-odds are twice the
    # mean times the margin over the variance, so about a quarter of its own slope is right.
    assert calibration.method == "isotonic" or 0.1 < calibration.slope < 0.5


def test_policies_keep_their_budgets_and_the_gain(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    weight, expected = best_weight(weight_curve(found)), score_predictor(found)
    assert expected is not None
    chosen = policies_of(found, weight, expected)
    assert chosen is not None
    main, budgets = chosen
    assert [budget for budget, _ in budgets] == list(BUDGETS)
    assert Policy.read(main.stored()) == main
    study = Study(
        found.ranked, found.scores, found.truth, found.base, weight,
        lambda ranked, known: fuse_asked(ranked, known, weight, expected),
    )  # fmt: skip
    for budget, policy in ((SHARE * 10, main), *budgets):
        assert adaptive_curve(study, [policy])[0].calls <= budget + 1e-9


def test_absent_people_are_recognised_by_the_score_that_misses_fewest(tuner: Tuner, search: Any) -> None:
    choice = tuner.open_set(search, 0.5, 0, False)
    assert choice is not None
    missed = dict(choice.missed)
    assert missed[choice.name] == min(missed.values())
    assert {"distance", "fused distance", "1 - P(same)"} <= set(missed)
    # Absent people meet everybody who is left in the gallery: nobody's crop is ignored for them.
    (trial,) = trials(search, find_protocol("open-set"), 0)
    assert choice.crops == len(trial.gallery)


def words_that(found: Any, right: float, seed: int = 0) -> NDArray[np.float64]:
    """Reasoned scores of which the share `right` are the truth and the others its opposite."""
    told = np.random.default_rng(seed).random(found.scores.shape) < right
    return np.where(np.isfinite(found.scores), np.where(found.truth == told, 0.97, 0.03), np.nan)


def test_words_are_bought_only_where_they_pay(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    useless = score_of_words(found, np.where(np.isfinite(found.scores), 0.5, np.nan))
    assert (useless.kind, useless.rationales) == ("direct", 0)
    np.testing.assert_array_equal(useless.scores, found.scores)
    useful = score_of_words(found, words_that(found, 0.97))
    assert useful.kind != "direct"
    values = {(kind, least): value for kind, least, _, value in useful.tried}
    best = max(values.values())
    assert values[useful.kind, useful.least_doubt] >= max(best - 0.001, values["direct", 0.0] + 0.005)
    cheaper = [value for _, _, share, value in useful.tried if share < useful.rationales]
    assert all(value < best - 0.001 for value in cheaper)
    # A direct score that is right wherever it is sure needs no words there.
    sure = np.where(found.truth, 0.999, 0.001)
    unsure = np.random.default_rng(1).random(sure.shape) < 0.3
    half = replace(found, scores=np.where(np.isfinite(found.scores), np.where(unsure, 0.5, sure), np.nan))
    bought = score_of_words(half, words_that(half, 1.0))
    assert (bought.kind, bought.least_doubt) == ("both", 0.95)
    assert bought.rationales == pytest.approx(unsure[np.isfinite(found.scores)].mean())


def test_what_was_chosen_is_asked_from_then_on(tuner: Tuner, search: Any) -> None:
    found = tuner.measure(search)
    taken = tuner.take(found, "both", 0.8, 1 - found.scores)
    witness: Any = tuner.reasoner
    before = len(witness.asked)
    again = tuner.measure(search)
    assert len(witness.asked) == before
    np.testing.assert_array_equal(again.scores, taken.scores)
    assert (tuner.kind, tuner.least_doubt) == ("both", 0.8)
