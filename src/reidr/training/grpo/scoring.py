"""From rollouts of drawn pairs to their rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reidr.reasoning.types import Pair
from reidr.training.grpo.drawn_pairs import DrawnPair
from reidr.training.grpo.rewards.columns import Facts, rank_context
from reidr.training.grpo.rewards.registry import RewardWeights
from reidr.training.grpo.rewards.total import Reward, total_rewards

if TYPE_CHECKING:
    from reidr.reasoning.inference.sampling import Completion
    from reidr.training.grpo.judging.words_judge import WordsJudge


class RolloutScorer:
    """Scores rollouts of `drawn` pairs, which are named by their number."""

    def __init__(
        self,
        weights: RewardWeights,
        drawn: Sequence[DrawnPair],
        facts_of: Callable[[Pair], Facts | None],
        *,
        text_only: WordsJudge | None = None,
        judge: WordsJudge | None = None,
    ) -> None:
        """`facts_of`: see `pairs.attributes.facts_finder`. `text_only`, `judge`: who reads P(same) from words alone for
        the rewards `text_only` and `reasoned`; None without them."""
        self.weights, self.drawn, self.facts_of = weights, drawn, facts_of
        self.text_only, self.judge = text_only, judge

    @property
    def reads_words(self) -> bool:
        """Whether a model is asked to read words alone."""
        return self.text_only is not None or self.judge is not None

    def describe(self, number: int) -> dict[str, Any]:
        """What is written about a pair beside each of its completions."""
        pair = self.drawn[number].shown
        return {"pair": number, "a": pair.query.id, "b": pair.candidate.id, "label": pair.label}

    def labels(self, numbers: Sequence[int]) -> list[bool]:
        """Whether each pair shows the same person."""
        return [bool(self.drawn[number].shown.label) for number in numbers]

    def score(self, numbers: Sequence[int], completions: Sequence[Completion]) -> list[Reward]:
        """The reward of each completion; completion i is about pair `numbers[i]`. Raises as `total_rewards`."""
        texts = [completion.text for completion in completions]
        unknown: list[float | None] = [None] * len(texts)
        frozen = unknown if self.text_only is None else self.text_only.score(texts)
        if self.judge is None or self.judge is self.text_only:
            read = unknown if self.judge is None else frozen
        else:
            read = self.judge.score(texts)
        return total_rewards(
            texts,
            self.labels(numbers),
            self.weights,
            probability=[completion.probability for completion in completions],
            text_only_probability=frozen,
            reasoned_probability=read,
            rank_context=[rank_context(self.drawn[number].mined) for number in numbers],
            facts=[self.facts_of(self.drawn[number].shown) for number in numbers],
        )
