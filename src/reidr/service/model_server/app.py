"""The server's paths, as a FastAPI application."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from reidr.errors import ReIDError
from reidr.service.http.errors import RequestError
from reidr.service.http.guard import Guard
from reidr.service.model_server.errors import PATHS, error_body
from reidr.service.model_server.work import ChatService


def create_app(service: ChatService, *, local: bool = True, key: str | None = None) -> FastAPI:
    """The application. `local`: as `Guard` takes it. `key`: what callers of /v1 must know.

    Request bodies are read by our own code and not by FastAPI, which would take in a body of any size.
    """
    # No pages of documentation: they would load their script from elsewhere.
    app = FastAPI(title="ReID-R model server", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(Guard, service=service, local=local, check=key_check(key), error_body=error_body)

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.api_route("/v1/models", methods=["GET", "HEAD"])
    async def models() -> dict[str, Any]:
        return await service.models()

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        try:
            return Response(await service.chat(request), media_type="application/json")
        except RequestError:
            raise
        except ReIDError as error:
            raise RequestError(str(error)) from None

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        try:
            return Response(await service.embeddings(request), media_type="application/json")
        except RequestError:
            raise
        except ReIDError as error:
            raise RequestError(str(error)) from None

    @app.exception_handler(HTTPException)
    async def no_such_path(request: Request, error: HTTPException) -> Response:
        """Raised by the router alone: 404, or 405 for a wrong method."""
        if error.status_code == 405:
            allowed = "POST" if "POST" in (error.headers or {}).get("Allow", "") else "GET"
            raise RequestError(f"{request.scope['path']} takes {allowed} only", 405, allowed=allowed)
        raise RequestError(PATHS, 404)

    return app


def key_check(key: str | None) -> Callable[[Scope, Headers], None] | None:
    """What refuses callers of /v1 who do not know the key; None where there is none."""
    if key is None:
        return None
    expected = f"Bearer {key}".encode()

    def check(scope: Scope, headers: Headers) -> None:
        given = headers.get("authorization", "").encode()
        if scope["path"].startswith("/v1") and not hmac.compare_digest(given, expected):
            raise RequestError("this server wants its key (Authorization: Bearer …)", 401)

    return check
