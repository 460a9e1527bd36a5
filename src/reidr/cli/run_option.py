"""The option that names a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def run_option(default: str, text: str) -> Callable[[Any], Any]:
    """`--run FOLDER`, as `folder`. torchrun takes `--run` for its own `--run-path`: there it is called `--folder`."""
    kind = click.Path(path_type=Path)
    return click.option("--run", "--folder", "folder", type=kind, default=Path(default), help=f"{text} [{default}]")
