"""The base that ships: packed as a difference, unpacked as a run folder that the next stages take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from reidr.core.run import Run, content_hash
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import street_crops
from reidr.data.types import Crop
from reidr.errors import DataError, RecipeError, ReIDError, WeightsError
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.nano.build import build_convolutional
from reidr.reasoning.rationales.claims import parse_description
from reidr.retrieval.embedders.network import NetworkSettings, build_network
from reidr.retrieval.embedders.retriever import Retriever
from reidr.training.common.device import load_to_teach
from reidr.training.pretraining import shipped as shipped_base
from reidr.training.pretraining.shipped import BASES, pack_base, pack_bits, shipped_bases, unpack_base, unpack_bits
from reidr.training.pretraining.stage import People, split_people
from reidr.training.reasoning_stages import base_recipe, vision_encoder_of
from reidr.training.recipes.embedder_and_base import BaseRecipe, EmbedderTraining
from reidr.training.recipes.find import stage_values

PICTURE = Image.new("RGB", (4, 8))
SETTINGS = NetworkSettings(backbone="osnet-x0.25", height=64, width=32, embedding=16, stripes=2, stripe_embedding=8)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A reasoner `tiny` that ships, the run of the base that it came from, and that base packed."""
    root = tmp_path_factory.mktemp("shipped")
    recipe = BaseRecipe(vision_encoder=(EmbedderTraining(network=SETTINGS),))
    torch.manual_seed(3)
    network = build_network(SETTINGS).half().float()
    model, processor = build_convolutional(["a red top", "no hat"], network, hidden=64, layers=2, vocabulary=280)
    run = Run(root / "run", "train base", recipe.model_dump(mode="json"), hashes(recipe))
    model.half().save_pretrained(root / "run" / "model")
    run.finish("base", 0.0, model="model")
    taught = root / "presets" / "tiny"
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if not name.startswith("model.visual.vision encoder."):
                weights += 0.02 * torch.randn(weights.shape).half()
    model.save_pretrained(taught)
    processor.save_pretrained(taught)
    (taught / "inference_profile.json").write_text("{}", encoding="utf-8")
    size = pack_base(root / "run", "tiny", root / "bases", root / "presets")
    return {"root": root, "recipe": recipe, "size": size, "run": root / "run", "taught": taught}


def hashes(recipe: BaseRecipe) -> dict[str, str]:
    return {part: content_hash([c.id for c in crops]) for part, crops in vars(split_people(recipe)).items()}


def unpacked(places: dict[str, Any], folder: Path, recipe: BaseRecipe | None = None) -> Path:
    root = places["root"]
    return unpack_base("tiny", recipe or places["recipe"], folder, root / "bases", root / "presets")


def test_what_is_unpacked_is_the_base_to_the_last_of_five_bits(places: dict[str, Any], tmp_path: Path) -> None:
    folder = unpacked(places, tmp_path / "base")
    base, taught, found = (
        load_file(where / "model.safetensors")
        for where in (places["run"] / "model", places["taught"], folder / "model")
    )
    assert base.keys() == found.keys()
    moved = 0
    for name, own in base.items():
        own, other, back = (each.float() for each in (own, taught[name], found[name]))
        step = (own - other).flatten(min(1, own.ndim - 1)).abs().amax(dim=-1, keepdim=True) / 15
        # Half a step of the row, and what half precision cannot tell apart.
        bound = (step / 2 + 1e-3 * own.flatten(min(1, own.ndim - 1)).abs() + 1e-6).view_as(own)
        assert bool(((own - back).abs() <= bound).all()), name
        moved += int(not torch.equal(own, other))
    assert moved > 20
    # Five bits a weight, where a checkpoint has sixteen; the eyes, which did not move, take none.
    weights = sum(own.numel() for name, own in base.items() if not name.startswith("model.visual.vision encoder."))
    assert 5 / 8 * weights < places["size"] < 0.8 * weights + 20_000


