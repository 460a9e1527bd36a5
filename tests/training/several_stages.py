"""Runs stages one after the other; started by torchrun in several processes, or called by a test in one.

    several_stages.py '[["pairs", "recipe.yaml", "pairs", {}, false], …]'

Each entry: the stage, its recipe, its run folder, changes of its settings, and whether FSDP 2 shards the weights.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # rewards and objectives that recipes of tests name

STAGES = {
    "pairs": "reidr.training.pairs.stage:pairs_stage",
    "sample": "reidr.training.sampling.stage:sample_stage",
    "warmup": "reidr.training.warmup.stage:warmup_stage",
    "rl": "reidr.training.grpo.stage:rl_stage",
}
FSDP = {  # what `accelerate launch --use_fsdp --fsdp_version 2` sets
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "ACCELERATE_TORCH_DEVICE": "cpu",
}
Entry = tuple[str, str, str, dict[str, Any], bool]


def shard_on_processors() -> None:
    """accelerate shards weights on GPUs alone, torch on processors too: let accelerate take these for GPUs."""
    from accelerate.state import AcceleratorState, DistributedType, PartialState

    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._prepare_backend = lambda *_, **__: ("gloo", DistributedType.MULTI_GPU)
    os.environ.update(FSDP)


def threads() -> list[str]:
    """Names of this process's threads, those of libraries among them; empty where the system does not tell."""
    return [(each / "comm").read_text().strip() for each in Path("/proc/self/task").glob("*")]


def run(entries: list[Entry]) -> None:
    for stage, recipe, folder, changes, sharded in entries:
        if sharded:
            shard_on_processors()
        module, _, name = STAGES[stage].partition(":")
        getattr(import_module(module), name)(recipe, Path(folder), changes)


if __name__ == "__main__":
    from reidr.training.processes.joining import leave

    run(json.loads(sys.argv[1]))
    leave()
    print("threads of messages left:", threads().count("pt_gloo_runloop"))
