"""Asking: pairs once, ignored crops never, and by a policy exactly what the policy says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.data.protocols.trial import Trial, find_protocol
from reidr.data.types import Crop
from reidr.errors import ReIDError, WeightsError
from reidr.evaluation.experiment.candidate_scoring import PairScorer, doubled, leave_out
from reidr.evaluation.experiment.outcome import settings_of
from reidr.fusion.ask_policy import Policy, ask_in_doubt, asked_pairs
from reidr.fusion.profile import InferenceProfile, store_profile, stored_profile
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Pair, RequestCounts
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances, z_norm

QUERIES, GALLERY, K = 40, 90, 60


class Table:
    """A reasoner whose score is a number per pair of ids; it notes every pair it is asked about."""

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    name = "table"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        self.asked += [(pair.query.id, pair.candidate.id) for pair in pairs]
        return np.array([value_of(pair.query.id, pair.candidate.id) for pair in pairs])


def value_of(query: str, candidate: str) -> float:
    return float(np.random.default_rng([int(query[1:]), int(candidate[1:])]).random())


@pytest.fixture
def search() -> tuple[Trial, RankedList]:
    random = np.random.default_rng(0)
    nobody = Path("none.png")
    query = tuple(Crop(f"q{i}", nobody, f"p{i % 20}", "1") for i in range(QUERIES))
    gallery = tuple(Crop(f"g{i}", nobody, f"p{i % 30}", str(i % 3)) for i in range(GALLERY))
    distances = np.sort(random.gamma(4.0, 0.1, (QUERIES, K)), axis=1)
    indices = np.stack([random.permutation(GALLERY)[:K] for _ in range(QUERIES)])
    ids = tuple(c.id for c in query), tuple(c.id for c in gallery)
    return Trial(find_protocol("standard"), query, gallery), RankedList(*ids, indices, distances, ("drawn",))


def test_what_is_known_is_not_asked_again(search: tuple[Trial, RankedList]) -> None:
    trial, ranked = search
    table, known = Table(), {("q0", f"g{ranked.indices[0, 0]}"): 0.25}
    wanted = np.zeros((QUERIES, 4), dtype=bool)
    wanted[0, :3] = wanted[5, 1] = True
    scores = PairScorer(table, trial, known).ask(ranked, wanted)  # type: ignore[arg-type]
    assert len(table.asked) == 3
    assert scores[0, 0] == 0.25
    assert np.isnan(scores[~wanted]).all()
    assert scores[5, 1] == value_of("q5", f"g{ranked.indices[5, 1]}")
    again = PairScorer(table, trial, known).ask(ranked, wanted)  # type: ignore[arg-type]
    assert len(table.asked) == 3
    np.testing.assert_array_equal(again, scores)


@pytest.mark.parametrize("policy", [Policy(1.0, 5), Policy(2.0, 10, sure=0.7), Policy(9.0, 3, sure=0.5, clear=-2.0)])
def test_a_policy_asks_what_it_would_have_asked_of_known_scores(
    policy: Policy, search: tuple[Trial, RankedList]
) -> None:
    trial, ranked = search
    every = PairScorer(Table(), trial).ask(ranked, np.ones((QUERIES, 10), dtype=bool))  # type: ignore[arg-type]
    wanted = asked_pairs(policy, normalised_distances(ranked, policy.first, policy.last), every)
    assert 0 < wanted.sum() < wanted.size
    table = Table()
    scorer = PairScorer(table, trial)  # type: ignore[arg-type]
    found = ask_in_doubt(policy, ranked, 10, None, lambda wanted: scorer.ask(ranked, wanted))
    np.testing.assert_array_equal(found, np.where(wanted, every, np.nan))
    assert len(table.asked) == len(set(table.asked)) == wanted.sum()


def test_leaving_out_keeps_the_order_of_the_rest(search: tuple[Trial, RankedList]) -> None:
    trial, ranked = search
    found = leave_out(ranked, trial.excluded)
    for row in range(QUERIES):
        kept = [
            (int(item), float(distance))
            for item, distance in zip(ranked.indices[row], ranked.distances[row], strict=True)
            if not (
                trial.gallery[item].person == trial.query[row].person
                and trial.gallery[item].camera == trial.query[row].camera
            )
        ]
        left = K - len(kept)
        assert found.indices[row].tolist() == [item for item, _ in kept] + [-1] * left
        assert found.distances[row].tolist() == [distance for _, distance in kept] + [np.inf] * left
    assert (found.indices < 0).any()
    np.testing.assert_array_equal(doubled(ranked).distances, 2 * ranked.distances)


def test_the_inference_profile_becomes_settings(tmp_path: Path) -> None:
    small, large = Policy(0.5, 3), Policy(2.0, 10, sure=0.9)
    profile = InferenceProfile(
        0.3, "these", "", 0.2, {"method": "platt", "slope": 2.0, "offset": -1.0}, large.stored(),
        ((1.0, small.stored()), (5.0, large.stored())), {"score": "distance", "thresholds": {"0.1": 0.4}},
    )  # fmt: skip
    store_profile(profile, tmp_path)
    read = stored_profile(tmp_path)
    settings = settings_of(read, k=7)
    assert (settings.profile, settings.in_doubt) == (replace(read, k=7), False)
    assert (read.policy, read.policies) == (large, ((1.0, small), (5.0, large)))
    assert (settings.k, settings.profile.weight, settings.profile.k_reciprocal_weight) == (7, 0.3, 0.2)
    assert settings.profile.fusion == "weighted"
    assert settings_of(replace(profile, fusion="fitted")).profile.fusion == "fitted"
    assert settings_of(replace(profile, fusion="fitted"), weight=0.4).profile == replace(profile, weight=0.4)
    with pytest.raises(ReIDError, match="weight"):
        settings_of(profile, weight=1.5)
    path = tmp_path / "inference_profile.json"
    plain = json.loads(path.read_text())
    assert plain["schema"] == "reidr/inference-profile/1"
    for wrong, said in (({"fusion": "guessed"}, "fusion: .*'weighted' or 'fitted'"), ({"weight": 2}, "weight: "),
                        ({"glances": 1}, "a field 'glances'"),
                        ({"schema": "x/9"}, "not an inference profile of schema"),
                        ({"policy": {"band": -1.0, "most": 3}}, "policy: band")):  # fmt: skip
        path.write_text(json.dumps(plain | wrong))
        with pytest.raises(WeightsError, match=said):
            stored_profile(tmp_path)
    assert settings.profile.calibration is not None
    # 1 / (1 + exp(-(2 · 0.5 - 1))) = 1/2.
    assert settings.profile.calibration.apply([0.5])[0] == 0.5
    tight = settings_of(read, adaptive=True, budget=3.0)
    assert tight.profile.policy == small
    assert tight.in_doubt
    with pytest.raises(ReIDError, match=r"costs as little as 0.5 pairs per query; the least is 1"):
        settings_of(read, adaptive=True, budget=0.5)
    with pytest.raises(ReIDError, match="no policy is stored"):
        settings_of(InferenceProfile(0.3, "these"), adaptive=True)


def test_a_neighbourhood_is_there_exactly_where_it_can_be_computed() -> None:
    random = np.random.default_rng(0)
    for case in range(60):
        length = int(random.integers(1, 9))
        distances = np.sort(random.choice([0.1, 0.2, 0.3], (2, length)), axis=1)
        gone = int(random.integers(0, length + 1))
        distances[0, length - gone :] = np.inf
        indices = np.where(np.isfinite(distances), np.arange(length), -1)
        ranked = RankedList(("a", "b"), tuple(map(str, range(length))), indices, distances, ("drawn",))
        try:
            z_norm(ranked, 2, 6)
        except ReIDError:
            assert not has_z_norm(ranked, 2, 6), case
        else:
            assert has_z_norm(ranked, 2, 6), case
