"""A small OpenAI-compatible server around one reasoner, for other programs on the same machine.

`GET /v1/models`, `POST /v1/chat/completions` (with log-probabilities), `GET /health`. Pictures are taken as data URLs
only: the server never opens an address or a file that a request names. It has no accounts: whoever reaches the port may
ask. It answers one question at a time and writes nothing down.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import torch
from PIL import Image
from torch import Tensor

from reidr.data.images import open_image
from reidr.errors import ImageError, ReIDError
from reidr.reasoning.answers import decode, end_token_ids
from reidr.reasoning.prefix import Features, encoder_outputs, lay_out, picture_digest
from reidr.reasoning.prompt import check_placeholders
from reidr.reasoning.reasoner import VISION_TOKENS, Reasoner

LARGEST_REQUEST = 8_000_000  # bytes; two crops as PNG take some ten thousand
LARGEST_PICTURE = 4_000_000  # pixels
MOST_PICTURES = 8
LONGEST_TEXT = 20_000  # characters of a whole conversation
MOST_TOKENS = 1024  # of a completion
MOST_ALTERNATIVES = 20
MOST_WAITING = 64  # requests under way
FEATURES = 128_000_000  # bytes of pictures' features that are kept
DATA_URL = re.compile(r"data:image/(?:png|jpeg|webp);base64,")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RequestError(ReIDError):
    """A request that is answered with an error. `status` is the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class NamedBytes(io.BytesIO):
    """Bytes of a picture that `open_image`'s errors can name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.title = name

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Settings:
    """What a request asks of its completion."""

    max_tokens: int
    temperature: float
    seed: int
    alternatives: int | None

    @classmethod
    def read(cls, body: dict[str, Any]) -> Settings:
        """From a request's JSON. Raises RequestError."""
        logprobs = body.get("logprobs") or False
        if not isinstance(logprobs, bool):
            raise RequestError("logprobs must be true or false")
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        return cls(
            int(number("max_tokens", 256 if limit is None else limit, 1, MOST_TOKENS, whole=True)),
            number("temperature", body.get("temperature", 1.0), 0, 2),
            int(number("seed", body.get("seed") or 0, 0, 2**63 - 1, whole=True)),
            int(number("top_logprobs", body.get("top_logprobs") or 0, 0, MOST_ALTERNATIVES, whole=True))
            if logprobs
            else None,
        )


