"""The forms in which servers take a query and documents that are pictures, and in which they give the scores.

vLLM takes `{"content": [parts]}` for a query or a document, versions before 0.16 only with one part each; SGLang takes
the parts themselves. Servers of rerankers of text (llama.cpp, Text Embeddings Inference) take no pictures at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reidr.reasoning.backends.chat_server.replies import NoCompletionError

INSTRUCTION = (
    "Given the picture of a person, find pictures of the same person. Compare hair, headwear, upper clothing, sleeves,"
    " lower clothing, shoes, bags and body build. Ignore background, light, pose and camera angle."
)


@dataclass(frozen=True)
class Form:
    """One way of asking.

    Attributes:
        name: what distinguishes it, for cache keys. body: (query URL, document URLs) -> the request without its model.
        most: documents that one request may hold; None: any number.
    """

    name: str
    body: Callable[[str, Sequence[str]], dict[str, Any]]
    most: int | None = None


def picture(url: str) -> dict[str, Any]:
    """A picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": url}}


def instructed(url: str) -> list[dict[str, Any]]:
    """The query's parts: what is looked for, and the picture."""
    return [{"type": "text", "text": INSTRUCTION}, picture(url)]


def contents(urls: Sequence[str]) -> list[dict[str, Any]]:
    """One document for each picture, as vLLM takes them."""
    return [{"content": [picture(url)]} for url in urls]


# vLLM otherwise does as the checkpoint's pooler says, which may leave logits as they are.
PROBABILITY = {"use_activation": True}

RERANK_FORMS = (
    Form(
        "content",
        lambda query, documents: {
            "query": {"content": instructed(query)}, "documents": contents(documents), **PROBABILITY
        },
    ),
    Form(
        "parts",
        lambda query, documents: {
            "query": instructed(query), "documents": [[picture(url)] for url in documents], "instruct": INSTRUCTION,
            "return_documents": False,
        },
    ),
    Form(
        "content without text",
        lambda query, documents: {
            "query": {"content": [picture(query)]}, "documents": contents(documents), **PROBABILITY
        },
    ),
    Form(
        "one content",
        lambda query, documents: {
            "query": {"content": [picture(query)]}, "documents": {"content": [picture(documents[0])]}, **PROBABILITY
        },
        most=1,
    ),
)  # fmt: skip
SCORE_FORMS = (
    Form(
        "queries",
        lambda query, documents: {
            "queries": {"content": instructed(query)}, "documents": contents(documents), **PROBABILITY
        },
    ),
    Form(
        "data",
        lambda query, documents: {
            "data_1": {"content": [picture(query)]}, "data_2": contents(documents), **PROBABILITY
        },
    ),
    Form(
        "text",
        lambda query, documents: {
            "text_1": {"content": [picture(query)]}, "text_2": {"content": [picture(documents[0])]}, **PROBABILITY
        },
        most=1,
    ),
)  # fmt: skip
FORMS: Mapping[str, Sequence[Form]] = {"/rerank": RERANK_FORMS, "/score": SCORE_FORMS}


def scores_in(answer: Mapping[str, Any], number: int, host: str) -> list[float]:
    """The score of each of `number` documents, in their order.

    Raises NoCompletionError where there is not one finite score for each.
    """
    try:
        listed = answer.get("results") or answer["data"]
        found = {int(one.get("index", place)): score_of(one) for place, one in enumerate(listed)}
        scores = [found[place] for place in range(number)]
        if len(listed) != number or not all(map(math.isfinite, scores)):
            raise ValueError("their number")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoCompletionError(f"{host}: its answer does not hold one score for each of {number} documents") from None
    return scores


def score_of(entry: Mapping[str, Any]) -> float:
    """The score in an entry of vLLM's or SGLang's answer. Raises KeyError, TypeError, ValueError."""
    return float(entry["relevance_score"] if "relevance_score" in entry else entry["score"])
