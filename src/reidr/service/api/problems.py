"""What becomes of errors: each is a problem (RFC 9457) with one sentence, whoever raised it."""

from __future__ import annotations

from typing import Any, NoReturn

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from reidr.errors import ConflictError, DataError, ImageError, ReIDError
from reidr.service.http.errors import PROBLEM, ClientGoneError, RequestError

DATABASES = ("sqlite3", "psycopg", "psycopg_pool", "qdrant_client", "httpx")
FIELDS = 20  # wrong fields that are told
RESERVED = ("body", "query", "path", "header")


def add_problems(app: FastAPI) -> None:
    """Make the application's own errors `RequestError`s, which `http.guard.Guard` answers."""

    @app.exception_handler(RequestValidationError)
    async def wrong_form(request: Request, error: RequestValidationError) -> NoReturn:
        told = error.errors()
        if told and told[0]["type"] == "json_invalid":
            raise RequestError("the request is not JSON", 400)
        fields = tuple((place_of(one["loc"]), words_of(one)) for one in told[:FIELDS])
        first = f"{fields[0][0]}: {fields[0][1]}" if fields else "it has the wrong form"
        raise RequestError(f"the request cannot be used: {first}", 422, fields=fields)

    @app.exception_handler(HTTPException)
    async def of_the_router(request: Request, error: HTTPException) -> NoReturn:
        """404 and 405 of the router; 400 where FastAPI could not read the body, with the reason behind it."""
        cause = error.__cause__
        if isinstance(cause, RequestError | ClientGoneError):
            raise cause
        path = request.scope["path"]
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            raise RequestError(f"this path takes {allowed} only", 405, allowed=allowed)
        if error.status_code == 404 and error.detail == "Not Found":
            raise RequestError(f"there is nothing at {path}; /openapi.json lists what there is", 404)
        if error.status_code == 400:
            raise RequestError("the request's body cannot be read; send JSON in UTF-8", 400)
        raise RequestError(str(error.detail), error.status_code)

    @app.exception_handler(ReIDError)
    async def refused(request: Request, error: ReIDError) -> NoReturn:
        raise as_request_error(error)


def as_request_error(error: ReIDError) -> RequestError:
    """The status that fits an error of ours."""
    if isinstance(error, RequestError):
        return error
    if type(error.__cause__).__module__.partition(".")[0] in DATABASES:
        return RequestError("the gallery's database cannot be used at the moment; try again", 503)
    if isinstance(error, ConflictError):
        return RequestError(str(error), 409)
    if isinstance(error, ImageError | DataError):
        return RequestError(str(error), 422)
    return RequestError(str(error), 503)


def place_of(location: tuple[int | str, ...]) -> str:
    """Where a wrong field is: "crops.0.camera"."""
    steps = location[1:] if location and location[0] in RESERVED else location
    return ".".join(map(str, steps)) or "the request"


def words_of(error: dict[str, Any]) -> str:
    """What is wrong with a field, without what was sent: that may be a picture."""
    if error["type"] == "extra_forbidden":
        return "this service knows no such field; leave it out"
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route for the OpenAPI document; those that every route may answer are among them."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    words = {
        400: "The request is not HTTP or JSON as it should be",
        401: "A key is wanted, or this one is not known",
        403: "The key lacks the role",
        404: "There is no such thing",
        405: "The method is not taken here",
        408: "The request came in too slowly",
        409: "It contradicts what is there, or the same request is under way",
        410: "The case was searched again since",
        411: "The length of the body is not known",
        413: "The request is too large",
        415: "The body is not application/json",
        422: "The request has the wrong form, or cannot be used as it is",
        429: "Too much is under way; come back after Retry-After seconds",
        503: "Not possible at the moment; come back after Retry-After seconds",
    }
    chosen = sorted({400, 401, 403, 422, 429, 503, *statuses})
    return {status: {"description": words[status], "content": {PROBLEM: schema}} for status in chosen}
