"""Rationales sampled from the model itself, and health figures of them: parsable, length, distinct texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import Completion, continue_prompts, read_completions
from reidr.reasoning.prompting.answers import answer_step, end_token_ids
from reidr.reasoning.prompting.grammar import parse_completion, try_parse
from reidr.reasoning.prompting.prompt import render
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.rationales.support import supports
from reidr.training.processes.team import processes

ROWS = 64


@dataclass(frozen=True)
class Rationale:
    """A parsable completion of the model's own.

    Attributes:
        ids: all its tokens. answer: index of the answer word in them. reasoning: its words, tags and answer left out.
    """

    ids: tuple[int, ...]
    answer: int
    reasoning: str

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Rationale:
        """What `asdict` made of one, as it comes out of JSON."""
        return cls(tuple(fields["ids"]), fields["answer"], fields["reasoning"])

    def worth_imitating(self, label: bool) -> bool:
        """Whether the words support `label`, whatever the answer after them, and mention no region twice.

        A repeated claim costs nothing and supports as much as the first: imitating such texts trains repetition.
        """
        regions = [claim.region for claim in parse_claims(self.reasoning)]
        return len(set(regions)) == len(regions) and supports("same" if label else "different", self.reasoning)


class RationaleStore:
    """The rationales of the current round, by step and place in it; a part of the warm-up's checkpoint.

    Attributes:
        kept: labels and rationales of this and of earlier rounds, the newest last, at most `most`.
    """

    def __init__(self, most: int = 0) -> None:
        self.current: dict[str, Rationale] = {}
        self.kept: list[tuple[bool, Rationale]] = []
        self.most = most

    def keep(self, labels: Sequence[bool], rationales: Sequence[Rationale | None]) -> None:
        """Remember those that could be read; the oldest are forgotten."""
        found = [(label, each) for label, each in zip(labels, rationales, strict=True) if each is not None]
        self.kept = (self.kept + found)[-self.most :] if self.most else []

    def replay(self, number: int, seed: tuple[int, ...]) -> list[tuple[bool, Rationale]]:
        """`number` of those kept, drawn by `seed`, labels in turns; none where one label is missing."""
        by_label = [[each for each in self.kept if each[0] is label] for label in (True, False)]
        if not all(by_label):
            return []
        random = np.random.default_rng(seed)
        return [(own := by_label[place % 2])[int(random.integers(len(own)))] for place in range(number)]

    def state_dict(self) -> str:
        """All of them as JSON."""
        current = {key: asdict(each) for key, each in self.current.items()}
        return json.dumps({"current": current, "kept": [[label, asdict(each)] for label, each in self.kept]})

    def load_state_dict(self, state: str) -> None:
        """Take over what `state_dict` gave."""
        found = json.loads(state)
        self.current = {key: Rationale.of(each) for key, each in found["current"].items()}
        self.kept = [(label, Rationale.of(each)) for label, each in found["kept"]]


def write_rationales(
    features: CropFeatures,
    places: Sequence[tuple[int, int]],
    *,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> list[Completion]:
    """One completion of the thinking prompt for each pair of crops, given by their places in `features`.

    Several processes share the batches, whose seeds do not depend on who samples them.
    """
    text = render(features.processor, "think")

    def write(start: int) -> list[Completion]:
        rows = [(text, pair) for pair in places[start : start + ROWS]]
        settings = Thinking(max_new_tokens, temperature, seed + start)
        sampled = continue_prompts(features.adapter, features.prompts(rows), [1] * len(rows), settings)
        return read_completions(features.adapter, sampled)

    return [each for written in processes().spread(range(0, len(places), ROWS), write) for each in written]


def read_rationale(features: CropFeatures, completion: Completion) -> Rationale | None:
    """A completion as a rationale to answer after; None where it breaks the grammar."""
    if completion.answer_logits is None:
        return None
    tokenizer = features.processor.tokenizer
    ids = list(completion.ids)
    words = ids[:-1] if ids[-1] in end_token_ids(features.model, tokenizer) else ids
    reasoning = parse_completion(completion.text).reasoning
    return Rationale(tuple(ids), answer_step(tokenizer, words), reasoning)


def health(completions: Sequence[Completion], labels: Sequence[bool]) -> dict[str, float]:
    """Health figures of a model from its completions: shares, and the mean length in tokens.

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
    parsable = max(1, len(answers))
    return {
        "parsable": len(answers) / number,
        "tokens": sum(len(each.ids) for each in completions) / number,
        "distinct": len({each.text for each in completions}) / number,
        "thinking_accuracy": correct / number,
        "answered_yes": answers.count("yes") / parsable,
        "answered_insufficient": answers.count("insufficient") / parsable,
    }


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Floats cut to four digits, for a log."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
