"""Teach the retriever: identity cross-entropy and batch-hard triplet, ImageNet start, averaged weights."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from reidr.core.process.signals import note_step
from reidr.core.storage.files import torch_save
from reidr.core.storage.json_lines import append_json_lines, keep_json_lines
from reidr.data.types import Crop
from reidr.errors import DataError, MissingExtraError, RecipeError
from reidr.retrieval.embedders.backbones.efficientnet_lite import EfficientNetLite, load_imagenet_weights
from reidr.retrieval.embedders.network import RetrieverNetwork, build_network
from reidr.retrieval.embedders.preprocess import decode, normalise
from reidr.training.common.depthwise import use_quick_gradients
from reidr.training.common.device import training_device
from reidr.training.common.finite import check_finite
from reidr.training.recipes.embedder_and_base import EmbedderTraining
from reidr.training.retriever.augment import Augment, exchange_halves
from reidr.training.retriever.pk_sampler import identity_batches

Advance = Callable[[float], None]  # called with the share of an epoch that has passed since the last call


class IdentityLosses(nn.Module):
    """Cross-entropy on each branch's BNNeck feature; batch-hard triplet on all pooled branches together.

    Where the lower half of a crop shows another identity (`exchange_halves`), stripes answer for the half they lie in,
    the whole body for both halves alike, and the triplet takes the two together for a person of its own.
    """

    def __init__(self, network: RetrieverNetwork, identities: int, margin: float, smoothing: float) -> None:
        super().__init__()
        try:
            from pytorch_metric_learning.losses import TripletMarginLoss
            from pytorch_metric_learning.miners import BatchHardMiner
        except ImportError:
            raise MissingExtraError(
                "training a retriever needs pytorch-metric-learning; install with: pip install 'reidr[train]'"
            ) from None
        self.classifiers = nn.ModuleList(nn.Linear(size, identities, bias=False) for size in network.branch_sizes)
        for classifier in self.classifiers:
            nn.init.normal_(classifier.get_parameter("weight"), std=0.001)
        stripes = len(network.branch_sizes) - 1
        # Where a branch looks, from 0 (head) to 1 (feet): the whole body at its middle.
        self.middles = [0.5, *((number + 0.5) / stripes for number in range(stripes))]
        self.smoothing = smoothing
        self.miner = BatchHardMiner()
        self.triplet = TripletMarginLoss(margin=margin)

    def forward(
        self, pooled: list[Tensor], normed: list[Tensor], labels: Tensor, lower: Tensor | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and what to log, for `labels` (N,) of the whole crops, or of their upper halves where `lower` is given.

        Args:
            pooled, normed: branches as `RetrieverNetwork.branches` gives them.
        """
        lower = labels if lower is None else lower
        logits = [classifier(branch) for classifier, branch in zip(self.classifiers, normed, strict=True)]
        identity = torch.stack(
            [
                share * functional.cross_entropy(each, wanted, label_smoothing=self.smoothing)
                for each, middle in zip(logits, self.middles, strict=True)
                for wanted, share in shares_of_halves(labels, lower, middle)
            ]
        ).sum() / len(logits)
        joined = torch.cat([functional.normalize(branch, dim=1) for branch in pooled], dim=1)
        persons = labels * self.classifiers[0].get_parameter("weight").shape[0] + lower
        triplet = self.triplet(joined, persons, self.miner(joined, persons))
        correct = (logits[0].argmax(dim=1) == labels).float().mean()
        return identity + triplet, {
            "identity_loss": float(identity.detach()),
            "triplet_loss": float(triplet.detach()),
            "training_accuracy": float(correct),
        }


def shares_of_halves(upper: Tensor, lower: Tensor, middle: float) -> list[tuple[Tensor, float]]:
    """Whom a branch whose `middle` lies there (0 head, 1 feet) is to name, and with what share of its loss."""
    if middle == 0.5:
        return [(upper, 0.5), (lower, 0.5)]
    return [(upper if middle < 0.5 else lower, 1.0)]


