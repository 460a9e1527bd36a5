"""The reasoner's vision encoder: who teaches it what, what is kept, and a whole pretraining that is stopped twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from reidr.core.run import Run
from reidr.data.person_key import dataset_of
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.types import Crop, ReIDDataset
from reidr.data.vocabulary import CANNOT_BE_SEEN, VALUES
from reidr.errors import DataError, RecipeError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.prompting.prompt import DESCRIBE
from reidr.reasoning.types import Pair
from reidr.retrieval.embedders.attribute_recognition import AttributeRecogniser
from reidr.retrieval.embedders.network import RetrieverNetwork, build_network
from reidr.training.common.identities import split_identities
from reidr.training.pretraining import vision_encoder
from reidr.training.pretraining.finished import VISION_ENCODER, pretraining_recipe, vision_encoder_of
from reidr.training.pretraining.people import split_people
from reidr.training.pretraining.stage import pretraining_stage
from reidr.training.pretraining.vision_encoder import reading_of, train_vision_encoder, trained
from reidr.training.recipes import data_sets
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.retriever.attributes.task import AttributeTask

COLORS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 160, 30), "white": (230, 230, 230)}
NETWORK = {"height": 32, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8, "flip": False}
READING = {"data": [], "streets": 1, "street_people": 12, "batch": 8, "width": 16}
IDENTITIES = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0, "batch_persons": 4,
    "batch_images": 2, "ema_decay": 0.5,
}  # fmt: skip
ATTRIBUTES = {**IDENTITIES, "identity_weight": 0, "attribute_recognition": READING}


def crop(person: int, camera: int, *, peta: bool = False) -> Crop:
    """Two colours, the upper and the lower half; with what is known of them in the words of the street or of PETA."""
    random = np.random.default_rng((person, camera))
    upper, lower = (list(COLORS)[int(each)] for each in np.random.default_rng(person).integers(0, 4, 2))
    pixels = random.integers(0, 25, (32, 32, 3)).astype(np.uint8)
    pixels[:16] += np.array(COLORS[upper], np.uint8)
    pixels[16:] += np.array(COLORS[lower], np.uint8)
    known = {"upper_color": upper, "lower_color": lower, "lower_kind": "trousers", "bag": "none"}
    if camera:
        known |= {"shoes_color": "not visible"}
    if peta:
        known = {"peta": f"upperBody{upper.title()} lowerBody{lower.title()} lowerBodyJeans"}
    name = f"{person:04d}_{camera}.jpg"
    return Crop(name, Image.fromarray(pixels), f"{person:04d}", f"{camera}", attributes=known)


def draw_street(folder: Path, settings: StreetSettings, *_: Any) -> ReIDDataset:
    """Stands in for the renderer: a person has two crops, by two cameras, and another street other people."""
    people = range(1000 * settings.seed, 1000 * settings.seed + settings.train_people)
    return ReIDDataset("street", folder, tuple(crop(person, camera) for person in people for camera in (0, 1)))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reidr.training.pretraining.streets.render_street", draw_street)
    monkeypatch.setattr("reidr.training.retriever.attributes.people.render_street", draw_street)


def small_recipe(**changes: Any) -> PretrainingRecipe:
    values = {"vision_encoder": [IDENTITIES, ATTRIBUTES], "held_out_share": 0.3, "vision_encoder_street_people": 8}
    return PretrainingRecipe.from_values(values | changes, "test")


def photos(path: Path, *_: object, **__: object) -> ReIDDataset:
    """Market's people are described by the street's words here, PETA's by its own; of the half of a third nothing."""
    name = Path(path).name
    first = {"market": 0, "peta": 300, "plain": 600}[name]
    crops = [crop(person, camera, peta=name == "peta") for person in range(first, first + 80) for camera in (0, 1)]
    if name == "plain":
        crops = [Crop(each.id, each.image, each.person, each.camera) for each in crops]
    return ReIDDataset(name, None, tuple(crops))


