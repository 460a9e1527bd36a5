"""Rollouts of the pairs that are to be sampled: what each completion earned, kept in a file, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from reidr.core.process.signals import note_step
from reidr.core.progress import Advance
from reidr.core.storage.files import write_text
from reidr.core.storage.json_lines import append_json_lines, read_json_lines
from reidr.errors import DataError
from reidr.training.grpo.rewards.total import total_rewards
from reidr.training.pairs.attributes import facts_finder
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.select import Reason

if TYPE_CHECKING:
    from reidr.training.grpo.rollouts.source import RolloutSource
    from reidr.training.grpo.rollouts.vllm import RolloutServer


@dataclass(frozen=True)
class Rollouts:
    """What n completions of a pair earned.

    Attributes:
        rewards: the training reward of each. correct: whether each gave the right answer. answers: the answer word of
            each, None for one that cannot be parsed.
    """

    rewards: tuple[float, ...]
    correct: tuple[bool, ...]
    answers: tuple[str | None, ...]

    def pass_rate(self, above: float) -> float:
        """Share of completions with the right answer and a reward above `above`."""
        passed = [right and reward > above for right, reward in zip(self.correct, self.rewards, strict=True)]
        return sum(passed) / len(passed)


def roll_out(
    recipe: SampleRecipe,
    pairs: Sequence[MinedPair],
    sample: Callable[[Sequence[MinedPair], int], list[Rollouts]],
    path: Path,
    advance: Advance | None = None,
) -> list[Rollouts]:
    """The rollouts of every pair, in chunks that are kept as JSON lines in `path`; a stopped run continues from them.

    Args:
        sample: (pairs, seed) → their rollouts; see `sampler`.

    Raises:
        DataError: `path` holds rollouts of other pairs.
    """
    done = kept_rollouts(recipe, pairs, path) if path.is_file() else []
    note_step(path.parent, "pair", len(done))
    if advance is not None:
        advance(len(done))
    for start in range(len(done), len(pairs), recipe.chunk):
        chunk = pairs[start : start + recipe.chunk]
        rollouts = sample(chunk, recipe.seed * 1_000_003 + start)
        append_json_lines(
            path,
            [
                {"query": pair.query.id, "candidate": pair.candidate.id, **vars(each)}
                for pair, each in zip(chunk, rollouts, strict=True)
            ],
        )
        done += rollouts
        note_step(path.parent, "pair", len(done))
        if advance is not None:
            advance(len(chunk))
    return done


def kept_rollouts(recipe: SampleRecipe, pairs: Sequence[MinedPair], path: Path) -> list[Rollouts]:
    """The whole chunks in `path`; a part of a chunk is removed from it. Raises DataError as `roll_out`."""
    lines = read_json_lines(path)
    # A chunk that was cut off in the middle is sampled again as a whole, with its own seed.
    whole = len(lines) if len(lines) == len(pairs) else len(lines) // recipe.chunk * recipe.chunk
    kept = lines[:whole]
    if [(line["query"], line["candidate"]) for line in kept] != [
        (pair.query.id, pair.candidate.id) for pair in pairs[:whole]
    ]:
        raise DataError(f"{path}: holds rollouts of other pairs; give another run folder, or remove this file")
    write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
    return [Rollouts(tuple(line["rewards"]), tuple(line["correct"]), tuple(line["answers"])) for line in kept]


def sampler(
    recipe: SampleRecipe, pairs: Sequence[MinedPair], model: Any, processor: Any
) -> Callable[[Sequence[MinedPair], int], list[Rollouts]]:
    """A function (some of `pairs`, seed) → their rollouts by `model` or the recipe's server, with their rewards.

    Rewards that need a query's other candidates or a frozen copy do not apply.
    """
    from reidr.training.grpo.rollouts.announcing import Announcing

    known = [pair.pair() for pair in pairs]
    facts_of = facts_finder(known)
    source = source_of(recipe, model, processor)
    if recipe.rollout_server is not None:
        source = Announcing(cast("RolloutServer", source), known, recipe.seed * 1_000_003)

    def sample(chunk: Sequence[MinedPair], seed: int) -> list[Rollouts]:
        copies = [recipe.rollouts] * len(chunk)
        groups = source.sample([pair.pair() for pair in chunk], copies, max_new_tokens=recipe.max_new_tokens, seed=seed)
        rollouts = []
        for pair, group in zip(chunk, groups, strict=True):
            rewards = total_rewards(
                [completion.text for completion in group],
                [pair.label] * len(group),
                recipe.rewards,
                probability=[completion.probability for completion in group],
                facts=[facts_of(pair.pair())] * len(group),
            )
            rollouts.append(
                Rollouts(
                    tuple(each.total for each in rewards),
                    tuple(each.correct for each in rewards),
                    tuple(each.answer for each in rewards),
                )
            )
        return rollouts

    return sample


def source_of(recipe: SampleRecipe, model: Any, processor: Any) -> RolloutSource:
    """Who writes the rollouts: the recipe's server, or `model` itself. Raises ReIDError for a server that fails."""
    from reidr.training.grpo.rollouts.local import LocalRollouts
    from reidr.training.grpo.rollouts.vllm import RolloutServer

    if recipe.rollout_server is not None:
        return RolloutServer(recipe.rollout_server, model, processor)
    return LocalRollouts(model, processor, recipe.temperature)


def sampled_columns(rollouts: Sequence[Rollouts], reasons: Sequence[Reason], recipe: SampleRecipe) -> dict[str, Any]:
    """What `sampled.parquet` says of each pair beyond its provenance."""
    return {
        "pass_rate": [each.pass_rate(recipe.pass_above) for each in rollouts],
        "mean_reward": [float(np.mean(each.rewards)) for each in rollouts],
        "reward_deviation": [float(np.std(each.rewards)) for each in rollouts],
        "rollouts": [len(each.rewards) for each in rollouts],
        "said_yes": [sum(answer == "yes" for answer in each.answers) for each in rollouts],
        "said_no": [sum(answer == "no" for answer in each.answers) for each in rollouts],
        "said_insufficient": [sum(answer == "insufficient" for answer in each.answers) for each in rollouts],
        "unparsable": [sum(answer is None for answer in each.answers) for each in rollouts],
        "reason": list(reasons),
        "kept": [reason == "kept" for reason in reasons],
    }
