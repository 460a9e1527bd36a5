"""Layers that keep their input alone and are computed a second time in the backward pass (gradient checkpointing).

Chen et al. 2016, "Training deep nets with sublinear memory cost". Of each layer only its input is kept, one vector a
token, instead of some fifty; a step takes about a third longer. The gradients are the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def recompute_layers(model: Any) -> None:
    """Let the layers of a transformers model (not wrapped) be recomputed in the passes within `recomputing`."""
    switch_checkpointing(model, {"use_reentrant": False})


def switch_checkpointing(model: Any, options: dict[str, Any] | None) -> None:
    """Turn transformers' gradient checkpointing on with `options` of torch's, or off with None.

    By its name of transformers 5.19, which later versions know too, and call old.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if options is None:
            model.gradient_checkpointing_disable()
        else:
            model.gradient_checkpointing_enable(options)


@contextmanager
def recomputing(model: Any) -> Iterator[None]:
    """Within the block, layers that `recompute_layers` has prepared keep their input alone, also in evaluation mode.

    transformers recomputes in training mode only, which would also turn dropout on and move batch norms. Only the
    layers themselves are told that they train here, not what is in them.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [
        module
        for module in model.modules()
        if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing and not module.training
    ]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
