"""The retriever: unit rows, batches that change nothing, files that come back the same or say what is wrong."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from pictures import SMALL, pictures, small_network
from safetensors.torch import load_file, save_file

from reidr.data.types import Crop
from reidr.errors import ImageError, WeightsError
from reidr.retrieval.embedders.embedder import embed_crops, embed_usable_crops, facts_of
from reidr.retrieval.embedders.network import GeneralizedMeanPooling, build_network
from reidr.retrieval.embedders.retriever import (
    SETTINGS_FILE,
    WEIGHTS_FILE,
    Retriever,
    save_retriever,
    settings_text,
)
from reidr.retrieval.gallery import Gallery


@pytest.fixture(scope="module")
def retriever():
    return Retriever(small_network(), "small", "fingerprint")


@pytest.fixture
def folder(tmp_path, retriever):
    save_retriever(retriever.network, tmp_path / "small", {"seed": 0})
    return tmp_path / "small"


def test_rows_have_length_1_and_differ(retriever):
    rows = retriever.embed_pictures(pictures(6))
    assert rows.shape == (6, SMALL.size) == (6, 16 + 2 * 8)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert (rows @ rows.T)[~np.eye(6, dtype=bool)].max() < 0.999
    assert retriever.embed_pictures([]).shape == (0, SMALL.size)


def test_a_batch_gives_what_single_pictures_give(retriever):
    batch = pictures(3) + pictures(2, seed=4, size=(60, 33))
    rows = retriever.embed_pictures(batch)
    for row, picture in zip(rows, batch, strict=True):
        assert np.allclose(retriever.embed_pictures([picture])[0], row, atol=1e-5)


def test_flip_makes_mirror_images_alike():
    for flip in (True, False):
        network = small_network(SMALL.model_copy(update={"flip": flip}))
        picture = pictures(1, size=(16, 32))[0]
        mirror = picture.transpose(0)
        first, second = Retriever(network, "n", "f").embed_pictures([picture, mirror])
        assert np.allclose(first, second, atol=1e-5) == flip


def test_generalised_mean_golden():
    """Power 3 over 1, 2, 3, 4: ((1 + 8 + 27 + 64) / 4)^(1/3) = 25^(1/3) = 2.9240."""
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert GeneralizedMeanPooling()(features).item() == pytest.approx(25 ** (1 / 3), rel=1e-5)


def rounded_half(value):
    return value.half().float() if value.is_floating_point() and value.ndim > 1 else value


def test_saved_and_loaded_embeds_alike(retriever, folder):
    loaded = Retriever.load(folder)
    # Exactly what the weights give when they are rounded to half precision, which costs next to nothing.
    rounded = small_network()
    rounded.load_state_dict({key: rounded_half(value) for key, value in retriever.network.state_dict().items()})
    found = loaded.embed_pictures(pictures(4))
    assert np.allclose(found, Retriever(rounded, "rounded", "f").embed_pictures(pictures(4)), atol=1e-5)
    assert (found * retriever.embed_pictures(pictures(4))).sum(axis=1).min() > 0.999
    assert loaded.name == "small"
    assert loaded.settings == SMALL
    assert Retriever.load(str(folder)).fingerprint == loaded.fingerprint


def test_other_weights_have_another_fingerprint(folder, tmp_path):
    save_retriever(small_network(seed=1), tmp_path / "other" / "small", {"seed": 0})
    assert Retriever.load(tmp_path / "other" / "small").fingerprint != Retriever.load(folder).fingerprint


def test_a_checkpoint_replaced_under_its_name_takes_no_old_embedding(folder, tmp_path):
    crops = [Crop(str(place), picture) for place, picture in enumerate(pictures(3))]
    before = Retriever.load(folder)
    old = Gallery.build(crops, before, cache=tmp_path / "cache").features
    for change in (
        lambda: save_retriever(small_network(seed=1), folder, {"seed": 0}),
        lambda: save_retriever(small_network(SMALL.model_copy(update={"flip": False}), seed=1), folder, {"seed": 0}),
    ):
        change()
        now = Retriever.load(folder)
        assert now.name == before.name
        assert now.fingerprint != before.fingerprint
        found = Gallery.build(crops, now, cache=tmp_path / "cache").features
        assert np.array_equal(found, now.embed_pictures([crop.open() for crop in crops]))
        assert not np.allclose(found, old)
        before, old = now, found


KEPT = {"thresholds": {"0.01": 0.5, "0.1": 0.75}, "data": {"Größe": 3}, "rate": 1e-05}


def test_the_number_of_crops_that_thresholds_are_for_is_not_in_the_fingerprint(folder):
    """Galleries and profiles are bound to the fingerprint; how near strangers come changes no embedding."""
    network = Retriever.load(folder).network
    save_retriever(network, folder, KEPT)
    before = Retriever.load(folder)
    assert before.threshold_crops is None
    assert before.fingerprint == sha256_of(folder)  # as ever: over the bytes of both files
    for number in (484, 484.5, 1e9):
        save_retriever(network, folder, KEPT | {"threshold_crops": number})
        found = Retriever.load(folder)
        assert (found.threshold_crops, found.fingerprint) == (number, before.fingerprint)
        assert facts_of(found).threshold_crops == number
    first_of_all = {"threshold_crops": 7, **KEPT}
    save_retriever(network, folder, first_of_all)
    assert Retriever.load(folder).fingerprint == before.fingerprint
    save_retriever(network, folder, KEPT)
    assert Retriever.load(folder).fingerprint == before.fingerprint


@pytest.mark.parametrize("crops", [{}, {"threshold_crops": 484}])
def test_anything_else_of_the_settings_is_in_the_fingerprint(folder, crops):
    path = folder / SETTINGS_FILE
    content = json.loads(path.read_text())
    others = [
        {"trained": KEPT},
        {"trained": KEPT | {"thresholds": {"0.01": 0.5}}},
        {"trained": KEPT | {"thresholds": {"0.1": 0.75, "0.01": 0.5}}},
        {"trained": KEPT | {"more": None}},
        {"trained": KEPT, "recogniser": "attributes"},
        {"trained": KEPT, "threshold_crops": 484},
        {"trained": KEPT, "network": content["network"] | {"flip": not content["network"]["flip"]}},
    ]
    found = set()
    for other in others:
        written = content | other
        path.write_text(settings_text(written | {"trained": written["trained"] | crops}))
        found.add(Retriever.load(folder).fingerprint)
    assert len(found) == len(others)


@pytest.mark.parametrize("crops", [0, -3, "many", [1], float("inf"), float("nan")])
def test_a_number_of_crops_that_is_none(folder, crops):
    save_retriever(Retriever.load(folder).network, folder, {"threshold_crops": crops})
    refuse(folder, f"{SETTINGS_FILE}: not a retriever's settings")


def sha256_of(folder):
    return hashlib.sha256((folder / SETTINGS_FILE).read_bytes() + (folder / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_the_file_that_lays_out_a_trunk_of_transformers_is_part_of_the_fingerprint(tmp_path):
    transformers = pytest.importorskip("transformers")
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    trunk = tmp_path / "trunk"
    transformers.ViTConfig(**tiny, intermediate_size=16, hidden_act="gelu").save_pretrained(trunk)
    settings = SMALL.model_copy(update={"backbone": "transformers", "backbone_folder": str(trunk)})
    save_retriever(build_network(settings), tmp_path / "vit", {})
    first = Retriever.load(tmp_path / "vit")
    assert Retriever.load(tmp_path / "vit").fingerprint == first.fingerprint
    transformers.ViTConfig(**tiny, intermediate_size=16, hidden_act="relu").save_pretrained(trunk)
    second = Retriever.load(tmp_path / "vit")
    assert not np.allclose(first.embed_pictures(pictures(2)), second.embed_pictures(pictures(2)))
    assert first.fingerprint != second.fingerprint


def refuse(source, sentence):
    with pytest.raises(WeightsError, match=sentence) as caught:
        Retriever.load(source)
    assert "\n" not in str(caught.value)


def test_wrong_folders(folder, tmp_path):
    refuse(tmp_path / "nowhere", "nowhere: neither a shipped retriever .* nor a folder")
    refuse(tmp_path, f"{SETTINGS_FILE}: missing")
    (folder / WEIGHTS_FILE).unlink()
    refuse(folder, f"{WEIGHTS_FILE}: missing")


def test_truncated_weights(folder):
    whole = (folder / WEIGHTS_FILE).read_bytes()
    for length in (0, 4, len(whole) // 2):
        (folder / WEIGHTS_FILE).write_bytes(whole[:length])
        refuse(folder, f"{WEIGHTS_FILE}: not a whole safetensors file")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"network": {"backbone": "resnet"}}', '{"network": {"heigth": 3}}'])
def test_wrong_settings(folder, text):
    (folder / SETTINGS_FILE).write_text(text)
    refuse(folder, f"{SETTINGS_FILE}: not a retriever's settings")


def test_weights_that_lack_or_add_a_tensor(folder):
    weights = load_file(folder / WEIGHTS_FILE)
    save_file({key: value for key, value in weights.items() if key != "pool.power"}, folder / WEIGHTS_FILE)
    refuse(folder, r"does not fit osnet-x0.25: lacks \['pool.power'\]")
    save_file(weights | {"surplus": torch.zeros(1)}, folder / WEIGHTS_FILE)
    refuse(folder, r"has extra \['surplus'\]")


def test_weights_of_another_size(folder):
    settings = json.loads((folder / SETTINGS_FILE).read_text())
    settings["network"]["embedding"] = 24
    (folder / SETTINGS_FILE).write_text(json.dumps(settings))
    refuse(folder, f"{WEIGHTS_FILE}: does not fit")


def test_a_broken_file_is_skipped_and_named(retriever, tmp_path):
    images = pictures(5)
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    (tmp_path / "3.png").unlink()
    crops = [Crop(id=f"{number}.png", image=tmp_path / f"{number}.png") for number in range(5)]
    steps = []
    features, kept, problems = embed_usable_crops(retriever, crops, batch=2, advance=steps.append)
    assert kept == [0, 2, 4]
    assert ["1.png" in problems[0], "3.png" in problems[1], len(problems)] == [True, True, 2]
    assert not any("\n" in problem for problem in problems)
    assert steps == [2, 2, 1]
    assert np.allclose(features, retriever.embed_pictures([images[i] for i in kept]), atol=1e-5)
    with pytest.raises(ImageError, match=r"1\.png"):
        embed_crops(retriever, crops)
    assert np.allclose(embed_crops(retriever, [crops[0], crops[4]]), features[[0, 2]], atol=1e-5)


def test_nothing_usable_is_no_rows(retriever, tmp_path):
    features, kept, problems = embed_usable_crops(retriever, [Crop(id="a", image=tmp_path / "a.png")])
    assert (len(features), kept, len(problems)) == (0, [], 1)
