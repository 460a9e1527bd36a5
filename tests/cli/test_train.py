"""The training commands from end to end, tiny, on a rendered street: run, resume, use what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.street.settings import StreetSettings
from reidr.data.street.street import render_street
from reidr.retrieval.retriever import Retriever


def invoke(*words: str) -> str:
    result = CliRunner().invoke(reidr, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_retriever_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    street = StreetSettings(seed=5, train_people=24, test_people=6, crops_per_camera=2, distractors=4, junk=2)
    render_street(tmp_path / "street", street)
    words = ["train", "retriever", "--data", "street", "--run", "run", "--epochs", "1", "--batch-persons", "4"]
    words += ["--no-imagenet", "--frozen-blocks", "0", "--held-out-share", "0.5"]
    invoke(*words)
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert "retriever" in manifest["stages"]
    trained = Retriever.load("run/model")
    assert trained.trained_on == ("street",)
    assert trained.held_out == (0.5, 0)
    before = Path("run/model/model.safetensors").stat().st_mtime_ns
    invoke(*words)  # a finished run does nothing
    assert Path("run/model/model.safetensors").stat().st_mtime_ns == before
    output = invoke("evaluate", "street", "--retriever", "run/model", "--reasoner", "none", "--json", "rows.json")
    assert "retriever model" in output
    rows = json.loads(Path("rows.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["retriever model", "k-reciprocal", "oracle@10"]
    output = invoke("evaluate", "street", "--retriever", "run/model", "--reasoner", "none", "--held-out")
    assert "held-out training identities" in output


@pytest.mark.slow
def test_base_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from any photos: only the street decides the weight
    words = ["train", "base", "--run", "run", "--steps", "3", "--batch", "4", "--street-people", "6"]
    invoke(*words)
    decision = json.loads(Path("run/model/decision.json").read_text())
    assert decision["chosen_on"] == "another street"
    assert 0 <= decision["weight"] <= 1
    street = StreetSettings(seed=6, test_people=3, crops_per_camera=1, distractors=0, junk=0)
    render_street(tmp_path / "street", street)
    output = invoke("evaluate", "street", "--reasoner", "run/model", "--k", "3", "--queries", "2", "--think", "1")
    assert "reasoner model direct" in output
    assert "reasoner model thinking" in output
