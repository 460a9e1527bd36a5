"""GPU memory of each stage that runs the vision-language model: what stands all the time, and the largest phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import torch

from reidr.reasoning.models.transformers_model import unwrap
from reidr.retrieval.embedders.network_settings import NetworkSettings
from reidr.training.planning.dry_run.depths import Depths
from reidr.training.planning.dry_run.lengths import PromptLengths
from reidr.training.planning.dry_run.meter import bytes_of
from reidr.training.planning.dry_run.model import Architecture, build_on_meta
from reidr.training.planning.dry_run.passes import (
    PassMemory,
    PassOptions,
    Shape,
    drawn_groups,
    grpo_pass,
    measure,
    prefill_bytes,
    warmup_pass,
)
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.retriever import EmbedderTraining
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.recipes.warmup import WarmupRecipe

RATIONALE_ROWS = 64  # as `warmup.rationales.ROWS`
VISION_BATCH = 64  # as `inference.crop_features.BATCH`
ROLLOUTS = "rollouts"
"""Name of the phase in which completions are sampled."""
LOGIT_COPIES = 4
"""Float32 tensors of (rows, vocabulary) alive at once in `inference.sampling.sample_rows`."""


@dataclass(frozen=True)
class StageMemory:
    """Bytes on one device.

    Attributes:
        standing: what is there all the time, by name. phases: of each phase, what comes on top, by name.
        trained: number of trained parameters.
    """

    standing: dict[str, int]
    phases: dict[str, dict[str, int]] = field(default_factory=dict)
    trained: int = 0

    @property
    def largest(self) -> str:
        """The phase that takes most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def total(self) -> int:
        """At the highest point."""
        return sum(self.standing.values()) + sum(self.phases[self.largest].values())


