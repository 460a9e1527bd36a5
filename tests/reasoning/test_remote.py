"""A reasoner behind a server says what it says in process; and servers that misbehave do no harm."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.questions_sent import smoothed
from reidr.reasoning.backends.chat_server.remote import RemoteReasoner, data_url, fit
from reidr.reasoning.backends.loading import load_reasoner
from reidr.reasoning.backends.local import Engine
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.prompting.prompt import CROP_PIXELS, QUESTIONS
from reidr.reasoning.types import Pair
from reidr.service.model_server.server import ModelServer

THOUGHT = "<think>Shoes: same in both.</think><answer>yes</answer>"


@pytest.fixture
def served(taught: Reasoner, start: Callable[[Any], Any]) -> ModelServer:
    return start(ModelServer(taught))


class Scripted(ThreadingHTTPServer):
    """A server that answers each chat request by a function of (its JSON, how many came before): (status, JSON)."""

    daemon_threads = True

    def __init__(self, script: Callable[[dict[str, Any], int], tuple[int, Any]], models: Any = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers.append(dict(self.headers))
                self.reply(200, models or {"data": [{"id": "m"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    number = len(outer.asked)
                    outer.asked.append(body)
                    outer.headers.append(dict(self.headers))
                    outer.times.append(time.monotonic())
                self.reply(*script(body, number))

            def reply(self, status: int, answer: Any) -> None:
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/v1/chat/completions")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def answer(text: str, tokens: list[tuple[str, dict[str, float]]] | None = None, **message: str) -> Any:
    content = [
        {"token": t, "logprob": top.get(t, 0.0), "top_logprobs": [{"token": a, "logprob": v} for a, v in top.items()]}
        for t, top in tokens or []
    ]
    choice = {"message": {"content": text, **message}, "logprobs": {"content": content} if tokens else None}
    return {"choices": [choice], "usage": {"completion_tokens": 9}}


FIXED = 2  # questions about a drawn pair, by which weights that changed are told
DIRECT = answer("<answer>yes</answer>", [("<answer>", {}), ("yes", {"yes": -0.5, "no": -1.5, "in": -3.0})])


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidr.reasoning.backends.chat_server.endpoint.LONGEST_PAUSE", 0.02)
    monkeypatch.delenv("REIDR_API_KEY", raising=False)


def test_same_pairs_same_verdicts_in_process_and_through_a_server(
    taught: Reasoner, served: ModelServer, lessons: list[Pair], pairs: list[Pair]
) -> None:
    both = lessons + pairs[:2]
    here = Engine(taught)
    expected, thoughts = here.score(both), here.think(both, Thinking(40))
    assert len({round(float(value), 2) for value in expected}) > 1
    began = load_reasoner(served.address)  # our own server is asked with the answer begun, as in process
    there = RemoteReasoner(served.address, begin_answer=False)
    assert isinstance(began, RemoteReasoner)
    np.testing.assert_allclose(began.score(both), expected, atol=1e-3)
    np.testing.assert_allclose(began.score(both, both_orders=False), here.score(both, both_orders=False), atol=1e-3)
    # What was taught begins with <answer> by itself; noise may call forth anything.
    np.testing.assert_allclose(there.score(lessons), expected[:4], atol=1e-3)
    assert began.sampled == there.sampled == 0
    for mine, theirs in zip(thoughts, there.think(both, Thinking(40)), strict=True):
        assert (mine.answer, mine.reasoning, mine.cues, mine.tokens, mine.parsable, mine.prompt) == (
            theirs.answer, theirs.reasoning, theirs.cues, theirs.tokens, theirs.parsable, theirs.prompt
        )  # fmt: skip
        assert mine.probability == pytest.approx(theirs.probability, abs=1e-3)
    assert there.name == f"taught at {served.address.removeprefix('http://')}"


def test_both_architectures_give_their_own_logits(
    reasoner: Reasoner, start: Callable[[Any], Any], pairs: list[Pair]
) -> None:
    remote = RemoteReasoner(start(ModelServer(reasoner)).address, begin_answer=True)
    found, wanted = remote.answer_logits(pairs[:3]), reasoner.answer_logits(pairs[:3])
    assert np.abs(wanted[..., 1] - wanted[..., 0]).max() > 0.1
    np.testing.assert_allclose(found[..., 1] - found[..., 0], wanted[..., 1] - wanted[..., 0], atol=1e-3)
    np.testing.assert_allclose(remote.score(pairs[:3]), reasoner.score(pairs[:3]), atol=1e-3)


def test_what_a_server_has_answered_is_not_asked_again(
    start: Callable[[Any], Any], pairs: list[Pair], tmp_path: Path
) -> None:
    thought = answer(THOUGHT, [("…<answer>", {}), ("yes", {"yes": -0.1, "no": -3.1})])

    def script(body: dict[str, Any], number: int) -> tuple[int, Any]:
        return 200, thought if QUESTIONS["think"] in json.dumps(body, ensure_ascii=False) else DIRECT

    server = start(Scripted(script))
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        first = RemoteReasoner(server.address, cache=cache)
        scores, verdicts = first.score(pairs), first.think(pairs)
        asked = len(server.asked)
        assert asked == first.counts.requests == 3 * len(pairs) + FIXED
        again = RemoteReasoner(server.address, cache=cache)
        np.testing.assert_array_equal(again.score(pairs), scores)
        assert again.think(pairs) == verdicts
        assert len(server.asked) == asked + FIXED
        assert again.counts.requests == FIXED
        RemoteReasoner(server.address, cache=cache, pixels=(4000, 5000)).score(pairs[:1])
        assert len(server.asked) == asked + 2 * FIXED + 2
    assert verdicts[0].probability == pytest.approx(1 / (1 + math.exp(-3)))
    assert verdicts[0].tokens == 9
    assert [(c.region, c.agreement) for c in verdicts[0].cues] == [("shoes", "agree")]
    assert scores[0] == pytest.approx(1 / (1 + math.exp(-1)))


def test_what_is_paid_for_survives_a_failure(start: Callable[[Any], Any], pairs: list[Pair], tmp_path: Path) -> None:
    full = (400, {"error": {"message": "full"}})
    server = start(Scripted(lambda body, number: (200, DIRECT) if number < FIXED + 5 else full))
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        remote = RemoteReasoner(server.address, cache=cache, concurrency=1)
        said = r"gave up after 5 questions in a row without .* refused the request: HTTP 400, full"
        with pytest.raises(ReIDError, match=said):
            remote.score(pairs)
        asked = len(server.asked)
        assert FIXED + 10 <= asked < FIXED + 14
    later = start(Scripted(lambda body, number: (200, DIRECT)))
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        again = RemoteReasoner(later.address, cache=cache)
        again._known = remote._identity()
        again.score(pairs)
    assert len(later.asked) == 14 - 5


def test_passing_trouble_is_tried_again(start: Callable[[Any], Any], pairs: list[Pair]) -> None:
    trouble = iter([(503, {}), (429, {"error": "slow down"}), (500, b"oops"), (200, b"no json"), (200, [1])])
    server = start(Scripted(lambda body, number: next(trouble, (200, DIRECT))))
    remote = RemoteReasoner(server.address, concurrency=1)
    assert remote.score(pairs[:1], both_orders=False)[0] == pytest.approx(1 / (1 + math.exp(-1)))
    assert len(server.asked) == 6
    always = RemoteReasoner(start(Scripted(lambda body, number: (503, {"message": "busy"}))).address, tries=3)
    with pytest.raises(ReIDError, match=r"no usable answer after 3 tries \(HTTP 503, busy\)"):
        always.score(pairs[:1])
    with pytest.raises(ReIDError, match=r"no usable answer after 2 tries .*is the server running"):
        RemoteReasoner("http://127.0.0.1:9", tries=2)


def test_the_key_goes_to_the_server_and_nowhere_else(
    start: Callable[[Any], Any], pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REIDR_API_KEY", "sk-secret")
    server = start(Scripted(lambda body, number: (401, {"error": {"message": "wrong key sk-secret given"}})))
    remote = RemoteReasoner(server.address)
    with pytest.raises(ReIDError, match=r"HTTP 401, wrong key \(key\) given") as told:
        remote.score(pairs[:1])
    assert all(headers["Authorization"] == "Bearer sk-secret" for headers in server.headers)
    assert "secret" not in str(told.value) + repr(vars(remote)) + remote.name
    away = RemoteReasoner(start(Scripted(lambda body, number: (302, {}))).address)
    with pytest.raises(ReIDError, match="HTTP 302"):
        away.score(pairs[:1])


def test_requests_are_paced_and_at_most_so_many_at_a_time(start: Callable[[Any], Any], pairs: list[Pair]) -> None:
    now, most = [0], [0]
    lock = threading.Lock()

    def script(body: dict[str, Any], number: int) -> tuple[int, Any]:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.03)
        with lock:
            now[0] -= 1
        return 200, DIRECT

    server = start(Scripted(script))
    RemoteReasoner(server.address, concurrency=3).score(pairs)
    assert most[0] == 3
    server.times.clear()
    RemoteReasoner(server.address, concurrency=3, per_second=40).score(pairs)
    assert server.times[-1] - server.times[0] >= (len(server.times) - 2) / 40


def test_without_log_probabilities_answers_are_counted(start: Callable[[Any], Any], pairs: list[Pair]) -> None:
    def script(body: dict[str, Any], number: int) -> tuple[int, Any]:
        if body.get("top_logprobs", 0) > 0:
            return 400, {"error": {"message": "logprobs are not supported by this model"}}
        word = "no" if body["temperature"] == 1 and body["seed"] in (0, 5) else "yes"
        return 200, answer(f"<answer>{word}</answer>")

    server = start(Scripted(script))
    remote = RemoteReasoner(server.address, samples=8, concurrency=1)
    # 6 yes, 2 no, half a count more each: 6.5 / 9.
    assert remote.score(pairs[:1], both_orders=False)[0] == pytest.approx(6.5 / 9)
    assert remote.sampled == 1
    assert [body.get("top_logprobs") for body in server.asked[:3]] == [20, 5, None]
    assert "logprobs" not in server.asked[-1]
    assert len(server.asked) == 2 + 1 + 8


def test_thoughts_that_a_server_puts_aside_are_put_back(start: Callable[[Any], Any], pairs: list[Pair]) -> None:
    tokens = [("hm", {}), ("<answer>", {}), ("no", {"no": -0.2, "yes": -2.2})]
    message = answer("<answer>no</answer>", tokens, reasoning_content="Bag: only in A: differ.")
    remote = RemoteReasoner(start(Scripted(lambda body, number: (200, message))).address)
    verdict = remote.think(pairs[:1])[0]
    assert (verdict.answer, verdict.reasoning, verdict.parsable) == ("different", "Bag: only in A: differ.", True)
    assert verdict.probability == pytest.approx(1 / (1 + math.exp(2)))


def test_nonsense_is_no_verdict_and_no_crash(start: Callable[[Any], Any], pairs: list[Pair]) -> None:
    server = start(Scripted(lambda body, number: (200, answer("I think so"))))
    remote = RemoteReasoner(server.address, samples=2)
    verdict = remote.think(pairs[:1])[0]
    assert (verdict.answer, verdict.parsable, verdict.reasoning) == ("insufficient", False, "I think so")
    assert (verdict.probability, verdict.problem) == (None, "no answer could be found in the reply")
    assert np.isnan(remote.score(pairs[:1])).all()
    assert len(server.asked) == 3  # what cannot be read is not drawn again and again
    assert (remote.counts.without_score, remote.counts.unreadable, remote.counts.refused) == (2, 2, 0)
    assert remote.counts.reasons == {"no answer could be found in the reply": 2}
    for wrong in ({}, {"choices": []}, {"choices": [{"message": None}]}, {"choices": "x"}):
        broken = RemoteReasoner(start(Scripted(lambda body, number, wrong=wrong: (200, wrong))).address)
        with pytest.raises(ReIDError, match="its answer is no chat completion"):
            broken.think(pairs[:1])


def test_addresses_and_models(start: Callable[[Any], Any]) -> None:
    two = start(Scripted(lambda body, number: (200, DIRECT), {"data": [{"id": "a"}, {"id": "b"}]}))
    with pytest.raises(ReIDError, match=r"name one of its own after a # \(a, b\)"):
        RemoteReasoner(two.address)
    with pytest.raises(ReIDError, match="no model 'c'"):
        RemoteReasoner(f"{two.address}#c")
    assert RemoteReasoner(f"{two.address}/v1/#b").model == "b"
    assert RemoteReasoner(two.address, model="a").model == "a"
    with pytest.raises(ReIDError, match="no password or key") as told:
        RemoteReasoner("http://user:geheim@example.invalid/v1")
    assert "geheim" not in str(told.value)
    for wrong in ("http://", "ftp://host", "http://host:port"):
        with pytest.raises(ReIDError, match="the address of a server reads"):
            RemoteReasoner(wrong)


def test_drawn_answers_by_hand() -> None:
    # 3 of 4 and none: (3.5, 1.5, .5) / 5.5
    np.testing.assert_allclose(np.exp(smoothed({"yes": 3, "no": 1})), [3.5 / 5.5, 1.5 / 5.5, 0.5 / 5.5])


def test_pictures_are_fitted_and_sent_whole() -> None:
    small, large = Image.new("RGB", (40, 100), "red"), Image.new("RGB", (300, 600))
    assert fit(small, None) is small
    for image in (small, large):
        width, height = fit(image, CROP_PIXELS).size
        assert CROP_PIXELS[0] * 0.98 <= width * height <= CROP_PIXELS[1] * 1.02
        assert width / height == pytest.approx(image.width / image.height, rel=0.02)
    assert data_url(small).startswith("data:image/png;base64,iVBOR")
