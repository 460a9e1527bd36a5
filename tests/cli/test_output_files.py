"""Where commands write: found out before the work, and one failing file never costs another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import ReIDError
from reidr.retrieval.embedders.histogram import HistogramEmbedder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    settings = StreetSettings(
        seed=6, cameras=2, cameras_per_person=2, test_people=4, crops_per_camera=1, distractors=4, junk=1
    )
    render_street(tmp_path / "street", settings)
    (tmp_path / "file").write_text("here first")
    shutil.copy(next((tmp_path / "street").rglob("*.png"), next((tmp_path / "street").rglob("*.jpg"), None)), "a.jpg")
    return tmp_path


EVALUATE = ["evaluate", "street", "--reasoner", "none", "--no-cache"]


def test_missing_folders_are_made(place: Path) -> None:
    for words in ([*EVALUATE, "--run", "a/b/run"], ["validate", "street"]):
        done = CliRunner().invoke(reidr, [*words, "--json", f"new/{words[0]}/rows.json"])
        assert done.exit_code == 0, done.output
        json.loads((place / "new" / words[0] / "rows.json").read_text())
    assert (place / "a/b/run/report.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*EVALUATE, "--json", "file/rows.json"], "file: cannot be written to"),
        ([*EVALUATE, "--json", "street"], "street: is a folder; name a file in it"),
        ([*EVALUATE, "--run", "file"], "file: cannot be written to"),
        (["validate", "street", "--json", "file/rows.json"], "file: cannot be written to"),
        (["find", "a.jpg", "--in", "street", "--run", "file"], "file: cannot be written to"),
        (["demo", "--run", "file"], "file: cannot be written to"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    for work in (
        "data.checks.validate.validate",
        "evaluation.experiment.experiment.run_experiment",
        "search.searching.run",
    ):
        monkeypatch.setattr(f"reidr.{work}", never)
    done = CliRunner().invoke(reidr, words)
    assert isinstance(done.exception, ReIDError), done.output
    assert said in str(done.exception)


def test_the_run_folder_is_written_whatever_happens_to_the_json_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The disk fills up, or somebody takes the folder away while the work goes on.
    monkeypatch.setattr("reidr.core.run.prepare_file", lambda _: None)
    done = CliRunner().invoke(reidr, [*EVALUATE, "--run", "run", "--json", "absent/rows.json"])
    assert isinstance(done.exception, ReIDError)
    assert "absent/rows.json: cannot be written" in str(done.exception)
    assert (place / "run" / "report.html").is_file()
    assert (place / "run" / "metrics.json").is_file()


def test_open_set_says_how_many_are_enrolled(place: Path) -> None:
    done = CliRunner().invoke(reidr, [*EVALUATE, "--protocol", "open-set", "--json", "rows.json"])
    assert done.exit_code == 0, done.output
    content = json.loads((place / "rows.json").read_text())
    assert f"searches of N = {content['enrolled_identities']} enrolled identities" in done.output
    done = CliRunner().invoke(reidr, [*EVALUATE, "--protocol", "single-gallery-shot"])
    assert "mean of 10 draws" in done.output
