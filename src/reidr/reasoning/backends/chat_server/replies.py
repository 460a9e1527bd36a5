"""What comes back from an OpenAI-compatible server: completions, errors and pauses, as plain values."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.reasoning.prompting.chances import Token

LONGEST_LINE = 200  # characters of a server's words that are repeated
NESTED = 6  # levels of an error's JSON that are looked into
RAW_SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n", "ĉ": "\t"})  # as tokenizers write them inside
HARMFUL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
THOUGHTS = ("thinking", "reasoning", "thought", "reasoning_text")  # types of parts that hold no answer
RAW_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class NoCompletionError(ReIDError):
    """A server's answer that is no chat completion."""


@dataclass(frozen=True)
class Reply:
    """A completion.

    Attributes:
        text: without what a parser took out of it as `thought`. tokens: with log-probabilities, where there are any.
        generated: number of tokens. cut: it ended at its token limit. withheld: why there is no text, in the server's
            words ("content_filter", a refusal), empty where nothing was withheld. fingerprint: `system_fingerprint`.
    """

    text: str
    thought: str = ""
    tokens: tuple[Token, ...] = ()
    generated: int = 0
    cut: bool = False
    withheld: str = ""
    fingerprint: str | None = None


def read_reply(answer: Mapping[str, Any], host: str) -> Reply:
    """A server's JSON as a `Reply`. Raises NoCompletionError where it is no chat completion."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = text_of(message.get("content"))
        thought = text_of(message.get("reasoning_content") or message.get("reasoning")) or thought_in(message)
        tokens = read_tokens(choice.get("logprobs"))
        usage = answer.get("usage") or {}
        finish = choice.get("finish_reason")
        withheld = ""
        refused = refusal_of(message)
        if not text.strip() and (refused or finish in ("content_filter", "safety", "refusal")):
            withheld = " ".join(harmless(refused or f"finish_reason {finish}").split())[:LONGEST_LINE]
        fingerprint = answer.get("system_fingerprint")
        return Reply(
            text,
            thought,
            tokens,
            int(usage.get("completion_tokens") or len(tokens)),
            str(finish).lower() in ("length", "max_tokens"),
            withheld,
            None if fingerprint is None else str(fingerprint),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        problem = f'{host}: its answer is no chat completion: it has no message under "choices"'
        raise NoCompletionError(problem) from None


def text_of(content: Any) -> str:
    """The text of a message's content: text, a list of parts of which some are text, or nothing."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        parts = [part for part in content if not (isinstance(part, Mapping) and part.get("type") in THOUGHTS)]
        content = "".join(str(part.get("text") or "") if isinstance(part, Mapping) else str(part) for part in parts)
    elif isinstance(content, Mapping):
        content = content.get("text") or content.get("content") or ""
    return "" if content is None else harmless(str(content))


def thought_in(message: Mapping[str, Any]) -> str:
    """The thought of a message that has it as a part of its content, or in OpenRouter's `reasoning_details`."""
    content = message.get("content")
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    thoughts = [part.get("thinking") or part.get("text") for part in parts if part.get("type") in THOUGHTS]
    details = message.get("reasoning_details")
    if not thoughts and isinstance(details, list):
        thoughts = [part.get("text") or part.get("summary") for part in details if isinstance(part, Mapping)]
    return "".join(map(text_of, thoughts))


