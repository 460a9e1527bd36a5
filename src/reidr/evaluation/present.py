"""From measured outcomes to what people and programs read: the JSON of rows, the table, the report's query cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import numpy as np

from reidr.data.protocol import Trial
from reidr.data.types import Crop
from reidr.evaluation.adaptive import explain
from reidr.evaluation.curves import curves_of, numbers_of, people_of
from reidr.evaluation.experiment import Outcome, Row, mean_metrics
from reidr.evaluation.find import Found
from reidr.evaluation.report import Candidate, MetricRow, QueryCard, Report
from reidr.evaluation.second_look import stated_by
from reidr.evaluation.statements import CHECKED, Known, statements_of, statements_seen_again, what_is_known
from reidr.evaluation.statistics import bootstrap_interval, paired_bootstrap
from reidr.frame.run import environment
from reidr.reasoning.types import Verdict
from reidr.retrieval.neighbourhood import normalised_distances

Mark = Literal["right", "wrong", "junk", "unknown"]
METRICS = ("mAP", "rank1", "rank5", "rank10", "mINP")
TITLES = {"mAP": "mAP", "rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "mINP": "mINP"}
NO_MATCH = {
    None: "no crop from another camera",
    "changed": "no crop from another camera in other clothes",
    "same": "no crop from another camera in the same clothes",
}
SHOWN = 10  # non-junk candidates per query card


def rows_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The public shape of `reidr evaluate --json`: `{"rows": [{"name", "mAP", "rank1", …}, …], …}`, shares of 1."""
    first = outcomes[0]
    rows = []
    for position, row in enumerate(first.rows):
        values: dict[str, Any] = {"name": row.name, **mean_metrics(outcomes, position)}
        values["calls"], seconds = cost_of_row(outcomes, position)
        values["seconds"] = round(seconds, 3)
        if row.note:
            values["note"] = row.note
        if len(outcomes) == 1:
            values["intervals"] = {name: list(pair) for name, pair in intervals(first, row).items()}
            if position:
                values["gains"] = {name: list(pair) for name, pair in gains(first, row).items()}
        rows.append(values)
    return {
        "rows": rows,
        "dataset": first.dataset,
        "protocol": first.trial.protocol.name,
        "trials": len(outcomes),
        "queries": len(first.trial.query),
        "queries_without_match": first.rows[0].result.queries_without_match,
        "gallery": len(first.trial.gallery),
        "interval": "95 % percentile bootstrap over persons, with all their queries, 1,000 draws",
        **(numbers_of(first) if len(outcomes) == 1 else {}),
        "problems": list(first.problems),
        "environment": environment(),
    }


def cost_of_row(outcomes: Sequence[Outcome], position: int) -> tuple[int, float]:
    """Calls and seconds of one row, all trials together."""
    each = [outcome.rows[position] for outcome in outcomes]
    return sum(row.calls for row in each), sum(row.seconds for row in each)


def per_query(row: Row) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Per-query values whose means are mAP and Rank-1; queries without a match left out."""
    result = row.result
    valid = result.matches > 0
    return {
        "mAP": result.average_precision[valid],
        "rank1": (result.first_match_rank[valid] <= 1).astype(float),
    }


def intervals(outcome: Outcome, row: Row) -> dict[str, tuple[float, float]]:
    """95 % bootstrap interval over persons of mAP and Rank-1."""
    people = people_of(outcome)
    return {name: bootstrap_interval(values, groups=people) for name, values in per_query(row).items()}


def gains(outcome: Outcome, row: Row) -> dict[str, tuple[float, float]]:
    """95 % paired bootstrap interval over persons of the difference to the first row, for mAP and Rank-1."""
    before, people = per_query(outcome.rows[0]), people_of(outcome)
    return {name: paired_bootstrap(values, before[name], groups=people) for name, values in per_query(row).items()}


def text_table(outcomes: Sequence[Outcome]) -> str:
    """The rows as aligned text in percent, for a terminal."""
    names = [row.name for row in outcomes[0].rows]
    width = max(len(name) for name in names)
    lines = [f"{'':<{width}}  " + "".join(f"{TITLES[name]:>8}" for name in METRICS) + f"{'calls':>9}{'seconds':>9}"]
    for position, row in enumerate(outcomes[0].rows):
        metrics = mean_metrics(outcomes, position)
        values = "".join(f"{100 * metrics[name]:8.1f}" for name in METRICS)
        calls, seconds = cost_of_row(outcomes, position)
        lines.append(f"{row.name:<{width}}  {values}{calls:9d}{seconds:9.1f}")
    return "\n".join(lines)


def build_report(
    outcomes: Sequence[Outcome],
    *,
    title: str,
    subtitle: str = "",
    notice: str = "",
    facts: Mapping[str, str | int | float],
) -> Report:
    """The page of an evaluation: the table over all trials, as `rows_json` has it; curves and cards of the first."""
    outcome = outcomes[0]
    known = what_is_known((*outcome.trial.query, *outcome.trial.gallery))
    return Report(
        title=title,
        subtitle=subtitle,
        notice=notice,
        created=now(),
        facts=facts,
        metric_rows=tuple(metric_row(outcomes, position) for position in range(len(outcome.rows))),
        query_cards=tuple(query_card(outcome, position, known) for position in range(len(outcome.trial.query))),
        curves=curves_of(outcome),
        checked=CHECKED[known] if outcome.verdicts else "",
        protocol=outcome.trial.protocol.name,
        trials=len(outcomes),
        numbers=numbers_of(outcome) if len(outcomes) == 1 else {},
    )


def now() -> str:
    """Date and time of this moment, for a page."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")


