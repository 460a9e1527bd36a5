"""Teaching the reader: targets and weights; it learns what can be learned, and nothing else moves."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.inference.crop_features import CropFeatures
from reidr.reasoning.nano.build import build_convolutional
from reidr.reasoning.rationales.regions import UNSEEN
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.training.common.identities import family_of
from reidr.training.pairs.folds import fold_of
from reidr.training.pretraining.attribute_head import (
    UNKNOWN,
    fit_projection,
    places_by_family,
    probabilities_of,
    probabilities_out_of_fold,
    shares_of,
    targets_of,
    train_attribute_head,
    values_of,
    weights_of,
)
from reidr.training.pretraining.templates import vocabulary_corpus
from reidr.training.recipes.pretraining import PretrainingRecipe

COLORS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30), "white": (230, 230, 230)}


def crops() -> list[Crop]:
    """Every pair of colours, above and below; of the second street the lower one is not known."""
    made = []
    for upper, above in COLORS.items():
        for lower, below in COLORS.items():
            # Of two shapes: their numbers of visual tokens differ.
            for street, wide in (("street1", 32), ("street2", 48)):
                picture = np.zeros((64, wide, 3), dtype=np.uint8)
                picture[:32], picture[32:] = above, below
                attributes = {"upper_color": upper, "lower_color": lower, "hat": "none"}
                if street == "street2":
                    del attributes["lower_color"]
                name = f"{street}:{upper}-{lower}"
                made.append(Crop(name, Image.fromarray(picture), name, "1", attributes=attributes))
    return made


def test_streets_are_one_family_whatever_their_seeds() -> None:
    assert family_of("street1001:7") == family_of("street1010:8") != family_of("market1501-dev:7")


def test_only_what_varies_is_read() -> None:
    assert values_of(crops()) == {"upper_color": sorted(COLORS), "lower_color": sorted(COLORS)}


def test_targets_are_numbers_of_values_and_what_is_not_known_is_left_out() -> None:
    reads = {"upper_color": ["blue", "red"], "hat": ["cap", "none"]}
    known = [{"upper_color": "red", "hat": "none"}, {"upper_color": "blue"}, {"upper_color": "mauve", "hat": "cap"}]
    found = targets_of([Crop(str(n), Image.new("RGB", (4, 4)), attributes=own) for n, own in enumerate(known)], reads)
    assert found.tolist() == [[1, 1], [0, UNKNOWN], [UNKNOWN, 0]]


def test_weights_by_hand() -> None:
    # One against four: 5/2 each altogether, so that the mean over the five is 1. A value nobody has weighs nothing.
    found = weights_of(torch.tensor([0, 1, 1, 1, 1, UNKNOWN]), ["blue", "green", "red"])
    assert found.tolist() == pytest.approx([5 / 2, 5 / 8, 0.0])
    # What a picture hides is no value: it weighs 1, and the values share what is left as before.
    found = weights_of(torch.tensor([0, 1, 1, 1, 1, 2, 2, UNKNOWN]), ["cap", "none", UNSEEN])
    assert found.tolist() == pytest.approx([5 / 2, 5 / 8, 1.0])
    assert weights_of(torch.tensor([0, 1]), ["cap", "none", UNSEEN]).tolist() == [1.0, 1.0, 0.0]


def test_what_is_common_in_one_family_weighs_nothing_in_another() -> None:
    reads = {"hat": ["hat", "none"]}
    photos = [Crop(f"p{n}", None, f"m:{n}", "m:1", attributes={"hat": "hat" if n < 2 else "none"}) for n in range(20)]
    drawn = [
        Crop(f"s{n}", None, f"street1:{n}", "c", attributes={"hat": "hat" if n < 90 else "none"}) for n in range(100)
    ]
    asked = list[list[int]]()

    class Still(torch.nn.Module):
        """Says the same of every crop, by two numbers to be taught."""

        def __init__(self) -> None:
            super().__init__()
            self.reads, self.to_tokens = reads, torch.nn.Linear(2, 2)
            self.constant = torch.nn.Parameter(torch.zeros(2))

        @property
        def recognition(self) -> tuple[torch.nn.Module, ...]:
            return (torch.nn.ParameterList([self.constant]),)

        def logits(self, pictures: list[torch.Tensor]) -> list[torch.Tensor]:
            asked.append([int(own) for own in pictures])
            return [self.constant.expand(len(pictures), 2)]

    class Seen:
        def kept(self, place: int) -> torch.Tensor:
            return torch.tensor(float(place))

    recipe = PretrainingRecipe(attribute_head_steps=1, attribute_head_batch=12)
    crops = [*photos, *drawn]
    attribute_head: Any = Still()
    loss = train_attribute_head(recipe, crops, attribute_head, Seen())[0]  # type: ignore[arg-type]
    of = {"p": {"hat": 20 / 2 / 2, "none": 20 / 2 / 18}, "s": {"hat": 100 / 2 / 90, "none": 100 / 2 / 10}}
    by_hand = [of[crops[place].id[0]][crops[place].attributes["hat"]] for place in asked[0]]
    assert loss == pytest.approx(np.log(2) * np.mean(by_hand), rel=1e-5)


def test_families_are_looked_at_as_the_root_of_their_people() -> None:
    people = [f"m:{n // 3}" for n in range(12)] + [f"street{n % 2}:{n}" for n in range(36)]
    found = [Crop(str(n), None, person, "c", attributes={"hat": "none"}) for n, person in enumerate(people)]
    families = places_by_family(found, np.ones(len(found), dtype=bool))
    # Twelve crops of four persons, 36 of 36: 2 against 6, and not 12 against 36.
    assert sorted(len(own) for own in families) == [12, 36]
    assert sorted(shares_of(found, families).tolist()) == pytest.approx([0.25, 0.75])


@pytest.fixture(scope="module")
def taught() -> tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]]:
    torch.manual_seed(0)
    network = build_network(NetworkSettings(height=64, width=32, embedding=32, stripe_embedding=16)).eval()
    texts = vocabulary_corpus(np.random.default_rng(0), 300)
    reads = values_of(crops())
    model, processor = build_convolutional(texts, network, hidden=64, layers=2, vocabulary=400, reads=reads)
    seen = CropFeatures(model, processor, [crop.open for crop in crops()], learning="connector")
    before = copy.deepcopy(model.state_dict())
    recipe = PretrainingRecipe(attribute_head_steps=200, attribute_head_batch=16, attribute_head_learning_rate=3e-3)
    return model, seen, before, train_attribute_head(recipe, crops(), model.model.visual.attribute_head, seen)


def test_it_learns_to_read_colours(taught: tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]]) -> None:
    model, seen, _, losses = taught
    attribute_head, targets = (
        model.model.visual.attribute_head,
        targets_of(crops(), model.model.visual.attribute_head.reads),
    )
    with torch.no_grad():
        each = [attribute_head(seen.kept(place).float()[None]) for place in range(len(seen))]
    assert len({len(seen.kept(place)) for place in range(len(seen))}) == 2
    read = [torch.cat(own) for own in zip(*each, strict=True)]
    for place, logits in enumerate(read):
        known = targets[:, place] != UNKNOWN
        assert (logits.argmax(-1) == targets[:, place])[known].float().mean() > 0.9
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert not attribute_head.training


def test_nothing_else_moves(taught: tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]]) -> None:
    model, _, before, _ = taught
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(".attribute_head." in name and ".tell." not in name for name in moved)


def test_it_is_told_in_the_way_that_tokens_already_differ(
    taught: tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]],
) -> None:
    model, seen, _, _ = taught
    visual, places = copy.deepcopy(model.model.visual), list(range(len(seen)))
    explained = fit_projection(visual, seen, places, probabilities_of(visual.attribute_head, seen, places))
    raw = [seen.kept(place).float() for place in places]
    with torch.no_grad():
        read = np.stack(
            [np.concatenate([each.softmax(-1)[0].numpy() for each in visual.attribute_head(own[None])]) for own in raw]
        )
        tokens = np.stack([visual.connector(own).mean(dim=0).numpy() for own in raw])
    # The same by augmented least squares: one row more for each value, which pulls its weights to zero.
    inputs, wanted = read - read.mean(axis=0), tokens - tokens.mean(axis=0)
    pull = np.sqrt(1e-3 * len(raw)) * np.eye(read.shape[1])
    both = np.vstack([inputs, pull]), np.vstack([wanted, np.zeros((read.shape[1], wanted.shape[1]))])
    weights = np.linalg.lstsq(*both, rcond=None)[0]
    assert np.allclose(visual.attribute_head.to_tokens.weight.detach().numpy().T, weights, atol=1e-3)
    assert explained == pytest.approx(1 - ((wanted - inputs @ weights) ** 2).sum() / (wanted**2).sum(), abs=1e-3)
    assert 0.5 < explained < 1
    # Of the average crop nothing is told.
    mean = visual.attribute_head.to_tokens(torch.from_numpy(read.mean(axis=0)).float())
    assert torch.allclose(mean, torch.zeros_like(mean), atol=1e-4)


def test_nobody_is_read_by_a_reader_that_knows_them(
    taught: tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]], tmp_path: Path
) -> None:
    """Each fold's reader by hand; and a run that was stopped takes up what it has."""
    model, seen, before, _ = taught
    own = model.model.visual.attribute_head
    untaught = copy.deepcopy(own)
    start = "model.visual.attribute_head."
    untaught.load_state_dict({name.removeprefix(start): each for name, each in before.items() if start in name})
    recipe = PretrainingRecipe(
        attribute_head_steps=20, attribute_head_batch=16, attribute_head_learning_rate=3e-3, attribute_head_folds=2
    )
    steps: list[float] = []
    read = probabilities_out_of_fold(recipe, crops(), untaught, seen, tmp_path, steps.append)
    assert sum(steps) == 40
    assert read.shape == (len(crops()), sum(untaught.counts))
    folds = np.array([fold_of(str(crop.person), 2, recipe.seed) for crop in crops()])
    assert {0, 1} == set(folds.tolist())
    for fold in (0, 1):
        others, mine = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        attribute_head = copy.deepcopy(untaught)
        # People of the fold as if nothing were known of them.
        known = [
            replace(crop, attributes={} if folds[place] == fold else crop.attributes)
            for place, crop in enumerate(crops())
        ]
        train_attribute_head(recipe, known, attribute_head, seen)
        assert torch.allclose(read[mine], probabilities_of(attribute_head, seen, mine.tolist()), atol=1e-6)
        assert not torch.allclose(read[others], probabilities_of(attribute_head, seen, others.tolist()), atol=1e-3)
    again = probabilities_out_of_fold(
        recipe.model_copy(update={"attribute_head_steps": 1}), crops(), untaught, seen, tmp_path
    )
    assert torch.equal(read, again)


def test_what_was_read_beforehand_stands_in_for_the_reader(
    taught: tuple[Any, CropFeatures, dict[str, torch.Tensor], list[float]],
) -> None:
    model, seen, _, _ = taught
    attribute_head, rows = model.model.visual.attribute_head, [3, 0, 3, 5]
    plain = [crop.layers[0] for crop in seen.encoded(rows)]
    other = copy.copy(seen)
    other.use_attributes(probabilities_of(attribute_head, seen, range(len(seen))))
    for one, two in zip(plain, other.encoded(rows), strict=True):
        assert torch.allclose(one, two.layers[0], atol=1e-5)
    other.use_attributes(torch.zeros(len(seen), sum(attribute_head.counts)))
    assert not torch.allclose(plain[0], other.encoded(rows)[0].layers[0], atol=1e-3)
    assert torch.equal(plain[0], seen.encoded(rows)[0].layers[0])
    # Another model has a reader of its own.
    other.serve(model)
    assert torch.equal(plain[0], other.encoded(rows)[0].layers[0])
    with pytest.raises(ReIDError, match="rows of attributes do not fit"):
        other.use_attributes(torch.zeros(1, sum(attribute_head.counts)))
