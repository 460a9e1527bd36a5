"""Mining and tuning beside a retriever that was not trained here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidr.data.join import join_training
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.training.pairs.mine import mine_pairs
from reidr.training.pairs.rankers import rankers_of
from reidr.training.recipes.pairs import PairsRecipe
from reidr.training.tuning.held_out import held_out_people


@pytest.fixture
def crops(tmp_path: Path) -> tuple[Crop, ...]:
    random = np.random.default_rng(0)
    found = []
    for person in range(12):
        for camera in range(3):
            path = tmp_path / f"{person}-{camera}.png"
            Image.new("RGB", (16, 32), tuple(random.integers(0, 255, 3))).save(path)
            found.append(Crop(path.name, path, f"{person}", f"{camera}"))
    return join_training([ReIDDataset("market1501", None, train=tuple(found))])


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    """An ONNX model that gives the mean colour, without a side file."""
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    helper = onnx.helper
    axes = onnx.numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes")
    node = helper.make_node("ReduceMean", ["pixels", "axes"], ["embedding"], keepdims=0)
    pixels = helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ("n", 3, 32, 16))
    embedding = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "colour", [pixels], [embedding], [axes])
    path = tmp_path / "colour.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_retriever_of_others_mines_where_it_was_not_trained(
    crops: tuple[Crop, ...], colour: Path, tmp_path: Path
) -> None:
    recipe = PairsRecipe(source="retriever", retriever=str(colour), pairs=40, negative_ranks=5, held_out_share=0.25)
    with pytest.raises(DataError, match="does not say on whom it was trained"):
        rankers_of(recipe, crops, tmp_path, {})
    said = {"height": 32, "width": 16, "trained_on": ["msmt17"]}
    colour.with_suffix(".json").write_text(json.dumps(said))
    rankers = rankers_of(recipe, crops, tmp_path, {})
    assert [ranker.part for ranker in rankers] == ["train", "held_out"]
    people = [ranker.unseen for ranker in rankers]
    assert people[0] | people[1] == {crop.person for crop in crops}
    assert not people[0] & people[1]
    mined = [pair for ranker in rankers for pair in mine_pairs(recipe, crops, ranker)]
    assert len(mined) > 20
    colour.with_suffix(".json").write_text(json.dumps(said | {"trained_on": ["market1501"]}))
    with pytest.raises(DataError, match="trained on market1501 and does not say whom it held out"):
        rankers_of(recipe, crops, tmp_path, {})


def test_tuning_asks_a_retriever_of_others_what_it_was_trained_on(colour: Path, tmp_path: Path) -> None:
    from reidr.retrieval.embedders.registry import load_embedder

    path = tmp_path / "own.yaml"
    path.write_text(json.dumps({"pretraining": {"data": []}}))
    assert held_out_people(str(path), {}, load_embedder(colour)) == ()
