"""The answer grammar: `<think>reasoning</think><answer>yes|no|insufficient</answer>`, and nothing else.

Lenient parsers are how reinforcement learning on answers goes wrong: searching for "no" anywhere turns "I do not know"
into a "no", and grading the last or first of several answers lets a model hedge. Here a completion either follows the
grammar to the letter or carries no verdict.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from reidr.errors import AnswerFormatError
from reidr.reasoning.types import Answer

AnswerWord = Literal["yes", "no", "insufficient"]
ANSWER_WORDS: tuple[str, ...] = get_args(AnswerWord)
ANSWERS: dict[AnswerWord, Answer] = {"yes": "same", "no": "different", "insufficient": "insufficient"}

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
MAXIMUM_CHARACTERS = 20_000  # about 5,000 tokens; ten times what comparing two crops needs
WHITESPACE = " \t\r\n"  # not str.strip(): that also takes no-break and ideographic spaces

TAG_LIKE = re.compile(r"<\s*/?\s*(?:think|answer)", re.IGNORECASE)
CONTROL_TOKEN = re.compile(r"<\|[^|<>]{1,40}\|>")


@dataclass(frozen=True)
class ParsedAnswer:
    """A completion that follows the grammar. `reasoning` is the text between the think tags, stripped."""

    answer: AnswerWord
    reasoning: str


def parse_completion(text: str) -> ParsedAnswer:
    """Read a completion (without its end token) by the strict grammar.

    Required: exactly one `<think>…</think>` with at least one letter in it, then exactly one `<answer>…</answer>`
    holding exactly `yes`, `no` or `insufficient`; around and between them nothing but ASCII whitespace. Refused
    besides: anything that looks like a further think or answer tag, chat control tokens such as `<|im_end|>`, invisible
    or control characters, and more than `MAXIMUM_CHARACTERS` characters.

    Raises:
        AnswerFormatError: with the first reason found.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        raise AnswerFormatError(f"the completion has {len(text):,} characters, more than {MAXIMUM_CHARACTERS:,}")
    if not text.strip(WHITESPACE):
        raise AnswerFormatError("the completion is empty")
    for tag in TAGS:
        count = text.count(tag)
        if count != 1:
            raise AnswerFormatError(f"{tag} occurs {count} times instead of once")
    if len(TAG_LIKE.findall(text)) != len(TAGS):
        raise AnswerFormatError("something that looks like a think or answer tag stands beside the four tags")
    if CONTROL_TOKEN.search(text):
        raise AnswerFormatError("a chat control token stands in the completion")
    invisible = next((c for c in text if c not in WHITESPACE and unicodedata.category(c) in ("Cc", "Cf", "Cs")), None)
    if invisible is not None:
        raise AnswerFormatError(f"the invisible character U+{ord(invisible):04X} stands in the completion")

    think, think_end, answer, answer_end = (text.index(tag) for tag in TAGS)
    if not think < think_end < answer < answer_end:
        raise AnswerFormatError("the four tags are not in the order think, /think, answer, /answer")
    for name, part in (
        ("before <think>", text[:think]),
        ("between </think> and <answer>", text[think_end + len("</think>") : answer]),
        ("after </answer>", text[answer_end + len("</answer>") :]),
    ):
        if part.strip(WHITESPACE):
            raise AnswerFormatError(f"there is text {name}")
    word = text[answer + len("<answer>") : answer_end]
    if word not in ANSWER_WORDS:
        raise AnswerFormatError(f"the answer is {word[:40]!r} instead of one of {', '.join(ANSWER_WORDS)}")
    reasoning = text[think + len("<think>") : think_end].strip(WHITESPACE)
    if not any(c.isalpha() for c in reasoning):
        raise AnswerFormatError("the reasoning is empty")
    return ParsedAnswer(word, reasoning)  # type: ignore[arg-type]


def try_parse(text: str) -> ParsedAnswer | None:
    """`parse_completion`, or None where the completion breaks the grammar."""
    try:
        return parse_completion(text)
    except AnswerFormatError:
        return None
