"""Write docs/results.md: every number in it comes from this command, with date and commit.

The ablations of earlier recipes stand in docs/earlier-ablations.md, written with the part `ablations`.

python scripts/results.py --data ../shared/data [--queries N]
python scripts/results.py --only ablations street      measure some parts anew, keep the others as they stand
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
METRICS = (("mAP", "mAP"), ("rank1", "Rank-1"), ("rank5", "Rank-5"), ("rank10", "Rank-10"), ("mINP", "mINP"))


def evaluate(data: Path, *words: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "reidr.cli.main", "evaluate", str(data), "--json", str(out), *words]
        print("$ reidr", " ".join(command[3:]), flush=True)
        # Nothing remembered: seconds are those of a first run.
        subprocess.run(command, check=True, env={**os.environ, "REIDR_CACHE": str(Path(folder) / "cache")})
        return json.loads(out.read_text())


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def cell(row: dict, name: str) -> str:
    text = percent(row[name])
    if name in row.get("intervals", {}):
        low, high = row["intervals"][name]
        text += f" <sub>{percent(low)}–{percent(high)}</sub>"
    return text


def table(result: dict) -> str:
    lines = ["| row | " + " | ".join(title for _, title in METRICS) + " | calls | seconds | note |"]
    lines.append("| --- |" + " --- |" * (len(METRICS) + 3))
    for row in result["rows"]:
        values = " | ".join(cell(row, name) for name, _ in METRICS)
        lines.append(f"| {row['name']} | {values} | {row['calls']} | {row['seconds']:.1f} | {row.get('note', '')} |")
    return "\n".join(lines)


def section(title: str, words: str, result: dict) -> str:
    facts = (
        f"Protocol `{result['protocol']}`, {result['queries']} queries "
        f"({result['queries_without_match']} without a match, left out of the means), gallery of {result['gallery']}. "
        f"In percent; small: {result['interval']}."
    )
    return f"## {title}\n\n{words}\n\n{facts}\n\n{table(result)}\n\n{beside(result)}"


def reasons_section(tested: dict) -> str:
    """What the tests of the reasons found, as `reidr evaluate --reasons` gives it."""
    lines = ["| test | value | 95 % interval | beside it |", "| --- | --- | --- | --- |"]
    lines += [f"| {row['name']} | {row['value']} | {row['interval']} | {row['detail']} |" for row in tested["table"]]
    masks = "exact masks of the rendered regions" if tested["masks"] == "exact" else "bands of the crop"
    return (
        f"### Its reasons, tested\n\nPairs drawn by seed of the first ten of all queries; regions erased by {masks}; "
        f"attributes known {tested['attributes']}; intervals: bootstrap over persons.\n\n" + "\n".join(lines) + "\n"
    )


def spending_lines(spending: dict) -> list[str]:
    """What asking fewer pairs costs: the stored policy beside asking all, and the fewest calls that keep the gain."""
    if not spending:
        return []
    fixed, (stored,) = spending["first candidates"], spending["stored policy"]
    none, full = fixed[0], fixed[-1]
    lines = []
    for metric, title in (("mean_average_precision", "mAP"), ("rank1", "Rank-1")):
        gain = full[metric] - none[metric]
        if gain <= 0:
            lines.append(f"- asking: all {full['calls']:g} pairs per query gain nothing in {title}")
            continue
        kept = (stored[metric] - none[metric]) / gain
        wanted = none[metric] + 0.95 * gain
        cheap = [
            min((point["calls"] for point in points if point[metric] >= wanted - 1e-9), default=None)
            for points in (fixed, spending.get("in doubt only", []) + spending["stored policy"])
        ]
        words = [f"{calls:.2f} pairs" if calls is not None else "not reached" for calls in cheap]
        lines.append(
            f"- asking, {title}: all {full['calls']:.1f} pairs per query gain {percent(gain)}; the stored policy asks "
            f"{stored['calls']:.2f} ({percent(stored['calls'] / full['calls'])} %) and keeps {percent(kept)} % of it; "
            f"95 % of it need the first {words[0]} of every query, or by policies {words[1]}"
        )
    return lines


PAIRS = "200"  # whose reasons are tested
ENOUGH = 20  # non-mated queries below which an error rate says nothing


def beside(result: dict) -> str:
    """The numbers that are no rows: captured headroom, calibration, open set."""
    lines = []
    for name, share in result.get("captured_headroom", {}).items():
        for metric, title in (("mAP", "mAP"), ("rank1", "Rank-1")):
            if share[metric] is not None:
                low, high = share[f"{metric}_interval"] or (float("nan"), float("nan"))
                lines.append(
                    f"- {name}: {percent(share[metric])} % of the oracle's {title} headroom captured "
                    f"({percent(low)} to {percent(high)})"
                )
    if "expected_calibration_error" in result:
        text = f"- calibration error of the raw score (ECE): {result['expected_calibration_error']:.3f}"
        if "expected_calibration_error_calibrated" in result:
            after = result["expected_calibration_error_calibrated"]
            text += f"; calibrated on held-out training identities: {after:.3f}"
        lines.append(text)
    for name, area in result.get("pair_areas", {}).items():
        gain = f", {area['gain'][0]:+.3f} to {area['gain'][1]:+.3f} against the distance" if "gain" in area else ""
        lines.append(f"- area under the ROC curve over the scored pairs, {name}: {area['area']:.3f}{gain}")
    lines += spending_lines(result.get("spending", {}))
    if result.get("non_mated_queries", 0) < ENOUGH:
        return "\n".join(lines) + "\n"
    for wanted, errors in result.get("open_set_at_stored_thresholds", {}).items():
        lines.append(
            f"- retriever at the distance {errors['distance']:.3f}, chosen on held-out training identities for FPIR "
            f"{percent(float(wanted))} %: FPIR {percent(errors['FPIR'])} %, FNIR {percent(errors['FNIR'])} %"
        )
    for wanted, errors in result.get("open_set_as_decided", {}).items():
        lines.append(
            f"- decided for the reasoner: {errors['score']} at {errors['threshold']:.3f}, for FPIR "
            f"{percent(float(wanted))} %: FPIR {percent(errors['FPIR'])} %, FNIR {percent(errors['FNIR'])} %"
        )
    for name, errors in result.get("open_set", {}).items():
        text = ", ".join(f"{what} {percent(value)} %" for what, value in errors.items())
        lines.append(f"- open set, {result['non_mated_queries']} non-mated queries, {name}: {text}")
    return "\n".join(lines) + "\n"


READ = ("answered", "probe", "majority")
READ_OF_THE_OTHERS = ("unsaid", "spoken", "probe_spoken")


def reading_table(readings: list) -> str:
    """Balanced accuracy per attribute, and their means."""
    lines = [
        "| attribute | values | crops | says | linear probe | always the commonest | says - probe | cannot be seen | "
        "says, of the others | probe, of the others |",
        "| --- |" + " --- |" * 9,
    ]
    from reidr.evaluation.reading import interval_of

    for each in readings:
        low, high = interval_of([each.gains])
        name = each.attribute.replace("_", " ")
        gain = f"<sub>{percent(low)} to {percent(high)}</sub>"
        shares, others = (
            " | ".join(percent(getattr(each, part)) for part in parts) for parts in (READ, READ_OF_THE_OTHERS)
        )
        lines.append(f"| {name} | {each.values} | {each.crops} | {shares} | {gain} | {others} |")
    shares, others = (
        " | ".join(f"**{percent(mean([getattr(each, part) for each in readings]))}**" for part in parts)
        for parts in (READ, READ_OF_THE_OTHERS)
    )
    low, high = interval_of([each.gains for each in readings])
    gain = f"<sub>{percent(low)} to {percent(high)}</sub>"
    return "\n".join([*lines, f"| **mean** | | | {shares} | {gain} | {others} |"])


def reading_sections(data: Path, street: Path) -> list[str]:
    """What `nano` reads on people it never saw, beside a probe on the retriever's features; repainted garments."""
    from dataclasses import replace

    from reidr.data.attributes import common_attributes
    from reidr.data.load import load_dataset
    from reidr.data.street.settings import StreetSettings
    from reidr.data.street.street import street_crops
    from reidr.evaluation.reading import measure_reading
    from reidr.evaluation.repaint import measure_repainting
    from reidr.frame.progress import progress
    from reidr.reasoning.reasoner import Reasoner
    from reidr.retrieval.retriever import Retriever

    def joined(crops: tuple) -> list:
        return [replace(crop, attributes=common_attributes(crop.attributes)) for crop in crops if crop.attributes]

    reasoner, retriever = Reasoner.load(), Retriever.load()
    words = (
        "Balanced accuracy in percent on visible attributes of people that neither model was trained on: what `nano` "
        "answers when asked, a linear probe fitted on the retriever's features of the training people (decay chosen on "
        "held-out ones), and always the commonest value. *Cannot be seen*: said of so many of these crops, an error in "
        "the first column, where the probe must guess; beside it both on the other crops alone. Small: 95 % bootstrap "
        "interval of the difference, over persons."
    )
    sections = [f"## What nano reads\n\n{words}\n"]
    market = data / "market1501-dev"
    if market.is_dir():
        photos = load_dataset(market)
        readings = measure_reading(
            reasoner, retriever, joined(photos.train), joined((*photos.query, *photos.gallery)), progress
        )
        note = (
            "The table of attributes is per person: a bag that a crop hides counts as an error of whoever does not "
            "guess it."
        )
        sections.append(f"### market1501-dev\n\n{note}\n\n{reading_table(readings)}\n")
    taught = tuple(street_crops(StreetSettings(seed=77, train_people=150, crops_per_camera=1), "train"))
    drawn = load_dataset(street)
    crops = [crop for crop in (*drawn.query, *drawn.gallery) if crop.person and crop.attributes]
    readings = measure_reading(reasoner, retriever, taught, crops, progress)
    sections.append(f"### The rendered street, seed 11\n\n{reading_table(readings)}\n")
    lines = [
        "| repainted | crops | | said of it: changed | right before and after | all else kept |",
        "| --- |" + " --- |" * 5,
    ]
    for each in measure_repainting(reasoner, progress):
        garment = each.garment.replace("_color", "")
        lines.append(
            f"| {garment} | {each.crops} | {each.how} | {percent(each.moved)} | {percent(each.right)} | "
            f"{percent(each.kept)} |"
        )
    words = (
        "One garment of a drawn person gets another colour; person, pose, camera and noise stay. What is said "
        "of it must change, and nothing else: when asked about each attribute, and in a free description. In percent."
    )
    sections.append(f"### Repainted\n\n{words}\n\n" + "\n".join(lines) + "\n")
    return sections


