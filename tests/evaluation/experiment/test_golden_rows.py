"""No figure moves: every number of a tiny street as it was before methods became typed rows (golden_rows.json).

The file was written by the code of revision 0c95655; rows are found by role and variant, not by name.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tuned import tuned

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.results.rows import rows_json
from reidr.fusion.ask_policy import Policy
from reidr.fusion.logistic import Logistic, LogisticFusion
from reidr.fusion.profile import OpenSetRule
from reidr.fusion.score_predictor import ScorePredictor
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.types import Cue, Pair, RequestCounts, Verdict
from reidr.retrieval.embedders.histogram import HistogramEmbedder

GOLDEN = json.loads((Path(__file__).parent / "golden_rows.json").read_text())
CASES: dict[str, dict[str, Any]] = {
    "everything": {"think": 2},
    "weighted": {},
    "fitted": {"fusion": "fitted"},
    "adaptive": {"asking": "in doubt"},
    "adaptive thinking": {"asking": "in doubt", "think": 2},
    "trapezoid": {"average_precision": "trapezoid"},
    "drawn": {"protocol": "single-gallery-shot"},
}
MEANS, SCALES = (1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.5, 0.0), (0.5, 1.0, 1.0, 1.0, 0.3, 0.3, 0.3, 2.0)
WEIGHTS = (-0.5, -0.4, -0.3, -0.6, 0.7, 0.2, 0.1, 1.2)
FITTED = LogisticFusion(
    Logistic(MEANS, SCALES, WEIGHTS, -0.5), Logistic(MEANS[:-1], SCALES[:-1], WEIGHTS[:-1], -0.5), 3, 12, True, True
)
POLICY = Policy(2.0, 4, first=3, last=12, unsure=0.3, sure=0.9)
TUNED: dict[str, Any] = {
    "k": 5,
    "weight": 0.35,
    "k_reciprocal_weight": 0.5,
    "whole_weight": 0.4,
    "fitted": FITTED,
    "score_predictor": ScorePredictor((-0.3, -0.4, -0.2, 1.5, 0.3, 0.1), -0.2, 3, 12),
    "policy": POLICY,
    "policies": ((1.0, Policy(1.0, 3, first=3, last=12)), (2.0, POLICY)),
    "csls": True,
    "open_set": OpenSetRule("1 - P(same)", {"0.1": 0.4}),
}


def noise(pair: Pair, kind: str) -> float:
    """A number in [0, 1) that depends on the pair alone."""
    return (zlib.crc32(f"{kind} {pair.query.id} {pair.candidate.id}".encode()) % 10_000) / 10_000


class Noisy:
    """A verifier that leans to the truth."""

    name = "scripted"
    capabilities, card, counts = Capabilities(vision_similarity=True), Card(), RequestCounts()

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        return np.array([0.05 + 0.6 * noise(p, "score") + 0.3 * bool(p.label) for p in pairs])

    def think(self, pairs: Sequence[Pair], **_: object) -> list[Verdict]:
        cues = (Cue("shoes", "agree"),)
        return [
            Verdict(
                "same" if p.label else "different",
                0.05 + 0.5 * noise(p, "think") + 0.4 * bool(p.label),
                "The shoes agree.",
                cues,
                5,
                0.1,
                "scripted",
                "p",
                "k",
            )
            for p in pairs
        ]

    def vision_similarity(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        return np.array([[noise(p, "a") + 0.5 * bool(p.label), noise(p, "b"), noise(p, "c")] for p in pairs])


@contextmanager
def silent(what: str, total: int) -> Iterator:  # type: ignore[type-arg]
    yield lambda steps: None


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    settings = StreetSettings(
        seed=3, cameras=3, test_people=8, cameras_per_person=3, crops_per_camera=1, distractors=6, junk=4
    )
    return render_street(tmp_path_factory.mktemp("street") / "s", settings)


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_what_it_was(street: ReIDDataset, case: str) -> None:
    settings = tuned(**TUNED, compare=("all",), **CASES[case])
    outcomes = run_experiment(
        street,
        HistogramEmbedder(),
        Noisy(),
        settings,
        silent,
        [HistogramEmbedder()],  # type: ignore[arg-type]
    )
    found, wanted = rows_json(outcomes), GOLDEN[case]
    # The profile's own row is the fusion that was chosen; the golden file calls it by that name.
    chosen = "fitted" if CASES[case].get("fusion") == "fitted" else "weighted"
    by_kind = {}
    for row in found["rows"]:
        variant = chosen if row["role"] == "reasoner" and not row["variant"] else row["variant"]
        by_kind[row["role"], variant] = row
    assert by_kind.keys() == {(row["role"], row["variant"]) for row in wanted["rows"]}
    for row in wanted["rows"]:
        mine = by_kind[row["role"], row["variant"]]
        for key in ("mAP", "rank1", "rank5", "rank10", "mINP"):
            assert mine[key] == pytest.approx(row[key], abs=1e-12), (row["role"], row["variant"], key)
        for key, ends in row.get("intervals", {}).items():
            assert mine["intervals"][key] == pytest.approx(ends, abs=1e-12)
        if not (chosen == "fitted" and row["role"] == "reasoner" and row["variant"] in ("weighted", "fitted")):
            assert mine["calls"] == row["calls"]  # whoever comes first pays for the scores
    for key in ("expected_calibration_error", "mated_queries", "non_mated_queries", "enrolled_identities"):
        assert found.get(key) == wanted.get(key)
    for key in ("pair_areas", "cost_curve", "open_set_as_tuned"):
        if key in wanted:
            # The points of the first candidates have a test of their own: they are rows of smaller k.
            close(found[key], {name: value for name, value in wanted[key].items() if name != "first candidates"})
    by_variant = {variant: row["name"] for (_, variant), row in by_kind.items()}
    for variant, share in wanted.get("share_of_oracle_gain", {}).items():
        close(found["share_of_oracle_gain"][by_variant[variant]], share)
    for name, errors in wanted.get("open_set", {}).items():
        # The reasoner's thresholds are on the profile's own numbers now: the fitted probability, never after thinking.
        if name != "reasoner" or case in ("weighted", "adaptive", "trapezoid"):
            close(found["open_set"][name], errors)


@pytest.mark.parametrize("fusion", ["weighted", "fitted"])
def test_a_point_of_the_first_candidates_is_the_row_of_that_k(street: ReIDDataset, fusion: str) -> None:
    whole = run_experiment(street, HistogramEmbedder(), Noisy(), tuned(**TUNED, fusion=fusion), silent)  # type: ignore[arg-type]
    points = rows_json(whole)["cost_curve"]["first candidates"]
    for k in range(1, 6):
        settings = tuned(**TUNED | {"k": k}, fusion=fusion, compare=("none",))
        [outcome] = run_experiment(street, HistogramEmbedder(), Noisy(), settings, silent)  # type: ignore[arg-type]
        assert outcome.reasoner_row is not None
        row = outcome.reasoner_row.metrics()
        assert points[k]["mean_average_precision"] == pytest.approx(row["mAP"])
        assert points[k]["rank1"] == pytest.approx(row["rank1"])


def close(found: Any, wanted: Any) -> None:
    """Equal but for rounding, however deep."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            close(found[key], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, two in zip(found, wanted, strict=True):
            close(one, two)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=1e-12)
    else:
        assert found == wanted
