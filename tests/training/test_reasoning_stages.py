"""Pairs, warm-up and sampling as stages: from a folder of photos to the pairs worth reinforcing, tiny."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from reidr.core.run import MANIFEST, write_json
from reidr.errors import DataError, RecipeError
from reidr.fusion.profile import InferenceProfile, store_profile, stored_profile
from reidr.fusion.provenance import held_out_split, training_data
from reidr.reasoning.backends.reference import Reasoner
from reidr.reasoning.nano.build import TINY, build_nano
from reidr.retrieval.embedders.network import build_network
from reidr.retrieval.embedders.retriever import save_retriever
from reidr.training.grpo.stage import rl_stage
from reidr.training.pairs.stage import pairs_stage
from reidr.training.pairs.table import read_columns, read_mined, read_pairs
from reidr.training.pretraining.finished import VISION_ENCODER, vision_encoder_of
from reidr.training.recipes.pretraining import PretrainingRecipe
from reidr.training.recipes.retriever import EmbedderTraining
from reidr.training.sampling.stage import sample_stage
from reidr.training.warmup.stage import warmup_stage

NETWORK = {"height": 32, "width": 32, "embedding": 16, "stripes": 2, "stripe_embedding": 8, "flip": False}
TRAINING = {
    "network": NETWORK, "imagenet": False, "frozen_blocks": 0, "epochs": 1, "warmup_epochs": 0, "batch_persons": 2,
    "batch_images": 2,
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe file, and beside it photos (Market-1501's layout, 24 people and 3 for the test) and a tiny model."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for person in range(1, 28):
        colour = random.integers(60, 255, 3)
        for camera in (1, 2):
            split = "bounding_box_train" if person < 25 else ("query", "bounding_box_test")[camera - 1]
            path = tmp_path / "photos" / split / f"{person:04d}_c{camera}s1_000001_00.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 128), tuple(int(value / camera) for value in colour)).save(path)
    model, processor = build_nano(["Shoes cannot be seen."], TINY, vocabulary=300)
    model.save_pretrained(tmp_path / "start")
    processor.save_pretrained(tmp_path / "start")
    values: dict[str, Any] = {
        "pairs": {"data": ["photos"], "source": "folds", "folds": 2, "training": TRAINING, "held_out_share": 0.3},
        "warmup": {"model": "start", "pairs": "pairs/pairs.parquet", "steps": 2, "batch": 4, "max_new_tokens": 8},
        "sample": {
            "model": "warmup/model", "pairs": "pairs/pairs.parquet", "rollouts": 2, "max_new_tokens": 8,
            "rule": "random", "budget_share": 0.5,
        },
        "rl": {"steps": 1},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return "recipe.yaml"


def test_from_photos_to_sampled_pairs(recipe: str) -> None:
    path = pairs_stage(recipe, Path("pairs"), {})
    mined = read_mined(path)
    assert {pair.part for pair in mined} == {"train", "held_out"}
    people = {part: {p for each in mined if each.part == part for p in (each.query.person, each.candidate.person)}
              for part in ("train", "held_out")}  # fmt: skip
    assert not people["train"] & people["held_out"]
    # Test people are 0025 to 0027.
    assert all(int(str(person).split(":")[1]) < 25 for own in people.values() for person in own)
    assert sum(pair.label for pair in mined if pair.part == "train") * 2 == sum(pair.part == "train" for pair in mined)

    where = warmup_stage(recipe, Path("warmup"), {})
    assert 0 <= float(Reasoner.load(where).score(read_pairs(path)[:1])[0]) <= 1
    assert Path("warmup/warmup.png").is_file()

    sampled = sample_stage(recipe, Path("sample"), {})
    columns = read_columns(sampled)
    train = [pair for pair in mined if pair.part == "train"]
    assert len(columns["reason"]) == len(train)
    assert len(read_pairs(sampled)) == sum(columns["kept"]) == 2 * (len(train) // 4)
    assert Path("sample/pass_rates.png").is_file()
    assert json.loads(Path("sample/reasons.json").read_text())["kept"] == sum(columns["kept"])

    files = [path, where / "model.safetensors", sampled]
    before = [file.stat().st_mtime_ns for file in files]
    assert [pairs_stage(recipe, Path("pairs"), {}), sample_stage(recipe, Path("sample"), {})] == [path, sampled]
    warmup_stage(recipe, Path("warmup"), {})
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.whole
@pytest.mark.parametrize("street", [True, False])
def test_drawn_people_stand_beside_photographed_ones_or_do_not(recipe: str, street: bool) -> None:
    """Pairs of a base's vision encoder; where there are no photos drawn people are mined whatever the recipe says."""
    vision_encoder = [EmbedderTraining(**TRAINING)]
    for folder, data in (("base", ("photos",)), ("drawn", ())):
        base = PretrainingRecipe(
            data=data, vision_encoder=vision_encoder, held_out_share=0.3, reasoning_share=0.5, street_people=6
        )
        Path(folder).mkdir()
        write_json(Path(folder) / MANIFEST, {"settings": base.model_dump(mode="json")})
        with pytest.raises(DataError, match=r"vision_encoder/model: missing; the run has not trained"):
            vision_encoder_of(Path(folder))
        save_retriever(build_network(vision_encoder[0].network), Path(folder) / VISION_ENCODER, {})
    changes = {"source": "pretraining", "street": street, "data": (), "held_out_street_people": 4}
    for folder, drawn in (("base", street), ("drawn", True)):
        mined = read_mined(pairs_stage(recipe, Path(f"pairs-{folder}"), changes | {"pretraining": folder}))
        sets = {pair.dataset for pair in mined if pair.part == "train"}
        assert ("street1001" in sets) == drawn
        assert ("photos" in sets) == (folder == "base")


