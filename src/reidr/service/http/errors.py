"""What a server says when it does not answer: one sentence in a problem (RFC 9457), and the headers beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from reidr.core.text import whole
from reidr.errors import ReIDError

RETRY_SECONDS = 2
STOPPING = "the server is ending and takes no more requests"
PROBLEM = "application/problem+json"


class RequestError(ReIDError):
    """A request that is answered with an error.

    Attributes:
        status: the HTTP status. code: a word for programs. allowed: of a 405, the methods that are taken.
        fields: (where, what is wrong) of a request of the wrong form. retry: seconds after which to try again.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        code: str | None = None,
        *,
        allowed: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        retry: int = RETRY_SECONDS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.allowed = allowed
        self.fields = fields
        self.retry = retry


class ClientGoneError(Exception):
    """Nobody waits for this answer any more."""


ErrorBody = Callable[[str, RequestError], tuple[bytes, str]]
"""(path, error) → the body of an error response, and its content type."""


def readable(text: str, longest: int = 300) -> str:
    """Text of a request as it may stand in an error: one line, no lone surrogates, not long."""
    line = " ".join(whole(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def problem_of(error: RequestError) -> dict[str, Any]:
    """An error as RFC 9457 has it."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": readable(str(error)),
    }
    if error.fields:
        problem["errors"] = [
            {"field": readable(field, 120), "detail": readable(detail)} for field, detail in error.fields
        ]
    return problem


def problem_body(path: str, error: RequestError) -> tuple[bytes, str]:
    """`problem_of` as JSON, whatever the path."""
    return json.dumps(problem_of(error)).encode(), PROBLEM


def error_headers(error: RequestError, content_type: str, length: int) -> list[tuple[bytes, bytes]]:
    """The headers that go with an error's body."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(length).encode())]
    if error.status in (429, 503):
        headers.append((b"retry-after", str(max(1, error.retry)).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.allowed:
        headers.append((b"allow", error.allowed.encode()))
    return headers
