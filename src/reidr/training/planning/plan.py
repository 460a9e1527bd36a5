"""`make_plan`: everything that can be known of a training before anything is spent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reidr.errors import RecipeError
from reidr.training.planning import disk, work
from reidr.training.planning.data import PlannedData, planned_data
from reidr.training.planning.dry_run import memory
from reidr.training.planning.dry_run.lengths import PromptLengths, prompt_lengths
from reidr.training.planning.dry_run.memory import Device, StageMemory
from reidr.training.planning.dry_run.meter import bytes_of
from reidr.training.planning.dry_run.model import Architecture, build_on_meta, count, find_sizes, nano_sizes
from reidr.training.planning.gpus import Processor
from reidr.training.planning.pairs import Drawn, drawable
from reidr.training.planning.settings import Sections, pairs_kept, rl_steps

WITH_MODEL = ("warmup", "sample", "rl")
"""Stages that run the vision-language model."""


@dataclass(frozen=True)
class Machine:
    """What a plan is made for: `number` processors of one kind; `sharded`: weights are split over them."""

    processor: Processor
    number: int = 1
    sharded: bool = False

    @property
    def device(self) -> Device:
        """What the memory of a stage depends on."""
        return Device(self.processor.gpu, self.number, self.sharded and self.number > 1)


@dataclass(frozen=True)
class StagePlan:
    """A stage: its memory on each processor (None where it is small or not known), seconds, bytes on disk, remarks."""

    stage: str
    memory: StageMemory | None
    seconds: float
    disk: int
    fits: bool = True
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What the stages with a model share: its sizes and speed, candidate pairs, pairs kept, distinct crops."""

    model: Architecture
    lengths: PromptLengths
    speed: work.Speed
    pairs: Drawn | None
    kept: int
    crops: int


@dataclass(frozen=True)
class Server:
    """A vLLM server that writes the rollouts of reinforcement learning.

    Attributes:
        needs: bytes of weights, keys and values of all rollouts at once, and what vLLM takes beside. share: of the
            GPU's memory, for its option --gpu-memory-utilization. beside: whether it fits on the GPU of the training.
    """

    needs: int
    share: float
    beside: bool


@dataclass(frozen=True)
class Plan:
    """The plan of a recipe.

    Attributes:
        model: the checkpoint that is trained, None for a recipe of a retriever alone. lengths: of its prompts.
            parameters: of the whole model. download: bytes that have to be fetched. pairs: None without a section for
            them. kept: most pairs that sampling keeps. free_disk: bytes free where run folders go. halved: whether
            a stage trains LoRA on bfloat16 weights. server: None without reinforcement learning on a GPU. subject: what
            the stages were planned with.
    """

    recipe: str
    machine: Machine
    data: list[PlannedData]
    pairs: Drawn | None
    kept: int
    model: Architecture | None
    lengths: PromptLengths | None
    parameters: int
    download: int
    stages: list[StagePlan]
    free_disk: int
    halved: bool = False
    server: Server | None = None
    subject: Subject | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def disk(self) -> int:
        """Bytes of all stages and of what is downloaded."""
        return self.download + sum(stage.disk for stage in self.stages)


def make_plan(sections: Sections, machine: Machine) -> Plan:
    """The plan of a recipe on a machine.

    Raises WeightsError where the checkpoint's sizes are not known here, RecipeError for weights that are to be sharded
    over one processor.
    """
    if machine.sharded and machine.number == 1:
        raise RecipeError("--sharded splits the weights over several GPUs: give their number with --gpus")
    data = planned_data(sections.raw)
    pairs, kept, crops = planned_pairs(sections, data)
    model = planned_model(sections)
    lengths = None if model is None else prompt_lengths(model)
    built = None if model is None else build_on_meta(model, machine.device.weights_type(half=True))
    parameters = 0 if built is None else count(built)
    stages = [planned_embedder(sections, name, data, machine) for name in ("retriever", "pretraining", "pairs")]
    planned = [stage for stage in stages if stage is not None]
    subject = None
    if model is not None and lengths is not None:
        speed = work.Speed(machine.processor, machine.number, built, lengths)
        subject = Subject(model, lengths, speed, pairs, kept, crops)
        planned += [plan_stage(sections, name, machine, subject) for name in WITH_MODEL if name in sections.typed]
    free = shutil.disk_usage(".").free
    download = 0 if model is None or built is None or not model.remote else bytes_of(built.parameters())
    server = planned_server(sections, machine, subject, planned)
    return Plan(
        sections.name, machine, data, pairs, kept, model, lengths, parameters, download, planned, free,
        any(getattr(each, "lora_rank", 0) for each in sections.typed.values()), server, subject,
    )  # fmt: skip


