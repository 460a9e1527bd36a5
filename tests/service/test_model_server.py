"""The model server over HTTP: what it answers, what it refuses, and in which words."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import torch
from asking import connect, data_url, everything, head, post, request, show, words

from reidr.errors import ReIDError
from reidr.reasoning.models.qwen import VISION_TOKENS
from reidr.service.model_server.limits import Limits
from reidr.service.model_server.server import ModelServer

CHAT = "/v1/chat/completions"


def test_models_and_health(served: Any, tiny: Any) -> None:
    status, headers, told = request(served, "GET", "/health")
    assert (status, told, headers["Content-Type"]) == (200, {"status": "ok"}, "application/json")
    status, _, told = request(served, "GET", "/v1/models")
    (model,) = told["data"]
    assert (status, told["object"], model["id"], model["owned_by"]) == (200, "list", "tiny", "reidr")
    assert tiny.weights_hash in model["root"]


def test_a_completion_in_openai_s_format(served: Any) -> None:
    asked = words(max_tokens=4, logprobs=True, top_logprobs=3)
    status, _, told = request(served, "POST", CHAT, asked)
    assert (status, told["object"], told["model"]) == (200, "chat.completion", "tiny")
    (choice,) = told["choices"]
    listed = choice["logprobs"]["content"]
    assert choice["message"] == {"role": "assistant", "content": "".join(entry["token"] for entry in listed)}
    assert choice["finish_reason"] == "length"
    usage = told["usage"]
    assert (len(listed), usage["completion_tokens"]) == (4, 4)
    assert usage["total_tokens"] == usage["prompt_tokens"] + 4
    for entry in listed:
        values = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        # Greedy: the token that was written is the likeliest.
        assert entry["top_logprobs"][0] == {name: entry[name] for name in ("token", "logprob", "bytes")}
        assert max(values) < 0
    again = request(served, "POST", CHAT, asked | {"user": "someone", "n": 1, "stream": False})[2]
    assert again["choices"] == told["choices"]


def test_sampling_follows_the_seed_and_is_narrowed(served: Any) -> None:
    def write(**fields: Any) -> str:
        return str(request(served, "POST", CHAT, words(max_tokens=12) | fields)[2]["choices"][0]["message"]["content"])

    greedy = write()
    first = write(temperature=1.5, seed=1)
    assert write(temperature=1.5, seed=1) == first
    assert len({first, write(temperature=1.5, seed=2), write(temperature=1.5, seed=3), greedy}) == 4
    for narrow in ({"top_k": 1}, {"top_p": 1e-9}, {"min_p": 1.0}, {"temperature": 1e-320}):
        assert write(**{"temperature": 1.5, "seed": 1, **narrow}) == greedy


def written_plainly(reasoner: Any, text: str, count: int) -> str:
    """Greedy tokens after a text, each from a pass over everything."""
    tokenizer = reasoner.processor.tokenizer
    ids = tokenizer.encode(text, add_special_tokens=False)
    before = len(ids)
    forbidden = [tokenizer.get_vocab()[token] for token in VISION_TOKENS if token in tokenizer.get_vocab()]
    for _ in range(count):
        with torch.no_grad():
            logits = reasoner.model(input_ids=torch.tensor([ids])).logits[0, -1]
        logits[forbidden] = -torch.inf
        ids.append(int(logits.argmax()))
    return str(tokenizer.decode(ids[before:]))


def test_what_is_written_is_what_the_model_says(served: Any, tiny: Any) -> None:
    asked = "<|im_start|>user\nShoes?<|im_end|>\n"
    for options, text in (({}, f"{asked}<|im_start|>assistant\n"), ({"add_generation_prompt": False}, asked)):
        choice = request(served, "POST", CHAT, words(max_tokens=9, **options))[2]["choices"][0]
        assert choice["message"]["content"] == written_plainly(tiny, text, 9)


def test_a_begun_answer_is_continued(served: Any, tiny: Any) -> None:
    messages = [{"role": "user", "content": "Shoes?"}, {"role": "assistant", "content": "Upper clothing"}]
    expected = written_plainly(tiny, "<|im_start|>user\nShoes?<|im_end|>\n<|im_start|>assistant\nUpper clothing", 5)
    for options in ({}, {"continue_final_message": True, "add_generation_prompt": False}):
        body = {"messages": messages, "max_tokens": 5, "temperature": 0, **options}
        assert request(served, "POST", CHAT, body)[2]["choices"][0]["message"]["content"] == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/v1/nothing", 404), ("GET", "/v1/models/", 404), ("POST", "/health", 405),
        ("PUT", CHAT, 405), ("GET", CHAT, 405), ("DELETE", "/v1/models", 405), ("OPTIONS", CHAT, 405),
        ("GET", "/docs", 404), ("GET", "/openapi.json", 404), ("GET", "/%00%ff", 404), ("GET", "//evil.example/x", 404),
    ],
)  # fmt: skip
def test_other_paths_and_methods(served: Any, method: str, path: str, status: int) -> None:
    found, headers, told = request(served, method, path)
    assert found == status
    if path.startswith("/v1"):
        assert told["error"]["message"]
        assert headers["Content-Type"] == "application/json"
    else:
        assert told["status"] == status
        assert headers["Content-Type"] == "application/problem+json"
    assert (headers["Allow"] is not None) == (status == 405)


def test_requests_that_are_refused_before_they_are_read(served: Any) -> None:
    good = words()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"):
        assert post(served, good, **{"Content-Type": content_type})[0] == 415
    assert post(served, good, **{"Content-Type": "Application/JSON; charset=utf-8"}) == (200, "")
    assert post(served, good, **{"Content-Encoding": "gzip"})[0] == 415
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", ""):
        assert post(served, good, Host=host)[0] == 403
    assert request(served, "GET", "/v1/models", Host="evil.example")[0] == 403
    assert post(served, good | {"model": "other"})[0] == 404
    assert post(served, good, Host="localhost:1") == (200, "")


@pytest.mark.parametrize(
    "length", ["9" * 5_000, "9" * 25, "9000000", "-1", "1e3", "0x10", "12, 13", "²", "", "+5", "1_0"]
)
def test_every_content_length_gets_an_answer(served: Any, length: str, capfd: pytest.CaptureFixture[str]) -> None:
    with connect(served) as connection:
        connection.sendall(head(length))
        answer = everything(connection)
    assert answer.split(b" ")[1] in (b"400", b"413", b"411")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert capfd.readouterr().err == ""


def test_a_large_request_is_told_so_before_the_connection_closes(served: Any) -> None:
    status, told = post(served, b" " * 9_000_000)
    assert (status, told) == (413, "the request is larger than 8,000,000 bytes")
    with connect(served) as connection:
        connection.sendall(head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        connection.sendall((b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 9 + b"0\r\n\r\n")
        assert b" 413 " in everything(connection)[:40]


def test_chunked_requests_are_read(served: Any) -> None:
    raw = json.dumps(words()).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(raw[i : i + 20]), raw[i : i + 20]) for i in range(0, len(raw), 20))
    with connect(served) as connection:
        connection.sendall(head(0, "Connection: close").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        connection.sendall(chunks + b"0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_is_never_taken_for_the_next_request(served: Any) -> None:
    smuggled = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for method, status in ((b"GET", b"400"), (b"DELETE", b"400"), (b"POST", b"405")):
        with connect(served) as connection:
            connection.sendall(
                b"%s /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                % (method, len(smuggled), smuggled)
            )
            if method == b"POST":
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = everything(connection)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"/v1/models" not in answer.replace(b"there are /v1/models", b"")
        assert b"owned_by" not in answer


def test_requests_in_one_go_are_answered_in_order(served: Any) -> None:
    raw = json.dumps(words()).encode()
    get = b"GET /health HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    with connect(served) as connection:
        connection.sendall(get % b"" + head(len(raw)) + raw + get % b"" + get % b"Connection: close\r\n")
        answer = everything(connection)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert answer.index(b"chat.completion") > answer.index(b'{"status":"ok"}')


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 70_000]
)
def test_what_is_no_http(served: Any, raw: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with connect(served) as connection:
        connection.sendall(raw + b"\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
    assert capfd.readouterr().err == ""


def test_prompts_are_bounded_in_tokens(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, limits=Limits(prompt_tokens=100)))
    # Four tokens each: forty characters that are more than a hundred tokens.
    status, told = post(server, words("\U0001f600" * 40))
    assert (status, "tokens, pictures included, more than 100" in told) == (400, True)
    assert post(server, words("\U0001f600" * 20)) == (200, "")


@pytest.mark.parametrize("size", [(64, 128), (40, 96), (300, 700), (20, 30), (120, 90), (12, 235)])
def test_pictures_count_as_what_the_model_sees_of_them(
    tiny: Any, start: Callable[[Any], Any], size: tuple[int, int]
) -> None:
    asked = show(data_url(size), data_url((64, 128)))
    server = start(ModelServer(tiny))
    status, _, told = request(server, "POST", CHAT, asked)
    assert status == 200
    tokens = told["usage"]["prompt_tokens"]
    assert tokens > 12
    for limit, expected in ((tokens, 200), (tokens - 1, 400)):
        server.service.preparer.limits = Limits(prompt_tokens=limit)
        assert post(server, asked)[0] == expected


def test_the_model_s_context_bounds_prompt_and_answer(served: Any, tiny: Any) -> None:
    context = tiny.model.config.get_text_config().max_position_embeddings
    status, told = post(served, words("\U0001f600" * (context // 4)))
    assert (status, "tokens, pictures included" in told) == (400, True)
    status, told = post(served, words("\U0001f600" * (context // 4 - 10), max_tokens=200))
    assert (status, "the model's context" in told) == (400, True)
    usage = request(served, "POST", CHAT, words("\U0001f600" * (context // 4 - 3), max_tokens=None))[2]["usage"]
    assert usage["total_tokens"] <= context


@pytest.mark.parametrize("size", [(4, 4), (4, 200), (200, 4), (5, 249), (7, 350), (2000, 40), (33, 1000), (1, 1)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_of_any_size_are_answered(served: Any, size: tuple[int, int], kind: str) -> None:
    status, told = post(served, show(data_url(size, kind=kind)))
    assert (status in (200, 400), bool(told)) == (True, status == 400)


def test_a_text_cannot_stand_for_a_picture(served: Any) -> None:
    for text in ("<|image_pad|>", "a <|video_pad|> b", "<|vision_start|>"):
        status, told = post(served, words(text))
        assert (status, "tokens for pictures" in told) == (400, True)
    body = show(data_url())
    body["messages"].append({"role": "assistant", "content": "<|image_pad|>"})
    assert post(served, body)[0] == 400


def test_a_template_that_refuses_is_one_sentence(served: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses = "{{ raise_exception('roles must alternate') }}"
    monkeypatch.setattr(tiny.processor, "chat_template", refuses)
    status, told = post(served, words())
    assert (status, "roles must alternate" in told) == (400, True)


def test_the_key_is_wanted(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, key="sesame"))
    assert request(server, "GET", "/health")[0] == 200
    for wrong in (
        {},
        {"Authorization": "Bearer other"},
        {"Authorization": "sesame"},
        {"Authorization": "Bearer sesamé"},
    ):
        status, headers, told = request(server, "GET", "/v1/models", **wrong)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert told["error"]["type"] == "authentication_error"
        assert post(server, words(), **wrong)[0] == 401
    right = {"Authorization": "Bearer sesame"}
    assert request(server, "GET", "/v1/models", **right)[0] == 200
    assert post(server, words(), **right) == (200, "")


def test_what_goes_wrong_within_is_one_line(
    served: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> bytes:
        raise KeyError("what the prompt said")

    monkeypatch.setattr(served.service.completer, "complete", broken)
    status, told = post(served, words())
    assert (status, told) == (500, "internal error; the server's log names the place")
    log = capfd.readouterr().err
    assert log.startswith("reidr: internal error KeyError at ")
    assert log.count("\n") == 1
    assert "127.0.0.1" not in log
    assert "prompt said" not in log

    def full(*_: Any) -> bytes:
        raise MemoryError

    monkeypatch.undo()
    monkeypatch.setattr(served.service.completer, "_answer", full)
    assert post(served, words())[0] == 503


def test_beyond_this_machine_any_host_is_taken(tiny: Any, start: Callable[[Any], Any]) -> None:
    server = start(ModelServer(tiny, "0.0.0.0"))
    for host in ("reidr.example:8077", "[::1", "a b", "", "x" * 300):
        assert post(server, words(), Host=host) == (200, "")
        assert request(server, "GET", CHAT, Host=host)[0] == 405
        assert request(server, "GET", "/nothing", Host=host)[0] == 404


def test_a_taken_port_is_one_sentence(served: Any, tiny: Any) -> None:
    with pytest.raises(ReIDError, match=r"cannot listen on 127\.0\.0\.1"):
        ModelServer(tiny, port=int(served.server_address[1]))
    with pytest.raises(ReIDError, match="cannot listen on nowhere"):
        ModelServer(tiny, "nowhere.invalid")


def test_an_address_of_the_sixth_version(tiny: Any, start: Callable[[Any], Any]) -> None:
    try:
        server = start(ModelServer(tiny, "::1"))
    except ReIDError:
        pytest.skip("no IPv6 here")
    assert server.address.startswith("http://[::1]:")
    with socket.create_connection(("::1", int(server.server_address[1])), timeout=5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:8077", 200), ("LOCALHOST.", 200), ("[::1]:80", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("evil.example@127.0.0.1", 403),
        ("127.0.0.1@evil", 403),
        ("127.0.0.1/evil", 403), ("127.0.0.1#x", 403), ("127.0.0.1:x", 403), ("localhost, evil.example", 403),
    ],
)  # fmt: skip
def test_only_its_own_names_are_taken(served: Any, host: str, status: int) -> None:
    assert request(served, "GET", "/health", Host=host)[0] == status


def test_a_length_and_chunks_together_are_refused_and_the_connection_ends(served: Any) -> None:
    with connect(served) as connection:
        connection.sendall(
            head(4, "Transfer-Encoding: chunked") + b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        told = everything(connection)
    assert told.startswith(b"HTTP/1.1 400")
    assert b"not both" in told
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_head_is_get_without_a_body(served: Any, path: str) -> None:
    with connect(served) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        told = everything(connection)
    assert told.startswith(b"HTTP/1.1 200")
    assert told.endswith(b"\r\n\r\n")


def test_a_picture_s_type_in_any_case_and_one_of_too_many_pixels(served: Any) -> None:
    url = data_url()
    for written in (url.replace("image/png", "IMAGE/PNG"), url.replace("image/png", "image/png;charset=utf-8")):
        assert post(served, show(written))[0] == 200
    status, said = post(served, show(data_url((15_000, 15_000))))
    assert (status, "more than 4,000,000 pixels" in said) == (400, True)
