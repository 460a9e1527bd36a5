"""Every task of docs/extending.md is short, names files that exist, and its snippet runs as it stands on the page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
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
        assert (REPOSITORY / "src" / "reidr" / name).exists(), name


@pytest.mark.parametrize("task", TASKS)
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
