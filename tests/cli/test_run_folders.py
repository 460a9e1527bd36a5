"""A run folder is never another's: each command that reports refuses one that holds something else."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.cli.train import command as train
from reidr.core.run import Run
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import RecipeError
from reidr.retrieval.embedders.histogram import HistogramEmbedder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    settings = StreetSettings(
        seed=6, cameras=2, cameras_per_person=2, test_people=4, crops_per_camera=1, distractors=4, junk=1
    )
    render_street(tmp_path / "street", settings)
    return tmp_path


EVALUATE = ["evaluate", "street", "--reasoner", "none", "--run", "run"]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(words: list[str], folder: Path, said: str) -> None:
    """These words are refused with `said`, and nothing in `folder` changes."""
    before = content(folder)
    done = CliRunner().invoke(reidr, words)
    assert isinstance(done.exception, RecipeError), done.output
    assert said in str(done.exception)
    assert content(folder) == before


def test_the_same_evaluation_again_and_another_one(place: Path) -> None:
    for words in (EVALUATE, [*EVALUATE, "--json", "rows.json", "--no-cache"]):
        done = CliRunner().invoke(reidr, words)
        assert done.exit_code == 0, done.output
    run = place / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()} == {0o600}
    assert json.loads((run / "manifest.json").read_text())["stages"]["evaluation"]["report"] == "report.html"
    refused([*EVALUATE, "--k", "3"], run, "made with other settings (k: 10, now 3)")
    query = next(iter(sorted((place / "street" / "query").iterdir())))
    refused(
        ["find", str(query), "--in", "street", "--reasoner", "none", "--run", "run"], run, "job: 'evaluate', now 'find'"
    )
    refused(["demo", "--run", "run"], run, "job: 'evaluate', now 'demo'")


def test_another_stages_folder(place: Path) -> None:
    Run(place / "rl", "train rl", {"seed": 1}).close()
    refused([*EVALUATE[:-1], "rl"], place / "rl", "job: 'train rl', now 'evaluate'")


def test_a_report_of_nobody_knows_what(place: Path) -> None:
    (place / "run").mkdir()
    (place / "run" / "report.html").write_text("precious")
    refused(EVALUATE, place / "run", "holds results (report.html) of a run that it does not describe")


@pytest.mark.parametrize("option", ["--run", "--folder"])
@pytest.mark.parametrize("words", [["train", name] for name in train.commands] + [["pairs"], ["sample"]], ids=" ".join)
def test_the_run_folder_has_a_name_that_torchrun_lets_pass(words: list[str], option: str) -> None:
    shown = CliRunner().invoke(reidr, [*words, "--help"]).output
    assert (option in shown) == (words != ["train", "tune"])
