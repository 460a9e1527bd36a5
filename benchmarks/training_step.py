"""How quickly the retriever's network is taught on one CPU core: crops a second, forward and backward.

    python benchmarks/training_step.py                       every case, one JSON line each
    python benchmarks/training_step.py 192x96/bfloat16

`float32` is plain torch; `bfloat16` is torch's autocast; `ours` is autocast with the depthwise gradients of
`reidr.training.common.depthwise`. One thread; times are processor seconds, so that other work does not count.
"""

from __future__ import annotations

import time
from typing import Any

from measure import main

SIZES = ("128x64", "192x96", "256x128")
CASES = [f"{size}/{kind}" for size in SIZES for kind in ("float32", "bfloat16", "ours")]
BATCH, REPEATS = 64, 4


def run_case(name: str) -> dict[str, Any]:
    import torch

    from reidr.retrieval.embedders.network import NetworkSettings, build_network
    from reidr.training.common.depthwise import use_quick_gradients

    torch.set_num_threads(1)
    size, kind = name.split("/")
    height, width = map(int, size.split("x"))
    network = build_network(NetworkSettings(height=height, width=width))
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    if kind == "ours":
        use_quick_gradients(network)
    pixels = torch.randn(BATCH, 3, height, width).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=kind != "float32"):
            features = network.feature_map(pixels)
        pooled, normed = network.pooled_branches(features.float())
        loss = torch.stack([branch.square().mean() for branch in [*pooled, *normed]]).sum()
        loss.backward()
        times.append(time.process_time() - began)
    return {"crops_a_second": round(BATCH / min(times), 1)}


if __name__ == "__main__":
    main(__file__, CASES, run_case)