class ChatService:
    """Chat completions of one reasoner. Safe to use from several threads; they take turns."""

    def __init__(self, reasoner: Reasoner) -> None:
        self.reasoner = reasoner
        self._turn = threading.Lock()
        self._features = Features(reasoner.model, reasoner.processor, reasoner.pixels, FEATURES)
        tokenizer = reasoner.processor.tokenizer
        vocabulary = tokenizer.get_vocab()
        self._forbidden = [vocabulary[token] for token in VISION_TOKENS if token in vocabulary]
        self._ends = set(end_token_ids(reasoner.model, tokenizer))

    def models(self) -> dict[str, Any]:
        """The answer to `/v1/models`. `root` tells the weights apart."""
        root = f"{self.reasoner.name} {self.reasoner.weights_hash}"
        model = {"id": self.reasoner.name, "object": "model", "created": 0, "owned_by": "reidr", "root": root}
        return {"object": "list", "data": [model]}

    def complete(self, body: Any) -> dict[str, Any]:
        """The answer to a chat completion request.

        Raises:
            RequestError: what is wrong with the request.
        """
        if not isinstance(body, dict):
            raise RequestError("the request must be a JSON object")
        for option in ("stream", "tools", "stop"):
            if body.get(option):
                raise RequestError(f"{option} is not supported here")
        if body.get("n", 1) != 1:
            raise RequestError("n must be 1 here; ask again with another seed")
        if body.get("model", self.reasoner.name) != self.reasoner.name:
            raise RequestError(f"this server serves {self.reasoner.name!r} only", 404)
        settings = Settings.read(body)
        messages, images, begun = read_messages(body)
        processor: Any = self.reasoner.processor
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + begun
        check_placeholders([text], [images], processor.image_token)
        ids = processor.tokenizer.encode(text, add_special_tokens=False)
        with self._turn:
            return self._answer(ids, images, settings)

    @torch.inference_mode()
    def _answer(self, ids: list[int], images: list[Image.Image], settings: Settings) -> dict[str, Any]:
        model = self.reasoner.model
        processor: Any = self.reasoner.processor
        digests = [picture_digest(image) for image in images]
        openers = {digest: partial(Image.Image.copy, image) for digest, image in zip(digests, images, strict=True)}
        seen = self._features.look(openers)
        pictures = [seen[digest] for digest in digests]
        prompt, positions = lay_out(model, processor.image_token_id, ids, [picture.grid for picture in pictures])
        inputs = {
            "input_ids": torch.tensor([prompt], device=model.device),
            "position_ids": positions[:, None].to(model.device),
            "mm_encoder_outputs": encoder_outputs(pictures) if pictures else None,
        }
        written, tokens = self._generate(inputs, int(positions.max()) + 1, settings)
        ended = written[-1] in self._ends
        text = decode(processor.tokenizer, written[:-1] if ended else written)
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop" if ended else "length",
            "logprobs": None if settings.alternatives is None else {"content": tokens[:-1] if ended else tokens},
        }
        return {
            "id": f"chatcmpl-{time.time_ns():x}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.reasoner.name,
            "choices": [choice],
            "usage": {
                "prompt_tokens": len(prompt),
                "completion_tokens": len(written),
                "total_tokens": len(prompt) + len(written),
            },
        }

    def _generate(
        self, inputs: dict[str, Any], position: int, settings: Settings
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """Token ids, the end token included where it was reached, and what OpenAI's format says of each."""
        model: Any = self.reasoner.model
        device = model.device
        generator = torch.Generator(device=device).manual_seed(settings.seed)
        written: list[int] = []
        told: list[dict[str, Any]] = []
        cache = None
        for step in range(settings.max_tokens):
            output = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = output.logits[0, -1].float()
            logits[self._forbidden] = -torch.inf
            if settings.temperature > 0:
                chances = (logits / settings.temperature).softmax(dim=0)
                token = int(torch.multinomial(chances, 1, generator=generator))
            else:
                token = int(logits.argmax())
            written.append(token)
            told.append(self._tell(logits.log_softmax(dim=0), token, settings.alternatives))
            if token in self._ends:
                break
            cache = output.past_key_values
            inputs = {
                "input_ids": torch.tensor([[token]], device=device),
                "position_ids": torch.full((3, 1, 1), position + step, device=device),
            }
        return written, told

    def _tell(self, logprobs: Tensor, token: int, alternatives: int | None) -> dict[str, Any]:
        if alternatives is None:
            return {}
        top = logprobs.topk(min(alternatives, len(logprobs)))
        listed = [self._entry(i, value) for i, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
        # JSON knows no infinity, which is what the tokens that are never written have.
        return {
            **self._entry(token, float(logprobs[token])),
            "top_logprobs": [e for e in listed if e["logprob"] > -1e9],
        }

    def _entry(self, token: int, value: float) -> dict[str, Any]:
        text = decode(self.reasoner.processor.tokenizer, [token])
        return {"token": text, "logprob": value, "bytes": list(text.encode())}


def read_messages(body: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Image.Image], str]:
    """Messages as chat templates take them, their pictures in order, and how the assistant's turn begins.

    Raises:
        RequestError: what is wrong with them.
    """
    given = body.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(message, dict) for message in given):
        raise RequestError("messages must be a list of at least one message")
    images: list[Image.Image] = []
    messages = []
    characters = 0
    for message in given:
        role, content = message.get("role"), message.get("content")
        if role not in ("system", "user", "assistant"):
            raise RequestError("the role of a message must be system, user or assistant")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise RequestError("the content of a message must be text or a list of parts")
        read: list[dict[str, str]] = []
        for part in parts:
            if part.get("type") == "text" and isinstance(part.get("text"), str):
                characters += len(part["text"])
                read.append({"type": "text", "text": part["text"]})
            elif part.get("type") == "image_url" and role == "user" and len(images) < MOST_PICTURES:
                images.append(read_picture(part.get("image_url"), len(images) + 1))
                read.append({"type": "image"})
            else:
                raise RequestError(
                    f"a part of a message must be text, or in a user's message an image_url, of which at most"
                    f" {MOST_PICTURES} are taken"
                )
        messages.append({"role": role, "content": read})
    if characters > LONGEST_TEXT:
        raise RequestError(f"the messages have {characters:,} characters, more than {LONGEST_TEXT:,}")
    begun = ""
    if body.get("continue_final_message"):
        if messages[-1]["role"] != "assistant" or len(messages) < 2:
            raise RequestError("continue_final_message needs a last message of the assistant")
        begun = "".join(part["text"] for part in cast(list[dict[str, str]], messages.pop()["content"]))
    return messages, images, begun