def metric_row(outcomes: Sequence[Outcome], position: int) -> MetricRow:
    """A table row: means over the trials; intervals over persons where there is one trial."""
    row = outcomes[0].rows[position]
    calls, seconds = cost_of_row(outcomes, position)
    alone = len(outcomes) == 1
    return MetricRow(
        row.name,
        mean_metrics(outcomes, position),
        intervals=intervals(outcomes[0], row) if alone else {},
        gains=gains(outcomes[0], row) if alone and position else {},
        queries=int((row.result.matches > 0).sum()),
        calls=calls,
        seconds=seconds,
        note=row.note,
    )


def query_card(outcome: Outcome, position: int, known: Known = "nothing") -> QueryCard:
    """One query with the head of its ranked list, ignored crops in their places.

    Claims of reasons are held against what is `known` of the data set's crops.
    """
    trial = outcome.trial
    query = trial.query[position]
    base = outcome.rows[0].result
    # The row whose order the card shows: the adaptive one only where it is the only one.
    after = [row for row in outcome.rows if row.name.startswith("reasoner")]
    after_row = max(after, key=lambda row: (row.name.endswith(" thinking"), row.name.endswith(" direct")), default=None)
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
    """Calls for one query, two for each pair that was scored and one for each thought, and what the thoughts cost."""
    if outcome.scores is None:
        return {}
    query = outcome.trial.query[position].id
    thoughts = [verdict for (first, _), verdict in outcome.verdicts.items() if first == query]
    return {"calls": 2 * int(np.isfinite(outcome.scores[position]).sum()) + len(thoughts), **thought_cost(thoughts)}


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
    policy = outcome.settings.policy
    if outcome.asked is None or policy is None:
        return said
    normalised = normalised_distances(outcome.ranked, policy.first, policy.last)[position]
    why = explain(policy, normalised, outcome.asked[position])
    return f"{why} {said}" if outcome.settings.only_policy else f"{said} By its policy: {why[0].lower()}{why[1:]}"


def card_candidates(outcome: Outcome, position: int, known: Known = "nothing") -> tuple[Candidate, ...]:
    """The head of a ranked list: ignored crops keep their places, the others move as the reasoner says."""
    trial = outcome.trial
    raw = outcome.shown.indices[position]
    counted = set(outcome.ranked.indices[position].tolist()) - {-1}
    places: list[int] = []
    for index in raw.tolist():
        if index < 0 or sum(i in counted for i in places) == SHOWN:
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
    columns = {index: column for column, index in enumerate(outcome.ranked.indices[position].tolist())}
    query = trial.query[position]
    found = []
    for index in order:
        crop = trial.gallery[index]
        verdict = outcome.verdicts.get((query.id, crop.id))
        probability = None
        if outcome.scores is not None and columns.get(index, 10**9) < outcome.scores.shape[1]:
            value = outcome.scores[position, columns[index]]
            probability = float(value) if np.isfinite(value) else None
        found.append(
            candidate(
                crop,
                mark_of(query, crop, index in counted),
                before[index],
                after[index] if outcome.fused is not None else None,
                distances[index],
                probability,
                verdict,
                fused_distance(outcome, position, index),
                query,
                known,
            )
        )
    return tuple(found)


def candidate(
    crop: Crop,
    mark: Mark,
    before: int,
    after: int | None,
    distance: float,
    probability: float | None,
    verdict: Verdict | None,
    score_after: float | None,
    query: Crop,
    known: Known = "nothing",
) -> Candidate:
    """One crop of a card; where the reasoner thought, its probability and words count, else its direct score."""
    thought = verdict is not None and verdict.parsable
    claims = verdict.reasoning if thought and verdict is not None else ""
    return Candidate(
        id=crop.id,
        image=crop.image,
        mark=mark,
        rank_before=before,
        rank_after=after,
        distance=distance,
        person=crop.person,
        camera=crop.camera,
        probability=verdict.probability if thought and verdict is not None else probability,
        score_after=score_after,
        reasoning=None if verdict is None else verdict.reasoning or "(no words)",
        cues=() if verdict is None else tuple(f"{cue.region}: {cue.agreement}" for cue in verdict.cues),
        answer=None if verdict is None else verdict.answer,
        probability_direct=probability,
        statements=statements_of(claims, query.attributes, crop.attributes, known),
        **({} if verdict is None else thought_cost([verdict])),
    )


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


def found_card(found: Found) -> QueryCard:
    """The card of a search in a folder: matches in order, no truth."""
    fused = any(match.probability is not None for match in found.matches)
    candidates = tuple(
        replace(
            candidate(
                match.crop,
                "unknown",
                match.rank_before,
                place if fused else None,
                match.distance,
                match.probability,
                match.verdict,
                None,
                found.query,
            ),
            statements=()
            if match.verdict is None or not match.verdict.parsable
            else statements_seen_again(match.verdict.reasoning, match.looks),
        )
        for place, match in enumerate(found.matches, start=1)
    )
    thoughts = [match.verdict for match in found.matches if match.verdict is not None]
    thought = len(thoughts)
    scored = sum(match.probability is not None for match in found.matches)
    asked = f"The reasoner scored {len(candidates)} candidates in both orders and wrote reasons for {thought}."
    questions = {
        (place if stated.side == "B" else None, stated.attribute)
        for place, match in enumerate(found.matches)
        for look in match.looks
        if look.ended != "contradicts itself"
        for stated in stated_by(look.claim)
    }
    if questions:
        asked += f" A second look asked {len(questions)} short questions about single crops."
    return QueryCard(
        id=found.query.id,
        image=found.query.image,
        candidates=candidates,
        asked=asked if fused else "It was not asked.",
        calls=2 * scored + thought if fused else None,
        **thought_cost(thoughts),
    )
