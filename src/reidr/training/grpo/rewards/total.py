"""The total reward of completions: the weighted sum of all rewards that apply."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from reidr.errors import ReIDError
from reidr.reasoning.prompting.grammar import AnswerWord, ParsedAnswer, try_parse
from reidr.training.grpo.rewards.identity import identity_reward
from reidr.training.grpo.rewards.registry import RewardWeights, find_reward

PROBABILITIES = ("probability", "text_only_probability", "reasoned_probability")
OPTIONAL_COLUMNS = (*PROBABILITIES, "rank_context", "facts")
"""Columns that are None throughout where the caller does not know them."""


@dataclass(frozen=True)
class Reward:
    """What one completion earned.

    Attributes:
        total: the weighted sum. parts: each reward by name, unweighted, None where it does not apply.
        answer: None for a completion that cannot be parsed. correct: whether the answer word is the label's (False for
            "insufficient" and for a completion that cannot be parsed). reasoned: P(same) that was read from its words
            alone; None where it was not.
    """

    total: float
    parts: Mapping[str, float | None]
    answer: AnswerWord | None
    correct: bool
    reasoned: float | None = None


def total_rewards(
    completions: Sequence[str], label: Sequence[bool], weights: RewardWeights, **columns: Sequence[Any]
) -> list[Reward]:
    """The reward of each completion: the sum of weight times value over the rewards that apply.

    A reward that does not apply to a completion that cannot be parsed counts as -1, so that such a completion earns
    minus the sum of the weights of the package's rewards, the least of all. Were it merely 0, breaking the grammar
    would pay better than a wrong answer.

    Args:
        completions: texts without the end token. label: True for the same person.
        columns: `OPTIONAL_COLUMNS`, one entry per completion each (see `registry.RewardFunction`).

    Raises:
        ReIDError: a probability outside [0, 1], or a reward function that fails or does not return one finite number
            or None per completion. RecipeError: as `find_reward`.
    """
    unknown = sorted(columns.keys() - set(OPTIONAL_COLUMNS))
    if unknown:
        raise ReIDError(f"rewards: there is no column {unknown[0]!r}; there are {', '.join(OPTIONAL_COLUMNS)}")
    known = {name: columns.get(name, [None] * len(completions)) for name in OPTIONAL_COLUMNS}
    for name in PROBABILITIES:
        for value in known[name]:
            if value is not None and not 0.0 <= value <= 1.0:
                raise ReIDError(f"reward: the {name.replace('_', ' ')} must lie in [0, 1], not {value!r}")
    parsed = [try_parse(text) for text in completions]
    given: dict[str, Sequence[Any]] = {
        "completions": list(completions),
        "parsed": parsed,
        "label": list(label),
        **known,
    }
    values = {name: values_of(name, given) for name in weights.by_name()}
    found = [
        weighted(answer, same, {name: own[row] for name, own in values.items()}, weights)
        for row, (answer, same) in enumerate(zip(parsed, label, strict=True))
    ]
    return [replace(each, reasoned=read) for each, read in zip(found, known["reasoned_probability"], strict=True)]


def values_of(name: str, columns: Mapping[str, Sequence[Any]]) -> list[float | None]:
    """What the reward `name` gives for each completion. Raises ReIDError as `total_rewards`."""
    function, number = find_reward(name), len(columns["completions"])
    try:
        values = [None if value is None else float(value) for value in function(**columns)]
    except ReIDError:
        raise
    except Exception as problem:  # a function from outside may fail in any way
        reason = " ".join(str(problem).split()) or "no reason given"
        raise ReIDError(f"reward {name}: the call failed: {type(problem).__name__}: {reason}") from problem
    if len(values) != number:
        raise ReIDError(f"reward {name}: it returned {len(values)} values for {number} completions")
    wrong = next((value for value in values if value is not None and not math.isfinite(value)), None)
    if wrong is not None:
        raise ReIDError(f"reward {name}: it returned {wrong}; a reward is a finite number, or None")
    return values


def weighted(
    parsed: ParsedAnswer | None, label: bool, parts: Mapping[str, float | None], weights: RewardWeights
) -> Reward:
    """The weighted sum of the `parts` of one completion."""
    by_name = weights.by_name()
    missing = -1.0 if parsed is None else 0.0
    total = sum(by_name[name] * (missing if value is None else value) for name, value in parts.items())
    if parsed is None:
        return Reward(total, MappingProxyType(dict(parts)), None, False)
    correct = identity_reward(parsed.answer, label) == 1.0
    return Reward(total, MappingProxyType(dict(parts)), parsed.answer, correct)
