"""Settings of embedding networks and their training (`reidr train retriever`)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from reidr.core.recipe import Recipe
from reidr.retrieval.embedders.network_settings import NetworkSettings


class Augmentation(Recipe):
    """Random changes of training crops. Every crop is also mirrored with probability 1/2."""

    erasing: float = Field(0.5, ge=0, le=1, description="probability that a random rectangle of a crop is erased")
    shift: int = Field(6, ge=0, description="largest shift in each direction, in pixels")
    zoom: float = Field(
        0.0, ge=0, lt=1, description="largest enlargement, as a share of the size; shrinks by half of it"
    )
    jitter: float = Field(0.2, ge=0, lt=1, description="largest relative change of brightness and of contrast")
    cast: float = Field(0.08, ge=0, lt=1, description="largest relative change of each colour channel")


class SmallerPictures(Recipe):
    """Input size of some first epochs, and which part of the trunk is trained in them."""

    epochs: int = Field(ge=1, description="number of epochs with this input size")
    height: int = Field(128, ge=16, le=1024, description="input height in pixels")
    width: int = Field(64, ge=16, le=1024, description="input width in pixels")
    frozen_blocks: int = Field(0, ge=0, le=16, description="first trunk blocks that are not trained in these epochs")


class AttributeTraining(Recipe):
    """How the network's attribute branch is trained, beside identities and in the same steps.

    Described crops are drawn apart from those of the identity batches: most described people have one picture only.
    """

    data: tuple[str, ...] = Field(description="described data sets, by name (a folder of $REIDR_DATA) or by path")
    streets: int = Field(4, ge=0, description="rendered streets whose people are described too")
    street_people: int = Field(500, ge=1, description="people of each of these streets")
    street_seed: int = Field(20, ge=0, description="seed of the first of these streets")
    street_share: float = Field(0.16, ge=0, le=1, description="share of rendered people among the described crops")
    batch: int = Field(48, ge=1, description="described crops in a step")
    weight: float = Field(1.0, gt=0, description="weight of the attribute loss beside the identity losses")
    hidden_weight: float = Field(0.3, ge=0, description='weight of "cannot be seen" within the attribute loss')
    cut: float = Field(0.2, ge=0, le=1, description="share of pictures cut below or above, to learn what is hidden")
    rarity: float = Field(
        0.75, ge=0, le=1, description="how much rare values weigh: 0 as they occur, 1 as much as their opposite"
    )
    width: int = Field(384, ge=8, description="size of the features that attributes are recognised from")


class EmbedderTraining(Recipe):
    """How an embedding network is trained, whatever it is then used for."""

    network: NetworkSettings = Field(NetworkSettings(), description="backbone, input size and embedding sizes")
    imagenet: bool = Field(True, description="start from ImageNet weights (backbone efficientnet-lite0 only)")
    frozen_blocks: int = Field(
        3, ge=0, le=16, description="first trunk blocks that keep their starting weights; 0 trains all of them"
    )
    epochs: int = Field(24, ge=1, description="passes over the training crops")
    smaller_first: tuple[SmallerPictures, ...] = Field(
        (), description="smaller input sizes for the first epochs, in order; later epochs use the network's own size"
    )
    warmup_epochs: int = Field(1, ge=0, description="epochs of linear learning-rate warm-up")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="number format of the computation on a CPU; weights are always float32"
    )
    batch_persons: int = Field(16, ge=2, description="identities per batch")
    batch_images: int = Field(4, ge=2, description="crops per identity in a batch")
    learning_rate: float = Field(6e-4, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing of the identity cross-entropy")
    margin: float = Field(0.3, gt=0, description="margin of the batch-hard triplet loss, on unit vectors")
    identity_weight: float = Field(
        1.0, ge=0, description="weight of the identity losses; 0 leaves identities out and trains attributes alone"
    )
    augmentation: Augmentation = Field(Augmentation(), description="random changes of the training crops")
    attributes: float = Field(0.0, ge=0, description="weight of the appearance-attribute loss; 0 leaves it out")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="decay per step of the moving average of the weights")
    attribute_recognition: AttributeTraining | None = Field(
        None, description="train the network to recognise attributes too; without it, it learns identities alone"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, batches, augmentation and the identity split")

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not self.identity_weight and self.attribute_recognition is None:
            raise ValueError("identity_weight: 0 needs attribute_recognition: without both there is nothing to learn")
        return self


class RetrieverRecipe(EmbedderTraining):
    """How a retriever is trained (`reidr train retriever`)."""

    start: str | None = Field(
        None,
        description="a trained retriever to continue from, by name or folder, with the same network settings",
    )
    data: tuple[str, ...] = Field(description="data sets to train on, by name (a folder of $REIDR_DATA) or by path")
    held_out_share: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="share of the training identities never trained on, for choosing thresholds and fusion weights",
    )
    reasoning_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the other identities left out too, for a reasoner that sees through this network: its "
        "candidate pairs are made of them",
    )
