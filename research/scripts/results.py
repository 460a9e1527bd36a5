"""Write research/measurements/results.md: every number in it comes from this command, with date and commit.

The ablations of earlier recipes stand in research/ablations/earlier-ablations.md, written with the part `ablations`.

python research/scripts/results.py --data ../shared/data --plan       say what each part needs, and what is there
python research/scripts/results.py --data ../shared/data [--queries N]
python research/scripts/results.py --only ablations street      measure some parts anew, keep the others as they stand
python research/scripts/results.py --quick       a try in minutes: few queries, a small street; writes to runs/ alone
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ablation_tables import ablation_sections
from tables import mean, percent, test_of

REPOSITORY = Path(__file__).resolve().parents[2]
METRICS = (("mAP", "mAP"), ("rank1", "Rank-1"), ("rank5", "Rank-5"), ("rank10", "Rank-10"), ("mINP", "mINP"))


def evaluate(data: Path, *words: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "reidr.cli.main", "evaluate", str(data), "--json", str(out), *words]
        print("$ reidr", " ".join(command[3:]), flush=True)
        # Nothing remembered: seconds are those of a first run.
        subprocess.run(command, check=True, env={**os.environ, "REIDR_CACHE": str(Path(folder) / "cache")})
        return json.loads(out.read_text())


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


def cost_curve_lines(cost_curve: dict) -> list[str]:
    """What asking fewer pairs costs: the stored policy beside asking all, and the fewest calls that keep the gain."""
    if not cost_curve:
        return []
    fixed, (stored,) = cost_curve["first candidates"], cost_curve["stored policy"]
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
            for points in (fixed, cost_curve.get("in doubt only", []) + cost_curve["stored policy"])
        ]
        words = [f"{calls:.2f} pairs" if calls is not None else "not reached" for calls in cheap]
        lines.append(
            f"- asking, {title}: all {full['calls']:.1f} pairs per query gain {percent(gain)}; the stored policy asks "
            f"{stored['calls']:.2f} ({percent(stored['calls'] / full['calls'])} %) and keeps {percent(kept)} % of it; "
            f"95 % of it need the first {words[0]} of every query, or by policies {words[1]}"
        )
    return lines


PAIRS = "200"  # whose reasons are tested
QUICK_PAIRS, QUICK_QUERIES = "3", 5
ENOUGH = 20  # non-mated queries below which an error rate says nothing


def beside(result: dict) -> str:
    """The numbers that are no rows: share of oracle gain, calibration, open set."""
    lines = []
    for name, share in result.get("share_of_oracle_gain", {}).items():
        for metric, title in (("mAP", "mAP"), ("rank1", "Rank-1")):
            if share[metric] is not None:
                low, high = share[f"{metric}_interval"] or (float("nan"), float("nan"))
                lines.append(
                    f"- {name}: {percent(share[metric])} % of the oracle's {title} oracle gain captured "
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
    lines += cost_curve_lines(result.get("cost_curve", {}))
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
        # Of 30 searches for absent people one false alarm is 3 %: below that, only none at all can be asked for.
        told = {
            what if float(what.split()[-1]) * result["non_mated_queries"] >= 1 else "FNIR without a false alarm": value
            for what, value in errors.items()
        }
        text = ", ".join(f"{what} {percent(value)} %" for what, value in told.items())
        lines.append(f"- open set, {result['non_mated_queries']} non-mated queries, {name}: {text}")
    return "\n".join(lines) + "\n"


READ = ("answered", "probe", "majority")
READ_OF_THE_OTHERS = ("unsaid", "spoken", "probe_spoken")
SAME_PEOPLE = "probe_same_people"


def reading_table(readings: list) -> str:
    """Balanced accuracy per attribute, and their means."""
    from reidr.evaluation.explanations.attribute_recognition import interval_of

    others_of = READ_OF_THE_OTHERS if math.isnan(readings[0].probe_same_people) else (*READ_OF_THE_OTHERS, SAME_PEOPLE)
    titles = (
        "attribute", "values", "crops", "says", "linear probe", "always the commonest", "says - probe",
        "cannot be seen", "says, of the others", "probe, of the others", "probe taught on nano's people alone",
    )[: 7 + len(others_of)]  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " --- |" * (len(titles) - 1)]
    for each in readings:
        low, high = interval_of([each.gains])
        name = each.attribute.replace("_", " ")
        gain = f"<sub>{percent(low)} to {percent(high)}</sub>"
        shares, others = (" | ".join(percent(getattr(each, part)) for part in parts) for parts in (READ, others_of))
        lines.append(f"| {name} | {each.values} | {each.crops} | {shares} | {gain} | {others} |")
    shares, others = (
        " | ".join(f"**{percent(mean([getattr(each, part) for each in readings]))}**" for part in parts)
        for parts in (READ, others_of)
    )
    low, high = interval_of([each.gains for each in readings])
    gain = f"<sub>{percent(low)} to {percent(high)}</sub>"
    return "\n".join([*lines, f"| **mean** | | | {shares} | {gain} | {others} |"])


def reading_sections(data: Path, street: Path) -> list[str]:
    """What `nano` reads on people it never saw, beside a probe on the retriever's features; repainted garments."""
    from dataclasses import replace

    from reidr.core.progress import progress
    from reidr.data.attributes import common_attributes
    from reidr.data.join import join_training
    from reidr.data.load import load_dataset
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import street_crops
    from reidr.evaluation.explanations.attribute_recognition import measure_reading
    from reidr.evaluation.explanations.repaint import measure_repainting
    from reidr.reasoning.backends.reference import Reasoner
    from reidr.retrieval.embedders.retriever import Retriever

    def joined(crops: Iterable) -> list:
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
    market = data / "market1501"
    if market.is_dir():
        photos = load_dataset(market)
        training = joined(join_training([photos]))
        readings = measure_reading(reasoner, retriever, training, joined((*photos.query, *photos.gallery)), progress)
        note = (
            "The table of attributes is per person: a bag that a crop hides counts as an error of whoever does not "
            "guess it. The probe is taught on all described training people. The `nano` of 2026-11-27 was taught on "
            "409 of them; which is not recorded, so no probe can be taught on the same people."
        )
        sections.append(f"### Market-1501\n\n{note}\n\n{reading_table(readings)}\n")
    taught = joined(street_crops(StreetSettings(seed=77, train_people=150, crops_per_camera=1), "train"))
    drawn = load_dataset(street)
    crops = joined([crop for crop in (*drawn.query, *drawn.gallery) if crop.person])
    readings = measure_reading(reasoner, retriever, taught, crops, progress)
    sections.append(f"### The rendered street, seed 11\n\n{reading_table(readings)}\n")
    lines = [
        "| repainted | crops | | said of it: changed | right before and after | all else kept |",
        "| --- |" + " --- |" * 5,
    ]
    for each in measure_repainting(reasoner, progress):
        garment = each.garment.replace("_color", "") + ("" if each.worn == "all" else f", {each.worn}")
        lines.append(
            f"| {garment} | {each.crops} | {each.how} | {percent(each.moved)} | {percent(each.right)} | "
            f"{percent(each.kept)} |"
        )
    words = (
        "One garment of a drawn person gets another colour; person, pose, camera and noise stay. What is said "
        "of it must change, and nothing else: when asked about each attribute, and in a free description. In percent."
        " Tops also by how they are worn: in the open (of one colour; with stripes, checks or two tones, a third "
        "of it or more in a second colour), or under an open jacket that leaves a strip of them."
    )
    sections.append(f"### Repainted\n\n{words}\n\n" + "\n".join(lines) + "\n")
    return sections


