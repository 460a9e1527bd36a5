"""Errors in OpenAI's form below /v1, a problem (RFC 9457) elsewhere."""

from __future__ import annotations

import json

from reidr.service.http.errors import RequestError, problem_body, readable

PATHS = "there are /v1/models, /v1/chat/completions, /v1/embeddings and /health"
KINDS = {401: "authentication_error", 429: "rate_limit_error"}


def error_body(path: str, error: RequestError) -> tuple[bytes, str]:
    """The body of an error response, and its content type."""
    if not path.startswith("/v1"):
        return problem_body(path, error)
    kind = KINDS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    told = {"message": readable(str(error)), "type": kind, "param": None, "code": error.code or error.status}
    return json.dumps({"error": told}).encode(), "application/json"
