"""Checkpoints of torchreid and TransReID: the same embeddings as networks that are written here with their names."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from reidr.errors import WeightsError
from reidr.retrieval.embedders.published.embedder import PublishedEmbedder, stem_of
from reidr.retrieval.embedders.published.transreid import GRIDS, shuffle
from reidr.retrieval.embedders.registry import check_embedder, load_embedder


def pictures(number: int) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 255, (90 + i, 40, 3), dtype=np.uint8)) for i in range(number)]


class ConvLayer(nn.Module):
    """torchreid's `ConvLayer`, `Conv1x1` and, without ReLU, `Conv1x1Linear`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, pad: int = 0, relu: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return x.relu() if self.relu else x


class LightConv3x3(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.conv1 = nn.Conv2d(size, size, 1, bias=False)
        self.conv2 = nn.Conv2d(size, size, 3, 1, 1, bias=False, groups=size)
        self.bn = nn.BatchNorm2d(size)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv2(self.conv1(x))).relu()


class ChannelGate(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.fc1 = nn.Conv2d(size, size // 16, 1)
        self.fc2 = nn.Conv2d(size // 16, size, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean(dim=(2, 3), keepdim=True)).relu()).sigmoid()


class OSBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvLayer(inputs, middle)
        self.conv2a = LightConv3x3(middle)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(LightConv3x3(middle) for _ in range(length))) for length in (2, 3, 4)
        )
        self.gate = ChannelGate(middle)
        self.conv3 = ConvLayer(middle, outputs, relu=False)
        self.downsample = ConvLayer(inputs, outputs, relu=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        mixed = sum(self.gate(stream(first)) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d))
        return (self.conv3(mixed) + (x if self.downsample is None else self.downsample(x))).relu()


class TheirOSNet(nn.Module):
    def __init__(self, channels: tuple[int, ...], people: int = 7):
        super().__init__()
        stem, *sizes = channels
        self.conv1 = ConvLayer(3, stem, 7, 2, 3)
        for number, (inputs, outputs) in enumerate(zip(channels, sizes, strict=False), start=2):
            blocks: list[nn.Module] = [OSBlock(inputs, outputs), OSBlock(outputs, outputs)]
            if number < 4:
                blocks.append(nn.Sequential(ConvLayer(outputs, outputs), nn.AvgPool2d(2, 2)))
            setattr(self, f"conv{number}", nn.Sequential(*blocks))
        self.conv5 = ConvLayer(sizes[-1], sizes[-1])
        self.fc = nn.Sequential(nn.Linear(sizes[-1], 512), nn.BatchNorm1d(512), nn.ReLU())
        self.classifier = nn.Linear(512, people)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv1(x), 3, 2, 1)
        for part in (self.conv2, self.conv3, self.conv4, self.conv5):
            x = part(x)
        return self.fc(x.mean(dim=(2, 3)))


class TheirBlock(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size, eps=1e-6), nn.LayerNorm(size, eps=1e-6)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.attn.qkv(self.norm1(x)).chunk(3, dim=2)
        heads = []
        for start in range(0, x.shape[2], 64):
            q, k, v = (each[:, :, start : start + 64] for each in (query, key, value))
            heads.append((q @ k.transpose(1, 2) / 8).softmax(dim=2) @ v)
        x = x + self.attn.proj(torch.cat(heads, dim=2))
        return x + self.mlp.fc2(nn.functional.gelu(self.mlp.fc1(self.norm2(x))))


