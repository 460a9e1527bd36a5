"""What `research/scripts/ablations.py` measured (research/ablations/ablations*.json), as sections of research/measurements/results.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tables import area, difference, lined, mean, over_seeds, percent, test_of

REPOSITORY = Path(__file__).resolve().parents[2]
ABLATIONS = {
    "ablations.json": (
        "What each part of the teaching gives",
        "From the base before the one that ships: the recipe as it was before reading was taught anew (research/lab.md, "
        "2026-11-27, later night). ",
    ),
    "ablations-2026-11-27.json": (
        "What each part gave from a base of a shorter second lesson",
        "Recipe `nano` with a second lesson of 200 steps for 500 (research/lab.md, 2026-11-26). ",
    ),
    "ablations-2026-11-26-values-first.json": (
        "What each part gave where a comparison named the values before it judged",
        "Recipe `nano`, but for its grammar (what each crop shows, then the judgement of the part) and a "
        "second lesson of 300 steps for 200; not what ships (research/lab.md). ",
    ),
    "ablations-2026-11-26.json": (
        "What each part gave with pairs of photos alone",
        "Recipe `nano` of 2026-11-26 with pairs of photos alone (`street: false`; not what ships, research/lab.md). ",
    ),
    "ablations-2026-11-25.json": (
        "What each part gave with an earlier recipe",
        "More variants, of the recipe until 2026-11-25: a base without a reader and with drawn twins, and a third of "
        "the pairs of drawn people. The rows without the calibration reward and without the cues reward lacked the "
        "truth reward as well (a fault of the script, found later). ",
    ),
}


def ablation_section(name: str) -> list[str]:
    """What each part of the teaching gives, as `research/scripts/ablations.py` measured it (one of research/ablations/ablations*.json)."""
    path, (title, opening) = REPOSITORY / "research" / "ablations" / name, ABLATIONS[name]
    if not path.is_file():
        return [f"## {title}\n\nNot measured with the recipe as it stands: run scripts/ablations.py.\n"]
    known = json.loads(path.read_text(encoding="utf-8"))
    base, levels = known["retriever"], known["levels"]
    made = known["made"]
    by_weight = (
        f"calibrated on held-out training identities (Platt) and fused by {made['weight']:g} of it for all of them "
        "(the best for their mean on those identities; the base by its own); *slope*: what calibration multiplies the "
        "log-odds by, above 1 for a reasoner that is too timid, below 1 for one that is too sure"
        if "weight" in made
        else "fused by a weight that was chosen for each model on held-out training identities: differences between "
        "variants are then mostly chances of that choice (research/lab.md, 2026-11-26)"
    )
    words = opening + (
        "Every variant from the same base; pairs sampled once, by the first warm-up; the direct score in both orders, "
        f"{by_weight}; first ten of the shipped retriever on {test_of(made)}. *Alone*: those ten in the order of the "
        "score by itself, without the distance. Mean over seeds, small: range over seeds. oracle gain: share of the "
        "oracle's Rank-1 gain. Gain over the retriever and differences: 95 % paired bootstrap intervals over "
        f"{made.get('drawn_over', 'queries')} of the mean over seeds, in percentage points, bold where the interval "
        "leaves 0 out; they know nothing of other seeds, and of so many one in twenty is bold by chance. Written by "
        f"scripts/ablations.py at commit `{made.get('commit')}`."
    )
    if "weight" in made:
        words += (
            " Reinforcement draws 480 pairs in every row, each with its rollouts: of 20.9 % of the thousand pairs that "
            "were rolled out each comes 2.3 times, of all of them 480 come once."
        )
        if "a fifth of all pairs, each once" in levels:
            words += " The 12,000 mined pairs are seen by *a fifth of all pairs* alone."
    if "rewards" in made:
        weights = ", ".join(f"{name} {weight:g}" for name, weight in made["rewards"].items() if weight)
        words += (
            f" Weights of the rewards: {weights}; twins of {percent(made['street_twins'])} % of the base's drawn crops."
        )
    rows = [["retriever", "", area(base["area"][0]), percent(base["rank1"][0]), "", percent(base["mAP"][0]), *[""] * 5]]
    for name, row in levels.items():
        rows.append(
            [
                name,
                str(len(row["seeds"])),
                over_seeds(row["area"], area),
                over_seeds(row["rank1"]),
                over_seeds(row["captured"]),
                over_seeds(row["mAP"]),
                difference(row["gain"]["first"]),
                difference(row["gain"]["precision"]),
                *(over_seeds(row[own]) if own in row else "" for own in ("own rank1", "own mAP")),
                over_seeds(row["slope"], lambda value: f"{value:.1f}") if "slope" in row else "",
            ]
        )
    titles = (
        *("reasoner", "seeds", "AUC fused", "Rank-1", "oracle_gain", "mAP@10", "Rank-1 gained", "mAP gained"),
        *("Rank-1 alone", "mAP@10 alone", "slope"),
    )
    sections = [f"## {title}\n\n{words}\n\n{lined(titles, rows)}"]
    for question, answers in known["questions"].items():
        rows = [
            [
                each["ours"],
                each["theirs"],
                each["score"],
                str(len(each["seeds"])),
                str(each["queries"]),
                *map(difference, (each["first"], each["precision"])),
            ]
            for each in answers
        ]
        if rows:
            columns = ("this", "against", "score", "seeds", "queries", "Rank-1", "mAP@10")
            sections.append(f"### {question}\n\n{lined(columns, rows)}")
    spoken = [*what_rollouts_become(known.get("rollouts", {})), *what_is_said(known.get("words", {}))]
    return [*sections, *carrying_over(base, levels), *thinking_or_not(levels, "weight" in made), *spoken]


def what_rollouts_become(rollouts: dict) -> list[str]:
    """The rollouts of every reinforcement, early and late."""
    if not rollouts:
        return []
    words = (
        "What the rollouts were like on the pairs they were drawn for, in the first → the last ten steps: right "
        "answers of pairs of one person and of two, answers that say yes, parsable ones (all in percent), a token's "
        "entropy, and the mean of two rewards, whether they were paid or not. Mean over seeds."
    )

    def early_and_late(runs: list[dict], name: str, show: Callable[[float], str]) -> str:
        return " → ".join(show(mean([each[name][place] for each in runs])) for place in (0, 1))

    rows = [
        [
            name,
            str(len(runs)),
            *(
                early_and_late(runs, part, percent)
                for part in ("accuracy_same", "accuracy_different", "said_yes", "parsable")
            ),
            *(
                early_and_late(runs, part, lambda value: f"{value:.2f}")
                for part in ("entropy", "reward_cues", "reward_truth")
            ),
        ]
        for name, runs in rollouts.items()
    ]
    titles = (
        "reasoner",
        "seeds",
        "right, one person",
        "right, two",
        "says yes",
        "parsable",
        "entropy",
        "cues",
        "truth",
    )
    return [f"### What do the rollouts become?\n\n{words}\n\n{lined(titles, rows)}"]


def what_is_said(words: dict) -> list[str]:
    """The words of every variant's rationales about the same pairs, by scene (`research/scripts/rationales.py`)."""
    if not words:
        return []
    scenes = ", ".join(
        f"{each['pairs']} of {'photos' if scene == 'photos' else 'drawn people'} ({each['people']} queries' people)"
        for scene, each in words.items()
    )
    intro = (
        f"Greedy rationales about the same held-out pairs: {scenes}. *Right*: the answer after it. *Supported*: its "
        "words support that answer, by the rule at the time of the measurement. *True*: of the claims that can be tested against known attributes. *Differences*: "
        "named in ten rationales; *of them none*: with one and the same value on both sides. *Said twice*: rationales "
        "that claim something of one region twice. In percent; mean over seeds, small: range over seeds."
    )
    sections = [f"### What do the words say?\n\n{intro}\n"]
    titles = ("right", "supported", "true", "differences", "of them none", "said twice")
    for scene, each in words.items():
        rows = [
            [
                name,
                str(len(shares["right"])),
                *(
                    over_seeds(
                        shares[stored_as(title, shares)],
                        (lambda value: f"{10 * value:.1f}") if title == "differences" else percent,
                    )
                    for title in titles
                ),
            ]
            for name, shares in each["levels"].items()
        ]
        sections.append(f"#### {scene.capitalize()}\n\n{lined(('reasoner', 'seeds', *titles), rows)}")
        rows = [
            [
                gap["ours"],
                gap["theirs"],
                *(
                    difference(
                        [value / 10 for value in gap[title]] if title == "differences" else gap[stored_as(title, gap)]
                    )
                    for title in titles
                ),
            ]
            for gap in each["gaps"]
        ]
        if rows:
            note = "Differences between variants, 95 % paired bootstrap intervals over persons of the mean over seeds."
            sections.append(f"{note}\n\n{lined(('this', 'against', *titles), rows)}")
    return sections


