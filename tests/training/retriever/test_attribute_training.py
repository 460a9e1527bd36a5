"""Teaching a retriever's network to recognise attributes: marks, cuts, loss, calibration, and a whole training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop, ReIDDataset
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES, VOCABULARY
from reidr.errors import DataError, RecipeError
from reidr.retrieval.embedders.network import NetworkSettings, RetrieverNetwork, build_network
from reidr.training.recipes.retriever import AttributeTraining, RetrieverRecipe
from reidr.training.retriever.attributes.calibrate import calibrate, fit_platt
from reidr.training.retriever.attributes.cutting import SPANS, cut_pictures, hidden_by_cut
from reidr.training.retriever.attributes.loss import AttributeLoss
from reidr.training.retriever.attributes.people import described_people, recognising
from reidr.training.retriever.attributes.targets import FAMILIES, UNKNOWN, drawing_weights, marks_of, shares_true
from reidr.training.retriever.attributes.task import AttributeTask, together
from reidr.training.retriever.network import take_weights
from reidr.training.retriever.train import train_retriever

RED, HAT = VALUES.index(("upper colors", "red")), VALUES.index(("headwear", "hat"))
SMALL = NetworkSettings(height=32, width=32, embedding=16, stripes=2, stripe_embedding=8, flip=False)
PEOPLE = AttributeTraining(data=(), streets=0, batch=8, cut=0.2, width=16)


def person(number: int, top: str, image: int = 0) -> Crop:
    """A crop whose upper half has the colour of the top."""
    random = np.random.default_rng((number, image))
    pixels = random.integers(60, 120, (32, 32, 3), dtype=np.uint8)
    pixels[6:16] = {"red": (220, 30, 30), "blue": (30, 30, 220)}[top]
    return Crop(
        id=f"{number}/{image}",
        image=Image.fromarray(pixels),
        person=f"street1:{number}",
        camera=str(image % 2),
        attributes={"upper_color": top, "hat": "none", "shoes_color": "not visible"},
    )


def test_marks_say_true_false_unknown_and_hidden() -> None:
    values, hidden = marks_of([person(0, "red"), Crop("x", Image.new("RGB", (1, 1)), "street1:1", "0")])
    assert values[0, RED] == 1
    assert values[0, VALUES.index(("upper colors", "blue"))] == 0
    assert values[0, HAT] == 0
    assert hidden[0, FAMILIES.index("shoe colors")] == 1
    shoes = [column for column, (family, _) in enumerate(VALUES) if family == "shoe colors"]
    assert set(values[0, shoes].tolist()) == {UNKNOWN}
    assert (values[1] == UNKNOWN).all()
    assert (hidden[1] == 0).all()


def test_shares_and_weights_by_hand() -> None:
    values = np.array([[1, UNKNOWN], [0, UNKNOWN], [1, 0]], np.int8)
    np.testing.assert_allclose(shares_true(values, np.array([1.0, 1.0, 2.0])), [0.75, 0.004])
    crops = [person(0, "red"), person(0, "red", 1), person(0, "red", 2), person(0, "red", 3), person(1, "red")]
    weights = drawing_weights(crops, ["a", "a", "a", "a", "b"], {"a": 0.6, "b": 0.4})
    np.testing.assert_allclose(weights, [0.15, 0.15, 0.15, 0.15, 0.4])
    # One person with four crops counts as the root of four of one with one crop.
    weights = drawing_weights(crops, ["a"] * 5, {})
    np.testing.assert_allclose(weights[:4].sum() / weights[4], 2.0)


def test_a_cut_hides_what_lies_beyond_it() -> None:
    assert set(SPANS) == {family.name for family in VOCABULARY}
    marks = dict(zip(FAMILIES, hidden_by_cut(0.0, 0.5).tolist(), strict=True))
    assert (marks["headwear"], marks["upper colors"], marks["lower colors"], marks["shoes"]) == (0, 0, 1, 1)
    assert marks["carried"] == UNKNOWN  # half of where things are carried is left
    marks = dict(zip(FAMILIES, hidden_by_cut(0.3, 1.0).tolist(), strict=True))
    assert (marks["headwear"], marks["shoes"], marks["lower length"]) == (1, 0, 0)


def test_pictures_are_cut_and_stretched_and_whole_ones_stay_as_they_are() -> None:
    rows = np.repeat(np.arange(32, dtype=np.uint8)[:, None], 16, axis=1)[..., None].repeat(3, axis=2)
    pixels = np.stack([rows] * 200)
    cut, marks = cut_pictures(pixels, 0.5, np.random.default_rng(0))
    changed = (cut != pixels).any(axis=(1, 2, 3))
    assert 60 < changed.sum() < 140
    assert (marks[~changed] == 0).all()
    tops = (cut[:, 0, 0, 0] <= 1) & changed
    for row in np.flatnonzero(tops)[:20]:
        last = cut[row, -1, 0, 0] / 31  # the height that is left
        want = hidden_by_cut(0.0, float(last))
        near = np.array([abs(last - at) > 0.06 for at in np.linspace(0, 1, len(want))])
        assert (marks[row] == want)[near].mean() > 0.7
    assert (together(np.ones_like(marks), marks)[~changed] == 1).all()


def test_the_loss_by_hand() -> None:
    shares = np.full((2, len(VALUES)), 0.5)
    shares[0, RED], shares[1, RED] = 0.1, 0.2  # the two crops are of two data sets
    loss = AttributeLoss(shares, rarity=1.0, hidden_weight=0.5)
    values = np.full((2, len(VALUES)), UNKNOWN, np.int8)
    values[0, RED], values[1, RED], values[1, HAT] = 1, 0, 1
    hidden = np.full((2, len(FAMILIES)), UNKNOWN, np.int8)
    hidden[0, FAMILIES.index("upper colors")] = 0
    hidden[1] = 0
    hidden[1, FAMILIES.index("headwear")] = 1  # so nothing is learned of the hat
    logits = torch.zeros(2, len(VALUES)), torch.zeros(2, len(FAMILIES))
    sets = np.array([0, 1])
    total, parts = loss(logits, values, hidden, sets)
    half = float(np.log(2))
    assert parts["attribute_loss"] == pytest.approx((half * 5 + half * 0.5 / 0.8) / 2, rel=1e-5)
    assert parts["hidden_loss"] == pytest.approx(half, rel=1e-5)
    assert float(total) == pytest.approx(parts["attribute_loss"] + 0.5 * half, rel=1e-5)
    nothing = np.full_like(values, UNKNOWN), np.full_like(hidden, UNKNOWN)
    assert float(loss(logits, *nothing, sets)[0]) == 0.0


def test_platt_finds_the_slope_it_was_drawn_with() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, 20_000)
    truth = random.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))
    assert fit_platt(logits, truth, np.ones(20_000)) == pytest.approx((0.5, -1.0), abs=0.06)
    # With two cases of a kind nothing is known of the slope.
    assert fit_platt(logits[:50], np.arange(50) < 2, np.ones(50))[0] == 1.0


def test_calibration_counts_persons_and_leaves_out_what_nobody_knows() -> None:
    crops = [person(0, "red", image) for image in range(30)] + [person(number, "blue") for number in range(1, 11)]
    values, hidden = marks_of(crops)
    logits = np.zeros((40, len(VALUES)), np.float32), np.zeros((40, len(FAMILIES)), np.float32)
    found = calibrate(logits, values, hidden, crops)
    assert found["upper colors"]["red"].share == pytest.approx(1 / 11)  # one person of eleven
    assert found["upper colors"]["red"].offset < -1
    assert "hair length" not in found
    assert CANNOT_BE_SEEN in found["upper colors"]


def test_a_network_learns_colours_beside_identities_and_resumes(tmp_path: Path) -> None:
    crops = [person(number, "red" if number % 2 else "blue", image) for number in range(8) for image in range(4)]
    recipe = small_training(epochs=9)
    whole = trained(recipe, crops, tmp_path / "whole")
    assert tells_red(whole, crops)
    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, crops, stopped, stop=4.0)
    again = trained(recipe, crops, stopped)
    for (name, one), (_, two) in zip(whole.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def small_training(**changes: object) -> RetrieverRecipe:
    settings = {
        "data": (), "network": recognising(SMALL, PEOPLE.width), "imagenet": False, "frozen_blocks": 0, "epochs": 9,
        "warmup_epochs": 0, "batch_persons": 4, "batch_images": 2, "learning_rate": 4e-3, "ema_decay": 0.7,
        "attribute_recognition": PEOPLE,
    }  # fmt: skip
    return RetrieverRecipe(**settings | changes)


def pixels_of(crops: list[Crop]) -> torch.Tensor:
    """(N, 3, H, W) of pictures that have the network's size."""
    pixels = torch.from_numpy(np.stack([np.asarray(crop.image) for crop in crops])).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (SMALL.mean, SMALL.std))
    return (pixels - mean) / std


