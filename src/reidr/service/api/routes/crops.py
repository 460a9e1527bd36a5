"""Crops: enrolled, listed, shown, erased."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field

from reidr.service.api.actions.crops import crop_answer, stored_crops
from reidr.service.api.asking import ToEnrol, ToErase, ToSearch, once
from reidr.service.api.models.answers import CropAnswer, CropsAnswer, EnrolmentAnswer
from reidr.service.api.models.fields import Label, Reason
from reidr.service.api.models.filters import Page, Which
from reidr.service.api.models.requests import Enrolment
from reidr.service.api.problems import responses
from reidr.service.api.service import Asking
from reidr.service.http.errors import RequestError
from reidr.service.ingest.embedding import CropEmbedder
from reidr.service.security.erasure.erasing import erase
from reidr.service.security.erasure.receipts import Erasure, Receipt
from reidr.service.store.records import EVERYTHING, CropFilter, StoredCrop

PICTURE_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PN": "image/png", b"RIF": "image/webp"}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file as it was given", "content": {kind: {} for kind in PICTURE_TYPES.values()}}
}


class ErasureQuery(Which):
    """`DELETE /v1/crops`."""

    why: Reason = Field(description="Why they are erased; kept in the audit log.")
    verified_by: Label | None = Field(None, description="Who looked at the crops, where a picture has found them.")


def crop_routes() -> APIRouter:
    """`/v1/crops`."""
    router = APIRouter(tags=["crops"])

    @router.post(
        "/v1/crops", status_code=201, response_model=EnrolmentAnswer, dependencies=[Depends(once)],
        responses=responses(408, 409, 411, 413, 415),
    )  # fmt: skip
    async def enrol(body: Enrolment, ask: ToEnrol) -> Response:
        """Add crops of people, all of them or none. What has been answered survives the loss of power."""
        asked = body.model_dump_json()
        return await ask.change("models", "enrol", asked, lambda operation: enrolled(ask, body, operation), 201)

    @router.get("/v1/crops", responses=responses())
    async def listed(page: Annotated[Page, Query()], ask: ToSearch) -> CropsAnswer:
        """Crops in the order of their ids, page by page."""
        found = await ask.read("list", lambda: some(ask, page))
        after = found[-1].id if len(found) == page.limit else None
        return CropsAnswer(crops=[crop_answer(crop) for crop in found], after=after)

    @router.delete("/v1/crops", response_model=Receipt, dependencies=[Depends(once)], responses=responses(409))
    async def erased(which: Annotated[ErasureQuery, Query()], ask: ToErase) -> Response:
        """Erase crops for good: pictures, vectors, indexes, caches, and what is known to hold them. Gives a receipt."""
        if which.filter() == EVERYTHING:
            raise RequestError("say which crops are to be erased; a request for all of them is not taken", 422)
        asked = which.model_dump_json()
        return await ask.change("stores", "erase", asked, lambda _: erased_crops(ask, which))

    @router.get("/v1/crops/{crop:path}/picture", response_class=Response, responses=PICTURES | responses(404))
    async def picture(crop: Label, ask: ToSearch) -> Response:
        """The picture of a crop, as it was enrolled."""
        found: StoredCrop = await ask.read("picture", lambda: one_crop(ask, crop))
        return picture_response(found.picture)

    @router.get("/v1/crops/{crop:path}", responses=responses(404))
    async def one(crop: Label, ask: ToSearch) -> CropAnswer:
        """One crop, without its picture."""
        return crop_answer(await ask.read("crop", lambda: one_crop(ask, crop)))

    return router


def picture_response(content: bytes) -> Response:
    """An encoded picture with its media type."""
    return Response(content, media_type=PICTURE_TYPES.get(content[:3], "application/octet-stream"))


def some(ask: Asking, page: Page) -> list[StoredCrop]:
    """A page of crops, without their pictures."""
    return ask.store.crops(page.filter(), after=page.after, limit=page.limit, pictures=False)


def one_crop(ask: Asking, name: str) -> StoredCrop:
    """A crop by its id. Raises RequestError (404)."""
    found = ask.store.crops(CropFilter(ids=frozenset({name})), limit=1)
    if not found:
        raise RequestError("the gallery has no such crop", 404)
    return found[0]


def enrolled(ask: Asking, body: Enrolment, operation: str | None) -> EnrolmentAnswer:
    """Embed and add crops."""
    embedder = CropEmbedder.of(ask.service.models.retriever)
    crops = stored_crops(body.crops, embedder, ask.service.limits)
    embedder.introduce(ask.store)
    added = ask.store.add(crops, replace=body.replace, operation=operation)
    ids = [crop.id for crop in crops]
    ask.note("enrol", None, {"crops": ids, "replace": body.replace}, {"added": added})
    return EnrolmentAnswer(added=added, ids=ids, version=ask.store.facts().version)


def erased_crops(ask: Asking, which: ErasureQuery) -> Receipt:
    """Erase crops; the erasure writes its own row of the audit log."""
    return erase(ask.store, ask.records, Erasure(which.filter(), ask.caller.name, which.why, which.verified_by))
