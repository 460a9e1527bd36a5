"""The typed recipes of the training stages."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from reidr.frame.recipe import Recipe
from reidr.retrieval.network import NetworkSettings


class RetrieverRecipe(Recipe):
    """How a retriever is trained (`reidr train retriever`)."""

    data: tuple[Path, ...] = Field(description="data sets whose training split is used")
    held_out_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="share of training identities kept aside to choose thresholds and fusion weights on",
    )
    network: NetworkSettings = NetworkSettings()
    imagenet: bool = Field(True, description="start the trunk from ImageNet weights (efficientnet-lite0 only)")
    frozen_blocks: int = Field(3, ge=0, le=16, description="first trunk blocks left as they are; 0 trains all")
    epochs: int = Field(24, ge=1)
    warmup_epochs: int = Field(1, ge=0)
    batch_persons: int = Field(16, ge=2)
    batch_images: int = Field(4, ge=2)
    learning_rate: float = Field(6e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    margin: float = Field(0.3, gt=0, description="of the batch-hard triplet loss, on unit vectors")
    erasing: float = Field(0.5, ge=0, le=1, description="share of crops with a random rectangle erased")
    averaging: float = Field(0.999, ge=0, lt=1, description="decay of the weights' moving average, per step")
    seed: int = Field(0, ge=0)


class BaseRecipe(Recipe):
    """How the small reasoner is first taught to look, compare and answer (`reidr train base`)."""

    street_people: int = Field(250, ge=4, description="people of the rendered street it is taught on")
    street_seed: int = Field(100, ge=0, description="of that street; the demo's street has another")
    steps: int = Field(700, ge=1)
    batch: int = Field(32, ge=2, description="pairs per step")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(50, ge=0)
    save_every: int = Field(100, ge=1)
    vocabulary: int = Field(600, ge=256, description="byte-level BPE entries of the tokenizer")
    seed: int = Field(0, ge=0)
