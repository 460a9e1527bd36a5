"""Losses of the retriever: identities, and appearance attributes where they are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from reidr.data.types import Crop
from reidr.errors import MissingExtraError
from reidr.retrieval.embedders.network import RetrieverNetwork


class IdentityLosses(nn.Module):
    """Cross-entropy on each branch's BNNeck feature; batch-hard triplet on all pooled branches together."""

    def __init__(self, network: RetrieverNetwork, identities: int, margin: float, smoothing: float) -> None:
        super().__init__()
        try:
            from pytorch_metric_learning.losses import TripletMarginLoss
            from pytorch_metric_learning.miners import BatchHardMiner
        except ImportError:
            raise MissingExtraError(
                "training a retriever needs pytorch-metric-learning; install with: pip install 'reidr[train]'"
            ) from None
        self.classifiers = nn.ModuleList(nn.Linear(size, identities, bias=False) for size in network.branch_sizes)
        for classifier in self.classifiers:
            nn.init.normal_(classifier.get_parameter("weight"), std=0.001)
        self.smoothing = smoothing
        self.miner = BatchHardMiner()
        self.triplet = TripletMarginLoss(margin=margin)

    def forward(self, pooled: list[Tensor], normed: list[Tensor], labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss and what to log, for `labels` (N,) of identities.

        Args:
            pooled, normed: branches as `RetrieverNetwork.branches` gives them.
        """
        logits = [classifier(branch) for classifier, branch in zip(self.classifiers, normed, strict=True)]
        identity = torch.stack(
            [functional.cross_entropy(each, labels, label_smoothing=self.smoothing) for each in logits]
        ).sum() / len(logits)
        joined = torch.cat([functional.normalize(branch, dim=1) for branch in pooled], dim=1)
        triplet = self.triplet(joined, labels, self.miner(joined, labels))
        correct = (logits[0].argmax(dim=1) == labels).float().mean()
        return identity + triplet, {
            "identity_loss": float(identity.detach()),
            "triplet_loss": float(triplet.detach()),
            "training_accuracy": float(correct),
        }


class AttributeLosses(nn.Module):
    """Cross-entropy of one linear classifier per appearance attribute, on the whole body's BNNeck feature.

    `"not visible"` is a value like any other: it trains what cannot be seen. A crop without a known value of an
    attribute takes no part in that attribute's loss (Lin et al. 2019 train person attributes beside identities).
    """

    def __init__(self, size: int, crops: Sequence[Crop], weight: float) -> None:
        super().__init__()
        self.weight = weight
        known = [crop.attributes for crop in crops]
        self.values = {
            name: sorted({each[name] for each in known if name in each})
            for name in sorted({n for a in known for n in a})
        }
        self.classifiers = nn.ModuleList(nn.Linear(size, len(values)) for values in self.values.values())
        # (crops, attributes): place of each crop's value, -100 (ignored) where it is not known.
        self.labels: Tensor
        self.register_buffer(
            "labels",
            torch.tensor(
                [
                    [values.index(each[name]) if name in each else -100 for name, values in self.values.items()]
                    for each in known
                ]
            ),
            persistent=False,
        )

    def forward(self, feature: Tensor, rows: Tensor) -> tuple[Tensor, dict[str, float]]:
        losses = []
        own = self.labels[rows]
        known = (own >= 0).any(dim=0).tolist()
        for column, classifier in enumerate(self.classifiers):
            if known[column]:
                losses.append(functional.cross_entropy(classifier(feature), own[:, column]))
        if not losses:
            return feature.sum() * 0.0, {}
        loss = torch.stack(losses).mean()
        return self.weight * loss, {"attribute_loss": float(loss.detach())}