def tells_red(network: RetrieverNetwork, crops: list[Crop]) -> bool:
    """Whether every red top is redder to the network than any other."""
    with torch.inference_mode():
        logits = network.recognise_attributes(pixels_of(crops))[0][:, RED]
    red = torch.tensor([crop.attributes["upper_color"] == "red" for crop in crops])
    return bool(logits[red].min() > logits[~red].max())


def test_a_network_that_recognises_has_the_whole_vocabulary_in_its_order() -> None:
    settings = recognising(SMALL, 24)
    assert list(settings.attributes) == [family.name for family in VOCABULARY]
    assert [(name, value) for name, values in settings.attributes.items() for value in values] == list(VALUES)
    assert settings.attribute_width == 24
    assert settings.model_copy(update={"attributes": {}, "attribute_width": SMALL.attribute_width}) == SMALL


@pytest.mark.parametrize(("frozen", "epochs"), [(0, 10), (16, 2)])
def test_attributes_alone_are_learned_and_the_embeddings_heads_stay_as_they_were(
    frozen: int, epochs: int, tmp_path: Path
) -> None:
    crops = [person(number, "red" if number % 2 else "blue", image) for number in range(8) for image in range(4)]
    torch.manual_seed(0)
    start = build_network(SMALL)
    for _ in range(10):  # a trunk whose norms know what they see
        start.train()(pixels_of(crops))
    start.eval()
    recipe = small_training(identity_weight=0, epochs=epochs, frozen_blocks=frozen)
    assert recipe.attribute_recognition is not None
    task = AttributeTask(recipe.attribute_recognition, crops)
    network = train_retriever(recipe, crops, tmp_path, None, start, task)
    before, after = start.state_dict(), network.state_dict()
    trunk = {name for name in before if name.startswith("trunk.") and not torch.equal(before[name], after[name])}
    for name, value in before.items():
        assert name.startswith("trunk.") or torch.equal(value, after[name]), name
    with torch.inference_mode():
        same = torch.equal(start(pixels_of(crops)), network(pixels_of(crops)))
    # Behind a frozen trunk nobody is embedded in another way; else what is shared has learned.
    assert bool(trunk) is (frozen == 0)
    assert same is (frozen > 0)
    losses = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert set(losses[0]) == {"epoch", "seconds", "attribute_loss", "hidden_loss"}
    if not frozen:
        assert tells_red(network, crops)
        assert losses[-1]["attribute_loss"] < 0.7 * losses[0]["attribute_loss"]


