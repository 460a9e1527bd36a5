"""Train the attribute head (`reasoning.nano.attribute_head`) and connect it to the language model."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reidr.core.progress import Advance
from reidr.core.storage.files import torch_save
from reidr.data.types import Crop
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.inference.seeding import seeded
from reidr.reasoning.nano.attribute_head import AttributeHead
from reidr.reasoning.nano.model import ConvolutionalVision
from reidr.reasoning.prompting.questions import QUESTIONS
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.training.common.divergence import check_finite
from reidr.training.common.identities import family_of
from reidr.training.common.schedule import learning_rate_at, set_learning_rate
from reidr.training.pairs.folds import fold_of
from reidr.training.recipes.pretraining import PretrainingRecipe

UNKNOWN = -100
RIDGE = 1e-3
BATCH = 256


def values_of(crops: Sequence[Crop]) -> dict[str, list[str]]:
    """The attributes there are questions about, each with all values that these crops have, sorted."""
    known: dict[str, set[str]] = {name: set() for name in QUESTIONS}
    for crop in crops:
        for name in known:
            if name in crop.attributes:
                known[name].add(crop.attributes[name])
    return {name: sorted(values) for name, values in known.items() if len(values) > 1}


def targets_of(crops: Sequence[Crop], reads: Mapping[str, Sequence[str]]) -> Tensor:
    """(crops, attributes): the number of the value, `UNKNOWN` where nothing is known."""
    places = {name: {value: place for place, value in enumerate(values)} for name, values in reads.items()}
    rows = [[own.get(crop.attributes.get(name, ""), UNKNOWN) for name, own in places.items()] for crop in crops]
    return torch.tensor(rows, dtype=torch.long).reshape(len(crops), len(places))


def weights_of(targets: Tensor, values: Sequence[str]) -> Tensor:
    """One attribute's weight per value: 1 / how often, 1 on average over known values; 0 for values that do not occur.

    Without weights the head would answer "no hat" of everybody and be right most of the time; weights by the square
    root still favour common values. "Not visible" is a property of a picture, not of a person: it keeps weight 1.
    """
    number = torch.bincount(targets[targets != UNKNOWN], minlength=len(values)).double()
    unseen = torch.tensor([value == UNSEEN for value in values])
    known = number.masked_fill(unseen, 0)
    weights = torch.where(known > 0, known.sum() / (known > 0).sum() / known.clamp(min=1), torch.zeros_like(known))
    return weights.masked_fill(unseen & (number > 0), 1.0).float()


def weights_within(
    families: Sequence[NDArray[np.int64]], targets: Tensor, reads: Mapping[str, Sequence[str]]
) -> Tensor:
    """(crops, attributes): the weight of each crop's value among the crops of its family; 0 where it is unknown.

    `families`: places of the crops of each; `targets`, `reads`: see `targets_of`.
    """
    weights = torch.zeros(targets.shape)
    for own in families:
        for place, values in enumerate(reads.values()):
            column = targets[own, place]
            weights[own, place] = weights_of(column, values)[column.clamp(min=0)] * (column != UNKNOWN)
    return weights


def places_by_family(crops: Sequence[Crop], known: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Places of the crops with known attributes, by family of data sets (each photo set; all rendered people)."""
    families: dict[str, list[int]] = {}
    for place in np.flatnonzero(known).tolist():
        families.setdefault(family_of(str(crops[place].person)), []).append(place)
    return [np.array(own) for _, own in sorted(families.items())]


