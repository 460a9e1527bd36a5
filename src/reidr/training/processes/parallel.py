"""One model that several processes train: each with the whole of it (DDP), or sharded (`sharding.py`).

Without sharding the gradients of a step are added up once, at its end: the passes of a step may differ in number and
kind from process to process. Sharded weights are fetched from the other processes in every pass, so all of them must
take the same passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reidr.training.processes.kinds import is_sharded, refuse_sharding, uses_deepspeed
from reidr.training.processes.sharding import make_accelerator, on_processor, take_out, whole_weights
from reidr.training.processes.team import processes

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
