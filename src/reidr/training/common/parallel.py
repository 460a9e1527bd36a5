"""One model that several processes train: DDP, or sharded by FSDP 2 or DeepSpeed ZeRO through accelerate.

Without sharding each process holds the whole model, and the gradients of a step are added up once, at its end: the
passes of a step may differ in number and kind from process to process. Sharded weights are fetched from the other
processes in every pass, so all of them must take the same passes.

How to shard is read from the environment that `accelerate launch` sets by its options or its config file.
"""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reidr.errors import MissingExtraError, RecipeError
from reidr.training.common.processes import processes

T = TypeVar("T")
WEIGHTS_AT_ONCE = 64
"""Gradients that are sent in one message: hundreds of LoRA's are small, those of whole layers are large."""


class Work(nn.Module):
    """A module whose forward pass calls a function that uses `inner`: what wraps it sees the pass, whatever it does."""

    def __init__(self, inner: nn.Module, kept_whole: Any) -> None:
        """`kept_whole`: names of the classes of layers that sharding does not take apart (`_no_split_modules`)."""
        super().__init__()
        self.inner = inner
        present = {type(module).__name__ for module in inner.modules()}
        self._no_split_modules = sorted(present & set(kept_whole or ()))

    def forward(self, work: Callable[[], Any]) -> Any:
        return work()


class Parallel:
    """The training of `model` by all processes of the team.

    Attributes:
        trained: the trained weights by name; with sharding by FSDP each is the part of this process (a `DTensor`).
        optimiser: to be stepped by `step`; its learning rate may be set.
        sharded: whether the weights are spread over the processes.
    """

    def __init__(
        self, model: nn.Module, layers: Any, make_optimiser: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    ) -> None:
        """`layers`: as `Work`'s. Raises RecipeError, MissingExtraError as `refuse_sharding`."""
        refuse_sharding()
        self.team, self.model = processes(), model
        self.optimiser: Any = make_optimiser([each for each in model.parameters() if each.requires_grad])
        self.sharded = is_sharded()
        self.module: Any = Work(model, layers)
        self._plain = on_processor(model) if self.sharded and self.team.is_first else None
        self.accelerator = make_accelerator() if self.sharded else None
        if self.accelerator is not None:
            self.module, self.optimiser = self.accelerator.prepare(self.module, self.optimiser)
        self.trained = {name: each for name, each in model.named_parameters() if each.requires_grad}

    def run(self, work: Callable[[], T]) -> T:
        """`work`, a forward pass, where the weights can be used."""
        found: T = self.module(work) if self.sharded else work()
        return found

    def run_alone(self, work: Callable[[], T]) -> T:
        """`work` without gradients, with the whole weights at hand: each process may do something else in it."""
        with torch.no_grad(), self.whole():
            found: T = work()
        return found

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Within the block each process has all weights."""
        with whole_weights(self.module, self.accelerator) if self.sharded else nullcontext():
            yield

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the gradients of `loss`, of which the processes' sum is minimised; `last`: of this step."""
        if self.accelerator is None:
            if loss.requires_grad:
                loss.backward()
        elif uses_deepspeed():
            # DeepSpeed steps in its last backward pass; it takes the mean over the processes, as FSDP does.
            engine: Any = self.accelerator.deepspeed_engine_wrapped
            engine.backward(loss * self.team.count, sync_gradients=last)
        else:
            self.accelerator.backward(loss * self.team.count)

    def step(self, gradient_norm: float) -> None:
        """Take the step by the gradients of all processes, clipped to a norm."""
        if self.team.count > 1 and not self.sharded:
            add_up(list(self.trained.values()))
        if not uses_deepspeed():
            nn.utils.clip_grad_norm_(self.trained.values(), gradient_norm)
            self.optimiser.step()

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        if not uses_deepspeed():
            self.optimiser.zero_grad(set_to_none=True)

    def result(self) -> Any:
        """The trained model as one process has it; with sharding in the first process alone, elsewhere None."""
        return take_out(self.trained, self._plain) if self.sharded else self.model


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


def add_up(weights: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by the sum of all processes' gradients; a process without a gradient adds 0."""
    import torch.distributed as dist

    for start in range(0, len(weights), WEIGHTS_AT_ONCE):
        own = weights[start : start + WEIGHTS_AT_ONCE]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in own]
        flat = torch.cat([each.reshape(-1).float() for each in gradients])
        dist.all_reduce(flat)
        for each, part in zip(own, flat.split([each.numel() for each in own]), strict=True):
            each.grad = part.view_as(each).to(each.dtype)


def is_sharded() -> bool:
    """Whether the weights are spread over the processes."""
    return uses_deepspeed() or (uses_fsdp() and processes().count > 1)


def uses_fsdp() -> bool:
    """Whether `accelerate launch` was told to use FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def uses_deepspeed() -> bool:
    """Whether `accelerate launch` was told to use DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def refuse_sharding() -> None:
    """Raises MissingExtraError for DeepSpeed where it is not installed, RecipeError for a kind that does not work."""
    if uses_deepspeed() and find_spec("deepspeed") is None:
        raise MissingExtraError("accelerate was told to use DeepSpeed, which is not installed: pip install deepspeed")
    if uses_fsdp() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise RecipeError(
            "accelerate was told to use the first version of FSDP; set fsdp_version: 2 in its config file "
            "(docs/many-gpus.md)"
        )


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
