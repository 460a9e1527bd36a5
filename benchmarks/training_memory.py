"""Memory of warm-up and GRPO steps of large models, counted without a GPU and without their weights.

    python benchmarks/training_memory.py                                  every case, one JSON line each
    python benchmarks/training_memory.py qwen2.5-vl-7b/warmup/recomputed

The steps run at the real widths on tensors without contents (`FakeTensorMode`), and every tensor is counted from its
birth to its end. `sum_gib` adds up what one layer keeps, measured with one and with two layers; `peak_gib` is a step
through all layers. `plain` is how the steps were computed before layers were recomputed: all activations kept, all
logits at once. LoRA of rank 32 in float32 on bfloat16 weights; AdamW.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from measure import main
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GIB = 2**30
RANK, ALPHA = 32, 64


@dataclass(frozen=True)
class Sizes:
    """A checkpoint's language model (its config.json on the hub), and the parameters of its vision encoder.

    `prompt`: tokens of the prompt of a pair of 1:2 crops.
    """

    kind: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int
    tied: bool
    vision: float
    prompt: int


MODELS = {
    "qwen2.5-vl-3b": Sizes("qwen2_5_vl", 2048, 11008, 36, 16, 2, 151936, True, 0.67e9, 240),
    "qwen2.5-vl-7b": Sizes("qwen2_5_vl", 3584, 18944, 28, 28, 4, 152064, False, 0.68e9, 240),
    "qwen3-vl-4b": Sizes("qwen3_vl", 2560, 9728, 36, 32, 8, 151936, True, 0.41e9, 204),
    "qwen3-vl-8b": Sizes("qwen3_vl", 4096, 12288, 36, 32, 8, 151936, False, 0.58e9, 204),
}
STAGES = ("warmup", "grpo")
KINDS = ("plain", "recomputed")
CASES = [f"{model}/{stage}/{kind}" for model in MODELS for stage in STAGES for kind in KINDS]
WARMUP_ROWS = 32  # both orders of 16 pairs (recipe qwen2.5-vl-7b), all in one pass
GROUPS, ROLLOUTS, COMPLETION = 2, 8, 256  # backward_rows 16


class LiveTensors(TorchDispatchMode):
    """Bytes of all tensors that operations give, from their birth to their end.

    Attributes:
        live: bytes now. peak: the most so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor that was there before."""
        storage = tensor.untyped_storage()
        address, size = storage._cdata, storage.nbytes()
        if address in self.known:
            return
        self.known.add(address)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.remove, address, size)

    def remove(self, address: int, size: int) -> None:
        """A storage has ended."""
        self.known.discard(address)
        self.live -= size

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = function(*args, **(kwargs or {}))
        for each in tree_leaves(given):
            if isinstance(each, torch.Tensor):
                self.add(each)
        return given


def configuration(sizes: Sizes, layers: int) -> Any:
    """The model's configuration; the vision encoder is a stub, since a step does not pass through it."""
    from transformers import CONFIG_MAPPING

    head = 128
    text = {
        "vocab_size": sizes.vocabulary, "hidden_size": sizes.hidden, "intermediate_size": sizes.intermediate,
        "num_hidden_layers": layers, "num_attention_heads": sizes.heads, "head_dim": head,
        "num_key_value_heads": sizes.key_value_heads, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 128, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": sizes.hidden,
        "fullatt_block_indexes": [0], "deepstack_visual_indexes": [0],
    }  # fmt: skip
    made: Any = CONFIG_MAPPING[sizes.kind]
    return made(text_config=text, vision_config=vision, tie_word_embeddings=sizes.tied)


