"""Scores that recognise a person who is not in the gallery, with thresholds chosen on training identities.

A score is any distance-like number per candidate: the retriever's distance as it is, that distance z-normed by the
query's own list or by a cohort (`retrieval/score_normalisation.py`), or 1 - P(same). Whether its thresholds carry over
between scenes is measured: choose them on one scene, apply them on another, and compare the FPIR with the wanted one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reidr.core.checks import as_array, instance_of, one_list, real_number
from reidr.errors import ReIDError
from reidr.evaluation.metrics.open_set import OpenSetErrors, Searches, open_set_errors, threshold_at
from reidr.fusion.weighted import fuse_for_threshold, fused_distances
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances

WANTED = (0.01, 0.05, 0.1)
Z_NORMS = ((2, 20), (6, 30), (11, 50))
LISTED = 50  # last rank of the candidates that z-norm uses


@dataclass(frozen=True)
class ScoreChoice:
    """The score chosen on training identities.

    Attributes:
        name: which. thresholds: by wanted FPIR as text (`"0.1"`). missed: (name, FNIR at the wanted FPIR) of each.
        crops: how many crops these searches were compared with, on average; None: nobody has counted.
    """

    name: str
    thresholds: Mapping[str, float]
    missed: tuple[tuple[str, float], ...]
    crops: float | None = None


def rescored(ranked: RankedList, scores: NDArray[np.float64], name: str) -> RankedList:
    """The first m candidates in the order of `scores` (Q, m), which become their distances; +inf where padded.

    Made for `searches_of`. Raises ReIDError for shapes that do not fit, or NaN at a candidate.
    """
    instance_of(ranked, RankedList, "ranked")
    scores = np.asarray(as_array(scores, "scores"), dtype=np.float64)
    if scores.ndim != 2 or len(scores) != len(ranked) or scores.shape[1] > ranked.k:
        raise ReIDError(f"open-set: scores {scores.shape} do not fit a ranked list of ({len(ranked)}, {ranked.k})")
    known = ranked.indices[:, : scores.shape[1]] >= 0
    if not np.isfinite(scores[known]).all():
        row, column = np.argwhere(known & ~np.isfinite(scores))[0]
        raise ReIDError(f"open-set: score of query {ranked.query_ids[row]} at rank {column + 1} is infinite or NaN")
    return ranked.sorted_by(np.where(known, scores, np.inf), name)


def normalised_list(ranked: RankedList, first: int = 11, last: int = 50) -> RankedList:
    """`ranked` with z-normed distances; the order stays. Raises as `z_norm`."""
    return rescored(ranked, normalised_distances(ranked, first, last), z_norm_name(first, last))


def lists_to_threshold(ranked: RankedList, scores: NDArray[np.float64], weight: float) -> dict[str, RankedList]:
    """The scores that may recognise absent people, by name, simplest first: each the list in its own distances.

    The retriever's distance; the z-normed distance (where the list is long enough); and with the reasoner, for (Q, m)
    P(same) without gaps, the fused distance and 1 - P(same). Raises ReIDError for scores that do not fit the list or
    are no probabilities (`fused_distances`).
    """
    fused_distances(ranked, scores, weight)
    scores = np.asarray(as_array(scores, "scores"), dtype=np.float64)
    m = scores.shape[1]
    lists = {"distance": ranked}
    if has_z_norm(ranked, 11, LISTED):
        lists[z_norm_name(11, LISTED)] = normalised_list(ranked, 11, LISTED)
    if np.isfinite(scores[ranked.indices[:, :m] >= 0]).all():
        lists["fused distance"] = fuse_for_threshold(ranked, scores, weight)
        lists["1 - P(same)"] = rescored(ranked, 1.0 - scores, "1 - P(same)")
    return lists


def z_norm_name(first: int, last: int) -> str:
    """How such a score is called in tables and in stored choices."""
    return f"distance in units of ranks {first}-{last}"


def thresholds_for(searches: Searches, wanted: Sequence[float] = WANTED) -> dict[str, float]:
    """For each wanted FPIR (as text) the largest threshold that keeps it on these searches (`threshold_at`).

    A wanted FPIR below 1 / non-mated searches is left out: it could not be distinguished from 0.
    """
    number = int((~searches.mated).sum())
    wanted = [real_number(each, "wanted", least=0.0, most=1.0) for each in one_list(wanted, "wanted")]
    return {f"{each:g}": threshold_at(searches, each) for each in wanted if each * number >= 1.0 - 1e-9}


def choose_score(
    candidates: Mapping[str, Searches], wanted: float = 0.1, *, keep: Sequence[float] = WANTED
) -> ScoreChoice:
    """The score with the least FNIR at a wanted FPIR on training identities, and its thresholds.

    Args:
        candidates: the same searches by each score, in order of preference among equals.

    Raises ReIDError for no candidates.
    """
    if not candidates:
        raise ReIDError("open-set: there is no score to choose from")
    missed = tuple(
        (name, open_set_errors(found, threshold_at(found, wanted)).false_negative) for name, found in candidates.items()
    )
    name = min(missed, key=lambda row: round(row[1], 9))[0]
    return ScoreChoice(name, thresholds_for(candidates[name], keep), missed)


def choose_score_across(
    scenes: Sequence[Mapping[str, Searches]], wanted: float = 0.1
) -> tuple[str, dict[str, tuple[float, float]]]:
    """The score whose thresholds carry over best between training scenes, and (worst FPIR, mean FNIR) of each.

    Every scene's threshold is applied to every other scene. Least worst excess of the FPIR over `wanted` first (to one
    percentage point), then least mean FNIR. Raises ReIDError for fewer than two scenes, or scores not on all of them.
    """
    if len(scenes) < 2 or any(set(scene) != set(scenes[0]) for scene in scenes):
        raise ReIDError("open-set: carrying over needs at least two training scenes with the same scores")
    found = {}
    for name in scenes[0]:
        errors = [
            open_set_errors(other[name], threshold_at(scene[name], wanted))
            for scene in scenes
            for other in scenes
            if other is not scene
        ]
        found[name] = (max(e.false_positive for e in errors), float(np.mean([e.false_negative for e in errors])))
    best = min(found, key=lambda name: (round(max(0.0, found[name][0] - wanted), 2), found[name][1]))
    return best, found


def carried_over(searches: Searches, thresholds: Mapping[str, float]) -> dict[str, OpenSetErrors]:
    """Errors here of thresholds that were chosen elsewhere, by the FPIR for which they were chosen."""
    return {wanted: open_set_errors(searches, threshold) for wanted, threshold in thresholds.items()}
