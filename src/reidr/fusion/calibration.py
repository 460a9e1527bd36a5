"""From the reasoner's logit margins to probabilities that mean what they say.

A margin is the logit of "yes" less that of "no", averaged over both orders of the crops. Its correction is fitted on
training identities, over the very pairs that will be asked (a query's first candidates): among those few are the same
person, so a correction fitted on balanced pairs would be wrong there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression, minimize

from reidr.core.checks import as_array, group_numbers, one_of, plain_array, real_number, whole_number
from reidr.errors import ReIDError

Reals = NDArray[np.float64]
Method = Literal["temperature", "platt", "isotonic"]
NEARLY_SURE = 1e-9
STEEPEST = 100.0


@dataclass(frozen=True)
class Calibration:
    """A non-decreasing map from margins to P(same).

    Attributes:
        method: "temperature" (Guo et al., ICML 2017: offset 0), "platt" (Platt 1999), or "isotonic" (Zadrozny and
            Elkan, KDD 2002).
        slope, offset: P = 1 / (1 + exp(-(slope·margin + offset))); slope is 1 / temperature. Not used by "isotonic".
        seen, became: margins ascending and their probabilities, linear between; "isotonic" only.
    """

    method: Method
    slope: float = 1.0
    offset: float = 0.0
    seen: tuple[float, ...] = ()
    became: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        real_number(self.slope, "calibration: slope")
        real_number(self.offset, "calibration: offset")
        object.__setattr__(self, "seen", tuple(map(float, self.seen)))
        object.__setattr__(self, "became", tuple(map(float, self.became)))
        numbers = np.array([self.slope, self.offset, *self.seen, *self.became])
        one_of(self.method, "calibration: method", get_args(Method))
        if not np.isfinite(numbers).all() or self.slope < 0:
            raise ReIDError("calibration: a number that is not finite, or a falling slope")
        if len(self.seen) != len(self.became) or (self.method == "isotonic") != bool(self.seen):
            raise ReIDError("calibration: isotonic needs margins and as many probabilities, the other methods none")
        if any(np.diff(self.seen) <= 0) or any(np.diff(self.became) < 0):
            raise ReIDError("calibration: margins must ascend and their probabilities must not fall")
        if self.became and not 0 <= self.became[0] <= self.became[-1] <= 1:
            raise ReIDError("calibration: a probability lies outside [0, 1]")

    def apply(self, margins: ArrayLike) -> Reals:
        """P(same) of margins of any shape; NaN stays NaN. Raises ReIDError for anything but numbers."""
        given = np.asarray(as_array(margins, "margins"), dtype=np.float64)
        if self.method == "isotonic":
            return np.interp(given, self.seen, self.became)
        with np.errstate(over="ignore"):
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (self.slope * given + self.offset))))

    def stored(self) -> dict[str, Any]:
        """Plain values for `inference_profile.json`."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Calibration:
        """From `stored`. Raises ReIDError where it is none."""
        try:
            return cls(**stored)
        except (TypeError, ValueError, ReIDError) as error:
            raise ReIDError(f"not a stored calibration: {error}") from None


def mean_margin(logits: NDArray[np.float64]) -> Reals:
    """(N,) margins from (orders, N, 3) answer logits, as `Reasoner.answer_logits` gives them.

    Raises ReIDError for another shape.
    """
    logits = as_array(logits, "logits")
    if logits.ndim != 3 or logits.shape[0] < 1 or logits.shape[2] < 2:
        raise ReIDError(f"logits must have the shape (orders, pairs, answers), not {logits.shape}")
    margins: Reals = (logits[..., 0] - logits[..., 1]).mean(axis=0)
    return margins


def margin_of(probabilities: ArrayLike) -> Reals:
    """Log-odds of probabilities, for back ends that give no logits; NaN stays NaN, 0 and 1 become ±20.7.

    Raises ReIDError for a probability outside [0, 1].
    """
    given = np.asarray(as_array(probabilities, "probabilities"), dtype=np.float64)
    if (given < 0).any() or (given > 1).any():
        raise ReIDError(f"probabilities: {given[(given < 0) | (given > 1)].flat[0]:g} lies outside [0, 1]")
    clipped = np.clip(given, NEARLY_SURE, 1.0 - NEARLY_SURE)
    odds: Reals = np.log(clipped) - np.log1p(-clipped)
    return odds


