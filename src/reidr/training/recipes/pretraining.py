"""Settings of the pretraining of the small reasoner (`reidr train pretraining`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reidr.core.recipe import Recipe
from reidr.training.recipes.retriever import EmbedderTraining


class LanguageSize(Recipe):
    """Size of the reasoner's language model. Attention heads have 32 dimensions."""

    hidden: int = Field(192, ge=64, multiple_of=32, description="width of the hidden states")
    layers: int = Field(6, ge=1, description="transformer layers")
    key_value_heads: int = Field(2, ge=1, description="key-value heads of the grouped-query attention")
    vocabulary: int = Field(700, ge=256, description="entries of the byte-level BPE tokenizer")


class LanguageTraining(Recipe):
    """One training of the language model on texts made from known attributes.

    Every example is a comparison of two crops, a description of one, or a question about one.
    """

    steps: int = Field(1500, ge=1, description="optimiser steps")
    batch: int = Field(32, ge=2, description="examples per step")
    comparisons: float = Field(0.45, ge=0, le=1, description="share of the examples that compare two crops")
    descriptions: float = Field(
        0.25, ge=0, le=1, description="share of the examples that describe one crop; the rest are questions about one"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    warmup_steps: int = Field(50, ge=0, description="steps of linear learning-rate warm-up")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="number format of the language model's matrix products; weights are always float32"
    )
    save_every: int = Field(100, ge=1, description="steps between two checkpoints")
    seed: int = Field(0, ge=0, description="seed of the examples and of new weights")


class PretrainingRecipe(LanguageTraining):
    """How the small reasoner learns to recognise and name attributes, before any verdict (`reidr train pretraining`).

    In order: the vision encoder learns identities and to recognise attributes; the language model learns to say what is
    recognised, of people whom the vision encoder was not trained on.
    """

    data: tuple[str, ...] = Field(
        (),
        description="photo data sets to train on, by name (a folder of $REIDR_DATA) or by path; empty: "
        "rendered people alone",
    )
    held_out_share: float = Field(
        0.1, ge=0, le=0.5, description="share of the training identities never trained on, for choices afterwards"
    )
    reasoning_share: float = Field(
        0.35,
        gt=0,
        lt=1,
        description="share of the other identities that the vision encoder is not trained on; candidate pairs for the "
        "reasoner are made of them",
    )
    split_seed: int = Field(
        0,
        ge=0,
        description="seed of both splits; must equal the retriever's seed so that both hold out the same people",
    )
    vision_encoder: tuple[EmbedderTraining, ...] = Field(
        (EmbedderTraining(),),
        min_length=1,
        description="trainings of the vision encoder, one after the other; the last one's network is the reasoner's. "
        "At least one of them learns to recognise attributes",
    )
    vision_encoder_street_people: int = Field(
        100, ge=0, description="rendered people whose identities the vision encoder is trained on"
    )
    street_people: int = Field(300, ge=4, description="further rendered people that the language model is trained on")
    street_seed: int = Field(
        1000, ge=0, description="seed of the vision encoder's rendered people; other rendered people use seeds above it"
    )
    attribute_streets: int = Field(
        0,
        ge=0,
        description="further rendered streets that the language model learns to describe, never for candidate pairs",
    )
    attribute_street_people: int = Field(
        250, ge=4, description="people per such street, each seen once by each of two cameras"
    )
    language: LanguageSize = Field(LanguageSize(), description="size of the language model")
