"""More ways in which servers answer: punctuation of other scripts, JSON, parts, and connections that misbehave."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from dialects import Server, completion, natural, network
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.addresses import check_address, is_local
from reidr.reasoning.backends.chat_server.endpoint import Endpoint, FailedError
from reidr.reasoning.backends.chat_server.questions_sent import read_reply_text, usable_chances
from reidr.reasoning.backends.chat_server.remote import RemoteReasoner
from reidr.reasoning.backends.chat_server.replies import read_reply
from reidr.reasoning.prompting.completions import read_completion
from reidr.reasoning.types import Pair

__all__ = ["network"]

Network = Callable[..., Server]
CROPS = [Crop(f"c{i}", Image.new("RGB", (32, 64), (i * 20, 100, 50))) for i in range(4)]
PAIRS = [Pair(CROPS[0], crop) for crop in CROPS[1:]]
URL = "http://far.example:8000"


@pytest.mark.parametrize(
    ("text", "word", "reasoning"),
    [
        ("<answer>yes。</answer>", "yes", ""), ("No。", "no", ""), ("Answer：yes", "yes", ""), ("「yes」！", "yes", ""),
        ("ｙｅｓ", "yes", ""), ("【no】", "no", ""), ("✅ Yes", "yes", ""), ("yes…", "yes", ""), ("• no", "no", ""),
        ("yes<｜end▁of▁sentence｜>", "yes", ""), ("\ufeff<answer>yes</answer>", "yes", ""),
        ("yes</answer>", "yes", ""), ("<think>a</think>no</answer>", "no", "a"),
        ("Verdict: no", "no", ""), ("Bags differ.\nFinal decision: **no**", "no", "Bags differ."),
        ('{"answer": "yes"}', "yes", ""), ('```json\n{"answer": "Yes."}\n```', "yes", ""),
        ('{"reasoning": "the answer is yes? bags", "answer": "no"}', "no", '{"reasoning": "the answer is yes? bags",'),
        ('Bags differ.\n```json\n{"final_answer": "no"}\n```\n', "no", "Bags differ."),
        ('<think>t</think>{"answer": "no"}', "no", "t"),
    ],
)  # fmt: skip
def test_spellings_of_other_scripts_and_formats(text: str, word: str, reasoning: str) -> None:
    read = read_completion(text)
    assert (read.answer, read.reasoning, read.problem) == (word, reasoning, "")


@pytest.mark.parametrize(
    "text",
    [
        "yes？", "<answer>yes？</answer>", "yes／no", "是：yes", "❌ yes", "уеs", '{"answer": "not yes"}',
        '{"answer": true}',
        '{"answer": "yes"}{"answer": "no"}', '{"answer": "yes", "final_answer": "no"}',
        '{"answer": "yes", "answer": "no"}',
        '{"a": {"answer": "yes"}}', 'not {"answer": "yes"} but',
        '{"question": "\\"answer\\": \\"yes\\""}', "no verdict: yes and no",
    ],
)  # fmt: skip
def test_what_asks_denies_or_says_two_things_is_not_read(text: str) -> None:
    read = read_completion(text)
    assert read.answer is None
    assert read.problem


def test_json_of_any_length_takes_linear_time() -> None:
    started = time.perf_counter()
    for text in (
        '{"answer":"' * 20_000,
        "```\n{" * 20_000,
        '{"answer":' + "[" * 50_000,
        '"answer":"yes"' * 20_000 + "}",
    ):
        assert read_completion(text).answer is None
    assert time.perf_counter() - started < 5


def reply(tokens: Any, content: Any = "<answer>yes</answer>", **message: Any) -> Any:
    choice = {
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": "stop",
        "logprobs": tokens,
    }
    return read_reply({"choices": [choice]}, "h")


def entry(token: str, others: Any) -> dict[str, Any]:
    return {"token": token, "logprob": math.log(0.6), "top_logprobs": others}


LISTED = [{"token": "yes", "logprob": math.log(0.6)}, {"token": "no", "logprob": math.log(0.3)}]


@pytest.mark.parametrize(
    "told",
    [
        {"content": [entry("<answer>", []), entry("yes", LISTED)]},
        [entry("<answer>", []), entry("yes", LISTED)],
        {"content": [entry("<answer>", []), entry("yes", {"yes": math.log(0.6), "no": math.log(0.3)})]},
        {"content": [entry("<answer>", []), {**entry("yes", LISTED), "bytes": [300]}]},
        {"content": [entry("<answer>", []), entry("yes", [*LISTED, {"token": "YES", "logprob": -9999.0}])]},
        {"content": [entry("<answer>", []), entry("yes。", [{"token": "yes。", "logprob": math.log(0.6)}, LISTED[1]])]},
    ],
)
def test_log_probabilities_in_every_form(told: Any) -> None:
    given = reply(told, "<answer>yes")
    found = usable_chances(given, read_reply_text(given))
    assert found is not None
    yes, no, _ = found[0]
    assert (yes, no) == (pytest.approx(math.log(0.6)), pytest.approx(math.log(0.3)))


def test_thoughts_and_refusals_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "<answer>no</answer>?"}]},
             {"type": "reasoning", "text": "or <answer>no</answer>"},
             {"type": "text", "text": "<answer>"}, {"type": "output_text", "text": "yes</answer>"}]  # fmt: skip
    given = reply(None, parts)
    assert (given.text, read_reply_text(given).answer) == ("<answer>yes</answer>", "yes")
    assert given.thought == "<answer>no</answer>?or <answer>no</answer>"
    assert reply(None, {"type": "text", "text": "no"}).text == "no"
    assert reply(None, "yes", reasoning={"text": "bags"}).thought == "bags"
    details = [{"type": "reasoning.text", "text": "shoes"}]
    assert reply(None, "yes", reasoning_details=details).thought == "shoes"
    assert reply(None, [{"type": "refusal", "refusal": "I will\nnot"}]).withheld == "I will not"
    assert reply(None, None, refusal="never").withheld == "never"


def test_a_bare_list_of_models_and_a_byte_order_mark(network: Network) -> None:
    network(lambda body, number: (200, b"\xef\xbb\xbf" + json.dumps(completion(natural(body), body)).encode()),
            models=[{"id": "m"}])  # fmt: skip
    np.testing.assert_allclose(RemoteReasoner(URL).score(PAIRS[:1]), 0.9 / 0.98)


def test_redirects_are_refused_with_their_goal(network: Network) -> None:
    network(lambda body, number: (307, b"", {"Location": "http://evil.example/v1"}))
    with pytest.raises(ReIDError, match=r"redirects to http://evil.example/v1 \(HTTP 307\), which is not followed"):
        RemoteReasoner(URL).score(PAIRS)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h:1/v1/v1/", "http://h:1/v1"), ("http://h:1//v1//", "http://h:1/v1"), ("http://h/", "http://h"),
        ("http://h/a/v1/chat/completions", "http://h/a/v1"), ("http://[::1]:5/v1", "http://[::1]:5/v1"),
    ],
)  # fmt: skip
def test_addresses_are_put_in_order(url: str, address: str) -> None:
    assert check_address(url)[1] == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a b", "reads http://host:port"), ("http://x\x00y", "reads http://host:port"), ("http://", "reads"),
        ("http://u:p@h", "no password"), ("http://u@h", "no password"), ("http://h/openai?api-version=1", "no query"),
    ],
)  # fmt: skip
def test_what_is_no_address(url: str, said: str) -> None:
    with pytest.raises(ReIDError, match=said):
        check_address(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "localhost.", "A.LOCALHOST"]
)
def test_this_machine_under_all_its_names(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["localhost.example", "128.0.0.1", "::2", "far.example", "127.0.0.1.example"])
def test_other_machines(host: str) -> None:
    assert not is_local(host)


def test_a_proxy_that_cannot_be_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "garbage://x")
    with pytest.raises(ReIDError, match=r"far.example:1: the environment's proxy .* cannot be used"):
        Endpoint("http://far.example:1", per_second=None, tries=1, timeout=1)


@pytest.fixture
def wire() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Starts a server that does with each connection what it is given; its address."""
    open_ones: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        open_ones.append(listening)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65536)
                    answer(connection)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for one in open_ones:
        one.close()


