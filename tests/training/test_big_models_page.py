"""The walk of docs/big-models.md, word for word, with a tiny checkpoint and rendered streets in place of the data."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_recipes import own_recipe

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street

pytestmark = pytest.mark.whole

pytest.importorskip("trl")

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "big-models.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    reidr (.*)$", PAGE, re.MULTILINE)
NAMES = ("market1501", "msmt17", "cuhk03", "prcc")
LONG = ("--quick", "--leave-out")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page names: four data sets, a picture, a folder of crops, and a recipe."""
    folder = tmp_path_factory.mktemp("walk")
    for seed, name in enumerate(NAMES, start=11):
        settings = StreetSettings(seed=seed, train_people=9, test_people=3, crops_per_camera=2, distractors=1, junk=0)
        render_street(folder / "data" / name, settings)
    gallery = sorted((folder / "data" / "prcc").rglob("bounding_box_test/*"))
    (folder / "crops").mkdir()
    for path in gallery[:6]:
        shutil.copy(path, folder / "crops")
    shutil.copy(gallery[0], folder / "person.jpg")
    own_recipe(folder, "qwen2_5_vl")
    return folder


def follow(command: str, place: Path) -> str:
    """Run a command of the page; the recipe is the tiny one, /data a folder of the test, and nothing else differs."""
    words = [word.replace("/data/", f"{place}/data/") for word in shlex.split(command)]
    words = [str(place / "own.yaml") if word == "qwen2.5-vl-7b" else word for word in words]
    result = CliRunner().invoke(reidr, words, catch_exceptions=False)
    assert result.exit_code == 0, (command, result.output)
    return result.output


def test_the_page_names_the_commands_of_a_researcher() -> None:
    starts = [" ".join(command.split()[:2]) for command in COMMANDS]
    assert starts.count("train qwen2.5-vl-7b") == 4
    assert {"find person.jpg", "evaluate /data/market1501"} <= set(starts)


@pytest.mark.timeout(300)
def test_the_walk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for command in COMMANDS:
        if not any(option in command for option in LONG):
            follow(command, place)
    for path in re.findall(r"`(runs/7b[\w/.-]*)`", PAGE):
        if "without" not in path and "seed" not in path:
            assert (place / path).exists(), f"the page names {path}"
    table = (place / "runs" / "7b" / "results.md").read_text()
    assert [line.split("|")[5].strip() for line in table.splitlines()[2:6]] == ["7b"] * 4
    assert table_page([Path("runs/7b")]).count("| 7b |") == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_longer_commands_of_the_walk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for command in COMMANDS:
        if any(option in command for option in LONG):
            follow(command, place)
    assert (place / "runs" / "7b" / "without-prcc" / "results.html").is_file()
    assert "left out of training" in (place / "runs" / "7b" / "without-prcc" / "results.md").read_text()
    assert (place / "runs" / "quick" / "results.html").is_file()


def test_the_page_of_the_table_is_what_the_script_writes() -> None:
    assert (REPOSITORY / "docs" / "paper-table.md").read_text(encoding="utf-8") == table_page([])


def table_page(runs: list[Path]) -> str:
    """What `python scripts/paper_table.py RUN …` writes."""
    return str(runpy.run_path(str(REPOSITORY / "scripts" / "paper_table.py"))["page"](runs))
