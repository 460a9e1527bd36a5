"""One network for both: a trained retriever goes on learning identities while it learns to read attributes (README)."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from train import FEWEST, RARE, targets_of

from reidr.data.attribute_sources import facts_of
from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES, VOCABULARY
from reidr.evaluation.metrics import evaluate_features
from reidr.retrieval.embedders.preprocess import decode, normalise
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.common.depthwise import use_quick_gradients
from reidr.training.common.identities import hold_out_identities
from reidr.training.pretraining.streets import of_street
from reidr.training.recipes.retriever import Augmentation
from reidr.training.retriever.augment import Augment
from reidr.training.retriever.losses import IdentityLosses
from reidr.training.retriever.network import freeze_first_blocks, start_from_means
from reidr.training.retriever.pk_sampler import identity_batches
from reidr.training.retriever.train import learning_rate_at

HEIGHT, WIDTH = 192, 96
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PERSONS, EACH, READ = 12, 4, 48  # a step: 12 persons x 4 crops for identity, 48 crops to read
STREETS, PEOPLE = (20, 21, 22, 23), 500
SHARES = {"market1501": 0.42, "peta": 0.42, "street": 0.16}
RATE, DECAY, CUT = 3e-4, 0.998, 0.2
SPANS = {  # from which height to which a family lies on a whole upright person
    **dict.fromkeys(("headwear", "hair length", "hair color", "glasses"), (0.0, 0.17)),
    "scarf": (0.12, 0.25),
    **dict.fromkeys(("upper garment", "upper style", "upper colors", "sleeves", "pattern"), (0.17, 0.5)),
    **dict.fromkeys(("open jacket", "jacket colors"), (0.17, 0.5)),
    **dict.fromkeys(("lower garment", "lower style", "lower colors", "lower length"), (0.5, 0.88)),
    **dict.fromkeys(("shoes", "shoe colors"), (0.9, 1.0)),
    **dict.fromkeys(("carried", "bag colors"), (0.15, 0.8)),
}
FAMILY_OF = np.array([[f.name for f in VOCABULARY].index(family) for family, _ in VALUES])


class Branch(nn.Module):
    """The trunk's map → an attention over the cells for each family → logits of its values, and of "cannot be seen"."""

    def __init__(self, channels: int, width: int = 384) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.where = nn.Conv2d(width, len(VOCABULARY), 1)
        self.drop = nn.Dropout(0.3)
        self.out = nn.ModuleList(nn.Linear(2 * width, len(family.values) + 1) for family in VOCABULARY)
        self.rows = nn.Parameter(torch.zeros(len(VOCABULARY), 16))  # how likely each height is, from head to feet

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(N, channels, h, w) → (N, values) and (N, families) of logits."""
        features = self.head(features)
        prior = functional.interpolate(self.rows[None], size=features.shape[2], mode="linear", align_corners=False)[0]
        share = (self.where(features) + prior[None, :, :, None]).flatten(2).softmax(-1)
        cells = features.flatten(2)
        parts, whole = torch.einsum("nkl,ncl->nkc", share, cells), cells.mean(2)
        found = [own(self.drop(torch.cat([parts[:, i], whole], 1))) for i, own in enumerate(self.out)]
        return torch.cat([each[:, :-1] for each in found], 1), torch.stack([each[:, -1] for each in found], 1)


def hidden_of(crops: list[Crop]) -> NDArray[np.int8]:
    """(crops, families): 1 where a family cannot be seen, 0 where something is known of it in a whole crop."""
    found = np.zeros((len(crops), len(VOCABULARY)), np.int8)
    for row, crop in enumerate(crops):
        facts = facts_of(crop.attributes)
        found[row] = [facts.get(family.name, {}).get(CANNOT_BE_SEEN, False) for family in VOCABULARY]
    return found


def cut(pixels: NDArray[np.uint8], random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Some pictures cut below or above and stretched again; (N, families) 1 hidden, 0 shown, -1 neither."""
    hidden = np.zeros((len(pixels), len(VOCABULARY)), np.int8)
    out = pixels.copy()
    spans = np.array([SPANS[family.name] for family in VOCABULARY])
    for row in np.flatnonzero(random.random(len(pixels)) < CUT):
        first, last = (0.0, random.uniform(0.35, 0.9)) if random.random() < 0.7 else (random.uniform(0.1, 0.55), 1.0)
        part = pixels[row, int(first * HEIGHT) : int(last * HEIGHT)]
        stretched = functional.interpolate(
            torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float(), (HEIGHT, WIDTH), mode="bilinear"
        )
        out[row] = stretched[0].permute(1, 2, 0).round().byte().numpy()
        shown = (np.minimum(spans[:, 1], last) - np.maximum(spans[:, 0], first)).clip(0) / (spans[:, 1] - spans[:, 0])
        hidden[row] = np.select([shown < 0.3, shown > 0.7], [1, 0], -1)
    return out, hidden


