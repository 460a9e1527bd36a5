"""The rows of an evaluation that a reasoner takes part in: direct, adaptive, thinking, after k-reciprocal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reidr.data.protocols.trial import Trial
from reidr.errors import ReIDError
from reidr.evaluation.experiment.candidate_scoring import (
    Known,
    ask,
    ask_by_policy,
    candidate_pairs,
    doubled,
    leave_out,
    steps_of,
    vision_similarity,
)
from reidr.evaluation.experiment.cost_curve import asked_pairs, policy_name
from reidr.evaluation.experiment.outcome import Progress, Row, Settings
from reidr.evaluation.metrics.ranking_result import RankingResult
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import fuse_whole, rank_by_probability
from reidr.fusion.score_predictor import ScorePredictor, fuse_asked
from reidr.fusion.weighted import fuse, fuse_for_threshold
from reidr.reasoning.types import Verdict
from reidr.retrieval.ranked_list import RankedList
from reidr.retrieval.score_normalisation import has_z_norm, normalised_distances

if TYPE_CHECKING:
    from reidr.reasoning.backends.local import Backend

Measure = Callable[..., RankingResult]
"""`evaluate_features` with everything but the re-ranked list."""
ORDERS = 2  # calls that a scored pair costs: one for each order of the crops


@dataclass(eq=False)
class Told:
    """What a reasoner gave: its rows, and the attributes of an `Outcome` that come from it."""

    rows: list[Row]
    scores: NDArray[np.float64]
    fused: RankedList
    thresholded: RankedList
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    asked: NDArray[np.bool_] | None = None
    vision_similarities: NDArray[np.float64] | None = None

    def found(self) -> dict[str, Any]:
        """All but the rows, by name."""
        return {name: value for name, value in vars(self).items() if name != "rows"}


def ask_reasoner(
    trial: Trial,
    ranked: RankedList,
    again: RankedList | None,
    k: int,
    reasoner: Backend,
    settings: Settings,
    measure: Measure,
    progress: Progress,
    known: Known,
) -> Told:
    """Ask about the first k candidates of `ranked`, or those the policy names, and measure every row.

    Args:
        again: the list by k-reciprocal re-ranking, for the row that fuses with it. known: scores of earlier trials.
    """
    if settings.only_policy:
        return _adaptive_only(trial, ranked, k, reasoner, settings, measure, progress, known)
    started, before = time.perf_counter(), len(known)
    vision_similarities = _vision_similarities(trial, ranked, k, reasoner, settings, progress)
    looked = time.perf_counter() - started
    wanted = ranked.indices[:, :k] >= 0
    with progress("scoring pairs", int(wanted.sum())) as advance:
        scores = ask(reasoner, trial, ranked, wanted, known, advance, settings.batch)
    fused = fuse(ranked, scores, settings.weight)
    told = Told(
        [], scores, fused, fuse_for_threshold(ranked, scores, settings.weight), vision_similarities=vision_similarities
    )
    result, seconds = measure(reranked=fused), time.perf_counter() - started
    calls = ORDERS * (len(known) - before)
    note = f"direct score, both orders, weight {settings.weight:g}"
    told.rows.append(Row(f"reasoner {reasoner.name} direct", result, calls, seconds, note, "direct"))
    told.rows += _other_fusions(ranked, scores, vision_similarities, reasoner.name, settings, measure)
    policy, score_predictor = settings.policy, settings.score_predictor
    if vision_similarities is not None and score_predictor is not None and score_predictor.vision_similarities:
        only = fuse_asked(ranked, np.full_like(scores, np.nan), settings.weight, score_predictor, vision_similarities)
        note = "no pair asked: cosines of its own eyes, each crop seen once"
        told.rows.append(
            Row(f"reasoner {reasoner.name} glance", measure(reranked=only), 0, looked, note, "vision_similarity")
        )
    if policy is not None and has_z_norm(ranked, policy.first, policy.last):
        normalised = normalised_distances(ranked, policy.first, policy.last)
        guess = None if score_predictor is None else score_predictor.guess(ranked, k, vision_similarities)
        told.asked = asked_pairs(policy, normalised, scores, guess)
        partly = np.where(told.asked, scores, np.nan)
        result = measure(reranked=fuse_asked(ranked, partly, settings.weight, score_predictor, vision_similarities))
        seconds = looked + told.asked.sum() / max(1, wanted.sum()) * (seconds - looked)
        note = f"{policy_name(policy)}: {told.asked.sum() / len(ranked):.2f} pairs per query; seconds by share of pairs"
        asked = ORDERS * int(told.asked.sum())
        told.rows.append(Row(f"reasoner {reasoner.name} adaptive", result, asked, seconds, note, "adaptive"))
    if settings.think:
        _think(told, trial, ranked, min(settings.think, k), reasoner, settings, measure, progress, None)
    if again is not None and settings.k_reciprocal_weight is not None:
        started, before = time.perf_counter(), len(known)
        head = doubled(leave_out(again, trial.excluded))
        wanted = head.indices[:, :k] >= 0
        with progress("scoring pairs after k-reciprocal", int(wanted.sum())) as advance:
            more = ask(reasoner, trial, head, wanted, known, advance, settings.batch)
        result = measure(reranked=fuse(head, more, settings.k_reciprocal_weight))
        note = f"its first {k}, direct score, weight {settings.k_reciprocal_weight:g}; calls beyond those above"
        calls, seconds = ORDERS * (len(known) - before), time.perf_counter() - started
        name = f"k-reciprocal, then reasoner {reasoner.name}"
        told.rows.append(Row(name, result, calls, seconds, note, "after k-reciprocal"))
    return told


def _vision_similarities(
    trial: Trial, ranked: RankedList, k: int, reasoner: Backend, settings: Settings, progress: Progress
) -> NDArray[np.float64] | None:
    """What the reasoner's eyes tell of the first k candidates, where what was chosen asks for that."""
    wanted = (settings.score_predictor, settings.fitted)
    if not any(each is not None and each.vision_similarities for each in wanted):
        return None
    return vision_similarity(reasoner, trial, ranked, k, progress, settings.batch)


