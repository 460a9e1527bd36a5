"""A plan as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reidr.training.planning.advice import Advice
from reidr.training.planning.plan import Plan, problems_of

GIB = 2**30


def plan_text(plan: Plan, advice: Sequence[Advice]) -> str:
    """The whole plan, section by section."""
    parts = [heading(plan), data_text(plan), stages_text(plan), memory_text(plan), server_text(plan)]
    problems = problems_of(plan)
    verdict = "What stops it:\n" + "\n".join(f"  {each}" for each in problems) if problems else "Nothing stops it."
    parts += [verdict, advice_text(plan, advice)]
    return "\n\n".join(part for part in parts if part)


def heading(plan: Plan) -> str:
    """Recipe, machine, model."""
    machine = plan.machine
    number = f"{machine.number} x " if machine.number > 1 else ""
    how = ", weights sharded over them" if machine.sharded else ""
    lines = [
        f"Plan of {plan.recipe} for {number}{machine.processor.title}{how}: "
        f"{machine.processor.usable / GIB:.1f} GiB for tensors each (speed: {machine.processor.source})"
    ]
    if plan.model is not None and plan.lengths is not None:
        counted = "counted with its tokeniser" if plan.lengths.exact else "estimated"
        lines.append(
            f"Model: {plan.model.name}, {plan.parameters / 1e9:.3g} billion parameters (from {plan.model.source}); a "
            f"prompt has {plan.lengths.think} tokens ({counted}), of which {plan.lengths.crop} for each crop"
        )
        if plan.download:
            lines.append(f"To download: {plan.download / GIB:.1f} GiB of weights")
    return "\n".join(lines)


def data_text(plan: Plan) -> str:
    """Data sets and candidate pairs."""
    lines = ["Data"] if plan.data else []
    for each in plan.data:
        state = "found  " if each.found else "MISSING"
        numbers = f"{each.images:,} training images of {each.people:,} people ({each.counted})" if each.images else ""
        lines.append(f"  {state}  {each.name:<16} {each.path}  {numbers}".rstrip())
    if plan.pairs is not None:
        pairs = plan.pairs
        sets = ", ".join(f"{name} {number:,}" for name, number in pairs.by_set.items())
        sure = "" if pairs.certain else " (from official counts: some data sets are not here)"
        lines.append(
            f"Pairs: {pairs.asked:,} asked for, about {pairs.possible:,} can be drawn{sure}; kept {pairs.kept:,}"
            + (f": {sets}" if sets else "")
        )
    return "\n".join(lines)


def stages_text(plan: Plan) -> str:
    """One line a stage, and the sum."""
    lines = [f"{'Stage':<12} {'GiB each':>9} {'fits':>5} {'hours':>8} {'GiB disk':>9}"]
    for stage in plan.stages:
        need = "-" if stage.memory is None else f"{stage.memory.total / GIB:.1f}"
        fits = "yes" if stage.fits else "NO"
        lines.append(f"{stage.stage:<12} {need:>9} {fits:>5} {stage.seconds / 3600:>8.2f} {stage.disk / GIB:>9.1f}")
    whole = plan.disk / GIB
    lines.append(f"{'together':<12} {'':>9} {'':>5} {plan.seconds / 3600:>8.2f} {whole:>9.1f}")
    lines += [f"  {stage.stage}: {remark}" for stage in plan.stages for remark in stage.remarks]
    lines.append(f"  Hours are right within a factor of about two. {plan.free_disk / GIB:.0f} GiB are free here.")
    return "\n".join(lines)


def memory_text(plan: Plan) -> str:
    """What the memory of each stage with a model is made of, in GiB."""
    lines = []
    for stage in plan.stages:
        if stage.memory is not None:
            standing = listed(stage.memory.standing)
            phase = stage.memory.largest
            lines.append(f"  {stage.stage}: {standing}; {phase}: {listed(stage.memory.phases[phase])}")
    return "\n".join(["Memory in GiB at the highest point", *lines]) if lines else ""


def listed(parts: dict[str, int]) -> str:
    """Names and sizes."""
    return ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items()) or "nothing more"


def server_text(plan: Plan) -> str:
    """What a server for rollouts takes."""
    if plan.server is None:
        return ""
    where = "fits beside the training on the same GPU" if plan.server.beside else "needs a GPU of its own"
    return (
        f"Rollouts by a vLLM server (--rollout-server): {plan.server.needs / GIB:.1f} GiB, which {where}; "
        f"--gpu-memory-utilization {plan.server.share:.2f}"
    )


def advice_text(plan: Plan, advice: Sequence[Advice]) -> str:
    """Changes, each planned again."""
    commands = {"pairs": "reidr pairs", "sample": "reidr sample"}
    lines = []
    for each in advice:
        machine = each.change.startswith("--gpu")
        command = "reidr plan" if machine else commands.get(each.stage, f"reidr train {each.stage}")
        needs = "" if each.needs is None else f": {each.needs / GIB:.1f} GiB"
        lines.append(f"  {each.stage}: {command} {plan.recipe} {each.change}{needs} ({each.reason})")
    return "\n".join(["What to change (each was planned again)", *lines]) if lines else ""


def plan_values(plan: Plan, advice: Sequence[Advice]) -> dict[str, Any]:
    """The plan as plain values: bytes, seconds, numbers and texts."""
    stages = []
    for stage in plan.stages:
        need = stage.memory
        stages.append(
            {"stage": stage.stage, "fits": stage.fits, "seconds": round(stage.seconds), "disk": stage.disk}
            | {"remarks": list(stage.remarks)}
            | ({} if need is None else {"bytes": need.total, "largest": need.largest, **asdict(need)})
        )
    machine = plan.machine
    return {
        "recipe": plan.recipe,
        "processor": asdict(machine.processor) | {"usable": machine.processor.usable},
        "processors": machine.number,
        "sharded": machine.sharded,
        "model": None if plan.model is None else {"name": plan.model.name, "sizes_from": plan.model.source,
                                                  "parameters": plan.parameters, "download": plan.download},
        "prompt": None if plan.lengths is None else asdict(plan.lengths),
        "data": [{name: value for name, value in asdict(each).items() if name != "crops"} for each in plan.data],
        "pairs": None if plan.pairs is None else {**asdict(plan.pairs), "kept": plan.pairs.kept},
        "pairs_kept_by_sampling": plan.kept,
        "stages": stages,
        "seconds": round(plan.seconds),
        "disk": plan.disk,
        "free_disk": plan.free_disk,
        "server": None if plan.server is None else asdict(plan.server),
        "problems": problems_of(plan),
        "advice": [asdict(each) for each in advice],
    }  # fmt: skip
