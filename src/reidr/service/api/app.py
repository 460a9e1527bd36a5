"""The search service as a FastAPI application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from reidr import __version__
from reidr.service.api.admission.callers import Caller
from reidr.service.api.admission.gate import Gate
from reidr.service.api.models.answers import Problem
from reidr.service.api.problems import add_problems
from reidr.service.api.routes.audit import audit_routes
from reidr.service.api.routes.cases import case_routes
from reidr.service.api.routes.crops import crop_routes
from reidr.service.api.routes.explanations import explanation_routes
from reidr.service.api.routes.gallery import gallery_routes
from reidr.service.api.routes.operations import operation_routes
from reidr.service.api.routes.searches import search_routes
from reidr.service.api.routes.tracks import track_routes
from reidr.service.api.service import SearchService
from reidr.service.http.guard import Guard
from reidr.service.security import keys

DESCRIPTION = """Find people across cameras, and answer for it.

Errors are problems (RFC 9457). Where the service has keys, send one as `Authorization: Bearer KEY`. What changes
something takes an `Idempotency-Key`: sent again with it, it is done once. When too much is under way the answer is 429
with `Retry-After`. Times are RFC 3339 with a zone."""


def create_app(
    service: SearchService, *, keyed: bool = False, local: bool = True, page: APIRouter | None = None
) -> FastAPI:
    """The application.

    Args:
        keyed: whether paths below /v1 want a key that the records know; else every caller may do everything.
        local: it is reached from this machine only, under this machine's own names.
        page: the routes of the page.
    """
    # No pages of documentation: they would load their script from elsewhere. /openapi.json is ours alone.
    app = FastAPI(
        title="ReID-R search service",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: "-".join((*map(str, route.tags), route.name)),
    )
    app.state.service = service
    app.add_middleware(Gate, limits=service.limits, metrics=service.metrics, identify=identifier(service, keyed))
    app.add_middleware(Guard, service=service, local=local)
    add_problems(app)
    routers = [
        gallery_routes(), crop_routes(), track_routes(), search_routes(), explanation_routes(), case_routes(),
        audit_routes(), operation_routes(), *([] if page is None else [page]),
    ]  # fmt: skip
    for router in routers:
        app.include_router(router)
    app.openapi = lambda: document_of(app, keyed)  # type: ignore[method-assign]
    return app


def identifier(service: SearchService, keyed: bool) -> Callable[[str], Caller | None] | None:
    """What knows a caller by a key; None where no key is wanted."""
    if not keyed:
        return None

    def identify(text: str) -> Caller | None:
        key = keys.known_key(service.records, text)
        return None if key is None else Caller(key.holder, frozenset(key.roles))

    return identify


def document_of(app: FastAPI, keyed: bool) -> dict[str, Any]:
    """The OpenAPI document, made once. A 422 is a problem here, not FastAPI's own form; a key is named where wanted."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for own in ("HTTPValidationError", "ValidationError"):
            schemas.pop(own, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        if not keyed:
            del document["components"]["securitySchemes"]
            for operation in [one for methods in document["paths"].values() for one in methods.values()]:
                operation.pop("security", None)
        app.openapi_schema = document
    return app.openapi_schema
