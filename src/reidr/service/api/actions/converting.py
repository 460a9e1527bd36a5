"""From what finding gives to what callers get."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from reidr.search.appearances.case import Case, Decision
from reidr.search.appearances.types import Appearance, Decided, FoundTrack, Reason, SearchAnswer
from reidr.search.document.schema import VerdictEntry
from reidr.service.api.actions.crops import picture_path
from reidr.service.api.models import answers


def results_of(answer: SearchAnswer, case: Case, after: int, limit: int) -> answers.SearchResults:
    """A page of what a search found, with what was decided since."""
    standing, request = case.standing(), Asked.model_validate(case.request)
    page = answer.appearances[after : after + limit]
    end = after + len(page)
    return answers.SearchResults(
        search_token=answer.token,
        case=case.id,
        created=answer.created,
        gallery_version=answer.gallery_version,
        query=query_pictures(answer, case),
        presence=answer.presence.sentence,
        belief=answer.presence.belief,
        threshold=answer.thresholds.sentence,
        words=answer.words,
        terms=answer.terms,
        tracks=request.tracks,
        cameras=request.cameras,
        start=request.since,
        end=request.until,
        searched=answer.searched,
        order=answer.order_rule,
        warnings=answer.warnings,
        notes=[*answer.words_sentences, *answer.notes, *([answer.notice] if answer.notice else [])],
        total=len(answer.appearances),
        appearances=[appearance_answer(one, standing) for one in page],
        after=end if end < len(answer.appearances) else None,
    )


class Asked(BaseModel):
    """What an answer repeats of a case's request, which is kept without its pictures."""

    tracks: list[str] = []
    cameras: list[str] = []
    since: float | None = None
    until: float | None = None


def query_pictures(answer: SearchAnswer, case: Case) -> list[answers.QueryPicture]:
    """The pictures of the person: those that were given are kept with the case in this order, others are crops."""
    given = [one.id for one in answer.query if not one.stored]
    return [
        answers.QueryPicture(
            id=one.id,
            picture=picture_path(one.id) if one.stored else given_path(case.id, given.index(one.id) + 1),
            doubt=one.doubt,
        )
        for one in answer.query
    ]


def given_path(case: str, number: int) -> str:
    """Where a picture is that somebody gave to search with."""
    return f"/v1/cases/{quote(case, safe='')}/pictures/{number}"


def appearance_answer(found: Appearance, standing: dict[str, Decision]) -> answers.AppearanceAnswer:
    """One appearance, with what was decided about its tracks."""
    tracks = [track_answer(track, standing) for track in found.tracks]
    decisions = {track.decision for track in tracks}
    decision = "same" if "same" in decisions else ("different" if decisions == {"different"} else None)
    return answers.AppearanceAnswer(
        rank=found.rank,
        id=found.id,
        camera=found.camera,
        start=found.start,
        end=found.end,
        recording=found.recording,
        likelihood=found.likelihood,
        doubtful=found.doubtful,
        best=found.best,
        picture=picture_path(found.best),
        tracks=tracks,
        decision=decided(decision),
    )


def track_answer(track: FoundTrack, standing: dict[str, Decision]) -> answers.AppearanceTrack:
    """One track of an appearance."""
    decision = standing.get(track.track)
    return answers.AppearanceTrack(
        id=track.track,
        camera=track.camera,
        start=track.start,
        end=track.end,
        recording=track.recording,
        likelihood=track.p_same if track.p_same is not None else track.p_words,
        distance=track.distance,
        crops=track.crops,
        best=track.best,
        picture=picture_path(track.best),
        doubtful=track.doubtful,
        doubt=track.doubt,
        identical_to_query=track.identical_to_query,
        terms=[
            answers.TermFound(text=term.term, wanted=term.wanted, likelihood=term.probability) for term in track.terms
        ],
        travel=None if track.travel is None else track.travel.sentence,
        decision=None if decision is None else decided(decision.decided),
    )


def decided(word: Decided | str | None) -> answers.Decided | None:
    """What was decided; None for nothing."""
    return word if word in ("same", "different") else None


def reason_answer(reason: Reason) -> answers.ReasonAnswer:
    """What the reasoner wrote about one track."""
    return answers.ReasonAnswer(
        track=reason.track,
        crop=reason.crop,
        query=reason.query,
        regions={side: {name: list(box) for name, box in boxes.items()} for side, boxes in reason.regions.items()},
        **verdict_fields(reason.verdict),
    )


def verdict_fields(verdict: VerdictEntry) -> dict[str, Any]:
    """The fields that an answer has of a verdict."""
    statements = [
        answers.StatementAnswer(
            text=one.text,
            claims=[answers.ClaimAnswer(region=region, outcome=outcome) for region, outcome in one.claims],
            note=one.note,
        )
        for one in verdict.statements
    ]
    return {
        "answer": verdict.answer,
        "score": verdict.score,
        "text": verdict.reasoning,
        "statements": statements,
        "reliable": verdict.reliable,
        "problem": verdict.problem,
    }


def case_answer(case: Case) -> answers.CaseAnswer:
    """A case with all its decisions."""
    return answers.CaseAnswer(
        id=case.id,
        created=case.created,
        by=case.by,
        why=case.purpose,
        search_token=None if case.answer is None else case.answer.token,
        decisions=[decision_answer(one) for one in case.decisions],
        threshold="" if case.answer is None else case.answer.thresholds.sentence,
    )


def decision_answer(decision: Decision) -> answers.DecisionAnswer:
    """One decision."""
    return answers.DecisionAnswer(
        track=decision.track,
        decision="none" if decision.decided == "undecided" else decision.decided,
        by=decision.by,
        why=decision.why,
        time=decision.time,
    )
