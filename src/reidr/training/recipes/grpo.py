"""The typed recipe of the reinforcement stage."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.reasoning.models.attention import Attention
from reidr.training.common.trackers import REPORT_TO_HELP, ReportTo
from reidr.training.grpo.rewards.registry import RewardWeights


class ReinforcementRecipe(Recipe):
    """How a reasoner is trained on its own rollouts with GRPO (`reidr train rl`)."""

    rewards: RewardWeights = Field(RewardWeights(), description="weight of each reward")
    steps: int = Field(100, ge=1, description="updates of the weights")
    pairs: int = Field(8, ge=1, description="pairs per update, as many of one person as of two")
    num_generations: int = Field(
        8, ge=2, description="rollouts per pair (a group); advantages are relative to the group"
    )
    advantage: Literal["normalised", "leave-one-out"] = Field(
        "normalised",
        description="what a rollout's reward is compared with: the mean of its group, divided by the group's standard"
        " deviation (GRPO); or the mean of the other rollouts of its group, undivided (RLOO)",
    )
    judge: Literal["policy", "frozen"] = Field(
        "policy",
        description="who reads the words alone for the reward `reasoned`: the model as it learns, or as it was at the"
        " start",
    )
    judge_loss: float = Field(
        0.0,
        ge=0,
        description="weight of the cross-entropy of the right answer word after the words of the rollouts alone: the"
        " judge learns beside its speaker",
    )
    answer_loss: float = Field(
        0.0,
        ge=0,
        description="weight of the cross-entropy of the right answer word after pictures and words of the rollouts, in"
        " the place of the policy gradient of the drawn answer word",
    )
    backward_rows: int = Field(
        64,
        ge=1,
        description="rollouts per forward and backward pass; divides pairs x num_generations. Gradients are added up,"
        " so that fewer change memory alone",
    )
    learning_rate: float = Field(2e-5, gt=0, description="learning rate after the warm-up; it stays constant")
    warmup_steps: int = Field(5, ge=0, description="steps over which the learning rate rises from 0")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    gradient_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    temperature: float = Field(1.0, gt=0, description="sampling temperature of the rollouts")
    max_new_tokens: int = Field(96, ge=8, description="most tokens per rollout")
    beta: float = Field(0.0, ge=0, description="weight of the KL divergence from the starting model; 0 leaves it out")
    lora_rank: int = Field(
        0, ge=0, description="rank of the LoRA adapters on the language model; 0 trains all weights of it"
    )
    lora_alpha: int = Field(32, ge=1, description="LoRA's scale: adapters are multiplied by lora_alpha / lora_rank")
    gradient_checkpointing: bool = Field(
        False, description="keep only the input of each layer and compute the rest again in the backward pass"
    )
    attention: Attention | None = Field(
        None,
        description="how attention is computed; flash_attention_2 needs the package flash-attn and a GPU, and runs the"
        " prompt of a group once for each of its rollouts",
    )
    rollout_server: str | None = Field(
        None,
        description="URL of a vLLM server that serves the starting checkpoint and writes the rollouts; several with "
        "commas",
    )
    held_out: Path | None = Field(
        None, description="file of candidate pairs (`reidr pairs`) whose validation pairs are measured meanwhile"
    )
    measure_every: int = Field(
        0, ge=0, description="steps between two measurements on validation pairs; 0 measures none"
    )
    measure_pairs: int = Field(128, ge=2, description="validation pairs measured, one rationale each")
    report_to: ReportTo = Field("none", description=REPORT_TO_HELP)
    save_every: int = Field(20, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, description="seed of the order of pairs and of sampling")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        rollouts = self.pairs * self.num_generations
        if rollouts % self.backward_rows and self.backward_rows < rollouts:
            raise ValueError(f"backward_rows must divide pairs x num_generations ({rollouts})")
        if self.rollout_server is not None and not self.lora_rank:
            raise ValueError("a rollout_server gets the LoRA adapter of every step: it needs lora_rank above 0")
        if self.rollout_server is not None and self.temperature != 1:
            raise ValueError("a rollout_server reports log-probabilities at temperature 1: leave the temperature at 1")
        if self.judge_loss and self.judge == "frozen" and self.rewards.reasoned:
            raise ValueError("a frozen judge learns nothing: leave judge_loss at 0, or set judge: policy")
        if self.measure_every and self.held_out is None:
            raise ValueError("measure_every needs held_out, the file of pairs that are measured")
        return self

    @property
    def rows(self) -> int:
        """Rollouts per forward and backward pass: `backward_rows`, or all of a batch where that is fewer."""
        return min(self.backward_rows, self.pairs * self.num_generations)


class ReinforcementStageRecipe(ReinforcementRecipe):
    """The same, with the checkpoint and the pairs that it starts from (`reidr train rl`)."""

    model: str = Field("runs/warmup/model", description="checkpoint to start from")
    sampled: Path = Field(
        Path("runs/sample/sampled.parquet"), description="file of pairs; of a file by `reidr sample` the kept ones"
    )
    epochs: float | None = Field(
        None, gt=0, description="passes over the sampled pairs; sets `steps`, so that no sampled pair is left out"
    )

    def with_steps(self, pairs: int) -> Self:
        """The recipe with the steps that `epochs` passes over this many pairs take; itself without `epochs`."""
        return (
            self if self.epochs is None else self.model_copy(update={"steps": ceil(self.epochs * pairs / self.pairs)})
        )
