"""The stage around base training: nobody is on two sides of a split, and what is done is not done again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reidr.core.run import Run, content_hash
from reidr.data.join import join_training
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop, ReIDDataset
from reidr.training.common.identities import hold_out_identities, split_identities
from reidr.training.pretraining import stage, streets
from reidr.training.pretraining.people import split_people
from reidr.training.recipes import data_sets
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.retriever.stage import retriever_stage

PICTURE = Image.new("RGB", (4, 8))


def dataset(path: Path, name: str | None = None) -> ReIDDataset:
    """300 persons of two crops, attributes as Market-1501's table has them."""
    attributes = {"bag": "no"} | {"hat": "yes", "lower_kind": "dress", "lower_length": "long", "upper_color": "other"}
    train = tuple(
        Crop(f"{person}-{camera}", PICTURE, f"{person:04d}", str(camera), attributes=attributes)
        for person in range(300)
        for camera in (1, 2)
    )
    return ReIDDataset(name or Path(path).name, None, train)


def place_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two data sets, "one" and "two", wherever they are looked for."""
    monkeypatch.setattr(data_sets, "check_data", lambda *_: None)
    monkeypatch.setattr(data_sets, "load_dataset", dataset)


@pytest.fixture
def recipe() -> PretrainingRecipe:
    return PretrainingRecipe(data=("one", "two"), held_out_share=0.1, reasoning_share=0.35)


def test_every_person_is_on_one_side_and_the_held_out_are_the_retrievers(
    recipe: PretrainingRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_photos(monkeypatch)
    people = split_people(recipe)
    sides = [{crop.person for crop in side} for side in (people.vision_encoder, people.reasoning, people.held_out)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 600
    assert len(people.vision_encoder) + len(people.reasoning) + len(people.held_out) == 1200
    # Of 600 people a tenth are held out, and of the other 540 a share of 0.35 are kept from the vision encoder: 60,
    # 189, 351, give or take three standard deviations of a coin (22, 33).
    assert len(sides[2]) == pytest.approx(60, abs=22)
    assert len(sides[1]) == pytest.approx(189, abs=40)
    _, retrievers = hold_out_identities(join_training([dataset(Path("one")), dataset(Path("two"))]), 0.1, 0)
    assert {crop.person for crop in retrievers} == sides[2]
    # More people kept for reasoning are taken from the vision encoder alone.
    more = split_people(recipe.model_copy(update={"reasoning_share": 0.6}))
    assert {crop.person for crop in more.held_out} == sides[2]
    assert {crop.person for crop in more.reasoning} > sides[1]
    # In the one vocabulary: the table's dress is a skirt, "other" is no colour, and "no" is no bag of the street's.
    assert people.vision_encoder[0].attributes == {
        "headwear": "hat", "lower garment": "skirt", "lower length": "long"
    }  # fmt: skip


def test_the_retriever_that_leaves_a_reasoners_people_out_leaves_the_very_same_ones_out(
    recipe: PretrainingRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`train retriever` with the shares and the seed of the pretraining trains on its vision encoder's people."""
    place_photos(monkeypatch)
    people = split_people(recipe)
    taught: list[Any] = []

    def train(own: Any, crops: Any, *_: Any) -> None:
        taught.extend(crops)
        raise KeyboardInterrupt

    monkeypatch.setattr("reidr.training.retriever.train.train_retriever", train)
    monkeypatch.setattr("reidr.training.retriever.stage.sketch_of", lambda _: None)
    values = {"data": list(recipe.data), "held_out_share": 0.1, "reasoning_share": 0.35, "seed": recipe.split_seed}
    monkeypatch.setattr("reidr.training.retriever.stage.stage_values", lambda *_: (values, "test"))
    with pytest.raises(KeyboardInterrupt):
        retriever_stage("own", tmp_path / "run", {})
    assert [crop.id for crop in taught] == [crop.id for crop in people.vision_encoder]


@pytest.mark.parametrize(("held_out", "reasoning", "seed"), [(0.1, 0.35, 0), (0.5, 0.0, 3), (0.0, 0.5, 1), (0, 0, 0)])
def test_the_three_parts_of_a_split_share_nobody_and_leave_nobody_out(
    held_out: float, reasoning: float, seed: int
) -> None:
    crops = join_training([dataset(Path("one"))])
    parts = split_identities(crops, held_out, reasoning, seed)
    people = [{crop.person for crop in part} for part in vars(parts).values()]
    assert sum(map(len, people)) == len(set.union(*people)) == 300
    assert sorted(crop.id for part in vars(parts).values() for crop in part) == sorted(crop.id for crop in crops)
    assert (len(people[1]) > 0) == (reasoning > 0)
    assert (len(people[2]) > 0) == (held_out > 0)
    # A person's part depends on the person alone: with others, or with fewer crops, it is the same.
    fewer = split_identities(crops[::7], held_out, reasoning, seed)
    for name, part in vars(fewer).items():
        assert {crop.id for crop in part} <= {crop.id for crop in vars(parts)[name]}


