"""The network that a training starts from, its frozen blocks, and the input size of each epoch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from reidr.errors import RecipeError
from reidr.retrieval.embedders.backbones.efficientnet_lite import EfficientNetLite, load_imagenet_weights
from reidr.retrieval.embedders.network import RetrieverNetwork, build_network
from reidr.retrieval.embedders.preprocess import normalise
from reidr.training.recipes.retriever import EmbedderTraining
from reidr.training.retriever.losses import IdentityLosses


def start_network(recipe: EmbedderTraining) -> RetrieverNetwork:
    """The network a training starts from: ImageNet trunk where the recipe asks for it, first blocks frozen."""
    network = build_network(recipe.network)
    if recipe.imagenet:
        if not isinstance(network.trunk, EfficientNetLite):
            raise RecipeError("imagenet works with backbone efficientnet-lite0 only; set imagenet: false")
        load_imagenet_weights(network.trunk)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def take_weights(network: RetrieverNetwork, start: RetrieverNetwork) -> None:
    """Load the weights of `start`; an attribute branch that it lacks keeps its own.

    Raises RecipeError where the networks differ otherwise.
    """
    weights = start.state_dict()
    try:
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise RecipeError(f"start: that retriever's network is of another size ({error})") from None
    missing = [name for name in missing if not name.startswith("attribute_branch.")]
    if missing or unexpected:
        raise RecipeError(f"start: that retriever's network is another one: {[*missing, *unexpected][0]} does not fit")


def freeze_first_blocks(network: RetrieverNetwork, blocks: int) -> None:
    """Stop gradients and batch-norm updates in the stem and the first `blocks` blocks, and let the others learn.

    0 freezes nothing, the stem neither. The stem and the first three blocks
    take a fifth of a CPU step at 128x64 and half of it at 256x128.
    """
    trunk = network.trunk
    if not isinstance(trunk, EfficientNetLite):
        if blocks:
            raise RecipeError("frozen_blocks works with backbone efficientnet-lite0 only; set frozen_blocks: 0")
        return
    for number, module in enumerate([trunk.stem, *trunk.blocks]):
        frozen = bool(blocks) and number <= blocks
        if frozen:
            module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(not frozen)


def pictures_of_epoch(recipe: EmbedderTraining, epoch: int) -> tuple[int, int, int]:
    """Height and width of the pictures in an epoch (counted from 0), and the trunk blocks frozen in it."""
    for smaller in recipe.smaller_first:
        if epoch < smaller.epochs:
            return smaller.height, smaller.width, smaller.frozen_blocks
        epoch -= smaller.epochs
    return recipe.network.height, recipe.network.width, recipe.frozen_blocks


@torch.no_grad()
def start_from_means(
    losses: IdentityLosses, network: RetrieverNetwork, pixels: NDArray[np.uint8], labels: NDArray[np.int64]
) -> None:
    """Set each classifier's weights to the mean directions of the network's own features of each identity."""
    network.eval()
    sums = [torch.zeros_like(classifier.get_parameter("weight")) for classifier in losses.classifiers]
    for first in range(0, len(pixels), 64):
        rows = slice(first, first + 64)
        batch = normalise(pixels[rows], network.settings.mean, network.settings.std, sums[0].device)
        for total, branch in zip(sums, network.branches(batch)[1], strict=True):
            total.index_add_(0, torch.from_numpy(labels[rows]).to(total.device), functional.normalize(branch, dim=1))
    for classifier, total in zip(losses.classifiers, sums, strict=True):
        classifier.get_parameter("weight").copy_(functional.normalize(total, dim=1))
