"""Write the tables of docs/performance.md from the benchmarks: the one command that regenerates them.

    python benchmarks/table.py                 run everything (about 10 minutes on two free cores), then write
    python benchmarks/table.py LINES.jsonl     write from lines that were printed before

With `PEER_DIR` set, peers are measured too. The lines behind the table are kept in benchmarks/results.jsonl.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
RESULTS = HERE / "results.jsonl"
SCRIPTS = {"ranking": "mAP, CMC and mINP", "k_reciprocal": "k-reciprocal re-ranking"}
BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"


def main(arguments: list[str]) -> None:
    """Measure or read, and replace what stands between the page's marks."""
    if arguments:
        lines = [json.loads(line) for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines() if line]
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


def run(script: str) -> list[dict[str, Any]]:
    """The lines of one benchmark, shown as they come."""
    found = []
    with subprocess.Popen([sys.executable, f"{script}.py"], cwd=HERE, stdout=subprocess.PIPE, text=True) as child:
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
    rows = ["| case | seconds | peak memory | remark |", "| --- | ---: | ---: | --- |"]
    for line in lines:
        seconds = f"{line['seconds']:.2f}" if "seconds" in line else "–"
        memory = f"{line['peak_gb']:.2f} GB" if "seconds" in line else "–"
        rows.append(f"| {line['case']} | {seconds} | {memory} | {remark(line)} |")
    last = lines[-1]
    rows.append(
        f"\nMeasured {last['date']} at commit {last['commit']} on {last['cores']} cores, BLAS threads "
        f"{last['blas_threads']}, load {max(line['load'] for line in lines)} at most, NumPy {last['numpy']}, "
        f"Python {last['python']}. Memory is the whole child process: interpreter, NumPy and input included."
    )
    return "\n".join(rows)


def remark(line: dict[str, Any]) -> str:
    """What else the line says."""
    words = []
    for key, text in (
        ("failed", "failed: {}"),
        ("skipped", "skipped: {}"),
        ("scaled_from_queries", "scaled from {} queries"),
        ("mAP", "mAP {}"),
        ("estimated_gb", "estimated {} GB beyond the features"),
        ("largest_difference", "largest difference to ours {:.1e}"),
    ):
        if key in line:
            words.append(text.format(line[key]))
    return ", ".join(words)


def commit() -> str:
    """Short hash of the repository's head."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    main(sys.argv[1:])
