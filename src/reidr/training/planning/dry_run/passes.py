"""Training passes on the meta device: the same layers, adapters and losses as in training, on tensors without contents.

What a pass needs beyond weights and optimiser is not estimated by a formula: the pass is made, at its real size, and
every allocation is counted (`meter`). So a change of the architecture, of the adapters or of transformers is in the
plan at once.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reidr.reasoning.models.transformers_model import unwrap
from reidr.training.memory.recompute import switch_checkpointing
from reidr.training.memory.vocabulary import divergence, token_log_probabilities
from reidr.training.planning.dry_run.kernels import MixedPrecision, NoContents
from reidr.training.planning.dry_run.meter import MemoryMeter
from reidr.training.planning.dry_run.model import language_model


@dataclass(frozen=True)
class Shape:
    """The size of one forward and backward pass.

    Attributes:
        rows: sequences. prompt: tokens before what is written. completion: tokens after it. crop: image tokens of each
            of the two crops, part of the prompt. groups: distinct prompts among the rows. most: rows of the prompt that
            has most of them. words: whether there is a
            loss on every token of the completion, or on the answer word alone. divergence: whether the words'
            probabilities are compared with those of the model as it started (objective `kl`).
    """

    rows: int
    prompt: int
    completion: int
    crop: int
    groups: int = 0
    most: int = 1
    words: bool = False
    divergence: bool = False


@dataclass(frozen=True)
class PassMemory:
    """Bytes of a pass beyond weights, gradients and optimiser.

    Attributes:
        activations: kept from the layers for the backward pass. rest: what comes on top at the highest point: logits,
            their gradients, intermediate results.
    """

    activations: int
    rest: int

    @property
    def total(self) -> int:
        """At the highest point."""
        return self.activations + self.rest


@dataclass(frozen=True)
class PassOptions:
    """How the passes of a stage are computed.

    Attributes:
        checkpointing: activations of a layer are computed again in the backward pass. mixed: matrix products in
            bfloat16 whatever the weights are (`torch.autocast`).
    """

    checkpointing: bool = False
    mixed: bool = False


def warmup_pass(model: Any, shape: Shape, options: PassOptions) -> PassMemory:
    """A pass of the warm-up (`warmup.train.WarmupTrainer.backward`) over `shape.rows` sequences."""

    def loss(body: Callable[[], None]) -> Tensor:
        hidden = run(model, embed(model, shape.rows, shape.prompt + shape.completion, shape.crop))
        body()
        if shape.words:
            return words_loss(model, hidden[:, shape.prompt - 1 : -1].flatten(0, 1), shape.divergence)
        logits = unwrap(model).lm_head(hidden[:, -1]).float()
        wanted = torch.empty(shape.rows, dtype=torch.long, device="meta")
        return functional.cross_entropy(logits, wanted, reduction="none").sum()

    return measure(model, loss, options)


def words_loss(model: Any, hidden: Tensor, divergent: bool) -> Tensor:
    """The losses on words: imitation, or the divergence from the starting model (`warmup.objectives.kl`)."""
    head = unwrap(model).lm_head
    if divergent:
        return divergence(head, hidden, head, hidden.detach()).sum()
    wanted = torch.empty(len(hidden), dtype=torch.long, device="meta")
    return -token_log_probabilities(head, hidden, wanted)[0].sum()


def grpo_pass(model: Any, shape: Shape, options: PassOptions) -> PassMemory:
    """A pass of GRPO: a prompt and its completions in one row (`memory.packing`), or whole rows where layers recur."""

    def loss(body: Callable[[], None]) -> Tensor:
        if is_recurrent(model):
            whole = run(model, embed(model, shape.rows, shape.prompt + shape.completion, shape.crop))
            hidden = whole[:, shape.prompt - 1 : -1]
        else:
            hidden = packed(model, shape)
        body()
        wanted = torch.empty(shape.rows * shape.completion, dtype=torch.long, device="meta")
        return -token_log_probabilities(unwrap(model).lm_head, hidden.flatten(0, 1), wanted)[0].sum()

    return measure(model, loss, options)


def packed(model: Any, shape: Shape) -> Tensor:
    """(rows, completion, size) hidden states that predict the tokens of completions behind shared prompts."""
    length = shape.prompt + shape.most * (shape.completion - 1)
    mask = torch.empty(shape.groups, 1, length, length, dtype=torch.bool, device="meta")
    hidden = run(model, embed(model, shape.groups, length, shape.crop), mask=mask)
    places = torch.empty(shape.rows, shape.completion, dtype=torch.long, device="meta")
    return hidden.flatten(0, 1)[places]


def embed(model: Any, rows: int, length: int, crop: int) -> Tensor:
    """(rows, length, size) inputs of the language model, with the features of two crops in each row."""
    ids = torch.empty(rows, length, dtype=torch.long, device="meta")
    words: Tensor = unwrap(model).get_input_embeddings()(ids)
    if not crop:
        return words
    features = words.detach().new_empty(rows * 2 * crop, words.shape[-1])
    places = torch.empty(rows, length, 1, dtype=torch.bool, device="meta").expand_as(words)
    return words.masked_scatter(places, features)


def run(model: Any, inputs: Tensor, cache: Any = None, mask: Tensor | None = None) -> Tensor:
    """Last hidden states, of each token from those before it, or from those that a mask (rows, 1, T, T) names."""
    base = unwrap(model)
    language = language_model(base)
    rows, length, _ = inputs.shape
    axes = (3, rows, length) if hasattr(base.model, "get_rope_index") else (rows, length)
    options: dict[str, Any] = {"use_cache": cache is not None}
    if cache is not None:
        named = "cache" in inspect.signature(language.forward).parameters
        options["cache" if named else "past_key_values"] = cache
        mask = torch.empty(rows, 1, length, length, dtype=torch.bool, device="meta")
    if mask is not None:
        options["attention_mask"] = {"full_attention": mask, "linear_attention": None} if is_recurrent(model) else mask
    positions = torch.empty(axes, dtype=torch.long, device="meta")
    hidden: Tensor = language(inputs_embeds=inputs, position_ids=positions, **options)[0]
    return hidden


def is_recurrent(model: Any) -> bool:
    """Whether some layers have a state instead of keys and values (Qwen3.5's gated delta nets)."""
    return "linear_attention" in (getattr(language_model(unwrap(model)).config, "layer_types", None) or ())


def measure(model: Any, loss: Callable[[Callable[[], None]], Tensor], options: PassOptions) -> PassMemory:
    """Memory of a pass whose gradients are added to those of an earlier one.

    `loss` calls its argument when the layers are done.
    """
    held = 0
    for each in model.parameters():
        if each.requires_grad:
            each.grad = torch.empty_like(each)
    with computed_as(model, options), MemoryMeter() as meter, NoContents():

        def body() -> None:
            nonlocal held
            held = meter.now

        with MixedPrecision() if options.mixed else contextlib.nullcontext():
            total = loss(body)
        total.backward()
    model.zero_grad(set_to_none=True)
    return PassMemory(held, meter.peak - held)


def in_mixed_precision() -> tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]:
    """Around the first computation of a layer nothing more, around the second one the precision of the first."""
    return contextlib.nullcontext(), MixedPrecision()


