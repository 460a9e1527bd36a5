"""Query cards of a report: one query with the head of its ranked list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reidr.data.protocols.trial import Trial
from reidr.data.types import Crop
from reidr.evaluation.experiment.outcome import Outcome
from reidr.fusion.ask_policy import explain
from reidr.fusion.calibration import margin_of
from reidr.fusion.weighted import SCORE_NAMES
from reidr.reasoning.rationales.statements import Known, statements_of
from reidr.reasoning.types import Verdict
from reidr.report import Candidate, QueryCard
from reidr.retrieval.score_normalisation import normalised_distances

Mark = Literal["right", "wrong", "junk", "unknown"]
NO_MATCH = {
    None: "no crop from another camera",
    "changed": "no crop from another camera in other clothes",
    "same": "no crop from another camera in the same clothes",
}
SHOWN = 10  # non-junk candidates per query card; all that a reasoner may have moved, where those are more


def query_card(outcome: Outcome, position: int, known: Known = "nothing") -> QueryCard:
    """One query with the head of its ranked list, ignored crops in their places.

    Claims of reasons are held against what is `known` of the data set's crops.
    """
    trial = outcome.trial
    query = trial.query[position]
    base = outcome.rows[0].result
    after_row = outcome.reasoner_row
    matched = int(base.matches[position])
    asked = "" if outcome.scores is None else asked_sentence(outcome, position)
    return QueryCard(
        id=query.id,
        image=query.image,
        person=query.person,
        camera=query.camera,
        status=status_of(trial, position, matched),
        candidates=card_candidates(outcome, position, known),
        average_precision_before=float(base.average_precision[position]) if matched else None,
        average_precision_after=(
            float(after_row.result.average_precision[position]) if matched and after_row is not None else None
        ),
        asked=asked,
        **cost_of(outcome, position),
    )


def status_of(trial: Trial, position: int, matches: int) -> str:
    """Whether a query can be answered, and why not: a person may be there in crops that the rule ignores alone."""
    person = trial.query[position].person
    if matches:
        return f"in the gallery, {matches} match{'es' if matches != 1 else ''}"
    if person is None:
        return "no person label"
    return NO_MATCH[trial.protocol.clothes] if person in trial.persons else "not in the gallery"


def cost_of(outcome: Outcome, position: int) -> dict[str, Any]:
    """Calls for one query, and what the thoughts cost: two for each direct score, one for each thought, and four where
    its words were scored alone (written and read in both orders)."""
    if outcome.scores is None:
        return {}
    query = outcome.trial.query[position].id
    thoughts = [verdict for (first, _), verdict in outcome.verdicts.items() if first == query]
    scored = int(np.isfinite(outcome.scores[position]).sum())
    direct = 0 if outcome.settings.profile.score == "reasoned" else 2 * scored
    calls = direct + sum(1 if each.words is None else 4 for each in thoughts)
    return {"calls": calls, **thought_cost(thoughts)}


def thought_cost(thoughts: Sequence[Verdict]) -> dict[str, Any]:
    """Tokens and seconds of some thoughts; nothing for none."""
    if not thoughts:
        return {}
    return {"tokens": sum(each.tokens for each in thoughts), "seconds": sum(each.seconds for each in thoughts)}


def asked_sentence(outcome: Outcome, position: int) -> str:
    """Why and how often the reasoner was asked about this query."""
    assert outcome.scores is not None
    number = int(np.isfinite(outcome.scores[position]).sum())
    query = outcome.trial.query[position].id
    thought = sum(first == query for first, _ in outcome.verdicts)
    words = f", and wrote its reasons for {thought}" if thought else ""
    said = f"The reasoner scored {number} of the retriever's first candidates in both orders{words}."
    policy = outcome.settings.profile.policy
    if outcome.asked is None or policy is None:
        return said
    normalised = normalised_distances(outcome.ranked, policy.first, policy.last)[position]
    why = explain(policy, normalised, outcome.asked[position])
    return f"{why} {said}" if outcome.settings.in_doubt else f"{said} By its policy: {why[0].lower()}{why[1:]}"


def card_candidates(outcome: Outcome, position: int, known: Known = "nothing") -> tuple[Candidate, ...]:
    """The head of a ranked list: ignored crops keep their places, the others move as the reasoner says.

    All candidates that it may have moved are shown, so that the ranks on the card are those of the whole list.
    """
    trial = outcome.trial
    raw = outcome.shown.indices[position]
    number = SHOWN if outcome.scores is None else max(SHOWN, outcome.scores.shape[1])
    counted = set(outcome.ranked.indices[position].tolist()) - {-1}
    places: list[int] = []
    for index in raw.tolist():
        if index < 0 or sum(i in counted for i in places) == number:
            break
        places.append(index)
    order = places
    if outcome.fused is not None:
        moved = [i for i in outcome.fused.indices[position].tolist() if i in counted and i in set(places)]
        fresh = iter(moved)
        order = [next(fresh) if index in counted else index for index in places]
    before = {index: rank for rank, index in enumerate(places, start=1)}
    after = {index: rank for rank, index in enumerate(order, start=1)}
    distances = dict(zip(raw.tolist(), outcome.shown.distances[position].tolist(), strict=True))
    query = trial.query[position]
    return tuple(
        candidate(
            outcome,
            position,
            index,
            Place(
                mark_of(query, trial.gallery[index], index in counted),
                before[index],
                None if outcome.fused is None else after[index],
                distances[index],
            ),
            known,
        )
        for index in order
    )


@dataclass(frozen=True)
class Place:
    """Where a candidate stands in a list: its rank before and after the reasoner, the retriever's distance."""

    mark: Mark
    before: int
    after: int | None
    distance: float


