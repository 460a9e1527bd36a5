"""TRL's GRPO trainer for pairs of crops: shared-prompt rollouts, our rewards, a shared-prompt forward pass.

TRL computes advantages, ratios and the loss. What is replaced costs time or loses information otherwise: completions of
one pair continue from one encoded prompt, so do their log-probabilities, and the probability at the answer word of each
rollout reaches the rewards. Rollouts may be written by a vLLM server (`rollout_server`); TRL corrects for the
difference between the two models' log-probabilities.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reidr.core.storage.json_lines import append_json_lines
from reidr.errors import ReIDError
from reidr.reasoning.inference.sampling import Completion
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.models.transformers_model import unwrap
from reidr.reasoning.models.vision_language_model import VisionLanguageModel
from reidr.reasoning.prompting.prompt import crop_pixels, open_pair
from reidr.training.grpo.judging.answer_loss import (
    after_pictures,
    after_words_alone,
    with_pictures,
    with_words_alone,
)
from reidr.training.grpo.rewards.total import Reward
from reidr.training.grpo.rollouts.local import LocalRollouts
from reidr.training.grpo.rollouts.source import RolloutSource
from reidr.training.grpo.rollouts.vllm import RolloutServer
from reidr.training.grpo.scoring import RolloutScorer
from reidr.training.grpo.shared_prompts import CompletionRows, GroupPrompt, group_prompts, shared_log_probabilities
from reidr.training.grpo.statistics import statistics
from reidr.training.grpo.trl_private import PrivateTrainer
from reidr.training.processes.kinds import is_sharded
from reidr.training.processes.sharding import whole_weights
from reidr.training.processes.team import processes
from reidr.training.recipes.grpo import ReinforcementRecipe

LARGEST_DIFFERENCE = 1.0
"""Nats per token between the server's and the model's log-probabilities; with equal weights less than 0.02 (tested)."""


class PairTrainer(PrivateTrainer):
    """A trainer whose data set rows have a `prompt` and the number of their pair, `pair`."""

    def __init__(
        self,
        recipe: ReinforcementRecipe,
        scorer: RolloutScorer,
        completions: Path,
        *,
        model: Any,
        processor: Any,
        server: RolloutServer | None = None,
        **options: Any,
    ) -> None:
        """`completions` is the JSONL file to which every rollout is appended; `server` writes the rollouts instead of
        the model; `options` are GRPOTrainer's."""
        self.recipe, self.scorer, self.file, self.team = recipe, scorer, completions, processes()
        self.processor = processor
        self.groups = torch.empty(0)
        self.prompts: dict[int, GroupPrompt] = {}
        self.rollouts: list[Completion] = []
        self.rewards: list[Reward] = []
        reference = copy.deepcopy(model).eval() if recipe.beta and not recipe.lora_rank else None
        super().__init__(model=model, processing_class=processor, reward_funcs=[self.reward], **options)
        self.use_reference(reference, recipe.beta, recipe.temperature)
        self.server = server
        if server is not None:
            self.use_other_engine()
        if self.accelerator.num_processes > 1:
            call_in_forward(unwrap(self.model))
        self.source: RolloutSource = server or LocalRollouts(
            self.accelerator.unwrap_model(self.model), processor, recipe.temperature
        )

    def reward(self, pair: Sequence[int], log_metric: Callable[[str, float], None], **_: Any) -> list[float | None]:
        """Totals for TRL; each reward and statistics of all processes' answers go to the log."""
        with self.whole() if self.scorer.reads_words else nullcontext():
            self.rewards = self.scorer.score(pair, self.rollouts)
        sent = [replace(each, parts=dict(each.parts)) for each in self.rewards]  # views of mappings cannot be pickled
        everyone = self.team.gather((sent, self.rollouts, self.scorer.labels(pair), list(pair)))
        rewards, rollouts, labels, groups = (
            [each for own in part for each in own] for part in zip(*everyone, strict=True)
        )
        for name, value in statistics(rewards, rollouts, labels, groups).items():
            log_metric(name, value)
        return [reward.total for reward in self.rewards]

    def score_rollouts(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """As TRL, with the pair of each row as `groups`; writes the rollouts to the completions file.

        Raises ReIDError where the server has other weights, and as the rewards and the source of rollouts.
        """
        pairs = [row["pair"] for row in rows]
        self.groups = torch.tensor(pairs)
        output = super().score_rollouts(rows)
        output["groups"] = self.groups
        if self.server is not None:
            check_server(output)
        if self.recipe.advantage == "leave-one-out":
            # TRL gives the difference to the mean of the whole group, in which each rollout takes part itself.
            output["advantages"] *= self.recipe.num_generations / (self.recipe.num_generations - 1)
        self._write(pairs, output["advantages"].tolist())
        return output | self._right_answers(pairs, output)

    def _right_answers(self, pairs: Sequence[int], output: dict[str, Any]) -> dict[str, Tensor]:
        """What the losses of the right answer word need, row by row, where the recipe asks for them.

        Where the answer word after the pictures has its own loss, the sampled one has no advantage.
        """
        adapter, labels = self.adapter(self.model), self.scorer.labels(pairs)
        found: dict[str, Tensor] = {}
        if self.recipe.answer_loss:
            own = after_pictures(adapter, self.rollouts, labels)
            found |= {"answered_ids": own.ids, "answered_mask": own.mask}
            kept = torch.ones_like(output["completion_mask"])
            rows = own.readable.nonzero()[:, 0]
            kept[rows, own.mask.sum(dim=1)[rows] - 1] = 0
            found["advantages"] = output["advantages"][:, None] * kept
        if self.recipe.judge_loss:
            alone = after_words_alone(adapter, self.rollouts, labels)
            found |= {"judged_ids": alone.ids, "judged_mask": alone.mask}
        return {name: each.to(output["completion_ids"].device) for name, each in found.items()}

    def _write(self, pairs: Sequence[int], advantages: Sequence[float]) -> None:
        """Append this batch's rollouts, those of all processes, to the completions file."""
        records = []
        for pair, completion, reward, advantage in zip(pairs, self.rollouts, self.rewards, advantages, strict=True):
            record = {
                "step": self.state.global_step + 1,
                **self.scorer.describe(pair),
                "text": completion.text,
                "tokens": len(completion.ids),
                "ended": completion.ended,
                "answer": reward.answer,
                "probability": completion.probability,
                **({} if reward.reasoned is None else {"reasoned": reward.reasoned}),
                "reward": reward.total,
                "parts": dict(reward.parts),
                "advantage": advantage,
            }
            records.append(record)
        gathered = [record for own in self.team.gather(records) for record in own]
        if self.team.is_first:
            append_json_lines(self.file, gathered)

    def loss_of(self, model: Any, batch: dict[str, Any]) -> Tensor:
        """As TRL, for the groups of `batch`; and the losses of the right answer word that the recipe asks for."""
        self.groups = batch["groups"]
        loss = super().loss_of(model, batch)
        if self.recipe.answer_loss:
            rows = CompletionRows(self.groups, self.prompts, batch["answered_ids"], batch["answered_mask"])
            value = self.through(model, lambda: with_pictures(self.adapter(model), rows))
            loss = loss + self.recipe.answer_loss * self._of_a_pass("answer_loss", value)
        if self.recipe.judge_loss:
            ids, mask = batch["judged_ids"], batch["judged_mask"]
            value = self.through(model, lambda: with_words_alone(self.adapter(model), ids, mask))
            loss = loss + self.recipe.judge_loss * self._of_a_pass("judge_loss", value)
        return loss

    def _of_a_pass(self, name: str, total: Tensor) -> Tensor:
        """The part of a loss that one pass adds, from its sum over rows; a row that cannot be read counts as 0."""
        mean = total / len(self.groups)
        self.note(name, self.accelerator.gather(mean.detach()).mean().item())
        return mean / self.args.gradient_accumulation_steps

    def through(self, model: Any, work: Callable[[], Any]) -> Any:
        """`work()`, within a forward pass of what several processes have put around `model`: it must see it."""
        if self.accelerator.num_processes > 1 and model in (self.model, self.model_wrapped):
            return model(work=work)
        return work()

    def log_probabilities(
        self, model: Any, ids: Tensor, mask: Tensor, length: int, batch_size: int | None, **inputs: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As TRL, but the prompt of a group is run once (`shared_log_probabilities`)."""
        found: tuple[Tensor, Tensor | None, Tensor | None] = self.through(
            model, lambda: self.log_probabilities_here(model, ids, mask, length, batch_size, **inputs)
        )
        return found

    def log_probabilities_here(
        self, model: Any, ids: Tensor, mask: Tensor, length: int, batch_size: int | None, **inputs: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """`log_probabilities` within the forward pass of what is wrapped around `model`."""
        adapter = self.adapter(model)
        rows = CompletionRows(self.groups, self.prompts, ids[:, -length:], mask[:, -length:])
        size = batch_size or len(ids)
        parts = []
        for start in range(0, len(ids), size):
            with self.accelerator.autocast():
                parts.append(shared_log_probabilities(adapter, rows.part(start, size), self.recipe.temperature))
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), None

    def adapter(self, model: Any) -> VisionLanguageModel:
        """The architecture's adapter around `model`, as the trainer or its accelerator holds it."""
        return adapt(self.accelerator.unwrap_model(model), self.processor, crop_pixels(self.processor))

    def hand_over_weights(self) -> None:
        """Let the server write with the adapter as it is now; the first process gives it."""
        server = self.server
        if server is not None:
            trained = self.accelerator.unwrap_model(self.model)
            with self.whole():
                name = self.team.from_first(lambda: server.load_adapter(trained))
            if not self.team.is_first:
                server.use_adapter(name)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within the block each process has all weights, also where they are sharded."""
        with whole_weights(self.model_wrapped, self.accelerator) if is_sharded() else nullcontext():
            yield

    def roll_out(self, prompts: list[Any]) -> dict[str, Any]:
        """One completion for each of `prompts`; those of one group share the encoded prompt."""
        rows: dict[int, list[int]] = {}
        for row, (group, _) in enumerate(zip(self.groups.tolist(), prompts, strict=True)):
            rows.setdefault(group, []).append(row)
        images = [open_pair(self.scorer.drawn[group].shown) for group in rows]
        copies = [len(own) for own in rows.values()]
        with self.whole():
            groups = self.source.sample(
                images, copies, max_new_tokens=self.recipe.max_new_tokens, seed=self.seed_of_rollouts()
            )
        order = [row for own in rows.values() for row in own]
        by_row = dict(zip(order, (completion for group in groups for completion in group), strict=True))
        self.rollouts = [by_row[row] for row in range(len(prompts))]
        self.prompts = dict(zip(rows, group_prompts(self.adapter(self.model), images), strict=True))
        return {
            "prompt_ids": [self.prompts[group].ids.tolist() for group in self.groups.tolist()],
            "completion_ids": [list(completion.ids) for completion in self.rollouts],
            # The model's own rollouts are on-policy: one update per batch of rollouts.
            "logprobs": None if self.server is None else [list(each.log_probabilities) for each in self.rollouts],
        }

    def seed_of_rollouts(self) -> int:
        """The seed of the first pair of this step and process; each further pair has the next one."""
        first = self.team.rank * self.recipe.pairs // self.team.count
        return int(self.recipe.seed * 1_000_003 + self.state.global_step * 1009 + first)


def call_in_forward(base: Any) -> None:
    """Let `base(work=…)` call `work`, through whatever is wrapped around `base`: that sees a forward pass."""
    forward = base.forward

    def called(*arguments: Any, work: Callable[[], Any] | None = None, **options: Any) -> Any:
        return forward(*arguments, **options) if work is None else work()

    base.forward = called


def check_server(output: dict[str, Any]) -> None:
    """Raise ReIDError where the server's rollouts are so unlikely to the model that the server has other weights."""
    mask = output["completion_mask"].bool()
    difference = (output["old_per_token_logps"] - output["sampling_per_token_logps"])[mask].abs().mean()
    if not float(difference) <= LARGEST_DIFFERENCE:
        raise ReIDError(
            f"the server of rollouts has other weights: its log-probabilities differ by {float(difference):.2f} from "
            "the model's on average; start it with the checkpoint that this training starts from"
        )
