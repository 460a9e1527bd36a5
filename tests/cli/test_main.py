"""The command line: quick to start, one sentence for an error, options from the recipe's fields."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import COMMANDS, reidr


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "reidr.cli.main", *words], capture_output=True, text=True, timeout=60)


HELP = """
import sys
from reidr.cli.main import main
sys.argv = ["reidr", "--help"]
try:
    main()
finally:
    names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    print("PACKAGES", *sorted(name for name in names if not name.startswith(("_", "sitecustomize"))))
    print("ROOMS", *sorted({name.split(".")[1] for name in sys.modules if name.startswith("reidr.")}))
"""


def test_help_names_every_command_and_loads_nothing_but_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60)
    assert "PACKAGES click reidr\n" in done.stdout
    assert "ROOMS cli core errors\n" in done.stdout.replace(" moved\n", "\n")
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # The time of the processor, and the best of three: other work on the machine does not count.
    assert min(seconds) <= 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(reidr, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage:")


def test_an_error_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    done = run("evaluate", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.startswith("reidr: ")
    assert str(tmp_path / "nowhere") in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_command_lists_the_known_ones() -> None:
    done = run("fnd")
    assert done.returncode == 2
    assert "find" in done.stderr


def test_recipe_fields_are_options_and_wrong_values_are_refused() -> None:
    result = CliRunner().invoke(reidr, ["train", "retriever", "--help"])
    assert "--learning-rate" in result.output
    assert "--batch-persons" in result.output
    done = run("train", "retriever", "--epochs", "0")
    assert done.returncode == 1
    assert "epochs" in done.stderr
