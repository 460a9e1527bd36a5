"""Settings of the warm-up (`reidr train warmup`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.reasoning.models.attention import Attention
from reidr.training.common.trackers import REPORT_TO_HELP, ReportTo
from reidr.training.recipes.grpo import ReinforcementRecipe


class WarmupRecipe(Recipe):
    """How a pretrained reasoner learns verdicts from identity labels alone (`reidr train warmup`)."""

    model: str = Field("runs/pretraining/model", description="checkpoint to start from")
    pairs: Path = Field(Path("runs/pairs/pairs.parquet"), description="file of candidate pairs (`reidr pairs`)")
    method: Literal["supervised", "reinforcement"] = Field(
        "supervised",
        description="supervised: minimise `objectives`; reinforcement: GRPO with the format and identity rewards alone",
    )
    objectives: dict[str, float] = Field(
        {"answer": 1.0},
        min_length=1,
        description="weight of each training objective, by name (training/warmup/objectives/) or as module:Class "
        "of your own; weight 0 only logs it",
    )
    steps: int = Field(600, ge=1, description="optimiser steps")
    batch: int = Field(16, ge=2, description="pairs per step, labels balanced; each is shown in both orders")
    learning_rate: float = Field(3e-4, gt=0, description="peak learning rate of AdamW")
    warmup_steps: int = Field(20, ge=0, description="steps of linear learning-rate warm-up")
    weight_decay: float = Field(0.05, ge=0, description="weight decay of AdamW")
    rationales: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the pairs for which the answer is also trained after a rationale sampled from the model",
    )
    regenerate: int = Field(25, ge=1, description="steps between two rounds of sampling those rationales")
    replayed: int = Field(
        0,
        ge=0,
        description="rationales of earlier rounds after which each step trains the answer once more, the pictures taken"
        " away (objective reasoned): words alone say little, so that their judge needs many of them",
    )
    first_rationales: int = Field(
        0, ge=0, description="rationales sampled before the first step, to be replayed from then on"
    )
    max_new_tokens: int = Field(96, ge=8, description="most tokens per rationale")
    temperature: float = Field(1.0, gt=0, description="sampling temperature of rationales")
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="decay per step of the moving average of the weights; 0 keeps the last weights"
    )
    hard_start: float = Field(
        0.0, ge=0, le=1, description="share of mined hard pairs at the first step; the rest are random pairs"
    )
    hard_end: float = Field(1.0, ge=0, le=1, description="share of mined hard pairs at the end of the ramp")
    ramp: float = Field(0.7, gt=0, le=1, description="share of the steps over which that share changes linearly")
    margin: float = Field(
        0.3, ge=-1, le=1, description="cosine below which two people cost nothing (objective features)"
    )
    learn_vision: Literal["nothing", "connector", "all"] = Field(
        "nothing", description="which vision weights are trained; `connector` exists in nano only"
    )
    lora_rank: int = Field(0, ge=0, description="rank of LoRA on the language model; 0 trains all its weights")
    lora_alpha: int = Field(32, ge=1, description="scaling of LoRA")
    rows: int = Field(
        64,
        ge=2,
        multiple_of=2,
        description="sequences per forward and backward pass; gradients are added up, so that fewer change memory"
        " alone",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep only the input of each layer and compute the rest again in the backward pass"
    )
    attention: Attention | None = Field(
        None, description="how attention is computed; flash_attention_2 needs the package flash-attn and a GPU"
    )
    features: Literal["auto", "float16", "bfloat16", "float32"] = Field(
        "auto",
        description="precision of the crops' features, which are kept in main memory; auto: the model's own, float16"
        " for a model in float32",
    )
    measure_every: int = Field(50, ge=1, description="steps between two measurements on validation pairs")
    measure_pairs: int = Field(128, ge=2, description="validation pairs measured, one rationale each")
    report_to: ReportTo = Field("none", description=REPORT_TO_HELP)
    save_every: int = Field(50, ge=1, description="steps between two checkpoints")
    reinforcement: ReinforcementRecipe = Field(
        ReinforcementRecipe(), description="settings of the method `reinforcement`"
    )
    seed: int = Field(0, ge=0, description="seed of pairs, rationales and LoRA weights")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lora_rank and self.learn_vision != "nothing":
            raise ValueError("lora_rank is put on the language model only; set learn_vision: nothing")
        if any(weight < 0 for weight in self.objectives.values()):
            raise ValueError("weights of objectives must not be negative")
        return self