def candidate(outcome: Outcome, position: int, index: int, place: Place, known: Known = "nothing") -> Candidate:
    """Crop `index` of the gallery beside query `position`: the direct score as the model gives it, P(same) where there
    is a calibration for it, and what the reasoner wrote where it thought."""
    query, crop = outcome.trial.query[position], outcome.trial.gallery[index]
    verdict, calibration = outcome.verdicts.get((query.id, crop.id)), outcome.settings.profile.calibration
    score, wanted = direct_score(outcome, position, index)
    thought = verdict is not None and verdict.parsable
    claims = verdict.reasoning if thought and verdict is not None else ""
    return Candidate(
        id=crop.id,
        image=crop.image,
        mark=place.mark,
        rank_before=place.before,
        rank_after=place.after,
        distance=place.distance,
        person=crop.person,
        camera=crop.camera,
        probability=None if score is None or calibration is None else float(calibration.apply(margin_of(score))),
        score_after=fused_distance(outcome, position, index),
        reasoning=None if verdict is None else verdict.reasoning or "(no words)",
        cues=() if verdict is None else tuple(f"{cue.region}: {cue.agreement}" for cue in verdict.cues),
        answer=None if verdict is None else verdict.answer,
        score_direct=score,
        score_name=SCORE_NAMES[outcome.settings.profile.score],
        score_words=None if verdict is None else verdict.words,
        score_thinking=verdict.probability if thought and verdict is not None else None,
        sampled=verdict is not None and verdict.sampled,
        no_score=wanted and score is None,
        statements=statements_of(claims, query.attributes, crop.attributes, known),
        **({} if verdict is None else thought_cost([verdict])),
    )


def direct_score(outcome: Outcome, position: int, index: int) -> tuple[float | None, bool]:
    """The direct score of a candidate, None where there is none, and whether the reasoner was to give one."""
    column = np.flatnonzero(outcome.ranked.indices[position] == index)
    if outcome.scores is None or not len(column) or column[0] >= outcome.scores.shape[1]:
        return None, False
    value = outcome.scores[position, column[0]]
    return (float(value) if np.isfinite(value) else None), not outcome.settings.in_doubt


def fused_distance(outcome: Outcome, position: int, index: int) -> float | None:
    """The distance of a candidate after fusion, None where nothing was fused."""
    if outcome.fused is None:
        return None
    at = np.flatnonzero(outcome.fused.indices[position] == index)
    return float(outcome.fused.distances[position, at[0]]) if len(at) else None


def mark_of(query: Crop, crop: Crop, counted: bool) -> Mark:
    """Right, wrong, or junk (ignored by the protocol)."""
    if not counted:
        return "junk"
    return "right" if crop.person is not None and crop.person == query.person else "wrong"