class Drawn:
    """Stands in for the vision encoder and the language model: notes on whom they are taught."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, recipe: PretrainingRecipe) -> None:
        self.language: list[Crop] = []
        self.calls: list[str] = []
        monkeypatch.setattr(stage, "stage_values", lambda *_: (recipe.model_dump(mode="json"), "test"))
        monkeypatch.setattr(stage, "street_people", self.street)
        monkeypatch.setattr("reidr.training.pretraining.vision_encoder.train_vision_encoder", self.look)
        monkeypatch.setattr("reidr.training.pretraining.reasoner.train_reasoner", self.teach)

    def look(self, recipe: PretrainingRecipe, run: Run, people: Any, source: str) -> tuple[str, tuple[Crop, ...]]:
        self.calls.append("vision_encoder")
        return "eyes", (Crop("peta/1", PICTURE, "peta:1", "peta:1", attributes={"peta": "hairLong"}),)

    def street(self, folder: Path, people: int, seed: int) -> tuple[Crop, ...]:
        self.calls.append(f"street {seed}")
        return (Crop("street/1", PICTURE, f"street{seed}:1", f"street{seed}:1", attributes={"hat": "cap"}),)

    def teach(self, recipe: PretrainingRecipe, run: Run, eyes: Any, crops: list[Crop]) -> list[dict[str, float]]:
        assert eyes == "eyes"
        self.language = list(crops)
        (run.folder / "model").mkdir()
        return [{"loss": 1.5}]


def test_the_language_half_never_meets_the_held_out_and_a_finished_stage_does_nothing(
    recipe: PretrainingRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_photos(monkeypatch)
    drawn = Drawn(monkeypatch, recipe)
    where = stage.pretraining_stage("nano", tmp_path / "run", {})
    assert where == tmp_path / "run" / "model"
    people = split_people(recipe)
    taught = {crop.person for crop in drawn.language}
    # Of the people whom the vision encoder knows none: behind eyes that know a person, words are learned by heart.
    assert taught == {crop.person for crop in people.reasoning} | {"street1001:1", "peta:1"}
    assert (where / stage.PROVENANCE).is_file()
    assert drawn.calls == ["vision_encoder", "street 1001"]
    before = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "run").rglob("*"))}
    assert stage.pretraining_stage("nano", tmp_path / "run", {}) == where
    assert drawn.calls == ["vision_encoder", "street 1001"]
    assert {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "run").rglob("*"))} == before


def test_a_recipe_of_the_street_alone_opens_no_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> ReIDDataset:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(data_sets, "load_dataset", refuse)
    monkeypatch.setattr("reidr.data.types.read_picture", refuse)
    drawn = Drawn(monkeypatch, PretrainingRecipe(data=()))
    stage.pretraining_stage("nano-street", tmp_path / "run", {})
    assert [crop.person for crop in drawn.language] == ["peta:1", "street1001:1"]
    manifest = Run(tmp_path / "run", "train pretraining", PretrainingRecipe(data=()).model_dump(mode="json")).manifest
    assert manifest["data"] == dict.fromkeys(("vision_encoder", "reasoning", "held_out"), content_hash([]))


def test_the_shipped_street_recipe_names_no_photos_and_differs_in_its_vision_encoder_alone() -> None:
    from reidr.training.recipes.find import stage_values

    street, nano = (
        PretrainingRecipe.from_values(*stage_values(name, "pretraining", {})) for name in ("nano-street", "nano")
    )
    assert nano.data
    assert street.data == ()
    assert all(not each.attribute_recognition.data for each in street.vision_encoder if each.attribute_recognition)
    own = {name: getattr(nano, name) for name in ("data", "vision_encoder", "vision_encoder_street_people", "steps")}
    assert street.model_copy(update=own) == nano
    for recipe in (street, nano):
        reads = [each.attribute_recognition is not None for each in recipe.vision_encoder]
        assert sum(reads) == 1
        # What is learned later on leaves the trunk alone, and with it all that is recognised.
        for later in recipe.vision_encoder[reads.index(True) + 1 :]:
            assert later.frozen_blocks == 16
            assert later.identity_weight > 0
    retriever = stage_values("nano", "retriever", {})[0]
    # Nobody whom the shipped retriever holds out may teach the reasoner.
    assert (nano.held_out_share, nano.split_seed) == (retriever["held_out_share"], retriever["seed"])
    assert list(nano.data) == retriever["data"]


def test_the_people_of_a_street_carry_its_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(folder: Path, settings: StreetSettings, advance: Any) -> ReIDDataset:
        assert (settings.train_people, settings.distractors, settings.junk) == (4, 0, 0)
        return ReIDDataset(
            "street",
            folder,
            tuple(Crop(f"{place}.jpg", PICTURE, f"{place // 2:04d}", str(place % 2)) for place in range(8)),
        )

    monkeypatch.setattr(streets, "render_street", render)
    one, two = (streets.street_people(tmp_path / str(seed), 4, seed) for seed in (7, 8))
    assert {crop.person for crop in one} == {f"street7:{person:04d}" for person in range(4)}
    assert {crop.camera for crop in one} == {"street7:0", "street7:1"}
    for side in ("id", "person", "camera"):
        assert not {getattr(crop, side) for crop in one} & {getattr(crop, side) for crop in two}


def test_attribute_streets_have_people_and_cameras_of_their_own(tmp_path: Path) -> None:
    recipe = PretrainingRecipe(street_seed=70, attribute_streets=2, attribute_street_people=4)
    crops = streets.attribute_streets(tmp_path, recipe)
    names = {str(crop.person).split(":")[0] for crop in crops}
    # Not the vision encoder's street (70), nor those of which pairs are made (71, 72).
    assert names == {"street80", "street81"}
    assert len(crops) == len({crop.id for crop in crops}) == 2 * 4 * 2
    for person in {crop.person for crop in crops}:
        assert len({crop.camera for crop in crops if crop.person == person}) == 2
    assert all(crop.attributes for crop in crops)
    assert streets.attribute_streets(tmp_path, recipe.model_copy(update={"attribute_streets": 0})) == ()
