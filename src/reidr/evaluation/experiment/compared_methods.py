"""The methods of `evaluate --compare`: rows beside the one of the inference profile. Add a method here.

Each is a function of one trial's search that gives a row, or None where what it needs was not tuned for the reasoner or
is not there. A re-ranker from outside the package is named by its dotted path instead (`external_row`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reidr.errors import ReIDError
from reidr.evaluation.experiment.candidate_scoring import candidate_pairs, doubled, leave_out, steps_of
from reidr.evaluation.experiment.external_reranker import external_row
from reidr.evaluation.experiment.outcome import DEFAULT_COMPARE
from reidr.evaluation.experiment.profile_row import ProfileResult, asked_by_policy, reasoner_name
from reidr.evaluation.experiment.rows import (
    ADAPTIVE,
    AFTER_K_RECIPROCAL,
    CSLS,
    K_RECIPROCAL,
    REASONED,
    THINKING,
    VISION_SIMILARITY,
    Role,
    Row,
)
from reidr.evaluation.experiment.search import ORDERS, Cost, MethodName, TrialSearch
from reidr.fusion.calibration import margin_of
from reidr.fusion.logistic import fuse_whole, rank_by_probability
from reidr.fusion.score_predictor import fuse_asked
from reidr.fusion.weighted import fuse
from reidr.reasoning.backends.reasoned import reasoned_scores
from reidr.retrieval.rerankers.csls import with_csls


@dataclass(frozen=True)
class ComparedMethod:
    """A method that `--compare` knows by name.

    Attributes:
        name: what is typed. row: makes its row from the search and the profile's result (None without a reasoner).
        needs_reasoner: whether it is left out without one. needs_all_scores: whether it is left out where only the
            pairs in doubt are asked (`Settings.in_doubt`).
    """

    name: str
    row: Callable[[TrialSearch, ProfileResult | None], Row | None]
    needs_reasoner: bool = True
    needs_all_scores: bool = True

    def is_possible(self, search: TrialSearch) -> bool:
        """Whether the search has what it needs."""
        asked = search.reasoner is not None or not self.needs_reasoner
        return asked and not (self.needs_all_scores and search.settings.in_doubt)


def csls_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The retriever's list by CSLS distances. Where the profile does without them: only if the method is named."""
    ranked, started = search.ranked, time.perf_counter()
    if ranked.local is None and search.settings.compare != DEFAULT_COMPARE:
        ranked = with_csls(ranked, search.gallery.features, junk=search.trial.junk)
        search.seconds["CSLS"] = time.perf_counter() - started
    if ranked.local is None:
        return None
    note = f"the first {ranked.k}, distances corrected by the neighbours of both crops"
    method = MethodName(CSLS, "reranker", CSLS, (search.retriever_row,))
    cost = Cost(seconds=search.seconds.get("CSLS", 0.0))
    return search.row(method, ranked.reordered(ranked.local, "CSLS"), cost, note)


def k_reciprocal_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """k-reciprocal re-ranking (Zhong et al. 2017); None for tiny galleries and where each query has its own."""
    if len(search.gallery) <= 2 or search.trial.draws_per_query:
        return None
    started = time.perf_counter()
    again = search.after_k_reciprocal()
    method = MethodName(K_RECIPROCAL, "reranker", K_RECIPROCAL, (search.retriever_row,))
    return search.row(method, again, Cost(seconds=time.perf_counter() - started), again.made_by[-1])


def weighted_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The same scores fused by one weight; None where that is the profile's own fusion."""
    profile = search.settings.profile
    fitted = profile.fitted
    chosen = profile.fusion == "fitted" and fitted is not None and fitted.fits(search.ranked, search.similarities())
    if not chosen:
        return None
    fused = fuse(search.ranked, search.scores(), profile.weight)
    note = f"the same scores, weight {profile.weight:g}"
    return search.row(variant_of(search, "weighted"), fused, note=note)


