"""`reidr sample`: read the settings, sample rollouts of mined pairs, keep the pairs worth training on."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from reidr.core.progress import progress
from reidr.core.run import Run, in_own_folder, write_json
from reidr.errors import DataError
from reidr.training.grpo.rewards.registry import check_rewards
from reidr.training.pairs.balance import balance_pairs
from reidr.training.pairs.table import pairs_hash, read_mined, recipe_of, write_pairs
from reidr.training.processes.joining import across_processes
from reidr.training.processes.team import processes
from reidr.training.recipes.find import stage_values
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.select import image_budgets


@across_processes
@in_own_folder
def sample_stage(recipe_name: str, folder: Path, changes: dict[str, Any]) -> Path:
    """Choose the pairs for reinforcement learning; returns the Parquet file of all pairs with numbers and reasons.

    `read_pairs` of that file gives the kept ones. A finished run does nothing; a stopped one goes on. Several processes
    share the rollouts; the file's bytes do not depend on their number.
    """
    values, source = stage_values(recipe_name, "sample", changes)
    recipe = SampleRecipe.from_values(values, source)
    mined = [pair for pair in read_mined(recipe.pairs) if pair.part == "train"]
    if len(mined) > recipe.most_pairs:
        mined = balance_pairs(mined, recipe.most_pairs, recipe.seed)
    settings = recipe.model_dump(mode="json", exclude={"rollout_server"})  # another server may continue a run
    data = {"pairs": pairs_hash([pair.pair() for pair in mined])}
    run = Run(folder, "sample", settings, data, defaults=recipe.defaults())
    path = folder / "sampled.parquet"
    if run.finished("sample"):
        return path
    check_rewards(recipe.rewards)
    from reidr.training.common.device import load_for_training
    from reidr.training.sampling.rollouts import roll_out, sampled_columns, sampler
    from reidr.training.sampling.select import select_non_trivial, select_per_data_set
    from reidr.training.warmup.figures import draw_pass_rates

    started = time.perf_counter()
    model, processor = load_for_training(recipe.model, half=recipe.half_precision, attention=recipe.attention)
    with progress("sampling rollouts", len(mined)) as advance:
        rollouts = roll_out(recipe, mined, sampler(recipe, mined, model, processor), folder / "rollouts.jsonl", advance)
    rates = [each.pass_rate(recipe.pass_above) for each in rollouts]
    labels = [pair.label for pair in mined]
    budgets = budgets_of(recipe)
    if budgets is None:
        reasons = select_non_trivial(rates, labels, [p.rank for p in mined], [p.gap for p in mined], recipe)
    else:
        reasons = select_per_data_set(rates, mined, budgets, recipe)
    counts = dict(Counter(reasons).most_common())
    if processes().is_first:
        write_pairs(path, mined, settings, sampled_columns(rollouts, reasons, recipe))
        draw_pass_rates(rates, labels, reasons, recipe, folder / "pass_rates.png")
        write_json(folder / "reasons.json", counts)
    if "kept" not in counts:
        raise DataError(
            f"{path}: no pair was kept ({counts}); widen the band, rank_most or gap_most, or warm up longer"
        )
    kept = Counter(pair.dataset for pair, reason in zip(mined, reasons, strict=True) if reason == "kept")
    for name, most in (budgets or {}).items():
        if kept[name] < most - 1:
            click.echo(
                f"sample: {kept[name]:,} of the {most:,} pairs that the budget of {name} allows were kept; mine more "
                "pairs per image, or widen band, rank_most or gap_most",
                err=True,
            )
    facts = {"pairs": len(mined), "reasons": counts, "kept": dict(sorted(kept.items())), "budgets": budgets}
    run.finish("sample", started, **facts, mean_pass_rate=sum(rates) / len(rates))
    return path


def budgets_of(recipe: SampleRecipe) -> dict[str, int] | None:
    """The budget of each data set by its training images; None where pairs are counted, or without a budget.

    Raises DataError where the file of pairs does not say how many images there were.
    """
    if recipe.budget_of == "pairs" or recipe.budget_share is None:
        return None
    images = recipe_of(recipe.pairs).get("training_images")
    if not images:
        raise DataError(
            f"{recipe.pairs}: does not say how many training images its data sets have; mine the pairs anew "
            "(reidr pairs), or set budget_of: pairs"
        )
    return image_budgets(images, recipe.budget_share)
