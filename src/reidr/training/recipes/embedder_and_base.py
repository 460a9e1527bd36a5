"""The typed recipes of the training stages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from reidr.core.recipe import Recipe
from reidr.retrieval.embedders.network_settings import NetworkSettings


class Augmentation(Recipe):
    """How training crops are varied."""

    erasing: float = Field(0.5, ge=0, le=1, description="share of crops with a random rectangle erased")
    shift: int = Field(6, ge=0, description="moved by up to this many pixels")
    zoom: float = Field(0.0, ge=0, lt=1, description="enlarged by up to this share, or shrunk by up to half of it")
    turn: float = Field(0.0, ge=0, lt=1, description="turned, standard deviation in radians")
    coarse: float = Field(0.0, ge=0, le=1, description="share of crops seen at a lower resolution")
    jitter: float = Field(0.2, ge=0, lt=1, description="brightness and contrast, up to this share up or down")
    cast: float = Field(0.08, ge=0, lt=1, description="each colour, likewise")
    exposure: float = Field(0.0, ge=0, lt=1, description="gamma, up to this natural logarithm up or down")
    grey: float = Field(0.0, ge=0, le=1, description="share of crops without colour")
    halves: float = Field(0.0, ge=0, le=1, description="share of people whose lower halves are exchanged (CutMix)")


class SmallerPictures(Recipe):
    """The size at which the first epochs of a training see their pictures, and what of the trunk is taught there."""

    epochs: int = Field(ge=1)
    height: int = Field(128, ge=16, le=1024)
    width: int = Field(64, ge=16, le=1024)
    frozen_blocks: int = Field(0, ge=0, le=16, description="first trunk blocks left as they are in these epochs")


class EmbedderTraining(Recipe):
    """How an embedding network is trained, whatever it is then used for."""

    network: NetworkSettings = NetworkSettings()
    imagenet: bool = Field(True, description="start the trunk from ImageNet weights (efficientnet-lite0 only)")
    frozen_blocks: int = Field(3, ge=0, le=16, description="first trunk blocks left as they are; 0 trains all")
    epochs: int = Field(24, ge=1)
    smaller_first: tuple[SmallerPictures, ...] = Field(
        (), description="sizes of the first epochs, one after the other; the rest see the network's own size"
    )
    warmup_epochs: int = Field(1, ge=0)
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the training's arithmetic on a CPU; weights are kept in float32"
    )
    batch_persons: int = Field(16, ge=2)
    batch_images: int = Field(4, ge=2)
    learning_rate: float = Field(6e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    margin: float = Field(0.3, gt=0, description="of the batch-hard triplet loss, on unit vectors")
    augmentation: Augmentation = Augmentation()
    attributes: float = Field(0.0, ge=0, description="weight of the appearance attributes' loss; 0 leaves them out")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="decay of the weights' moving average, per step")
    seed: int = Field(0, ge=0)


class RetrieverRecipe(EmbedderTraining):
    """How a retriever is trained (`reidr train retriever`)."""

    data: tuple[Path, ...] = Field(description="data sets whose training split is used")
    held_out_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="share of training identities kept aside to choose thresholds and fusion weights on",
    )


class LanguageSize(Recipe):
    """Measures of the reasoner's language model. Attention heads have 32 dimensions."""

    hidden: int = Field(192, ge=64, multiple_of=32)
    layers: int = Field(6, ge=1)
    key_value_heads: int = Field(2, ge=1)
    vocabulary: int = Field(700, ge=256, description="byte-level BPE entries of the tokenizer")


class PretrainingConfig(Recipe):
    """What the reasoner is asked while it is taught to read, and how long."""

    steps: int = Field(1500, ge=1)
    batch: int = Field(32, ge=2, description="examples per step")
    comparisons: float = Field(0.45, ge=0, le=1, description="share of the examples that compare two crops")
    descriptions: float = Field(0.25, ge=0, le=1, description="share that describe one; the rest ask one question")
    drawn_descriptions: float | None = Field(
        None,
        ge=0,
        le=1,
        description="that share among drawn people, where it differs; `descriptions` is then of photos",
    )
    described_by_value: bool = Field(
        False, description="crops to describe are drawn as those of questions: every value of an attribute alike"
    )
    length_power: float = Field(
        0.0,
        ge=0,
        le=1,
        description="an example weighs as much as the number of its tokens to this power; at 0, a word of a description"
        " is worth a twentieth of a word of an answer",
    )
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(50, ge=0)
    save_every: int = Field(100, ge=1)
    seed: int = Field(0, ge=0)


class BaseRecipe(PretrainingConfig):
    """How the small reasoner is taught to look and to read, before any verdict (`reidr train base`).

    First it learns to speak of what its tokens show; then, where `attribute_head_steps` are given, a attribute head is
    taught, and in `reading` the language model learns to hear it.
    """

    data: tuple[Path, ...] = Field((), description="photo sets with a training split; none: the rendered street alone")
    held_out_share: float = Field(
        0.1, ge=0, le=0.5, description="share of their training identities kept aside for choices"
    )
    reasoning_share: float = Field(
        0.35,
        gt=0,
        lt=1,
        description="share of the rest that the vision encoder never sees: pairs for reasoning are made of them",
    )
    split_seed: int = Field(0, ge=0, description="of both splits; the held-out part must be the retriever's")
    vision_encoder: tuple[EmbedderTraining, ...] = Field(
        (EmbedderTraining(),), min_length=1, description="one after the other; the last one's network is the reasoner's"
    )
    vision_encoder_streets: int = Field(1, ge=1, description="rendered streets that the vision encoder is taught on")
    vision_encoder_street_people: int = Field(100, ge=4, description="people of each of them")
    street_people: int = Field(300, ge=4, description="people of another street, for the language model")
    street_twins: float = Field(
        0.0, ge=0, le=1, description="share of their crops that are drawn once more with one thing changed"
    )
    street_seed: int = Field(
        1000, ge=0, description="of the vision encoder's first street; the language model's is the next"
    )
    reading_streets: int = Field(
        0, ge=0, description="further streets, cameras of their own each, to read; nobody of them is in a pair"
    )
    reading_people: int = Field(250, ge=4, description="people of each of those, one crop by each of two cameras")
    attribute_head_steps: int = Field(0, ge=0, description="batches that the attribute head is taught; 0: no reader")
    attribute_head_batch: int = Field(64, ge=2, description="crops per batch")
    attribute_head_learning_rate: float = Field(1e-3, gt=0)
    attribute_head_folds: int = Field(
        0,
        ge=0,
        description="folds of the people: the language model hears of each from a reader taught on the other folds;"
        " below 2: from the one that is kept, which knows them by heart",
    )
    reading: PretrainingConfig = Field(PretrainingConfig(), description="the lesson after the reader is taught")
    language: LanguageSize = LanguageSize()