def planned_model(sections: Sections) -> Architecture | None:
    """The checkpoint that the recipe trains; of a recipe with a pretraining, the small reasoner that it makes."""
    source = next((sections.typed[stage].model for stage in WITH_MODEL if stage in sections.typed), None)
    if "pretraining" in sections.typed and (source is None or not Path(source).exists()):
        return nano_sizes(sections.typed["pretraining"])
    return None if source is None else find_sizes(source)


def planned_pairs(sections: Sections, data: Sequence[PlannedData]) -> tuple[Drawn | None, int, int]:
    """Candidate pairs, how many of them sampling keeps, and the distinct crops that are on them."""
    recipe = sections.typed.get("pairs")
    if recipe is None:
        return None, 0, 0
    pretraining = sections.typed.get("pretraining") if recipe.source == "pretraining" else None
    named = "pretraining" if pretraining is not None else "pairs"
    own = [each for each in data if named in each.stages]
    drawn = drawable(recipe, own, pretraining)
    images = sum(each.images for each in own)
    crops = 2 * (drawn.kept + recipe.held_out_pairs)
    sample = sections.typed.get("sample")
    asked = drawn.kept if sample is None else min(drawn.kept, sample.most_pairs)
    return drawn, 0 if sample is None else pairs_kept(sample, asked, images), min(crops, images) if images else crops


def planned_embedder(sections: Sections, stage: str, data: Sequence[PlannedData], machine: Machine) -> StagePlan | None:
    """A stage that trains embedding networks: the retriever, the pretraining, the retrievers of the folds."""
    recipe = sections.typed.get(stage)
    if recipe is None:
        return None
    crops = sum(each.images for each in data if stage in each.stages)
    cores = os.cpu_count() or 1
    trainings: list[tuple[Any, float]] = []
    if stage == "retriever":
        trainings = [(recipe, crops * (1 - recipe.held_out_share))]
    elif stage == "pretraining":
        seen = crops * (1 - recipe.held_out_share) * (1 - recipe.reasoning_share)
        trainings = [(each, seen + 15 * recipe.vision_encoder_street_people) for each in recipe.vision_encoder]
    elif recipe.source == "folds":
        share = (1 - recipe.held_out_share) * (1 - 1 / recipe.folds)
        trainings = [(recipe.training, crops * share)] * recipe.folds
    seconds = sum(work.embedder_seconds(each, round(number), machine.processor, cores) for each, number in trainings)
    if stage == "pretraining":
        model = build_on_meta(nano_sizes(recipe), machine.device.weights_type(half=False))
        lengths = prompt_lengths(nano_sizes(recipe))
        speed = work.Speed(machine.processor, 1, model, lengths)
        seconds += speed.seconds(6 * speed.parameters * recipe.steps * recipe.batch * (lengths.think + 60))
    largest = max((each for each, _ in trainings), key=lambda each: each.network.height, default=None)
    need = None if largest is None else memory.embedder_memory(largest)
    fits = need is None or need.total <= machine.processor.usable
    size = 2 * 4 * sum(need.standing.values()) if need is not None else 0
    if stage == "pairs":
        size += (recipe.pairs + recipe.held_out_pairs) * disk.BYTES_A_PAIR
    return StagePlan(stage, need, seconds, size, fits)


