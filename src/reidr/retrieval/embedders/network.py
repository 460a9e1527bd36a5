"""The retriever's network: a trunk, a global and some stripe embeddings, each with a BNNeck."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reidr.errors import ReIDError
from reidr.retrieval.embedders.attribute_branch import AttributeBranch
from reidr.retrieval.embedders.network_settings import BackboneName as BackboneName
from reidr.retrieval.embedders.network_settings import NetworkSettings as NetworkSettings


class GeneralizedMeanPooling(nn.Module):
    """(N, C, H, W) → (N, C): `mean(x^p)^(1/p)` with a learned p (Radenović et al. 2018)."""

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(power))

    def forward(self, features: Tensor) -> Tensor:
        return self.mean(self.powers(features))

    def powers(self, features: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape: `x^p`."""
        return features.clamp(min=1e-6).pow(self.power)

    def mean(self, powers: Tensor) -> Tensor:
        """(N, C, h, w) powers of any part of a map → (N, C) what is pooled of it."""
        return powers.mean(dim=(2, 3)).pow(1.0 / self.power)


class BNNeck(nn.BatchNorm1d):
    """Batch norm without a bias between the metric-learning and the classification feature (Luo et al. 2019)."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.bias.requires_grad_(False)


class RetrieverNetwork(nn.Module):
    """Trunk → 1×1 head → generalised-mean pooling of the whole map and of its stripes → BNNecks.

    Stripes follow PCB/MGN (Sun et al. 2018, Wang et al. 2018). `forward` gives the final embedding (N, size),
    not normalised; `branches` gives the parts that the losses need.
    """

    def __init__(self, settings: NetworkSettings, trunk: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        self.trunk = trunk
        channels = int(trunk.channels)  # type: ignore[arg-type]
        self.head = nn.Sequential(
            nn.Conv2d(channels, settings.embedding, 1, bias=False),
            nn.BatchNorm2d(settings.embedding),
            nn.ReLU(inplace=True),
        )
        self.pool = GeneralizedMeanPooling()
        self.reduce = nn.ModuleList(
            nn.Linear(settings.embedding, settings.stripe_embedding, bias=False) for _ in range(settings.stripes)
        )
        self.branch_sizes = [settings.embedding] + [settings.stripe_embedding] * settings.stripes
        self.necks = nn.ModuleList(BNNeck(size) for size in self.branch_sizes)
        self.attribute_branch: AttributeBranch | None = None
        if settings.attributes:
            self.attribute_branch = AttributeBranch(channels, settings.attributes, settings.attribute_width)

    def feature_map(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) normalised pixels → (N, embedding, h, w), the map that is pooled."""
        features: Tensor = self.head(self.trunk(pixels))
        return features

    def recognise_attributes(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) → logits of every value, (N, values), and of "cannot be seen", (N, families).

        Raises ReIDError for a network without an attribute branch.
        """
        if self.attribute_branch is None:
            raise ReIDError("this network recognises no attributes; its settings name none")
        logits: tuple[Tensor, Tensor] = self.attribute_branch(self.trunk(pixels))
        return logits

    def branches(self, pixels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Pooled features before and after their BNNecks: whole body first, then the stripes from top to bottom."""
        return self.pooled_branches(self.feature_map(pixels))

    def pooled_branches(self, features: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """`branches` from the map that `feature_map` gives."""
        pooled = [self.pool(features)]
        if self.settings.stripes:
            rows = torch.tensor_split(features, self.settings.stripes, dim=2)
            pooled += [reduce(self.pool(part)) for reduce, part in zip(self.reduce, rows, strict=True)]
        return pooled, [neck(part) for neck, part in zip(self.necks, pooled, strict=True)]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.embed_map(self.feature_map(pixels))

    def embed_map(self, features: Tensor) -> Tensor:
        """The embedding (N, size) of the map that `feature_map` gives."""
        _, normed = self.pooled_branches(features)
        # Unit branches, so that no branch decides the cosine by its scale alone.
        return torch.cat([functional.normalize(part, dim=1) for part in normed], dim=1)


def build_network(settings: NetworkSettings) -> RetrieverNetwork:
    """The network of `settings` with random weights (batch-norm statistics at their start values)."""
    if settings.backbone == "efficientnet-lite0":
        from reidr.retrieval.embedders.backbones.efficientnet_lite import EfficientNetLite

        return RetrieverNetwork(settings, EfficientNetLite())
    if settings.backbone == "transformers":
        from reidr.retrieval.embedders.backbones.transformers_backbone import TransformersBackbone

        return RetrieverNetwork(settings, TransformersBackbone(settings.backbone_folder))
    from reidr.retrieval.embedders.backbones.osnet import OSNet

    return RetrieverNetwork(settings, OSNet(width=float(settings.backbone.removeprefix("osnet-x"))))