def _other_fusions(
    ranked: RankedList,
    scores: NDArray[np.float64],
    vision_similarities: NDArray[np.float64] | None,
    name: str,
    settings: Settings,
    measure: Measure,
) -> list[Row]:
    """The same scores, fused in the other ways that were chosen on training identities; they cost no call."""
    rows = []
    if settings.whole_weight is not None:
        started = time.perf_counter()
        result = measure(reranked=fuse_whole(ranked, scores, settings.whole_weight))
        note = f"the same scores, the whole list sorted anew, weight {settings.whole_weight:g}"
        seconds = time.perf_counter() - started
        rows.append(Row(f"reasoner {name}, whole list", result, 0, seconds, note, "whole list"))
    fitted = settings.fitted
    if fitted is not None and fitted.fits(ranked, vision_similarities):
        started = time.perf_counter()
        fused = rank_by_probability(ranked, fitted.probabilities(ranked, margin_of(scores), vision_similarities))
        seen = ", glance" if fitted.vision_similarities else ""
        chosen = "; chosen to order candidates" if settings.fusion == "fitted" else ""
        note = f"the same scores; distances, neighbourhood, rank{seen} and score in one fitted probability{chosen}"
        result, seconds = measure(reranked=fused), time.perf_counter() - started
        rows.append(Row(f"reasoner {name}, fitted", result, 0, seconds, note, "fitted"))
    return rows


def _adaptive_only(
    trial: Trial,
    ranked: RankedList,
    k: int,
    reasoner: Backend,
    settings: Settings,
    measure: Measure,
    progress: Progress,
    known: Known,
) -> Told:
    policy, started, before = settings.policy, time.perf_counter(), len(known)
    if policy is None or not has_z_norm(ranked, policy.first, policy.last):
        raise ReIDError(
            "asking adaptively needs a policy and, for every query, a neighbourhood: at least "
            f"{3 if policy is None else policy.first + 2} candidates in the gallery; leave --adaptive out"
        )
    score_predictor = settings.score_predictor
    vision_similarities = _vision_similarities(trial, ranked, k, reasoner, settings, progress)
    guess = None if score_predictor is None else score_predictor.guess(ranked, k, vision_similarities)
    with progress("scoring the pairs in doubt, rank by rank", k) as advance:
        scores = ask_by_policy(policy, reasoner, trial, ranked, k, known, advance, settings.batch, guess)
    fused = fuse_asked(ranked, scores, settings.weight, score_predictor, vision_similarities)
    asked = np.isfinite(scores)
    filled = (
        scores
        if score_predictor is None
        else score_predictor.fill(ranked, scores, vision_similarities, unasked_queries=True)
    )
    thresholded = fuse_for_threshold(ranked, filled, settings.weight)
    told = Told([], scores, fused, thresholded, asked=asked, vision_similarities=vision_similarities)
    note = f"{policy_name(policy)}: {asked.sum() / len(ranked):.2f} pairs per query, weight {settings.weight:g}"
    result, seconds = measure(reranked=fused), time.perf_counter() - started
    calls = ORDERS * (len(known) - before)
    told.rows.append(Row(f"reasoner {reasoner.name} adaptive", result, calls, seconds, note, "adaptive"))
    if settings.think:
        _think(told, trial, ranked, min(settings.think, k), reasoner, settings, measure, progress, score_predictor)
    return told


def _think(
    told: Told,
    trial: Trial,
    ranked: RankedList,
    first: int,
    reasoner: Backend,
    settings: Settings,
    measure: Measure,
    progress: Progress,
    score_predictor: ScorePredictor | None,
) -> None:
    """Think about the first candidates of every query and put the answers over the direct scores.

    Candidates without either count with what is `score_predictor` of them, as they do in the row of direct scores.
    """
    started = time.perf_counter()
    pairs, places = candidate_pairs(trial, ranked, first)
    with progress("thinking about pairs", len(pairs)) as advance:
        thoughts = reasoner.think(pairs, batch_size=settings.batch, progress=steps_of(advance))
    told.verdicts = {(p.query.id, p.candidate.id): v for p, v in zip(pairs, thoughts, strict=True)}
    after = told.scores.copy()
    after[places] = [verdict.evidence for verdict in thoughts]
    after = np.where(np.isnan(after), told.scores, after)
    told.fused = fuse_asked(ranked, after, settings.weight, score_predictor, told.vision_similarities)
    filled = (
        after
        if score_predictor is None
        else score_predictor.fill(ranked, after, told.vision_similarities, unasked_queries=True)
    )
    told.thresholded = fuse_for_threshold(ranked, filled, settings.weight)
    parsed = np.mean([verdict.parsable for verdict in thoughts]) if thoughts else 1.0
    note = f"thinking about the first {settings.think}, {parsed:.0%} of answers parsable"
    result, seconds = measure(reranked=told.fused), time.perf_counter() - started
    told.rows.append(Row(f"reasoner {reasoner.name} thinking", result, len(pairs), seconds, note, "thinking"))
