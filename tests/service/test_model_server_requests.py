"""What a chat request may hold, field by field; and that nothing else gets through."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from asking import data_url, show, words
from hypothesis import given
from hypothesis import strategies as st

from reidr.service.http.errors import RequestError
from reidr.service.model_server.answering.messages import read_messages
from reidr.service.model_server.answering.requests import (
    NEUTRAL,
    WITHOUT_EFFECT,
    ChatRequest,
    EmbeddingRequest,
    read_json,
    read_request,
)
from reidr.service.model_server.limits import LONGEST_TEXT, Limits

LIMITS = Limits()
DOCUMENTS = Path(__file__).parents[2] / "docs"


def refusal(body: Any) -> str:
    with pytest.raises(RequestError) as told:
        read_messages(read_json(body) if isinstance(body, bytes) else body)
    assert told.value.status in (400, 413)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"\xff\xfe{}", "not UTF-8"), ("{}".encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"), (b"[" * 9_000, "not JSON"), (b"[" * 100_000, "brackets"),
        (b'{"a":' + b"9" * 5_000 + b"}", "not JSON"), (b'{"seed":NaN}', "NaN"), (b'{"a":[-Infinity]}', "-Infinity"),
        (b'{"seed":1,"seed":2}', "stands twice"), (b'{"messages":[{"role":"user","role":"user"}]}', "stands twice"),
        (b'{"a":"\\ud800"}', "surrogate"), (b'{"\\uDFFF":1}', "surrogate"), (b'[["\\ude00\\ud83d"]]', "surrogate"),
    ],
)  # fmt: skip
def test_what_is_no_json(raw: bytes, said: str) -> None:
    assert said in refusal(raw)


def test_what_is_json() -> None:
    assert read_json(b'{"a":null,"b":"\\ud83d\\ude00","c":[null]}') == {"b": "\U0001f600", "c": [None]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"temperature": -1}, "temperature"), ({"temperature": True}, "temperature"), ({"temperature": "1"}, "temp"),
        ({"temperature": 10**400}, "temperature"), ({"top_p": 0}, "top_p"), ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"), ({"top_k": 1.5}, "top_k"), ({"min_p": -0.1}, "min_p"), ({"seed": -1}, "seed"),
        ({"seed": 1.0}, "seed"), ({"seed": 2**63}, "seed"), ({"seed": 10**400}, "seed"), ({"seed": False}, "seed"),
        ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 10**6}, "max_tokens"), ({"max_tokens": 2.0}, "max_tokens"),
        ({"max_completion_tokens": 5, "max_tokens": 6}, "differ"), ({"logprobs": 3}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "from 0 to 20"), ({"top_logprobs": 2}, "needs logprobs"),
        ({"n": 2}, "n must be 1"), ({"n": True}, "n must be 1"), ({"n": 1.5}, "n must be 1"),
        ({"stream": True}, "stream"),
        ({"stream": 0}, "stream"), ({"stop": ["a"]}, "stop"), ({"tools": [{}]}, "tools"),
        ({"logit_bias": {"1": 2}}, "bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"), ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"repetition_penalty": 1.1}, "repetition_penalty"), ({"response_format": {"type": "json_object"}}, "format"),
        ({"best_of": 3}, "best_of: this server knows no such field"), ({"x" * 500: 3}, "no such field"),
        ({"model": 3}, "model"), ({"continue_final_message": True}, "continue_final_message"),
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
    ],
)  # fmt: skip
def test_fields_are_refused_in_one_sentence(fields: dict[str, Any], said: str) -> None:
    told = refusal(words() | fields)
    assert said in told
    assert len(told) < 300


def test_values_that_change_nothing_are_taken_and_no_others() -> None:
    fields = {name: values[0] for name, values in NEUTRAL.items()} | dict.fromkeys(WITHOUT_EFFECT, "anything")
    assert read_request(words() | fields, LIMITS) == read_request(words(), LIMITS)
    assert read_request(read_json(json.dumps(words(seed=None, stop=None)).encode()), LIMITS).seed == 0
    assert read_request(words(frequency_penalty=0.0), LIMITS)


def test_every_field_is_in_the_docs() -> None:
    text = (DOCUMENTS / "servers.md").read_text(encoding="utf-8").partition("## Serving a model")[2]
    fields = (*ChatRequest.model_fields, *EmbeddingRequest.model_fields, *NEUTRAL, *WITHOUT_EFFECT)
    missing = [name for name in fields if f"`{name}`" not in text]
    assert not missing


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "messages"), ([3], "messages"), ({}, "messages"), ("Hi", "messages"),
        ([{"role": "tool", "content": "a"}], "role"),
        ([{"role": "user"}], "content"), ([{"role": "user", "content": 3}], "content"),
        ([{"role": "user", "content": []}], "content"), ([{"role": "user", "content": ""}], "no words and no picture"),
        ([{"role": "user", "content": " \n"}], "no words"),
        ([{"role": "user", "content": [{"type": "audio"}]}], "type"),
        ([{"role": "user", "content": [{"type": "text", "text": 3}]}], "text"),
        ([{"role": "user", "content": "a", "name": "b"}], "name"), ([{"role": "user", "content": ["a"]}], "content"),
        ([{"role": "user", "content": "x" * (LONGEST_TEXT + 1)}], f"{LONGEST_TEXT + 1:,} characters"),
        ([{"role": "user", "content": "a"}] * 65, "65 messages"),
    ],
)  # fmt: skip
def test_messages_are_refused_in_one_sentence(messages: Any, said: str) -> None:
    assert said in refusal({"messages": messages})


def test_pictures_are_refused_in_one_sentence(tmp_path: Path) -> None:
    good = data_url()
    file = tmp_path / "photo.png"
    for url in ("http://127.0.0.1:9/a.png", f"file://{file}", str(file), "data:text/html;base64,aaaa", ""):
        assert "only data URLs are taken" in refusal(show(url))
    gif = "data:image/png;base64,R0lGODlhAQABAAAAACw="
    for url in (good[:80], good + "!", good + "ä", gif, "data:image/png;base64,"):
        assert refusal(show(url)) == "picture 1: not a PNG, JPEG or WebP picture"
    assert refusal(show(good, good[: len(good) // 2 // 4 * 4])).startswith("picture 2: ")
    assert "picture 1: 4x1000 is no person's crop" in refusal(show(data_url((4, 1000))))
    assert "picture 1: 1000x4 is no person's crop" in refusal(show(data_url((1000, 4))))
    for tiny in ((1, 1), (2, 30), (50, 3)):
        assert refusal(show(data_url(tiny))).startswith(f"picture 1: {tiny[0]}x{tiny[1]} is too small")
    assert "more than 4,000,000 pixels" in refusal(show(data_url((2100, 2000))))
    # Together, too: what is held in memory is what counts.
    assert "picture 2: more than 4,000,000 pixels" in refusal(show(data_url((1500, 2000)), data_url((1500, 2000))))
    assert "more than 8 pictures" in refusal(show(*[good] * 9))
    told = refusal({"messages": [{"role": "system", "content": show(good)["messages"][0]["content"]}]})
    assert told == "only a message of the user may hold a picture"


def test_what_is_read() -> None:
    body = show(data_url((30, 60), "red"), data_url((20, 50), "blue", "JPEG"))
    body["messages"][0]["content"].insert(1, {"type": "text", "text": "A"})
    messages, images, begun = read_messages(body)
    assert messages == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "A"}, {"type": "image"}]}
    ]
    assert [image.size for image in images] == [(30, 60), (20, 50)]
    assert images[0].getpixel((3, 3)) == (255, 0, 0)
    assert begun == ""


@pytest.mark.parametrize(
    ("options", "continued"),
    [
        ({}, True), ({"continue_final_message": True}, True), ({"add_generation_prompt": False}, True),
        ({"continue_final_message": True, "add_generation_prompt": False}, True),
        ({"continue_final_message": False}, False), ({"add_generation_prompt": True}, False),
    ],
)  # fmt: skip
def test_a_last_message_of_the_assistant_is_the_beginning_of_the_answer(
    options: dict[str, bool], continued: bool
) -> None:
    messages = [{"role": "user", "content": "Same?"}, {"role": "assistant", "content": "<answer>"}]
    read, _, begun = read_messages({"messages": messages, **options})
    assert (len(read), begun) == ((1, "<answer>") if continued else (2, ""))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["messages", "role", "content", "type", "text", "image_url", "url", "seed", "n", "stop"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(ANYTHING, ANYTHING)
def test_any_json_is_read_or_refused(body: Any, message: Any) -> None:
    for asked in (body, {"messages": [message]}, {"messages": body, "seed": message}):
        with contextlib.suppress(RequestError):
            read_messages(asked)
