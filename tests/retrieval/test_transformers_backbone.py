"""`transformers` models as trunks: maps from tokens and from convolutions, weights from a folder, clear refusals."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from reidr.errors import WeightsError
from reidr.retrieval.embedders.backbones.transformers_backbone import TransformersBackbone
from reidr.retrieval.embedders.network import NetworkSettings, build_network

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}


def tiny_config(kind):
    import transformers

    if kind == "vit":
        return transformers.ViTConfig(**TINY, intermediate_size=16)
    if kind == "dinov2 with registers":
        return transformers.Dinov2WithRegistersConfig(**TINY, mlp_ratio=1)
    if kind == "clip":
        text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        return transformers.CLIPConfig(vision_config=TINY | {"intermediate_size": 16}, text_config=text)
    if kind == "swin":
        return transformers.SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=2, patch_size=4)
    return transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")


@pytest.fixture
def vit(tmp_path):
    from transformers import AutoModel

    torch.manual_seed(0)
    AutoModel.from_config(tiny_config("vit")).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["vit", "dinov2 with registers", "clip", "swin", "resnet"])
def test_gives_a_map_and_gradients_reach_what_is_trained(kind, tmp_path):
    tiny_config(kind).save_pretrained(tmp_path)
    torch.manual_seed(0)
    trunk = TransformersBackbone(tmp_path)
    assert trunk.channels == 16
    features = trunk(torch.randn(2, 3, 48, 24))
    assert features.shape == (2, 16, 6, 3)
    features.square().mean().backward()
    trained = [(name, value) for name, value in trunk.named_parameters() if value.requires_grad]
    assert len(trained) > 5
    for name, value in trained:
        assert value.grad is not None, name


def test_tokens_are_put_back_in_their_places(vit):
    """Without position or mixing, the map's cell depends on its own patch alone: change one patch, one cell moves."""
    trunk = TransformersBackbone(vit).eval()
    with torch.no_grad():
        for name, value in trunk.model.named_parameters():
            if "attention.output" in name or ".attention.o_proj" in name:
                value.zero_()  # no attention, so no mixing
        picture = torch.randn(1, 3, 48, 24)
        changed = picture.clone()
        changed[:, :, 16:24, 8:16] += 1.0  # the patch in row 2, column 1
        moved = (trunk(picture) - trunk(changed)).abs().sum(dim=1)[0] > 1e-4
    assert moved.nonzero().tolist() == [[2, 1]]


def test_weights_come_from_the_folder(vit):
    first, second = TransformersBackbone(vit).eval(), TransformersBackbone(vit).eval()
    pixels = torch.randn(1, 3, 32, 16)
    assert torch.equal(first(pixels), second(pixels))
    from transformers import AutoModel

    held = first.model.state_dict()
    stored = AutoModel.from_pretrained(vit).state_dict()
    assert held.keys() == stored.keys()
    assert all(torch.equal(held[name], value) for name, value in stored.items())


def test_a_retriever_network_is_built_on_it(vit):
    settings = NetworkSettings(
        backbone="transformers", backbone_folder=str(vit), height=32, width=16, embedding=8, stripe_embedding=8
    )
    with torch.no_grad():
        assert build_network(settings).eval()(torch.zeros(2, 3, 32, 16)).shape == (2, settings.size)


def refuse(folder, sentence):
    with pytest.raises(WeightsError, match=sentence) as caught:
        TransformersBackbone(folder)
    assert "\n" not in str(caught.value)


def test_refusals(vit, tmp_path_factory):
    refuse(None, "needs backbone_folder")
    refuse(vit / "nowhere", "nowhere: no such folder with a config.json")
    stored = load_file(vit / "model.safetensors")
    lost = next(name for name in stored if "embeddings" in name and "projection" in name)
    save_file({k: v for k, v in stored.items() if k != lost}, vit / "model.safetensors", metadata={"format": "pt"})
    refuse(vit, "safetensors lack .*embeddings")
    (vit / "model.safetensors").write_bytes(b"\x00" * 9)
    refuse(vit, "transformers cannot load a model")
    (vit / "model.safetensors").rename(vit / "pytorch_model.bin")
    refuse(vit, "pickled weights only")
    other = tmp_path_factory.mktemp("other")
    (other / "config.json").write_text('{"model_type": "nothing of that name"}')
    refuse(other, "transformers cannot load a model")


def test_a_text_model_is_no_image_backbone(tmp_path):
    from transformers import BertConfig

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertConfig(**small, vocab_size=10).save_pretrained(tmp_path)
    refuse(tmp_path, "not usable as an image backbone")
