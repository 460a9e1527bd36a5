"""OSNet as torchreid (deep-person-reid) publishes it: its names of weights, and its embedding layer.

Source of the architecture: Zhou, Yang, Cavallaro, Xiang, "Omni-Scale Feature Learning for Person Re-Identification",
ICCV 2019. The trunk is ours (`backbones/osnet.py`); torchreid ends it in a mean over the map and a linear layer with
batch norm and ReLU, whose output is the embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from reidr.errors import WeightsError
from reidr.retrieval.embedders.backbones.osnet import STEM, OSNet

# Where torchreid's parts stand in the sequence of ours: two blocks a stage, a 1×1 layer behind each, pools between.
STAGES = {"conv2": 4, "conv3": 8, "conv4": 12}
TRANSITIONS = {"conv2.2.0": 6, "conv3.2.0": 10, "conv5": 14}
BLOCK = {"conv1": "squeeze", "conv3": "expand", "downsample": "shortcut"}
STREAMS = "abcd"


class TorchreidOSNet(nn.Module):
    """(N, 3, H, W) normalised pixels → (N, 512) embeddings, not normalised."""

    height, width = 256, 128
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Raises WeightsError for weights of a variant that this is not (instance norm, other layers)."""
        super().__init__()
        self.trunk = OSNet(state["conv1.conv.weight"].shape[0] / STEM)
        size, inputs = state["fc.0.weight"].shape
        self.fc = nn.Sequential(nn.Linear(inputs, size), nn.BatchNorm1d(size), nn.ReLU(inplace=True))
        ours = {our_name(name): value for name, value in state.items() if not name.startswith("classifier.")}
        fit(self, ours, "torchreid's OSNet")

    @staticmethod
    def recognises(state: Mapping[str, Tensor]) -> bool:
        """Whether these are weights of an OSNet of torchreid."""
        return {"conv1.conv.weight", "conv2.0.conv2a.conv1.weight", "fc.0.weight"} <= state.keys()

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.fc(self.trunk(pixels).mean(dim=(2, 3)))
        return features


def our_name(name: str) -> str:
    """The name in `TorchreidOSNet` of one of torchreid's weights; itself where there is none."""
    if name.startswith("fc."):
        return name
    stem = re.fullmatch(r"conv1\.(conv|bn)\.(.+)", name)
    if stem:
        return f"trunk.layers.{int(stem[1] == 'bn')}.{stem[2]}"
    for theirs, place in TRANSITIONS.items():
        found = re.fullmatch(rf"{re.escape(theirs)}\.(conv|bn)\.(.+)", name)
        if found:
            return f"trunk.layers.{place}.{int(found[1] == 'bn')}.{found[2]}"
    block = re.fullmatch(r"(conv[234])\.([01])\.(.+)", name)
    if block is None:
        return name
    inner = block_name(block[3])
    return name if inner == block[3] else f"trunk.layers.{STAGES[block[1]] + int(block[2])}.{inner}"


def block_name(name: str) -> str:
    """The name in `OmniScaleBlock` of a weight of torchreid's block."""
    linear = re.fullmatch(r"(conv1|conv3|downsample)\.(conv|bn)\.(.+)", name)
    if linear:
        return f"{BLOCK[linear[1]]}.{int(linear[2] == 'bn')}.{linear[3]}"
    gate = re.fullmatch(r"gate\.fc([12])\.(.+)", name)
    if gate:
        return f"gate.weigh.{2 * int(gate[1]) - 1}.{gate[2]}"
    stream = re.fullmatch(r"conv2([abcd])(?:\.(\d))?\.(conv1|conv2|bn)\.(.+)", name)
    if stream is None:
        return name
    layer = ("conv1", "conv2", "bn").index(stream[3])
    return f"streams.{STREAMS.index(stream[1])}.{int(stream[2] or 0)}.{layer}.{stream[4]}"


def fit(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights that must be all there and no more. Raises WeightsError otherwise."""
    wanted = network.state_dict()
    extra = [name for name in state if name not in wanted]
    lacking = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    other = [name for name in state if name in wanted and state[name].shape != wanted[name].shape]
    problems = {"has besides": extra, "lacks": lacking, "has in another shape": other}
    told = [f"{said} {names[0]!r} and {len(names) - 1} more" for said, names in problems.items() if names]
    if told:
        raise WeightsError(
            f"looks like {what}, but {'; '.join(told)}: a variant that is not known here; export it to ONNX"
        )
    network.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
