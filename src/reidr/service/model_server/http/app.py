"""The server's paths, as a FastAPI application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from reidr.errors import ReIDError
from reidr.service.model_server.http.errors import PATHS, RequestError
from reidr.service.model_server.http.guard import Guard
from reidr.service.model_server.work import ChatService


def create_app(service: ChatService, *, local: bool = True, key: str | None = None) -> FastAPI:
    """The application; `local` and `key` as `Guard` takes them.

    Request bodies are read by our own code and not by FastAPI, which would take in a body of any size.
    """
    # No pages of documentation: they would load their script from elsewhere.
    app = FastAPI(title="ReID-R model server", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(Guard, service=service, local=local, key=key)

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
            raise RequestError(f"{request.scope['path']} takes {allowed} only", 405)
        raise RequestError(PATHS, 404)

    return app