def people_sections() -> list[str]:
    """How reading grows with the people described, where `research/scripts/reading_people.py` has measured it."""
    path = REPOSITORY / "research" / "attribute-probe" / "reading-people.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    numbers = list(next(iter(found["read"].values())))
    lines = [f"| probe on | {' | '.join(numbers)} people |", "| --- |" + " --- |" * len(numbers)]
    for title, own in found["read"].items():
        cells = [
            f"{100 * statistics.mean(own[number]):.1f} ± {100 * statistics.stdev(own[number]):.1f}"
            if len(own[number]) > 1
            else f"{100 * own[number][0]:.1f}"
            for number in numbers
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    held_out = found["held_out"]
    words = (
        "Linear probes taught on more and more described training people, asked about photos of people that neither "
        f"model has seen ({held_out['crops']} crops of {held_out['people']} held-out training people): mean balanced "
        f"accuracy of seven attributes in percent, {found['draws']} drawings of the people, ± their standard "
        "deviation. The features themselves were taught on all of these people (identity; the vision encoder also on the "
        "attributes of most): only the probes have fewer. Written by `research/scripts/reading_people.py`."
    )
    picture = "![Held-out photos read, by the number of described people](../attribute-probe/reading-people.png)"
    return [f"## What would read photos better\n\n{words}\n\n" + "\n".join(lines) + f"\n\n{picture}\n"]


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


def pair_verification_section() -> list[str]:
    """Single reasoners' judgement, where `research/scripts/judging.py` has measured it (research/pair-verification/judging.json)."""
    path = REPOSITORY / "research" / "pair-verification" / "judging.json"
    if not path.is_file():
        return []
    known = json.loads(path.read_text(encoding="utf-8"))
    made = known.pop("made", {})
    titles = (
        "reasoner", "score", "AUC alone", "AUC fused (distance alone)", "gain", "weight", "Rank-1 (retriever)", "gain",
        "mAP@10 gain", "oracle_gain", "parsable", "distinct",
    )  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " --- |" * (len(titles) - 1)]
    for name, kinds in known.items():
        for kind in ("direct", "thinking"):
            if kind in kinds:
                lines.append("| " + " | ".join([name, kind, *judged(kinds[kind])]) + " |")
    pairs = f"{made.get('pairs', 6580):,} pairs of people that neither model has seen"
    words = (
        f"The shipped retriever's cross-camera first ten of {test_of(made)}, {pairs}; both orders averaged; AUC: area "
        "under the ROC curve over pairs. Fusion weights by mAP on held-out training identities. Gains with 95 % "
        f"bootstrap intervals over {made.get('drawn_over', 'queries')}; Rank-1, mAP, oracle gain in percent. The "
        "*answer-only fit* is a check and no stage of the method: 60 steps on the answer word from the base of "
        "then, to see whether it carries identity; its seeds differ in the pairs drawn. Written by scripts/judging.py "
        f"at commit `{made.get('commit')}`."
    )
    return [f"## How nano judges\n\n{words}\n\n" + "\n".join(lines) + "\n"]


