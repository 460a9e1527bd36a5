"""Talking to an OpenAI-compatible server: JSON over HTTP, paced, with retries, the key from the environment only.

What a user relies on: the key and the pictures go to the named host alone (redirects are refused; what is for this
machine goes through no proxy), and the key stands in no message.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

import httpx

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.addresses import (
    CHAT,
    EMBEDDINGS,
    KEY_VARIABLE,
    RERANKING,
    bases_of,
    check_address,
)
from reidr.reasoning.backends.chat_server.replies import LONGEST_LINE, error_in, harmless, retry_after, words_of

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})  # states that a second try may find gone
HOPELESS = frozenset({301, 302, 303, 307, 308, 401, 402, 404, 405})  # and states that no other question will change
OPTION_TROUBLE = re.compile(
    r"not supported|unsupported|does not support|unrecogni[sz]ed|unknown (?:name|field|parameter|argument|option)"
    r"|extra (?:inputs|fields)|not permitted|not allowed|invalid (?:parameter|argument|option)",
    re.I,
)
TLS_TROUBLE = re.compile(r"CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER|\bSSL: |hostname mismatch", re.I)
TLS_ADVICE = (
    "where the server speaks plain HTTP, its address begins with http://; a certificate of one's own authority is named"
    " in SSL_CERT_FILE"
)
LONGEST_PAUSE = 60.0  # seconds
LARGEST_ANSWER = 16_000_000  # bytes
QUESTIONS = (CHAT, EMBEDDINGS, *RERANKING)  # what counts as a request


class RefusedError(ReIDError):
    """The server understood the request and will not answer it.

    Attributes:
        status: of HTTP, or of the error inside an answer with status 200. text: the server's own words, whole.
    """

    def __init__(self, message: str, status: int = 400, text: str = "") -> None:
        super().__init__(message)
        self.status, self.text = status, text

    @property
    def hopeless(self) -> bool:
        """Whether every other request would be refused as well: a wrong key, a wrong address."""
        return self.status in HOPELESS


class FailedError(RefusedError):
    """The server could not answer this request, each time it was asked; others may do."""


class LostError(ReIDError):
    """No usable answer came, each time the server was asked: it is gone, or too slow."""


class Endpoint:
    """One server. Safe to use from several threads; setting `stop` ends all waiting and retrying.

    Attributes:
        requests: questions that were sent, those sent again included. retried: how many of them were sent again.
    """

    def __init__(
        self,
        url: str,
        *,
        per_second: float | None,
        tries: int,
        timeout: float,
        patience: float = 300.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Check the address; nothing is sent yet.

        Args:
            url: `http(s)://host[:port][/path]`. Where no API answers below it as it is, it is looked for under `/v1`.
            tries: how often a request is sent at most. patience: seconds that a request and its pauses may take.
            transport: instead of the network, for tests.

        Raises:
            ReIDError: not such an address, one that carries a password or a query, or numbers out of range.
        """
        if tries < 1 or timeout <= 0 or patience <= 0 or (per_second is not None and per_second <= 0):
            raise ReIDError("a server needs tries of at least 1, and a timeout, a patience and a rate above 0")
        self.host, address, local = check_address(url)
        self._bases = bases_of(address)
        self.base = self._bases[0]
        self.stop = threading.Event()
        self.requests = self.retried = 0
        self._settled, self._settling = len(self._bases) == 1, threading.Lock()
        self._tries, self._timeout, self._patience = tries, timeout, patience
        self._pause = 0.0 if per_second is None else 1.0 / per_second
        self._turn, self._next = threading.Lock(), 0.0
        try:
            self._client = httpx.Client(
                follow_redirects=False,  # one would take the key and the pictures to a server that nobody named
                trust_env=not local,  # pictures for this machine must not travel through a proxy
                timeout=httpx.Timeout(timeout, connect=min(timeout, 20.0), pool=None),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
                transport=transport,
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            problem = "the environment's proxy or certificates (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE)"
            raise ReIDError(f"{self.host}: {problem} cannot be used ({error})") from None

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`. Raises as `post`."""
        return self._anywhere("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the server answers to `body`.

        Raises:
            RefusedError: a client error (4xx), or an error inside an answer, with the server's own words.
            ReIDError: no usable answer after all tries.
        """
        return self._anywhere("POST", path, json.dumps(body).encode())

    def command(self, path: str, body: Mapping[str, Any]) -> None:
        """Send `body` where the answer says no more than that it was done. Raises as `post`."""
        self._send("POST", path, json.dumps(body).encode(), silent=True)

    def use_first(self) -> None:
        """Of the places where the API may lie, take the likeliest again: none has answered."""
        if not self._settled:
            self.base = self._bases[0]

    def _anywhere(self, method: str, path: str, data: bytes | None) -> dict[str, Any]:
        """As `_send`; until the server has answered once, at each place where its API may lie."""
        if not self._settled:
            with self._settling:  # one at a time, or each would change the place under the others
                if not self._settled:
                    return self._settle(method, path, data)
        return self._send(method, path, data)

    def _settle(self, method: str, path: str, data: bytes | None) -> dict[str, Any]:
        """As `_send`, at one place after the other until one answers."""
        first: RefusedError | None = None
        for base in self._bases:
            self.base = base
            try:
                found = self._send(method, path, data)
            except RefusedError as error:
                if error.status not in (404, 405, 501):
                    self._settled = error.status not in (401, 402, 403)
                    raise
                first = first or error
            else:
                self._settled = True
                return found
        self.use_first()
        raise first or ReIDError(f"{self.host}: no API there")

    def _send(self, method: str, path: str, data: bytes | None, *, silent: bool = False) -> dict[str, Any]:
        key = key_of_environment()
        began, said, refused = time.monotonic(), "", None
        for attempt in range(self._tries):
            self._wait_for_turn()
            if method == "POST" and path in QUESTIONS:
                with self._turn:
                    self.requests += 1
                    self.retried += attempt > 0
            pause = min(0.5 * 2**attempt, LONGEST_PAUSE) * random.uniform(1.0, 1.2)
            try:
                return self._in_time(lambda: self._once(method, path, data, key, silent))
            except Passing as problem:
                said, refused = hidden(str(problem), key), problem.status
                if problem.after is not None:
                    pause = min(max(pause, problem.after), LONGEST_PAUSE)
                    if time.monotonic() - began + pause <= self._patience:
                        self._hold_back(pause)  # else nobody waits so long: the others ask, and give up, for themselves
                if problem.unreachable and method == "GET" and attempt >= 2:
                    break
            except RefusedError:
                raise
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
                raise ReIDError(f"{self.host}: {hidden(str(problem), key)}") from None
            if attempt + 1 == self._tries or time.monotonic() - began + pause > self._patience:
                break
            self._sleep(pause)
        tries = attempt + 1
        message = f"{self.host}: no usable answer after {tries} tries ({said}); is the server running?"
        if refused is not None and refused >= 500:
            raise FailedError(message, refused, said)
        raise LostError(message)

    def _in_time(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `ask` gives, which is given up a second after the timeout.

        httpx bounds each piece alone, so that headers which come byte by byte would hold a request for ever.
        """
        found: Future[dict[str, Any]] = Future()

        def work() -> None:
            try:
                found.set_result(ask())
            except BaseException as error:  # whatever it is, it is raised where the answer is waited for
                found.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        if not wait((found,), self._timeout + 1.0).done:
            raise Passing(f"its answer had not ended after {self._timeout:g} seconds")
        return found.result()

    def _once(self, method: str, path: str, data: bytes | None, key: str | None, silent: bool) -> dict[str, Any]:
        """One request. Raises `Passing` where another try may help, RefusedError where none will."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "reidr"}
        headers["Accept-Encoding"] = "identity"
        if key:
            headers["Authorization"] = f"Bearer {key}"
        deadline = time.monotonic() + self._timeout
        try:
            with self._client.stream(method, f"{self.base}{path}", content=data, headers=headers) as answer:
                raw = self._read(answer, deadline, enough=10_000 if answer.status_code >= 300 else None)
        except httpx.UnsupportedProtocol as problem:
            raise RefusedError(f"{self.host}: {problem}") from None
        except httpx.LocalProtocolError:
            raise RefusedError(f"{self.host}: the request cannot be sent; is {KEY_VARIABLE} a key?", 401) from None
        except httpx.TransportError as problem:
            if TLS_TROUBLE.search(str(problem)):
                raise RefusedError(f"{self.host}: no safe connection ({problem}); {TLS_ADVICE}", 401) from None
            reason = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
            raise Passing(reason, unreachable=isinstance(problem, httpx.ConnectError)) from None
        text = raw.decode("utf-8-sig", errors="replace")
        if answer.is_success and silent:
            return {}
        if answer.is_success:
            return self._object(text, answer, key)
        if answer.is_redirect:
            there = hidden(harmless(answer.headers.get("Location", "another address")), key)[:LONGEST_LINE]
            raise RefusedError(
                f"{self.host}: it redirects to {there} (HTTP {answer.status_code}), which is not followed; give that"
                " address itself if it is the right one",
                answer.status_code,
            )
        line = hidden(words_of(text), key)
        said = f"HTTP {answer.status_code}{f', {line}' if line else ''}"
        # Some servers call an option that they lack an error of their own: asking again as often changes nothing.
        lacking = answer.status_code >= 500 and OPTION_TROUBLE.search(text) is not None
        if answer.status_code in PASSING and not lacking:
            raise Passing(said, answer.status_code, retry_after(answer.headers.get("Retry-After"), LONGEST_PAUSE))
        raise RefusedError(
            f"{self.host}: the server refused the request: {said}", answer.status_code, hidden(text, key)
        )

    def _read(self, answer: httpx.Response, deadline: float, enough: int | None) -> bytes:
        """The body: of an error its beginning, else the whole, within bounds."""
        parts, size = [], 0
        for part in answer.iter_bytes():
            parts.append(part)
            size += len(part)
            if enough is not None and size >= enough:
                break
            if size > LARGEST_ANSWER:
                raise RefusedError(f"{self.host}: its answer is larger than {LARGEST_ANSWER:,} bytes", 413)
            if time.monotonic() > deadline:
                raise Passing(f"its answer had not ended after {self._timeout:g} seconds")
            if self.stop.is_set():
                raise ReIDError(f"{self.host}: stopped")
        return b"".join(parts)[:enough]

    def _object(self, text: str, answer: httpx.Response, key: str | None) -> dict[str, Any]:
        """The JSON object of an answer with status 200, which may be an error all the same."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            page = "html" in answer.headers.get("Content-Type", "").lower() or text.lstrip()[:1] == "<"
            if page:
                message = f"{self.host}: answers with a web page instead of JSON at {self.base}; is the address right?"
                raise RefusedError(message, 404, hidden(text, key)) from None
            raise Passing(
                "its answer is no JSON, or not all of it" if text.strip() else "its answer is empty"
            ) from None
        if isinstance(found, list) and (answer.request.method == "GET" or answer.url.path.endswith(RERANKING)):
            return {"data": found}  # a bare list of models, as Together's; of scores, as SGLang's
        if not isinstance(found, dict):
            raise Passing("its answer is no JSON object")
        trouble = error_in(found)
        if trouble is None:
            return found
        status, line = trouble
        said = f"an error inside its answer: {hidden(line, key)}"
        if status in PASSING:
            raise Passing(said, status)
        raise RefusedError(f"{self.host}: the server refused the request: {said}", status, hidden(text, key))

    def _hold_back(self, seconds: float) -> None:
        """No request of any thread before so many seconds have passed: the server said so."""
        with self._turn:
            self._next = max(self._next, time.monotonic() + seconds)

    def _wait_for_turn(self) -> None:
        with self._turn:
            now = time.monotonic()
            mine = max(self._next, now)
            self._next = mine + self._pause
        if mine > now:
            self._sleep(mine - now)
        if self.stop.is_set():
            raise ReIDError(f"{self.host}: stopped")

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise ReIDError(f"{self.host}: stopped")


class Passing(Exception):  # noqa: N818 - no error yet: another try may help
    """Trouble that may pass. `status` of HTTP, if any; `after`: seconds that the server asks for."""

    def __init__(
        self, said: str, status: int | None = None, after: float | None = None, unreachable: bool = False
    ) -> None:
        super().__init__(said)
        self.status, self.after, self.unreachable = status, after, unreachable


def key_of_environment() -> str | None:
    """The key, None where there is none. Raises ReIDError for one that no header can carry."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return None
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ReIDError(f"{KEY_VARIABLE} holds characters that no key has; set it to the key alone")
    return key


def hidden(text: str, key: str | None) -> str:
    """The text without our key."""
    return text.replace(key, "(key)") if key else text