@contextmanager
def model_of(sizes: Sizes, layers: int, contents: bool) -> Iterator[tuple[Any, list[Any]]]:
    """A model with LoRA around it, and its trained weights, on tensors with or without `contents`."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoModelForImageTextToText

    from reidr.training.common.lora import add_lora

    with torch.device("meta"):
        base = AutoModelForImageTextToText.from_config(configuration(sizes, layers), dtype=torch.bfloat16)
        model = add_lora(base.eval(), RANK, ALPHA, 0)
    with nullcontext() if contents else FakeTensorMode():
        for module in model.modules():
            for name, weights in module._parameters.items():
                if weights is not None:
                    filled = torch.zeros(weights.shape, dtype=weights.dtype)
                    module._parameters[name] = torch.nn.Parameter(filled, requires_grad=weights.requires_grad)
            for name, values in module._buffers.items():
                if values is not None:
                    module._buffers[name] = torch.zeros(values.shape, dtype=values.dtype)
        base.tie_weights()
        yield base, [each for each in model.parameters() if each.requires_grad]


def warmup_loss(base: Any, sizes: Sizes, recomputed: bool) -> torch.Tensor:
    """The answer word of every row (`warmup.objectives.answer`)."""
    ids = torch.ones(WARMUP_ROWS, sizes.prompt, dtype=torch.long)
    hidden = base.model(input_ids=ids, position_ids=places(WARMUP_ROWS, sizes.prompt), use_cache=False)[0]
    logits = base.lm_head(hidden[:, -1]).float()
    return torch.nn.functional.cross_entropy(logits, ids[:, 0], reduction="sum")


def grpo_loss(base: Any, sizes: Sizes, recomputed: bool) -> torch.Tensor:
    """Log-probabilities of rollouts behind shared prompts (`grpo.shared_prompts`), under mixed precision as TRL's."""
    from reidr.training.memory.packing import attention_mask
    from reidr.training.memory.vocabulary import token_log_probabilities

    length = sizes.prompt + ROLLOUTS * (COMPLETION - 1)
    ids = torch.ones(GROUPS, length, dtype=torch.long)
    mask = attention_mask(torch.ones(GROUPS, length, dtype=torch.long), "sdpa", torch.bfloat16)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": places(GROUPS, length)}
    with torch.autocast("cpu", torch.bfloat16):
        hidden = base.model(**inputs, use_cache=False)[0]
        number = GROUPS * ROLLOUTS * COMPLETION
        own = hidden.flatten(0, 1)[torch.zeros(number, dtype=torch.long)]
        tokens = torch.zeros(number, dtype=torch.long)
        if recomputed:
            chosen, _ = token_log_probabilities(base.lm_head, own, tokens)
        else:
            scores = (base.lm_head(own).float() / 1.0).log_softmax(dim=-1)
            chosen = scores.gather(1, tokens[:, None])[:, 0]
            with torch.no_grad():
                _ = -(scores.exp() * scores).sum(dim=-1)
    return -chosen.sum()


def places(rows: int, length: int) -> torch.Tensor:
    """Positions on three axes."""
    return torch.arange(length).expand(3, rows, length)


@dataclass(frozen=True)
class Step:
    """Bytes of one step.

    Attributes:
        standing: weights, gradients of the trained ones, AdamW's two moments. kept: what stands between forward and
            backward pass beyond that. peak: the highest point of the step.
    """

    standing: int
    kept: int
    peak: int


def measure_step(
    sizes: Sizes,
    layers: int,
    loss_of: Callable[[Any, Sizes, bool], torch.Tensor],
    recomputed: bool,
    *,
    contents: bool = False,
) -> Step:
    """Count the tensors of the second step of a training; the first makes AdamW's moments."""
    from reidr.training.memory.recompute import recompute_layers, recomputing

    with model_of(sizes, layers, contents) as (base, trained):
        if recomputed:
            recompute_layers(base)
        optimiser = torch.optim.AdamW(trained, lr=1e-4)
        live = LiveTensors()
        for weights in base.parameters():
            live.add(weights)
        with live:
            for _ in range(2):
                optimiser.zero_grad(set_to_none=True)
                standing = live.peak = live.live
                with recomputing(base) if recomputed else nullcontext():
                    loss = loss_of(base, sizes, recomputed)
                kept = live.live - standing
                loss.backward()
                peak = live.peak
                optimiser.step()
        gradients = sum(each.numel() * each.element_size() for each in trained)
    return Step(standing + gradients, kept, peak)


def sum_of_layers(one: Step, two: Step, layers: int) -> int:
    """The peak of a step through `layers` layers, from steps through one and two."""
    return one.peak + (layers - 1) * (two.peak - one.peak)


def run_case(name: str) -> dict[str, Any]:
    model, stage, kind = name.split("/")
    sizes, recomputed = MODELS[model], kind == "recomputed"
    loss_of = warmup_loss if stage == "warmup" else grpo_loss
    tokens = WARMUP_ROWS * sizes.prompt if stage == "warmup" else GROUPS * (sizes.prompt + ROLLOUTS * (COMPLETION - 1))
    one, two, whole = (measure_step(sizes, layers, loss_of, recomputed) for layers in (1, 2, sizes.layers))
    vision = 2 * sizes.vision
    added_up = sum_of_layers(one, two, sizes.layers) + vision
    return {
        "tokens": tokens,
        "kb_per_token_and_layer": round((two.kept - one.kept) / tokens / 1024, 1),
        "one_layer_at_work_kb_per_token": round((one.peak - one.standing - one.kept) / tokens / 1024, 1),
        "standing_gib": round((whole.standing + vision) / GIB, 1),
        "sum_gib": round(added_up / GIB, 1),
        "peak_gib": round((whole.peak + vision) / GIB, 1),
    }


if __name__ == "__main__":
    main(__file__, CASES, run_case)
