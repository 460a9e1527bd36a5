"""Tracks: listed, put together, taken apart."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from reidr.service.api.actions.crops import track_answer
from reidr.service.api.asking import ToEnrol, ToSearch, once
from reidr.service.api.models.answers import ChangeAnswer, TracksAnswer
from reidr.service.api.models.filters import Page
from reidr.service.api.models.requests import Merge, Split
from reidr.service.api.problems import responses
from reidr.service.api.service import Asking

CHANGES = responses(408, 409, 411, 413, 415)


def track_routes() -> APIRouter:
    """`/v1/tracks`."""
    router = APIRouter(tags=["tracks"])

    @router.get("/v1/tracks", responses=responses())
    async def listed(page: Annotated[Page, Query()], ask: ToSearch) -> TracksAnswer:
        """Tracks in the order of their ids, page by page."""
        found = await ask.read("list", lambda: ask.store.tracks(page.filter(), after=page.after, limit=page.limit))
        after = found[-1].id if len(found) == page.limit else None
        return TracksAnswer(tracks=[track_answer(track) for track in found], after=after)

    @router.post("/v1/tracks:merge", response_model=ChangeAnswer, dependencies=[Depends(once)], responses=CHANGES)
    async def merge(body: Merge, ask: ToEnrol) -> Response:
        """Make tracks of one camera one."""
        asked = body.model_dump_json()
        return await ask.change("stores", "merge", asked, lambda operation: merged(ask, body, operation))

    @router.post("/v1/tracks:split", response_model=ChangeAnswer, dependencies=[Depends(once)], responses=CHANGES)
    async def split(body: Split, ask: ToEnrol) -> Response:
        """Move crops of one track to a new one."""
        asked = body.model_dump_json()
        return await ask.change("stores", "split", asked, lambda operation: parted(ask, body, operation))

    return router


def merged(ask: Asking, body: Merge, operation: str | None) -> ChangeAnswer:
    """Merge tracks, and write it down."""
    changed = ask.store.merge(body.tracks, body.into, operation=operation)
    ask.note("merge", body.why, {"tracks": body.tracks, "into": body.into}, {"changed": changed})
    return ChangeAnswer(changed=changed, version=ask.store.facts().version)


def parted(ask: Asking, body: Split, operation: str | None) -> ChangeAnswer:
    """Split a track, and write it down."""
    changed = ask.store.split(body.crops, body.track, operation=operation)
    ask.note("split", body.why, {"crops": body.crops, "track": body.track}, {"changed": changed})
    return ChangeAnswer(changed=changed, version=ask.store.facts().version)
