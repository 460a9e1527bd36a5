"""What the server says when it does not answer: OpenAI's error object below /v1, a problem (RFC 9457) elsewhere."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from reidr.core.text import whole
from reidr.errors import ReIDError

RETRY_SECONDS = 2
PATHS = "there are /v1/models, /v1/chat/completions, /v1/embeddings and /health"
KINDS = {401: "authentication_error", 429: "rate_limit_error"}


class RequestError(ReIDError):
    """A request that is answered with an error. `status` is the HTTP status, `code` a word for programs."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ClientGoneError(Exception):
    """Nobody waits for this answer any more."""


def readable(text: str, longest: int = 300) -> str:
    """Text of a request as it may stand in an error: one line, no lone surrogates, not long."""
    line = " ".join(whole(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def error_body(path: str, error: RequestError) -> tuple[bytes, str]:
    """The body of an error response, and its content type."""
    message = readable(str(error))
    body: dict[str, Any]
    if path.startswith("/v1"):
        kind = KINDS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
        body = {"error": {"message": message, "type": kind, "param": None, "code": error.code or error.status}}
        return json.dumps(body).encode(), "application/json"
    body = {"type": "about:blank", "title": HTTPStatus(error.status).phrase, "status": error.status, "detail": message}
    return json.dumps(body).encode(), "application/problem+json"


def error_headers(error: RequestError, content_type: str, length: int) -> list[tuple[bytes, bytes]]:
    """The headers that go with it."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(length).encode())]
    if error.status in (429, 503):
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status == 405:
        headers.append((b"allow", b"POST" if "POST" in str(error) else b"GET"))
    return headers
