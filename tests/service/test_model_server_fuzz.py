"""Mutated requests: each gets an answer, none of them a server error, and the server goes on."""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from asking import connect, data_url, everything, head, post, words

from reidr.reasoning.prompting.prompt import QUESTIONS
from reidr.service.model_server.limits import Limits
from reidr.service.model_server.server import ModelServer

NASTY: list[Any] = [
    "", " ", "\ud800", "\udfff\ud800", "\0", "\U0001f600" * 3000, "x" * 5000, "<|image_pad|>", "<|im_end|>", "NaN",
    "ß" * 50, 1e-320, 1e-7, 1e308, float("inf"), float("-inf"), float("nan"), -1, 0, -0.0, 1.0, 2, 0.5,
    2**31, 2**63, 2**64, 10**30, 10**400,
    True, False, None, [], {}, [[]], [{}], {"": {}}, {"type": "text"}, {"text": "a"}, {"url": 3}, {"type": "image_url"},
    "system", "assistant", "tool", "user", "text", "image_url", ["a"], {"role": "user", "content": "a"},
    "http://127.0.0.1:9/", "file:///etc/passwd", "data:image/png;base64,", "data:image/png;base64,AAAA", "data:,",
    data_url((1, 1)), data_url((4, 1000)), data_url((200, 4)), data_url((640, 360), kind="JPEG"), data_url()[:70],
]  # fmt: skip
NAMES = ("messages", "role", "content", "type", "text", "image_url", "url", "model", "temperature", "top_p", "top_k",
         "min_p", "seed", "n", "stop", "stream", "logprobs", "top_logprobs", "max_tokens", "logit_bias", "tools",
         "user", "continue_final_message", "add_generation_prompt", "chat_template_kwargs", "response_format", "x",
         "\ud800")  # fmt: skip


def sound_requests() -> list[dict[str, Any]]:
    picture = {"type": "image_url", "image_url": {"url": data_url((20, 40))}}
    pair = [{"type": "text", "text": "Person A:"}, picture, {"type": "text", "text": "Person B:"}, picture]
    score = {"role": "user", "content": [*pair, {"type": "text", "text": QUESTIONS["score"]}]}
    turns = [{"role": "system", "content": "Be short."}, score, {"role": "assistant", "content": "<answer>"}]
    return [
        words(seed=1, top_p=0.9, top_k=5, temperature=0.7),
        {"messages": [score], "max_tokens": 4, "logprobs": True, "top_logprobs": 20, "temperature": 0},
        {"messages": turns, "max_tokens": 1, "continue_final_message": True, "add_generation_prompt": False},
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values within a JSON value, the whole first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for step, one in inner for deeper in places(one, (*path, step)))]


def mutate_structure(body: Any, draw: random.Random) -> bytes:
    """Values replaced, left out, doubled, wrapped; names changed and added."""
    body = copy.deepcopy(body)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        path = draw.choice(places(body))
        if not path:
            if draw.random() < 0.2:
                body = draw.choice([[body], draw.choice(NASTY)])
            elif isinstance(body, dict):
                body[draw.choice(NAMES)] = draw.choice(NASTY)
            continue
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        kind = draw.randrange(6)
        if kind <= 1:
            holder[path[-1]] = draw.choice(NASTY)
        elif kind == 2:
            del holder[path[-1]]
        elif kind == 3:
            holder[path[-1]] = [holder[path[-1]]] * draw.choice((1, 2, 40))
        elif kind == 4 and isinstance(holder, dict):
            holder[draw.choice(NAMES)] = holder.pop(path[-1])
        else:
            holder[path[-1]] = {draw.choice(NAMES): holder[path[-1]]}
    raw = json.dumps(body).encode()
    if draw.random() < 0.05:
        raw = b'{"messages":' * draw.choice((50, 5_000)) + raw
    if draw.random() < 0.05:
        raw = raw.replace(b"{", b'{"seed":1,"seed":' + b"9" * 5_000 + b",", 1)
    return raw