def read_picture(part: Any, place: int) -> Image.Image:
    """The picture of an `image_url` part, RGB. Raises RequestError."""
    url: Any = part.get("url") if isinstance(part, dict) else part
    head = DATA_URL.match(url) if isinstance(url, str) else None
    if head is None:
        raise RequestError(
            f"picture {place}: only data URLs are taken (data:image/png;base64,…, or jpeg, or webp); addresses and"
            " files are never opened"
        )
    try:
        raw = NamedBytes(base64.b64decode(url[head.end() :], validate=True), f"picture {place}")
        with Image.open(raw, formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > LARGEST_PICTURE:
                raise RequestError(f"picture {place}: more than {LARGEST_PICTURE:,} pixels; send the person's crop")
        return open_image(cast(Path, raw))
    except ImageError as error:
        raise RequestError(str(error)) from None
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise RequestError(f"picture {place}: not a PNG, JPEG or WebP picture") from None


def number(name: str, value: Any, least: float, greatest: float, *, whole: bool = False) -> float:
    """A number of a request within its bounds. Raises RequestError."""
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= greatest:
        raise RequestError(f"{name} must be a {'whole ' if whole else ''}number from {least:g} to {greatest:g}")
    return value


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "reidr"
    sys_version = ""
    timeout = 60
    server: ModelServer

    def do_GET(self) -> None:
        """`/v1/models` and `/health`."""
        if not self._expected_host():
            self._error("this server answers requests to its own address only", 403)
        elif self.path == "/health":
            self._reply({"status": "ok"})
        elif self.path == "/v1/models":
            self._reply(self.server.service.models())
        else:
            self._error("there are /v1/models, /v1/chat/completions and /health", 404)

    def do_POST(self) -> None:
        """`/v1/chat/completions`."""
        try:
            body = self._body()
            if not self.server.slots.acquire(blocking=False):
                raise RequestError(f"{MOST_WAITING} requests are under way already; try again", 503)
            try:
                answer = self.server.service.complete(body)
            finally:
                self.server.slots.release()
        except RequestError as error:
            self._error(str(error), error.status)
        except ReIDError as error:
            self._error(str(error), 400)
        else:
            self._reply(answer)

    def _body(self) -> Any:
        """The request's JSON. Until it is read, the connection cannot be used again, so errors close it."""
        self.close_connection = True
        if not self._expected_host():
            raise RequestError("this server answers requests to its own address only", 403)
        if self.path != "/v1/chat/completions":
            raise RequestError("there are /v1/models, /v1/chat/completions and /health", 404)
        # A page in a browser can send other types to this machine without being asked, but not this one.
        if self.headers.get_content_type() != "application/json":
            raise RequestError("the request's Content-Type must be application/json", 415)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RequestError("the request needs a Content-Length", 411)
        if int(length) > self.server.largest_request:
            raise RequestError(f"the request is larger than {self.server.largest_request:,} bytes", 413)
        raw = self.rfile.read(int(length))
        self.close_connection = False
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise RequestError("the request is not JSON") from None

    def _expected_host(self) -> bool:
        """On this machine only: the address asked for is ours, and not a name that a web page has pointed here."""
        if self.server.server_address[0] not in LOOPBACK:
            return True
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname in LOOPBACK
        except ValueError:
            return False

    def _error(self, message: str, status: int) -> None:
        self._reply({"error": {"message": message, "type": "invalid_request_error", "code": status}}, status)

    def _reply(self, answer: dict[str, Any], status: int = 200) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        if status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who asked, and for whom, is nobody's business."""


class ModelServer(ThreadingHTTPServer):
    """The server; `serve_forever` runs it, `shutdown` and `server_close` end it."""

    daemon_threads = True
    request_queue_size = MOST_WAITING

    def __init__(
        self, reasoner: Reasoner, host: str = "127.0.0.1", port: int = 0, largest_request: int = LARGEST_REQUEST
    ) -> None:
        """Listen; port 0 takes a free one (see `address`).

        Raises:
            ReIDError: the port is taken, or not to be had.
        """
        self.service = ChatService(reasoner)
        self.slots = threading.BoundedSemaphore(MOST_WAITING)
        self.largest_request = largest_request
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise ReIDError(f"cannot listen on {host}:{port}: {error}") from None

    @property
    def address(self) -> str:
        """`http://host:port`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that has gone is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
