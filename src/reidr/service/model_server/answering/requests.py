"""A chat completion request: its JSON read strictly, every field meant, refused, or known to change nothing."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from reidr.service.http.errors import RequestError, readable
from reidr.service.model_server.limits import Limits

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MOST_MARKS = 20_000  # brackets, braces and commas: Python's objects for them take a hundred times their bytes

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "stop": ([], ""),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "echo": (False,),
    "store": (False,),
    "skip_special_tokens": (False,),
}
"""Fields that would change the answer in a way that is not built here; only values that change nothing are taken."""

WITHOUT_EFFECT = ("user", "metadata", "safety_identifier", "prompt_cache_key", "parallel_tool_calls", "service_tier")
"""Fields that could not change the answer of this server; they are not looked at."""


class Strict(BaseModel):
    """No guessing: a number is no text, true is no number, an unknown field is an error."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class TextPart(Strict):
    """Words."""

    type: Literal["text"]
    text: str


class ImageAddress(Strict):
    """Where a picture is; here always a data URL."""

    url: str
    detail: Literal["auto"] = "auto"


class ImagePart(Strict):
    """A picture."""

    type: Literal["image_url"]
    image_url: Annotated[
        ImageAddress, BeforeValidator(lambda given: {"url": given} if isinstance(given, str) else given)
    ]


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


def as_parts(content: Any) -> Any:
    """Plain text as a list of one part."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Message(Strict):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[list[Part], Field(min_length=1), BeforeValidator(as_parts)]


class TemplateOptions(Strict):
    """Options that a chat template may be given."""

    enable_thinking: bool


class ChatRequest(Strict):
    """`POST /v1/chat/completions`, OpenAI's fields and vLLM's for sampling and for continuing a message."""

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=-1)] = 0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0)] = 0
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None
    chat_template_kwargs: TemplateOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def take_neutral_values(cls, given: Any) -> Any:
        """Leave out what changes nothing; refuse what would."""
        if not isinstance(given, dict):
            raise RequestError("the request must be a JSON object")
        rest = {name: value for name, value in given.items() if name not in WITHOUT_EFFECT}
        for name, neutral in NEUTRAL.items():
            value = rest.pop(name, neutral[0])
            if not any(same(value, one) for one in neutral):
                words = " or ".join(json.dumps(one) for one in neutral)
                more = "; ask again with another seed" if name == "n" else ""
                raise RequestError(f"{name} must be {words} here, or left out{more}")
        return rest

    @model_validator(mode="after")
    def agree(self) -> ChatRequest:
        """Fields that speak of the same thing do not contradict each other."""
        if self.top_logprobs and not self.logprobs:
            raise RequestError("top_logprobs needs logprobs to be true")
        both = (self.max_tokens, self.max_completion_tokens)
        if None not in both and both[0] != both[1]:
            raise RequestError("max_tokens and max_completion_tokens mean the same and differ here; give one of them")
        last = self.messages[-1].role
        if self.continue_final_message and (last != "assistant" or len(self.messages) < 2):
            raise RequestError("continue_final_message needs a last message of the assistant after another one")
        if self.continue_final_message and self.add_generation_prompt:
            raise RequestError("continue_final_message and add_generation_prompt exclude each other")
        return self

    @property
    def continues(self) -> bool:
        """Whether the last message is the beginning of the answer.

        A last message of the assistant is, unless the request says that a new turn is meant.
        """
        if self.continue_final_message is not None:
            return self.continue_final_message
        return self.messages[-1].role == "assistant" and len(self.messages) > 1 and not self.add_generation_prompt

    def token_limit(self, limits: Limits) -> int | None:
        """The most tokens that were asked for, if any number was. Raises RequestError."""
        asked = self.max_completion_tokens if self.max_tokens is None else self.max_tokens
        if asked is not None and asked > limits.completion_tokens:
            raise RequestError(f"max_tokens must be a whole number from 1 to {limits.completion_tokens}")
        return asked


class EmbeddingRequest(Strict):
    """`POST /v1/embeddings` of pictures, in the form of vLLM's: a message in place of `input`."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1)]
    model: str | None = None
    encoding_format: Literal["float"] = "float"
    user: Any = None


def same(one: Any, another: Any) -> bool:
    """Equal, and not because Python takes true for 1."""
    return isinstance(one, bool) == isinstance(another, bool) and bool(one == another)


def read_json(raw: bytes | bytearray) -> Any:
    """A request's body. Null means: not given.

    Raises:
        RequestError: not UTF-8, not JSON, a name twice in one object, NaN or Infinity, or an unreasonable structure.
    """
    if sum(raw.count(mark) for mark in (b"[", b"{", b",")) > MOST_MARKS:
        raise RequestError(f"the request has more than {MOST_MARKS:,} brackets and commas", 413)
    try:
        text = raw.decode("utf-8")
        found = json.loads(text, object_pairs_hook=unique_names, parse_constant=no_number)
        if SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except UnicodeEncodeError:
        raise RequestError("the request has half of a surrogate pair, which is no character") from None
    except UnicodeDecodeError:
        raise RequestError("the request is not UTF-8") from None
    except (ValueError, RecursionError):
        # Among them: a whole number of more than 4,300 digits, and brackets nested too deep.
        raise RequestError("the request is not JSON") from None


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without its nulls. Raises RequestError for a name that stands there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestError("the request has an object in which a name stands twice")
    return {name: value for name, value in found.items() if value is not None}


def no_number(word: str) -> NoReturn:
    """Python would read NaN and Infinity, which are no JSON."""
    raise RequestError(f"the request has {word} for a number")


def read_embedding_request(body: Any) -> EmbeddingRequest:
    """The request, each field checked. Raises RequestError with one sentence on the first that is wrong."""
    try:
        return EmbeddingRequest.model_validate(body)
    except ValidationError as error:
        raise RequestError(one_sentence(error)) from None


def read_request(body: Any, limits: Limits) -> ChatRequest:
    """The request, each field checked. Raises RequestError with one sentence on the first that is wrong."""
    try:
        request = ChatRequest.model_validate(body)
    except ValidationError as error:
        raise RequestError(one_sentence(error)) from None
    if len(request.messages) > limits.messages:
        raise RequestError(f"messages has {len(request.messages)} messages, more than {limits.messages}")
    if request.top_logprobs > limits.top_logprobs:
        raise RequestError(f"top_logprobs must be a whole number from 0 to {limits.top_logprobs}")
    request.token_limit(limits)
    return request


def one_sentence(error: ValidationError) -> str:
    """The first of the errors, in words: where, and what was expected there."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    steps = [str(step) for step in first["loc"]]
    # The fifth step of a place within a part repeats the part's type.
    place = readable(".".join(steps[:4] + steps[5:] if steps[2:3] == ["content"] else steps), 120) or "the request"
    if first["type"] == "extra_forbidden":
        return f"{place}: this server knows no such field; leave it out"
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{place} must be an object"
    return f"{place}: {first['msg']}".replace(": Input should be", " must be").replace(": List should", " must")
