"""Write docs/results.md, one table per question, and docs/results.csv from research/measurements/results.md.

The measurements of 2026-11-27 on market1501-dev cannot be repeated: which people that split held was not recorded.
So their tables are taken over as they were written, under the names of today.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "research" / "measurements" / "results.md"
PAGE, DETAILS = REPOSITORY / "docs" / "results.md", REPOSITORY / "docs" / "results.csv"
NAMES = {
    "local scaling": "CSLS",
    "baseline histogram": "colour histogram",
    "direct": "weighted",
    ", whole list": "whole list",
    ", fitted": "fitted",
    "glance": "vision similarity",
    "k-reciprocal, then reasoner nano": "k-reciprocal, then reasoner",
}
TESTS = {
    "Readable answers": "Readable answers",
    "Order flips": "Order flips",
    "Words and verdict agree": "Text supports verdict",
    "Verdict told from the words alone": "Verdict predicted from text alone",
    "Claims that are true": "True claims",
    "Differences that are none": "Stated differences that are none",
    "Claims said again": "Consistent claims",
    "True where said again": "True if consistent",
}
QUESTIONS = (
    ("Does the reasoner rank better on photos?", "market1501-dev", "no model was trained on these people"),
    (
        "And where half of the people are absent?",
        "market1501-dev, open set",
        "half of the query persons taken out of the gallery",
    ),
    (
        "On the second photo set?",
        "CUHK03-NP, held-out training identities",
        "held-out training identities; fusion was tuned on them",
    ),
    ("On drawn people?", "The rendered street", "a street that no model was trained on"),
    ("With a reasoner that saw drawn people only?", "The rendered street, by nano-street", "reasoner `nano-street`"),
    (
        "Does that reasoner carry over to photos?",
        "market1501-dev, by nano-street",
        "reasoner `nano-street`. It does not carry over",
    ),
)
REASONS = (
    ("Are the reasons true, on photos?", "market1501-dev"),
    ("Are the reasons true, on drawn people?", "The rendered street"),
)


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
    kind = re.fullmatch(r"reasoner nano(?:-street)?(?: |)(.*)", row)
    if kind:
        return "reasoner, " + NAMES.get(kind[1].strip(), NAMES.get(kind[1], kind[1]))
    return row.replace("retriever nano", "retriever")


def main() -> None:
    """Write both files."""
    source = SOURCE.read_text(encoding="utf-8")
    lines = [
        "# Results",
        "",
        "All values are percentages. Brackets hold 95 % bootstrap intervals over persons.",
        "market1501-dev is an earlier split: 150 held-out training identities of Market-1501. Which people it held was",
        "not recorded, so these tables cannot be measured again. They were measured on 2026-11-27 on two CPU cores.",
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
            name = TESTS.get(row[0], row[0])
            if name in TESTS.values():
                lines.append(f"| {name} | {row[1]} | {row[2]} |")
            if name == "Text supports verdict":
                chance = re.match(r"[\d.]+ %", row[3])
                assert chance is not None
                lines.append(f"| … by chance | {chance[0]} | |")
            if name == "True if consistent":
                others = re.search(r"(?:said again|of the others): ([\d.]+ %) \(([^;]*);", row[3])
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
    for label, start in (("photos", "### market1501-dev\n"), ("drawn", "### The rendered street, seed 11\n")):
        text = section(source, "What nano reads").split(start)[1]
        mean = re.search(
            r"^\| \*\*mean\*\* \| \| \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\*", text, re.M
        )
        assert mean is not None
        lines.append(f"| {label} | {mean[1]} | {mean[2]} | {mean[3]} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with DETAILS.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(details)


if __name__ == "__main__":
    main()