@dataclass(frozen=True)
class Device:
    """What decides how a stage is computed.

    Attributes:
        gpu: on a GPU, LoRA is trained on bfloat16 weights, GRPO under mixed precision, and AdamW updates all weights at
            once. processes: number of them. sharded: weights, gradients and optimiser are split over the processes.
    """

    gpu: bool
    processes: int = 1
    sharded: bool = False

    def share(self, rows: int) -> int:
        """Rows of one process: they are split over all of them."""
        return -(-rows // self.processes)

    def weights_type(self, half: bool) -> torch.dtype:
        """The type of the frozen weights."""
        return torch.bfloat16 if self.gpu and half else torch.float32


def options_of(recipe: Any, *, mixed: bool) -> PassOptions:
    """How a stage computes its passes, by its recipe; settings that a stage does not have are off."""
    return PassOptions(
        checkpointing=bool(getattr(recipe, "gradient_checkpointing", False)),
        mixed=mixed,
    )


def warmup_memory(
    recipe: WarmupRecipe, architecture: Architecture, lengths: PromptLengths, crops: int, device: Device
) -> StageMemory:
    """Memory of the warm-up; `crops`: distinct crops whose features are kept."""
    from reidr.training.warmup.train import prepare

    def build(layers: int) -> Any:
        dtype = device.weights_type(bool(recipe.lora_rank))
        return prepare(recipe, build_on_meta(architecture.with_layers(layers), dtype))

    model = Depths(build, architecture.layers)
    standing, trained = standing_bytes(model, device, averaged=bool(recipe.ema_decay))
    if "kl" in recipe.objectives and not recipe.lora_rank:
        standing["frozen copy of the start"] = model.of(lambda part: bytes_of(unwrap(part).parameters()))
    standing["crop features"] = feature_bytes(architecture, lengths, recipe.learn_vision) * crops
    if device.gpu:
        standing.pop("crop features")  # they are kept in main memory
    options = options_of(recipe, mixed=False)
    phases = {"update of the weights": update_bytes(model, device)}
    for name, shape in warmup_shapes(recipe, lengths, device).items():
        phases[name] = parts(model.passed(partial(warmup_pass, shape=shape, options=options)))
    if recipe.rationales:
        rows = min(RATIONALE_ROWS, round(recipe.rationales * recipe.batch) * min(recipe.regenerate, recipe.steps))
        rows = max(rows, min(RATIONALE_ROWS, recipe.measure_pairs))
        phases["sampling of rationales"] = rollout_bytes(
            model, architecture, lengths, (rows, rows), recipe.max_new_tokens
        )
    return StageMemory(standing, phases, trained)


def warmup_shapes(recipe: WarmupRecipe, lengths: PromptLengths, device: Device) -> dict[str, Shape]:
    """The passes of a step of the warm-up, with rationales as long as they may be."""
    from reidr.training.warmup.objectives.registry import find_objective

    kinds = {kind for name in recipe.objectives for kind in find_objective(name).kinds}
    rationales = min(recipe.rows, device.share(round(recipe.rationales * recipe.batch)))
    direct = min(recipe.rows, device.share(2 * recipe.batch))
    shapes = {}
    if "direct" in kinds:
        shapes["pass over direct answers"] = Shape(direct, lengths.score, 0, lengths.crop)
    for kind, words in (("after_rationale", False), ("rationale_words", True)):
        if kind in kinds and rationales:
            name = "pass over words of rationales" if words else "pass over answers after rationales"
            divergence = words and "kl" in recipe.objectives
            shapes[name] = Shape(
                rationales, lengths.think, recipe.max_new_tokens, lengths.crop, words=words, divergence=divergence
            )
    return shapes


def grpo_memory(
    recipe: ReinforcementRecipe, architecture: Architecture, lengths: PromptLengths, device: Device
) -> StageMemory:
    """Memory of reinforcement learning. Rollouts by a server take none here."""
    from reidr.reasoning.models.architectures import find_architecture
    from reidr.training.common.lora import add_lora

    def build(layers: int) -> Any:
        base = build_on_meta(architecture.with_layers(layers), device.weights_type(bool(recipe.lora_rank)))
        for part in find_architecture(base.config.model_type).vision_parts(base):
            part.requires_grad_(False)
        return add_lora(base, recipe.lora_rank, recipe.lora_alpha, recipe.seed)

    model = Depths(build, architecture.layers)
    standing, trained = standing_bytes(model, device)
    # With LoRA the model as it started is in the model itself.
    copies = 0 if recipe.lora_rank else (recipe.beta > 0) + (recipe.rewards.text_only > 0)
    if copies:
        standing["frozen copies of the start"] = copies * model.of(lambda part: bytes_of(unwrap(part).parameters()))
    pairs = device.share(recipe.pairs)
    rollouts = pairs * recipe.num_generations
    rows = min(recipe.rows, rollouts)
    groups, most = drawn_groups(rows, pairs, recipe.num_generations)
    shape = Shape(rows, lengths.think, recipe.max_new_tokens, lengths.crop, groups, most)
    options = options_of(recipe, mixed=device.gpu)
    phases = {
        "training pass": parts(model.passed(partial(grpo_pass, shape=shape, options=options))),
        "update of the weights": update_bytes(model, device),
    }
    if recipe.rollout_server is None:
        sizes = pairs, rollouts
        phases[ROLLOUTS] = rollout_bytes(model, architecture, lengths, sizes, recipe.max_new_tokens)
    return StageMemory(standing, phases, trained)


def sample_memory(
    recipe: SampleRecipe, architecture: Architecture, lengths: PromptLengths, device: Device
) -> StageMemory:
    """Memory of sampling rollouts. With a server, the weights are loaded all the same, for its tokeniser."""
    dtype = device.weights_type(recipe.half_precision)
    model = Depths(lambda layers: build_on_meta(architecture.with_layers(layers), dtype), architecture.layers)
    phases: dict[str, dict[str, int]] = {ROLLOUTS: {}}
    if recipe.rollout_server is None:
        sizes = recipe.chunk, recipe.chunk * recipe.rollouts
        phases[ROLLOUTS] = rollout_bytes(model, architecture, lengths, sizes, recipe.max_new_tokens)
    return StageMemory({"weights": model.of(lambda part: bytes_of(part.parameters()))}, phases)


def embedder_memory(recipe: EmbedderTraining) -> StageMemory:
    """Memory of the training of an embedding network: a batch of pictures at its full size, forward and backward."""
    return _embedder_memory(recipe.network.model_dump_json(), recipe.batch_persons * recipe.batch_images)


@lru_cache(maxsize=32)
def _embedder_memory(settings_text: str, batch: int) -> StageMemory:
    from reidr.retrieval.embedders.network import build_network

    settings = NetworkSettings.model_validate_json(settings_text)
    with torch.device("meta"):
        network = build_network(settings).train()
        pixels = torch.empty(batch, 3, settings.height, settings.width)

    def loss(body: Callable[[], None]) -> torch.Tensor:
        pooled, normed = network.pooled_branches(network.feature_map(pixels).float())
        body()
        return torch.stack([branch.square().mean() for branch in [*pooled, *normed]]).sum()

    passed = measure(network, loss, PassOptions())
    size = bytes_of(network.parameters())
    standing = {"weights": size, "gradients": size, "optimiser": 2 * size, "average of the weights": size}
    trained = sum(each.numel() for each in network.parameters())
    return StageMemory(standing, {"training pass": parts(passed)}, trained)


def standing_bytes(model: Depths, device: Device, averaged: bool = False) -> tuple[dict[str, int], int]:
    """Weights, gradients and AdamW's two averages (with that of the weights), and the number of trained parameters."""
    weights = model.of(lambda part: bytes_of(part.parameters()))
    size = model.of(lambda part: bytes_of(trained_of(part)))
    share = device.processes if device.sharded else 1
    standing = {
        "weights": weights // share,
        "gradients": size // share,
        "optimiser": (2 + averaged) * size // share,
    }
    if device.sharded:
        # Two layers are whole at a time: the one that is computed and the one that is fetched.
        standing["gathered layers"] = 2 * weights // model.layers
    elif device.processes > 1:
        standing["buckets of gradients"] = size
    return standing, model.of(lambda part: sum(each.numel() for each in trained_of(part)))


def trained_of(model: Any) -> list[torch.Tensor]:
    """Parameters that are trained."""
    return [each for each in model.parameters() if each.requires_grad]


def update_bytes(model: Depths, device: Device) -> dict[str, int]:
    """Intermediate results of AdamW: of all trained weights at once on a GPU, of the largest one on a CPU."""
    if not device.gpu:
        return {"intermediate results": 2 * max((bytes_of([each]) for each in trained_of(model.high)), default=0)}
    share = device.processes if device.sharded else 1
    return {"intermediate results": model.of(lambda part: bytes_of(trained_of(part))) // share}


def rollout_bytes(
    model: Depths, architecture: Architecture, lengths: PromptLengths, sizes: tuple[int, int], more: int
) -> dict[str, int]:
    """Sampling of `sizes` = (prompts, rows) at once, `more` tokens each: at the end of it, or at its beginning."""
    prompts, rows = sizes
    element = next(unwrap(model.high).parameters()).element_size()
    filled = model.of(partial(prefill_bytes, rows=prompts, prompt=lengths.think, crop=lengths.crop))
    cache = cache_bytes(architecture, lengths.think + more, element) * rows
    one_layer = cache // int(architecture.text["num_hidden_layers"])
    logits = rows * int(architecture.text["vocab_size"]) * 4
    # Logits are worked on between two tokens; in a layer, its keys and values are copied to append the new one.
    beside = max(LOGIT_COPIES * logits, logits + one_layer)
    if filled > cache + beside:
        return {"prompts and their key-value cache": filled}
    return {"key-value cache": cache, "logits and a layer's copy": beside}


def cache_bytes(architecture: Architecture, tokens: int, element: int) -> int:
    """Keys and values, or the states of recurrent layers, of one row of `tokens` tokens."""
    text = architecture.text
    layers, heads = int(text["num_hidden_layers"]), int(text["num_attention_heads"])
    head = int(text.get("head_dim") or text["hidden_size"] // heads)
    per_layer = 2 * int(text.get("num_key_value_heads", heads)) * head * element * tokens
    if "linear_num_value_heads" not in text:
        return layers * per_layer
    interval = int(text.get("full_attention_interval", 4))
    state = int(text["linear_num_value_heads"]) * int(text["linear_key_head_dim"]) * int(text["linear_value_head_dim"])
    full = layers // interval
    return full * per_layer + (layers - full) * state * 4


def feature_bytes(architecture: Architecture, lengths: PromptLengths, learning: str) -> int:
    """Bytes that `CropFeatures` keeps of one crop, in half precision (see its docstring for `learning`)."""
    vision = architecture.vision
    if learning == "all":
        return lengths.patches * pixel_values(architecture) * 2
    layers = 1 + len(vision.get("deepstack_visual_indexes", ()))
    return lengths.crop * layers * int(architecture.text["hidden_size"]) * 2


def pixel_values(architecture: Architecture) -> int:
    """Numbers that describe one patch: colours of its pixels, in two frames for the models that also see videos."""
    patch = architecture.vision.get("patch_size", 14)
    side = int(patch[0] if isinstance(patch, (list, tuple)) else patch)
    return (
        3
        * int(architecture.vision.get("temporal_patch_size", 2 if "qwen" in architecture.config["model_type"] else 1))
        * side**2
    )


def parts(memory: PassMemory) -> dict[str, int]:
    """A pass, as two entries of a phase."""
    return {"activations": memory.activations, "logits and intermediate results": memory.rest}
