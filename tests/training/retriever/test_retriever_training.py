"""Retriever training on a handful of drawn crops: it learns, everything moves that should, and a stop costs nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import DataError
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.retrieval.embedders.preprocess import decode, normalise
from reidr.training.common.schedule import learning_rate_at
from reidr.training.recipes.retriever import Augmentation, RetrieverRecipe, SmallerPictures
from reidr.training.retriever.augment import Augment
from reidr.training.retriever.losses import AttributeLosses, IdentityLosses
from reidr.training.retriever.network import freeze_first_blocks, pictures_of_epoch, start_from_means
from reidr.training.retriever.train import train_retriever

SMALL = NetworkSettings(height=32, width=32, embedding=16, stripes=2, stripe_embedding=8, flip=False)


def people(number: int = 6, images: int = 4) -> list[Crop]:
    """Crops of plain colour per person with noise: learnable in a few steps."""
    random = np.random.default_rng(0)
    crops = []
    for person in range(number):
        color = random.integers(0, 255, 3)
        for image in range(images):
            pixels = np.clip(color + random.normal(0, 12, (32, 32, 3)), 0, 255).astype(np.uint8)
            crops.append(
                Crop(id=f"{person}/{image}", image=Image.fromarray(pixels), person=str(person), camera=str(image % 2))
            )
    return crops


def recipe(**changes: object) -> RetrieverRecipe:
    values = {
        "data": (),
        "network": SMALL,
        "imagenet": False,
        "frozen_blocks": 0,
        "epochs": 2,
        "warmup_epochs": 0,
        "batch_persons": 3,
        "batch_images": 2,
        "learning_rate": 1e-3,
    }
    return RetrieverRecipe(**{**values, **changes})  # type: ignore[arg-type]


def test_two_epochs_then_two_more_equal_four(tmp_path: Path) -> None:
    whole = train_retriever(recipe(epochs=4), people(), make(tmp_path / "whole"))
    # Stopped after two of four epochs: the schedule must be that of four.
    folder = make(tmp_path / "halves")
    with pytest.raises(KeyboardInterrupt):
        train_retriever(recipe(epochs=4), people(), folder, stop_after(2.0))
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
    resumed = train_retriever(recipe(epochs=4), people(), folder)
    for (name, one), (_, two) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def make(path: Path) -> Path:
    path.mkdir()
    return path


def stop_after(epochs: float):  # type: ignore[no-untyped-def]
    seen = 0.0

    def advance(share: float) -> None:
        nonlocal seen
        seen += share
        if seen > epochs + 1e-6:
            raise KeyboardInterrupt

    return advance


def test_every_trainable_parameter_moves_and_frozen_ones_do_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = build_network(SMALL).state_dict()
    # ema_decay=0 returns the last weights themselves. Seeded alike, training starts from the same random weights.
    trained = train_retriever(recipe(frozen_blocks=2, ema_decay=0.0), people(), tmp_path)
    after = trained.state_dict()
    for name, parameter in trained.named_parameters():
        frozen = name.startswith(("trunk.stem", "trunk.blocks.0.", "trunk.blocks.1."))
        necks_bias = name.startswith("necks") and name.endswith("bias")
        assert torch.equal(before[name], after[name]) == (frozen or necks_bias), name
        assert torch.isfinite(parameter).all()
    # Frozen batch norms must not drift either.
    assert torch.equal(before["trunk.stem.1.running_mean"], after["trunk.stem.1.running_mean"])


def test_the_identity_loss_falls(tmp_path: Path) -> None:
    # One batch an epoch with all six people in it; a random deep trunk needs some twenty steps to tell colours.
    quick = recipe(
        epochs=20,
        augmentation={"erasing": 0.0},
        label_smoothing=0.0,
        learning_rate=5e-3,
        batch_persons=6,
        batch_images=4,
    )
    train_retriever(quick, people(), tmp_path)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["identity_loss"] < log[0]["identity_loss"] - 0.1


def test_crops_without_persons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training crop"):
        train_retriever(recipe(), [Crop(id="a", image=Image.new("RGB", (8, 8)))], tmp_path)


def test_learning_rate_warms_up_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate_at(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.01)


def test_augmentation_keeps_shape_range_and_seed() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (16, 32, 16, 3), dtype=np.uint8)
    augment = Augment((0.5,) * 3, (0.5,) * 3, Augmentation(erasing=1.0))
    one, two = (augment(batch, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (16, 3, 32, 16)
    assert torch.equal(one, two)
    assert float(one.min()) >= -1.0
    assert float(one.max()) <= 1.0
    # erasing=1 leaves a rectangle of exact zeros in every picture
    assert ((one == 0).all(dim=1).flatten(1).sum(dim=1) >= 0.02 * 32 * 16 * 0.5).all()


NOTHING = dict.fromkeys(Augmentation.model_fields, 0)


def test_without_any_change_a_crop_is_only_mirrored_or_not() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (16, 32, 16, 3), dtype=np.uint8)
    augment = Augment((0.5,) * 3, (0.5,) * 3, Augmentation(**NOTHING))
    found = augment(batch, np.random.default_rng(3))
    plain = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
    mirrored = [torch.allclose(one, other.flip(2), atol=1e-5) for one, other in zip(found, plain, strict=True)]
    same = [torch.allclose(one, other, atol=1e-5) for one, other in zip(found, plain, strict=True)]
    assert [a != b for a, b in zip(mirrored, same, strict=True)] == [True] * 16
    assert 0 < sum(mirrored) < 16


@pytest.mark.parametrize("name", ["zoom", "jitter", "cast"])
def test_each_change_changes_something_and_stays_in_range(name: str) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (16, 32, 16, 3), dtype=np.uint8)
    plain, changed = (
        Augment((0.5,) * 3, (0.5,) * 3, Augmentation(**{**NOTHING, name: amount}))(batch, np.random.default_rng(3))
        for amount in (0.0, 0.5)
    )
    assert not torch.equal(plain, changed)
    assert bool(torch.isfinite(changed).all())
    assert float(changed.abs().max()) <= 1.0 + 1e-5


def test_shifting_moves_whole_pixels_and_repeats_the_border() -> None:
    batch = np.arange(8, dtype=np.uint8)[None, :, None, None] * np.ones((40, 1, 6, 3), dtype=np.uint8) * 30
    found = Augment((0.0,) * 3, (1.0,) * 3, Augmentation(**{**NOTHING, "shift": 2}))(batch, np.random.default_rng(0))
    rows = (found[:, 0, :, 0] * 255 / 30).round(decimals=3)
    steps = set()
    for row in rows.tolist():
        (step,) = (s for s in range(-2, 3) if row == [min(max(place + s, 0), 7) for place in range(8)])
        steps.add(step)
    assert steps == {-2, -1, 0, 1, 2}


def test_the_identity_loss_is_the_mean_cross_entropy_of_the_branches() -> None:
    torch.manual_seed(0)
    network = build_network(SMALL)
    losses = IdentityLosses(network, 4, margin=0.3, smoothing=0.0)
    for classifier in losses.classifiers:
        torch.nn.init.normal_(classifier.get_parameter("weight"), std=0.5)
    branches = [torch.randn(4, size) for size in network.branch_sizes]
    labels = torch.tensor([0, 0, 1, 1])
    _, shown = losses(branches, branches, labels)
    by_hand = []
    for classifier, branch in zip(losses.classifiers, branches, strict=True):
        probabilities = torch.softmax(classifier(branch), dim=1)
        by_hand.append(float(-torch.log(probabilities[torch.arange(4), labels]).mean().detach()))
    assert shown["identity_loss"] == pytest.approx(np.mean(by_hand), rel=1e-5)


class SeesMeanColour(torch.nn.Module):
    """In place of a network: every branch is a crop's mean colour."""

    settings, branch_sizes = SMALL, (3, 3, 3)

    def branches(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        colours = [pixels.mean(dim=(2, 3))] * 3
        return colours, colours


def test_classifiers_start_from_the_mean_direction_of_each_identity() -> None:
    network: Any = SeesMeanColour()
    losses = IdentityLosses(network, 6, margin=0.3, smoothing=0.0)
    pixels, labels = decode(people(), 32, 32), np.repeat(np.arange(6), 4)
    start_from_means(losses, network, pixels, labels)
    colours = (pixels.mean(axis=(1, 2)) / 255 - SMALL.mean) / SMALL.std
    directions = (colours / np.linalg.norm(colours, axis=1, keepdims=True)).reshape(6, 4, 3).mean(axis=1)
    wanted = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    for classifier in losses.classifiers:
        np.testing.assert_allclose(classifier.weight.detach().numpy(), wanted, atol=1e-4)
    _, shown = losses(*network.branches(normalise(pixels, SMALL.mean, SMALL.std)), torch.from_numpy(labels))
    assert shown["training_accuracy"] > 0.9


def test_going_on_from_a_network_survives_a_stop(tmp_path: Path) -> None:
    start = train_retriever(recipe(epochs=1), people(), make(tmp_path / "start"))
    changes: dict[str, object] = {"epochs": 4, "augmentation": {"zoom": 0.2}, "attributes": 0.5}
    whole = train_retriever(recipe(**changes), dressed(), make(tmp_path / "whole"), start=start)
    folder = make(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        train_retriever(recipe(**changes), dressed(), folder, stop_after(2.0), start=start)
    resumed = train_retriever(recipe(**changes), dressed(), folder, start=start)
    for (name, one), (_, two) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def dressed(number: int = 6, images: int = 4) -> list[Crop]:
    """`people` with attributes: every hat is known, the sleeves of every other person, and of one crop nothing."""
    crops = []
    for place, crop in enumerate(people(number, images)):
        person = int(str(crop.person))
        attributes = {"hat": ("none", "cap", "not visible")[person % 3]}
        if person % 2:
            attributes["sleeve"] = ("long", "short")[person % 4 == 1]
        crops.append(replace(crop, attributes={} if place == 0 else attributes))
    return crops


def test_the_attribute_loss_is_the_mean_over_attributes_of_what_is_known() -> None:
    torch.manual_seed(0)
    crops = dressed()
    losses = AttributeLosses(5, crops, weight=0.5)
    assert losses.values == {"hat": ["cap", "none", "not visible"], "sleeve": ["long", "short"]}
    rows = [0, 3, 4, 9, 20, 22]
    feature = torch.randn(len(rows), 5)
    loss, shown = losses(feature, torch.tensor(rows))
    each = []
    for classifier, (name, values) in zip(losses.classifiers, losses.values.items(), strict=True):
        found = []
        for place, row in enumerate(rows):
            if name in crops[row].attributes:
                shares = torch.softmax(classifier(feature[place]), dim=0)
                found.append(-float(torch.log(shares[values.index(crops[row].attributes[name])]).detach()))
        each.append(sum(found) / len(found))
    assert shown["attribute_loss"] == pytest.approx(sum(each) / 2, rel=1e-5)
    assert float(loss.detach()) == pytest.approx(0.5 * sum(each) / 2, rel=1e-5)
    # Of crop 0 nothing is known: no loss, and no gradient, but still something to add to the others.
    alone = feature[:1].clone().requires_grad_(True)
    none, shown = losses(alone, torch.tensor([0]))
    none.backward()
    assert float(none) == 0.0
    assert shown == {}
    assert not alone.grad.any()


def test_attributes_are_learned_beside_identities_and_a_stop_costs_nothing(tmp_path: Path) -> None:
    quick = recipe(
        epochs=6, augmentation={"erasing": 0.0}, attributes=1.0, learning_rate=5e-3, batch_persons=6, batch_images=4
    )
    whole = train_retriever(quick, dressed(), make(tmp_path / "whole"))
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["attribute_loss"] < log[0]["attribute_loss"]
    folder = make(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        train_retriever(quick, dressed(), folder, stop_after(3.0))
    resumed = train_retriever(quick, dressed(), folder)
    for (name, one), (_, two) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def test_attributes_that_nobody_has_or_nobody_asks_for_change_nothing(tmp_path: Path) -> None:
    weights = [
        train_retriever(recipe(epochs=1, attributes=weight), crops, make(tmp_path / name)).state_dict()
        for name, weight, crops in (("plain", 0.0, people()), ("unknown", 1.0, people()), ("unasked", 0.0, dressed()))
    ]
    for other in weights[1:]:
        assert all(torch.equal(one, other[name]) for name, one in weights[0].items())


def test_training_goes_on_from_a_given_network_at_another_size(tmp_path: Path) -> None:
    from reidr.retrieval.embedders.network import build_network

    torch.manual_seed(9)
    start = build_network(SMALL)
    with torch.no_grad():
        start.pool.power.fill_(2.5)
    before = {name: each.clone() for name, each in start.state_dict().items()}
    larger = SMALL.model_copy(update={"height": 48, "width": 24})
    still = recipe(epochs=1, network=larger, learning_rate=1e-12, weight_decay=0.0, ema_decay=0.0)
    trained = train_retriever(still, people(), tmp_path, start=start)
    assert (trained.settings.height, trained.settings.width) == (48, 24)
    for name, parameter in trained.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name], atol=1e-6, rtol=1e-5)
    # The network that was given is not trained itself.
    assert all(torch.equal(before[name], each) for name, each in start.state_dict().items())


def small_first() -> tuple[SmallerPictures, ...]:
    return (
        SmallerPictures(epochs=2, height=32, width=16, frozen_blocks=0),
        SmallerPictures(epochs=1, height=32, width=24, frozen_blocks=2),
    )


def test_pictures_of_each_epoch_follow_the_recipe() -> None:
    staged = recipe(epochs=5, smaller_first=small_first(), frozen_blocks=3)
    found = [pictures_of_epoch(staged, epoch) for epoch in range(5)]
    assert found == [(32, 16, 0), (32, 16, 0), (32, 24, 2), (32, 32, 3), (32, 32, 3)]


def test_a_stop_between_sizes_costs_nothing_and_early_blocks_learn_while_they_may(tmp_path: Path) -> None:
    staged = recipe(epochs=4, smaller_first=small_first(), frozen_blocks=3, precision="bfloat16")
    whole = train_retriever(staged, people(), make(tmp_path / "whole"))
    folder = make(tmp_path / "halves")
    with pytest.raises(KeyboardInterrupt):
        train_retriever(staged, people(), folder, stop_after(3.0))
    resumed = train_retriever(staged, people(), folder)
    for (name, one), (_, two) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(one, two), name
    torch.manual_seed(staged.seed)
    start = build_network(SMALL).state_dict()
    assert not torch.equal(start["trunk.stem.0.weight"], whole.state_dict()["trunk.stem.0.weight"])


def test_blocks_frozen_later_are_let_go_again() -> None:
    network = build_network(SMALL)
    freeze_first_blocks(network, 4)
    assert not network.trunk.blocks[3].layers[0].weight.requires_grad  # type: ignore[union-attr, index]
    assert network.trunk.blocks[4].layers[0].weight.requires_grad  # type: ignore[union-attr, index]
    freeze_first_blocks(network, 0)
    assert all(parameter.requires_grad for parameter in network.trunk.parameters())
