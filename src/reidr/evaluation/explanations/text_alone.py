"""Can the verdict be recovered from the reason alone? A bag-of-cues logistic model, judged on queries it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reidr.errors import DataError
from reidr.evaluation.explanations.probe import fit_probe
from reidr.evaluation.metrics.roc_area import roc_area
from reidr.reasoning.types import REGIONS, Cue, Verdict

SAID = ("agree", "differ", "unseen")
DRAWS = 1000
LEAST = 2  # queries per fold, below which nothing can be said

Interval = tuple[float, float]


@dataclass(frozen=True)
class TextAlone:
    """How well "same" or "different" is told from the cues alone, cross-validated over persons.

    Attributes:
        area: AUC with its 95 % interval. accuracy: share told rightly, with interval. majority: share of the commoner
            verdict, what a guess without the text would get. verdicts: how many.
    """

    area: float
    area_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    majority: float
    verdicts: int


def bag_of_cues(cues: Sequence[Cue]) -> NDArray[np.float32]:
    """(27,) 1 for each (region, agreement) said, and the number of regions said to agree, differ, be unseen."""
    bag = np.zeros((len(REGIONS), len(SAID)), dtype=np.float32)
    for cue in cues:
        bag[REGIONS.index(cue.region), SAID.index(cue.agreement)] = 1.0
    return np.concatenate([bag.ravel(), bag.sum(axis=0)])


def area_under_curve(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """`roc_area`, but NaN where all cases are of one kind.

    `weights` (N,) count cases more than once, as in a bootstrap draw.
    """
    try:
        return roc_area(scores, labels, weights)
    except DataError:
        return float("nan")


def read_from_text(
    verdicts: Sequence[Verdict], groups: NDArray[np.int64], *, folds: int = 5, seed: int = 0
) -> TextAlone | None:
    """Fit `fit_probe` on the cues of verdicts on other persons and tell "same" from "different" on each fold.

    Unparsable and "insufficient" verdicts are left out. None where either answer is missing in some training fold or
    there are fewer than two persons a fold. The probe weighs both answers alike; its output is brought back to the
    training fold's share of "same", so that accuracy may be held against the majority.
    """
    rows = [row for row, v in enumerate(verdicts) if v.parsable and v.answer != "insufficient"]
    _, group = np.unique(np.asarray(groups)[rows], return_inverse=True)
    if not rows or group.max() + 1 < LEAST * folds:
        return None
    features = np.stack([bag_of_cues(verdicts[row].cues) for row in rows])
    answers = np.array([verdicts[row].answer for row in rows])
    random = np.random.default_rng(seed)
    fold = (random.permutation(group.max() + 1) % folds)[group]
    said: NDArray[np.float64] = np.empty(len(rows))
    for each in range(folds):
        held = fold == each
        if len(set(answers[~held])) < 2:
            return None
        probe = fit_probe(features[~held], answers[~held])
        balanced = probe.probability_of(features[held], np.full(held.sum(), "same"))
        share = float((answers[~held] == "same").mean())
        said[held] = balanced * share / (balanced * share + (1 - balanced) * (1 - share))
    same = answers == "same"
    right = (said > 0.5) == same
    areas, accuracies = [], []
    for _ in range(DRAWS):
        weight = np.bincount(random.integers(group.max() + 1, size=group.max() + 1), minlength=group.max() + 1)[group]
        areas.append(area_under_curve(said, same, weight))
        accuracies.append(np.average(right, weights=weight))
    return TextAlone(
        area_under_curve(said, same),
        interval(areas),
        float(right.mean()),
        interval(accuracies),
        float(max(same.mean(), 1 - same.mean())),
        len(rows),
    )


def interval(draws: Sequence[float]) -> Interval:
    """95 % percentile interval; draws that held one kind of answer only say nothing and are left out."""
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return float(low), float(high)
