"""Write the tables of docs/performance.md from the benchmarks: the one command that regenerates them.

    python benchmarks/table.py                 run everything (about 10 minutes on two free cores), then write
    python benchmarks/table.py LINES.jsonl     write from lines that were printed before
    python benchmarks/table.py msmt17/ours …   run these cases again, keep all other rows

With `PEER_DIR` set, peers are measured too. The lines behind the table are kept in benchmarks/results.jsonl.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
RESULTS = HERE / "results.jsonl"
SCRIPTS = {"ranking": "mAP, CMC and mINP", "k_reciprocal": "k-reciprocal re-ranking", "embedding": "embedding"}
BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"


def main(arguments: list[str]) -> None:
    """Measure or read, and replace what stands between the page's marks."""
    if arguments and not arguments[0].endswith(".jsonl"):
        script = "embedding" if arguments[0].split("/")[0] in ("lite", "own") else "ranking"
        lines = merged(read(RESULTS), run(script, arguments))
    elif arguments:
        lines = read(Path(arguments[0]))
    else:
        lines = [line for script in SCRIPTS for line in run(script)]
    RESULTS.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    for script in SCRIPTS:
        begin, end = BEGIN.format(script), END.format(script)
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        chosen = [line for line in lines if line["benchmark"] == script]
        page = f"{before}{begin}\n{table(chosen)}\n{end}{after}"
    PAGE.write_text(page, encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Lines that were kept."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The old lines, with those of the same cases replaced; a new case stands behind the last of its size."""
    lines = list(old)
    for line in new:
        places = {each["case"]: place for place, each in enumerate(lines) if each["benchmark"] == line["benchmark"]}
        size = line["case"].split("/")[0]
        if line["case"] in places:
            lines[places[line["case"]]] = line
        else:
            lines.insert(
                max((p for case, p in places.items() if case.startswith(size)), default=len(lines) - 1) + 1, line
            )
    return lines


def run(script: str, cases: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The lines of one benchmark, or of some of its cases, shown as they come."""
    found = []
    command = [sys.executable, f"{script}.py", *cases]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for text in child.stdout:
            print(text, end="", flush=True)
            facts = {"benchmark": script, "date": date.today().isoformat(), "commit": commit()}
            found.append(facts | json.loads(text))
    if child.returncode:
        sys.exit(f"benchmarks/{script}.py ended with status {child.returncode}")
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: case, seconds, peak memory, remark; under it where and when."""
    if not lines:
        return "Not measured yet: run `python benchmarks/table.py`."
    rates = "crops_a_second" in lines[0]
    measures = ("crops a second", "times eager") if rates else ("seconds", "peak memory")
    rows = [f"| case | {measures[0]} | {measures[1]} | remark |", "| --- | ---: | ---: | --- |"]
    for line in lines:
        if rates:
            found = [f"{line[key]:g}" if key in line else "–" for key in ("crops_a_second", "times_eager")]
            rows.append(f"| {line['case']} | {found[0]} | {found[1]} | {remark(line)} |")
            continue
        seconds = f"{line['seconds']:.2f}" if "seconds" in line else "–"
        memory = f"{line['peak_gb']:.2f} GB" if "seconds" in line else "–"
        rows.append(f"| {line['case']} | {seconds} | {memory} | {remark(line)} |")
    last = lines[-1]
    places: dict[str, list[str]] = {}
    for line in lines:
        place = f"{line['date']} at commit {line['commit']}, BLAS threads {line['blas_threads']}"
        places.setdefault(place, []).append(line["case"])
    # The place of most rows stands first; rows measured elsewhere are named.
    main_place, *others = sorted(places, key=lambda place: -len(places[place]))
    where = main_place + "".join(f" ({', '.join(places[place])}: {place})" for place in others)
    rows.append(
        f"\nMeasured {where}; on {last['cores']} cores, load {max(line['load'] for line in lines)} at most, "
        f"NumPy {last['numpy']}, Python {last['python']}. "
        "Memory is the whole child process: interpreter, NumPy and input included."
    )
    return "\n".join(rows)


def remark(line: dict[str, Any]) -> str:
    """What else the line says."""
    words = []
    for key, text in (
        ("failed", "failed: {}"),
        ("first_seconds", "first call {:.2f} s"),
        ("skipped", "skipped: {}"),
        ("scaled_from_queries", "scaled from {} queries"),
        ("mAP", "mAP {}"),
        ("size", "{} pixels"),
        ("least_cosine", "least cosine with the reference {}"),
        ("estimated_gb", "estimated {} GB beyond the features"),
        ("largest_difference", "largest difference to ours {:.1e}"),
    ):
        if key in line:
            words.append(text.format(line[key]))
    return ", ".join(words)


def commit() -> str:
    """Short hash of the repository's head, and whether the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    main(sys.argv[1:])