class TheirTransReID(nn.Module):
    def __init__(self, size: int = 128, depth: int = 3, patches: int = 210, jigsaw: bool = True, cameras: int = 6):
        super().__init__()
        self.base = nn.Module()
        self.base.cls_token = nn.Parameter(torch.randn(1, 1, size))
        self.base.pos_embed = nn.Parameter(torch.randn(1, patches + 1, size))
        self.base.patch_embed = nn.Module()
        self.base.patch_embed.proj = nn.Conv2d(3, size, 16, GRIDS[patches][2])
        self.base.blocks = nn.ModuleList(TheirBlock(size) for _ in range(depth))
        self.base.norm, self.base.fc = nn.LayerNorm(size, eps=1e-6), nn.Linear(size, 10)
        if cameras:
            self.base.sie_embed = nn.Parameter(torch.randn(cameras, 1, size))
        self.jigsaw = jigsaw
        if jigsaw:
            self.b1 = nn.Sequential(TheirBlock(size), nn.LayerNorm(size, eps=1e-6))
            self.b2 = nn.Sequential(TheirBlock(size), nn.LayerNorm(size, eps=1e-6))
            self.classifier_1, self.bottleneck_1 = nn.Linear(size, 5, bias=False), nn.BatchNorm1d(size)
        self.classifier, self.bottleneck = nn.Linear(size, 5, bias=False), nn.BatchNorm1d(size)

    def forward(self, x: Tensor) -> Tensor:
        x = self.base.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.base.cls_token.expand(len(x), -1, -1), x], dim=1) + self.base.pos_embed
        if hasattr(self.base, "sie_embed"):
            x = x + 3 * self.base.sie_embed.mean(dim=0)
        for block in list(self.base.blocks)[: -1 if self.jigsaw else None]:
            x = block(x)
        if not self.jigsaw:
            return self.base.norm(x)[:, 0]
        found = [self.b1(x)[:, 0]]
        patches = x[:, 1:]
        moved = [patches[:, (i + 5) % patches.shape[1]] for i in range(patches.shape[1])]
        half = len(moved) // 2
        dealt = [moved[i // 2 + (i % 2) * half] for i in range(len(moved))]
        quarter = len(dealt) // 4
        for part in range(4):
            own = torch.stack([x[:, 0], *dealt[part * quarter : (part + 1) * quarter]], dim=1)
            found.append(self.b2(own)[:, 0] / 4)
        return torch.cat(found, dim=1)


def lively(network: nn.Module) -> nn.Module:
    """With statistics and weights that are not those of the start."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif value.is_floating_point() and value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
    return network.eval()


def expected(network: nn.Module, size: tuple[int, int], mean: Any, std: Any, flip: bool = False) -> np.ndarray:
    rows = []
    for picture in pictures(3):
        small = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR), dtype=np.float32) / 255
        pixels = torch.from_numpy((small - np.array(mean, np.float32)) / np.array(std, np.float32)).permute(2, 0, 1)[
            None
        ]
        with torch.no_grad():
            found = nn.functional.normalize(network(pixels), dim=1)
            if flip:
                found = nn.functional.normalize(found + nn.functional.normalize(network(pixels.flip(3)), dim=1), dim=1)
        rows.append(found[0].numpy())
    return np.stack(rows)


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
X025, X050 = (16, 64, 96, 128), (32, 128, 192, 256)


@pytest.mark.parametrize("channels", [X025, X050])
def test_an_osnet_of_torchreid_embeds_as_there(tmp_path: Path, channels: tuple[int, ...]) -> None:
    network = lively(TheirOSNet(channels))
    # As its training loop writes it, and as its model zoo has it.
    parallel = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": parallel, "epoch": 60, "rank1": 0.9}, tmp_path / "trained.pth.tar")
    torch.save(network.state_dict(), tmp_path / "zoo.pth")
    wanted = expected(network, (256, 128), *IMAGENET)
    for name in ("trained.pth.tar", "zoo.pth"):
        check_embedder(tmp_path / name)
        embedder = load_embedder(tmp_path / name)
        assert (embedder.name, embedder.input_size) == (name.split(".")[0], (256, 128))  # type: ignore[attr-defined]
        np.testing.assert_allclose(embedder.embed_pictures(pictures(3)), wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (256, 128)),
        ({"patches": 128, "jigsaw": False, "cameras": 0}, (256, 128)),
        ({"patches": 192, "size": 64}, (384, 128)),
    ],
)
def test_a_transreid_embeds_as_there(tmp_path: Path, options: dict[str, Any], size: tuple[int, int]) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(1)
    network = lively(TheirTransReID(**options))
    save_file(network.state_dict(), tmp_path / "vit.safetensors")
    (tmp_path / "vit.json").write_text(json.dumps({"flip": True, "trained_on": ["msmt17"]}))
    embedder = load_embedder(tmp_path / "vit.safetensors")
    assert isinstance(embedder, PublishedEmbedder)
    assert (embedder.input_size, embedder.trained_on) == (size, ("msmt17",))
    wanted = expected(network, size, (0.5,) * 3, (0.5,) * 3, flip=True)
    np.testing.assert_allclose(embedder.embed_pictures(pictures(3)), wanted, atol=2e-5)


def test_the_shuffle_is_that_of_the_paper() -> None:
    patches = torch.arange(12.0).view(1, 12, 1)
    assert shuffle(patches).flatten().tolist() == [5, 11, 6, 0, 7, 1, 8, 2, 9, 3, 10, 4]


def test_fingerprints_tell_weights_and_settings_apart(tmp_path: Path) -> None:
    network = lively(TheirOSNet(X025))
    torch.save(network.state_dict(), tmp_path / "a.pth")
    first = load_embedder(tmp_path / "a.pth").fingerprint
    (tmp_path / "a.json").write_text('{"flip": true}')
    second = load_embedder(tmp_path / "a.pth").fingerprint
    with torch.no_grad():
        network.conv5.conv.weight[0, 0] += 1e-3
    torch.save(network.state_dict(), tmp_path / "a.pth")
    assert len({first, second, load_embedder(tmp_path / "a.pth").fingerprint}) == 3


class Harmful:
    def __reduce__(self) -> Any:
        return (print, ("run",))


def test_what_cannot_be_loaded_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(name: str, said: str) -> None:
        with pytest.raises(WeightsError, match=said):
            load_embedder(tmp_path / name)

    refused("none.pth", "no such checkpoint")
    with pytest.raises(WeightsError, match="no such checkpoint"):
        check_embedder(tmp_path / "none.pth")
    (tmp_path / "harmful.pth").write_bytes(pickle.dumps(Harmful()))
    refused("harmful.pth", "as weights alone")
    assert "run" not in capsys.readouterr().out
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    refused("empty.pth", "no weights by name")
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    refused("other.pth", "no kind that is known here.*ONNX")
    state = lively(TheirOSNet(X025)).state_dict()
    torch.save({**state, "conv2.0.IN.weight": torch.ones(64)}, tmp_path / "ibn.pth")
    refused("ibn.pth", r"has besides 'conv2.0.IN.weight' and 0 more.*variant")
    (tmp_path / "sub.json").write_text('{"flips": true}')
    torch.save(state, tmp_path / "sub.pth")
    refused("sub.pth", "sub.json: flips")
    torch.save({**TheirTransReID().state_dict(), "base.pos_embed": torch.zeros(1, 50, 128)}, tmp_path / "vit.pth")
    refused("vit.pth", "49 patches")
    with pytest.raises(WeightsError, match="fast"):
        load_embedder(tmp_path / "sub.pth", "fast")
    assert stem_of(Path("a/b.pth.tar")) == "b"