def shares_of(crops: Sequence[Crop], families: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The share of each of `families` (places of its crops) in a batch: the square root of its people, sum 1.

    With equal shares a few hundred photographed people are memorised long before thousands of rendered ones are.
    """
    roots = np.sqrt([len({crops[place].person for place in own.tolist()}) for own in families])
    shares: NDArray[np.float64] = roots / roots.sum()
    return shares


def train_attribute_head(
    recipe: PretrainingRecipe,
    crops: Sequence[Crop],
    attribute_head: AttributeHead,
    features: CropFeatures,
    advance: Advance | None = None,
    *,
    excluded: NDArray[np.bool_] | None = None,
) -> list[float]:
    """Train `attribute_head` in place for `recipe.attribute_head_steps` batches; returns the loss of each.

    The loss is cross-entropy over the known attributes of a crop, values weighted by `weights_of` within each family of
    data sets, families sampled by `shares_of`. `AttributeHead.to_tokens` is not trained here (`fit_projection`).

    Args:
        features: the crops' features in their order. excluded: (crops,) True for crops not to train on.
    """
    device = attribute_head.to_tokens.weight.device
    targets = targets_of(crops, attribute_head.reads)
    if excluded is not None:
        targets[torch.from_numpy(excluded)] = UNKNOWN
    families = places_by_family(crops, (targets != UNKNOWN).any(dim=1).numpy())
    shares = shares_of(crops, families)
    weights = weights_within(families, targets, attribute_head.reads)
    parameters = [parameter for part in attribute_head.recognition for parameter in part.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=recipe.attribute_head_learning_rate, weight_decay=0.05, betas=(0.9, 0.98)
    )
    losses = []
    attribute_head.train()
    with seeded(recipe.seed, device):  # of the dropout
        for step in range(recipe.attribute_head_steps):
            random = np.random.default_rng((recipe.seed, 1, step))
            share = learning_rate_at(step, recipe.attribute_head_steps, 50)
            set_learning_rate(optimiser, recipe.attribute_head_learning_rate, share)
            which = [int(random.choice(len(families), p=shares)) for _ in range(recipe.attribute_head_batch)]
            chosen = [int(random.choice(families[family])) for family in which]
            logits, wanted = (
                attribute_head.logits([features.kept(place).float() for place in chosen]),
                targets[chosen].to(device),
            )
            parts = [
                functional.cross_entropy(own, wanted[:, place], ignore_index=UNKNOWN, reduction="none")
                for place, own in enumerate(logits)
            ]
            weighed = torch.stack(parts, dim=1) * weights[chosen].to(device)
            loss = weighed.sum() / (wanted != UNKNOWN).sum().clamp(min=1)
            check_finite({"loss": float(loss.detach())}, f"step {step + 1} of the attribute head")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
            if advance is not None:
                advance(1)
    attribute_head.eval()
    return losses


@torch.no_grad()
def probabilities_of(attribute_head: AttributeHead, features: CropFeatures, places: Sequence[int]) -> Tensor:
    """(places, values) probabilities of the crops at `places`, as `AttributeHead.probabilities`."""
    batches = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    return torch.cat(
        [attribute_head.probabilities([features.kept(place).float() for place in batch]) for batch in batches]
    )


def probabilities_out_of_fold(
    recipe: PretrainingRecipe,
    crops: Sequence[Crop],
    untrained: AttributeHead,
    features: CropFeatures,
    folder: Path,
    advance: Advance | None = None,
) -> Tensor:
    """(crops, values) probabilities of every crop, by a head that was not trained on its person.

    One copy of `untrained` per fold of the people, trained on the other folds and saved as `attribute_head-FOLD.pt` in
    `folder`. A head recognises the people it was trained on too well; a language model that is trained with such output
    would trust it more than it deserves on new people.
    """
    folds = np.array([fold_of(str(crop.person), recipe.attribute_head_folds, recipe.seed) for crop in crops])
    found = torch.empty(len(crops), sum(untrained.counts))
    for fold in range(recipe.attribute_head_folds):
        attribute_head, path = copy.deepcopy(untrained), folder / f"attribute_head-{fold}.pt"
        if path.is_file():
            attribute_head.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
            if advance is not None:
                advance(recipe.attribute_head_steps)
        else:
            train_attribute_head(recipe, crops, attribute_head, features, advance, excluded=folds == fold)
            torch_save(attribute_head.state_dict(), path)
        places = np.flatnonzero(folds == fold).tolist()
        found[places] = probabilities_of(attribute_head.eval(), features, places).cpu()
    return found


@torch.no_grad()
def fit_projection(
    visual: ConvolutionalVision, features: CropFeatures, places: Sequence[int], recognised: Tensor
) -> float:
    """Fit the projection of the attribute head's probabilities into tokens; returns R² of the fit.

    Ridge regression, over the crops at `places`, of the connector's mean token on `recognised`, (places, values): a
    recognised red top becomes what the tokens of crops with red tops have in common, which the trained language model
    already understands. From a zero start, hundreds of optimiser steps were not enough.
    """
    attribute_head = visual.attribute_head
    assert attribute_head is not None
    raw = [features.kept(place).float() for place in places]
    probabilities = recognised.to(raw[0].device).double()
    tokens = torch.stack([visual.connector(crop).mean(dim=0) for crop in raw]).double()
    inputs, wanted = probabilities - probabilities.mean(dim=0), tokens - tokens.mean(dim=0)
    ridge = RIDGE * len(raw) * torch.eye(inputs.shape[1], dtype=torch.float64, device=inputs.device)
    weights = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)
    attribute_head.to_tokens.weight.copy_(weights.T)
    attribute_head.to_tokens.bias.copy_(-probabilities.mean(dim=0) @ weights)
    return float(1 - (wanted - inputs @ weights).square().sum() / wanted.square().sum())