def fitted_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The same scores in one fitted probability; None where none is stored, or where it is the profile's fusion."""
    settings, ranked, similarities = search.settings, search.ranked, search.similarities()
    fitted = settings.profile.fitted
    if settings.profile.fusion == "fitted" or fitted is None or not fitted.fits(ranked, similarities):
        return None
    fused = rank_by_probability(ranked, fitted.probabilities(ranked, margin_of(search.scores()), similarities))
    seen = ", vision similarity" if fitted.vision_similarities else ""
    note = f"the same scores; distances, z-norm, rank{seen} and score in one fitted probability"
    return search.row(variant_of(search, "fitted"), fused, note=note)


def whole_list_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The same scores, with the whole list sorted anew as MUSE does; None where no weight is stored for it."""
    weight = search.settings.profile.whole_weight
    if weight is None:
        return None
    fused = fuse_whole(search.ranked, search.scores(), weight)
    note = f"the same scores, the whole list sorted anew, weight {weight:g}"
    return search.row(variant_of(search, "whole list"), fused, note=note)


def vision_similarity_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The order by the reasoner's vision encoder, no pair asked; None where the score predictor does not use it."""
    predictor, similarities = search.settings.profile.score_predictor, search.similarities()
    if similarities is None or predictor is None or not predictor.vision_similarities:
        return None
    nothing = np.full(similarities.shape[:2], np.nan)
    only = fuse_asked(search.ranked, nothing, search.settings.profile.weight, predictor, similarities)
    note = "no pair asked: similarities of the reasoner's vision encoder, each crop encoded once"
    method = variant_of(search, VISION_SIMILARITY, "reranker")
    return search.row(method, only, Cost(seconds=search.seconds["similarities"]), note)


def adaptive_row(search: TrialSearch, result: ProfileResult | None = None) -> Row | None:
    """The pairs in doubt alone, computed from the scores of all; None where no policy is stored."""
    policy, asked = search.settings.profile.policy, asked_by_policy(search)
    if policy is None or asked is None or result is None:
        return None
    partly = np.where(asked, search.scores(), np.nan)
    fused = search.settings.profile.reranker().fused_in_doubt(search.ranked, partly, search.similarities()).ranked
    share = asked.sum() / max(1, search.wanted.sum())
    seconds = search.seconds.get("similarities", 0.0) + share * search.seconds.get("scores", 0.0)
    per_query = asked.sum() / len(search.ranked)
    note = f"only pairs in doubt, {per_query:.2f} per query; seconds estimated from their share"
    return search.row(variant_of(search, ADAPTIVE), fused, Cost(ORDERS * int(asked.sum()), seconds), note)


def after_k_reciprocal_row(search: TrialSearch, _: ProfileResult | None = None) -> Row | None:
    """The reasoner asked about the first candidates of k-reciprocal re-ranking; None where no weight is stored."""
    k, weight = search.k, search.settings.profile.k_reciprocal_weight
    if weight is None or len(search.gallery) <= 2 or search.trial.draws_per_query:
        return None
    again = search.after_k_reciprocal()
    started, before = time.perf_counter(), len(search.known)
    head = doubled(leave_out(again, search.trial.excluded))
    wanted = head.indices[:, :k] >= 0
    with search.progress("scoring pairs after k-reciprocal", int(wanted.sum())) as advance:
        scores = search.scorer.ask(head, wanted, advance)
    fused = fuse(head, scores, weight)
    note = f"its first {k}, direct score, weight {weight:g}; calls beyond those above"
    cost = Cost(ORDERS * (len(search.known) - before), time.perf_counter() - started)
    name = f"{K_RECIPROCAL}, then {reasoner_name(search)}"
    return search.row(MethodName(name, "reasoner", AFTER_K_RECIPROCAL, (K_RECIPROCAL,)), fused, cost, note)


