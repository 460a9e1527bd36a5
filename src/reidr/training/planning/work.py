"""Hours of each stage: floating-point operations and memory traffic, divided by what a processor reaches of its peak.

An estimate within a factor of about two: it knows neither the drivers nor the other work on the machine. The constants
are named here, and `benchmarks/big_models.py` compares them with measured steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reidr.reasoning.models.transformers_model import unwrap
from reidr.training.planning.dry_run.lengths import PromptLengths
from reidr.training.planning.dry_run.model import count, language_model
from reidr.training.planning.gpus import Processor
from reidr.training.recipes.grpo import ReinforcementRecipe
from reidr.training.recipes.retriever import EmbedderTraining
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.recipes.warmup import WarmupRecipe

UTILISATION = {True: 0.3, False: 0.5}
"""Share of the peak of matrix products that whole layers reach, on a GPU (with LoRA beside each of them) and a CPU."""
TRAFFIC = 0.7
"""Share of the peak memory bandwidth that decoding reaches."""
LAYER_SECONDS = {True: 0.9e-3, False: 0.4e-3}
"""Seconds that one layer of one decoding step takes whatever its size: Python and the start of kernels (GPU, CPU)."""
LORA_LAYERS = 1.8
"""How much longer that is with adapters beside the layers."""
COMPLETION_SHARE = 0.6
"""Mean length of a completion as a share of `max_new_tokens`."""
SERVER_ROWS, SERVER_SECONDS = 256, 4e-3
"""Sequences that a vLLM server writes at once, and the fixed time of one of its steps."""
CROPS_A_SECOND = {True: 1500.0, False: 107.0}
"""Crops of 128 x 64 pixels that a retriever is trained on: by a GPU, which waits for pictures, and by a CPU core."""
SCALING = 0.9
"""What each further GPU adds of its own speed."""


@dataclass(frozen=True)
class Speed:
    """What the stages of a plan run on: `number` processors of a kind, and the model."""

    processor: Processor
    number: int
    model: Any
    lengths: PromptLengths

    @property
    def together(self) -> float:
        """How many times as fast as one processor."""
        return 1 + SCALING * (self.number - 1)

    @property
    def parameters(self) -> int:
        """Of the language model's layers, without embedding and head."""
        language = language_model(unwrap(self.model))
        return count(language) - count(unwrap(self.model).get_input_embeddings())

    def seconds(self, operations: float) -> float:
        """Time of so many floating-point operations in matrix products, on all processors."""
        rate = self.processor.tera * 1e12 * UTILISATION[self.processor.gpu]
        return operations / rate / self.together

    def training(self, tokens: float, recipe: Any) -> float:
        """Seconds of forward and backward passes over so many tokens, with LoRA or with all weights."""
        factor = (4 if recipe.lora_rank else 6) + 2 * bool(getattr(recipe, "gradient_checkpointing", False))
        return self.seconds(factor * self.parameters * tokens)

    def encoding(self, crops: float) -> float:
        """Seconds of the vision encoder on so many crops."""
        base = unwrap(self.model)
        vision = count(base) - count(language_model(base)) - count(base.lm_head)
        return self.seconds(2 * max(vision, 0) * self.lengths.patches * crops)

    def writing(self, rows: float, together: int, tokens: int, lora: bool = False) -> float:
        """Seconds of sampling `rows` completions in this process, `together` at a time, with up to `tokens` tokens."""
        one = min(together, rows)
        fixed = LAYER_SECONDS[self.processor.gpu] * unwrap(self.model).config.get_text_config().num_hidden_layers
        weights = self.parameters * next(unwrap(self.model).parameters()).element_size()
        traffic = weights / (self.processor.bandwidth * TRAFFIC)
        step = max(
            fixed * (LORA_LAYERS if lora else 1), traffic, self.seconds(2 * self.parameters * one) * self.together
        )
        prompts = self.seconds(2 * self.parameters * self.lengths.think * rows / 8)
        return math.ceil(rows / one) * tokens * step / self.together + prompts if rows else 0.0

    def served(self, rows: float, tokens: int) -> float:
        """Seconds in which a vLLM server on a card of the same kind writes `rows` completions."""
        weights = 2 * self.parameters / (self.processor.bandwidth * TRAFFIC)
        return rows * tokens * COMPLETION_SHARE * (weights + SERVER_SECONDS) / min(SERVER_ROWS, max(rows, 1))


