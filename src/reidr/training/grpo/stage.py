"""The reinforcement stage: labelled pairs and a model in, a model taught by its own rollouts out."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.process.signals import note_step
from reidr.core.progress import progress
from reidr.core.run import Run, content_hash, prepare_folder
from reidr.errors import DataError, ReIDError
from reidr.reasoning.types import Pair
from reidr.training.common.log import TrainingLog
from reidr.training.common.lora import lora_config
from reidr.training.grpo.rewards import RankContext, Reward, total_reward
from reidr.training.pairs.attributes import facts_finder
from reidr.training.recipes.grpo import ReinforcementRecipe

if TYPE_CHECKING:
    from reidr.reasoning.inference.sampling import Completion
    from reidr.training.grpo.trainer import PairTrainer

Advance = Callable[[float], None]
CHECKPOINTS = "checkpoints"  # the trainer's, in the run folder

# TRL's names → ours, in the order of a line of log.jsonl.
LOGGED = {
    "loss": "loss",
    "reward": "reward",
    "reward_std": "reward_deviation",
    "frac_reward_zero_std": "zero_variance_share",
    "accuracy_same": "accuracy_same",
    "accuracy_different": "accuracy_different",
    "said_yes": "said_yes",
    "said_insufficient": "said_insufficient",
    "parsable": "parsable",
    "distinct_texts": "distinct_texts",
    "entropy": "entropy",
    "kl": "kl",
    "sampling/sampling_logp_difference/mean": "server_difference",
    "clip_ratio/low_mean": "clipped_low",
    "clip_ratio/high_mean": "clipped_high",
    "completions/mean_length": "tokens",
    "completions/max_length": "tokens_most",
    "completions/clipped_ratio": "cut_off",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "step_time": "seconds",
}


def reinforce_stage(recipe: ReinforcementRecipe, pairs: Sequence[Pair], source: str | Path, folder: Path) -> Path:
    """Teach the checkpoint `source` (folder or preset) on `pairs`; returns the folder of the finished model.

    A finished run does nothing; an interrupted one goes on from its last checkpoint. In `folder`: `log.jsonl` (one line
    per step), `completions.jsonl` (every rollout with its rewards), `checkpoints/`, `model/`.

    Raises:
        DataError: as `reinforce`. WeightsError: `source` cannot be loaded. RecipeError: `folder` holds another run.
    """
    data = {
        "pairs": content_hash([f"{pair.query.id} {pair.candidate.id} {pair.label}" for pair in pairs]),
        "model": str(source),
    }
    # Where the rollouts are written changes nothing about what is taught: a run may go on with another server.
    settings = recipe.model_dump(mode="json", exclude={"rollout_server"})
    run = Run(folder, "train rl", settings, data, defaults=recipe.defaults())
    if run.finished("rl"):
        return folder / "model"
    from reidr.reasoning.models.checkpoint import save_taught
    from reidr.training.common.device import load_to_teach

    started = time.perf_counter()
    model, processor = load_to_teach(source, half=bool(recipe.lora_rank))
    with progress("reinforcing the reasoner", recipe.steps) as advance:
        taught, log = reinforce(recipe, pairs, model, processor, folder, advance)
    save_taught(taught, processor, source, folder / "model")
    rewards = [line["reward"] for line in log if "reward" in line]
    run.finish("rl", started, model="model", pairs=len(pairs), first_reward=rewards[0], last_reward=rewards[-1])
    return folder / "model"


def reinforce(
    recipe: ReinforcementRecipe,
    pairs: Sequence[Pair],
    model: Any,
    processor: Any,
    folder: Path,
    advance: Advance | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """GRPO on `pairs`, resuming from the last checkpoint in `folder`.

    Returns:
        The taught model, LoRA merged into it (with full fine-tuning it is `model` itself), and the lines of log.jsonl.

    Raises:
        DataError: a pair without a label, or no pair of one of the two labels.
    """
    trainer = build_trainer(recipe, pairs, model, processor, folder, advance)
    checkpoint, done = last_whole_checkpoint(folder / CHECKPOINTS)
    note_step(folder, "step", done)
    log = TrainingLog(folder / "log.jsonl")
    for written in (log, TrainingLog(folder / "completions.jsonl")):
        written.resume(done)
    if advance is not None:
        advance(done)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    finally:
        if trainer.server is not None:
            # A server that is gone has no adapter of ours either.
            with contextlib.suppress(ReIDError):
                trainer.server.put_away()
    taught = trainer.accelerator.unwrap_model(trainer.model)
    if recipe.lora_rank:
        taught = taught.merge_and_unload()
    # TRL put its own forward around the model's.
    taught.__dict__.pop("forward", None)
    taught.requires_grad_(True)
    taught.eval()
    return taught, log.read()


def build_trainer(
    recipe: ReinforcementRecipe,
    pairs: Sequence[Pair],
    model: Any,
    processor: Any,
    folder: Path,
    advance: Advance | None = None,
) -> PairTrainer:
    """The trainer of `reinforce`, ready to `train()`. Raises DataError as `reinforce`."""
    from datasets import Dataset
    from transformers import PrinterCallback

    from reidr.reasoning.models.architectures import find_architecture
    from reidr.reasoning.models.transformers_model import unwrap
    from reidr.reasoning.prompting.prompt import crop_pixels, pair_messages
    from reidr.training.grpo.log_callback import StepLog
    from reidr.training.grpo.trainer import PairTrainer
    from reidr.training.grpo.vllm_rollouts import RolloutServer

    drawn = draw_pairs(pairs, -(-recipe.steps // recipe.iterations) * recipe.pairs, recipe.seed)
    if recipe.rewards.rank and not any(pair.others for pair in pairs):
        raise DataError(
            "the rank reward needs to know the queries' other candidates; mine the pairs anew (reidr pairs)"
        )
    facts_of = facts_finder(pairs)
    prepare_folder(folder)
    processor = copy.copy(processor)
    pixels = crop_pixels(processor)
    if pixels is not None:
        # TRL has no other way to be told the size of a crop.
        processor.image_processor = copy.copy(processor.image_processor)
        processor.image_processor.size = {"shortest_edge": pixels[0], "longest_edge": pixels[1]}
    if not recipe.train_vision:
        for part in find_architecture(unwrap(model).config.model_type).vision_parts(unwrap(model)):
            part.requires_grad_(False)
    scorer = copy.deepcopy(model).eval().requires_grad_(False) if recipe.rewards.text_only else None

    def open_rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        # Each picture of a group is opened once.
        images = {
            number: [drawn[number][0].query.open(), drawn[number][0].candidate.open()] for number in batch["pair"]
        }
        return {
            "prompt": [pair_messages(None, "think") for _ in batch["pair"]],
            "images": [images[number] for number in batch["pair"]],
            "pair": batch["pair"],
        }

    def describe(number: int) -> dict[str, Any]:
        pair = drawn[number][0]
        return {"pair": number, "a": pair.query.id, "b": pair.candidate.id, "label": pair.label}

    def score(numbers: Sequence[int], completions: Sequence[Completion]) -> list[Reward]:
        text_only = text_only_of(scorer, processor, completions)
        return [
            total_reward(
                completion.text,
                bool(drawn[number][0].label),
                recipe.rewards,
                probability=completion.probability,
                text_only_probability=text,
                rank_context=rank_context(drawn[number][1], recipe.fusion_weight),
                facts=facts_of(drawn[number][0]),
            )
            for number, completion, text in zip(numbers, completions, text_only, strict=True)
        ]

    server = None if recipe.rollout_server is None else RolloutServer(recipe.rollout_server, unwrap(model), processor)
    trainer = PairTrainer(
        recipe,
        score,
        describe,
        folder / "completions.jsonl",
        model=model,
        processor=processor,
        server=server,
        args=arguments(recipe, folder),
        train_dataset=Dataset.from_dict({"pair": list(range(len(drawn)))}).with_transform(open_rows),
        peft_config=lora_config(recipe.lora_rank, recipe.lora_alpha),
        callbacks=[StepLog(folder / "log.jsonl", LOGGED, advance)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def arguments(recipe: ReinforcementRecipe, folder: Path) -> Any:
    """TRL's settings for `recipe`: DAPO's token-level loss and clip-higher, nothing sent anywhere."""
    import torch
    from trl import GRPOConfig

    gpu = torch.cuda.is_available()
    passes = recipe.pairs * recipe.num_generations // recipe.rows
    return GRPOConfig(
        output_dir=str(folder / CHECKPOINTS),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.rows,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=recipe.num_generations,
        num_iterations=recipe.iterations,
        max_completion_length=recipe.max_new_tokens,
        temperature=recipe.temperature,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.gradient_norm,
        loss_type="dapo",
        epsilon=recipe.clip_low,
        epsilon_high=recipe.clip_high,
        scale_rewards=recipe.scale_rewards,
        entropy_coef=recipe.entropy_weight,
        # A rollout that was cut off is unparsable: it should be punished, not passed over.
        mask_truncated_completions=False,
        shuffle_dataset=False,  # `draw_pairs` has put them in order
        save_strategy="steps",
        save_steps=recipe.save_every,
        save_total_limit=1,
        logging_steps=1,
        seed=recipe.seed,
        report_to="none",
        push_to_hub=False,
        use_cpu=not gpu,
        bf16=gpu,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )


def draw_pairs(pairs: Sequence[Pair], count: int, seed: int) -> list[tuple[Pair, Pair]]:
    """`count` pairs to learn from, in order: (as it is to be shown, as it was given).

    Labels take turns; within a label every pair comes once before any comes again; half are shown in the other order.

    Raises:
        DataError: a pair without a label, or no pair of one of the labels.
    """
    unlabelled = next((place for place, pair in enumerate(pairs) if pair.label is None), None)
    if unlabelled is not None:
        raise DataError(f"pair {unlabelled} has no label; reinforcement needs to know who is who")
    random = np.random.default_rng(seed)
    streams = []
    for label, name in ((True, "one person"), (False, "two persons")):
        own = [pair for pair in pairs if pair.label is label]
        if not own:
            raise DataError(f"none of the {len(pairs)} pairs shows {name}; reinforcement needs both kinds")
        order: list[int] = []
        while len(order) < count // 2 + 1:
            order += random.permutation(len(own)).tolist()
        streams.append([own[place] for place in order])
    drawn = [streams[turn % 2][turn // 2] for turn in range(count)]
    turned = random.random(count) < 0.5
    return [(pair.swapped() if swap else pair, pair) for pair, swap in zip(drawn, turned, strict=True)]


def rank_context(pair: Pair, weight: float) -> RankContext | None:
    """The list in which a mined pair stands: its query's first candidates. None where they, or its distance, are not
    known. The pair as it was mined: the list is its query's."""
    if pair.distance is None or not pair.others:
        return None
    distances, labels = zip(*pair.others, strict=True)
    return RankContext((pair.distance, *distances), (bool(pair.label), *labels), 0, weight)


