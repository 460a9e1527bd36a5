"""Write docs/paper-table.md: the paper's figures, and beside them what runs of `reidr train RECIPE` have measured.

    python scripts/paper_table.py [RUN …]

Without a run folder, our cells stay empty: nothing of this size has been run by us yet.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reidr.report.trained.results_table import lines, markdown, measurements

PAGE = Path(__file__).resolve().parents[1] / "docs" / "paper-table.md"
HEAD = """# Beside the paper

What is known of the results of arXiv 2604.19218, and ours on the same data sets. An empty cell was not measured, or is
not known. The page is written by `python scripts/paper_table.py RUN`; RUN is the folder of a finished
`reidr train RECIPE`, which writes the same table to RUN/results.md.

The paper's figures are second-hand: its full text could not be had, only its abstract and the leaderboard page that is
named below. It does not say there which boxes of CUHK03, how many gallery pictures of PRCC, and which cameras of
VC-Clothes were used; nor is its retriever known. It reorders the first five candidates, so its mAP is mostly that of
the retriever. Compare a reasoner with the retriever and the oracle of its own row.

"""


def page(runs: Sequence[Path]) -> str:
    """The page's text."""
    return HEAD + markdown(lines([each for run in runs for each in measurements(run, run)]))


if __name__ == "__main__":
    PAGE.write_text(page([Path(word) for word in sys.argv[1:]]), encoding="utf-8")
    print(PAGE)
