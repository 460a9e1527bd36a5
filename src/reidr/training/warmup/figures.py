"""Charts of warm-up and sampling, in colours that can be distinguished without colour vision (Okabe and Ito 2008)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reidr.core.storage.files import writing
from reidr.training.recipes.sampling import SampleRecipe
from reidr.training.sampling.select import REASONS, Reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PURPLE, SKY, GREY = "#0072b2", "#d55e00", "#008a64", "#b0568c", "#56b4e9", "#b3b0aa"
FILLS: dict[str, tuple[str, str]] = {
    "kept": (BLUE, ""),
    "over budget": (SKY, "//"),
    "label balance": (GREEN, ".."),
    "retriever is sure": (GREY, ""),
    "never passes": (ORANGE, "\\\\"),
    "always passes": (PURPLE, "xx"),
}

# Panel title → (line of the log, its label) of each curve; names are given for training and for held-out pairs.
PANELS: dict[str, list[tuple[str, str]]] = {
    "Loss": [("direct_loss", "direct"), ("after_rationale_loss", "after a rationale"), ("loss", "all")],
    "Accuracy": [
        ("direct_accuracy", "direct"),
        ("after_rationale_accuracy", "after a rationale"),
        ("held_out_direct_accuracy", "direct, held out"),
        ("held_out_thinking_accuracy", "thinking, held out"),
    ],
    "Parsable answers": [("parsable", "training pairs"), ("held_out_parsable", "held out")],
    "Length in tokens": [("tokens", "training pairs"), ("held_out_tokens", "held out")],
    "Distinct rationales": [("distinct", "training pairs"), ("held_out_distinct", "held out")],
    "Share of yes": [
        ("direct_said_yes", "direct"),
        ("answered_yes", "thinking"),
        ("held_out_direct_said_yes", "direct, held out"),
        ("held_out_answered_yes", "thinking, held out"),
    ],
}
STYLES = ((BLUE, "-", ""), (ORANGE, "--", ""), (GREEN, "-", "o"), (PURPLE, "--", "s"))


def draw_warmup(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss, accuracy and the model's health over the steps of a warm-up, as a PNG."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    for panel, (title, curves) in zip(axes.flat, PANELS.items(), strict=True):
        drawn = [name for name, _ in curves if any(name in line for line in log)]
        if "direct_loss" in drawn:
            drawn.remove("loss")
        for (name, label), (colour, dash, marker) in zip(curves, STYLES, strict=False):
            if name not in drawn:
                continue
            points = [(line["step"], line[name]) for line in log if name in line]
            steps, values = smooth(points) if len(points) > 40 else list(zip(*points, strict=True))
            panel.plot(
                steps, values, dash, color=colour, marker=marker or ("." if len(points) < 3 else ""), label=label
            )
        panel.set(title=title, xlabel="step", xlim=(0, log[-1]["step"] * 1.02))
        panel.grid(alpha=0.3)
        if title in ("Loss", "Length in tokens"):
            panel.set_ylim(bottom=0)
        else:
            panel.set_ylim(-0.02, 1.02)
        if title in ("Accuracy", "Share of yes"):
            panel.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        if drawn:
            panel.legend(fontsize=8)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110)
    plt.close(figure)


def smooth(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """Means of (step, value) over forty stretches of equal length."""
    parts = np.array_split(np.array(points, dtype=float), 40)
    means = [part.mean(axis=0) for part in parts if len(part)]
    return [float(step) for step, _ in means], [float(value) for _, value in means]


def draw_pass_rates(
    pass_rates: Sequence[float], labels: Sequence[bool], reasons: Sequence[Reason], recipe: SampleRecipe, path: Path
) -> None:
    """The pass rates' histogram for each label, bars divided by what became of the pairs, as a PNG."""
    import matplotlib.pyplot as plt

    rates, same = np.array(pass_rates), np.array(labels, dtype=bool)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", sharey=True)
    for panel, label, title in zip(axes, (True, False), ("one person", "two persons"), strict=True):
        _bars(panel, rates[same == label], [r for r, own in zip(reasons, same, strict=True) if own == label], recipe)
        panel.set_title(f"{title}: {int((same == label).sum()):,} pairs")
    handles, names = axes[0].get_legend_handles_labels()
    kept = list(reasons).count("kept")
    figure.suptitle(
        f"{kept:,} of {len(reasons):,} pairs kept ({100 * kept / max(1, len(reasons)):.1f} %), {recipe.rule}"
    )
    figure.legend(handles, names, loc="outside right center", frameon=False)
    axes[0].set_ylabel("pairs")
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110)
    plt.close(figure)


def _bars(panel: Axes, rates: np.ndarray, reasons: Sequence[str], recipe: SampleRecipe) -> None:
    """One stacked bar for every pass rate that n rollouts can give."""
    values = np.arange(recipe.rollouts + 1) / recipe.rollouts
    places = np.rint(rates * recipe.rollouts).astype(int)
    bottom = np.zeros(len(values))
    for reason in REASONS:
        own = places[[each == reason for each in reasons]] if len(reasons) else places
        heights = np.bincount(own, minlength=len(values)).astype(float)
        colour, hatch = FILLS[reason]
        panel.bar(
            values, heights, 0.8 / recipe.rollouts, bottom, color=colour, hatch=hatch, edgecolor="white", label=reason
        )
        bottom += heights
    if recipe.rule == "non-trivial":
        for edge in (recipe.band_low, recipe.band_high):
            panel.axvline(edge, color="black", linestyle=":", linewidth=1)
    panel.set_xlabel(f"pass rate over {recipe.rollouts} rollouts (dotted: the band, bounds excluded)")
