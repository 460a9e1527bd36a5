"""One search of the service: from what a caller sends to a case with an answer."""

from __future__ import annotations

import time

from pydantic import ValidationError

from reidr.search.appearances.case import Case
from reidr.search.appearances.types import SearchAnswer
from reidr.service.api.crops import picture_of
from reidr.service.api.models.requests import SearchQuestion
from reidr.service.api.service import Asking
from reidr.service.finding.cases import case_of, open_case, search_case
from reidr.service.finding.request import GivenPicture, SearchRequest
from reidr.service.http.errors import RequestError

KIND = "search"
"""Records by search token: which case it belongs to, so that any process of the service can go on with it."""


def searched(ask: Asking, body: SearchQuestion) -> tuple[Case, SearchAnswer]:
    """Search, keep the answer in the case, write down who asked. Raises RequestError, DataError, ImageError."""
    request = request_of(ask, body)
    case = open_case(ask.records, body.case, request, ask.caller.name, body.why or "")
    case = search_case(ask.store, ask.service.models, ask.records, case.id)
    answer = case.answer
    assert answer is not None
    ask.records.put(KIND, answer.token, {"case": case.id, "time": time.time()})
    tracks = [track.track for track in answer.tracks()]
    ask.note("search", body.why, asked_of(body), {"search_token": answer.token, "case": case.id, "tracks": tracks})
    return case, answer


def request_of(ask: Asking, body: SearchQuestion) -> SearchRequest:
    """The same for finding. Raises RequestError."""
    pictures = []
    for place, text in enumerate(body.pictures):
        raw, _ = picture_of(text, f"pictures.{place}", ask.service.limits)
        pictures.append(GivenPicture(name=f"picture {place + 1}", content=raw))
    try:
        return SearchRequest(
            pictures=tuple(pictures),
            tracks=tuple(body.tracks),
            words=body.words or "",
            cameras=tuple(body.cameras),
            since=body.start,
            until=body.end,
            max_matches=body.max_matches,
            travel_times=ask.service.travel_times,
        )
    except ValidationError as error:
        raise RequestError(error.errors()[0]["msg"].removeprefix("Value error, "), 422) from None


def asked_of(body: SearchQuestion) -> dict[str, object]:
    """What the audit log keeps of a question: how many pictures, and everything else."""
    told = body.model_dump(mode="json", exclude={"pictures", "why"}, exclude_defaults=True)
    return {**told, "number_of_pictures": len(body.pictures)}


def case_of_token(ask: Asking, token: str) -> tuple[Case, SearchAnswer]:
    """The case of a search, and its answer. Raises RequestError: 404, 410 where the case was searched again since."""
    record = ask.records.get(KIND, token)
    if record is None:
        raise RequestError("there is no such search", 404)
    case = case_of(ask.records, record.value["case"])
    if case.answer is None or case.answer.token != token:
        newer = "" if case.answer is None else f"; its newest search is {case.answer.token}"
        raise RequestError(f"case {case.id} was searched again since{newer}", 410)
    return case, case.answer
