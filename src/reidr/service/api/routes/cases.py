"""Cases: what was decided about what was found, and what is exported of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from reidr.service.api.asking import ToDecide, ToSearch, once
from reidr.service.api.converting import case_answer
from reidr.service.api.exporting import exported
from reidr.service.api.models.answers import CaseAnswer, CasesAnswer
from reidr.service.api.models.fields import Label
from reidr.service.api.models.requests import NewDecision
from reidr.service.api.problems import responses
from reidr.service.api.service import Asking
from reidr.service.finding.cases import case_of, cases, decide
from reidr.service.http.errors import RequestError

Form = Literal["html", "csv", "json", "coco", "fiftyone"]


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
        found = await ask.read("list", lambda: cases(ask.records, after=after, limit=limit))
        last = found[-1].id if len(found) == limit else None
        return CasesAnswer(cases=[case_answer(case) for case in found], after=last)

    @router.get("/v1/cases/{case}", responses=responses(404))
    async def one(case: Label, ask: ToSearch) -> CaseAnswer:
        """One case with all its decisions."""
        return case_answer(await ask.read("case", lambda: known_case(ask, case)))

    @router.get("/v1/cases/{case}/export", response_class=Response, responses=responses(404))
    async def export(case: Label, ask: ToDecide, form: Annotated[Form, Query(alias="format")] = "html") -> Response:
        """A case as one file: everybody but the person who was found is blurred."""
        return await ask.read("export", lambda: exported(ask, known_case(ask, case), form))

    return router
