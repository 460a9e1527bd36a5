"""Teach a network to read attributes end to end, Market-1501 and PETA in one vocabulary (README.md beside this)."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from reidr.data.attribute_sources import facts_of
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES, VOCABULARY
from reidr.retrieval.embedders.backbones.efficientnet_lite import EfficientNetLite, load_imagenet_weights
from reidr.retrieval.embedders.preprocess import decode, normalise
from reidr.training.common.depthwise import use_quick_gradients
from reidr.training.common.identities import hold_out_identities
from reidr.training.recipes.retriever import Augmentation
from reidr.training.retriever.augment import Augment
from reidr.training.retriever.train import learning_rate_at

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SETS = ("market1501", "peta")
BATCH, RATE, DECAY = 64, 6e-4, 0.998
RARE = 0.75  # a value weighs as the share of its kind to the power of minus this
FEWEST = 10  # crops with and without a value, for it to be measured


class Reader(nn.Module):
    """Trunk → 1x1 → an attention over the cells for each family → logits of its values, from part and whole."""

    def __init__(self, width: int = 384) -> None:
        super().__init__()
        self.trunk = EfficientNetLite()
        self.head = nn.Sequential(nn.Conv2d(320, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.where = nn.Conv2d(width, len(VOCABULARY), 1)
        self.drop = nn.Dropout(0.3)
        self.out = nn.ModuleList(nn.Linear(2 * width, len(family.values)) for family in VOCABULARY)
        self.rows = nn.Parameter(torch.zeros(len(VOCABULARY), 16))  # how likely each height is, from head to feet

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, values) of logits, in the order of `VALUES`."""
        return self.read(self.trunk(pixels).float())

    def read(self, features: Tensor) -> Tensor:
        features = self.head(features)
        height = features.shape[2]
        prior = functional.interpolate(self.rows[None], size=height, mode="linear", align_corners=False)[0]
        share = (self.where(features) + prior[None, :, :, None]).flatten(2).softmax(-1)
        cells = features.flatten(2)
        parts, whole = torch.einsum("nkl,ncl->nkc", share, cells), cells.mean(2)
        return torch.cat([own(self.drop(torch.cat([parts[:, i], whole], 1))) for i, own in enumerate(self.out)], 1)


def targets_of(crops: list[Crop]) -> NDArray[np.int8]:
    """(crops, values): 1 true, 0 false, -1 unknown."""
    place = {value: column for column, value in enumerate(VALUES)}
    found = np.full((len(crops), len(VALUES)), -1, np.int8)
    for row, crop in enumerate(crops):
        for family, known in facts_of(crop.attributes).items():
            for value, true in known.items():
                if value != CANNOT_BE_SEEN:
                    found[row, place[family, value]] = true
    return found


