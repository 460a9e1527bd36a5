"""The typed recipe of the reinforcement stage."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.training.grpo.rewards import RewardWeights


class ReinforcementRecipe(Recipe):
    """How a reasoner is taught by its own rollouts, with GRPO (`reidr train rl`)."""

    rewards: RewardWeights = RewardWeights()
    fusion_weight: float = Field(0.5, ge=0, le=1, description="weight of the verdict in the rank reward's fusion")
    steps: int = Field(100, ge=1, description="updates of the weights")
    pairs: int = Field(8, ge=1, description="pairs per rollout batch, labels balanced")
    num_generations: int = Field(
        8, ge=2, description="rollouts per pair (a group); advantages are relative to the group"
    )
    backward_rows: int = Field(
        64, ge=1, description="rollouts per forward and backward pass; divides pairs x num_generations"
    )
    iterations: int = Field(1, ge=1, description="updates per rollout batch; above 1 clipping comes into play")
    learning_rate: float = Field(2e-5, gt=0)
    warmup_steps: int = Field(5, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    gradient_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(96, ge=8)
    clip_low: float = Field(0.2, gt=0, lt=1, description="ratios below 1 - clip_low are clipped")
    clip_high: float = Field(0.28, gt=0, description="ratios above 1 + clip_high are clipped (DAPO's clip-higher)")
    beta: float = Field(0.0, ge=0, description="weight of the KL divergence from the starting model; 0 leaves it out")
    scale_rewards: Literal["group", "batch", "none"] = Field(
        "group", description="whose standard deviation divides the advantages"
    )
    entropy_weight: float = Field(0.0, ge=0, description="bonus per nat of the tokens' entropy")
    lora_rank: int = Field(0, ge=0, description="0 trains all weights; above 0 LoRA on the language model only")
    lora_alpha: int = Field(32, ge=1)
    train_vision: bool = Field(False, description="let the vision encoder learn too (not with LoRA)")
    rollout_server: str | None = Field(
        None, description="address of a vLLM server that serves the starting checkpoint and writes the rollouts"
    )
    save_every: int = Field(20, ge=1, description="steps between checkpoints; a multiple of iterations")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (
            self.pairs * self.num_generations % self.backward_rows
            and self.backward_rows < self.pairs * self.num_generations
        ):
            raise ValueError(f"backward_rows must divide pairs x num_generations ({self.pairs * self.num_generations})")
        if self.save_every % self.iterations:
            raise ValueError("save_every must be a multiple of iterations, or a resumed run would differ")
        if self.lora_rank and self.train_vision:
            raise ValueError("lora_rank and train_vision exclude each other: LoRA is put on the language model only")
        if self.rollout_server is not None and not self.lora_rank:
            raise ValueError("a rollout_server is handed the LoRA adapter of every step: it needs lora_rank above 0")
        if self.rollout_server is not None and self.temperature != 1:
            raise ValueError("a rollout_server reports log-probabilities at temperature 1: leave the temperature at 1")
        return self

    @property
    def rows(self) -> int:
        """Rollouts per forward and backward pass: `backward_rows`, or all of a batch where that is fewer."""
        return min(self.backward_rows, self.pairs * self.num_generations)


class ReinforcementStageRecipe(ReinforcementRecipe):
    """The same, with what it starts from (`reidr train rl`)."""

    model: str = Field("runs/warmup/model", description="checkpoint to start from")
    sampled: Path = Field(Path("runs/sample/sampled.parquet"), description="pairs; of a sampled file the kept ones")
