"""The typed recipes of the stages between base and reinforcement: pairs, warm-up, sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.training.grpo.rewards import RewardWeights
from reidr.training.recipes.embedder_and_base import EmbedderTraining
from reidr.training.recipes.grpo import ReinforcementRecipe


class PairsRecipe(Recipe):
    """How candidate pairs are mined, always by an embedder that never saw their people (`reidr pairs`)."""

    data: tuple[Path, ...] = Field((), description="data sets with a training split; `base` brings its own")
    source: Literal["base", "retriever", "folds"] = Field(
        "base",
        description="who ranks: the vision encoder of a base run, over people it never saw; a trained retriever, over the people"
        " it held out; or `folds` retrievers trained here, each over the fold it does not see",
    )
    base: Path = Field(Path("runs/base"), description="run folder of `train base` (source base)")
    retriever: str = Field("nano", description="retriever by name or folder (source retriever)")
    folds: int = Field(3, ge=2, description="folds over identities (source folds)")
    training: EmbedderTraining = Field(EmbedderTraining(), description="of the folds' retrievers; may be short")
    held_out_share: float = Field(
        0.1, ge=0, lt=1, description="share of identities whose pairs only judge (not with source base)"
    )
    street: bool = Field(
        True, description="whether drawn people are mined beside photographed ones; where there are no photos they are"
    )
    held_out_street_people: int = Field(60, ge=4, description="drawn people whose pairs only judge (source base)")
    queries: int = Field(4000, ge=1, description="most queries per fold and data set, drawn by seed")
    positives: int = Field(
        3, ge=1, description="positives per query: its worst-ranked match, and evenly down to its best"
    )
    negatives: int = Field(
        4, ge=1, description="negatives per query: its best-ranked other person, and evenly from there"
    )
    negative_ranks: int = Field(20, ge=1, description="hard negatives come from these first ranks")
    pairs: int = Field(8000, ge=2, description="most pairs kept for training, both labels together")
    held_out_pairs: int = Field(1000, ge=0, description="most pairs kept of held-out people")
    seed: int = Field(0, ge=0)


class WarmupRecipe(Recipe):
    """How a base is warmed up on identity labels alone (`reidr train warmup`)."""

    model: str = Field("runs/base/model", description="checkpoint to start from")
    pairs: Path = Field(Path("runs/pairs/pairs.parquet"), description="candidate pairs")
    variant: Literal["answer", "rl", "feature"] = Field(
        "answer",
        description="loss on the answer word; reinforcement with format and identity rewards alone; or a contrastive"
        " identity loss on the hidden states of the pictures' tokens",
    )
    steps: int = Field(600, ge=1)
    batch: int = Field(16, ge=2, description="pairs per step, labels balanced; each is asked in both orders")
    learning_rate: float = Field(3e-4, gt=0)
    warmup_steps: int = Field(20, ge=0)
    weight_decay: float = Field(0.05, ge=0)
    rationales: float = Field(
        0.5, ge=0, le=1, description="share of pairs also asked for after a rationale of the model's own (answer)"
    )
    regenerate: int = Field(25, ge=1, description="steps between two rounds of writing those rationales")
    choices: int = Field(
        1,
        ge=1,
        description="rationales written for such a pair; the one that bears the label out best is used",
    )
    max_new_tokens: int = Field(96, ge=8, description="of a rationale")
    temperature: float = Field(1.0, gt=0, description="of rationales")
    # Label-free and off: a loss on the tags of the model's own parsable completions, never on what stands between them.
    format_weight: float = Field(
        0.0, ge=0, description="weight of a loss on the tags of the model's own parsable answers; 0 leaves it out"
    )
    # Label-free: what is kept is what the model itself said before a verdict was taught.
    kl_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the KL divergence from the starting model on the model's own rationales, answer word"
        " left out; without it a small model forgets how to speak",
    )
    # Label-free as well: identity labels choose among the model's own words, nobody writes any for it.
    imitate_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the loss on the words of those rationales that bear the label out; 0 leaves it out",
    )
    order_weight: float = Field(
        0.0, ge=0, description="weight of the squared gap between the log-odds that a pair gets in its two orders"
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the weights' moving average, per step; 0: none")
    hard_start: float = Field(0.0, ge=0, le=1, description="share of mined hard pairs at the start; the rest is random")
    hard_end: float = Field(1.0, ge=0, le=1, description="share of mined hard pairs at the end of the ramp")
    ramp: float = Field(0.7, gt=0, le=1, description="share of the steps over which it rises, in a straight line")
    margin: float = Field(0.3, ge=-1, le=1, description="cosine below which two people are far enough apart (feature)")
    learn_vision: Literal["nothing", "connector", "all"] = Field(
        "nothing", description="what learns of the vision encoder; `connector` is for nano alone"
    )
    lora_rank: int = Field(0, ge=0, description="0 trains all weights; above 0 LoRA on the language model only")
    lora_alpha: int = Field(32, ge=1)
    rows: int = Field(64, ge=2, multiple_of=2, description="sequences per forward and backward pass")
    measure_every: int = Field(50, ge=1, description="steps between measurements on held-out pairs")
    measure_pairs: int = Field(128, ge=2, description="held-out pairs measured, and rationales written for them")
    save_every: int = Field(50, ge=1)
    reinforcement: ReinforcementRecipe = Field(ReinforcementRecipe(), description="of the variant rl")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lora_rank and self.learn_vision != "nothing":
            raise ValueError("lora_rank is put on the language model only; set learn_vision: nothing")
        return self


class SampleRecipe(Recipe):
    """Which pairs are worth reinforcing (`reidr sample`)."""

    model: str = Field("runs/warmup/model", description="the warmed-up checkpoint")
    pairs: Path = Field(Path("runs/pairs/pairs.parquet"), description="candidate pairs")
    rule: Literal["non-trivial", "random", "all"] = Field(
        "non-trivial", description="non-trivial; or, to compare with: as many at random, or all (labels balanced)"
    )
    rewards: RewardWeights = Field(RewardWeights(), description="those of the reinforcement that follows")
    most_pairs: int = Field(100_000, ge=2, description="pairs rolled out at most, balanced as mining balances them")
    rollouts: int = Field(8, ge=2, description="completions per pair")
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: int = Field(96, ge=8)
    pass_above: float = Field(0.0, description="a rollout passes with the right answer and a reward above this")
    rank_most: int = Field(50, ge=1, description="the retriever is unsure up to this rank of the candidate, and ...")
    gap_most: float = Field(0.5, ge=0, description="... up to this distance beyond the query's nearest candidate")
    band_low: float = Field(0.0, ge=0, lt=1, description="pass rates must lie strictly above this")
    band_high: float = Field(1.0, gt=0, le=1, description="and strictly below this")
    budget_share: float | None = Field(
        0.209, gt=0, le=1, description="most pairs kept, as a share of all (paper: 20.9 %)"
    )
    budget_count: int | None = Field(None, ge=2, description="most pairs kept, as a count; comes before the share")
    half_precision: bool = Field(
        False, description="weights in bfloat16 on a GPU, as a reinforcement with LoRA samples from them"
    )
    rollout_server: str | None = Field(
        None, description="address of a vLLM server that serves the checkpoint and writes the rollouts"
    )
    chunk: int = Field(32, ge=1, description="pairs per batch of rollouts; a stopped run goes on after the last batch")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.band_low >= self.band_high:
            raise ValueError("band_low must lie below band_high")
        if self.rollout_server is not None and self.temperature != 1:
            raise ValueError("a rollout_server reports log-probabilities at temperature 1: leave the temperature at 1")
        return self