def photo_sections(arguments: argparse.Namespace) -> list[str]:
    """Market-1501, official: every row, its reasons tested, and the open set."""
    market = arguments.data / "market1501"
    if not market.is_dir():
        return [f"## Market-1501\n\nNot measured: {market} is absent.\n"]
    if arguments.official:
        result = json.loads(arguments.official.read_text(encoding="utf-8"))
    else:
        result = evaluate(market, "--baseline", "--reasons", arguments.pairs, *arguments.sample)
    words = (
        "The official test: single query, all of the gallery but junk. Looked at once, for what ships, at commit "
        f"{result['provenance'].get('commit', 'unknown')}. "
        "`reidr evaluate ../shared/data/market1501 --baseline --reasons 200`"
    )
    sections = [section("Market-1501", words, result), reasons_section(result["reasons"])]
    result = evaluate(market, "--protocol", "open-set", *arguments.sample)
    words = (
        "Half of the query persons are taken out of the gallery by seed. Thresholds come from held-out training "
        "identities. `reidr evaluate ../shared/data/market1501 --protocol open-set`"
    )
    return [*sections, section("Market-1501, open set", words, result)]


HELD_OUT = {"market1501": "Market-1501", "cuhk03-np-train": "CUHK03-NP (detected)"}


def held_out_sections(arguments: argparse.Namespace) -> list[str]:
    """The training identities that the shipped models held out, of each photo set: what everything is chosen on."""
    sections = []
    for folder, name in HELD_OUT.items():
        if not (arguments.data / folder).is_dir():
            continue
        result = evaluate(arguments.data / folder, "--baseline", "--held-out", *arguments.sample)
        words = (
            f"The training identities of {name} that the shipped retriever held out; fusion weight and thresholds were "
            "chosen on such people, so it is no test, nor the official split. "
            f"`reidr evaluate ../shared/data/{folder} --held-out --baseline`"
        )
        sections.append(section(f"{name}, held-out training identities", words, result))
    return sections


def street_sections(arguments: argparse.Namespace) -> list[str]:
    """The rendered street, by `nano`."""
    result = evaluate(arguments.street, "--baseline", "--reasons", arguments.pairs)
    words = (
        "100 drawn people, seed 11, never trained on. The colour histogram is the baseline that must not solve it; "
        "the retriever has seen photos only."
    )
    return [section("The rendered street", words, result), reasons_section(result["reasons"])]


