"""Open-set numbers of an outcome: FNIR at wanted FPIRs, and what stored thresholds do here (ISO/IEC 19795-1)."""

from __future__ import annotations

from typing import Any

from reidr.data.protocols.crops_compared import crops_compared
from reidr.evaluation.experiment.outcome import Outcome
from reidr.evaluation.metrics.open_set import OpenSetErrors, Searches, open_set_curve, open_set_errors, searches_of
from reidr.evaluation.metrics.open_set_scores import lists_to_threshold
from reidr.fusion.gallery_size import rule_for_gallery
from reidr.fusion.profile import OpenSetRule
from reidr.retrieval.ranked_list import RankedList

SHOWN_AS = {"1 - P(same)": "1 - direct score"}
WANTED_FPIR = (0.01, 0.1)


def open_set_numbers(outcome: Outcome) -> dict[str, Any]:
    """Errors of every list that can be thresholded, by name; empty without both mated and non-mated queries."""
    errors = {
        name: {f"FNIR at FPIR {wanted:g}": fnir_at(curve, wanted) for wanted in WANTED_FPIR}
        for name, ranked in lists_of(outcome)
        if (curve := open_set_of(outcome, ranked))
    }
    if not errors:
        return {}
    mated = outcome.trial.mated
    return {
        "open_set": errors,
        "mated_queries": int(mated.sum()),
        "non_mated_queries": int((~mated).sum()),
        "enrolled_identities": searches(outcome, outcome.ranked).enrolled,
        "open_set_at_stored_thresholds": at_stored_thresholds(outcome),
        "open_set_as_tuned": as_tuned(outcome),
    }


def lists_of(outcome: Outcome) -> list[tuple[str, RankedList]]:
    """The ranked lists whose distances can be thresholded: the retriever's, the reasoner's, and by single scores."""
    lists = [("retriever", outcome.ranked)]
    if outcome.scores is None or outcome.thresholded is None:
        return lists
    more = lists_to_threshold(outcome.ranked, outcome.scores, outcome.settings.profile.weight)
    others = [(name, ranked) for name, ranked in more.items() if name not in ("distance", "fused distance")]
    return [*lists, ("reasoner", outcome.thresholded), *others]


def at_stored_thresholds(outcome: Outcome) -> dict[str, dict[str, float]]:
    """FPIR and FNIR of the retriever here, at thresholds chosen elsewhere for a wanted FPIR, for a gallery as large."""
    found = {}
    for wanted, threshold in fitted(outcome, outcome.stored_rule).thresholds.items():
        errors = open_set_errors(searches(outcome, outcome.ranked), threshold)
        found[wanted] = {"distance": threshold, "FPIR": errors.false_positive, "FNIR": errors.false_negative}
    return found


def as_tuned(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """FPIR and FNIR here of the score of the inference profile, by wanted FPIR: at its thresholds for this gallery."""
    absent = outcome.settings.profile.open_set
    if absent is None or outcome.scores is None:
        return {}
    lists = lists_to_threshold(outcome.ranked, outcome.scores, outcome.settings.profile.weight)
    if absent.score not in lists:
        return {}
    found = {}
    for wanted, threshold in fitted(outcome, absent).thresholds.items():
        errors = open_set_errors(searches(outcome, lists[absent.score]), threshold)
        found[wanted] = {
            "score": absent.score,
            "threshold": threshold,
            "FPIR": errors.false_positive,
            "FNIR": errors.false_negative,
        }
    return found


def fitted(outcome: Outcome, rule: OpenSetRule) -> OpenSetRule:
    """The rule that `find` goes by in a gallery of this size: what is printed is what is applied."""
    return rule if rule.crops is None else rule_for_gallery(rule, crops_compared(outcome.trial))


def searches(outcome: Outcome, ranked: RankedList) -> Searches:
    """The searches of a ranked list of this outcome, mated and non-mated."""
    trial = outcome.trial
    people = [crop.person for crop in trial.query], [crop.person for crop in trial.gallery]
    return searches_of(ranked, *people, trial.mated, junk=trial.idle)


def open_set_of(outcome: Outcome, ranked: RankedList) -> list[OpenSetErrors]:
    """The FNIR-FPIR curve of a ranked list; empty without both mated and non-mated queries."""
    mated = outcome.trial.mated
    if mated.all() or not mated.any():
        return []
    return open_set_curve(searches(outcome, ranked))


def fnir_at(curve: list[OpenSetErrors], wanted: float) -> float:
    """The lowest FNIR whose FPIR is at most `wanted`; 1 where none is."""
    return min((errors.false_negative for errors in curve if errors.false_positive <= wanted), default=1.0)
