"""TRL's GRPO trainer for pairs of crops: shared-prompt rollouts, our rewards, a shared-prompt forward pass.

TRL decides advantages, ratios, clipping and the loss. Changed are three things that cost time or lose information:
rollouts continue from one prompt per pair, so do the log-probabilities of a group, and the probability at the answer
position of each rollout reaches the rewards. Added are rollouts written by a vLLM server of another version
(`rollout_server`); TRL corrects for the difference between the two models' log-probabilities.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reidr.core.storage.json_lines import append_json_lines
from reidr.errors import ReIDError
from reidr.reasoning.inference.generation_settings import Thinking
from reidr.reasoning.inference.sampling import Completion, continue_prompts, pair_prompts, read_completions
from reidr.reasoning.models.architectures import adapt
from reidr.reasoning.models.transformers_model import unwrap
from reidr.reasoning.prompting.prompt import encode_pairs
from reidr.training.grpo.rewards import Reward
from reidr.training.grpo.vllm_rollouts import RolloutServer
from reidr.training.recipes.grpo import ReinforcementRecipe

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

Score = Callable[[Sequence[int], Sequence[Completion]], list[Reward]]
"""(numbers of the pairs in the data set, their rollouts) → rewards."""

FURTHEST = (
    1.0  # nats per token between the server's and our log-probabilities; of the same weights less than 0.02 (tested)
)

Describe = Callable[[int], dict[str, Any]]
"""Number of a pair in the data set → what is written of it beside each completion."""


class PairTrainer(GRPOTrainer):
    """`GRPOTrainer` whose data set rows have a `prompt`, two `images` and their number `pair`."""

    def __init__(
        self,
        recipe: ReinforcementRecipe,
        score: Score,
        describe: Describe,
        completions: Path,
        *,
        model: Any,
        processor: Any,
        server: RolloutServer | None = None,
        **options: Any,
    ) -> None:
        """`completions` is the JSONL file to which every rollout is appended; `server` writes the rollouts in place of
        the model here; `options` are GRPOTrainer's."""
        self.recipe, self.score, self.describe, self.file = recipe, score, describe, completions
        self.processor = processor
        self.groups = torch.empty(0)
        self.rollouts: list[Completion] = []
        self.rewards: list[Reward] = []
        # TRL would load the reference again by the model's path and by a class of transformers' own; ours may have
        # neither. With LoRA, the reference is the model without its adapters.
        reference = copy.deepcopy(model).eval() if recipe.beta and not recipe.lora_rank else None
        super().__init__(
            model=model, processing_class=processor, reward_funcs=[self.reward], rollout_func=rollout, **options
        )
        self.beta = recipe.beta
        self.server = server
        if server is not None:
            # TRL hands the weights over before each batch, and weighs rollouts by how likely they are here.
            self.use_vllm, self.vllm_mode, self._last_loaded_step = True, "server", -1
            self.vllm_generation: Any = AdapterSync(self, server)
        if reference is not None:
            self.ref_model = reference.requires_grad_(False)
            add_fused_lm_head(self.ref_model, temperature=recipe.temperature)

    def reward(self, pair: Sequence[int], log_metric: Callable[[str, float], None], **_: Any) -> list[float | None]:
        """Totals for TRL; the parts and what the answers are like go to the log."""
        self.rewards = self.score(pair, self.rollouts)
        for name, value in statistics(
            self.rewards, self.rollouts, [self.describe(row)["label"] for row in pair]
        ).items():
            log_metric(name, value)
        return [reward.total for reward in self.rewards]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        pairs = [row["pair"] for row in inputs]
        self.groups = torch.tensor(pairs)
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        output["groups"] = self.groups
        if self.server is not None:
            check_server(output)
        self._write(pairs, output["advantages"].tolist())
        return output

    def _write(self, pairs: Sequence[int], advantages: Sequence[float]) -> None:
        """Append this batch's rollouts to the completions file."""
        records = []
        for pair, done, reward, advantage in zip(pairs, self.rollouts, self.rewards, advantages, strict=True):
            record = {
                "step": self.state.global_step + 1,
                **self.describe(pair),
                "text": done.text,
                "tokens": len(done.ids),
                "ended": done.ended,
                "answer": reward.answer,
                "probability": done.probability,
                "reward": reward.total,
                "parts": dict(reward.parts),
                "advantage": advantage,
            }
            records.append(record)
        append_json_lines(self.file, records)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self.groups = inputs["groups"]
        loss: Tensor = super()._compute_loss(model, inputs)
        return loss

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        # With several processes the wrapper around the model must see the forward pass, and TRL's own is used.
        if self.accelerator.num_processes > 1:
            return super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size=batch_size, **options
            )
        base = unwrap(self.accelerator.unwrap_model(model))
        size = batch_size or len(input_ids)
        chances, entropies = [], []
        pictures = options["image_grid_thw"].view(len(input_ids), 2, 3)
        patches = options["pixel_values"].split(pictures.prod(dim=2).sum(dim=1).tolist())
        for start in range(0, len(input_ids), size):
            rows = slice(start, start + size)
            with self.accelerator.autocast():
                found = shared_log_probabilities(
                    base,
                    self.groups[rows],
                    input_ids[rows],
                    attention_mask[rows],
                    options["mm_token_type_ids"][rows],
                    pictures[rows],
                    patches[rows],
                    logits_to_keep,
                    self.temperature,
                )
            chances.append(found[0])
            entropies.append(found[1])
        return torch.cat(chances), torch.cat(entropies), None