def nano_street_sections(arguments: argparse.Namespace) -> list[str]:
    """Drawn and photographed people by the reasoner that has seen no photo."""
    words = (
        "`nano-street` has seen no photo of a re-identification data set. Beside the same retriever, which has: "
        "`--reasoner nano-street`, its weight for streets."
    )
    weight = "1"  # the best on another street, as its tuning_log.json says
    result = evaluate(arguments.street, "--reasoner", "nano-street", "--weight", weight, "--reasons", arguments.pairs)
    sections = [section("The rendered street, by nano-street", words, result), reasons_section(result["reasons"])]
    market = arguments.data / "market1501"
    if market.is_dir():
        result = evaluate(market, "--held-out", "--reasoner", "nano-street", "--weight", weight, *arguments.sample)
        words = (
            "Street to photos: what a reasoner that knows drawn people only is worth on real ones, by the weight "
            "that is best on streets. By itself it gives photos the weight 0, so test people are not looked at."
        )
        sections.append(section("Market-1501, held-out training identities, by nano-street", words, result))
    return sections


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Attributes:
        measure: writes its sections. folders: of `--data`, without which less is measured. files: of research/, likewise.
        minutes: on two cores, about.
    """

    measure: Callable[[argparse.Namespace], list[str]]
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    minutes: int = 1


PARTS = {
    "photos": Part(photo_sections, ("market1501",), minutes=30),
    "held-out": Part(held_out_sections, tuple(HELD_OUT), minutes=10),
    "street": Part(street_sections, minutes=5),
    "nano-street": Part(nano_street_sections, ("market1501",), minutes=10),
    "ablations": Part(
        lambda arguments: [*pair_verification_section(), *ablation_sections(keep_earlier=not arguments.quick)],
        files=("pair-verification/judging.json", "ablations/ablations.json"),
    ),
    "reading": Part(lambda arguments: reading_sections(arguments.data, arguments.street), ("market1501",), minutes=10),
    "described-people": Part(lambda _: people_sections(), files=("attribute-probe/reading-people.json",)),
}
SLOW = ("reading",)  # left out of a quick try unless --only names them


def plan(names: Iterable[str], data: Path, out: Path) -> str:
    """What each part needs, whether it is there, and how long it takes."""
    lines = [f"writes {out}"]
    for name in names:
        part = PARTS[name]
        needed = [*(data / folder for folder in part.folders), *(REPOSITORY / "research" / file for file in part.files)]
        states = [f"{path} ({'there' if path.exists() else 'absent: that is left out'})" for path in needed]
        lines.append(f"{name}: about {part.minutes} min; needs {', '.join(states) or 'nothing but the package'}")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of the photo data sets"
    )
    parser.add_argument("--street", type=Path, help="where to render the street (default: runs/results-street)")
    parser.add_argument("--queries", type=int, help="sample of queries for the photo rows (default: all)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="measure these parts anew, keep the others")
    parser.add_argument(
        "--official",
        type=Path,
        metavar="FILE",
        help="what `reidr evaluate --json` wrote of Market-1501's official test",
    )
    parser.add_argument("--plan", action="store_true", help="only say what each part needs and how long it takes")
    parser.add_argument(
        "--quick", action="store_true", help="few queries and a small street; nothing is kept of a page"
    )
    parser.add_argument("--out", type=Path, help="page to write (default: research/measurements/results.md)")
    arguments = parser.parse_args()
    kept, quick = REPOSITORY / "research" / "measurements" / "results.md", REPOSITORY / "runs" / "results-quick.md"
    arguments.out = arguments.out or (quick if arguments.quick else kept)
    street = "results-quick-street" if arguments.quick else "results-street"
    arguments.street = arguments.street or REPOSITORY / "runs" / street
    arguments.pairs = QUICK_PAIRS if arguments.quick else PAIRS
    queries = arguments.queries or (QUICK_QUERIES if arguments.quick else None)
    arguments.sample = ("--queries", str(queries)) if queries else ()
    return arguments


def main() -> None:
    arguments = options()
    chosen = arguments.only or [name for name in PARTS if not (arguments.quick and name in SLOW)]
    print(plan(chosen, arguments.data, arguments.out), flush=True)
    if arguments.plan:
        return
    known = {}
    if arguments.only and not arguments.quick:
        known = kept_parts(arguments.out.read_text(encoding="utf-8"))
        missing = [name for name in PARTS if name not in known and name not in chosen]
        if missing:
            raise SystemExit(f"{arguments.out} has no part {missing[0]} to keep; leave --only out")
    from reidr.core.run import environment
    from reidr.data.synthetic.settings import StreetSettings
    from reidr.data.synthetic.street import render_street

    size = (6, 20, 4) if arguments.quick else (100, 400, 60)
    people, distractors, junk = size
    render_street(arguments.street, StreetSettings(seed=11, test_people=people, distractors=distractors, junk=junk))
    facts = environment()
    made = f"{date.today().isoformat()} at commit {facts.get('commit', 'unknown')}"
    parts = []
    for name, part in PARTS.items():
        if name in chosen:
            text = f"<!-- part {name} -->\n\n*Measured {made}.*\n\n" + "\n".join(part.measure(arguments))
            parts.append(text.rstrip() + "\n")
        elif name in known:
            parts.append(known[name].rstrip() + "\n")
    head = (
        "# Results\n\n"
        f"Written by `make results` with torch {facts['packages']['torch']} on {facts['platform']}; each part says "
        "when it was measured. Photos: Zheng et al. 2015 (Market-1501), Li et al. 2014 and Zhong et al. 2017 "
        "(CUHK03-NP), research use only.\n"
    )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join([head, *parts]), encoding="utf-8")
    print(f"wrote {arguments.out}")


def kept_parts(page: str) -> dict[str, str]:
    """The parts of an earlier page, by name, with the comments that say when they were made."""
    _, *found = page.split("<!-- part ")
    return {text.partition(" ")[0]: "<!-- part " + text for text in found}


if __name__ == "__main__":
    main()
