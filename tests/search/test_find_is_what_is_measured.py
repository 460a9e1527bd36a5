"""What is tuned is measured, shown and used: `find` and `evaluate` give the same order, P(same) and "not here"."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.experiment.outcome import Outcome, settings_of
from reidr.evaluation.explanations.reasons import measure_reasons
from reidr.evaluation.metrics.open_set_scores import lists_to_threshold
from reidr.fusion.ask_policy import Policy
from reidr.fusion.calibration import Calibration, margin_of
from reidr.fusion.logistic import Logistic, LogisticFusion
from reidr.fusion.profile import InferenceProfile, OpenSetRule
from reidr.fusion.score_predictor import ScorePredictor
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Pair, RequestCounts
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.search import search
from reidr.search.searching import NO_REASONS
from reidr.search.task import SearchOptions
from reidr.search.types import Found

K = 6
MEANS, SCALES = (1.0, 0.0, 1.0, 0.0, 0.0), (0.5, 1.0, 1.0, 1.0, 2.0)
FITTED = LogisticFusion(
    Logistic(MEANS, SCALES, (-0.5, -0.4, -0.3, -0.6, 1.2), -0.5),
    Logistic(MEANS[:-1], SCALES[:-1], (-0.5, -0.4, -0.3, -0.6), -0.5),
    3,
    12,
    local=True,
)
TUNED = InferenceProfile(
    0.35,
    "this test",
    calibration=Calibration("platt", 1.7, -0.4),
    policy=Policy(2.0, 4, first=3, last=12, unsure=0.3, sure=0.9),
    score_predictor=ScorePredictor((-0.3, -0.4, -0.2), -0.2, 3, 12),
    open_set=OpenSetRule("fused distance", {"0.01": 0.9, "0.1": 1.1}),
    fitted=FITTED,
    csls=True,
    k=K,
)
PROFILES = {
    "weighted": TUNED,
    "fitted": replace(TUNED, fusion="fitted"),
    "plain distances": replace(TUNED, csls=False, fitted=None, open_set=OpenSetRule("1 - P(same)", {"0.1": 0.4})),
    "in doubt": replace(TUNED, asking="in doubt", open_set=OpenSetRule("distance", {"0.1": 0.5})),
}


class Verifier:
    """Says something that depends on the pair alone, and leans to nobody."""

    name = "scripted"
    capabilities, counts = Capabilities(), RequestCounts()

    def __init__(self, profile: InferenceProfile) -> None:
        self.card = Card(profile)
        self.asked: list[tuple[str, str]] = []

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        names = [(Path(str(pair.query.image)).name, Path(str(pair.candidate.image)).name) for pair in pairs]
        self.asked += names
        return np.array([(zlib.crc32(f"{a} {b}".encode()) % 9_973 + 1) / 9_975 for a, b in names])


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    """Queries of one camera, a gallery of the others: no crop that a protocol would ignore. Some people are absent."""
    settings = StreetSettings(
        seed=5, cameras=3, test_people=9, cameras_per_person=3, crops_per_camera=1, distractors=8, junk=0, absent=0.2
    )
    found = render_street(tmp_path_factory.mktemp("street") / "s", settings)
    camera = found.query[0].camera
    query = tuple(crop for crop in found.query if crop.camera == camera)[:4]
    gallery = tuple(crop for crop in found.gallery if crop.camera != camera)
    assert len(query) == 4
    assert len(gallery) > 15
    return replace(found, query=query, gallery=gallery)


def evaluated(street: ReIDDataset, profile: InferenceProfile) -> Outcome:
    settings = settings_of(profile, k=K, compare=("none",))
    (outcome,) = run_experiment(
        street,
        HistogramEmbedder(),
        Verifier(profile),
        settings,
        lambda *_: nullcontext(lambda _: None),  # type: ignore[arg-type]
    )
    return outcome


@pytest.mark.parametrize("name", PROFILES)
def test_crop_by_crop(street: ReIDDataset, name: str) -> None:
    profile = PROFILES[name]
    outcome = evaluated(street, profile)
    assert outcome.fused is not None
    assert outcome.scores is not None
    for row, query in enumerate(street.query):
        found = look(street, query.image, Verifier(profile))
        assert [match.crop.id for match in found.matches] == [
            street.gallery[place].id for place in outcome.fused.indices[row, :K]
        ]
        place_of = {
            street.gallery[int(place)].id: column for column, place in enumerate(outcome.ranked.indices[row, :K])
        }
        for match in found.matches:
            score = outcome.scores[row, place_of[match.crop.id]]
            if np.isnan(score):
                assert match.probability is None
            else:
                assert profile.calibration is not None
                assert match.calibrated
                assert match.probability == pytest.approx(float(profile.calibration.apply(margin_of(score))), abs=1e-6)
        same_absence(outcome, row, found, profile)


def same_absence(outcome: Outcome, row: int, found: Found, profile: InferenceProfile) -> None:
    """The value that is compared with the thresholds of the profile, and what follows of it."""
    rule = profile.open_set
    assert rule is not None
    assert outcome.scores is not None
    lists = lists_to_threshold(outcome.ranked, outcome.scores, profile.weight)
    if rule.score not in lists:
        return
    value = float(lists[rule.score].distances[row, 0])
    assert found.presence.score == rule.score
    assert found.presence.value == pytest.approx(value, abs=1e-6)
    assert (found.presence.belief == "perhaps absent") == (value > max(rule.thresholds.values()))


def look(street: ReIDDataset, picture: Any, verifier: Verifier) -> Found:
    return search(
        picture,
        street.gallery,
        K,
        SearchOptions(HistogramEmbedder(), verifier, think=0, fold=False),  # type: ignore[arg-type]
        keep=False,
    )


def test_adaptive_asks_only_the_candidates_in_doubt(street: ReIDDataset) -> None:
    every, some = Verifier(TUNED), Verifier(TUNED)
    look(street, street.query[0].image, every)
    found = search(
        street.query[0].image,
        street.gallery,
        K,
        SearchOptions(HistogramEmbedder(), some, think=0, fold=False, adaptive=True),  # type: ignore[arg-type]
        keep=False,
    )
    assert len(every.asked) == K
    assert set(some.asked) < set(every.asked)
    assert sum(match.direct_score is not None for match in found.matches) == len(some.asked)


def test_a_reasoner_that_writes_nothing_gives_scores_alone(street: ReIDDataset) -> None:
    """Whoever can only score is never asked for words, and that is said."""
    verifier = Verifier(TUNED)
    verifier.capabilities = Capabilities(think=False)  # type: ignore[misc]
    found = search(
        street.query[0].image,
        street.gallery,
        K,
        SearchOptions(HistogramEmbedder(), verifier, fold=False),  # type: ignore[arg-type]
        keep=False,
    )
    assert all(match.verdict is None and match.direct_score is not None for match in found.matches)
    assert NO_REASONS in found.warnings
    settings = settings_of(TUNED, k=K, think=2, compare=("none",))
    (outcome,) = run_experiment(
        street,
        HistogramEmbedder(),
        verifier,
        settings,
        lambda *_: nullcontext(lambda _: None),  # type: ignore[arg-type]
    )
    assert [row.variant for row in outcome.rows if row.role == "reasoner"] == [""]
    with pytest.raises(ReIDError, match="writes no reasons"):
        measure_reasons(
            verifier, [Pair(street.query[0], street.gallery[0])], lambda _: {}, lambda *_: nullcontext(), per_crop=True
        )  # type: ignore[arg-type, return-value]


class Backwards:
    """A re-ranker from outside: the farthest first."""

    name = "backwards"

    def rerank(self, ranked: Any, context: Any) -> Any:
        assert context.has_scores
        scores = context.scores(ranked, np.arange(K)[None, :] < 2)
        assert np.isfinite(scores).sum() == 2
        return ranked.reordered(-ranked.distances[:, :K], "backwards")


def test_a_re_ranker_from_outside_orders_what_is_found(street: ReIDDataset) -> None:
    verifier = Verifier(TUNED)
    plain = look(street, street.query[1].image, verifier)
    found = search(
        street.query[1].image,
        street.gallery,
        K,
        SearchOptions(HistogramEmbedder(), verifier, think=0, fold=False, reranker=f"{__name__}:Backwards"),  # type: ignore[arg-type]
        keep=False,
    )
    by_distance = sorted(plain.matches, key=lambda match: match.rank_before)
    assert [match.crop.id for match in found.matches] == [match.crop.id for match in by_distance[::-1]]
    assert found.order_by == "backwards"
    assert "backwards" in found.order_rule


@pytest.mark.parametrize("name", ["csls", "k-reciprocal"])
def test_a_re_ranker_by_name_needs_no_reasoner(street: ReIDDataset, name: str) -> None:
    found = search(
        street.query[1].image,
        street.gallery,
        K,
        SearchOptions(HistogramEmbedder(), None, fold=False, reranker=name),
        keep=False,
    )
    assert len(found.matches) == K
    values = [match.order_value for match in found.matches]
    assert values == sorted(values)


def test_a_profile_tuned_with_another_retriever_is_said(street: ReIDDataset) -> None:
    picture = street.query[1].image
    own = look(street, picture, Verifier(replace(TUNED, retriever=HistogramEmbedder.fingerprint)))
    other = look(street, picture, Verifier(replace(TUNED, retriever="another")))
    said = "tuned with another retriever"
    assert [any(said in warning for warning in found.warnings) for found in (own, other)] == [False, True]