@contextlib.contextmanager
def computed_as(model: Any, options: PassOptions) -> Iterator[None]:
    """The model with gradient checkpointing where the options ask for it, which transformers does in training mode."""
    base = unwrap(model)
    if options.checkpointing:
        # torch turns modes of its functions off in a backward pass: a layer that is computed again needs its own.
        again: dict[str, Any] = {"context_fn": in_mixed_precision} if options.mixed else {}
        switch_checkpointing(base, {"use_reentrant": False, **again})
        base.train()
    try:
        yield
    finally:
        if options.checkpointing:
            switch_checkpointing(base, None)
            base.eval()


def prefill_bytes(model: Any, rows: int, prompt: int, crop: int) -> int:
    """Peak of a pass without gradients over prompts, their key-value cache included."""
    from transformers import DynamicCache

    with torch.no_grad(), MemoryMeter() as meter, NoContents():
        cache = DynamicCache(config=language_model(unwrap(model)).config)
        run(model, embed(model, rows, prompt, crop), cache)
    return meter.peak


def drawn_groups(rows: int, pairs: int, copies: int) -> tuple[int, int]:
    """Of `rows` rows drawn at random from `pairs` groups of `copies` rows: distinct groups, and rows of the largest.

    TRL shuffles the rows of a batch of rollouts before it cuts them into passes. Means of many draws, rounded up.
    """
    random = np.random.default_rng(0)
    counts = [np.bincount(random.permutation(pairs * copies)[:rows] // copies) for _ in range(500)]
    groups, most = (float(np.mean([number(each) for each in counts])) for number in (np.count_nonzero, np.max))
    return min(rows, pairs, math.ceil(groups - 1e-9)), min(rows, copies, math.ceil(most - 1e-9))
