"""Write docs/results.md, one table per question, and docs/results.csv from research/measurements/results.md."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "research" / "measurements" / "results.md"
ATTRIBUTES = SOURCE.with_name("attributes.json")
PAGE, DETAILS = REPOSITORY / "docs" / "results.md", REPOSITORY / "docs" / "results.csv"
NAMES = {
    "baseline histogram": "colour histogram",
    "k-reciprocal, then reasoner nano": "k-reciprocal, then reasoner",
}
TESTS = (
    "Readable answers",
    "Order flips",
    "Text supports verdict",
    "Verdict predicted from text alone",
    "Edited claims followed",
    "True claims",
    "Stated differences that are none",
    "Consistent claims",
    "True if consistent",
)
QUESTIONS = (
    (
        "Does the reasoner rank better on the official test of Market-1501?",
        "Market-1501",
        "single query, 15,913 crops; no model was trained on these people, who were looked at once",
    ),
    (
        "And where half of the people are absent?",
        "Market-1501, open set",
        "half of the query persons taken out of the gallery",
    ),
    (
        "On people of Market-1501 that were held out of training?",
        "Market-1501, held-out training identities",
        "held-out training identities; fusion was tuned on such people",
    ),
    (
        "On the second photo set?",
        "CUHK03-NP (detected), held-out training identities",
        "held-out training identities; fusion was tuned on such people",
    ),
    ("On drawn people?", "The rendered street", "a street that no model was trained on"),
    ("With a reasoner that saw drawn people only?", "The rendered street, by nano-street", "reasoner `nano-street`"),
    (
        "Does that reasoner carry over to photos?",
        "Market-1501, held-out training identities, by nano-street",
        "held-out training identities, reasoner `nano-street`",
    ),
)
REASONS = (
    ("Are the reasons true, on photos?", "Market-1501"),
    ("Are the reasons true, on drawn people?", "The rendered street"),
)
OURS = ("retriever", "CSLS", "k-reciprocal", "reasoner, fitted", "reasoner, adaptive", "oracle@10")


PUBLISHED = (
    ("OSNet x0.25", "75.0", "91.2", "Zhou et al., ICCV 2019 (torchreid)"),
    ("OSNet x1.0", "82.6", "94.2", "Zhou et al., ICCV 2019 (torchreid)"),
    ("OSNet x1.0, trained on MSMT17 alone", "37.5", "66.6", "Zhou et al., ICCV 2019 (torchreid)"),
    ("PersonViT-B", "95.0", "97.6", "its authors, 2024"),
    ("ReID-R, Qwen2.5-VL-7B", "92.5", "", "arXiv 2604.19218, second-hand"),
)
SETS = {
    "market1501, official test queries": "Market-1501, ten attributes, official test queries",
    "market1501, held-out persons": "Market-1501, held-out training persons",
    "peta, held-out persons": "PETA, held-out persons",
    "drawn strangers": "drawn people, a street of strangers",
}


def published_lines(official: str) -> list[str]:
    """Market-1501's official test beside published results."""
    lines = [
        "## And beside published results?",
        "",
        "Market-1501's official test. The retriever `lite` was trained on 665 of the 751 training identities, on two",
        "CPU cores. Published rows are quoted.",
        "",
        "| row | mAP | Rank-1 | source |",
        "| --- | --- | --- | --- |",
    ]
    for row in cells_of(official, 9):
        if renamed(row[0]) in OURS:
            mean, first = (re.sub(r"<sub>(.*?)</sub>", r"(\1)", value) for value in row[1:3])
            lines.append(f"| {renamed(row[0])} | {mean} | {first} | measured here |")
    lines += [f"| {name} | {first} | {second} | {source} |" for name, first, second, source in PUBLISHED]
    return [*lines, ""]


