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
from reidr.training.processes.team import processes
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

    Several processes share the chunks. Each writes those of its own to a file beside `path`, which are put together
    when a run ends or begins: a run may go on with another number of processes, and gives the same bytes.

    Args:
        sample: (pairs, seed) → their rollouts; see `sampler`.

    Raises:
        DataError: `path` holds rollouts of other pairs.
    """
    team = processes()
    done = team.from_first(lambda: merge_chunks(recipe, pairs, path))
    starts = [start for start in range(0, len(pairs), recipe.chunk) if start not in done]
    kept = sum(min(recipe.chunk, len(pairs) - start) for start in done)
    note_step(path.parent, "pair", kept)
    if advance is not None:
        advance(kept)
    own = path.with_name(f"{path.stem}-{team.rank}{path.suffix}")
    for turn, start in enumerate(starts[team.rank :: team.count]):
        chunk = pairs[start : start + recipe.chunk]
        rollouts = sample(chunk, recipe.seed * 1_000_003 + start)
        append_json_lines(
            own,
            [
                {"chunk": start, "query": pair.query.id, "candidate": pair.candidate.id, **vars(each)}
                for pair, each in zip(chunk, rollouts, strict=True)
            ],
        )
        # The others have done about as many chunks.
        latest = len(starts[turn * team.count : (turn + 1) * team.count]) * recipe.chunk
        latest = min(latest, len(pairs) - kept)
        kept += latest
        note_step(path.parent, "pair", kept)
        if advance is not None:
            advance(latest)
    team.wait()
    whole = team.from_first(lambda: merge_chunks(recipe, pairs, path))
    return [each for start in sorted(whole) for each in whole[start]]


def merge_chunks(recipe: SampleRecipe, pairs: Sequence[MinedPair], path: Path) -> dict[int, list[Rollouts]]:
    """Every whole chunk that is kept beside `path`, by its first pair; `path` holds them in order afterwards.

    A chunk that was cut off in the middle is left out: it is sampled again as a whole, with its own seed. Raises
    DataError as `roll_out`.
    """
    parts = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))
    lines: dict[int, list[dict[str, Any]]] = {}
    for file in (path, *parts):
        if file.is_file():
            for place, line in enumerate(read_json_lines(file)):
                # Earlier versions wrote all chunks in their order, and did not number them.
                line.setdefault("chunk", place // recipe.chunk * recipe.chunk)
                lines.setdefault(line["chunk"], []).append(line)
    expected = {
        start: [(pair.query.id, pair.candidate.id) for pair in pairs[start : start + recipe.chunk]]
        for start in range(0, len(pairs), recipe.chunk)
    }
    # A start that was killed between merging and removing leaves a chunk twice; both are the same.
    found = {start: own[: len(expected.get(start, ()))] for start, own in sorted(lines.items())}
    for start, own in found.items():
        if [(line["query"], line["candidate"]) for line in own] != expected.get(start, [])[: len(own)] or not own:
            raise DataError(f"{path}: holds rollouts of other pairs; give another run folder, or remove this file")
    whole = {start: own for start, own in found.items() if len(own) == len(expected[start])}
    if lines:
        write_text(path, "".join(json.dumps(line) + "\n" for own in whole.values() for line in own))
    for file in parts:
        file.unlink()
    return {
        start: [Rollouts(tuple(line["rewards"]), tuple(line["correct"]), tuple(line["answers"])) for line in own]
        for start, own in whole.items()
    }


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
    from reidr.reasoning.lora.storage import has_lora
    from reidr.reasoning.models.transformers_model import unwrap
    from reidr.training.grpo.rollouts.local import LocalRollouts
    from reidr.training.grpo.rollouts.vllm import RolloutServer

    if recipe.rollout_server is not None:
        server = RolloutServer(recipe.rollout_server, unwrap(model), processor)
        if has_lora(model):
            server.load_adapter(model)
        return server
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
