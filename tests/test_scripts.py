"""Scripts find the data as it lies now, and hold out whom the shipped models held out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from reidr.data.join import join_training
from reidr.data.load import load_dataset
from reidr.training.common.identities import hold_out_identities

SCRIPTS = Path(__file__).parents[1] / "research" / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def tree(root: Path, people: int) -> Path:
    folder = root / "bounding_box_train"
    folder.mkdir(parents=True)
    for person in range(1, people + 1):
        Image.new("RGB", (4, 8), (person, 0, 0)).save(folder / f"{person:04d}_c{person % 3 + 1}s1_{person:06d}_01.jpg")
    return root


RETRIEVER = SimpleNamespace(name="nano", trained_on=("market1501-dev",), held_out=(0.3, 0))


def test_whom_a_model_held_out_is_told_whatever_the_folder_is_called_now(script: Any, tmp_path: Path) -> None:
    people = script("shipped_people")
    data = tree(tmp_path / "market1501", 60).parent
    then = hold_out_identities(join_training([load_dataset(data / "market1501", name="market1501-dev")]), 0.3, 0)
    assert people.unseen_people(RETRIEVER, data) == then
    # By the folder's name of now others would be held out, among them people whom the model knows.
    now = hold_out_identities(join_training([load_dataset(data / "market1501")]), 0.3, 0)[1]
    numbers = [{str(crop.person).split(":")[1] for crop in crops} for crops in (now, then[0])]
    assert numbers[0] & numbers[1]


def test_a_data_set_that_is_not_there_is_one_sentence(script: Any, tmp_path: Path) -> None:
    (tmp_path / "cuhk03-np-train").mkdir()
    with pytest.raises(SystemExit, match="no folder of the data set that nano was trained on as market1501-dev"):
        script("shipped_people").unseen_people(RETRIEVER, tmp_path)


def test_results_look_for_market1501_as_it_is_and_say_where_it_is_absent(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = script("results")
    asked: list[tuple[Path, tuple[str, ...]]] = []

    def evaluate(data: Path, *words: str) -> dict[str, Any]:
        asked.append((data, words))
        return {
            "rows": [],
            "protocol": "p",
            "queries": 0,
            "queries_without_match": 0,
            "gallery": 0,
            "interval": "i",
            "provenance": {"commit": "c"},
        } | {"reasons": {"table": [], "masks": "bands", "attributes": "per person"}}

    monkeypatch.setattr(results, "evaluate", evaluate)
    arguments = SimpleNamespace(data=tmp_path, sample=(), pairs="200", official=None)
    assert results.photo_sections(arguments) == [
        f"## Market-1501\n\nNot measured: {tmp_path / 'market1501'} is absent.\n"
    ]
    assert not asked
    (tmp_path / "market1501").mkdir()
    pages = results.photo_sections(arguments)
    assert {data for data, _ in asked} == {tmp_path / "market1501"}
    assert [page.splitlines()[0] for page in pages] == [
        "## Market-1501",
        "### Its reasons, tested",
        "## Market-1501, open set",
    ]


@pytest.mark.parametrize("name", ["judging", "ablations", "results", "probe_decay", "reading_people", "rationales"])
def test_no_script_looks_for_the_split_that_is_gone(script: Any, name: str) -> None:
    script(name)
    assert "market1501-dev" not in (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")


def test_stored_measurements_say_which_test_they_were_made_on(script: Any) -> None:
    tables = script("tables")
    assert tables.test_of({}) == tables.EARLIER
    assert "earlier split" in tables.EARLIER
    assert tables.test_of({"test": "market1501"}) == "market1501"


def run_results(script: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["results.py", *words])
    script("results").main()


def test_results_say_what_each_part_needs(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cuhk03-np-train").mkdir()
    run_results(script, monkeypatch, "--data", str(tmp_path), "--plan")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("research/measurements/results.md")
    assert [line.split(":")[0] for line in lines[1:]] == list(script("results").PARTS)
    needs = dict(line.split(": ", 1) for line in lines[1:])
    assert f"{tmp_path / 'market1501'} (absent: that is left out)" in needs["held-out"]
    assert f"{tmp_path / 'cuhk03-np-train'} (there)" in needs["held-out"]
    assert needs["street"].endswith("needs nothing but the package")
    assert "absent" not in needs["ablations"] + needs["described-people"]


def test_a_quick_try_of_the_results_writes_a_page_of_its_own(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [SCRIPTS.parent / name for name in ("measurements/results.md", "ablations/earlier-ablations.md")]
    before = [page.read_bytes() for page in kept]
    out = tmp_path / "runs" / "page.md"
    words = ("--quick", "--only", "ablations", "described-people", "--data", str(tmp_path / "none"), "--out", str(out))
    run_results(script, monkeypatch, *words, "--street", str(tmp_path / "street"))
    page = out.read_text(encoding="utf-8")
    assert "### What do the words say?" in page
    assert "## What would read photos better" in page
    assert [page.read_bytes() for page in kept] == before


@pytest.mark.slow
def test_a_quick_try_of_the_results_measures_the_street(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, street = tmp_path / "page.md", tmp_path / "street"
    words = ("--quick", "--only", "street", "nano-street", "--data", str(tmp_path / "none"))
    run_results(script, monkeypatch, *words, "--out", str(out), "--street", str(street))
    page = out.read_text(encoding="utf-8")
    assert page.count("### Its reasons, tested") == 2
    assert "## The rendered street, by nano-street" in page