def crops_of(asked: Any) -> tuple[list[Crop], list[Crop]]:
    """All training crops of the photo sets, and those of drawn people."""
    photos = list(join_training([load_dataset(asked.data / n) for n in ("market1501", "cuhk03-np-train", "peta")]))
    settings = StreetSettings(
        train_people=PEOPLE, cameras_per_person=2, queries_per_person=1, crops_per_camera=1, distractors=0, junk=0
    )
    drawn = []
    for seed in STREETS:
        place = asked.run / f"street-{seed}"
        street = (
            load_dataset(place)
            if (place / "street.json").exists()
            else render_street(place, replace(settings, seed=seed))
        )
        drawn += [of_street(seed, crop) for crop in street.train]
    return photos, drawn


def measure(network: nn.Module, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings and logits of the values, crop and mirrored crop together."""
    network.eval()
    embedded, logits = [], []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pixels), 64):
            batch = normalise(pixels[start : start + 64], MEAN, STD)
            sums, read = 0, 0
            for each in (batch, batch.flip(3)):
                features = network[0].trunk(each).float()
                _, normed = network[0].pooled_branches(network[0].head(features))
                sums = sums + torch.cat([functional.normalize(part.float(), dim=1) for part in normed], 1)
                read = read + network[1](features)[0].float() / 2
            embedded.append(functional.normalize(sums, dim=1))
            logits.append(read)
    return torch.cat(embedded).numpy(), torch.cat(logits).numpy()


def figures(
    crops: list[Crop], where: NDArray[np.str_], logits: NDArray[Any], truth: NDArray[np.int8]
) -> dict[str, Any]:
    """Balanced accuracy at logit 0 by set and value, in percent."""
    found: dict[str, Any] = {}
    for name in np.unique(where):
        own, by_value = where == name, {}
        for column, (family, value) in enumerate(VALUES):
            said, true, false = logits[own, column] > 0, truth[own, column] == 1, truth[own, column] == 0
            if min(true.sum(), false.sum()) >= FEWEST:
                by_value[f"{family}: {value}"] = 50 * float(said[true].mean() + (~said[false]).mean())
        if by_value:
            found |= {str(name): by_value, f"mean {name}": float(np.mean(list(by_value.values())))}
    return found


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--run", type=Path, default=Path("runs/joint"))
    wanted.add_argument("--start", type=Path, required=True, help="folder of a trained retriever")
    wanted.add_argument("--epochs", type=int, default=8)
    wanted.add_argument("--steps", type=int, default=320, help="an epoch's")
    wanted.add_argument("--identity", type=float, default=1.0, help="weight of the identity losses; 0 leaves them out")
    train(wanted.parse_args())


def train(asked: Any) -> None:
    asked.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    photos, drawn = crops_of(asked)
    kept, _ = hold_out_identities([*photos, *drawn], 0.1, 0)
    taught = {crop.person for crop in kept}
    crops = [*photos, *drawn]
    where = np.array([str(crop.person).split(":")[0] for crop in photos] + ["street"] * len(drawn))
    held_out = np.array([crop.person not in taught for crop in crops])
    pixels, truth, hidden = decode(crops, HEIGHT, WIDTH), targets_of(crops), hidden_of(crops)
    shares = np.zeros(len(crops))
    for name, weight in SHARES.items():
        own = np.flatnonzero((where == name) & ~held_out)
        _, place, count = np.unique([crops[row].person for row in own], return_inverse=True, return_counts=True)
        root = count[place] ** -0.5
        shares[own] = weight * root / root.sum()
    known = truth >= 0
    often = ((shares[:, None] * (truth == 1)).sum(0) / np.maximum((shares[:, None] * known).sum(0), 1e-9)).clip(
        0.004, 0.996
    )
    for_true, for_false = (torch.from_numpy((0.5 / part) ** RARE).float() for part in (often, 1 - often))
    people = np.flatnonzero(np.isin(where, ("market1501", "cuhk03-np-train")) & ~held_out)
    names = sorted({str(crops[row].person) for row in people})
    labels = np.array([names.index(str(crops[row].person)) for row in people])
    embedder = Retriever.load(asked.start).network
    network = nn.ModuleList([embedder, Branch(embedder.trunk.channels)]).to(memory_format=torch.channels_last)
    losses = IdentityLosses(embedder, len(names), 0.3, 0.1)
    freeze_first_blocks(embedder, 3)
    use_quick_gradients(network)
    if not (asked.run / "state.pt").exists():
        start_from_means(losses, embedder, pixels[people], labels)
    parameters = [p for part in (network, losses) for p in part.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.03)
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY), use_buffers=True
    )
    parts: dict[str, Any] = {"net": network, "ema": averaged, "opt": optimiser, "losses": losses}
    state, first = asked.run / "state.pt", 0
    if state.exists():
        before = torch.load(state, weights_only=True)
        first = before["epoch"]
        for name, part in parts.items():
            part.load_state_dict(before[name])
    augment = Augment(MEAN, STD, Augmentation(erasing=0.5, zoom=0.1, cast=0.06), torch.device("cpu"))
    cameras = [crops[row].camera for row in people]
    for epoch in range(first, asked.epochs):
        random = np.random.default_rng((0, epoch))
        began, sums = time.time(), np.zeros(3)
        network.train()
        freeze_first_blocks(embedder, 3)
        batches = iter(identity_batches(labels.tolist(), cameras, PERSONS, EACH, random))
        for step in range(asked.steps):
            chosen = next(batches, None)
            if chosen is None:
                batches = iter(identity_batches(labels.tolist(), cameras, PERSONS, EACH, random))
                chosen = next(batches)
            rate = RATE * learning_rate_at(epoch * asked.steps + step, asked.epochs * asked.steps, asked.steps // 2)
            for group in optimiser.param_groups:
                group["lr"] = rate
            rows = random.choice(len(crops), READ, p=shares)
            read, gone = cut(pixels[rows], random)
            batch = np.concatenate([pixels[people[chosen]], read]) if asked.identity else read
            with torch.autocast("cpu", torch.bfloat16):
                features = embedder.trunk(augment(batch, random))
            features = features.float()
            loss: Tensor = torch.zeros(())
            if asked.identity:
                pooled, normed = embedder.pooled_branches(embedder.head(features[: len(chosen)]))
                identity, _ = losses(pooled, normed, torch.from_numpy(labels[chosen]))
                loss, sums[0] = loss + asked.identity * identity, sums[0] + float(identity.detach())
            values, unseen = network[1](features[-READ:])
            cannot = np.where((gone == 0) & (hidden[rows] == 1), 1, gone)
            wanted = np.where(cannot[:, FAMILY_OF] == 0, truth[rows], -1)
            answer = torch.from_numpy(wanted).float()
            each = functional.binary_cross_entropy_with_logits(values, answer.clamp(0, 1), reduction="none")
            counts = (answer >= 0).float()
            attribute = (each * torch.where(answer > 0.5, for_true, for_false) * counts).sum() / counts.sum()
            shown = torch.from_numpy(cannot).float()
            sure = (shown >= 0).float()
            blind = functional.binary_cross_entropy_with_logits(unseen, shown.clamp(0, 1), reduction="none")
            blind = (blind * sure).sum() / sure.sum()
            loss = loss + attribute + 0.3 * blind
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            averaged.update_parameters(network)
            sums[1:] += float(attribute.detach()), float(blind.detach())
        record: dict[str, Any] = {"epoch": epoch + 1, "seconds": round(time.time() - began)}
        record |= dict(zip(("identity", "attribute", "hidden"), (sums / asked.steps).round(4).tolist(), strict=True))
        if epoch % 2 or epoch + 1 == asked.epochs:
            rows = np.flatnonzero(held_out)
            embedded, logits = measure(averaged.module, pixels[rows])
            record |= figures(crops, where[rows], logits, truth[rows])
            for name in ("market1501", "cuhk03-np-train"):
                own = where[rows] == name
                who = [str(crops[row].person) for row in rows[own]]
                seen_by = [str(crops[row].camera) for row in rows[own]]
                result = evaluate_features(embedded[own], embedded[own], who, who, seen_by, seen_by)
                record[f"search {name}"] = [100 * result.mean_average_precision, 100 * result.rank(1)]
        now = {name: part.state_dict() for name, part in parts.items()} | {"epoch": epoch + 1}
        torch.save(now, state.with_suffix(".partial"))
        state.with_suffix(".partial").replace(state)
        with (asked.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        print({name: value for name, value in record.items() if not isinstance(value, dict)}, flush=True)


if __name__ == "__main__":
    main()
