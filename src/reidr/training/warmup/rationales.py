"""Rationales that the model writes itself, and what they say of its health: parsable, how long, how many distinct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.sampling import Completion, continue_prompts, read_completions
from reidr.reasoning.prompting.answers import answer_step, decode, end_token_ids
from reidr.reasoning.prompting.grammar import TAGS, parse_completion, try_parse
from reidr.reasoning.prompting.prompt import render
from reidr.reasoning.rationales.claims import parse_claims
from reidr.training.grpo.rewards import cues_reward

ROWS = 64


@dataclass(frozen=True)
class Rationale:
    """A parsable completion of the model's own.

    Attributes:
        ids: all its tokens. answer: index of the answer word in them. tags: indices of the tokens that make up the
            tags and the end, the opening tag's first token included. reasoning: its words, tags and answer left out.
    """

    ids: tuple[int, ...]
    answer: int
    tags: tuple[int, ...]
    reasoning: str

    def support(self, label: bool) -> float:
        """How far the words bear `label` out, whatever the answer after them (`cues_reward`, in [-1, 1])."""
        return cues_reward("yes" if label else "no", self.reasoning)

    def supports(self, label: bool) -> bool:
        """Whether the words bear `label` out and say nothing of a region twice: what may be imitated.

        A claim consistent is as safe as it was the first time. A model that imitates such texts says one thing three
        times (docs/lab.md).
        """
        regions = [claim.region for claim in parse_claims(self.reasoning)]
        return len(set(regions)) == len(regions) and self.support(label) > 0


def write_rationales(
    seen: CropFeatures,
    places: Sequence[tuple[int, int]],
    *,
    each: int = 1,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> list[Completion]:
    """`each` completions of the thinking prompt for each pair of crops, those of a pair beside each other."""
    model, tokenizer = seen.model, seen.processor.tokenizer
    text = render(seen.processor, "think")
    written: list[Completion] = []
    pairs = max(1, ROWS // each)
    for start in range(0, len(places), pairs):
        rows = [(text, pair) for pair in places[start : start + pairs]]
        sampled = continue_prompts(
            model,
            tokenizer,
            seen.ask(rows),
            [each] * len(rows),
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
    answer, reasoning = answer_step(tokenizer, words), parse_completion(completion.text).reasoning
    return Rationale(tuple(ids), answer, (*tags, *range(len(words), len(ids))), reasoning)


def choose_rationale(rationales: Sequence[Rationale | None], label: bool) -> Rationale | None:
    """The one that bears `label` out best, if possible of those that say nothing twice; None where none is readable."""
    readable = [each for each in rationales if each is not None]
    return max(readable, key=lambda each: (each.supports(label), each.support(label)), default=None)


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
