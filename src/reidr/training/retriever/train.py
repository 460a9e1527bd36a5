"""Train the retriever: identity cross-entropy and batch-hard triplet, ImageNet start, averaged weights (EMA)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reidr.core.progress import Advance
from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.network import RetrieverNetwork
from reidr.retrieval.embedders.preprocess import decode
from reidr.training.common.checkpoint import Checkpoint, NumpyRandom, Stateful, TorchRandom
from reidr.training.common.depthwise import use_quick_gradients
from reidr.training.common.device import training_device
from reidr.training.common.divergence import check_finite
from reidr.training.common.ema import averaged_copy
from reidr.training.common.log import TrainingLog
from reidr.training.common.schedule import learning_rate_at, set_learning_rate
from reidr.training.recipes.retriever import EmbedderTraining
from reidr.training.retriever.attributes.task import AttributeTask
from reidr.training.retriever.augment import Augment
from reidr.training.retriever.losses import AttributeLosses, IdentityLosses
from reidr.training.retriever.network import (
    freeze_first_blocks,
    pictures_of_epoch,
    start_from_means,
    start_network,
    take_weights,
)
from reidr.training.retriever.pk_sampler import identity_batches


def train_retriever(
    recipe: EmbedderTraining,
    crops: Sequence[Crop],
    run: Path,
    advance: Advance | None = None,
    start: RetrieverNetwork | None = None,
    described: AttributeTask | None = None,
) -> RetrieverNetwork:
    """Train on the labelled `crops`, on the GPU where there is one; returns the averaged network on the CPU, ready to
    embed.

    Writes `checkpoint.pt` after every epoch and one JSON line per epoch to `log.jsonl` in `run`; called again with
    the same recipe it resumes after the last finished epoch.

    Args:
        start: a network to continue from, with its weights but not its settings; None starts as the recipe says.
        described: what the attribute branch learns from; None: the network reads no attributes.

    Raises:
        DataError: no crop carries a person.
    """
    trainer = RetrieverTrainer(recipe, crops, run, start, described)
    first_epoch = trainer.checkpoint.load()
    log = TrainingLog(run / "log.jsonl", "epoch")
    log.resume(first_epoch)
    if advance is not None:
        advance(first_epoch)
    for epoch in range(first_epoch, recipe.epochs):
        record = trainer.epoch(epoch, advance)
        log.append(record)
        trainer.checkpoint.save(epoch + 1)
    trained: RetrieverNetwork = trainer.averaged.module  # type: ignore[assignment]
    return trained.cpu().eval()


class RetrieverTrainer:
    """The state of a training: network, losses, optimiser, moving average, and the decoded pictures."""

    def __init__(
        self,
        recipe: EmbedderTraining,
        crops: Sequence[Crop],
        run: Path,
        start: RetrieverNetwork | None,
        described: AttributeTask | None = None,
    ) -> None:
        crops = [crop for crop in crops if crop.person is not None]
        if not crops:
            raise DataError("no training crop carries a person label; check the training split")
        torch.manual_seed(recipe.seed)
        self.recipe, self.crops, self.device = recipe, crops, training_device()
        self.random = np.random.default_rng(recipe.seed)
        names = sorted({str(crop.person) for crop in crops})
        numbers = {name: number for number, name in enumerate(names)}
        self.labels = np.array([numbers[str(crop.person)] for crop in crops])
        self.cameras = [crop.camera for crop in crops]
        self.network = start_network(recipe)
        if start is not None:
            take_weights(self.network, start)
        self.network.to(self.device)
        self.losses = IdentityLosses(self.network, len(names), recipe.margin, recipe.label_smoothing).to(self.device)
        # Blocks that are frozen in some epochs only keep their place in the optimiser.
        freeze_first_blocks(self.network, min(pictures_of_epoch(recipe, epoch)[2] for epoch in range(recipe.epochs)))
        self.attributes: AttributeLosses | None = None
        if recipe.attributes and any(crop.attributes for crop in crops):
            self.attributes = AttributeLosses(recipe.network.embedding, crops, recipe.attributes).to(self.device)
        self.described = described
        if described is not None:
            described.loss.to(self.device)
        if recipe.precision == "bfloat16" and self.device.type == "cpu":
            use_quick_gradients(self.network)
        self.size, self.pixels = (0, 0), np.empty(0, np.uint8)
        if start is not None and recipe.identity_weight and not (run / "checkpoint.pt").exists():
            # The first steps of random classifiers would destroy what the network has learned.
            pixels = decode(crops, recipe.network.height, recipe.network.width)
            start_from_means(self.losses, self.network, pixels, self.labels)
        modules = [self.network, self.losses, *([] if self.attributes is None else [self.attributes])]
        self.parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        fused = self.device.type == "cuda" or None
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=fused
        )
        self.averaged = averaged_copy(self.network, recipe.ema_decay)
        parts: dict[str, Stateful] = {
            "network": self.network,
            "losses": self.losses,
            "optimiser": self.optimiser,
            "averaged": self.averaged,
            "torch_random": TorchRandom(),
            "random": NumpyRandom(self.random),
        }
        if self.attributes is not None:
            parts["attributes"] = self.attributes
        self.checkpoint = Checkpoint(run / "checkpoint.pt", parts, "epoch")
        self.augment = Augment(recipe.network.mean, recipe.network.std, recipe.augmentation, self.device)
        self.batches = max(1, len(crops) // (recipe.batch_persons * recipe.batch_images))  # per epoch

    def epoch(self, epoch: int, advance: Advance | None) -> dict[str, float]:
        """Train for one epoch, counted from 0; returns its line of the log."""
        recipe, sums, count = self.recipe, dict[str, float](), 0
        started = time.perf_counter()
        self.network.train()
        self.losses.train()
        height, width, frozen = pictures_of_epoch(recipe, epoch)
        if (height, width) != self.size:
            self.size, self.pixels = (height, width), decode(self.crops, height, width)
            if self.described is not None:
                self.described.resize(height, width)
        freeze_first_blocks(self.network, frozen)
        batches = identity_batches(
            self.labels.tolist(), self.cameras, recipe.batch_persons, recipe.batch_images, self.random
        )
        for index, rows in enumerate(batches):
            step = epoch * self.batches + min(index, self.batches - 1)
            share = learning_rate_at(step, recipe.epochs * self.batches, recipe.warmup_epochs * self.batches)
            set_learning_rate(self.optimiser, recipe.learning_rate, share)
            for name, value in self.step(rows).items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            if advance is not None and index < self.batches:
                advance(1.0 / self.batches)
        check_finite(sums, f"epoch {epoch + 1}")
        record = {"epoch": epoch + 1, "seconds": round(time.perf_counter() - started, 1)}
        return record | {name: round(value / max(1, count), 4) for name, value in sums.items()}

    def precision(self) -> torch.autocast:
        """The number format of the trunk's computation."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    def step(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """One optimiser step on the crops at `rows`; returns its losses."""
        if self.described is None:
            with self.precision():
                features = self.network.feature_map(self.augment(self.pixels[rows], self.random))
            loss, parts = self.identity_loss(features.float(), rows)
        else:
            batch = self.described.draw(self.random)
            rows = rows if self.recipe.identity_weight else rows[:0]
            with self.precision():
                trunk = self.network.trunk(
                    self.augment(np.concatenate([self.pixels[rows], batch.pixels]), self.random)
                ).float()
            assert self.network.attribute_branch is not None
            logits = self.network.attribute_branch(trunk[len(rows) :])
            more, parts = self.described.loss(logits, batch.values, batch.hidden, batch.sets)
            loss = self.described.recipe.weight * more
            if len(rows):
                more, shown = self.identity_loss(self.network.head(trunk[: len(rows)]), rows)
                loss, parts = loss + more, shown | parts
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 5.0)
        self.optimiser.step()
        self.averaged.update_parameters(self.network)
        return dict(parts)

    def identity_loss(self, features: Tensor, rows: NDArray[np.int64]) -> tuple[Tensor, dict[str, float]]:
        """The loss of the crops at `rows` and what to log; `features` as `RetrieverNetwork.feature_map` gives them."""
        pooled, normed = self.network.pooled_branches(features)
        loss: Tensor
        loss, parts = self.losses(pooled, normed, torch.from_numpy(self.labels[rows]).to(self.device))
        loss = self.recipe.identity_weight * loss
        if self.attributes is not None:
            more, shown = self.attributes(normed[0], torch.from_numpy(rows).to(self.device))
            loss, parts = loss + more, parts | shown
        return loss, parts