def refusal_of(message: Mapping[str, Any]) -> str:
    """A refusal's words, from its own field or from a part of the content; empty where nothing was refused."""
    content = message.get("content")
    parts = [part.get("refusal") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return " ".join(str(one) for one in (message.get("refusal"), *parts) if one)


def embeddings_in(answer: Mapping[str, Any], name: str) -> tuple[NDArray[np.float64], ...]:
    """The three unit vectors of one picture: whole body, upper part, lower part. Raises NoCompletionError."""
    try:
        (entry,) = answer["data"]
        whole = np.array(entry["embedding"], dtype=np.float64)
        first, second, third = (int(size) for size in entry["sizes"])
        if not np.isfinite(whole).all() or whole.shape != (first + second + third,):
            raise ValueError("its size")
    except (KeyError, TypeError, ValueError):
        raise NoCompletionError(f"{name}: its answer holds no embeddings") from None
    return tuple(np.split(whole, [first, first + second]))


def harmless(text: str) -> str:
    """The text without what a terminal would obey, and without halves of characters, which cannot be written down."""
    return HARMFUL.sub("\ufffd", text)


def read_tokens(listed: Any) -> tuple[Token, ...]:
    """The tokens of a choice's `logprobs`, in the form of chats or of older completions; none where it is neither."""
    if isinstance(listed, list):
        listed = {"content": listed}
    if not isinstance(listed, Mapping):
        return ()
    try:
        if listed.get("content") is None and listed.get("tokens"):
            own = zip(
                listed["tokens"], listed["token_logprobs"], listed.get("top_logprobs") or repeat({}), strict=False
            )
            entries = [
                {"token": token, "logprob": value,
                 "top_logprobs": [{"token": name, "logprob": chance} for name, chance in (others or {}).items()]}
                for token, value, others in own
            ]  # fmt: skip
            return tuple(read_token(entry) for entry in entries)
        return tuple(read_token(entry) for entry in listed.get("content") or [])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return ()  # the text is an answer all the same


def read_token(entry: Mapping[str, Any]) -> Token:
    """A token with the log-probabilities at its place, its own among them."""
    text = token_text(entry)
    others = entry.get("top_logprobs") or []
    if isinstance(others, Mapping):
        others = [{"token": name, "logprob": value} for name, value in others.items()]
    listed = {token_text(one): one.get("logprob") for one in [entry, *others]}
    given = {one: float(value) for one, value in listed.items() if value is not None}
    # A probability above 1 by more than rounding is none.
    chances = {one: min(value, 0.0) for one, value in given.items() if math.isfinite(value) and value < 0.01}
    return Token(text, chances.get(text), chances)


def token_text(entry: Mapping[str, Any]) -> str:
    """The text of a token: by its bytes where they are given, else its name, which may be a tokenizer's own way."""
    given = entry.get("bytes")
    if isinstance(given, list) and given and all(0 <= int(one) < 256 for one in given):
        return bytes(int(one) for one in given).decode(errors="replace")
    named = str(entry["token"]).translate(RAW_SPACES)
    return RAW_BYTE.sub(lambda found: chr(int(found[1], 16)), named)


def error_in(answer: Mapping[str, Any]) -> tuple[int, str] | None:
    """(status, words) of an error inside an answer with status 200; None where there is none.

    The status is 400 where the answer does not give one.
    """
    error = answer.get("error")
    kind = answer.get("object") == "error" or ("detail" in answer and "choices" not in answer and "data" not in answer)
    if answer.get("choices") or not (error or kind):
        return None
    detail = error if isinstance(error, Mapping) else answer
    codes = [detail.get("code"), detail.get("status"), answer.get("code")]
    numbers = [int(str(code)) for code in codes if str(code).isascii() and str(code).isdecimal()]
    status = next((number for number in numbers if 400 <= number < 600), 400)
    return status, words_of(json.dumps(answer))


def words_of(text: str) -> str:
    """What a server says of an error, in one short line."""
    try:
        text = message_in(json.loads(text)) or text
    except (ValueError, RecursionError):
        if text.lstrip()[:1] == "<":
            title = re.search(r"<title[^>]*>([^<]*)", text, re.I)
            text = title[1] if title else "a web page"
    return " ".join(harmless(text).split())[:LONGEST_LINE]


def message_in(found: Any, depth: int = 0) -> str:
    """The message of an error's JSON, however it is wrapped; empty where there is none."""
    if isinstance(found, str):
        return found
    if isinstance(found, list) and depth < NESTED:
        return "; ".join(filter(None, (message_in(one, depth + 1) for one in found[:3])))
    if not isinstance(found, Mapping) or depth >= NESTED:
        return ""
    where = ".".join(str(part) for part in found["loc"]) + ": " if isinstance(found.get("loc"), list) else ""
    for name in ("error", "message", "msg", "detail", "errors"):
        message = message_in(found.get(name), depth + 1)
        if message:
            return where + message
    return ""


def named_options(text: str) -> tuple[list[str], str]:
    """(options that an error's JSON names as its cause, all its words without what it repeats of the request).

    `param` of OpenAI, the last of pydantic's `loc`.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [], text
    names: list[str] = []
    words: list[str] = []

    def search(one: Any, depth: int = 0) -> None:
        if depth > NESTED:
            return
        if isinstance(one, list):
            for part in one:
                search(part, depth + 1)
        elif isinstance(one, Mapping):
            if isinstance(one.get("param"), str):
                names.append(one["param"])
            if isinstance(one.get("loc"), list):
                names.extend(part for part in one["loc"] if isinstance(part, str))
            for name, value in one.items():
                if name not in ("input", "loc", "param", "url"):
                    search(value, depth + 1)
        elif one is not None:
            words.append(str(one))
            if isinstance(one, str) and one[:1] in "{[" and depth < NESTED:
                search(parsed(one), depth + 1)

    search(found)
    return names, " ".join(words)


def parsed(text: str) -> Any:
    """JSON inside a message, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def retry_after(value: str | None, most: float) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or as a date, at most `most`; None where it is none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), most) if math.isfinite(seconds) else None