def fit_calibration(method: Method, margins: ArrayLike, outcomes: ArrayLike) -> Calibration:
    """Fit one method on margins (N,) and whether the two were the same person (N,).

    Temperature and Platt: greatest likelihood with a slope in [0, 100], so that the order is kept, against Platt's
    targets (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2), so that separable data give no infinite slope. Isotonic: pooling
    adjacent violators.

    Raises ReIDError for another method, lengths that differ, a margin that is not finite, or only one kind of outcome.
    """
    one_of(method, "calibration: method", get_args(Method))
    given, happened = checked(margins, outcomes)
    if method == "isotonic":
        seen, place, count = np.unique(given, return_inverse=True, return_counts=True)
        frequency = np.bincount(place, weights=happened) / count
        became = np.clip(isotonic_regression(frequency, weights=count).x, 0.0, 1.0)
        # Only the ends of level stretches are needed: what lies between them is the same.
        needed = np.ones(len(seen), dtype=bool)
        needed[1:-1] = (became[1:-1] != became[:-2]) | (became[1:-1] != became[2:])
        return Calibration(method, seen=tuple(seen[needed]), became=tuple(became[needed]))
    right, wrong = happened.sum(), (1 - happened).sum()
    target = np.where(happened > 0, (right + 1) / (right + 2), 1 / (wrong + 2))
    free = method == "platt"

    def loss(parameters: Reals) -> tuple[float, Reals]:
        slope, offset = parameters[0], parameters[1] if free else 0.0
        odds = slope * given + offset
        surplus = 0.5 * (1.0 + np.tanh(0.5 * odds)) - target
        gradient = np.array([(surplus * given).mean(), surplus.mean() if free else 0.0])
        return float((np.logaddexp(0.0, odds) - target * odds).mean()), gradient

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.0, STEEPEST), (None, None)], method="L-BFGS-B")
    return Calibration(method, float(found.x[0]), float(found.x[1]) if free else 0.0)


def choose_calibration(
    margins: ArrayLike, outcomes: ArrayLike, groups: ArrayLike, *, folds: int = 5, seed: int = 0
) -> tuple[Calibration, dict[str, float]]:
    """The method with the least Brier score on queries it was not fitted to, fitted on all; and every method's score.

    Args:
        groups: (N,) query or person of each pair; a group is never on both sides.

    Of equals the simpler method. Raises ReIDError as `fit_calibration`, or where a fold lacks an outcome.
    """
    given, happened = checked(margins, outcomes)
    place, number = group_numbers(groups, "groups")
    folds, seed = whole_number(folds, "folds", least=2), whole_number(seed, "seed", least=0)
    if len(place) != len(given) or number < folds:
        raise ReIDError(f"calibration: {len(place)} group labels of {number} groups for {len(given)} pairs")
    fold = draw_folds(place, folds, seed)
    scores = {}
    for method in get_args(Method):
        errors = np.empty(len(given))
        for each in range(folds):
            held = fold == each
            fitted = fit_calibration(method, given[~held], happened[~held])
            errors[held] = (fitted.apply(given[held]) - happened[held]) ** 2
        scores[method] = float(errors.mean())
    best: Method = min(get_args(Method), key=lambda method: round(scores[method], 9))
    return fit_calibration(best, given, happened), scores


def draw_folds(groups: NDArray[np.intp], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold, 0 to `folds` - 1, of each row's group (N,), numbered from 0: drawn by `seed`, never split."""
    return np.asarray((np.random.default_rng(seed).permutation(int(groups.max()) + 1) % folds)[groups])


def checked(margins: ArrayLike, outcomes: ArrayLike) -> tuple[Reals, Reals]:
    """Both as (N,) numbers. Raises ReIDError as `fit_calibration`."""
    given = np.asarray(as_array(margins, "margins"), dtype=np.float64)
    happened = plain_array(outcomes, "outcomes")
    if happened.size and happened.dtype.kind not in "biuf":
        raise ReIDError("calibration: outcomes must be True or False (1 or 0)")
    happened = happened.astype(np.float64)
    if given.ndim != 1 or given.shape != happened.shape:
        raise ReIDError(f"calibration: margins {given.shape} and outcomes {happened.shape} must be one equal length")
    if not np.isfinite(given).all():
        raise ReIDError(
            f"calibration: margin {int(np.argmin(np.isfinite(given)))} is not finite; leave unasked pairs out"
        )
    if set(np.unique(happened)) != {0.0, 1.0}:
        raise ReIDError("calibration: needs pairs of the same person and of two persons, True and False")
    return given, happened