def mutate_bytes(raw: bytes, draw: random.Random) -> bytes:
    """Bytes changed, cut out, put in, doubled."""
    found = bytearray(raw)
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        place = draw.randrange(len(found) + 1)
        length = draw.choice((1, 1, 2, 10, 100))
        kind = draw.randrange(5)
        if kind == 0:
            found[place : place + length] = bytes(draw.randrange(256) for _ in range(length))
        elif kind == 1:
            del found[place : place + length]
        elif kind == 2:
            found[place:place] = draw.choice(
                (b'"', b"\\", b"{", b"]", b",", b"\0", b"\xff", b"\\ud800", b"1e999", b"null")
            )
        elif kind == 3:
            found[place:place] = found[place : place + length]
        elif place:
            del found[place:]
    return bytes(found)


def mutate_head(raw: bytes, draw: random.Random) -> bytes:
    """The request as a whole, its first line and headers changed."""
    lines = head(len(raw), "Connection: close")
    kind = draw.randrange(3)
    if kind == 0:
        wrong = draw.choice(
            ("0", "-1", str(len(raw) + 10), "9" * 30, "9" * 5_000, "1e3", "abc", "", " ", "0x1", "\x0b3")
        )
        return head(wrong, "Connection: close") + raw
    if kind == 1:
        more = draw.choice((
            b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Host: localhost", b": empty",
            b"Expect: 100-continue", b"Upgrade: websocket\r\nConnection: upgrade", b"X: " + b"y" * 70_000,
            b"Content-Length: 3", b" folded: line", b"Content-Type: text/plain", b"Content-Encoding: gzip",
            b"Authorization: Bearer \xff\xfe",
        ))  # fmt: skip
        return lines.replace(b"\r\n", b"\r\n" + more + b"\r\n", 1) + raw
    end = lines.index(b"Connection")
    return mutate_bytes(lines[:end], draw) + lines[end:] + raw


def check(server: ModelServer, raw: bytes, *, whole: bool) -> str:
    """Send, and look at the answer; `whole`: the request's framing is sound, so it must be an HTTP answer."""
    with connect(server, 15) as connection:
        try:
            connection.sendall(raw)
            answer = everything(connection)
        except (BrokenPipeError, ConnectionResetError):
            assert not whole
            return "reset"
    if not answer and not whole:
        return "closed"
    for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer):
        assert int(one) < 500, answer
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    status = answer[9:12].decode()
    if status not in ("100", "200"):
        told = json.loads(answer.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")[0])
        message = told["detail"] if "detail" in told else told["error"]["message"]
        assert message
        assert "\n" not in message
        assert len(message) <= 300
    return status


def fuzz(server: ModelServer, count: int, seed: int) -> Counter[str]:
    draw = random.Random(seed)
    sound = sound_requests()
    statuses: Counter[str] = Counter()
    for number in range(count):
        body = draw.choice(sound)
        kind = number % 5
        if kind < 3:
            raw = mutate_structure(body, draw)
        elif kind == 3:
            raw = mutate_bytes(json.dumps(body).encode(), draw)
        else:
            statuses[check(server, mutate_head(json.dumps(body).encode(), draw), whole=False)] += 1
            continue
        statuses[check(server, head(len(raw), "Connection: close") + raw, whole=True)] += 1
    return statuses


@pytest.mark.parametrize(("count", "seed"), [(60, 0), pytest.param(500, 1, marks=pytest.mark.slow)])
def test_mutated_requests(
    tiny: Any, start: Callable[[Any], Any], capfd: pytest.CaptureFixture[str], count: int, seed: int
) -> None:
    server = start(ModelServer(tiny, limits=Limits(completion_tokens=8, head_seconds=0.5, body_seconds=0.5)))
    for body in sound_requests():
        assert post(server, body) == (200, "")
    statuses = fuzz(server, count, seed)
    assert sum(statuses.values()) == count
    assert statuses["200"] > 0
    assert statuses["400"] > count / 3
    assert "Traceback" not in capfd.readouterr().err
    assert server.service.waiting == server.service.memory.used == 0
    for body in sound_requests():
        assert post(server, body) == (200, "")