def judged(each: dict) -> list[str]:
    """The cells of one reasoner and score."""

    def interval(values: list[float]) -> str:
        return f"<sub>{percent(values[0])} to {percent(values[1])}</sub>"

    before, after = each["rank1"]
    map_before, map_after = each["mean_average_precision"]
    low, high = each["gain"]
    return [
        f"{each['alone']:.3f}",
        f"{each['fused']:.3f} ({each['distance']:.3f})",
        f"{each['fused'] - each['distance']:+.3f} <sub>{low:+.3f} to {high:+.3f}</sub>",
        f"{each['weight']:g}",
        f"{percent(after)} ({percent(before)})",
        f"{percent(after - before)} {interval(each['rank1_gain'])}",
        f"{percent(map_after - map_before)} {interval(each['map_gain'])}",
        percent(each["captured"]),
        *(percent(each[key]) if key in each else "" for key in ("parsable", "distinct")),
    ]


def judging_section() -> list[str]:
    """Single reasoners' judgement, where `scripts/judging.py` has measured it (docs/judging.json)."""
    path = REPOSITORY / "docs" / "judging.json"
    if not path.is_file():
        return []
    known = json.loads(path.read_text(encoding="utf-8"))
    made = known.pop("made", {})
    titles = (
        "reasoner", "score", "AUC alone", "AUC fused (distance alone)", "gain", "weight", "Rank-1 (retriever)", "gain",
        "mAP@10 gain", "headroom", "parsable", "distinct",
    )  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " --- |" * (len(titles) - 1)]
    for name, kinds in known.items():
        for kind in ("direct", "thinking"):
            if kind in kinds:
                lines.append("| " + " | ".join([name, kind, *judged(kinds[kind])]) + " |")
    words = (
        "The shipped retriever's cross-camera first ten of market1501-dev, 6,580 pairs of people that neither model "
        "has seen; both orders averaged; AUC: area under the ROC curve over pairs. Fusion weights by mAP on held-out "
        "training identities. Gains with 95 % bootstrap intervals over "
        f"{made.get('drawn_over', 'queries')}; Rank-1, mAP, headroom in percent. The "
        "*answer-only fit* is a check and no stage of the method: 60 steps on the answer word from the base, to see "
        "whether the base carries identity; its seeds differ in the pairs drawn. Written by scripts/judging.py at "
        f"commit `{made.get('commit')}`."
    )
    return [f"## How nano judges\n\n{words}\n\n" + "\n".join(lines) + "\n"]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def over_seeds(values: list[float], show: Callable[[float], str] = percent) -> str:
    """Mean over seeds, and their range where there are several."""
    spread = f" <sub>{show(min(values))}–{show(max(values))}</sub>" if len(values) > 1 else ""
    return show(mean(values)) + spread


