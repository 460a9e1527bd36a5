"""Fast precision gives the reference's embeddings to a thousandth, and leaves the reference and its users alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pictures import SMALL, pictures, small_network
from torch import nn

from reidr.cli.main import reidr
from reidr.data.load import load_dataset
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import ReIDError, WeightsError
from reidr.fusion.profile import InferenceProfile
from reidr.retrieval.embedders import fast_network
from reidr.retrieval.embedders.embedder import embed_crops
from reidr.retrieval.embedders.fast_network import FastNetwork, best_arithmetic, fold_batch_norms, join_activations
from reidr.retrieval.embedders.network import build_network
from reidr.retrieval.embedders.precision import fast_fingerprint, reference_fingerprint
from reidr.retrieval.embedders.registry import load_embedder
from reidr.retrieval.embedders.retriever import Retriever

LITE = SMALL.model_copy(update={"backbone": "efficientnet-lite0", "height": 64, "width": 32})


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", first, second)


def computed(retriever: Retriever, arithmetic: str) -> Retriever:
    """The retriever with a fast copy in this arithmetic, whatever the processor does best."""
    fast = retriever.computed_fast()
    fast.fast = FastNetwork(retriever.network, arithmetic)
    return fast


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("settings", [SMALL, LITE], ids=["osnet", "lite"])
@pytest.mark.parametrize("joined", [True, False])
def test_float32_differs_by_rounding_alone(settings, flip, joined, monkeypatch) -> None:
    if not joined:  # as where torch was built without oneDNN
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    network = small_network(settings.model_copy(update={"flip": flip}))
    retriever = Retriever(network, "n", "f")
    crops = pictures(5)
    found = computed(retriever, "float32").embed_pictures(crops)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, retriever.embed_pictures(crops), atol=2e-5)


def test_bfloat16_of_a_network_of_random_weights_stays_near(monkeypatch) -> None:
    monkeypatch.setattr(fast_network, "PART_PIXELS", 3 * 64 * 32)  # several parts, the last one shorter
    monkeypatch.setattr(fast_network, "AT_ONCE", 4)
    retriever = Retriever(small_network(LITE), "n", "f")
    crops = pictures(7)
    found = computed(retriever, "bfloat16").embed_pictures(crops)
    assert cosines(found, retriever.embed_pictures(crops)).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    render_street(
        folder / "street", StreetSettings(seed=9, cameras=3, test_people=8, cameras_per_person=3, crops_per_camera=1)
    )
    return folder / "street"


@pytest.mark.parametrize("arithmetic", ["bfloat16", "float32"])
def test_the_shipped_retriever_on_drawn_people_to_a_thousandth(street: Path, arithmetic: str) -> None:
    retriever = Retriever.load()
    crops = load_dataset(street).gallery[:48]
    reference = embed_crops(retriever, crops)
    found = embed_crops(computed(retriever, arithmetic), crops)
    assert cosines(found, reference).min() > (0.999 if arithmetic == "bfloat16" else 0.999999)


def test_the_reference_stays_as_it_was() -> None:
    network = small_network(LITE)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    retriever = Retriever(network, "n", "f")
    rows = retriever.embed_pictures(pictures(2))
    fast = retriever.computed_fast()
    assert fast.network is network
    assert not any(isinstance(module, fast_network.JoinedConvolution) for module in network.modules())
    assert all(parameter.requires_grad for name, parameter in network.named_parameters() if "necks" not in name)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
    np.testing.assert_array_equal(retriever.embed_pictures(pictures(2)), rows)
    assert (retriever.name, retriever.fingerprint, retriever.fast) == ("n", "f", None)
    assert fast.name == "n (fast)"
    assert fast.computed_fast() is fast
    assert fast.embed_pictures([]).shape == (0, LITE.size)


def test_fingerprints_are_apart_and_name_the_same_weights() -> None:
    fast = Retriever(small_network(), "n", "0123abcd").computed_fast()
    assert fast.fingerprint == "fast-float32-0123abcd"  # OSNet: not known which layers would bear bfloat16
    assert reference_fingerprint(fast.fingerprint) == reference_fingerprint("0123abcd") == "0123abcd"
    assert fast_fingerprint("0123abcd", "bfloat16") == "fast-bfloat16-0123abcd"
    profile = InferenceProfile(0.2, "somewhere", "", retriever="0123abcd")
    assert profile.mismatch(fast.fingerprint) == profile.mismatch("0123abcd") == ""
    assert "another retriever" in profile.mismatch("fast-float32-other")


@pytest.mark.parametrize(("able", "wanted"), [({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16"),
                                              ({"avx2": True}, "float32"), ({}, "float32")])  # fmt: skip
def test_bfloat16_needs_a_processor_with_it(able, wanted, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert best_arithmetic(build_network(LITE).trunk) == wanted
    assert best_arithmetic(build_network(SMALL).trunk) == "float32"


def test_sequences_of_layers_are_folded_wherever_they_are() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 4, 1, bias=False),
        nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip
    layers.train()(torch.randn(8, 3, 9, 7))
    layers.eval()
    pixels = torch.randn(2, 3, 9, 7)
    with torch.inference_mode():
        wanted = layers(pixels)
        fold_batch_norms(layers)
        join_activations(layers, torch.float32)
        torch.testing.assert_close(layers(pixels), wanted, atol=1e-5, rtol=1e-5)
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds.count("JoinedConvolution") == 4
    assert "BatchNorm2d" not in kinds
    assert "ReLU" not in kinds


def test_precision_is_chosen_by_name() -> None:
    assert load_embedder(None, "fast").fingerprint.startswith("fast-")
    assert load_embedder(None).fingerprint == Retriever.load().fingerprint
    with pytest.raises(ReIDError, match="precision"):
        Retriever.load(precision="quick")
    with pytest.raises(WeightsError, match="histogram: only a trained retriever"):
        load_embedder("histogram", "fast")


def test_commands_take_it(street: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REIDR_CACHE", str(tmp_path / "cache"))
    options = ["--reasoner", "none", "--precision", "fast"]
    done = CliRunner().invoke(reidr, ["evaluate", str(street), *options])
    assert done.exit_code == 0, done.output
    assert "lite (fast)" in done.output
    refused = CliRunner().invoke(reidr, ["evaluate", str(street), *options, "--retriever", "histogram"])
    assert refused.exit_code != 0
    assert isinstance(refused.exception, WeightsError)
