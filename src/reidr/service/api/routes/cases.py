"""Cases: what was decided about what was found, and what is exported of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from reidr.search.appearances.case import Case
from reidr.search.appearances.types import Decided
from reidr.service.api.actions.converting import case_answer
from reidr.service.api.actions.exporting import MEDIA_TYPES, Form, exported
from reidr.service.api.actions.searching import known_case
from reidr.service.api.asking import ToDecide, ToSearch, once
from reidr.service.api.models.answers import CaseAnswer, CasesAnswer
from reidr.service.api.models.fields import Label
from reidr.service.api.models.requests import NewDecision
from reidr.service.api.problems import responses
from reidr.service.api.routes.crops import PICTURES, picture_response
from reidr.service.api.service import Asking
from reidr.service.finding import cases
from reidr.service.finding.request import GivenPicture
from reidr.service.http.errors import RequestError

FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {kind: {} for kind in sorted(set(MEDIA_TYPES.values()))}}
}


def case_routes() -> APIRouter:
    """`/v1/cases` and `/v1/decisions`."""
    router = APIRouter(tags=["cases"])

    @router.post(
        "/v1/decisions", response_model=CaseAnswer, dependencies=[Depends(once)],
        responses=responses(404, 408, 409, 411, 413, 415),
    )  # fmt: skip
    async def decision(body: NewDecision, ask: ToDecide) -> Response:
        """Say of a track that it shows the person, or somebody else; or take back what was said."""
        asked = body.model_dump_json()
        return await ask.change("stores", "decide", asked, lambda _: decided(ask, body))

    @router.get("/v1/cases", responses=responses())
    async def listed(
        ask: ToSearch, after: Label | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
    ) -> CasesAnswer:
        """Cases in the order of their ids, page by page."""
        found = await ask.read("list", lambda: page_of_cases(ask, after, limit))
        last = found[-1].id if len(found) == limit else None
        return CasesAnswer(cases=[case_answer(case) for case in found], after=last)

    @router.get("/v1/cases/{case}", responses=responses(404))
    async def one(case: Label, ask: ToSearch) -> CaseAnswer:
        """One case with all its decisions."""
        return case_answer(await ask.read("case", lambda: known_case(ask, case)))

    @router.get("/v1/cases/{case}/pictures/{number}", response_class=Response, responses=PICTURES | responses(404))
    async def picture(case: Label, number: Annotated[int, Path(ge=1, le=10_000)], ask: ToSearch) -> Response:
        """A picture of the person who is searched for, as it was sent: 1 is the first one."""
        content: bytes = await ask.read("picture", lambda: given_picture(ask, case, number))
        return picture_response(content)

    @router.get("/v1/cases/{case}/export", response_class=Response, responses={**responses(404), **FILES})
    async def export(case: Label, ask: ToDecide, form: Annotated[Form, Query(alias="format")] = "html") -> Response:
        """A case as one file. Everybody but the person who was searched for and confirmed is blurred."""
        return await ask.read("export", lambda: exported(ask, case, form))

    return router


def given_picture(ask: Asking, name: str, number: int) -> bytes:
    """A picture that somebody gave to search with. Raises RequestError (404)."""
    record = ask.records.get(cases.PICTURES, known_case(ask, name).id)
    pictures = [] if record is None else record.value["pictures"]
    if number > len(pictures):
        raise RequestError("the case has no such picture", 404)
    return GivenPicture.model_validate(pictures[number - 1]).content


def page_of_cases(ask: Asking, after: str | None, limit: int) -> list[Case]:
    """Some cases in the order of their names."""
    records = ask.records.of_kind(cases.CASE, after=after, limit=limit)
    return [cases.case_of(ask.records, record.key) for record in records]


def decided(ask: Asking, body: NewDecision) -> CaseAnswer:
    """Keep a decision, and write down who stands for it."""
    case, by = known_case(ask, body.case), body.by or ask.caller.name
    word: Decided = "undecided" if body.decision == "none" else body.decision
    if case.answer is None or body.track not in {track.track for track in case.answer.tracks()}:
        raise RequestError("the case's last search did not find this track", 404)
    saying = cases.Saying(body.track, word, by, body.why or "")
    last = next((one for one in reversed(case.decisions) if one.track == body.track), None)
    if last is not None and (last.decided, last.by, last.why) == (saying.decided, saying.by, saying.why):
        return case_answer(case)  # sent again after the process that kept it was killed: it was said once
    case = cases.decide(ask.store, ask.records, case.id, saying)
    asked = {"case": case.id, "track": body.track, "decision": body.decision}
    ask.note("decide", body.why, asked, {"decisions": len(case.decisions)}, verified_by=by)
    return case_answer(case)
