"""An option given twice is meant many times, or refused in one sentence: in every command, without exception."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from reidr.cli.command import Command, Group
from reidr.cli.main import reidr


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of the tree, by the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from commands(below, (*path, name))


ALL = list(commands(reidr))


def value_of(option: click.Option) -> list[str]:
    """Something that the option takes."""
    kind: Any = option.type
    if option.is_flag:
        return []
    if isinstance(kind, click.Choice):
        return [str(kind.choices[0])]
    return {"integer": ["1"], "integer range": ["1"], "float": ["0.5"], "float range": ["0.5"]}.get(kind.name, ["x"])


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "reidr" for path, _ in ALL])
def test_every_option_of_every_command(path: tuple[str, ...], command: click.Command) -> None:
    assert isinstance(command, Command | Group), f"{' '.join(path)}: make it with cls=Command of reidr.cli.command"
    options = [each for each in command.get_params(click.Context(command)) if isinstance(each, click.Option)]
    for option in options:
        if option.is_eager or option.multiple or option.count:
            continue
        words = [option.opts[0], *value_of(option)] * 2
        done = CliRunner().invoke(reidr, [*path, *words])
        assert done.exit_code == 2, (path, words, done.output)
        assert f"{option.opts[0]}" in done.output
        assert "is given 2 times; give it once" in done.output


def test_a_switch_and_its_opposite_are_refused() -> None:
    done = CliRunner().invoke(reidr, ["find", "a.jpg", "--in", "b", "--cache", "--no-cache"])
    assert done.exit_code == 2
    assert "--cache / --no-cache is given 2 times" in done.output


def test_options_that_are_meant_many_times_may_be_repeated() -> None:
    params = {each.name: each for _, command in ALL for each in command.get_params(click.Context(command))}
    assert params["galleries"].multiple  # type: ignore[attr-defined]
    done = CliRunner().invoke(reidr, ["train", "retriever", "--data", "a", "--data", "b", "--epochs", "0"])
    assert "is given" not in done.output


@pytest.mark.parametrize(
    "words",
    [["--help"], ["find", "--help"], ["train", "--help"], ["find", "x", "--k", "y"], ["train", "nonsense", "--bad"]],
)
def test_help_and_usage_errors_load_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from reidr.cli.main import main; sys.argv = ['reidr', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', [m for m in ('torch', 'transformers', 'scipy', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("stage", ["retriever", "base", "warmup", "rl"])
def test_help_of_the_training_stages_needs_no_torch(stage: str) -> None:
    code = (
        "import sys; from reidr.cli.main import main; sys.argv = ['reidr', 'train', sys.argv[1], '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('TORCH', 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, stage], capture_output=True, text=True, timeout=60)
    assert "TORCH False" in done.stdout, done.stderr
    assert "--seed" in done.stdout