def trained(recipe: RetrieverRecipe, crops: list[Crop], folder: Path, stop: float = np.inf):  # type: ignore[no-untyped-def]
    folder.mkdir(exist_ok=True)
    passed = 0.0

    def advance(share: float) -> None:
        nonlocal passed
        passed += share
        if passed > stop:
            raise KeyboardInterrupt

    assert recipe.attribute_recognition is not None
    return train_retriever(recipe, crops, folder, advance, None, AttributeTask(recipe.attribute_recognition, crops))


def test_a_start_may_lack_the_branch_but_nothing_else() -> None:
    plain, branched = (
        build_network(SMALL),
        build_network(SMALL.model_copy(update={"attributes": {"shoes": ("boots",)}})),
    )
    take_weights(branched, plain)
    for name, value in plain.state_dict().items():
        assert torch.equal(branched.state_dict()[name], value)
    with pytest.raises(RecipeError, match="another one"):
        take_weights(plain, branched)
    with pytest.raises(RecipeError, match="another size"):
        take_weights(build_network(SMALL.model_copy(update={"embedding": 24})), plain)


def test_data_without_descriptions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is known"):
        described_people(PEOPLE, [], tmp_path)
    unknown = ReIDDataset("x", None, (Crop("a", Image.new("RGB", (2, 4)), "1", "c", attributes={"weather": "rain"}),))
    with pytest.raises(DataError, match="what the people of x wear"):
        described_people(PEOPLE.model_copy(update={"data": ("x",)}), [unknown], tmp_path)


def test_described_people_are_those_of_photos_and_of_streets_and_nobody_else(tmp_path: Path) -> None:
    train = [
        Crop(name, Image.new("RGB", (2, 4)), who, "c", attributes=known)
        for name, who, known in (("a", "1", {"upper_color": "red"}), ("b", "2", {}), ("c", None, {"hat": "none"}))
    ]
    reading = PEOPLE.model_copy(update={"streets": 2, "street_people": 3, "street_seed": 40})
    found = described_people(reading, [ReIDDataset("x", None, tuple(train))], tmp_path)
    photos = [crop for crop in found if not str(crop.person).startswith("street")]
    assert [crop.person for crop in photos] == ["x:1"]
    drawn = {str(crop.person) for crop in found} - {"x:1"}
    assert {person.split(":")[0] for person in drawn} == {"street40", "street41"}
    assert len(drawn) == 6