def stored_as(title: str, values: dict) -> str:
    """The name of a column in a stored measurement: the first edition called "supported" "borne out"."""
    return "borne out" if title == "supported" and title not in values else title


def ablation_sections(keep_earlier: bool = True) -> list[str]:
    """The ablations of the recipe as it stands; those of earlier ones go to a page of their own, with `keep_earlier`."""
    latest, *earlier = ABLATIONS
    head = (
        "# Ablations of earlier recipes\n\nKept because research/lab.md speaks of them; those of the recipe as it stands "
        "are in [results.md](results.md). Written by `make results`, newest first.\n"
    )
    page = "\n".join([head, *(text for name in earlier for text in ablation_section(name))])
    if keep_earlier:
        (REPOSITORY / "research" / "ablations" / "earlier-ablations.md").write_text(page, encoding="utf-8")
    last = "Ablations of earlier recipes: [earlier-ablations.md](../ablations/earlier-ablations.md).\n"
    return [*ablation_section(latest), last]


def carrying_over(base: dict, levels: dict) -> list[str]:
    """Areas of the score alone on each scene, by what pairs it was taught on."""
    scenes = [name for name in base if name.startswith("alone, ")]
    taught = {name: row for name, row in levels.items() if name.startswith(("base", "warm-up"))}
    if not any(name.startswith("warm-up, ") for name in taught):
        return []
    rows = [["distance of the retriever", area(base["area"][0]), *(area(base[scene][0]) for scene in scenes)]]
    for name, row in taught.items():
        rows.append([name, *(over_seeds(row[scene], area) for scene in ("alone", *scenes))])
    words = (
        "Areas under the ROC curve of the direct score alone, by the pairs that warmed it up. All of them see by the "
        "same eyes, which were taught on people of every scene: this is about the verdict, not about the eyes."
    )
    titles = ("reasoner", "Market-1501 test", *(scene.removeprefix("alone, ") for scene in scenes))
    return [f"### Does it carry to another scene?\n\n{words}\n\n{lined(titles, rows)}"]


