"""A server in this process that answers as the OpenAI-compatible ones do, each in its way."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from reidr.reasoning.backends.chat_server import endpoint
from reidr.reasoning.prompting.prompt import QUESTIONS

THOUGHT = "<think>Shoes: same in both.</think><answer>yes</answer>"
SURE = {"yes": 0.9, "no": 0.08, "ins": 0.01}


def tokens_of(text: str, chances: dict[str, float], listed: int = 20) -> list[dict[str, Any]]:
    """Tags in pieces, as Qwen's tokenizer has them; `chances` stand where the word right after `<answer>` does."""
    entries, before = [], ""
    for token in re.findall(r"<answer|</|<|>|\w+|\s+|[^\w\s<>]+", text):
        top = chances if re.search(r"<answer>[\s*]*$", before) and token.isalpha() else {token: 0.99}
        if token not in top and token.lower() in top:
            top = {token if name == token.lower() else name: value for name, value in top.items()}
        own = top[token]
        alternatives = sorted(top.items(), key=lambda item: -item[1])[:listed]
        entries.append(
            {
                "token": token,
                "logprob": math.log(own),
                "top_logprobs": [{"token": name, "logprob": math.log(value)} for name, value in alternatives],
            }
        )
        before += token
    return entries


def completion(text: str | None, body: dict[str, Any], *, chances: dict[str, float] | None = SURE, listed: int = 20,
               thought: str | None = None, finish: str = "stop") -> dict[str, Any]:  # fmt: skip
    """A chat completion; `chances` None: `logprobs: null`."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thought is not None:
        message["reasoning_content"] = thought
    told = None
    if chances is not None and body.get("logprobs"):
        told = {"content": tokens_of(text or "", chances, min(listed, body.get("top_logprobs") or 0))}
    choice = {"index": 0, "message": message, "logprobs": told, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": 9}}


def thinks(body: dict[str, Any]) -> bool:
    """Whether the thinking question was asked."""
    return QUESTIONS["think"] in json.dumps(body, ensure_ascii=False)


def natural(body: dict[str, Any]) -> str:
    """What a well-behaved model says."""
    return THOUGHT if thinks(body) else "<answer>yes</answer>"


Script = Callable[[dict[str, Any], int], Any]
"""(request, how many came before) -> JSON with status 200, or (status, JSON or bytes), or (…, headers)."""


class Server:
    """Requests in order, and what is answered. Takes the place of the network for every `Endpoint`."""

    def __init__(self, script: Script, models: Any = None, paths: Callable[[str], bool] | None = None) -> None:
        self.script, self.models = script, {"data": [{"id": "m"}]} if models is None else models
        self.paths = paths or (lambda path: path.startswith("/v1/"))
        self.asked: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        with self._lock:
            self.seen.append(f"{request.method} {path}")
            self.headers.append(request.headers)
        if not self.paths(path):
            return httpx.Response(404, json={"error": "no route"})
        if request.method == "GET":
            return httpx.Response(404, json={"detail": "Not Found"}) if self.models == 404 else respond(self.models)
        body = json.loads(request.content)
        with self._lock:
            number = len(self.asked)
            self.asked.append(body)
        return respond(self.script(body, number))


def respond(answer: Any) -> httpx.Response:
    """A script's answer as HTTP."""
    if isinstance(answer, Exception):
        raise answer
    status, content, *headers = answer if isinstance(answer, tuple) else (200, answer)
    if isinstance(content, bytes):
        return httpx.Response(status, content=content, headers=headers[0] if headers else None)
    return httpx.Response(status, json=content, headers=headers[0] if headers else None)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Puts a `Server` in the place of the network; pauses are short."""
    monkeypatch.setattr(endpoint, "LONGEST_PAUSE", 0.01)
    monkeypatch.delenv("REIDR_API_KEY", raising=False)
    original = httpx.Client

    def put(script: Script, **options: Any) -> Server:
        server = Server(script, **options)

        def client(**settings: Any) -> httpx.Client:
            return original(**settings | {"transport": httpx.MockTransport(server)})

        monkeypatch.setattr(httpx, "Client", client)
        return server

    return put  # type: ignore[return-value]
