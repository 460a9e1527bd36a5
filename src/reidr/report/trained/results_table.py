"""One table of results: the paper's figures as far as they are known to us, and ours where they were measured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidr.core.run import prepare_folder
from reidr.core.storage.files import write_text
from reidr.data.protocols.dataset_overlap import families_of
from reidr.errors import ReIDError
from reidr.report.build import now
from reidr.report.page import environment
from reidr.report.trained.training_page import TRAINING_PAGE

PAGE, TABLE = "results.html", "results.md"
TITLES = ("mAP", "Rank-1")


@dataclass(frozen=True)
class Published:
    """A row of the paper (arXiv 2604.19218): the data set's family, its title, and what is known, in percent.

    All figures are second-hand: the paper's leaderboard page at wizwand.com, since its full text could not be had.
    """

    family: str
    title: str
    mean_average_precision: float | None
    rank1: float | None


PAPER = (
    Published("Market-1501", "Market-1501", 92.5, None),
    Published("MSMT17", "MSMT17", 69.3, None),
    Published("CUHK03", "CUHK03 (boxes not said)", 85.6, None),
    Published("PRCC", "PRCC, clothes changed (shots not said)", None, 46.4),
    Published("VC-Clothes", "VC-Clothes (setting not said)", None, 90.2),
)
PAPER_SOURCE = "second-hand: the paper's page at wizwand.com/paper/69e85baa7d0172140ec80fdc"


@dataclass(frozen=True)
class Measured:
    """What a run measured on one data set: (mAP, Rank-1) in percent of each role; `page` is relative to the table."""

    data: str
    protocol: str
    run: str
    left_out: bool
    retriever: tuple[float, float] | None
    reasoner: tuple[float, float] | None
    oracle: tuple[float, float] | None
    page: str


@dataclass(frozen=True)
class Line:
    """One line of the table: a row of the paper, a measurement, or both."""

    title: str
    paper: Published | None
    measured: Measured | None


def write_results_table(runs: Sequence[Path], folder: Path) -> Path:
    """Write `results.md` and `results.html` from the run folders of `reidr train RECIPE`; returns the HTML file.

    Raises ReIDError where a run's numbers cannot be read, or the folder cannot be written.
    """
    prepare_folder(folder)
    measured = [each for run in runs for each in measurements(run, folder)]
    table = lines(measured)
    write_text(folder / TABLE, markdown(table))
    trainings = [
        (f"{path.parent.name} of {run.name}", relative(path, folder))
        for run in runs
        for path in sorted(run.glob(f"*/{TRAINING_PAGE}"))
    ]
    template = environment().get_template("results.html.j2")
    text = template.render(lines=table, trainings=trainings, created=now(), source=PAPER_SOURCE, cell=cell)
    write_text(folder / PAGE, text)
    return folder / PAGE


def measurements(run: Path, folder: Path) -> list[Measured]:
    """What a run has measured: `evaluation/NAME/metrics.json`, and of every data set that was left out likewise."""
    found = []
    for path in sorted(run.rglob("evaluation/*/metrics.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            rows = {row["role"]: values_of(row) for row in reversed(document["rows"])}
            protocol = str(document["protocol"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReIDError(f"{path}: not the numbers of an evaluation ({error}); run it again") from None
        name = path.parent.name
        of_run = path.parents[2]
        left_out = f"without-{name}" in of_run.parts
        page = relative(path.with_name("report.html"), folder)
        roles = (rows.get("retriever"), rows.get("reasoner"), rows.get("oracle"))
        found.append(Measured(name, protocol, of_run.name, left_out, *roles, page))
    return found


def values_of(row: Mapping[str, Any]) -> tuple[float, float]:
    """(mAP, Rank-1) of a row of metrics.json, in percent."""
    return 100 * float(row["mAP"]), 100 * float(row["rank1"])


def lines(measured: Sequence[Measured]) -> list[Line]:
    """The paper's rows with what was measured on the same data set, then measurements on other data."""
    table, used = [], set()
    for paper in PAPER:
        own = [each for each in measured if paper.family in families_of(each.data)]
        used |= {id(each) for each in own}
        table += [Line(paper.title, paper, each) for each in own] or [Line(paper.title, paper, None)]
    return table + [Line(each.data, None, each) for each in measured if id(each) not in used]


def markdown(table: Sequence[Line]) -> str:
    """The table as Markdown; a cell is empty where nothing is known or measured."""
    header = ["data set", "protocol", "paper mAP", "paper Rank-1", "run"]
    header += [f"{role} {metric}" for role in ("retriever", "reasoner", "oracle") for metric in TITLES]
    text = [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    for line in table:
        one = line.measured
        cells = [line.title, "" if one is None else one.protocol]
        known = (None, None) if line.paper is None else (line.paper.mean_average_precision, line.paper.rank1)
        cells += [cell(value) for value in known]
        cells.append("" if one is None else one.run + (", left out of training" if one.left_out else ""))
        for pair in (None, None, None) if one is None else (one.retriever, one.reasoner, one.oracle):
            cells += ["", ""] if pair is None else [cell(pair[0]), cell(pair[1])]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text) + f"\n\nPercentages. Paper: arXiv 2604.19218, {PAPER_SOURCE}.\n"


def cell(value: float | None) -> str:
    """A percentage with one digit; empty for what is not known."""
    return "" if value is None else f"{value:.1f}"


def relative(path: Path, folder: Path) -> str:
    """The path as a page in `folder` links it."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
