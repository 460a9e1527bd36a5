"""Settings of non-trivial sampling (`reidr sample`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.reasoning.models.attention import Attention
from reidr.training.grpo.rewards.registry import RewardWeights


class SampleRecipe(Recipe):
    """Which candidate pairs are kept for reinforcement learning (`reidr sample`)."""

    model: str = Field("runs/warmup/model", description="warmed-up checkpoint that writes the rollouts")
    pairs: Path = Field(Path("runs/pairs/pairs.parquet"), description="file of candidate pairs (`reidr pairs`)")
    rule: Literal["non-trivial", "random", "all"] = Field(
        "non-trivial",
        description="non-trivial: by pass rate and retriever confidence; for comparison: as many at random, or all of "
        "them (labels balanced)",
    )
    rewards: RewardWeights = Field(
        RewardWeights(), description="reward weights; use those of the reinforcement learning that follows"
    )
    most_pairs: int = Field(100_000, ge=2, description="most pairs for which rollouts are sampled")
    rollouts: int = Field(8, ge=2, description="completions sampled per pair")
    temperature: float = Field(1.0, gt=0, description="sampling temperature")
    max_new_tokens: int = Field(96, ge=8, description="most tokens per completion")
    pass_above: float = Field(
        0.0, description="a completion passes if its answer is right and its reward is above this value"
    )
    rank_most: int = Field(
        50, ge=1, description="a pair is dropped if the retriever ranks its candidate below this: it is sure then"
    )
    gap_most: float = Field(
        0.5,
        ge=0,
        description="a pair is dropped if its candidate is farther than the query's nearest candidate by more than "
        "this (Euclidean distance of unit vectors)",
    )
    band_low: float = Field(0.0, ge=0, lt=1, description="a pair is kept only if its pass rate is above this")
    band_high: float = Field(1.0, gt=0, le=1, description="a pair is kept only if its pass rate is below this")
    budget_share: float | None = Field(
        0.209, gt=0, le=1, description="most pairs kept, as a share of all pairs (paper: 20.9 %)"
    )
    budget_of: Literal["pairs", "training images"] = Field(
        "pairs",
        description="what budget_share is a share of: all candidate pairs, or the training images of each data set, "
        "which then has a budget of its own (the paper's 14.3 K are 20.9 % of 68,445 images)",
    )
    half_precision: bool = Field(
        False, description="sample with bfloat16 weights on a GPU, as reinforcement learning with LoRA does"
    )
    attention: Attention | None = Field(
        None, description="how attention is computed; flash_attention_2 needs the package flash-attn and a GPU"
    )
    rollout_server: str | None = Field(
        None,
        description="URL of a vLLM server that serves the checkpoint and samples the completions; several with commas",
    )
    chunk: int = Field(32, ge=1, description="pairs per batch of rollouts; a stopped run resumes after the last batch")
    seed: int = Field(0, ge=0, description="seed of sampling and of the choice among equal pairs")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.band_low >= self.band_high:
            raise ValueError("band_low must lie below band_high")
        if self.rollout_server is not None and self.temperature != 1:
            raise ValueError("a rollout_server reports log-probabilities at temperature 1: leave the temperature at 1")
        return self
