"""The training commands from end to end, tiny, on a rendered street: run, resume, use what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.retrieval.embedders.retriever import Retriever

OWN = """
extends: nano-street
pretraining:
  vision_encoder:
    - {epochs: 1, batch_persons: 4, attributes: 1.0, network: {height: 64, width: 32}}
    - epochs: 1
      batch_persons: 4
      network: {height: 64, width: 32}
      attribute_recognition: {data: [], streets: 1, street_people: 16, batch: 8, width: 16}
  held_out_share: 0.3
  vision_encoder_street_people: 8
  street_people: 8
  attribute_streets: 1
  batch: 4
"""


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
    assert trained.trained_on[0].pictures  # by which its training data are known again under another name
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
def test_pretraining_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(OWN)
    words = ["train", "pretraining", "own.yaml", "--run", "run", "--steps", "3"]
    invoke(*words)
    profile = json.loads(Path("run/model/inference_profile.json").read_text())
    assert profile["weight"] == 0  # no verdict was taught, so none is trusted
    before = Path("run/model/model.safetensors").stat().st_mtime_ns
    invoke(*words)
    assert Path("run/model/model.safetensors").stat().st_mtime_ns == before
    street = StreetSettings(seed=6, test_people=3, crops_per_camera=1, distractors=0, junk=0)
    render_street(tmp_path / "street", street)
    output = invoke("evaluate", "street", "--reasoner", "run/model", "--k", "3", "--queries", "2", "--think", "1")
    assert f"reasoner {tmp_path.name}/run direct" in output
    assert f"reasoner {tmp_path.name}/run thinking" in output