def plan_stage(sections: Sections, stage: str, machine: Machine, subject: Subject) -> StagePlan:
    """A stage that runs the vision-language model."""
    recipe, speed = sections.typed[stage], subject.speed
    need = stage_memory(recipe, stage, machine, subject)
    # LoRA weights are what a training leaves.
    whole = need.standing["gradients"] if getattr(recipe, "lora_rank", 0) else bytes_of(speed.model.parameters())
    remarks: tuple[str, ...] = ()
    if stage == "warmup":
        seconds = work.warmup_seconds(recipe, speed, subject.crops)
        size = disk.warmup_bytes(need, whole)
        if subject.pairs is not None:
            draws = recipe.steps * recipe.batch
            remarks = (f"{draws:,} draws from {subject.pairs.kept:,} candidate pairs",)
    elif stage == "sample":
        pairs = min(subject.pairs.kept, recipe.most_pairs) if subject.pairs is not None else recipe.most_pairs
        seconds, size = work.sample_seconds(recipe, speed, pairs), disk.sample_bytes(recipe, pairs)
        remarks = (
            f"{pairs * recipe.rollouts:,} rollouts of {pairs:,} pairs, of which at most {subject.kept:,} are kept",
        )
    else:
        steps = rl_steps(recipe, subject.kept)
        seconds, size = work.grpo_seconds(recipe, steps, speed), disk.grpo_bytes(recipe, steps, need, whole)
        times = f", each about {steps * recipe.pairs / subject.kept:.2g} times" if subject.kept else ""
        remarks = (
            f"{steps:,} steps x {recipe.pairs} pairs = {steps * recipe.pairs:,} draws of {subject.kept:,}{times}",
        )
    return StagePlan(stage, need, seconds, size, need.total <= machine.processor.usable, remarks)


def stage_memory(recipe: Any, stage: str, machine: Machine, subject: Subject) -> StageMemory:
    """Memory of a stage with a model on each processor; rows are split over them."""
    model, lengths, device = subject.model, subject.lengths, machine.device
    if stage == "warmup":
        return memory.warmup_memory(recipe, model, lengths, subject.crops, device)
    if stage == "sample":
        return memory.sample_memory(recipe, model, lengths, device)
    return memory.grpo_memory(recipe, model, lengths, device)


VLLM_BESIDE = int(2.5 * 2**30)
"""What vLLM takes beside weights and cache: CUDA graphs and the largest batch of pictures."""


def planned_server(
    sections: Sections, machine: Machine, subject: Subject | None, stages: Sequence[StagePlan]
) -> Server | None:
    """The server that could write the rollouts of reinforcement learning, which gets LoRA weights alone."""
    recipe, processor = sections.typed.get("rl"), machine.processor
    own = next((stage.memory for stage in stages if stage.stage == "rl"), None)
    if recipe is None or subject is None or own is None or not processor.gpu or not recipe.lora_rank:
        return None
    weights = 2 * count(subject.speed.model)
    tokens = subject.lengths.think + recipe.max_new_tokens
    rows = min(work.SERVER_ROWS, recipe.pairs * recipe.num_generations)
    needs = weights + memory.cache_bytes(subject.model, tokens, 2) * rows + VLLM_BESIDE
    phases = {name: phase for name, phase in own.phases.items() if name != memory.ROLLOUTS}
    training = StageMemory(own.standing, phases).total
    share = min(1.0, needs / processor.memory + 0.01)
    return Server(needs, share, training + needs <= processor.usable)


def problems_of(plan: Plan) -> list[str]:
    """A sentence for each thing that keeps the training from beginning or would stop it."""
    processor, found = plan.machine.processor, []
    for each in plan.data:
        if not each.found:
            found.append(f"data set {each.name}: {each.path}: {each.problem}")
    if plan.pairs is not None and not plan.pairs.possible and all(each.found for each in plan.data):
        found.append("pairs: no pair of both labels can be drawn; the data sets are too small")
    for stage in plan.stages:
        if not stage.fits and stage.memory is not None:
            found.append(
                f"{stage.stage}: needs {stage.memory.total / 2**30:.1f} GiB, and {processor.title} has "
                f"{processor.usable / 2**30:.1f} GiB for tensors"
            )
    if plan.model is not None and processor.gpu and not processor.bfloat16 and plan.halved:
        found.append(f"{processor.title} does not compute in bfloat16, which training with LoRA uses")
    if plan.disk > plan.free_disk:
        free = plan.free_disk / 2**30
        found.append(f"disk: the run takes {plan.disk / 2**30:.1f} GiB, and {Path.cwd()} has {free:.1f} GiB free")
    return found