@given(st.lists(st.integers(-15, 15), max_size=40))
def test_packed_steps_come_back(steps: list[int]) -> None:
    packed = pack_bits(np.array(steps, dtype=np.int8).reshape(1, -1))
    assert len(packed) == -(-5 * len(steps) // 8)
    assert unpack_bits(packed, len(steps)).tolist() == steps


def test_five_bits_by_hand() -> None:
    # -15, 0, 15 are 0, 15, 30 of 0 to 31: 00000 01111 11110, and a zero to fill the byte.
    assert pack_bits(np.array([-15, 0, 15], dtype=np.int8)).tolist() == [0b00000011, 0b11111100]


def test_the_next_stages_take_it(places: dict[str, Any], tmp_path: Path) -> None:
    folder = unpacked(places, tmp_path / "base")
    assert base_recipe(folder) == places["recipe"]
    model, _ = load_to_teach(str(folder / "model"), half=False)
    eyes = vision_encoder_of(folder)
    assert isinstance(eyes, Retriever)
    own = model.model.visual.vision_encoder.state_dict()
    assert all(torch.equal(weights, own[name]) for name, weights in eyes.network.state_dict().items())
    profile = json.loads((folder / "model" / "inference_profile.json").read_text(encoding="utf-8"))
    assert profile["weight"] == 0.0


def test_it_is_done_once(places: dict[str, Any], tmp_path: Path) -> None:
    folder = unpacked(places, tmp_path / "base")
    (folder / "model" / "model.safetensors").unlink()
    assert unpacked(places, tmp_path / "base") == folder
    assert not (folder / "model" / "model.safetensors").exists()


def test_a_base_that_is_taught_here_is_left_alone(places: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(places["run"], tmp_path / "taught")
    before = (tmp_path / "taught" / "model" / "model.safetensors").read_bytes()
    with pytest.raises(RecipeError, match="a base is being taught here"):
        unpacked(places, tmp_path / "taught")
    assert (tmp_path / "taught" / "model" / "model.safetensors").read_bytes() == before
    assert not (tmp_path / "taught" / "vision_encoder").exists()


def test_an_unpacking_that_was_stopped_is_done_again(
    places: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shipped_base, "store_profile", stop)
        with pytest.raises(KeyboardInterrupt):
            unpacked(places, tmp_path / "base")
    assert Run(tmp_path / "base", "train base", places["recipe"].model_dump(mode="json")).finished("base") is None
    unpacked(places, tmp_path / "base")
    assert (tmp_path / "base" / "model" / "inference_profile.json").is_file()


def test_what_its_recipe_could_not_say_yet_is_taken_by_default(places: dict[str, Any], tmp_path: Path) -> None:
    """A base that ships must not be lost with every setting that recipes get."""
    bases = tmp_path / "bases"
    shutil.copytree(places["root"] / "bases", bases)
    path = bases / "tiny" / "base.json"
    facts = json.loads(path.read_text())
    del facts["settings"]["length_power"]
    path.write_text(json.dumps(facts))
    presets = places["root"] / "presets"
    unpack_base("tiny", places["recipe"], tmp_path / "run", bases, presets)
    with pytest.raises(DataError, match=r"with length_power: 0\.0, the recipe says 0\.5"):
        unpack_base("tiny", places["recipe"].model_copy(update={"length_power": 0.5}), tmp_path / "no", bases, presets)


def test_another_recipe_other_photos_and_another_reasoner_are_refused(
    places: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReIDError, match="big: no folder of a base run and no base of this package"):
        unpack_base("big", places["recipe"], tmp_path, places["root"] / "bases", places["root"] / "presets")
    with pytest.raises(DataError, match="base tiny was taught with steps: 1500, the recipe says 7"):
        unpacked(places, tmp_path / "steps", places["recipe"].model_copy(update={"steps": 7}))
    with monkeypatch.context() as patch:
        patch.setattr(shipped_base, "split_people", lambda _: People((), (), (Crop("1", PICTURE, "1", "1"),)))
        with pytest.raises(DataError, match="taught on other photos"):
            unpacked(places, tmp_path / "photos")
    other = tmp_path / "presets" / "tiny"
    shutil.copytree(places["taught"], other)
    weights = load_file(other / "model.safetensors")
    save_file({name: own * 2 for name, own in weights.items()}, other / "model.safetensors")
    with pytest.raises(WeightsError, match="not the weights that base tiny belongs to"):
        unpack_base("tiny", places["recipe"], tmp_path / "other", places["root"] / "bases", tmp_path / "presets")
    assert not (tmp_path / "other").exists()
    Run(tmp_path / "taken", "pairs", {})
    with pytest.raises(RecipeError, match="made with other settings"):
        unpacked(places, tmp_path / "taken")


def test_a_reasoner_of_another_shape_did_not_come_from_this_base(places: dict[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "presets" / "tiny"
    other.mkdir(parents=True)
    weights = load_file(places["taught"] / "model.safetensors")
    weights.pop(max(weights))
    save_file(weights, other / "model.safetensors")
    with pytest.raises(WeightsError, match="did not come from this base"):
        pack_base(places["run"], "tiny", tmp_path / "bases", tmp_path / "presets")


@pytest.mark.parametrize("name", shipped_bases())
def test_a_base_of_this_package_belongs_to_its_reasoner_and_recipe_and_speaks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.loads((BASES / name / "base.json").read_text(encoding="utf-8"))
    recipe = BaseRecipe.from_values(*stage_values(name, "base", {}))
    # The photos that it was taught on are not at hand everywhere.
    hashes = iter(facts["data"].values())
    monkeypatch.setattr(shipped_base, "split_people", lambda _: People((), (), ()))
    monkeypatch.setattr(shipped_base, "content_hash", lambda _: next(hashes))
    folder = unpack_base(name, recipe, tmp_path / "base")
    reasoner = Reasoner.load(folder / "model")
    people = {str(crop.person): crop for crop in street_crops(StreetSettings(seed=3, train_people=6), "train")}
    crops = list(people.values())
    for description in reasoner.ask_about_crops(crops):
        assert len(parse_description(description)) >= 3, description


def test_a_base_ships() -> None:
    assert "nano" in shipped_bases()