def text_only_of(frozen: Any, processor: Any, completions: Sequence[Completion]) -> list[float | None]:
    """The frozen scorer's P(same) for each parsable completion; all None without a scorer."""
    from reidr.reasoning.prompting.grammar import try_parse
    from reidr.training.grpo.text_only import text_only_probabilities

    found: list[float | None] = [None] * len(completions)
    if frozen is not None:
        parsed = {place: answer for place, c in enumerate(completions) if (answer := try_parse(c.text)) is not None}
        chances = text_only_probabilities(frozen, processor, [answer.reasoning for answer in parsed.values()])
        for place, chance in zip(parsed, chances, strict=True):
            found[place] = chance
    return found


def last_whole_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The trainer's last checkpoint in `folder` that is whole, and its steps; None and 0 where there is none.

    `trainer_state.json` is the last file that the trainer writes of a checkpoint, and only then it removes the one
    before: a checkpoint whose state cannot be read was killed in the making.
    """
    whole: list[tuple[int, Path]] = []
    for path in folder.glob("checkpoint-*"):
        name = re.fullmatch(r"checkpoint-(\d+)", path.name)
        try:
            state = json.loads((path / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            continue
        if name is not None and isinstance(state, dict) and state.get("global_step") == int(name[1]):
            whole.append((int(name[1]), path))
    steps, last = max(whole, default=(0, None))
    return last, steps