class AttributeLosses(nn.Module):
    """Cross-entropy of one linear classifier per appearance attribute, on the whole body's BNNeck feature.

    `"not visible"` is a value like any other: it teaches what cannot be seen. A crop without a known value of an
    attribute takes no part in that attribute's loss (Lin et al. 2019 train person attributes beside identities).
    """

    def __init__(self, size: int, crops: Sequence[Crop], weight: float) -> None:
        super().__init__()
        self.weight = weight
        known = [crop.attributes for crop in crops]
        self.values = {
            name: sorted({each[name] for each in known if name in each})
            for name in sorted({n for a in known for n in a})
        }
        self.classifiers = nn.ModuleList(nn.Linear(size, len(values)) for values in self.values.values())
        # (crops, attributes): place of each crop's value, -100 (ignored) where it is not known.
        self.labels: Tensor
        self.register_buffer(
            "labels",
            torch.tensor(
                [
                    [values.index(each[name]) if name in each else -100 for name, values in self.values.items()]
                    for each in known
                ]
            ),
            persistent=False,
        )

    def forward(self, feature: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        losses = []
        own = self.labels[rows]
        known = (own >= 0).any(dim=0).tolist()
        for column, classifier in enumerate(self.classifiers):
            if known[column]:
                losses.append(functional.cross_entropy(classifier(feature), own[:, column]))
        if not losses:
            return feature.sum() * 0.0, {}
        loss = torch.stack(losses).mean()
        return self.weight * loss, {"attribute_loss": float(loss.detach())}


def learning_rate_at(step: int, steps: int, warmup: int) -> float:
    """Share of the full learning rate at `step`: linear warm-up, then cosine to 1 % (Loshchilov & Hutter 2017)."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def start_network(recipe: EmbedderTraining) -> RetrieverNetwork:
    """The network a training starts from: ImageNet trunk where the recipe asks for it, first blocks frozen."""
    network = build_network(recipe.network)
    if recipe.imagenet:
        if not isinstance(network.trunk, EfficientNetLite):
            raise RecipeError("imagenet works with backbone efficientnet-lite0 only; set imagenet: false")
        load_imagenet_weights(network.trunk)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


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


def train_retriever(
    recipe: EmbedderTraining,
    crops: Sequence[Crop],
    run: Path,
    advance: Advance | None = None,
    start: RetrieverNetwork | None = None,
) -> RetrieverNetwork:
    """Train on the labelled `crops`, on the GPU where there is one; returns the averaged network on the CPU, ready to
    embed.

    `start` is a network to go on from, with its weights but not its settings; None starts as the recipe says.

    Writes `checkpoint.pt` after every epoch and one JSON line per epoch to `log.jsonl` in `run`; called again with
    the same recipe it goes on after the last finished epoch. Raises DataError when no crop carries a person.
    """
    crops = [crop for crop in crops if crop.person is not None]
    if not crops:
        raise DataError("no training crop carries a person label; check the training split")
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    names = sorted({str(crop.person) for crop in crops})
    labels = np.array([names.index(str(crop.person)) for crop in crops])
    cameras = [crop.camera for crop in crops]

    settings, device = recipe.network, training_device()
    network = start_network(recipe)
    if start is not None:
        network.load_state_dict(start.state_dict())
    network.to(device)
    losses = IdentityLosses(network, len(names), recipe.margin, recipe.label_smoothing).to(device)
    # What is frozen in some epochs only keeps its place in the optimiser.
    freeze_first_blocks(network, min(pictures_of_epoch(recipe, epoch)[2] for epoch in range(recipe.epochs)))
    modules: list[nn.Module] = [network, losses]
    attributes = None
    if recipe.attributes and any(crop.attributes for crop in crops):
        attributes = AttributeLosses(settings.embedding, crops, recipe.attributes).to(device)
        modules.append(attributes)
    if recipe.precision == "bfloat16" and device.type == "cpu":
        use_quick_gradients(network)
    shape, pixels = (0, 0), np.empty(0, np.uint8)
    if start is not None and not (run / "checkpoint.pt").exists():
        # With classifiers drawn by lot, their first steps would unteach what the network knows.
        start_from_means(losses, network, decode(crops, settings.height, settings.width), labels)
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=device.type == "cuda" or None
    )
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema_decay), use_buffers=True
    )
    state = TrainingState(run / "checkpoint.pt", network, losses, optimiser, averaged)
    if attributes is not None:
        state.parts["attributes"] = attributes
    first_epoch = state.load(random)
    keep_json_lines(run / "log.jsonl", lambda record: record["epoch"] <= first_epoch)
    if advance is not None:
        advance(first_epoch)
    augment = Augment(settings.mean, settings.std, recipe.augmentation, device)
    batches_per_epoch = max(1, len(crops) // (recipe.batch_persons * recipe.batch_images))
    steps = recipe.epochs * batches_per_epoch

    for epoch in range(first_epoch, recipe.epochs):
        started, sums, count = time.perf_counter(), dict[str, float](), 0
        network.train()
        losses.train()
        height, width, frozen = pictures_of_epoch(recipe, epoch)
        if (height, width) != shape:
            shape, pixels = (height, width), decode(crops, height, width)
        freeze_first_blocks(network, frozen)
        for index, rows in enumerate(
            identity_batches(labels.tolist(), cameras, recipe.batch_persons, recipe.batch_images, random)
        ):
            step = epoch * batches_per_epoch + min(index, batches_per_epoch - 1)
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * learning_rate_at(
                    step, steps, recipe.warmup_epochs * batches_per_epoch
                )
            batch, below = pixels[rows], np.arange(len(rows))
            if recipe.augmentation.halves:
                batch, below = exchange_halves(batch, recipe.batch_images, recipe.augmentation.halves, random)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                features = network.feature_map(augment(batch, random))
            pooled, normed = network.pooled_branches(features.float())
            upper, lower = (torch.from_numpy(labels[own]).to(device) for own in (rows, rows[below]))
            loss, parts = losses(pooled, normed, upper, lower)
            if attributes is not None:
                # Of people made of two halves nobody knows the attributes.
                real = below == np.arange(len(rows))
                chosen = normed[0][torch.from_numpy(real).to(device)]
                more, shown = attributes(chosen, torch.from_numpy(rows[real]).to(device))
                loss, parts = loss + more, parts | shown
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            averaged.update_parameters(network)
            count += 1
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            if advance is not None and index < batches_per_epoch:
                advance(1.0 / batches_per_epoch)
        check_finite(sums, f"epoch {epoch + 1}")
        record = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - started, 1)}
        record |= {name: round(value / max(1, count), 4) for name, value in sums.items()}
        append_json_lines(run / "log.jsonl", [record])
        state.save(epoch + 1, random)
    trained: RetrieverNetwork = averaged.module  # type: ignore[assignment]
    return trained.cpu().eval()


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


class TrainingState:
    """Everything a resumed training needs, in one file that is replaced atomically after each epoch."""

    def __init__(
        self,
        path: Path,
        network: nn.Module,
        losses: nn.Module,
        optimiser: torch.optim.Optimizer,
        averaged: nn.Module,
    ) -> None:
        self.path = path
        self.parts: dict[str, Any] = {
            "network": network,
            "losses": losses,
            "optimiser": optimiser,
            "averaged": averaged,
        }

    def save(self, epoch: int, random: np.random.Generator) -> None:
        """Write all parts, the epoch count and both random states."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {
            "epoch": epoch,
            "torch_random": torch.get_rng_state(),
            "random": json.dumps(random.bit_generator.state),
        }
        torch_save(state, self.path)
        note_step(self.path.parent, "epoch", epoch)

    def load(self, random: np.random.Generator) -> int:
        """Restore everything when the file is there; returns the number of finished epochs (0 without a file)."""
        if not self.path.exists():
            return 0
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["torch_random"])
        random.bit_generator.state = json.loads(state["random"])
        note_step(self.path.parent, "epoch", int(state["epoch"]))
        return int(state["epoch"])
