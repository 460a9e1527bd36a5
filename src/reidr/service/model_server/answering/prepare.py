"""From a request's bytes to what the model takes, every limit checked before the model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from PIL import Image

from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.inference.vision_cache import picture_digest
from reidr.reasoning.prompting.prompt import COMPARE, PREFIXES, QUESTIONS, without_open_thought
from reidr.service.http.errors import RequestError
from reidr.service.model_server.answering.messages import read_conversation
from reidr.service.model_server.answering.requests import (
    ChatRequest,
    TextPart,
    read_embedding_request,
    read_json,
    read_request,
)
from reidr.service.model_server.answering.sampling import Sampling
from reidr.service.model_server.limits import Limits

ANSWER_AT_ONCE = QUESTIONS["score"].removeprefix(COMPARE)
"""The last sentence of ReID-R's score question. A model that was taught with the turn begun for it does not begin the
answer by itself: asked plainly, it would think first."""
DEFAULT_TOKENS = 256


@dataclass(frozen=True, eq=False)
class Prepared:
    """One prompt and how it is to be answered.

    ids: tokens of the text, one placeholder for each picture; the last `given` of them begin the answer.
    answers: whether the next token is the answer word of the score question.
    """

    ids: list[int]
    given: int
    answers: bool
    pictures: dict[str, Image.Image]
    digests: list[str]
    max_tokens: int
    sampling: Sampling
    seed: int
    alternatives: int | None

    @property
    def bytes(self) -> int:
        """Memory of the pictures."""
        return sum(3 * image.width * image.height for image in self.pictures.values())


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures whose embeddings are wanted, in order, by `picture_digest`."""

    pictures: dict[str, Image.Image]
    digests: list[str]

    @property
    def bytes(self) -> int:
        """Memory of the pictures."""
        return sum(3 * image.width * image.height for image in self.pictures.values())


class Preparer:
    """Reads requests for one reasoner. Not to be used from two threads at once."""

    def __init__(self, reasoner: Reasoner, limits: Limits) -> None:
        self.reasoner, self.limits = reasoner, limits
        context = reasoner.model.config.get_text_config().to_dict().get("max_position_embeddings")
        self.context = int(context) if context else None

    def prepare(self, raw: bytes | bytearray) -> Prepared:
        """What a request's body asks for. Raises RequestError: what is wrong with it."""
        request = read_request(read_json(raw), self.limits)
        self._check_model(request.model)
        messages, images, begun = read_conversation(request, self.limits)
        processor: Any = self.reasoner.processor
        text = self._lay_out(request, messages)
        self._check_control_tokens(begun, messages)
        answers_at_once = asks_for_the_answer(messages)
        given = PREFIXES["score"] if answers_at_once and not begun and not self._unopened(request) else ""
        begun += given
        ids = self._encode(text + begun)
        if ids.count(processor.image_token_id) != len(images):
            raise RequestError("the model's chat template does not take these pictures")
        most = self._room(len(ids) + sum(self._tokens(image, place) for place, image in enumerate(images, 1)), request)
        digests = [picture_digest(image) for image in images]
        return Prepared(
            ids,
            len(ids) - len(self._encode(text)) if given else 0,
            answers_at_once and begun.endswith(PREFIXES["score"]),
            dict(zip(digests, images, strict=True)),
            digests,
            most,
            Sampling(request.temperature, request.top_k, request.top_p, request.min_p),
            request.seed,
            request.top_logprobs if request.logprobs else None,
        )

    def prepare_pictures(self, raw: bytes | bytearray) -> Pictures:
        """What a request for embeddings asks for. Raises RequestError: what is wrong with it."""
        request = read_embedding_request(read_json(raw))
        self._check_model(request.model)
        (message,) = request.messages
        if message.role != "user" or any(isinstance(part, TextPart) for part in message.content):
            raise RequestError("embeddings are made of pictures alone; the message must be the user's and hold no text")
        _, images, _ = read_conversation(ChatRequest(messages=[message]), self.limits)
        for place, image in enumerate(images, 1):
            self._tokens(image, place)
        digests = [picture_digest(image) for image in images]
        return Pictures(dict(zip(digests, images, strict=True)), digests)

    def _check_model(self, named: str | None) -> None:
        if named not in (None, self.reasoner.name):
            raise RequestError(f"this server serves {self.reasoner.name!r} only", 404, "model_not_found")

    def _unopened(self, request: ChatRequest) -> bool:
        """Whether the prompt ends without an open turn of the assistant."""
        return request.add_generation_prompt is False and not request.continues

    def _lay_out(self, request: ChatRequest, messages: list[dict[str, Any]]) -> str:
        options = {} if request.chat_template_kwargs is None else request.chat_template_kwargs.model_dump()
        processor: Any = self.reasoner.processor
        try:
            opened = not self._unopened(request)
            text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened, **options)
            return without_open_thought(text) if opened else str(text)
        except TemplateError as error:
            raise RequestError(f"the model's chat template refuses these messages: {error}") from None

    def _check_control_tokens(self, begun: str, messages: list[dict[str, Any]]) -> None:
        """Only pictures stand for pictures."""
        texts = [begun, *(part["text"] for message in messages for part in message["content"] if "text" in part)]
        tokens = self.reasoner.adapter.picture_tokens
        if any(token in text for text in texts for token in tokens):
            raise RequestError(f"a text must not hold the model's tokens for pictures ({', '.join(tokens)})")

    def _encode(self, text: str) -> list[int]:
        return list(self.reasoner.processor.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def _tokens(self, image: Image.Image, place: int) -> int:
        """How many tokens a picture adds to its placeholder; its size alone decides."""
        try:
            return self.reasoner.adapter.picture_length(image.width, image.height) - 1
        except ValueError as error:
            raise RequestError(f"picture {place}: {image.width}x{image.height} cannot be used ({error})") from None

    def _room(self, prompt: int, request: ChatRequest) -> int:
        """How many tokens may be written after a prompt of so many."""
        context = self.context or self.limits.prompt_tokens + self.limits.completion_tokens
        longest = min(self.limits.prompt_tokens, context - 1)
        if prompt > longest:
            raise RequestError(
                f"the prompt has {prompt:,} tokens, pictures included, more than {longest:,}",
                code="context_length_exceeded",
            )
        asked = request.token_limit(self.limits)
        if asked is None:
            return min(DEFAULT_TOKENS, self.limits.completion_tokens, context - prompt)
        if prompt + asked > context:
            raise RequestError(
                f"the prompt has {prompt:,} tokens; with max_tokens {asked:,} that is more than the model's context of"
                f" {context:,}",
                code="context_length_exceeded",
            )
        return asked


def asks_for_the_answer(messages: list[dict[str, Any]]) -> bool:
    """Whether what the user said last ends in ReID-R's request for the answer word alone."""
    if not messages or messages[-1]["role"] != "user":
        return False
    last = messages[-1]["content"][-1]
    return last["type"] == "text" and last["text"].rstrip().endswith(ANSWER_AT_ONCE)