@pytest.fixture
def reinforced(recipe: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pairs in pairs/, and a reinforcement that only notes its recipe and makes a folder."""
    taught: list[Any] = []

    def reinforce(own: Any, pairs: list[Any], source: str, folder: Path) -> Path:
        taught.append(own)
        (folder / "model").mkdir(parents=True, exist_ok=True)
        return folder / "model"

    monkeypatch.setattr("reidr.training.grpo.stage.reinforce_stage", reinforce)
    pairs_stage(recipe, Path("pairs"), {})
    return taught


def test_what_was_decided_for_a_reinforced_model_outlives_a_second_run(recipe: str, reinforced: list[Any]) -> None:
    changes = {"model": "start", "sampled": "pairs/pairs.parquet"}
    where = rl_stage(recipe, Path("rl"), changes)
    assert stored_profile(where).weight == 0
    store_profile(InferenceProfile(0.35, "held-out people"), where)
    assert rl_stage(recipe, Path("rl"), changes) == where
    assert stored_profile(where).weight == 0.35
    assert len(reinforced) == 2


def test_whose_photos_a_model_has_seen_is_told_even_where_its_source_says_nothing(
    recipe: str, reinforced: list[Any]
) -> None:
    assert training_data("start") == ()
    assert training_data(rl_stage(recipe, Path("rl"), {"model": "start", "sampled": "pairs/pairs.parquet"})) == (
        "photos",
    )
    write_json(Path("start/provenance.json"), {"data": ["elsewhere/photos", "others"], "split_seed": 3})
    again = warmup_stage(recipe, Path("warmup"), {})
    assert training_data(again) == ("elsewhere/photos", "others")
    # A source that says whom it held out says so for what is taught from it; else the mining of the pairs does.
    assert json.loads((again / "provenance.json").read_text())["split_seed"] == 3
    write_json(Path("start/provenance.json"), {"data": []})
    fresh = warmup_stage(recipe, Path("fresh"), {})
    assert held_out_split(fresh) == Reasoner.load(fresh).card.held_out == (0.3, 0)


def test_the_variant_rl_takes_the_warm_up_s_settings_where_reinforcement_has_none(
    recipe: str, reinforced: list[Any]
) -> None:
    changes = {
        "method": "reinforcement",
        "seed": 3,
        "lora_rank": 4,
        "max_new_tokens": 40,
        "reinforcement": {"steps": 7},
    }
    warmup_stage(recipe, Path("one"), changes)
    warmup_stage(recipe, Path("two"), changes | {"reinforcement": {"seed": 5, "max_new_tokens": 50}})
    one, two = reinforced
    assert (one.seed, one.lora_rank, one.max_new_tokens, one.steps) == (3, 4, 40, 7)
    assert (two.seed, two.lora_rank, two.max_new_tokens) == (5, 4, 50)
    assert one.rewards.cues == one.rewards.calibration == 0 < one.rewards.identity


def test_what_is_missing_is_named(recipe: str) -> None:
    with pytest.raises(DataError, match="no run of `reidr train pretraining`"):
        pairs_stage(recipe, Path("pairs"), {"source": "pretraining", "pretraining": "nowhere"})
    with pytest.raises(DataError, match="no such file of pairs"):
        warmup_stage(recipe, Path("warmup"), {"pairs": "nowhere.parquet"})


def test_rules_that_do_not_exist_are_refused_before_anything_is_loaded(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    with pytest.raises(RecipeError, match="no selection rule 'hardest'"):
        pairs_stage(recipe, Path("other-pairs"), {"selection": "hardest"})
    pairs = str(pairs_stage(recipe, Path("pairs"), {}))
    monkeypatch.setattr("reidr.training.common.device.load_for_training", never)
    rewards = {"rewards": {"no_such_module_of_mine:reward": 1.0}}
    with pytest.raises(RecipeError, match="cannot import no_such_module_of_mine"):
        sample_stage(recipe, Path("sample"), {"model": "start", "pairs": pairs, **rewards})
    with pytest.raises(RecipeError, match="cannot import no_such_module_of_mine"):
        rl_stage(recipe, Path("rl"), {"model": "start", "sampled": pairs, **rewards})
