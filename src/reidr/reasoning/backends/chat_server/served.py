"""Which model a server serves, and what distinguishes its weights from those it served before.

Verdicts are kept across runs, so their keys must change with the weights. A path or a name does not tell: a folder can
be trained further and served again. `identity_of` therefore takes all that the server says (`root`, a `created` that is
no mere time of the request) and, but for our own server, whose `root` holds a hash of the weights, the answers to two
fixed questions about a drawn pair.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageDraw

from reidr.errors import ReIDError
from reidr.reasoning.backends.chat_server.data_urls import messages_with
from reidr.reasoning.backends.chat_server.endpoint import Endpoint, RefusedError
from reidr.reasoning.backends.chat_server.replies import NoCompletionError, Reply
from reidr.reasoning.prompting.chances import NEVER

OURS = "reidr"  # `owned_by` of `reidr serve-model`
JUST_NOW = 3600.0  # seconds; `created` no older than that is the time of the request, as vLLM gives it; clocks differ
CANARY_TOKENS = 48
UNLISTED = frozenset({400, 403, 404, 405, 500, 501})  # a server that answers so to /models may have no such list


def find_model(endpoint: Endpoint, name: str, *, adapters: bool = True) -> dict[str, Any]:
    """What the server says of the model to be used: the one called `name`, or its only one. Raises ReIDError.

    A server that lists no models is assumed to serve the one that is named.

    `adapters`: whether LoRA adapters, which vLLM lists beside the model they change, count as models.
    """
    try:
        listed = endpoint.get("/models").get("data")
    except RefusedError as error:
        if error.status not in UNLISTED:
            raise
        if not name:
            raise ReIDError(f"{error}; if it lists no models, name the one to use after a #") from None
        endpoint.use_first()
        return {"id": name}
    models = [one for one in listed if isinstance(one, dict) and "id" in one] if isinstance(listed, list) else []
    if name and not models:
        return {"id": name}
    models = [one for one in models if adapters or not one.get("parent")]
    # Ollama adds the tag, Gemini its folder, to what its users call a model.
    called = {name, f"{name}:latest", f"models/{name}"}
    chosen = [one for one in models if one["id"] == name] or [one for one in models if not name or one["id"] in called]
    if len(chosen) != 1:
        names = ", ".join(str(one["id"]) for one in models[:20]) or "none"
        wanted = f"no model {name!r}" if name else "not one model alone"
        raise ReIDError(f"{endpoint.host}: serves {wanted}; name one of its own after a # ({names})")
    return chosen[0]


def identity_of(
    endpoint: Endpoint, served: Mapping[str, Any], chat: Callable[..., Reply], *, greedy: Callable[[], bool]
) -> tuple[Any, ...]:
    """What stands for the served weights in cache keys.

    Where the fixed questions are refused, nothing identifies the weights: then it is a value of its own each time, so
    that nothing is taken for an answer of theirs that is none.

    Args:
        served: what `find_model` gave. chat: as `dialect.Chat.ask`. greedy: whether it gives its likeliest answers.

    Raises:
        ReIDError: the server gives no usable answer.
    """
    identity = (endpoint.base, str(served["id"]), served.get("root"), lasting_date(served))
    if served.get("owned_by") == OURS:
        return identity
    try:
        answers = [canary(chat, task) for task in ("score", "think")]
    except (RefusedError, NoCompletionError) as error:
        if isinstance(error, RefusedError) and error.hopeless:
            raise
        return (*identity, uuid.uuid4().hex)
    # Drawn answers differ each time. Where only such are to be had (hosted models), the name must do.
    return (*identity, *answers) if greedy() else identity


def lasting_date(served: Mapping[str, Any]) -> int | None:
    """`created`, where it is a date of the model and not of the request for it."""
    created = served.get("created")
    if isinstance(created, bool) or not isinstance(created, int | float) or not created:
        return None
    return int(created) if time.time() - created > JUST_NOW else None


def canary(chat: Callable[..., Reply], task: Any) -> tuple[Any, ...]:
    """What the model says to a fixed question: its text, and its log-probabilities to two decimals."""
    reply = chat(messages_with((drawn_person("firebrick", "navy"), drawn_person("seagreen", "black")), task, None),
                 CANARY_TOKENS, temperature=0.0)  # fmt: skip
    chances = tuple(
        tuple(sorted((text, round(value, 2)) for text, value in (token.chances or {}).items() if value > NEVER))
        for token in reply.tokens
    )
    return reply.text, reply.thought, chances


def drawn_person(top: str, legs: str) -> Image.Image:
    """A figure of four shapes on grey, 64 by 128 pixels."""
    image = Image.new("RGB", (64, 128), "lightgray")
    draw = ImageDraw.Draw(image)
    draw.ellipse((24, 6, 40, 26), fill="peru")
    draw.rectangle((16, 28, 48, 72), fill=top)
    draw.rectangle((20, 73, 44, 116), fill=legs)
    draw.rectangle((18, 117, 46, 123), fill="white")
    return image
