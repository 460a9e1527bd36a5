"""Market-1501's official test for a shipped retriever: rows and intervals into research/measurements/official.json.

    python research/scripts/official.py --data ../shared/data --retriever lite

Everything is chosen on training identities; this is looked at once for what ships.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "measurements" / "official.json"
KEPT = ("name", "role", "variant", "mAP", "rank1", "rank5", "rank10", "mINP", "intervals", "seconds", "queries")


def measured(data: Path, retriever: str, reasoner: str) -> dict[str, Any]:
    """One run of `reidr evaluate`, without the values of single queries."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        words = ["evaluate", str(data / "market1501"), "--retriever", retriever, "--reasoner", reasoner]
        words += ["--compare", "csls,k-reciprocal", "--json", str(path)]
        subprocess.run([sys.executable, "-m", "reidr.cli.main", *words], check=True)
        found = json.loads(path.read_text(encoding="utf-8"))
    rows = [{name: row[name] for name in KEPT} for row in found["rows"]]
    return {"rows": rows, "queries": found["queries"], "gallery": found["gallery"], "provenance": found["provenance"]}


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--data", type=Path, default=Path("../shared/data"))
    wanted.add_argument("--retriever", default="lite")
    wanted.add_argument("--reasoner", default="none")
    asked = wanted.parse_args()
    before = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    name = f"{asked.retriever}, {asked.reasoner}"
    before[name] = measured(asked.data, asked.retriever, asked.reasoner)
    OUT.write_text(json.dumps(before, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
