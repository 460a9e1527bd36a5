"""What those who run the service ask: whether it lives, whether it is ready, and how it is doing."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reidr.errors import ReIDError
from reidr.service.api.models.answers import Health
from reidr.service.api.service import SearchService

PROBE = "readiness"
READY_SECONDS = 3.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not ready"}}


def operation_routes() -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> Health:
        """The process answers."""
        return Health(status="ok")

    @router.get("/readyz", response_model=Health, responses=UNAVAILABLE)
    async def readyz(request: Request) -> Response:
        """Gallery and records can be read."""
        service: SearchService = request.app.state.service
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.to_thread(probe, service)
        except (ReIDError, TimeoutError):
            return JSONResponse(Health(status="unavailable").model_dump(), 503, {"Retry-After": "5"})
        return JSONResponse(Health(status="ok").model_dump())

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(request: Request) -> Response:
        """Numbers for Prometheus. They name nobody."""
        service: SearchService = request.app.state.service
        return Response(await asyncio.to_thread(numbers, service), headers={"Content-Type": METRICS_TYPE})

    return router


def probe(service: SearchService) -> None:
    """Read something of each store. Raises ReIDError."""
    service.store.facts()
    service.records.get(PROBE, PROBE)


def numbers(service: SearchService) -> bytes:
    """The metrics, the gallery's size among them where it can be read."""
    try:
        facts = service.store.facts()
    except ReIDError:
        return service.metrics.text()
    service.metrics.crops.set(facts.crops)
    service.metrics.tracks.set(facts.tracks)
    service.metrics.version.set(facts.version)
    return service.metrics.text()
