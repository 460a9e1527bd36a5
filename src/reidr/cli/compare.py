"""`reidr compare A.json B.json`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reidr.cli.command import Command

if TYPE_CHECKING:
    from reidr.evaluation.results.compare import Contestant, Difference


@click.command("compare", cls=Command)
@click.argument("results", nargs=-1, required=True, metavar="A.json B.json [C.json ...]")
@click.option("--row", help="Row to compare, by its name or role. [the first reasoner's, else the retriever's]")
@click.option(
    "--metric",
    "metrics",
    type=click.Choice(["mAP", "rank1"]),
    multiple=True,
    help="Metric to compare; may be given twice. [both]",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    help="Level of the intervals. [0.95]",
)
@click.option(
    "--draws",
    type=click.IntRange(100),
    default=10_000,
    help="Resamples for an interval, and random sign patterns for a test. [10000]",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of both. [0]")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the differences to this file; - is stdout."
)
def command(results: tuple[str, ...], row: str | None, json_file: Path | None, **options: Any) -> None:
    """Compare results on the same queries: mean difference, its interval, and the p-value of a randomisation test.

    The files are those of `reidr evaluate --json`. `a.json#k-reciprocal` names a row of one file.
    """
    from reidr.cli.shared import prepare_output, write_output
    from reidr.evaluation.metrics.names import COMPARED
    from reidr.evaluation.results.compare import compare, comparison_document

    to_stdout = prepare_output(json_file, [each.rpartition("#")[0] or each for each in results] + list(results))
    contestants = [contestant_of(each, row) for each in results]
    differences = compare(contestants, **{**options, "metrics": options["metrics"] or tuple(COMPARED)})
    click.echo(text_of(contestants, differences), err=to_stdout)
    if json_file is not None:
        write_output(json_file, comparison_document(contestants, differences))


def contestant_of(text: str, row: str | None) -> Contestant:
    """A result file, and the row of it that is named behind a hash or by --row."""
    from reidr.evaluation.results.compare import contestant
    from reidr.evaluation.results.result_file import read_result

    path, mark, own = text.rpartition("#")
    if not mark or Path(text).is_file():
        path, own = text, ""
    return contestant(text, read_result(Path(path)), own or row)


def text_of(contestants: list[Contestant], differences: list[Difference]) -> str:
    """The rows that were compared, and a line for each difference, in points of a hundred."""
    from reidr.evaluation.metrics.names import METRICS

    width = max(len(f"{each.second} - {each.first}") for each in differences)
    level = f"{100 * differences[0].level:g} %"
    lines = [f"{each.name}: {each.row}" for each in contestants]
    lines.append(f"{'':<{width}}  {'':<6}{'points':>8}  {level + ' interval':<18}{'p':>8}{'p (Holm)':>10}")
    lines += [
        f"{f'{each.second} - {each.first}':<{width}}  {METRICS[each.metric].title:<6}{100 * each.mean:>+8.2f}  "
        f"{f'[{100 * each.low:+.2f}, {100 * each.high:+.2f}]':<18}{each.p:>8.4f}{each.p_holm:>10.4f}"
        for each in differences
    ]
    first = differences[0]
    lines.append(
        f"{first.queries:,} queries of {first.persons:,} persons. Intervals: persons resampled. p: randomisation test "
        f"over persons; p (Holm): corrected for all tests above ({len(differences)})."
    )
    return "\n".join(lines)