def shares_of(crops: list[Crop], sets: NDArray[np.str_], held_out: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often each crop is drawn: by the root of how many its person has, data sets alike, held-out ones never."""
    people: dict[tuple[str, str | None], list[int]] = {}
    for row, crop in enumerate(crops):
        people.setdefault((str(sets[row]), crop.person), []).append(row)
    shares = np.zeros(len(crops))
    for own in people.values():
        shares[own] = len(own) ** -0.5
    shares[held_out] = 0
    for name in SETS:
        shares[sets == name] /= shares[sets == name].sum()
    return shares / shares.sum()


def balanced_accuracies(network: nn.Module, pixels: NDArray[np.uint8], truth: NDArray[np.int8]) -> dict[str, float]:
    """Percent by value, at logit 0."""
    network.eval()
    logits = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pixels), 128):
            batch = normalise(pixels[start : start + 128], MEAN, STD)
            logits.append((network(batch).float() + network(batch.flip(3)).float()) / 2)
    said = torch.cat(logits).numpy() > 0
    found = {}
    for column, (family, value) in enumerate(VALUES):
        true, false = truth[:, column] == 1, truth[:, column] == 0
        if min(true.sum(), false.sum()) >= FEWEST:
            found[f"{family}: {value}"] = 50 * float(said[true, column].mean() + (~said[false, column]).mean())
    return found


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--run", type=Path, default=Path("runs/attributes"))
    wanted.add_argument("--epochs", type=int, default=24)
    wanted.add_argument("--height", type=int, default=128)
    wanted.add_argument("--width", type=int, default=64)
    wanted.add_argument("--erasing", type=float, default=0.3)
    wanted.add_argument("--start", type=Path, help="a trained retriever's model.safetensors; without it, ImageNet")
    train(wanted.parse_args())


def train(asked: Any) -> None:
    asked.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    crops = list(join_training([load_dataset(asked.data / name) for name in SETS]))
    kept, _ = hold_out_identities(crops, 0.1, 0)  # as of the retriever: the same people are strangers to both
    taught = {crop.person for crop in kept}
    where = np.array([str(crop.person).split(":")[0] for crop in crops])
    held_out = np.array([crop.person not in taught for crop in crops])
    truth, pixels = targets_of(crops), decode(crops, asked.height, asked.width)
    shares = shares_of(crops, where, held_out)
    known = truth >= 0
    often = ((shares[:, None] * (truth == 1)).sum(0) / np.maximum((shares[:, None] * known).sum(0), 1e-9)).clip(
        0.004, 0.996
    )
    for_true, for_false = (torch.from_numpy((0.5 / part) ** RARE).float() for part in (often, 1 - often))
    network = Reader()
    if asked.start:
        weights = load_file(asked.start)
        network.trunk.load_state_dict(
            {n[6:]: v.float() for n, v in weights.items() if n.startswith("trunk.")}, strict=False
        )
    else:
        load_imagenet_weights(network.trunk)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    use_quick_gradients(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.03)
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY), use_buffers=True
    )
    state, first = asked.run / "state.pt", 0
    parts: dict[str, Any] = {"net": network, "ema": averaged, "opt": optimiser}
    if state.exists():
        before = torch.load(state, weights_only=True)
        first = before["epoch"]
        for name, part in parts.items():
            part.load_state_dict(before[name])
    random = np.random.default_rng(first)
    augment = Augment(MEAN, STD, Augmentation(erasing=asked.erasing, zoom=0.1, cast=0.05), torch.device("cpu"))
    batches = int((~held_out).sum()) // BATCH
    for epoch in range(first, asked.epochs):
        began, total = time.time(), 0.0
        network.train()
        for step in range(batches):
            for group in optimiser.param_groups:
                group["lr"] = RATE * learning_rate_at(epoch * batches + step, asked.epochs * batches, batches // 2)
            rows = random.choice(len(crops), BATCH, p=shares)
            answer = torch.from_numpy(truth[rows]).float()
            with torch.autocast("cpu", torch.bfloat16):
                features = network.trunk(augment(pixels[rows], random))
            logits = network.read(features.float())
            each = functional.binary_cross_entropy_with_logits(logits, answer.clamp(0, 1), reduction="none")
            counts = (answer >= 0).float()
            loss = (each * torch.where(answer > 0.5, for_true, for_false) * counts).sum() / counts.sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            averaged.update_parameters(network)
            total += float(loss.detach())
        record: dict[str, Any] = {"epoch": epoch + 1, "seconds": round(time.time() - began), "loss": total / batches}
        if epoch % 2 or epoch + 1 == asked.epochs:
            for name in SETS:
                own = held_out & (where == name)
                by_value = balanced_accuracies(averaged.module, pixels[own], truth[own])
                record |= {name: by_value, f"mean {name}": float(np.mean(list(by_value.values())))}
        now = {name: part.state_dict() for name, part in parts.items()} | {"epoch": epoch + 1}
        torch.save(now, state.with_suffix(".partial"))
        state.with_suffix(".partial").replace(state)
        with (asked.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        print({name: value for name, value in record.items() if not isinstance(value, dict)}, flush=True)


if __name__ == "__main__":
    main()
