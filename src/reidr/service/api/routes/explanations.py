"""One pair of pictures explained."""

from __future__ import annotations

from fastapi import APIRouter

from reidr.service.api.actions.explaining import explained
from reidr.service.api.asking import ToSearch
from reidr.service.api.models.answers import ExplanationAnswer
from reidr.service.api.models.requests import PairQuestion
from reidr.service.api.problems import responses


def explanation_routes() -> APIRouter:
    """`/v1/explanations`."""
    router = APIRouter(tags=["searches"])

    @router.post("/v1/explanations", responses=responses(404, 408, 411, 413, 415))
    async def explain(body: PairQuestion, ask: ToSearch) -> ExplanationAnswer:
        """Whether two pictures show one person, how probable that is, and why. Nothing is kept but the audit log."""
        return await ask.compute("explain", lambda: explained(ask, body))

    return router
