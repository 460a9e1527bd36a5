"""A reasoner behind servers of every kind: what each says is read, counted, and never made up."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from dialects import SURE, THOUGHT, Server, completion, natural, network, thinks
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.endpoint import Endpoint
from reidr.reasoning.backends.chat_server.remote import RemoteReasoner
from reidr.reasoning.backends.chat_server.replies import (
    NoCompletionError,
    error_in,
    named_options,
    read_reply,
    retry_after,
    words_of,
)
from reidr.reasoning.backends.verdict_cache import VerdictCache
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.prompting.chances import answer_chances
from reidr.reasoning.types import Pair

__all__ = ["network"]

Network = Callable[..., Server]
CROPS = [Crop(f"c{i}", Image.new("RGB", (32, 64), (i * 20, 100, 50))) for i in range(9)]
PAIRS = [Pair(CROPS[0], crop) for crop in CROPS[1:]]
URL = "http://far.example:8000"
NINE = 0.9 / 0.98


def plain(body: dict[str, Any], number: int) -> Any:
    return completion(natural(body), body)


def agreed(remote: RemoteReasoner, expected: float, pairs: int = 2) -> None:
    """Score and verdict of the same server say the same."""
    np.testing.assert_allclose(remote.score(PAIRS[:pairs]), expected, atol=1e-9)
    for verdict in remote.think(PAIRS[:pairs]):
        assert (verdict.answer, verdict.parsable, verdict.reasoning) == ("same", True, "Shoes: same in both.")
        assert verdict.probability == pytest.approx(expected)


# ---- what is read


SPELLINGS = {
    "as taught": lambda text: text,
    "capital": lambda text: text.replace(">yes<", ">Yes<"),
    "line breaks": lambda text: text.replace(">yes<", ">\nYES\n<"),
    "bold": lambda text: text.replace(">yes<", ">**yes**.<"),
    "template opened the thought": lambda text: text.replace("<think>", ""),
    "a full stop": lambda text: text.replace(">yes<", ">Yes.<"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("probabilities", [True, False])
def test_however_the_answer_is_spelled(network: Network, spelling: str, probabilities: bool) -> None:
    chances = SURE if probabilities else None
    network(lambda body, number: completion(SPELLINGS[spelling](natural(body)), body, chances=chances))
    remote = RemoteReasoner(URL)
    agreed(remote, NINE if probabilities else 8.5 / 9)
    assert remote.counts.without_score == 0
    assert remote.counts.sampled == (0 if probabilities else 4)


def test_a_bare_word_is_an_answer(network: Network) -> None:
    network(lambda body, number: completion("No." if not thinks(body) else "Bag differs.\n\nAnswer: **no**", body,
                                            chances=None))  # fmt: skip
    remote = RemoteReasoner(URL)
    assert remote.score(PAIRS[:1])[0] == pytest.approx(0.5 / 9)
    (verdict,) = remote.think(PAIRS[:1])
    assert (verdict.answer, verdict.reasoning, verdict.sampled) == ("different", "Bag differs.", True)


@pytest.mark.parametrize("raw", ["Ġyes", "▁yes", " yes", " Yes"])
def test_tokens_with_their_space(network: Network, raw: str) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        found = completion("<answer> yes</answer>", body)
        other = raw.replace("yes", "no").replace("Yes", "No")
        entries = [("<answer>", {"<answer>": 0.99}), (raw, {raw: 0.9, other: 0.1}), ("</answer>", {"</answer>": 0.99})]
        found["choices"][0]["logprobs"] = {"content": [
            {"token": token, "logprob": math.log(top[token]),
             "top_logprobs": [{"token": name, "logprob": math.log(p)} for name, p in top.items()]}
            for token, top in entries
        ]}  # fmt: skip
        return found

    network(script)
    np.testing.assert_allclose(RemoteReasoner(URL).score(PAIRS[:1]), 0.9)


def test_log_probabilities_in_the_older_form_and_in_none(network: Network) -> None:
    def older(body: dict[str, Any], number: int) -> Any:
        found = completion("<answer>yes</answer>", body)
        top = [{}, {"yes": math.log(0.7), "no": math.log(0.3)}, {}]
        found["choices"][0]["logprobs"] = {
            "tokens": ["<answer>", "yes", "</answer>"], "token_logprobs": [0.0, math.log(0.7), 0.0], "top_logprobs": top
        }  # fmt: skip
        return found

    network(older)
    np.testing.assert_allclose(RemoteReasoner(URL).score(PAIRS[:1]), 0.7)
    for broken in ([], "none", {"content": [{}]}, {"content": [{"token": "x", "logprob": "much"}]}, {"content": 3}):
        network(lambda body, number, broken=broken: {"choices": [{"message": {"content": "<answer>yes</answer>"},
                                                                  "logprobs": broken}]})  # fmt: skip
        remote = RemoteReasoner(URL)
        assert remote.score(PAIRS[:1])[0] == pytest.approx(8.5 / 9)
        assert remote.counts.sampled == 1


def test_the_written_token_alone_gives_a_bound_and_is_marked(network: Network) -> None:
    network(lambda body, number: completion(natural(body), body, listed=0))
    remote = RemoteReasoner(URL)
    np.testing.assert_allclose(remote.score(PAIRS[:1]), 0.9)
    (verdict,) = remote.think(PAIRS[:1])
    assert verdict.probability == pytest.approx(0.9)
    assert (verdict.bounded, verdict.sampled) == (True, False)
    assert (remote.counts.bounded, remote.counts.sampled, remote.sampled) == (2, 0, 2)
    assert "2 values of P(same) are bounds" in remote.counts.sentences()[0]


def test_without_log_probabilities_drawn_answers_are_counted_and_marked(network: Network) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        word = "no" if body["temperature"] == 1 and body["seed"] in (0, 5) else "yes"
        return completion(natural(body).replace("yes", word), body, chances=None)

    server = network(script)
    remote = RemoteReasoner(URL)
    assert remote.score(PAIRS[:1])[0] == pytest.approx(6.5 / 9)
    (verdict,) = remote.think(PAIRS[:1])
    assert verdict.probability == pytest.approx(6.5 / 9)
    assert verdict.sampled
    assert (remote.counts.sampled, remote.counts.requests) == (2, 27) == (2, len(server.asked))
    assert 'marked "sampled"' in remote.counts.sentences()[0]


@pytest.mark.parametrize("ask", ["score", "think"])
@pytest.mark.parametrize("probabilities", [True, False])
def test_whether_there_are_token_probabilities_is_learnt_from_answers(
    network: Network, ask: str, probabilities: bool
) -> None:
    chances = SURE if probabilities else None
    network(lambda body, number: completion(natural(body), body, chances=chances))
    remote = RemoteReasoner(URL, samples=2)
    assert remote.capabilities.token_probabilities  # nothing is known yet
    (remote.score if ask == "score" else remote.think)(PAIRS[:1])
    assert remote.capabilities.token_probabilities is probabilities


def test_drawn_answers_without_a_yes_or_no_are_no_score(network: Network) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        word = "insufficient" if body["temperature"] == 1 else "yes"
        return completion(f"<answer>{word}</answer>", body, chances=None)

    network(script)
    remote = RemoteReasoner(URL, samples=3)
    assert np.isnan(remote.score(PAIRS[:1])).all()
    (verdict,) = remote.think(PAIRS[:1])
    assert (verdict.answer, verdict.parsable, verdict.probability) == ("same", True, None)
    assert verdict.problem == "no usable log-probabilities, and all of 3 sampled answers were insufficient"
    assert (remote.counts.without_score, remote.counts.sampled) == (2, 0)


def test_insufficient_with_nothing_of_yes_and_no_is_no_score(network: Network) -> None:
    network(lambda body, number: completion("<answer>insufficient</answer>", body, chances={"insufficient": 0.99}))
    assert np.isnan(RemoteReasoner(URL, samples=2).score(PAIRS[:1])).all()


def test_what_a_filter_withholds_is_refused_and_said(network: Network) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if number == 0:
            return completion(None, body, finish="content_filter", chances=None)
        return plain(body, number)

    network(script)
    remote = RemoteReasoner(URL, concurrency=1)
    scores = remote.score(PAIRS[:2])
    assert np.isnan(scores).tolist() == [True, False]
    assert (remote.counts.refused, remote.counts.unreadable) == (1, 0)
    assert remote.counts.reasons == {"finish_reason content_filter": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "message", "content", "logprobs", "token", "logprob", "top_logprobs", "bytes", "tokens", "text",
         "token_logprobs", "usage", "completion_tokens", "finish_reason", "reasoning_content", "refusal", "error",
         "code", "detail", "loc", "param", "msg"]), inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(JSON, JSON, JSON)
@settings(max_examples=300, deadline=None)
def test_whatever_a_server_sends_is_a_reply_or_a_sentence(whole: Any, message: Any, told: Any) -> None:
    choice = {"message": {"content": "<answer>yes</answer>"}, "logprobs": told}
    for answer in (whole, {"choices": [message]}, {"choices": [{"message": message}]}, {"choices": [choice]}):
        if isinstance(answer, dict):
            error_in(answer)
            with contextlib.suppress(NoCompletionError):
                answer_chances(read_reply(answer, "host").tokens)
        text = json.dumps(answer)
        assert "\n" not in words_of(text)
        named_options(text)
    choice["logprobs"] = {"content": [{"token": "x", "logprob": 1e308}, {"token": "y", "logprob": 10**400}]}
    assert read_reply({"choices": [choice]}, "host").text == "<answer>yes</answer>"


def test_what_a_terminal_would_obey_is_taken_out(network: Network) -> None:
    said = "\x1b[2J\ud800 <answer>yes</answer>"
    network(lambda body, number: (200, json.dumps(completion(said, body, chances=None)).encode()))
    (verdict,) = RemoteReasoner(URL).think(PAIRS[:1])
    assert (verdict.answer, verdict.reasoning) == ("same", "\ufffd[2J\ufffd")
    assert words_of('{"error": "\\u001b[31m\\ud800 no"}') == "\ufffd[31m\ufffd no"


# ---- models that think by themselves


def test_a_thinking_model_is_told_not_to_or_given_room(network: Network) -> None:
    def obedient(body: dict[str, Any], number: int) -> Any:
        if not thinks(body) and body.get("chat_template_kwargs") != {"enable_thinking": False}:
            return completion(None, body, thought="Okay, let me", finish="length", chances=None)
        return plain(body, number)

    server = network(obedient)
    agreed(RemoteReasoner(URL, concurrency=1), NINE)
    assert [body["max_tokens"] for body in server.asked][:3] == [16, 16, 16]
    assert "chat_template_kwargs" not in server.asked[-1]  # the thinking question may think


@pytest.mark.parametrize("words", ["Unrecognized request argument supplied: chat_template_kwargs", "bad request"])
def test_where_the_switch_of_thinking_is_refused_there_is_room_for_it(network: Network, words: str) -> None:
    def stubborn(body: dict[str, Any], number: int) -> Any:
        if "chat_template_kwargs" in body:
            return 400, {"error": {"message": words}}
        if body["max_tokens"] < 400:
            return completion(None, body, thought="Okay, let me", finish="length", chances=None)
        return completion("\n\n" + natural(body), body, thought="Okay, let me look.")

    server = network(stubborn)
    agreed(RemoteReasoner(URL, concurrency=1), NINE)
    assert server.asked[-1]["max_tokens"] == 160 + 2048


def test_thinking_that_never_ends_is_no_score_and_says_what_to_do(network: Network) -> None:
    server = network(lambda body, number: completion(None, body, thought="Okay, let", finish="length", chances=None))
    remote = RemoteReasoner(URL, concurrency=1)
    assert np.isnan(remote.score(PAIRS[:3])).all()
    assert len(server.asked) == 3 + 5  # once each way, and then one request an order: no draws
    verdicts = remote.think(PAIRS, Thinking(160))
    assert {(v.answer, v.probability, v.parsable) for v in verdicts} == {("insufficient", None, False)}
    assert "raise the limit, or switch thinking off" in verdicts[0].problem
    (reason,) = remote.counts.reasons
    assert "raise the limit, or switch thinking off" in reason
    # Room was given a few times in vain, and then no more.
    assert sum(body["max_tokens"] > 2000 for body in server.asked[8:]) == 3
    assert "11 results have no score" in remote.counts.sentences()[-1]


def test_our_own_server_is_asked_as_in_process(network: Network) -> None:
    def nano(body: dict[str, Any], number: int) -> Any:
        """Thinks when asked anything, but for a turn that is begun."""
        if body.get("continue_final_message"):
            return completion("yes</answer>", body) | {"choices": [{"message": {"content": "yes</answer>"},
                "logprobs": {"content": [{"token": "yes", "logprob": math.log(0.9), "top_logprobs": [
                    {"token": "no", "logprob": math.log(0.1)}]}]}, "finish_reason": "length"}]}  # fmt: skip
        return completion("<think>Upper clothing: red", body, finish="length")

    models = {"data": [{"id": "nano", "owned_by": "reidr", "root": "nano 0123"}]}
    server = network(nano, models=models)
    remote = RemoteReasoner(URL)
    np.testing.assert_allclose(remote.score(PAIRS[:2]), 0.9)
    assert (len(server.asked), remote.counts.requests, remote.counts.sampled) == (4, 4, 0)


# ---- what servers take


def test_everything_that_decides_what_is_written_is_said(network: Network) -> None:
    server = network(plain)
    remote = RemoteReasoner(URL)
    remote.score(PAIRS[:1])
    remote.think(PAIRS[:1])
    for body in server.asked:
        assert {name: body[name] for name in ("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
                                              "frequency_penalty", "temperature")} == {
            "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0,
            "frequency_penalty": 0.0, "temperature": 0.0}  # fmt: skip


OPENAI = "Unrecognized request argument supplied: {name}"
REFUSALS = {
    "openai": lambda name: (400, {"error": {"message": OPENAI.format(name=name), "param": None}}),
    "param": lambda name: (400, {"error": {"message": "Unsupported parameter", "param": name}}),
    "pydantic": lambda name: (422, {"detail": [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]}),
    "nested": lambda name: (422, {"message": {"detail": [{"loc": ["body", name], "input": {"seed": 0, "top_p": 1}}]}}),
    "google": lambda name: (400, [{"error": {"code": 400, "message": f'Unknown name "{name}": Cannot find field.'}}]),
    "own error": lambda name: (500, {"error": {"message": f"{name} is not supported with multimodal input"}}),
    "not implemented": lambda name: (501, {"error": f"{name} is not supported by this model"}),
}  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("unknown", [("seed",), ("top_k", "min_p", "repetition_penalty"), ("frequency_penalty",)])
def test_unknown_options_are_left_out_one_by_one_and_not_sent_again(
    network: Network, refusal: str, unknown: tuple[str, ...]
) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        first = next((name for name in unknown if name in body), None)
        return plain(body, number) if first is None else REFUSALS[refusal](first)

    server = network(script)
    agreed(RemoteReasoner(URL, concurrency=1), NINE)
    refused = [body for body in server.asked if any(name in body for name in unknown)]
    assert len(refused) == len(unknown)
    assert all(name in server.asked[-1] for name in ("top_p", "logprobs", "temperature"))


def test_a_server_that_does_not_say_which_option_it_lacks(network: Network) -> None:
    network(lambda body, number: (400, {"error": "bad request"}) if "min_p" in body else plain(body, number))
    agreed(RemoteReasoner(URL, concurrency=1), NINE)


@pytest.mark.parametrize(
    ("most", "words"),
    [(5, "Requested sample logprobs of 20, which is greater than max allowed: 5"),
     (1, "top_logprobs must be between 0 and 1"), (8, "top_logprobs: Input should be less than or equal to 8")],
)  # fmt: skip
def test_as_many_alternatives_as_the_server_allows(network: Network, most: int, words: str) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if (body.get("top_logprobs") or 0) > most:
            return 400, {"error": {"message": words, "code": 400}}
        return plain(body, number)

    server = network(script)
    remote = RemoteReasoner(URL, concurrency=1)
    np.testing.assert_allclose(remote.score(PAIRS[:1]), NINE if most > 1 else 0.9)
    assert [body["top_logprobs"] for body in server.asked] == [20, most, most]
    assert remote.counts.bounded == (most == 1)


def test_max_completion_tokens_and_a_temperature_that_cannot_be_chosen(network: Network) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return 400, {"error": {"message": message, "param": "max_tokens", "code": "unsupported_parameter"}}
        if body.get("temperature", 1) != 1:
            message = "'temperature' does not support 0 with this model. Only the default (1) value is supported."
            return 400, {"error": {"message": message, "param": "temperature"}}
        return plain(body, number)

    server = network(script)
    agreed(RemoteReasoner(URL, concurrency=1), NINE)
    assert server.asked[-1]["max_completion_tokens"] == 160


def test_a_limit_of_tokens_that_is_too_large(network: Network) -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if body["max_tokens"] > 100:
            return 400, {"error": {"message": "max_tokens must be a whole number from 1 to 100"}}
        return plain(body, number)

    server = network(script)
    agreed(RemoteReasoner(URL, concurrency=1), NINE)
    assert server.asked[-1]["max_tokens"] == 100


# ---- addresses


@pytest.mark.parametrize(
    ("address", "base"),
    [("", "/v1"), ("/", "/v1"), ("/v1", "/v1"), ("/v1beta/openai", "/v1beta/openai"), ("/api", "/api/v1"),
     ("", ""), ("/v1/chat/completions", "/v1"), ("/openai/deployments/x", "/openai/deployments/x")],
)  # fmt: skip
@pytest.mark.parametrize("lists", [True, False])
def test_wherever_the_api_lies(network: Network, address: str, base: str, lists: bool) -> None:
    server = network(plain, models=None if lists else 404,
                     paths=lambda path: path in (f"{base}/models", f"{base}/chat/completions"))  # fmt: skip
    remote = RemoteReasoner(f"{URL}{address}#m")
    np.testing.assert_allclose(remote.score(PAIRS[:2]), NINE)
    assert server.seen[-1] == f"POST {base}/chat/completions"


def test_without_a_list_the_model_must_be_named(network: Network) -> None:
    network(plain, models=404)
    with pytest.raises(ReIDError, match=r"far\.example:8000: .*HTTP 404.*name the one to use after a #"):
        RemoteReasoner(URL)


# ---- trouble


def test_one_refused_pair_is_a_pair_without_score(network: Network) -> None:
    bad = (400, {"error": {"message": "image could not be decoded"}})
    network(lambda body, number: bad if number == 2 else plain(body, number))
    remote = RemoteReasoner(URL, concurrency=1)
    scores = remote.score(PAIRS)
    assert np.isnan(scores).tolist() == [False, True, *[False] * 6]
    assert (remote.counts.refused, remote.counts.without_score, remote.counts.unreadable) == (1, 1, 0)
    (sentence,) = remote.counts.sentences()
    assert "1 result has no score" in sentence
    assert "image could not be decoded" in sentence
    network(lambda body, number: bad if number == 1 else plain(body, number))
    verdicts = RemoteReasoner(URL, concurrency=1).think(PAIRS)
    assert [v.probability is None for v in verdicts] == [False, True, *[False] * 6]
    assert "image could not be decoded" in verdicts[1].problem


def test_a_server_that_refuses_everything_ends_soon(network: Network) -> None:
    server = network(lambda body, number: (400, {"error": {"message": "no pictures here"}}))
    with pytest.raises(ReIDError, match=r"gave up after 5 questions in a row without .*no pictures here"):
        RemoteReasoner(URL, concurrency=1).score(PAIRS)
    assert len(server.asked) <= 12
    half = network(lambda body, number: plain(body, number) if number % 4 == 0 else (400, {"error": "no"}))
    with pytest.raises(ReIDError, match=r"gave up after (\d+ of \d+ questions|5 questions in a row) without"):
        RemoteReasoner(URL, concurrency=1).score(PAIRS * 3)
    assert len(half.asked) <= 16
    network(lambda body, number: (401, {"error": "who are you"}))
    with pytest.raises(ReIDError, match="HTTP 401, who are you"):
        RemoteReasoner(URL).score(PAIRS)
    # A single pair that is refused is an error too, where nothing was ever answered.
    network(lambda body, number: (400, {"error": "no"}))
    with pytest.raises(ReIDError, match="HTTP 400, no"):
        RemoteReasoner(URL).score(PAIRS[:1])


TROUBLE = {
    "error inside a 200": {"error": {"message": "Provider returned error", "code": 502}},
    "connection reset": httpx.ReadError("connection reset by peer"),
    "truncated": (200, b'{"choices": [{"mess'),
    "busy": (503, {"message": "busy"}),
    "overloaded": (529, {"error": {"message": "Overloaded"}}),
    "page of a proxy": (502, b"<html><title>Bad Gateway</title></html>"),
    "too many": (429, {"error": "slow"}, {"Retry-After": "0"}),
    "slow": httpx.ReadTimeout("timed out"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_passing_trouble_is_tried_again_and_counted(network: Network, trouble: str) -> None:
    network(lambda body, number: TROUBLE[trouble] if number == 1 else plain(body, number))
    remote = RemoteReasoner(URL, concurrency=1)
    agreed(remote, NINE)
    assert (remote.counts.requests, remote.counts.retried) == (7, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [((200, {"error": {"message": "no such deployment"}}), "an error inside its answer: no such deployment"),
     ((200, b"<!doctype html><p>Log in"), "answers with a web page instead of JSON"),
     ((200, b"[" * 100_000), "no JSON, or not all of it"), ((200, b'{"choices": [{'), "no JSON, or not all of it"),
     ((200, [1]), "no JSON object"), ((200, {}), "is no chat completion"),
     ((200, b"x" * 17_000_000), "larger than 16,000,000 bytes"), (httpx.ReadError("reset"), "reset"),
     ((302, {}, {"Location": "http://evil.example"}), "HTTP 302"), ((500, b"oops"), "HTTP 500, oops")],
)  # fmt: skip
def test_lasting_trouble_is_one_sentence_with_the_host(network: Network, answer: Any, words: str) -> None:
    server = network(lambda body, number: answer)
    with pytest.raises(ReIDError, match=r"far\.example:8000") as told:
        RemoteReasoner(URL, tries=2, concurrency=1).score(PAIRS[:2])
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert not any("evil" in one for one in server.seen)


def test_retry_after_as_seconds_and_as_a_date() -> None:
    assert retry_after("7", 60) == 7
    assert retry_after(formatdate(time.time() + 20, usegmt=True), 60) == pytest.approx(20, abs=2)
    assert retry_after(formatdate(time.time() - 20, usegmt=True), 60) == 0
    assert retry_after("900", 60) == 60
    assert retry_after("-3", 60) == 0
    for nothing in (None, "", "soon", "nan", "inf"):
        assert retry_after(nothing, 60) is None


def test_patience_bounds_tries_and_pauses(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidr.reasoning.backends.chat_server.endpoint.LONGEST_PAUSE", 60.0)
    server = network(lambda body, number: (429, {"error": "slow down"}, {"Retry-After": "30"}))
    began = time.monotonic()
    with pytest.raises(ReIDError, match=r"no usable answer after 1 tries \(HTTP 429, slow down\)"):
        RemoteReasoner(URL, patience=5.0, concurrency=1).score(PAIRS[:1])
    assert time.monotonic() - began < 5
    assert len(server.asked) == 1


@pytest.mark.parametrize("key", ["sk-geheim", " sk-geheim\n"])
def test_the_key_stands_in_no_message(network: Network, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("REIDR_API_KEY", key)
    server = network(lambda body, number: (400, {"error": {"message": "bad key sk-geheim, param seed"}}))
    with pytest.raises(ReIDError) as told:
        RemoteReasoner(URL).score(PAIRS)
    assert "geheim" not in str(told.value)
    assert {headers["authorization"] for headers in server.headers} == {"Bearer sk-geheim"}
    monkeypatch.setenv("REIDR_API_KEY", "sk-gehéim")
    with pytest.raises(ReIDError, match="REIDR_API_KEY holds characters that no key has"):
        RemoteReasoner(URL)


def test_this_machine_is_asked_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    for host, proxied in (("localhost", False), ("127.0.0.1", False), ("127.0.1.1", False), ("[::1]", False),
                          ("far.example", True)):  # fmt: skip
        made = Endpoint(f"http://{host}:8000", per_second=None, tries=1, timeout=1.0)
        assert bool(made._client._mounts) == proxied, host


# ---- what is kept


def test_weights_that_changed_are_asked_anew(network: Network, tmp_path: Path) -> None:
    sure = [0.9]

    def script(body: dict[str, Any], number: int) -> Any:
        return completion(natural(body), body, chances={"yes": sure[0], "no": 1 - sure[0]})

    models = {"data": [{"id": "runs/rl", "root": "runs/rl", "created": int(time.time())}]}
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        network(script, models=models)
        np.testing.assert_allclose(RemoteReasoner(URL, cache=cache).score(PAIRS), 0.9)
        server = network(script, models=models)
        np.testing.assert_allclose(RemoteReasoner(URL, cache=cache).score(PAIRS), 0.9)
        assert len(server.asked) == 2  # the fixed questions alone
        sure[0] = 0.1
        np.testing.assert_allclose(RemoteReasoner(URL, cache=cache).score(PAIRS), 0.1)
        # A date of the model tells too.
        later = {"data": [models["data"][0] | {"created": 1_700_000_000}]}
        server = network(script, models=later)
        RemoteReasoner(URL, cache=cache).score(PAIRS)
        assert len(server.asked) > 2


def test_how_a_score_was_found_is_kept_with_it_and_none_is_not(network: Network, tmp_path: Path) -> None:
    silent = [True]

    def script(body: dict[str, Any], number: int) -> Any:
        crop = json.dumps(body).count("iVBOR")
        assert crop == 2
        if silent[0] and number == 3:
            return completion("hm", body, chances=None)
        return completion(natural(body), body, chances=None)

    models = {"data": [{"id": "m", "owned_by": "reidr", "root": "m 1"}]}  # a root that tells: nothing else is asked
    with VerdictCache(tmp_path / "kept.sqlite") as cache:
        network(script, models=models)
        first = RemoteReasoner(URL, cache=cache, concurrency=1, begin_answer=False, samples=2)
        assert np.isnan(first.score(PAIRS[:2])).sum() == 1
        silent[0] = False
        server = network(script, models=models)
        again = RemoteReasoner(URL, cache=cache, concurrency=1, begin_answer=False, samples=2)
        assert np.isfinite(again.score(PAIRS[:2])).all()
        assert again.counts.sampled == 2
        assert len(server.asked) == 3  # the one order without a score


def test_the_thinking_question_keeps_its_text(network: Network) -> None:
    server = network(plain)
    RemoteReasoner(URL).think(PAIRS[:1])
    assert thinks(server.asked[0])
    assert natural(server.asked[0]) == THOUGHT
