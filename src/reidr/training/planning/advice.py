"""What to change where a plan does not fit: settings and machines that were tried in the plan, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from reidr.errors import RecipeError
from reidr.training.planning.gpus import TABLE
from reidr.training.planning.plan import WITH_MODEL, Machine, Plan, Subject, planned_pairs, stage_memory
from reidr.training.planning.settings import Changes, Sections, read_sections

NUMBERS = (2, 4, 8)
"""Numbers of GPUs that are tried."""
NEARLY = 0.98
"""Share of the pairs asked for that is enough: the number of pairs is an estimate."""


@dataclass(frozen=True)
class Advice:
    """One change that was planned again.

    Attributes:
        stage: for which. change: the option and its value, or another machine. needs: bytes that the stage takes with
            it, None where it is not about memory. reason: what it is for.
    """

    stage: str
    change: str
    needs: int | None
    reason: str


def advise(sections: Sections, plan: Plan) -> list[Advice]:
    """For each stage that does not fit, the first setting that makes it fit, and the machines that hold it as it is."""
    found = [each for each in (steps_advice(sections, plan), pairs_advice(sections, plan)) if each is not None]
    subject = plan.subject
    if subject is None:
        return found
    for stage in plan.stages:
        if stage.fits or stage.stage not in WITH_MODEL or stage.memory is None:
            continue
        if stage.memory.phases and sum(stage.memory.standing.values()) <= plan.machine.processor.usable:
            found += setting_advice(sections, stage.stage, plan.machine, subject)
        found += machine_advice(sections.typed[stage.stage], stage.stage, plan.machine, subject)
    return found


def setting_advice(sections: Sections, stage: str, machine: Machine, subject: Subject) -> list[Advice]:
    """The mildest change of the stage's own settings with which it fits; empty where none does."""
    for values in changes_to_try(stage, sections.typed[stage]):
        try:
            recipe = type(sections.typed[stage]).from_values({**sections.raw[stage], **values}, stage)
        except RecipeError:
            continue  # settings that do not go together, such as rows that do not divide the rollouts
        need = stage_memory(recipe, stage, machine, subject)
        if need.total <= machine.processor.usable:
            texts = " ".join(option_text(name, value) for name, value in values.items())
            return [Advice(stage, texts, need.total, "fits with it")]
    return []


def changes_to_try(stage: str, recipe: Any) -> Iterator[dict[str, Any]]:
    """Changes that save memory and change no result but rounding, mildest first; then LoRA in place of all weights."""
    rows = {"warmup": "rows", "sample": "chunk", "rl": "backward_rows"}[stage]
    fixed: dict[str, Any] = {}
    if getattr(recipe, "gradient_checkpointing", None) is False:
        fixed = {"gradient_checkpointing": True}
        yield fixed
    begin = 2 * recipe.batch if stage == "warmup" else recipe.rows if stage == "rl" else recipe.chunk
    for with_lora in (False, True):
        if with_lora:
            if stage == "sample" or recipe.lora_rank:
                return
            fixed = fixed | {"lora_rank": 32, "lora_alpha": 64, "learn_vision": "nothing"}
            if stage == "rl":
                fixed.pop("learn_vision")
            yield fixed
        size = begin // 2
        while size >= (2 if stage == "warmup" else 1):
            yield fixed | {rows: size}
            size //= 2


def machine_advice(recipe: Any, stage: str, machine: Machine, subject: Subject) -> list[Advice]:
    """The GPU of the table with the least memory that holds the stage as it is, and sharding over several."""
    found = []
    for several in larger_machines(machine):
        need = stage_memory(recipe, stage, several, subject)
        if need.total <= machine.processor.usable:
            how = " --sharded" if several.sharded else ""
            reason = "FSDP or ZeRO-3 over several GPUs" if several.sharded else "rows split over several GPUs"
            found.append(Advice(stage, f"--gpus {several.number}{how}", need.total, reason))
            break
    need = stage_memory(recipe, stage, replace(machine, processor=TABLE[0]), subject)  # the same on every GPU
    fitting = [each for each in TABLE if each.bfloat16 and need.total <= each.usable]
    if fitting:
        smallest = min(fitting, key=lambda each: (each.memory, each.tera))
        found.append(Advice(stage, f"--gpu {smallest.name}", need.total, f"{smallest.title} holds it as it is"))
    return found


def larger_machines(machine: Machine) -> Iterator[Machine]:
    """More of the same GPUs, first each with all weights, then with the weights split over them."""
    for number in NUMBERS:
        for sharded in (False, True):
            if machine.processor.gpu and (number > machine.number or (sharded and not machine.sharded)):
                yield replace(machine, number=max(number, machine.number), sharded=sharded)


def steps_advice(sections: Sections, plan: Plan) -> Advice | None:
    """Steps of reinforcement learning that show every kept pair once, where there are far fewer or more."""
    recipe = sections.typed.get("rl")
    if recipe is None or not plan.kept or getattr(recipe, "epochs", None) is not None:
        return None
    once = max(1, round(plan.kept / recipe.pairs))
    times = recipe.steps * recipe.pairs / plan.kept
    if 0.9 <= times <= 10:
        return None
    reason = f"{recipe.steps} steps show {'only ' if times < 1 else ''}{times:.2g} times the {plan.kept:,} kept pairs"
    return Advice("rl", f"--steps {once}", None, reason + "; this shows each once")


def pairs_advice(sections: Sections, plan: Plan) -> Advice | None:
    """A number of pairs that can be drawn, where the recipe asks for more."""
    if plan.pairs is None or plan.pairs.possible >= NEARLY * plan.pairs.asked or not plan.pairs.possible:
        return None
    recipe = sections.typed["pairs"]
    reason = f"about {plan.pairs.possible:,} of the {plan.pairs.asked:,} pairs asked for can be drawn"
    searched = max((each.images for each in plan.data), default=0)
    if recipe.queries < searched:
        changes: Changes = {"pairs": {**sections.raw["pairs"], "queries": searched}}
        drawn = planned_pairs(read_sections(sections.name, changes), plan.data)[0]
        more = 0 if drawn is None else drawn.possible
        if more > plan.pairs.possible:
            return Advice("pairs", f"--queries {searched}", None, f"{reason}; with it, {more:,}")
    return Advice("pairs", f"--pairs {plan.pairs.possible}", None, reason)


def option_text(name: str, value: Any) -> str:
    """A setting as an option of its stage's command."""
    option = "--" + name.replace("_", "-")
    return option if value is True else f"{option} {value}"
