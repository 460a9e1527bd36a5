"""Searches: asked, read page by page, and thought about while somebody watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from reidr.search.appearances.case import Case
from reidr.search.appearances.types import SearchAnswer
from reidr.service.api.actions.converting import reason_answer, results_of
from reidr.service.api.actions.searching import case_of_token, searched, thoughts
from reidr.service.api.actions.streaming import EVENTS, HEADERS, events_of
from reidr.service.api.asking import ToSearch, once
from reidr.service.api.models.answers import ReasonAnswer, SearchResults
from reidr.service.api.models.fields import Label
from reidr.service.api.models.requests import SearchQuestion
from reidr.service.api.problems import responses
from reidr.service.api.service import Asking
from reidr.service.http.errors import RequestError

FIRST_PAGE = 50
MOST_TRACKS = 50  # of which reasons can be asked for at once
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `reason` (ReasonAnswer), one after the other; then `done`, or `problem` (Problem).",
        "content": {EVENTS: {"schema": {"type": "string"}}},
        "model": ReasonAnswer,
    }
}


def search_routes() -> APIRouter:
    """`/v1/searches`."""
    router = APIRouter(tags=["searches"])

    @router.post(
        "/v1/searches", status_code=201, response_model=SearchResults, dependencies=[Depends(once)],
        responses=responses(404, 408, 409, 411, 413, 415),
    )  # fmt: skip
    async def search(body: SearchQuestion, ask: ToSearch) -> Response:
        """Search for a person. What is found is kept in a case; the first page of it is the answer."""
        asked = body.model_dump_json()
        return await ask.change("models", "search", asked, lambda _: first_page(searched(ask, body)), 201)

    @router.get("/v1/searches/{search_token}", responses=responses(404, 410))
    async def results(
        search_token: Label,
        ask: ToSearch,
        after: Annotated[int, Query(ge=0, lt=2**31, description="What the page before gave as `after`.")] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = FIRST_PAGE,
    ) -> SearchResults:
        """A page of what a search found, with what was decided since."""
        case, answer = await ask.read("results", lambda: case_of_token(ask, search_token))
        return results_of(answer, case, after, limit)

    @router.get(
        "/v1/searches/{search_token}/reasons", response_class=Response, responses={**responses(404, 410), **STREAM}
    )
    async def reasons(
        search_token: Label,
        ask: ToSearch,
        track: Annotated[
            list[Label] | None,
            Query(
                max_length=MOST_TRACKS, description="Of these tracks alone, in doubt or not; else of those in doubt."
            ),
        ] = None,
    ) -> Response:
        """What the reasoner thinks of the doubtful tracks, or of named ones, as it is thought: server-sent events."""
        case, answer = await ask.read("results", lambda: case_of_token(ask, search_token))
        found = {each.track for each in answer.tracks()}
        strange = [each for each in track or () if each not in found]
        if strange:
            raise RequestError(f"track {strange[0]} is not in this answer; name one that was found", 404)
        if ask.service.streams >= ask.service.limits.streams:
            ask.service.metrics.refused.labels("streams").inc()
            raise RequestError(f"{ask.service.limits.streams} streams of reasons are open already; try again", 429)
        return StreamingResponse(counted(ask, case, answer, track), media_type=EVENTS, headers=HEADERS)

    return router


def first_page(found: tuple[Case, SearchAnswer]) -> SearchResults:
    """The answer to a search."""
    case, answer = found
    return results_of(answer, case, 0, FIRST_PAGE)


async def counted(
    ask: Asking, case: Case, answer: SearchAnswer, tracks: Sequence[str] | None = None
) -> AsyncIterator[bytes]:
    """The events of one stream, which is open from the first to the last of them."""
    ask.service.streams += 1
    try:
        async for piece in events_of(ask, "reason", lambda: thoughts(ask, case, answer, tracks), reason_answer):
            yield piece
    finally:
        ask.service.streams -= 1
