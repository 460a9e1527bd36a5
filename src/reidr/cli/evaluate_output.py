"""What `reidr evaluate` writes: the page of a run folder, JSON, CSV, LaTeX, figures, and the test of the reasons."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reidr.data.types import ReIDDataset
    from reidr.evaluation.experiment.outcome import Outcome
    from reidr.reasoning.backends.local import Backend


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation that is done.

    Attributes:
        document: the result file's content. options: as they were typed. started: when, by `time.perf_counter`.
    """

    outcomes: Sequence[Outcome]
    document: dict[str, Any]
    dataset: ReIDDataset
    reasoner: Backend | None
    options: Mapping[str, Any]
    started: float


def write_files(done: Evaluated) -> None:
    """JSON, CSV, LaTeX, figures: each that is asked for, whatever happens to another. Raises ReIDError for all of them.

    After the run folder, so that no failing file costs that one.
    """
    from reidr.core.run import write_json
    from reidr.core.storage.files import write_text
    from reidr.errors import ReIDError

    def write_latex(path: Path) -> None:
        from reidr.report.files.latex import latex_table

        write_text(path, latex_table(done.document))

    writers: dict[str, Callable[[Path], None]] = {
        "json_file": lambda path: write_json(path, done.document),
        "csv_file": lambda path: write_text(path, rows_csv(done.outcomes)),
        "latex_file": write_latex,
        "figures": lambda path: draw_figures(done.outcomes, path),
    }
    failed = []
    for name, write in writers.items():
        if done.options[name] is not None:
            try:
                write(done.options[name])
            except ReIDError as error:
                failed.append(error)
    if failed:
        raise failed[0] if len(failed) == 1 else ReIDError("; ".join(map(str, failed)))


def rows_csv(outcomes: Sequence[Outcome]) -> str:
    """The rows as the `metrics.csv` of a run folder has them."""
    from reidr.evaluation.results.rows import metric_rows
    from reidr.report import Report
    from reidr.report.build import now
    from reidr.report.files.csv_json import metrics_csv

    first, protocol = outcomes[0], outcomes[0].trial.protocol.name
    rows = metric_rows(outcomes)
    return metrics_csv(Report(first.dataset, now(), metric_rows=rows, protocol=protocol, trials=len(outcomes)))


def draw_figures(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write the curves of the first draw, and print which there are."""
    from reidr.report.curves import curves_of
    from reidr.report.files.figures import write_figures

    written = write_figures(curves_of(outcomes[0]), folder)
    names = ", ".join(path.name for path in written) or "none: no curve has more than one case"
    click.echo(f"figures in {folder}: {names}")


def tested_reasons(done: Evaluated, reasoner: Backend) -> dict[str, Any]:
    """Test what the reasoner writes, print the numbers, and write its page where there is a run folder."""
    from reidr.cli.shared import notice_of
    from reidr.core.progress import progress
    from reidr.evaluation.explanations.reason_numbers import number_lines
    from reidr.report.build import now
    from reidr.report.reasons import write_reasons
    from reidr.report.reasons_build import PairsDrawn, reasons_page, run_reasons

    options, dataset = done.options, done.dataset
    run = run_reasons(
        done.outcomes[0],
        reasoner,
        PairsDrawn(options["k"], options["reasons"], options["seed"], dataset.root),
        progress,
        click.echo,
    )
    click.echo(number_lines(run.tested))
    if options["folder"] is not None:
        page = reasons_page(run, title=dataset.name, created=now(), facts=page_facts(done), notice=notice_of(reasoner))
        click.echo(f"reasons: {write_reasons(page, options['folder'])}")
    document: dict[str, Any] = run.document()
    return document


def write_page(done: Evaluated) -> None:
    """The page of the evaluation and its data."""
    from reidr.cli.shared import notice_of
    from reidr.report import write_report
    from reidr.report.build import build_report
    from reidr.report.files.store import save_report

    document, folder = done.document, done.options["folder"]
    report = build_report(
        done.outcomes,
        title=document["dataset"],
        notice=notice_of(done.reasoner),
        facts=page_facts(done),
        left_out=[entry["text"] for entry in document["left_out"] if entry["kind"] == "loader"],
        remarks=document["requests"]["sentences"],
    )
    save_report(report, folder)
    click.echo(f"report: {write_report(report, folder)}")


def page_facts(done: Evaluated) -> dict[str, str | int | float]:
    """What a page says of how its numbers came about."""
    from reidr.cli.shared import facts_of

    first, number, made_by = done.outcomes[0], len(done.outcomes), done.document["provenance"]
    settings = first.settings
    return facts_of(
        {
            "data set": first.dataset,
            "protocol": first.trial.protocol.name,
            "draws": f"{number}; lists, curves and reasons of draw 1" if number > 1 else None,
            "average precision": None if settings.average_precision == "exact" else settings.average_precision,
            "retriever": made_by["retriever"],
            "reasoner": made_by["reasoner"],
            "fusion": settings.profile.fusion,
            "fusion weight": settings.profile.weight if settings.profile.fusion == "weighted" else None,
            "k": settings.k,
            "seed": settings.seed,
            "seconds": round(time.perf_counter() - done.started, 1),
        }
    )