def shared_log_probabilities(
    model: Any,
    groups: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor,
    types: Tensor,
    grids: Tensor,
    patches: Sequence[Tensor],
    length: int,
    temperature: float,
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of each completion token, (R, `length`) each; prompts are run once per group.

    Args:
        groups: (R,) rows of equal number have the same prompt and pictures. input_ids, attention_mask, types: (R, P +
            `length`), prompts padded on the left, completions on the right. grids: (R, 2, 3). patches: per row.

    Equal to a pass over whole rows, gradients included (tested): the key-value cache of a prompt is part of the graph.
    """
    _, source = torch.unique(groups, return_inverse=True)
    first = torch.stack([(source == group).nonzero()[0, 0] for group in range(int(source.max()) + 1)])
    source = source.to(input_ids.device)
    prompt = input_ids.shape[1] - length
    begun = model.model(
        input_ids=input_ids[first, :prompt],
        attention_mask=attention_mask[first, :prompt],
        mm_token_type_ids=types[first, :prompt],
        pixel_values=torch.cat([patches[row] for row in first.tolist()]),
        image_grid_thw=grids[first].flatten(0, 1),
        use_cache=True,
    )
    cache = begun.past_key_values
    cache.batch_select_indices(source)
    start = attention_mask[:, :prompt].sum(dim=1) + model.model.rope_deltas[source, 0]
    model.model.rope_deltas = None
    positions = start[:, None] + torch.arange(length, device=start.device)
    # The last token predicts nothing that is kept.
    went_on = model.model(
        input_ids=input_ids[:, prompt:-1],
        attention_mask=attention_mask[:, :-1],
        position_ids=positions[:, :-1].expand(3, -1, -1),
        past_key_values=cache,
        use_cache=True,
    )
    hidden = torch.cat([begun.last_hidden_state[source, -1:], went_on.last_hidden_state], dim=1)
    scores = (model.get_output_embeddings()(hidden).float() / temperature).log_softmax(dim=-1)
    chosen = scores.gather(2, input_ids[:, prompt:, None])[:, :, 0]
    with torch.no_grad():
        spread = -(scores.exp() * scores).sum(dim=-1)
    return chosen, spread


class AdapterSync:
    """What TRL takes for its own vLLM: it only has to hand over the weights."""

    def __init__(self, trainer: Any, server: RolloutServer) -> None:
        self.trainer, self.server = trainer, server

    def sync_weights(self) -> None:
        """Let the server write by the adapter as it is now."""
        self.server.take_up(self.trainer.accelerator.unwrap_model(self.trainer.model))


def check_server(output: dict[str, Any]) -> None:
    """Raises ReIDError where the server's rollouts are so unlikely here that it must have other weights."""
    mask = output["completion_mask"].bool()
    apart = (output["old_per_token_logps"] - output["sampling_per_token_logps"])[mask].abs().mean()
    if not float(apart) <= FURTHEST:
        raise ReIDError(
            f"the server of rollouts has other weights: its log-probabilities lie {float(apart):.2f} from ours on "
            "average; start it with the checkpoint that this training starts from"
        )


def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
    """TRL's `rollout_func`: one completion for each of `prompts`; those of one of `trainer.groups` share a prefill."""
    pictures = [
        tuple(part["image"] for message in prompt for part in message["content"] if part["type"] == "image")
        for prompt in prompts
    ]
    rows: dict[int, list[int]] = {}
    for row, (group, _) in enumerate(zip(trainer.groups.tolist(), prompts, strict=True)):
        rows.setdefault(group, []).append(row)
    images = [pictures[own[0]] for own in rows.values()]
    inputs = encode_pairs(trainer.processor, images, "think")
    copies = [len(own) for own in rows.values()]
    here = trainer.server is None
    found = roll_out_here(trainer, images, copies) if here else roll_out_by_server(trainer, images, copies)
    places = [place for own in rows.values() for place in own]
    trainer.rollouts = [completion for _, completion in sorted(zip(places, found, strict=True), key=lambda x: x[0])]
    masks = inputs["attention_mask"].bool()
    prompt_ids: list[list[int]] = [[]] * len(prompts)
    for number, own in enumerate(rows.values()):
        ids = inputs["input_ids"][number][masks[number]].tolist()
        for row in own:
            prompt_ids[row] = ids
    return {
        "prompt_ids": prompt_ids,
        "completion_ids": [list(completion.ids) for completion in trainer.rollouts],
        # Our own are on-policy, as TRL counts one update per rollout batch: it needs no log-probabilities of them.
        "logprobs": None if here else [list(each.log_probabilities) for each in trainer.rollouts],
    }


def seed_of(trainer: Any) -> int:
    """The seed of a batch of rollouts."""
    return int(trainer.recipe.seed * 1_000_003 + trainer.state.global_step * 1009 + trainer.accelerator.process_index)


def roll_out_here(trainer: Any, images: list[Any], copies: list[int]) -> list[Completion]:
    """`copies[i]` completions for pair i, one pair's after the other's, by the model itself."""
    model = adapt(trainer.accelerator.unwrap_model(trainer.model), trainer.processor)
    recipe = trainer.recipe
    settings = Thinking(recipe.max_new_tokens, recipe.temperature, seed_of(trainer))
    return read_completions(model, continue_prompts(model, pair_prompts(model, images, "think"), copies, settings))


def roll_out_by_server(trainer: Any, images: list[Any], copies: list[int]) -> list[Completion]:
    """The same by the server."""
    groups = trainer.server.sample(images, copies, max_new_tokens=trainer.recipe.max_new_tokens, seed=seed_of(trainer))
    return [completion for group in groups for completion in group]


def statistics(rewards: Sequence[Reward], rollouts: Sequence[Completion], labels: Sequence[bool]) -> dict[str, float]:
    """What the answers of one batch are like; a share of nothing is NaN, which TRL leaves out of its means."""

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values) if values else float("nan")

    said = Counter(reward.answer for reward in rewards)
    known = [reward.parts for reward in rewards]
    parts = {name: [part[name] for part in known if part[name] is not None] for name in known[0]}
    texts = [completion.text for completion, reward in zip(rollouts, rewards, strict=True) if reward.answer]
    return {
        "parsable": 1.0 - said[None] / len(rewards),
        "said_yes": said["yes"] / len(rewards),
        "said_insufficient": said["insufficient"] / len(rewards),
        "distinct_texts": mean([len(set(texts)) / len(texts)]) if texts else float("nan"),
        **{
            f"accuracy_{name}": mean(
                [float(r.correct) for r, label in zip(rewards, labels, strict=True) if label == of]
            )
            for name, of in (("same", True), ("different", False))
        },
        **{f"reward_{name}": mean(values) for name, values in parts.items()},  # type: ignore[arg-type]
    }