def test_headers_that_drip_are_given_up(wire: Any) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    endpoint = Endpoint(f"http://{wire(drip)}/v1", per_second=None, tries=1, timeout=0.3)
    started = time.monotonic()
    with pytest.raises(ReIDError, match=r"had not ended after 0.3 seconds"):
        endpoint.post("/chat/completions", {})
    assert time.monotonic() - started < 3


def test_a_server_without_tls_is_told_from_one_that_is_away(wire: Any) -> None:
    address = wire(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    endpoint = Endpoint(f"https://{address}/v1", per_second=None, tries=5, timeout=5)
    started = time.monotonic()
    with pytest.raises(ReIDError, match=r"no safe connection .* its address begins with http://"):
        endpoint.get("/models")
    assert time.monotonic() - started < 3


def test_nobody_waits_longer_than_the_patience_because_another_was_told_to(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.reasoning.backends.chat_server.endpoint.LONGEST_PAUSE", 60.0)
    network(
        lambda body, number: (503, {"error": "busy"}, {"Retry-After": "99999999"}) if number == 0 else {"choices": []}
    )
    endpoint = Endpoint(f"{URL}/v1", per_second=None, tries=3, timeout=5, patience=2)
    started = time.monotonic()
    with pytest.raises(FailedError, match="busy"):
        endpoint.post("/chat/completions", {"messages": []})
    assert endpoint.post("/chat/completions", {"messages": []}) == {"choices": []}
    assert time.monotonic() - started < 2