def warmup_seconds(recipe: WarmupRecipe, speed: Speed, crops: int) -> float:
    """Encoding of the crops, all steps, and the rationales sampled for them and for the measurements."""
    own = round(recipe.rationales * recipe.batch)
    tokens = 2 * recipe.batch * speed.lengths.score
    tokens += own * (speed.lengths.think + round(COMPLETION_SHARE * recipe.max_new_tokens))
    measured = recipe.measure_pairs * math.ceil(recipe.steps / recipe.measure_every)
    rows = own * recipe.steps + measured
    lora = bool(recipe.lora_rank)
    return (
        speed.encoding(crops)
        + speed.training(tokens * recipe.steps, recipe)
        + speed.writing(rows, 64, recipe.max_new_tokens, lora)
        + speed.seconds(2 * speed.parameters * 2 * measured * speed.lengths.score)
    )


def sample_seconds(recipe: SampleRecipe, speed: Speed, pairs: int) -> float:
    """Rollouts of `pairs` pairs, by the model itself or by a server."""
    rows = pairs * recipe.rollouts
    if recipe.rollout_server is not None:
        return speed.served(rows, recipe.max_new_tokens)
    written = speed.writing(rows, recipe.chunk * recipe.rollouts, recipe.max_new_tokens)
    return written + speed.encoding(2 * pairs)


def grpo_seconds(recipe: ReinforcementRecipe, steps: int, speed: Speed) -> float:
    """`steps` steps: rollouts, and a forward and backward pass over all of them with their prompts."""
    rollouts = recipe.pairs * recipe.num_generations
    mean = round(COMPLETION_SHARE * recipe.max_new_tokens)
    passes = rollouts // recipe.rows
    # In each pass a prompt is run once for all its completions there (`shared_prompts`); groups stay together.
    prompts = passes * math.ceil(recipe.rows / recipe.num_generations)
    tokens = rollouts * mean + prompts * speed.lengths.think
    # The right answer word after the words, and after the words alone, is one more pass each.
    trained = tokens * (2 if recipe.answer_loss else 1)
    trained += rollouts * mean + rollouts // 8 * speed.lengths.think if recipe.judge_loss else 0
    readers = bool(recipe.rewards.reasoned) + bool(recipe.rewards.text_only)
    read = speed.seconds(2 * speed.parameters * readers * rollouts * (mean + speed.lengths.think))
    own = recipe.rollout_server is None
    written = (
        speed.writing(rollouts, rollouts, recipe.max_new_tokens, bool(recipe.lora_rank))
        if own
        else speed.served(rollouts, recipe.max_new_tokens)
    )
    encoded = 2 * (recipe.pairs + prompts * (2 if recipe.answer_loss else 1))
    return steps * (written + read + speed.training(trained, recipe) + speed.encoding(encoded))


def embedder_seconds(recipe: EmbedderTraining, crops: int, processor: Processor, cores: int) -> float:
    """Training of an embedding network on so many crops, by the rate of the shipped ones and the area of its input."""
    sizes = [(each.epochs, each.height * each.width) for each in recipe.smaller_first]
    rest = max(recipe.epochs - sum(epochs for epochs, _ in sizes), 0)
    sizes.append((rest, recipe.network.height * recipe.network.width))
    areas = sum(epochs * max(1.0, area / (128 * 64)) for epochs, area in sizes)
    rate = CROPS_A_SECOND[processor.gpu] * (1 if processor.gpu else max(1.0, 0.8 * cores))
    return crops * areas / rate
