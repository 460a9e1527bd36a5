"""Talking to an OpenAI-compatible server: JSON over HTTP, paced, with retries, the key from the environment only."""

from __future__ import annotations

import http.client
import json
import math
import os
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib import error, parse, request

from reidr.errors import ReIDError

KEY_VARIABLE = "REIDR_API_KEY"
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # states that a second try may find gone
LONGEST_PAUSE = 60.0  # seconds
LARGEST_ANSWER = 16_000_000  # bytes
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class RefusedError(ReIDError):
    """The server understood the request and will not answer it."""


class NoRedirect(request.HTTPRedirectHandler):
    """A redirect would take the key and the pictures to a server that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Endpoint:
    """One server. Safe to use from several threads; setting `stop` ends all waiting and retrying."""

    def __init__(self, url: str, *, per_second: float | None, tries: int, timeout: float) -> None:
        """Check the address; nothing is sent yet.

        Args:
            url: `http(s)://host[:port][/path]`; `/v1` is added where it is missing.

        Raises:
            ReIDError: not such an address, one that carries a password or a query, or numbers out of range.
        """
        if tries < 1 or timeout <= 0 or (per_second is not None and per_second <= 0):
            raise ReIDError("a server needs tries of at least 1, a timeout and a rate above 0")
        try:
            parts = parse.urlsplit(url)
            host = parts.hostname
            named = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        except ValueError:
            parts, host, named = parse.urlsplit(""), None, ""
        if parts.scheme not in ("http", "https") or not host:
            raise ReIDError("the address of a server reads http://host:port or https://host")
        if parts.username is not None or parts.password is not None or parts.query:
            raise ReIDError(f"{named}: no password or key belongs into an address; put it into {KEY_VARIABLE}")
        path = parts.path.rstrip("/")
        self.host = parts.netloc
        self.base = f"{parts.scheme}://{parts.netloc}{path if path.endswith('/v1') else path + '/v1'}"
        self.stop = threading.Event()
        self._tries, self._timeout = tries, timeout
        self._pause = 0.0 if per_second is None else 1.0 / per_second
        self._turn, self._next = threading.Lock(), 0.0
        # Pictures for this machine must not travel through a proxy.
        proxies = [request.ProxyHandler({})] if host in LOCAL else []
        self._opener = request.build_opener(NoRedirect, *proxies)

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`. Raises as `post`."""
        return self._send(path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the server answers to `body`.

        Raises:
            RefusedError: a client error (4xx), with the server's own words.
            ReIDError: no usable answer after all tries.
        """
        return self._send(path, json.dumps(body).encode())

    def command(self, path: str, body: Mapping[str, Any]) -> None:
        """Send `body` where the answer says no more than that it was done. Raises as `post`."""
        self._send(path, json.dumps(body).encode(), silent=True)

    def _send(self, path: str, data: bytes | None, *, silent: bool = False) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "reidr"}
        key = os.environ.get(KEY_VARIABLE)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        said = ""
        for attempt in range(self._tries):
            self._wait_for_turn()
            pause = min(0.5 * 2**attempt, LONGEST_PAUSE)
            try:
                asked = request.Request(f"{self.base}{path}", data, headers)  # noqa: S310 - http(s) only, see __init__
                with self._opener.open(asked, timeout=self._timeout) as answer:
                    return {} if silent else self._read(answer)
            except error.HTTPError as problem:
                with problem:
                    words = self._words(problem, key)
                said = f"HTTP {problem.code}{words}"
                if problem.code not in PASSING:
                    raise RefusedError(f"{self.host}: the server refused the request: {said}") from None
                pause = max(pause, retry_after(problem.headers.get("Retry-After")))
            except (OSError, http.client.HTTPException, ValueError) as problem:
                reason = getattr(problem, "reason", problem)
                said = str(reason) or type(reason).__name__
            if attempt + 1 < self._tries:
                self._sleep(pause)
        raise ReIDError(f"{self.host}: no usable answer after {self._tries} tries ({said}); is the server running?")

    def _read(self, answer: Any) -> dict[str, Any]:
        raw = answer.read(LARGEST_ANSWER + 1)
        if len(raw) > LARGEST_ANSWER:
            raise ValueError(f"its answer is larger than {LARGEST_ANSWER:,} bytes")
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise ValueError("its answer is no JSON object")
        return found

    def _words(self, problem: error.HTTPError, key: str | None) -> str:
        """What the server says of an error, in one short line, and never our key."""
        try:
            text = problem.read(10_000).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return ""
        try:
            found = json.loads(text)
            told = found.get("error", found.get("message", text)) if isinstance(found, dict) else text
            text = str(told.get("message", told)) if isinstance(told, dict) else str(told)
        except ValueError:
            pass
        line = " ".join(text.split())
        line = line.replace(key, "(key)") if key else line
        return f", {line[:200]}" if line else ""

    def _wait_for_turn(self) -> None:
        if self._pause:
            with self._turn:
                now = time.monotonic()
                mine = max(self._next, now)
                self._next = mine + self._pause
            self._sleep(mine - now)
        if self.stop.is_set():
            raise ReIDError(f"{self.host}: stopped")

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise ReIDError(f"{self.host}: stopped")


def retry_after(value: str | None) -> float:
    """Seconds that a `Retry-After` header asks for, at most `LONGEST_PAUSE`; 0 where it is none, or a date."""
    try:
        seconds = float(value or 0)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0
