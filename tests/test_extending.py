"""Every task of docs/extending.md is short, names files that exist, and its snippet runs as it stands on the page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "reidr"
PAGE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
TASKS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))


def test_there_are_all_tasks() -> None:
    assert len(TASKS) >= 17


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_short_and_names_its_file(task: str) -> None:
    assert len(TASKS[task].strip().splitlines()) < 25
    files = re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)`", TASKS[task])
    assert files
    for name in files:
        assert (PACKAGE / name).exists(), name


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, without weights, for the changes that the page shows."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "reidr", ignore=shutil.ignore_patterns("presets"))
    return folder


def changed(package: Path, difference: str) -> tuple[Path, str]:
    """The file that a `diff` block speaks of, and its text with that change. The lines must be there exactly once."""
    head, *lines = difference.splitlines()
    path = package / head.removeprefix("--- ")
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{head}: these lines are not there once:\n{before}"
    return path, text.replace(before, after)


CHANGES = [task for task in TASKS if "```diff\n" in TASKS[task]]


@pytest.mark.parametrize("task", CHANGES)
def test_the_change_of_a_task_does_what_the_snippet_says(task: str, copied: Path) -> None:
    def snippet_runs() -> subprocess.CompletedProcess[str]:
        code = "\n".join(re.findall(r"^```python\n(.*?)^```", TASKS[task], re.M | re.S))
        environment = {**os.environ, "PYTHONPATH": str(copied)}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    unchanged = snippet_runs().stderr.splitlines()[-1]  # before the change, what the snippet states is not so
    assert unchanged.startswith(("AssertionError", "KeyError", "reidr.errors.DataError")), unchanged
    before = {}
    for difference in re.findall(r"^```diff\n(.*?)^```", TASKS[task], re.M | re.S):
        path, text = changed(copied / "reidr", difference)
        before[path] = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
    done = snippet_runs()
    for path, text in before.items():
        path.write_text(text, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("task", [task for task in TASKS if task not in CHANGES])
def test_the_snippet_of_a_task_runs(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TASKS[task], re.M | re.S)
    assert blocks
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    names: dict[str, object] = {"__name__": "snippet", "here": tmp_path}
    for block in blocks:
        if block.startswith("# mine.py\n"):
            (tmp_path / "mine.py").write_text(block, encoding="utf-8")
        else:
            exec(compile(block, f"docs/extending.md: {task}", "exec"), names)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
