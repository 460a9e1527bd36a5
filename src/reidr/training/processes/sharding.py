"""Weights that are spread over several processes: getting the whole of them, and putting it back."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from reidr.training.processes.kinds import uses_deepspeed
from reidr.training.processes.team import processes


def make_accelerator() -> Any:
    """accelerate's part for this process, as its launcher has set it up."""
    from accelerate import Accelerator

    accelerator = Accelerator()
    if uses_deepspeed():  # it would ask the data loader, and there is none
        accelerator.state.deepspeed_plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = 1
    return accelerator


def for_first(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be spread over the processes, for the first one to write; all must ask for it."""
    whole = whole_tensor(tensor)
    if whole is tensor:
        return tensor.detach()
    return whole.detach().cpu() if processes().is_first else whole.new_empty(0)


def whole_tensor(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be spread over the processes; all of them must ask for it."""
    from torch.distributed.tensor import DTensor

    if isinstance(tensor, DTensor):
        return tensor.full_tensor()
    if hasattr(tensor, "ds_id"):  # a weight under ZeRO-3
        import deepspeed

        with deepspeed.zero.GatheredParameters([tensor]):
            return tensor.detach().clone()
    return tensor


@torch.no_grad()
def fill_tensor(target: Tensor, whole: Tensor) -> None:
    """Put `whole` into a tensor that may be spread over the processes."""
    if hasattr(target, "ds_id"):
        import deepspeed

        with deepspeed.zero.GatheredParameters([target], modifier_rank=0):
            target.copy_(whole)
    else:
        target.copy_(shared_as(target, whole))


def shared_as(like: Tensor, whole: Tensor) -> Tensor:
    """`whole` spread over the processes as `like` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor) or whole.shape != like.shape:
        return whole
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def take_out(trained: Mapping[str, Tensor], plain: nn.Module | None) -> nn.Module | None:
    """`plain`, a copy of a model from before it was sharded, with its `trained` weights, which all processes give.

    `plain` is the first process's; None in the others.
    """
    whole = {name: for_first(each) for name, each in trained.items()}
    if plain is not None:
        for name, each in plain.named_parameters():
            if name in whole:
                each.data.copy_(whole[name])
    return plain


def on_processor(model: nn.Module) -> nn.Module:
    """A copy of `model` in the memory of the processor."""
    device = next(model.parameters()).device
    copied = copy.deepcopy(model.cpu())
    model.to(device)
    return copied


@contextmanager
def whole_weights(module: Any, accelerator: Any) -> Iterator[None]:
    """Within the block, each process has all weights of a module that accelerate has sharded; `module(work=…)` calls
    `work`. What is computed in it has no gradients, and may differ from process to process."""
    if uses_deepspeed():
        from trl.models import unwrap_model_for_generation

        with unwrap_model_for_generation(module, accelerator):
            yield
        return
    from torch.distributed.fsdp import FSDPModule

    module(work=lambda: None)  # FSDP takes the module whose forward pass comes first for the outermost
    parts: list[Any] = [part for part in module.modules() if isinstance(part, FSDPModule)]
    hooks = [(part._forward_pre_hooks, part._forward_hooks) for part in parts]
    for part in parts:
        part.unshard()
        # Its hooks note every pass, to fetch weights for the backward pass in that order; there will be none, and these
        # passes differ from process to process.
        part._forward_pre_hooks, part._forward_hooks = OrderedDict(), OrderedDict()
    try:
        yield
    finally:
        for part, (before, after) in zip(parts, hooks, strict=True):
            part._forward_pre_hooks, part._forward_hooks = before, after
            part.reshard()
