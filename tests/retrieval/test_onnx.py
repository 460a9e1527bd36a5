"""ONNX: the exported retriever embeds like the retriever; foreign models are checked before they are used."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from pictures import SMALL, let_it_see, pictures, small_network
from torch import nn

from reidr.errors import MissingExtraError, WeightsError
from reidr.retrieval.embedders.network import RetrieverNetwork
from reidr.retrieval.embedders.onnx import OnnxEmbedder, export_onnx, external_files
from reidr.retrieval.embedders.retriever import Retriever

SIDECAR = {"height": 4, "width": 2, "mean": [0, 0, 0], "std": [1, 1, 1], "flip": False}


def foreign_model(path, shape=("n", 3, 4, 2), sidecar=SIDECAR, reduce_all=False, kind="FLOAT"):
    """Mean colour per channel as embedding, (N, 3): its output can be worked out by hand."""
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    helper, kind = onnx.helper, getattr(onnx.TensorProto, kind)
    axes = onnx.numpy_helper.from_array(np.array([1, 2, 3] if reduce_all else [2, 3], dtype=np.int64), "axes")
    node = helper.make_node("ReduceMean", ["pixels", "axes"], ["embedding"], keepdims=0)
    inputs = [helper.make_tensor_value_info("pixels", kind, shape)]
    outputs = [helper.make_tensor_value_info("embedding", kind, None)]
    graph = helper.make_graph([node], "colour", inputs, outputs, [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    if sidecar is not None:
        path.with_suffix(".json").write_text(json.dumps(sidecar))
    return path


def solid(colour):
    from PIL import Image

    return Image.new("RGB", (6, 9), colour)


def trained_network(backbone):
    if backbone == "one convolution":
        trunk = nn.Conv2d(3, 12, 3, 4)
        trunk.channels = 12
        torch.manual_seed(0)
        return let_it_see(RetrieverNetwork(SMALL, trunk))
    return small_network(SMALL.model_copy(update={"backbone": backbone}))


# Exporting a whole trunk takes most of its time in the exporter's tracing: some twenty seconds each.
@pytest.mark.parametrize(
    "backbone",
    [
        "one convolution",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("osnet-x0.25", "efficientnet-lite0")),
    ],
)
def test_the_exported_retriever_embeds_alike(tmp_path, backbone):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra 'onnx'")
    retriever = Retriever(trained_network(backbone), "small", "f")
    export_onnx(retriever, tmp_path / "deep" / "small.onnx")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["small.onnx"]
    embedder = OnnxEmbedder.load(tmp_path / "deep" / "small.onnx")
    assert embedder.name == "small"
    # The file carries its preprocessing itself; a .json beside it counts before that.
    for name in ("height", "width", "mean", "std", "flip"):
        assert getattr(embedder.settings, name) == getattr(retriever.settings, name)
    copy = tmp_path / "copy.onnx"
    copy.write_bytes((tmp_path / "deep" / "small.onnx").read_bytes())
    turned = embedder.settings.model_copy(update={"flip": not embedder.settings.flip})
    copy.with_suffix(".json").write_text(turned.model_dump_json())
    assert OnnxEmbedder.load(copy).settings == turned
    for number in (1, 5):
        ours, theirs = retriever.embed_pictures(pictures(number)), embedder.embed_pictures(pictures(number))
        assert theirs.shape == (number, SMALL.size)
        assert theirs.dtype == np.float32
        assert np.abs(ours - theirs).max() < 2e-5


@pytest.mark.parametrize("batch", ["n", 1])
def test_hand_worked_colour(tmp_path, batch):
    """(102, 204, 0) / 255 = (.4, .8, 0), of length sqrt(.16 + .64) = .8944: (.4472, .8944, 0)."""
    embedder = OnnxEmbedder.load(foreign_model(tmp_path / "colour.onnx", shape=(batch, 3, 4, 2)))
    rows = embedder.embed_pictures([solid((102, 204, 0)), solid((0, 0, 9))])
    assert np.allclose(rows, [[0.4472136, 0.8944272, 0], [0, 0, 1]], atol=1e-6)
    assert len(embedder.embed_pictures([])) == 0


def test_channel_order_mean_and_std_come_from_the_sidecar(tmp_path):
    """Blue first: (0, .8, .4); minus mean (0, .2, 0), by std (1, 1, .5): (0, .6, .8), already of length 1."""
    sidecar = SIDECAR | {"channels": "bgr", "mean": [0, 0.2, 0], "std": [1, 1, 0.5], "flip": True}
    embedder = OnnxEmbedder.load(foreign_model(tmp_path / "colour.onnx", sidecar=sidecar))
    assert np.allclose(embedder.embed_pictures([solid((102, 204, 0))]), [[0, 0.6, 0.8]], atol=1e-6)


def test_the_fingerprint_follows_model_and_sidecar(tmp_path):
    path = foreign_model(tmp_path / "colour.onnx")
    first = OnnxEmbedder.load(path).fingerprint
    assert OnnxEmbedder.load(path).fingerprint == first
    (tmp_path / "colour.onnx.old").write_bytes(b"a copy that the model does not name")
    assert OnnxEmbedder.load(path).fingerprint == first
    path.with_suffix(".json").write_text(json.dumps(SIDECAR | {"flip": True}))
    assert OnnxEmbedder.load(path).fingerprint != first


@pytest.mark.parametrize("location", ["weights.bin", "parts/w", "colour.onnx.data"])
def test_weights_beside_the_model_count_under_any_name(tmp_path, location):
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    path = foreign_model(tmp_path / "colour.onnx")
    (tmp_path / location).parent.mkdir(exist_ok=True)

    def write(scale):
        model = onnx.load(path, load_external_data=False)
        node = model.graph.node[0]
        del model.graph.node[1:], model.graph.initializer[1:]
        node.output[0] = "mean"
        model.graph.node.append(onnx.helper.make_node("Mul", ["mean", "scale"], ["embedding"]))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(scale, dtype=np.float32), "scale"))
        (tmp_path / location).unlink(missing_ok=True)
        onnx.external_data_helper.set_external_data(model.graph.initializer[1], location)
        onnx.save(model, path)

    found = []
    for scale in ([1, 1, 1], [0, 1, 1], [1, 1, 1]):
        write(scale)
        embedder = OnnxEmbedder.load(path)
        found.append((embedder.fingerprint, embedder.embed_pictures([solid((102, 204, 0))])))
    assert (tmp_path / location).stat().st_size == 12
    assert external_files(path) == [tmp_path / location]
    assert np.allclose(found[0][1], [[0.4472, 0.8944, 0]], atol=1e-3)
    assert np.allclose(found[1][1], [[0, 1, 0]])
    assert found[0][0] != found[1][0]
    assert found[0][0] == found[2][0]


def test_weights_are_found_wherever_the_model_names_them(tmp_path):
    """In a branch of an If, in a function, in a constant and in a sparse tensor's values."""
    onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
    helper = onnx.helper

    def tensor(location):
        made = onnx.numpy_helper.from_array(np.ones(3, dtype=np.float32), location)
        onnx.external_data_helper.set_external_data(made, location)
        made.ClearField("raw_data")
        return made

    branch = helper.make_graph([], "branch", [], [], [tensor("branch.bin")])
    constant = helper.make_node("Constant", [], ["c"], value=tensor("constant.bin"))
    function = helper.make_function("own", "f", [], ["c"], [constant], [helper.make_opsetid("", 18)])
    choice = helper.make_node("If", ["yes"], ["s"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([choice], "graph", [], [], [tensor("top.bin")])
    graph.sparse_initializer.append(onnx.SparseTensorProto(values=tensor("sparse.bin"), dims=[3]))
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, functions=[function]).SerializeToString())
    assert [file.name for file in external_files(path)] == ["branch.bin", "constant.bin", "sparse.bin", "top.bin"]


