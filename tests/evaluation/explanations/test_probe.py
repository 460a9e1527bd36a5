"""The linear reader: it finds what can be found, weighs rare values alike, and is at the minimum of its own loss."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.evaluation.explanations.probe import Probe, fit_probe

Features = NDArray[np.float32]


def blobs(counts: dict[str, int], spread: float, seed: int = 0) -> tuple[Features, NDArray[np.str_]]:
    """Values around corners of a cube, `counts` rows each."""
    random = np.random.default_rng(seed)
    rows = [np.eye(6)[place] + spread * random.normal(size=(count, 6)) for place, count in enumerate(counts.values())]
    return np.concatenate(rows).astype(np.float32), np.repeat(list(counts), list(counts.values()))


def balanced_loss(probe: Probe, features: Features, values: NDArray[np.str_], decay: float) -> float:
    """The probe's loss in plain loops: each value's mean -log P counts alike, plus weight decay."""
    of_value: dict[str, list[float]] = {}
    for row, value in zip(features, values.tolist(), strict=True):
        scores = [
            sum((row[d] - probe.mean[d]) / probe.scale[d] * float(probe.weight[d, k]) for d in range(len(row)))
            + float(probe.bias[k])
            for k in range(len(probe.values))
        ]
        top = max(scores)
        total = sum(np.exp(score - top) for score in scores)
        of_value.setdefault(value, []).append(-(scores[probe.values.index(value)] - top - np.log(total)))
    mean = sum(sum(each) / len(each) for each in of_value.values()) / len(of_value)
    return mean + decay * float((probe.weight**2).sum()) / 2


def test_separable_values_are_read_and_probabilities_are_those_of_the_values() -> None:
    features, values = blobs({"red": 40, "blue": 40, "green": 40}, 0.1)
    probe = fit_probe(features, values)
    assert probe.values == ("blue", "green", "red")
    new, truth = blobs({"red": 20, "blue": 20, "green": 20}, 0.1, seed=1)
    assert (probe.read(new) == truth).all()
    shares = probe.probabilities(new)
    assert shares.sum(axis=1) == pytest.approx(np.ones(60))
    assert probe.probability_of(new, truth) == pytest.approx(shares.max(axis=1))
    # Of a value it never met it knows nothing: nobody is to be doubted for it.
    assert probe.probability_of(new[:2], np.array(["pink", "red"]))[0] == 1.0


def test_a_rare_value_is_read_as_well_as_a_common_one() -> None:
    features, values = blobs({"none": 1000, "cap": 40}, 0.7)
    new, truth = blobs({"none": 400, "cap": 400}, 0.7, seed=1)
    said = fit_probe(features, values).read(new)
    recalls = [(said[truth == value] == value).mean() for value in ("none", "cap")]
    # One-nearest-corner noise of 0.7 at a distance of sqrt(2): about Phi(0.71 / 0.7) = 0.84 for each.
    assert recalls[0] == pytest.approx(recalls[1], abs=0.12)
    assert min(recalls) > 0.7


def test_no_step_in_any_direction_makes_the_loss_smaller() -> None:
    features, values = blobs({"a": 12, "b": 6, "c": 4}, 0.8)
    probe = fit_probe(features, values, decay=0.05)
    least = balanced_loss(probe, features, values, 0.05)
    random = np.random.default_rng(2)
    for _ in range(8):
        step = random.normal(size=probe.weight.shape).astype(np.float32)
        for sign in (-0.1, 0.1):
            moved = Probe(probe.values, probe.mean, probe.scale, probe.weight + sign * step, probe.bias)
            assert balanced_loss(moved, features, values, 0.05) > least


def test_a_feature_that_never_varied_says_nothing_when_it_does() -> None:
    features, values = blobs({"red": 3000, "blue": 3000}, 0.1)
    features[:, 5] = 0.7  # its mean in single precision is not 0.7
    probe = fit_probe(features, values)
    new, truth = blobs({"red": 20, "blue": 20}, 0.1, seed=1)
    new[:, 5] = 1.7
    assert (probe.read(new) == truth).all()
    assert probe.probability_of(new, truth).min() > 0.9
