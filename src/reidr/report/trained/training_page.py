"""`training.html`: the curves of a training, and rollouts to look at; one file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reidr.core.run import prepare_folder
from reidr.core.storage.files import write_text
from reidr.report.build import now
from reidr.report.content import Fact, Picture, Series
from reidr.report.page import environment
from reidr.report.plots import name_ends, plot_line, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING_PAGE = "training.html"
STEPS_SHOWN = 3  # first, middle and last step
GROUPS_SHOWN = 4  # pairs of each of them
# Title → what it means, and name in the log → its label.
PANELS: dict[str, tuple[str, dict[str, str]]] = {
    "Loss": (
        "",
        {
            "loss": "loss",
            "direct_loss": "direct",
            "after_rationale_loss": "after a rationale",
            "judge_loss": "from the words alone",
            "answer_loss": "after its words",
        },
    ),
    "Reward": ("Mean over the rollouts of a step.", {"reward": "reward", "reward_deviation": "deviation in a group"}),
    "Held-out pairs": (
        "People from whom nothing is learned. Area: share of pairs of pairs that the direct score orders rightly.",
        {
            "held_out_direct_area": "area, direct",
            "held_out_reasoned_area": "area, words alone",
            "held_out_direct_accuracy": "accuracy, direct",
            "held_out_thinking_accuracy": "accuracy, thinking",
            "held_out_order_flips": "order flips",
        },
    ),
    "Accuracy of rollouts": (
        "",
        {
            "accuracy_same": "one person",
            "accuracy_different": "two persons",
            "direct_accuracy": "direct",
            "after_rationale_accuracy": "after a rationale",
        },
    ),
    "What there is to learn from": (
        "Zero variance: groups whose rollouts all earn the same teach nothing. Leverage: share of the answer's "
        "variance within a group that comes from the words before it; the rest is the toss of the sampled word.",
        {"zero_variance_share": "zero variance", "leverage": "leverage", "distinct_texts": "distinct texts"},
    ),
    "Readable answers": (
        "",
        {
            "parsable": "readable",
            "cut_off": "cut off",
            "said_yes": "says yes",
            "said_insufficient": "says insufficient",
            "held_out_parsable": "readable, held out",
        },
    ),
    "Length": ("Tokens of a completion.", {"tokens": "mean", "tokens_most": "longest", "held_out_tokens": "held out"}),
    "Entropy": ("Nats per token.", {"entropy": "entropy", "kl": "KL from the start"}),
    "Gradient": ("", {"gradient_norm": "norm"}),
    "Throughput": (
        "Of whole steps: written, scored and learned from.",
        {"rollouts_per_second": "rollouts a second"},
    ),
}


@dataclass(frozen=True)
class Rollout:
    """One completion: its text and answer (None: unreadable), P(same) at the answer, reward and advantage."""

    text: str
    answer: str | None
    probability: float | None
    reward: float
    advantage: float


@dataclass(frozen=True)
class RolloutGroup:
    """The rollouts of one pair in one step; `truth`: whether both crops show one person."""

    step: int
    first: str
    second: str
    truth: bool
    first_image: Picture = field(compare=False, repr=False)
    second_image: Picture = field(compare=False, repr=False)
    rollouts: tuple[Rollout, ...]


@dataclass(frozen=True)
class Panel:
    """One figure: its SVG text, and a sentence on what it means."""

    title: str
    meaning: str
    svg: str


def write_training_page(
    folder: Path,
    title: str,
    log: Sequence[Mapping[str, Any]],
    groups: Sequence[RolloutGroup] = (),
    facts: Mapping[str, Fact] | None = None,
) -> Path:
    """Write `training.html`: a figure for every panel of which the log (`log.jsonl`) has a number, then the rollouts.

    Raises ReIDError where the folder cannot be written.
    """
    page = {"title": title, "created": now(), "facts": dict(facts or {}), "panels": panels(log), "groups": groups}
    prepare_folder(folder)
    write_text(folder / TRAINING_PAGE, environment().get_template("training.html.j2").render(**page))
    return folder / TRAINING_PAGE


def panels(log: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The figures that the lines of a log allow."""
    found = []
    for title, (meaning, names) in PANELS.items():
        series = [line for name, label in names.items() if (line := series_of(log, name, label)).x]
        if series:
            found.append(Panel(title, meaning, lines_svg(series, title)))
    rewards = sorted(
        {name for line in log for name in line if name.startswith("reward_") and name != "reward_deviation"}
    )
    parts = [line for name in rewards if (line := series_of(log, name, name.removeprefix("reward_"))).x]
    if parts:
        found.insert(2, Panel("Parts of the reward", "Unweighted means.", lines_svg(parts, "Parts of the reward")))
    return found


def series_of(log: Sequence[Mapping[str, Any]], name: str, label: str) -> Series:
    """The values of one name of the log over the steps; empty where no line has one."""
    points = [(line["step"], line[name]) for line in log if isinstance(line.get(name), int | float)]
    return Series(label, [float(step) for step, _ in points], [float(value) for _, value in points])


def lines_svg(series: Sequence[Series], title: str) -> str:
    """Lines over the steps of a training as SVG text."""
    from matplotlib.ticker import MaxNLocator

    def paint(axes: Axes) -> None:
        for number, line in enumerate(series):
            plot_line(axes, number, line.x, line.y)
        last = max(max(line.x) for line in series)
        first = min(min(line.x) for line in series)
        axes.set_xlim(first, max(last, first + 1))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("step")
        name_ends(axes, series)

    return render(paint, title.lower(), "training")


def groups_of(completions: Sequence[Mapping[str, Any]], pictures: Mapping[str, Picture]) -> tuple[RolloutGroup, ...]:
    """Some groups of the first, the middle and the last step of a file of rollouts (`completions.jsonl`).

    `pictures`: by the ids of the crops; a crop without one is shown by its id alone.
    """
    by_group: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for line in completions:
        by_group.setdefault((line["step"], line["pair"]), []).append(line)
    steps = sorted({step for step, _ in by_group})
    shown = sorted({steps[round(share * (len(steps) - 1) / 2)] for share in range(STEPS_SHOWN)} if steps else ())
    groups = []
    for step in shown:
        for own in [lines for (of, _), lines in by_group.items() if of == step][:GROUPS_SHOWN]:
            first = own[0]
            rollouts = tuple(
                Rollout(line["text"], line["answer"], line["probability"], line["reward"], line["advantage"])
                for line in own
            )
            images = pictures.get(first["a"]), pictures.get(first["b"])
            groups.append(RolloutGroup(step, first["a"], first["b"], bool(first["label"]), *images, rollouts))
    return tuple(groups)
