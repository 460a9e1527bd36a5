"""Non-trivial sampling: the pairs worth reinforcing are those the retriever cannot settle and the model sometimes can.

Where every rollout of a pair passes, or none does, the advantages of its group are all zero and nothing is learnt from
it (DAPO, arXiv 2503.14476); where the retriever is sure, the reasoner will not be asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from reidr.core.process.signals import note_step
from reidr.core.storage.files import write_text
from reidr.core.storage.json_lines import append_json_lines, read_json_lines
from reidr.errors import DataError
from reidr.reasoning.types import Pair
from reidr.training.pairs.table import MinedPair
from reidr.training.recipes.sampling import SampleRecipe

if TYPE_CHECKING:
    from reidr.reasoning.inference.sampling import Completion

Reason = Literal["kept", "retriever is sure", "never passes", "always passes", "label balance", "over budget"]
REASONS: tuple[str, ...] = get_args(Reason)
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Rollouts:
    """What n completions of a pair earned.

    Attributes:
        rewards: the training reward of each. correct: whether each gave the right answer. answers: the answer word of
            each, None for an unparsable one.
    """

    rewards: tuple[float, ...]
    correct: tuple[bool, ...]
    answers: tuple[str | None, ...]

    def pass_rate(self, above: float) -> float:
        """Share of completions with the right answer and a reward above `above`."""
        passed = [right and reward > above for right, reward in zip(self.correct, self.rewards, strict=True)]
        return sum(passed) / len(passed)


def select_non_trivial(
    pass_rates: Sequence[float],
    labels: Sequence[bool],
    ranks: Sequence[int],
    gaps: Sequence[float],
    recipe: SampleRecipe,
) -> list[Reason]:
    """Why each of N pairs is kept or dropped; the first reason that applies, in this order.

    1. "retriever is sure": rank above `rank_most`, or more than `gap_most` beyond the query's nearest candidate.
    2. "never passes": pass rate not above `band_low`. "always passes": not below `band_high`.
    3. "label balance", "over budget": of what is left, pairs are taken in turn from both labels, those with a pass rate
       nearest to 1/2 (the most variance in the group's rewards) first and equals in random order, until one label has
       run out or the budget is spent. The rest of a label whose fellow ran out is "label balance",
       any other "over budget".

    The rule "random" replaces 1 and 2 by nothing and takes pairs at random; "all" does so without a budget. Both keep
    labels balanced, so that only the choice differs.

    Raises:
        DataError: sequences of different lengths, or a pass rate outside [0, 1].
    """
    number = len(pass_rates)
    if not number == len(labels) == len(ranks) == len(gaps):
        raise DataError(f"{number} pass rates, {len(labels)} labels, {len(ranks)} ranks, {len(gaps)} gaps: not equal")
    outside = next((rate for rate in pass_rates if not 0 <= rate <= 1), None)
    if outside is not None:
        raise DataError(f"a pass rate must lie in [0, 1], not {outside!r}")
    reasons: list[Reason] = ["over budget"] * number
    lots = np.random.default_rng(recipe.seed).permutation(number).tolist()
    eligible: dict[bool, list[int]] = {True: [], False: []}
    for place in range(number):
        dropped = (
            _dropped(pass_rates[place], ranks[place], gaps[place], recipe) if recipe.rule == "non-trivial" else None
        )
        if dropped is not None:
            reasons[place] = dropped
        else:
            eligible[bool(labels[place])].append(place)
    for own in eligible.values():
        if recipe.rule == "non-trivial":
            own.sort(key=lambda place: (abs(pass_rates[place] - 0.5), lots[place]))
        else:
            own.sort(key=lambda place: lots[place])
    each = min(budget_of(number, recipe) // 2, len(eligible[True]), len(eligible[False]))
    for label, own in eligible.items():
        # The other label would have had to go on for this one to: then it is not the budget that stopped it.
        short = len(eligible[not label]) == each and 2 * each + 2 <= budget_of(number, recipe)
        for turn, place in enumerate(own):
            reasons[place] = "kept" if turn < each else "label balance" if short else "over budget"
    return reasons


def budget_of(number: int, recipe: SampleRecipe) -> int:
    """Most pairs to keep of `number`: the count, else the share, else all."""
    if recipe.rule == "all":
        return number
    if recipe.budget_count is not None:
        return min(number, recipe.budget_count)
    return number if recipe.budget_share is None else int(number * recipe.budget_share)


def _dropped(rate: float, rank: int, gap: float, recipe: SampleRecipe) -> Reason | None:
    """Why a pair is not even eligible; None where it is."""
    if rank > recipe.rank_most or gap > recipe.gap_most:
        return "retriever is sure"
    if rate <= recipe.band_low:
        return "never passes"
    if rate >= recipe.band_high:
        return "always passes"
    return None


def roll_out(
    recipe: SampleRecipe,
    pairs: Sequence[MinedPair],
    sample: Callable[[Sequence[MinedPair], int], list[Rollouts]],
    path: Path,
    advance: Advance | None = None,
) -> list[Rollouts]:
    """The rollouts of every pair, in chunks kept in the JSON lines of `path`; a stopped run goes on after the last.

    Args:
        sample: (pairs, seed) → their rollouts; see `sampler`.

    Raises:
        DataError: `path` holds rollouts of other pairs.
    """
    done: list[Rollouts] = []
    if path.is_file():
        lines = read_json_lines(path)
        # A chunk cut off in the middle is drawn again whole, with its own seed.
        whole = len(lines) if len(lines) == len(pairs) else len(lines) // recipe.chunk * recipe.chunk
        kept = lines[:whole]
        if [(each["query"], each["candidate"]) for each in kept] != [
            (pair.query.id, pair.candidate.id) for pair in pairs[:whole]
        ]:
            raise DataError(f"{path}: holds rollouts of other pairs; give another run folder, or remove this file")
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        done = [Rollouts(tuple(each["rewards"]), tuple(each["correct"]), tuple(each["answers"])) for each in kept]
    note_step(path.parent, "pair", len(done))
    if advance is not None:
        advance(len(done))
    for start in range(len(done), len(pairs), recipe.chunk):
        chunk = pairs[start : start + recipe.chunk]
        found = sample(chunk, recipe.seed * 1_000_003 + start)
        append_json_lines(
            path,
            [
                {"query": pair.query.id, "candidate": pair.candidate.id, **vars(each)}
                for pair, each in zip(chunk, found, strict=True)
            ],
        )
        done += found
        note_step(path.parent, "pair", len(done))
        if advance is not None:
            advance(len(chunk))
    return done


def sampler(
    recipe: SampleRecipe, pairs: Sequence[MinedPair], model: Any, processor: Any
) -> Callable[[Sequence[MinedPair], int], list[Rollouts]]:
    """Rollouts of `model` for any of `pairs`, scored by the recipe's rewards.

    Those about other candidates or a frozen copy are left out.
    """
    from reidr.reasoning.inference.generation_settings import Thinking
    from reidr.reasoning.inference.sampling import sample_completions
    from reidr.reasoning.models.architectures import adapt
    from reidr.reasoning.prompting.prompt import crop_pixels
    from reidr.training.grpo.rewards import total_reward
    from reidr.training.grpo.vllm_rollouts import RolloutServer
    from reidr.training.pairs.attributes import facts_finder

    facts_of = facts_finder([pair.pair() for pair in pairs])
    adapter = adapt(model, processor, crop_pixels(processor))
    server = None if recipe.rollout_server is None else RolloutServer(recipe.rollout_server, model, processor)

    def complete(shown: list[Pair], seed: int) -> list[list[Completion]]:
        if server is not None:
            copies = [recipe.rollouts] * len(shown)
            return server.sample(shown, copies, max_new_tokens=recipe.max_new_tokens, seed=seed)
        settings = Thinking(recipe.max_new_tokens, recipe.temperature, seed)
        return sample_completions(adapter, shown, recipe.rollouts, settings, batch_size=len(shown))

    def sample(chunk: Sequence[MinedPair], seed: int) -> list[Rollouts]:
        groups = complete([pair.pair() for pair in chunk], seed)
        found = []
        for pair, group in zip(chunk, groups, strict=True):
            facts = facts_of(pair.pair())
            earned = [
                total_reward(each.text, pair.label, recipe.rewards, probability=each.probability, facts=facts)
                for each in group
            ]
            found.append(
                Rollouts(
                    tuple(each.total for each in earned),
                    tuple(each.correct for each in earned),
                    tuple(each.answer for each in earned),
                )
            )
        return found

    return sample


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
