"""Rationales that the model writes itself, and what they say of its health: parsable, how long, how many distinct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reidr.reasoning.answers import answer_step, decode, end_token_ids
from reidr.reasoning.crop_features import CropFeatures
from reidr.reasoning.grammar import TAGS, try_parse
from reidr.reasoning.prompt import render
from reidr.reasoning.rollout import Completion, continue_prompts, read_completions

ROWS = 64


@dataclass(frozen=True)
class Rationale:
    """A parsable completion of the model's own.

    Attributes:
        ids: all its tokens. answer: index of the answer word in them. tags: indices of the tokens that make up the
            tags and the end, the opening tag's first token included.
    """

    ids: tuple[int, ...]
    answer: int
    tags: tuple[int, ...]


def write_rationales(
    seen: CropFeatures, places: Sequence[tuple[int, int]], *, temperature: float, max_new_tokens: int, seed: int
) -> list[Completion]:
    """One completion of the thinking prompt for each pair of crops."""
    model, tokenizer = seen.model, seen.processor.tokenizer
    text = render(seen.processor, "think")
    written: list[Completion] = []
    for start in range(0, len(places), ROWS):
        rows = [(text, pair) for pair in places[start : start + ROWS]]
        sampled = continue_prompts(
            model,
            tokenizer,
            seen.ask(rows),
            [1] * len(rows),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            seed=seed + start,
        )
        written += read_completions(model, tokenizer, sampled)
    return written


def read_rationale(seen: CropFeatures, completion: Completion) -> Rationale | None:
    """A completion as something to answer after; None where it breaks the grammar."""
    if completion.answer_logits is None:
        return None
    tokenizer = seen.processor.tokenizer
    ids = list(completion.ids)
    ends = end_token_ids(seen.model, tokenizer)
    words = ids[:-1] if ids[-1] in ends else ids
    # Where each token's text ends; a tag may be several tokens, or share one with what stands beside it.
    reach = [len(decode(tokenizer, words[:count])) for count in range(len(words) + 1)]
    spans = [(completion.text.index(tag), completion.text.index(tag) + len(tag)) for tag in TAGS]
    tags = [
        place
        for place in range(len(words))
        if any(first < reach[place + 1] and reach[place] < last for first, last in spans)
    ]
    return Rationale(tuple(ids), answer_step(tokenizer, words), (*tags, *range(len(words), len(ids))))


def health(completions: Sequence[Completion], labels: Sequence[bool]) -> dict[str, float]:
    """What completions say of a model: shares, and the mean length in tokens.

    Keys: parsable, tokens, distinct (texts), thinking_accuracy (unparsable and insufficient count as wrong),
    answered_yes, answered_insufficient (both of the parsable ones).
    """
    number = max(1, len(completions))
    parsed = [try_parse(each.text) for each in completions]
    answers = [each.answer for each in parsed if each is not None]
    correct = sum(
        each is not None and each.answer == ("yes" if label else "no")
        for each, label in zip(parsed, labels, strict=True)
    )
    said = max(1, len(answers))
    return {
        "parsable": len(answers) / number,
        "tokens": sum(len(each.ids) for each in completions) / number,
        "distinct": len({each.text for each in completions}) / number,
        "thinking_accuracy": correct / number,
        "answered_yes": answers.count("yes") / said,
        "answered_insufficient": answers.count("insufficient") / said,
    }


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Floats cut to four digits, for a log."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
