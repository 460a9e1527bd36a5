"""`reidr validate DATA`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reidr.cli.command import Command
from reidr.cli.shared import LAYOUT_OPTION, ROOT_OPTION


@click.command("validate", cls=Command)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--pixels/--no-pixels", default=True, help="Also decode every picture (finds broken and truncated files)."
)
@click.option("--allow-missing", is_flag=True, help="Listed pictures that are not there are a warning, not an error.")
@LAYOUT_OPTION
@ROOT_OPTION
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write the findings to this file too; - is stdout."
)
def command(
    data: Path, pixels: bool, allow_missing: bool, layout: str | None, root: Path | None, json_file: Path | None
) -> None:
    """Check a data set: files, names, identities, cameras, splits; count what is known of its attributes.

    Exit status: 0 without errors (warnings or not), 1 where an error would break or falsify an evaluation, or where the
    data cannot be read at all, 2 for a wrong option.
    """
    from dataclasses import asdict

    from reidr.cli.shared import prepare_output, write_output
    from reidr.core.progress import progress
    from reidr.core.text import shown, shown_lines
    from reidr.data.checks.validate import validate

    to_stdout = prepare_output(json_file, [data])
    findings = validate(data, pixels=pixels, progress=progress, layout=layout, root=root, allow_missing=allow_missing)
    marks = {
        "error": click.style("error  ", fg="red"),
        "warning": click.style("warning", fg="yellow"),
        "info": "info   ",
    }
    for finding in findings:
        click.echo(f"{marks[finding.severity]}  {shown_lines(finding.message)}", err=to_stdout)
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = sum(finding.severity == "warning" for finding in findings)
    click.echo(f"{shown(str(data))}: {errors} errors, {warnings} warnings", err=to_stdout)
    if json_file is not None:
        write_output(json_file, [{"message": finding.message, **asdict(finding)} for finding in findings])
    sys.exit(1 if errors else 0)