def attribute_lines() -> list[str]:
    """What the retriever `attributes` recognises, and what people's sentences find by it."""
    found = json.loads(ATTRIBUTES.read_text(encoding="utf-8"))
    lines = [
        "## What does `attributes` recognise of people it never saw?",
        "",
        "Mean balanced accuracy; 50 is chance for a value that is there or not.",
        "`python research/attributes/measure.py` measures it.",
        "",
        "| people | values | balanced accuracy | calibration error of the probabilities |",
        "| --- | --- | --- | --- |",
    ]
    for name, label in SETS.items():
        if name in found:
            own = found[name]
            low, high = own["interval"]
            values = own.get("values", 10)
            error = f"{own['calibration error']:.1f}" if "calibration error" in own else ""
            lines.append(f"| {label} | {values} | {own['mean']:.1f} ({low:.1f}–{high:.1f}) | {error} |")
    lines += [
        "",
        "## Do people's own sentences find their person?",
        "",
        "Sentences that people wrote about held-out training persons, searched among all of these persons' crops",
        "(`find --wearing`).",
        "The second row of each set compares the colours that a sentence names with the crop's pixels.",
        "",
        "| sentences | searched by | Rank-1 | Rank-5 | mAP |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, own in found.items():
        if name.startswith("sentences"):
            label = name.removeprefix("sentences, ")
            label += f": {own['sentences']} about {own['people']} people, {own['crops']} crops"
            for kind in ("attributes", "colour histogram"):
                cells = [
                    f"{v[0]:.1f} ({v[1]:.1f}–{v[2]:.1f})" for v in (own[kind][k] for k in ("Rank-1", "Rank-5", "mAP"))
                ]
                lines.append(f"| {label} | {kind} | {' | '.join(cells)} |")
    return [*lines, ""]


def section(page: str, title: str) -> str:
    """The text under the heading `title`, up to the next heading of its level."""
    return re.split(r"^## ", page.split(f"\n## {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def cells_of(text: str, columns: int) -> list[list[str]]:
    """The rows of the first table with `columns` columns."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return [
        row for row in rows if len(row) == columns and not row[0].startswith("---") and row[0] not in ("row", "test")
    ]


def renamed(row: str) -> str:
    """The name of a row as the tables of today have it."""
    if row in NAMES:
        return NAMES[row]
    kind = re.fullmatch(r"reasoner nano(?:-street)?(.*)", row)
    if kind:
        return f"reasoner, {kind[1].strip(' ,') or 'weighted'}"
    return row.replace("retriever lite", "retriever")


def main() -> None:
    """Write both files."""
    source = SOURCE.read_text(encoding="utf-8")
    lines = [
        "# Results",
        "",
        "All values are percentages. Brackets hold 95 % bootstrap intervals over persons.",
        "Everything was chosen on training identities, on two CPU cores; test people were looked at once.",
        "",
        "Rank-5, Rank-10, mINP, calls and seconds stand in [results.csv](results.csv). The page is written by",
        "`python scripts/result_tables.py`. The measurements in full, ablations and failed experiments are kept in the",
        "folder `research/` of the repository.",
        "",
    ]
    details = [["question", "row", "mAP", "Rank-1", "Rank-5", "Rank-10", "mINP", "calls", "seconds"]]
    for question, title, remark in QUESTIONS:
        (queries,) = re.findall(r"^Protocol `[^`]*`, (\d+ queries)", section(source, title), re.M)
        lines += [f"## {question}", "", f"{title.split(',')[0]}, {queries}: {remark}.", ""]
        lines += ["| row | mAP | Rank-1 |", "| --- | --- | --- |"]
        for row in cells_of(section(source, title).split("### ")[0], 9):
            values = [re.sub(r"<sub>(.*?)</sub>", r"(\1)", value) for value in row[1:3]]
            lines.append(f"| {renamed(row[0])} | {values[0]} | {values[1]} |")
            details.append([title, renamed(row[0]), *values, *row[3:8]])
        lines.append("")
    for question, title in REASONS:
        lines += [f"## {question}", "", "| test | value | 95 % interval |", "| --- | --- | --- |"]
        for row in cells_of(section(source, title).split("### Its reasons, tested")[1], 4):
            name = row[0]
            if name in TESTS:
                lines.append(f"| {name} | {row[1]} | {row[2]} |")
            if name == "Text supports verdict":
                chance = re.match(r"[\d.]+ %", row[3])
                assert chance is not None
                lines.append(f"| … by chance | {chance[0]} | |")
            if name == "True if consistent":
                others = re.search(r"of the others: ([\d.]+ %) \(([^;]*);", row[3])
                assert others is not None
                lines.append(f"| True if inconsistent | {others[1]} | {others[2]} |")
        lines.append("")
    lines += [
        "## How well does nano recognise attributes?",
        "",
        "Balanced accuracy over seven (photos) and twelve (drawn) attributes of people that no model was trained on.",
        "",
        "| people | nano | linear probe | most frequent value |",
        "| --- | --- | --- | --- |",
    ]
    for label, start in (("photos", "### Market-1501\n"), ("drawn", "### The rendered street, seed 11\n")):
        text = section(source, "What nano reads").split(start)[1]
        mean = re.search(
            r"^\| \*\*mean\*\* \| \| \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\*", text, re.M
        )
        assert mean is not None
        lines.append(f"| {label} | {mean[1]} | {mean[2]} | {mean[3]} |")
    lines += ["", *published_lines(section(source, "Market-1501").split("### ")[0]), *attribute_lines()]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    with DETAILS.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(details)


if __name__ == "__main__":
    main()