def thinking_row(search: TrialSearch, result: ProfileResult | None = None) -> Row | None:
    """Direct scores replaced by those after thinking, where the reasoner thought; None where it thinks about none.

    Candidates without either count with their predicted score, as they do in the profile's row.
    """
    settings, first = search.settings, min(search.settings.think, search.k)
    if not settings.think or result is None or not search.scorer.reasoner.capabilities.think:
        return None
    started = time.perf_counter()
    pairs, places = candidate_pairs(search.trial, search.ranked, first)
    with search.progress("thinking about pairs", len(pairs)) as advance:
        thoughts = search.scorer.reasoner.think(pairs, batch_size=settings.batch, progress=steps_of(advance))
    for pair, verdict in zip(pairs, thoughts, strict=True):
        # The same words may have been scored alone already.
        search.verdicts.setdefault((pair.query.id, pair.candidate.id), verdict)
    after = result.scores.copy()
    after[places] = [verdict.evidence for verdict in thoughts]
    after = np.where(np.isnan(after), result.scores, after)
    predictor = settings.profile.score_predictor if settings.in_doubt else None
    fused = fuse_asked(search.ranked, after, settings.profile.weight, predictor, result.vision_similarities)
    parsed = np.mean([verdict.parsable for verdict in thoughts]) if thoughts else 1.0
    note = f"thinking about the first {settings.think}, {parsed:.0%} of answers parsable"
    return search.row(variant_of(search, THINKING), fused, Cost(len(pairs), time.perf_counter() - started), note)


def reasoned_row(search: TrialSearch, result: ProfileResult | None = None) -> Row | None:
    """The scores that are read from the words alone; None for a reasoner that cannot do that, or where it is the
    profile's own score."""
    backend, settings = search.scorer.reasoner, search.settings
    possible = backend.capabilities.score_words and backend.capabilities.think
    if not possible or settings.profile.score == "reasoned":
        return None
    started = time.perf_counter()
    pairs, places = candidate_pairs(search.trial, search.ranked, search.k)
    with search.progress("reasoning about pairs", ORDERS * len(pairs)) as advance:
        found = reasoned_scores(backend, pairs, batch_size=settings.batch, progress=steps_of(advance))
    scores = np.full(search.wanted.shape, np.nan)
    scores[places] = found.scores
    search.verdicts |= {(p.query.id, p.candidate.id): own[0] for p, own in zip(pairs, found.verdicts, strict=True)}
    fused = fuse(search.ranked, scores, settings.profile.weight)
    parsed = np.isfinite(found.by_rationale).mean() if len(pairs) else 1.0
    note = f"P(same) read from the words alone, weight {settings.profile.weight:g}; {parsed:.0%} of rationales readable"
    cost = Cost(2 * ORDERS * len(pairs), time.perf_counter() - started)
    return search.row(variant_of(search, REASONED), fused, cost, note)


def variant_of(search: TrialSearch, variant: str, role: Role = "reasoner") -> MethodName:
    """A variant of the reasoner's method, called after both."""
    return MethodName(f"{reasoner_name(search)}, {variant}", role, variant)


METHODS: Mapping[str, ComparedMethod] = {
    method.name: method
    for method in (
        ComparedMethod("csls", csls_row, needs_reasoner=False, needs_all_scores=False),
        ComparedMethod("k-reciprocal", k_reciprocal_row, needs_reasoner=False, needs_all_scores=False),
        ComparedMethod("weighted", weighted_row),
        ComparedMethod("fitted", fitted_row),
        ComparedMethod("whole-list", whole_list_row),
        ComparedMethod("vision-similarity", vision_similarity_row),
        ComparedMethod("adaptive", adaptive_row),
        ComparedMethod("thinking", thinking_row, needs_all_scores=False),
        ComparedMethod("reasoned", reasoned_row, needs_all_scores=False),
        ComparedMethod("after-k-reciprocal", after_k_reciprocal_row),
    )
}


def compared_row(search: TrialSearch, name: str, result: ProfileResult | None) -> Row | None:
    """The row of a method by name or by dotted path; None where it is not possible here."""
    if name not in METHODS:
        return external_row(search, name)
    method = METHODS[name]
    return method.row(search, result) if method.is_possible(search) else None


def chosen_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The names that are meant: `all` stands for every method by name, `none` for nothing. Dotted paths stay.

    Raises ReIDError for a name that is neither a method nor a `module:factory`.
    """
    chosen: list[str] = []
    for name in names:
        if name == "all":
            chosen += METHODS
        elif name in METHODS or ":" in name:
            chosen.append(name)
        elif name != "none":
            raise ReIDError(f"--compare {name}: no such method; there are {', '.join(METHODS)}, all, none, or a "
                            "re-ranker of your own as module:factory")  # fmt: skip
    return tuple(dict.fromkeys(chosen))