def area(value: float) -> str:
    return f"{value:.3f}"


def lined(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " --- |" * (len(titles) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def difference(value: list[float]) -> str:
    """A paired difference in percentage points, with its interval; bold where the interval leaves 0 out."""
    gain, low, high = value
    text = f"{100 * gain:+.1f} <sub>{100 * low:+.1f} to {100 * high:+.1f}</sub>"
    return f"**{text}**" if low > 0 or high < 0 else text


ABLATIONS = {
    "ablations.json": ("What each part of the teaching gives", ""),
    "ablations-2026-11-27.json": (
        "What each part gave from a base of a shorter second lesson",
        "Recipe `nano` as it stands, but for a second lesson of 200 steps for 500 (docs/lab.md, 2026-11-26). ",
    ),
    "ablations-2026-11-26-values-first.json": (
        "What each part gave where a comparison named the values before it judged",
        "Recipe `nano` as it stands, but for its grammar (what each crop shows, then the judgement of the part) and a "
        "second lesson of 300 steps for 200; not what ships (docs/lab.md). ",
    ),
    "ablations-2026-11-26.json": (
        "What each part gave with pairs of photos alone",
        "Recipe `nano` of 2026-11-26 with pairs of photos alone (`street: false`; not what ships, docs/lab.md). ",
    ),
    "ablations-2026-11-25.json": (
        "What each part gave with an earlier recipe",
        "More variants, of the recipe until 2026-11-25: a base without a reader and with drawn twins, and a third of "
        "the pairs of drawn people. The rows without the calibration reward and without the cues reward lacked the "
        "truth reward as well (a fault of the script, found later). ",
    ),
}


def ablation_section(name: str) -> list[str]:
    """What each part of the teaching gives, as `scripts/ablations.py` measured it (one of docs/ablations*.json)."""
    path, (title, opening) = REPOSITORY / "docs" / name, ABLATIONS[name]
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
        "variants are then mostly chances of that choice (docs/lab.md, 2026-11-26)"
    )
    words = opening + (
        "Every variant from the same base; pairs sampled once, by the first warm-up; the direct score in both orders, "
        f"{by_weight}; first ten of the shipped retriever on market1501-dev. *Alone*: those ten in the order of the "
        "score by itself, without the distance. Mean over seeds, small: range over seeds. Headroom: share of the "
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
        *("reasoner", "seeds", "AUC fused", "Rank-1", "headroom", "mAP@10", "Rank-1 gained", "mAP gained"),
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
            titles = ("this", "against", "score", "seeds", "queries", "Rank-1", "mAP@10")
            sections.append(f"### {question}\n\n{lined(titles, rows)}")
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
    """The words of every variant's rationales about the same pairs, by scene (`scripts/words.py`)."""
    if not words:
        return []
    scenes = ", ".join(
        f"{each['pairs']} of {'photos' if scene == 'photos' else 'drawn people'} ({each['people']} queries' people)"
        for scene, each in words.items()
    )
    intro = (
        f"Greedy rationales about the same held-out pairs: {scenes}. *Right*: the answer after it. *Borne out*: its "
        "words bear that answer out. *True*: of the claims that can be tested against known attributes. *Differences*: "
        "named in ten rationales; *of them none*: with one and the same value on both sides. *Said twice*: rationales "
        "that claim something of one region twice. In percent; mean over seeds, small: range over seeds."
    )
    sections = [f"### What do the words say?\n\n{intro}\n"]
    titles = ("right", "borne out", "true", "differences", "of them none", "said twice")
    for scene, each in words.items():
        rows = [
            [
                name,
                str(len(shares["right"])),
                *(
                    over_seeds(
                        shares[title], (lambda value: f"{10 * value:.1f}") if title == "differences" else percent
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
                    difference([value / 10 for value in gap[title]] if title == "differences" else gap[title])
                    for title in titles
                ),
            ]
            for gap in each["gaps"]
        ]
        if rows:
            note = "Differences between variants, 95 % paired bootstrap intervals over persons of the mean over seeds."
            sections.append(f"{note}\n\n{lined(('this', 'against', *titles), rows)}")
    return sections


def ablation_sections() -> list[str]:
    """The ablations of the recipe as it stands; those of earlier ones go to a page of their own."""
    latest, *earlier = ABLATIONS
    head = (
        "# Ablations of earlier recipes\n\nKept because docs/lab.md speaks of them; those of the recipe as it stands "
        "are in [results.md](results.md). Written by `make results`, newest first.\n"
    )
    page = "\n".join([head, *(text for name in earlier for text in ablation_section(name))])
    (REPOSITORY / "docs" / "earlier-ablations.md").write_text(page, encoding="utf-8")
    last = "Ablations of earlier recipes: [earlier-ablations.md](earlier-ablations.md).\n"
    return [*judging_section(), *ablation_section(latest), last]


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
    titles = ("reasoner", "market1501-dev test", *(scene.removeprefix("alone, ") for scene in scenes))
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
        "after thinking of one (both are no better, docs/lab.md)."
    )
    titles = ("reasoner", "seeds", "queries", "parsable", "AUC alone", "AUC fused", "Rank-1 fused", "mAP@10 fused")
    return [f"### Does thinking rank better than the direct score?\n\n{words}\n\n{lined(titles, rows)}"]


def photo_sections(arguments: argparse.Namespace) -> list[str]:
    """market1501-dev: every row, its reasons tested, and the open set."""
    market = arguments.data / "market1501-dev"
    if not market.is_dir():
        return [f"## market1501-dev\n\nNot measured: {market} is absent.\n"]
    result = evaluate(market, "--baseline", "--reasons", PAIRS, *arguments.sample)
    words = (
        "150 held-out *training* identities of Market-1501 (not the official test set). "
        "`reidr evaluate ../shared/data/market1501-dev --baseline`"
    )
    sections = [section("market1501-dev", words, result), reasons_section(result["reasons"])]
    result = evaluate(market, "--protocol", "open-set", *arguments.sample)
    words = (
        "Half of the query persons are taken out of the gallery by seed. Thresholds come from held-out training "
        "identities. `reidr evaluate ../shared/data/market1501-dev --protocol open-set`"
    )
    return [*sections, section("market1501-dev, open set", words, result)]


def held_out_sections(arguments: argparse.Namespace) -> list[str]:
    """CUHK03's held-out training identities."""
    cuhk03 = arguments.data / "cuhk03-np-train"
    if not cuhk03.is_dir():
        return []
    result = evaluate(cuhk03, "--baseline", "--held-out", *arguments.sample)
    words = (
        "The training identities of CUHK03-NP (detected) that the shipped retriever held out; fusion weight and "
        "thresholds were chosen on them, so it is no test. Two cameras, few people: not the official split. "
        "`reidr evaluate ../shared/data/cuhk03-np-train --held-out --baseline`"
    )
    return [section("CUHK03-NP, held-out training identities", words, result)]


def street_sections(arguments: argparse.Namespace) -> list[str]:
    """The rendered street, by `nano`."""
    result = evaluate(arguments.street, "--baseline", "--reasons", PAIRS)
    words = (
        "100 drawn people, seed 11, never trained on. The colour histogram is the baseline that must not solve it; "
        "the retriever has seen photos only."
    )
    return [section("The rendered street", words, result), reasons_section(result["reasons"])]


def nano_street_sections(arguments: argparse.Namespace) -> list[str]:
    """Drawn and photographed people by the reasoner that has seen no photo."""
    from reidr.reasoning.decision import stored_decision

    words = (
        "`nano-street` has seen no photo of a re-identification data set. Beside the same retriever, which has: "
        "`--reasoner nano-street`, its weight for streets."
    )
    weight = str(stored_decision("nano-street").street_weight)
    result = evaluate(arguments.street, "--reasoner", "nano-street", "--weight", weight, "--reasons", PAIRS)
    sections = [section("The rendered street, by nano-street", words, result), reasons_section(result["reasons"])]
    market = arguments.data / "market1501-dev"
    if market.is_dir():
        result = evaluate(market, "--reasoner", "nano-street", "--weight", weight, *arguments.sample)
        words = (
            "Street to photos: what a reasoner that knows drawn people only is worth on real ones, by the weight "
            "that is best on streets. By itself it gives photos the weight 0."
        )
        sections.append(section("market1501-dev, by nano-street", words, result))
    return sections


PARTS = {
    "photos": photo_sections,
    "held-out": held_out_sections,
    "street": street_sections,
    "nano-street": nano_street_sections,
    "ablations": lambda _: ablation_sections(),
    "reading": lambda arguments: reading_sections(arguments.data, arguments.street),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--street", type=Path, default=REPOSITORY / "runs" / "results-street")
    parser.add_argument("--queries", type=int, help="sample of queries for the photo rows (default: all)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="measure these parts anew, keep the others")
    arguments = parser.parse_args()
    from reidr.data.street.settings import StreetSettings
    from reidr.data.street.street import render_street
    from reidr.frame.run import environment

    arguments.sample = ("--queries", str(arguments.queries)) if arguments.queries else ()
    out = REPOSITORY / "docs" / "results.md"
    known = kept_parts(out.read_text(encoding="utf-8")) if arguments.only else {}
    missing = [name for name in PARTS if name not in known and name not in (arguments.only or PARTS)]
    if missing:
        raise SystemExit(f"{out} has no part {missing[0]} to keep; leave --only out")
    render_street(arguments.street, StreetSettings(seed=11, test_people=100, distractors=400, junk=60))
    facts = environment()
    made = f"{date.today().isoformat()} at commit {facts.get('commit', 'unknown')}"
    parts = []
    for name, measure in PARTS.items():
        if name in (arguments.only or PARTS):
            text = f"<!-- part {name} -->\n\n*Measured {made}.*\n\n" + "\n".join(measure(arguments))
        else:
            text = known[name]
        parts.append(text.rstrip() + "\n")
    head = (
        "# Results\n\n"
        f"Written by `make results` with torch {facts['packages']['torch']} on {facts['platform']}; each part says "
        "when it was measured. Photos: Zheng et al. 2015 (Market-1501), Li et al. 2014 and Zhong et al. 2017 "
        "(CUHK03-NP), research use only.\n"
    )
    out.write_text("\n".join([head, *parts]), encoding="utf-8")
    print(f"wrote {out}")


def kept_parts(page: str) -> dict[str, str]:
    """The parts of an earlier page, by name, with the comments that say when they were made."""
    _, *found = page.split("<!-- part ")
    return {text.partition(" ")[0]: "<!-- part " + text for text in found}


if __name__ == "__main__":
    main()