def test_nobody_teaches_the_vision_encoder_whom_the_reasoner_or_a_choice_is_kept_for(
    drawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_sets, "check_data", lambda *_: None)
    monkeypatch.setattr(data_sets, "load_dataset", photos)
    reads = {**READING, "data": ["market", "peta"]}
    recipe = small_recipe(
        data=["market", "plain"],
        reasoning_share=0.4,
        vision_encoder=[IDENTITIES, {**ATTRIBUTES, "attribute_recognition": reads}],
    )
    people = split_people(recipe)
    taken: dict[str, Any] = {"trained": 0}

    def train(own: PretrainingRecipe, folder: Path, crops: Any, task: AttributeTask) -> Any:
        taken.update(identities=crops, described=task.crops, trained=taken["trained"] + 1)
        network = vision_encoder.recognising(own.vision_encoder[-1].network, reads["width"])
        return build_network(network).eval(), list(crops)

    def calibrate(network: RetrieverNetwork, crops: Any, cut: float, seed: int) -> Any:
        taken["calibrated"] = crops
        return {}

    monkeypatch.setattr(vision_encoder, "trained", train)
    monkeypatch.setattr(vision_encoder, "calibrated_attributes", calibrate)
    run = Run(tmp_path / "run", "train pretraining", recipe.model_dump(mode="json"))
    retriever, more = train_vision_encoder(recipe, run, people, "test")

    def names(crops: Any) -> set[str]:
        return {str(each.person) for each in crops}

    assert taken["identities"] == people.vision_encoder
    # What is learned of them, chosen on them, and told to the reasoner are three groups of people, of any source.
    groups = [names(taken["described"]), names(taken["calibrated"]), names(more) | names(people.reasoning)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not groups[one] & groups[other]
    assert {dataset_of(each) for each in groups[0]} == {"market", "peta", "street20"}
    # Of the identities' data sets the described are on the same side as in the identity split.
    market = {each for each in names(people.vision_encoder) if dataset_of(each) == "market"}
    assert {each for each in groups[0] if dataset_of(each) == "market"} == market
    assert {each for each in groups[1] if dataset_of(each) == "market"} == {
        each for each in names(people.held_out) if dataset_of(each) == "market"
    }
    # The reasoner has its own people of the identities' sets already, and drawn people of its own streets.
    own = {dataset_of(each) for each in names(more)}
    assert own == {"peta"}
    every = photos(Path("peta")).train
    wanted = split_identities([Crop("x", each.image, f"peta:{each.person}", "c") for each in every], 0.3, 0.4, 0)
    assert names(more) == names(wanted.reasoning)
    # A second start takes what is there.
    again, same = train_vision_encoder(recipe, run, people, "test")
    assert taken["trained"] == 1
    assert [each.id for each in same] == [each.id for each in more]
    assert again.fingerprint == retriever.fingerprint


def test_embeddings_that_are_learned_last_leave_what_is_recognised_alone(drawn: None, tmp_path: Path) -> None:
    last = {**IDENTITIES, "frozen_blocks": 16}
    two, three = small_recipe(), small_recipe(vision_encoder=[IDENTITIES, ATTRIBUTES, last])
    people = [crop(person, camera) for person in range(12) for camera in (0, 1)]
    described = [
        Crop(each.id, each.image, f"street1:{each.person}", "c", attributes=each.attributes) for each in people
    ]
    task = AttributeTask(reading_of(two), described)
    one, crops = trained(two, tmp_path, people, task)
    # Identities are learned of photos and of the vision encoder's own street.
    assert len({each.person for each in crops}) == len({each.person for each in people}) + 8
    assert {dataset_of(each.person) for each in crops[len(people) :]} == {"street1000"}
    began = (tmp_path / "vision_encoder-2" / "log.jsonl").stat().st_mtime_ns
    other, _ = trained(three, tmp_path, people, task)
    # What was trained before is not trained again, and all of it is taken over.
    assert (tmp_path / "vision_encoder-2" / "log.jsonl").stat().st_mtime_ns == began
    pixels = torch.randn(6, 3, 32, 32)
    with torch.inference_mode():
        for mine, theirs in zip(one.recognise_attributes(pixels), other.recognise_attributes(pixels), strict=True):
            assert torch.equal(mine, theirs)
        assert not torch.equal(one(pixels), other(pixels))
    first = torch.load(tmp_path / "vision_encoder-1" / "checkpoint.pt", weights_only=False)["averaged"]
    assert not any("attribute_branch" in name for name in first)  # what is not learned yet is not there


def test_a_recipe_that_learns_no_attributes_is_refused(tmp_path: Path) -> None:
    recipe = small_recipe(vision_encoder=[IDENTITIES])
    with pytest.raises(RecipeError, match="no training has attribute_recognition"):
        reading_of(recipe)
    last = small_recipe(vision_encoder=[ATTRIBUTES, {**ATTRIBUTES, "attribute_recognition": {**READING, "width": 24}}])
    assert reading_of(last).width == 24
    with pytest.raises(DataError, match="no run of `reidr train pretraining`"):
        pretraining_recipe(tmp_path)


class StopError(Exception):
    """The machine goes off."""


def test_a_whole_run_that_is_stopped_twice_resumes_and_is_the_run_that_was_not(
    drawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    light = {"network": {**NETWORK, "backbone": "osnet-x0.25"}}
    recipe = {
        "vision_encoder": [{**IDENTITIES, **light}, {**ATTRIBUTES, **light}], "held_out_share": 0.3,
        "vision_encoder_street_people": 8, "street_people": 6, "attribute_streets": 1, "attribute_street_people": 4,
        "steps": 3, "batch": 6, "save_every": 1, "warmup_steps": 1,
        "language": {"hidden": 64, "layers": 1, "vocabulary": 400},
    }  # fmt: skip
    Path("own.yaml").write_text(yaml.safe_dump({"pretraining": recipe}), encoding="utf-8")
    monkeypatch.setattr("reidr.training.pretraining.templates.vocabulary_corpus", few_sentences())
    whole = pretraining_stage("own.yaml", Path("whole"), {})

    started: list[Path] = []
    one_training = vision_encoder.one_training

    def stops_at_the_second(training: Any, settings: Any, crops: Any, folder: Path, *rest: Any) -> RetrieverNetwork:
        started.append(folder)
        if len(started) == 2:
            raise StopError
        return one_training(training, settings, crops, folder, *rest)

    monkeypatch.setattr(vision_encoder, "one_training", stops_at_the_second)
    with pytest.raises(StopError):
        pretraining_stage("own.yaml", Path("parts"), {})
    assert not Path("parts", VISION_ENCODER).exists()
    with pytest.raises(DataError, match="has not trained its vision encoder yet"):
        vision_encoder_of(Path("parts"))

    from reidr.training.pretraining import language_model

    backward, steps = language_model.backward, [0]

    def stops_at_the_third(*arguments: Any) -> float:
        steps[0] += 1
        if steps[0] == 3:
            raise StopError
        return backward(*arguments)

    monkeypatch.setattr(language_model, "backward", stops_at_the_third)
    with pytest.raises(StopError):
        pretraining_stage("own.yaml", Path("parts"), {})
    seen = {path: path.stat().st_mtime_ns for path in Path("parts", "vision_encoder").rglob("*")}
    # The first training is finished, and read again; the second begins.
    assert [path.name for path in started] == ["vision_encoder-1", "vision_encoder-2"] * 2
    where = pretraining_stage("own.yaml", Path("parts"), {})
    assert steps == [4]  # two that were saved, one that was lost, and that one again
    assert len(started) == 4  # no training of the vision encoder any more
    assert {path: path.stat().st_mtime_ns for path in Path("parts", "vision_encoder").rglob("*")} == seen
    assert (whole / "model.safetensors").read_bytes() == (where / "model.safetensors").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in sorted(Path("parts").rglob("*"))}
    assert pretraining_stage("own.yaml", Path("parts"), {}) == where
    assert {path: path.stat().st_mtime_ns for path in sorted(Path("parts").rglob("*"))} == before
    check_what_was_made(where)


def few_sentences() -> Callable[..., list[str]]:
    from reidr.training.pretraining.templates import vocabulary_corpus

    return lambda random: vocabulary_corpus(random, 300)


def check_what_was_made(where: Path) -> None:
    """A retriever that recognises, and a reasoner that sees with it and says what it recognises."""
    retriever = vision_encoder_of(where.parent)
    record = json.loads((where.parent / VISION_ENCODER / "retriever.json").read_text(encoding="utf-8"))["trained"]
    assert record["identities"] == 8
    assert CANNOT_BE_SEEN in retriever.attributes["upper colors"]
    assert "glasses" not in retriever.attributes  # of that nobody knows anything
    reasoner = Reasoner.load(where)
    visual = reasoner.model.model.visual
    assert [(name, value) for name, values in visual.attributes.families.items() for value in values] == list(VALUES)
    share = visual.attributes.shares[VALUES.index(("upper colors", "red"))]
    assert float(share) == pytest.approx(retriever.attributes["upper colors"]["red"].share, abs=1e-3)
    one, other = crop(5000, 0), crop(5001, 0)
    rows = AttributeRecogniser(retriever).embed_pictures([one.open()])
    known = [column for column, value in enumerate(rows[0, : len(VALUES)]) if value >= 0]
    features = visual.before_connector(*pixels_of(reasoner, one))
    recognised = features.float().split(visual.sizes, dim=-1)[-1][0, : len(VALUES)]
    np.testing.assert_allclose(recognised[known].detach().numpy(), rows[0, known], atol=0.02)
    assert 0 <= float(reasoner.score([Pair(one, other)])[0]) <= 1
    assert isinstance(reasoner.ask_about_crops([one], DESCRIBE, max_new_tokens=4)[0], str)
    assert json.loads((where / "provenance.json").read_text(encoding="utf-8"))["held_out_share"] == 0.3


def pixels_of(reasoner: Any, one: Crop) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = reasoner.processor.image_processor([one.open()], return_tensors="pt")
    return inputs["pixel_values"].to(reasoner.model.dtype), inputs["image_grid_thw"]