def thinking_or_not(levels: dict, calibrated: bool) -> list[str]:
    """The score after a rationale beside the direct one, of the same weights on the same queries."""
    rows = []
    for name, row in levels.items():
        if "thinking alone" in row:
            queries = f"{min(row['thought queries']):.0f}"
            cells = [name, str(len(row["thinking alone"])), queries, over_seeds(row["parsable"])]
            for measure, show in (("alone", area), ("fused", area), ("rank1", percent), ("mAP", percent)):
                cells.append(" / ".join(over_seeds(row[f"{kind} {measure}"], show) for kind in ("thinking", "direct")))
            rows.append(cells)
    if not rows:
        return []
    fused = "calibrated and fused by what was fitted to" if calibrated else "fused by the weight that was chosen for"
    words = (
        "P(same) after a greedy rationale / without one: the same weights, the same queries (all, or some; those with "
        f"an unparsable answer left out), {fused} the direct score. The direct score is the mean of both orders, that "
        "after thinking of one (both are no better, research/lab.md)."
    )
    titles = ("reasoner", "seeds", "queries", "parsable", "AUC alone", "AUC fused", "Rank-1 fused", "mAP@10 fused")
    return [f"### Does thinking rank better than the direct score?\n\n{words}\n\n{lined(titles, rows)}"]
