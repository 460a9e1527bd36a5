"""One search of the service: from what a caller sends to a case with an answer, and to reasons for it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from reidr.search.appearances.case import Case
from reidr.search.appearances.types import Reason, SearchAnswer
from reidr.service.api.actions.crops import picture_of
from reidr.service.api.models.requests import SearchQuestion
from reidr.service.api.service import Asking
from reidr.service.finding import cases
from reidr.service.finding.request import GivenPicture, SearchRequest
from reidr.service.finding.thinking import think
from reidr.service.http.errors import RequestError

KIND = "search"
"""Records by search token: which case it belongs to, so that any process of the service can go on with it."""


def searched(ask: Asking, body: SearchQuestion) -> tuple[Case, SearchAnswer]:
    """Search, keep the answer in the case, write down who asked. Raises RequestError, DataError, ImageError."""
    if body.case is None:
        name = new_name()
        cases.open_case(ask.records, name, request_of(ask, body), ask.caller.name, body.why or "")
    else:
        name = known_case(ask, body.case).id
        if body.asks_anew:
            change_case(ask, name, request_of(ask, body))
    case = cases.search_case(ask.store, ask.service.models, ask.records, name)
    answer = case.answer
    assert answer is not None
    ask.records.put(KIND, answer.token, {"case": case.id, "time": time.time()})
    tracks = [track.track for track in answer.tracks()]
    ask.note("search", body.why, asked_of(body), {"search_token": answer.token, "case": case.id, "tracks": tracks})
    return case, answer


def change_case(ask: Asking, name: str, request: SearchRequest) -> None:
    """Ask something else in a case from now on; what was decided stays. Raises ConflictError: others do, too."""
    record = ask.records.get(cases.CASE, name)
    assert record is not None
    asked = request.model_dump(mode="json", exclude={"pictures"}, by_alias=True)
    ask.records.put(cases.CASE, name, {**record.value, "request": asked}, version=record.version)
    pictures = [picture.model_dump(mode="json") for picture in request.pictures]
    ask.records.put(cases.PICTURES, name, {"pictures": pictures})


def new_name() -> str:
    """A name for a case: the day, and letters that nobody can guess."""
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}-{secrets.token_hex(4)}"


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


def known_case(ask: Asking, name: str) -> Case:
    """A case by its name. Raises RequestError (404)."""
    if ask.records.get(cases.CASE, name) is None:
        raise RequestError("there is no such case", 404)
    return cases.case_of(ask.records, name)


def case_of_token(ask: Asking, token: str) -> tuple[Case, SearchAnswer]:
    """The case of a search, and its answer. Raises RequestError: 404, 410 where the case was searched again since."""
    record = ask.records.get(KIND, token)
    if record is None:
        raise RequestError("there is no such search", 404)
    case = known_case(ask, record.value["case"])
    if case.answer is None or case.answer.token != token:
        newer = "" if case.answer is None else f"; its newest search is {case.answer.token}"
        raise RequestError(f"case {case.id} was searched again since{newer}", 410)
    return case, case.answer


def thoughts(ask: Asking, case: Case, answer: SearchAnswer, tracks: Sequence[str] | None = None) -> Iterator[Reason]:
    """Reasons for tracks of an answer: those that are kept, then new ones, which are kept as they come.

    `tracks`: which, in doubt or not; None: those in doubt within the budget, and all that are kept.
    """
    yield from (reason for reason in case.reasons if tracks is None or reason.track in tracks)
    known = {reason.track for reason in case.reasons}
    wanted = [track for track in (answer.doubtful if tracks is None else tracks) if track not in known]
    request = cases.request_of(ask.records, case)
    for reason in think(ask.store, ask.service.models, request, answer, wanted):
        now = cases.case_of(ask.records, case.id).answer
        if now is not None and now.token == answer.token:  # the case was not searched again meanwhile
            cases.keep_answer(ask.records, case.id, reasons=[reason])
        yield reason