def refuse(path, sentence):
    with pytest.raises(WeightsError, match=sentence) as caught:
        OnnxEmbedder.load(path)
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files(tmp_path):
    refuse(tmp_path / "none.onnx", "none.onnx: no such ONNX file")
    path = foreign_model(tmp_path / "colour.onnx", shape=("n", 3, "height", 2), sidecar=None)
    refuse(path, "leave the size of a picture open; say it in colour.json")
    foreign_model(path)
    path.write_bytes(path.read_bytes()[:30])
    refuse(path, "colour.onnx: onnxruntime cannot load it")


@pytest.mark.parametrize(
    ("sidecar", "sentence"),
    [
        ({"height": 4}, "colour.json: width: Field required"),
        (SIDECAR | {"channels": "gray"}, "channels: Input should be 'rgb' or 'bgr'"),
        (SIDECAR | {"std": [1, 0, 1]}, "must be above 0"),
        (SIDECAR | {"size": 3}, "size: Extra inputs"),
        ("x", "colour.json: the file"),
        (SIDECAR | {"height": 5}, r"takes \['n', 3, 4, 2\]"),
    ],
)
def test_wrong_sidecars(tmp_path, sidecar, sentence):
    refuse(foreign_model(tmp_path / "colour.onnx", sidecar=sidecar), sentence)


def test_useless_models(tmp_path):
    refuse(foreign_model(tmp_path / "double.onnx", kind="DOUBLE"), "needs one float input")
    refuse(
        foreign_model(tmp_path / "eight.onnx", shape=(8, 3, 4, 2)), r"one picture as eight.json says is \[1, 3, 4, 2\]"
    )
    refuse(foreign_model(tmp_path / "number.onnx", reduce_all=True), r"gives \(1,\) for 1 pictures")
    embedder = OnnxEmbedder.load(foreign_model(tmp_path / "colour.onnx"))
    with pytest.raises(WeightsError, match="embedding of zeros"):
        embedder.embed_pictures([solid((0, 0, 0))])


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "any.onnx"
    path.write_bytes(b"")
    path.with_suffix(".json").write_text(json.dumps(SIDECAR))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reidr\[onnx\]'"):
        OnnxEmbedder.load(path)
    monkeypatch.setattr("reidr.retrieval.embedders.onnx.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="onnx and onnxscript"):
        export_onnx(Retriever(small_network(), "small", "f"), path)


def test_without_a_side_file_the_graph_gives_the_size_and_imagenet_the_rest(tmp_path, caplog):
    path = foreign_model(tmp_path / "colour.onnx", sidecar=None)
    embedder = OnnxEmbedder.load(path)
    assert embedder.input_size == (4, 2)
    assert "no colour.json says how it wants its pictures; taken: 4x2 as in its graph, RGB" in caplog.text
    OnnxEmbedder.load(path)
    assert caplog.text.count("no colour.json") == 1
    colour = (np.array((102, 204, 0)) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    found = embedder.embed_pictures([solid((102, 204, 0))])
    np.testing.assert_allclose(found[0], colour / np.linalg.norm(colour), atol=1e-5)
    said = {"height": 4, "width": 2, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "flip": False}
    path.with_suffix(".json").write_text(json.dumps(said))
    same = OnnxEmbedder.load(path)
    assert same.fingerprint == embedder.fingerprint  # the same embeddings
    path.with_suffix(".json").write_text(json.dumps(said | {"trained_on": ["msmt17"]}))
    told = OnnxEmbedder.load(path)
    assert (told.fingerprint, told.trained_on) == (embedder.fingerprint, ("msmt17",))
