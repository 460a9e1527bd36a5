"""`reidr evaluate` with a real, tiny reasoner: a second run asks nothing again, and `--adaptive` asks less."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.errors import ReIDError
from reidr.fusion.ask_policy import Policy
from reidr.fusion.profile import InferenceProfile, store_profile
from reidr.retrieval.embedders.histogram import HistogramEmbedder

sys.path.insert(0, str(Path(__file__).parent.parent / "reasoning"))
from small_nano import build_small_nano


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    settings = StreetSettings(
        seed=6, cameras=3, cameras_per_person=3, test_people=5, crops_per_camera=1, distractors=4, junk=0
    )
    render_street(tmp_path / "street", settings)
    model, processor = build_small_nano()
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    policies = [Policy(0.6, 2, first=3, last=12), Policy(1.0, 4, first=3, last=12)]
    profile = InferenceProfile(
        0.5, "nothing, a test", "", 0.5, None, policies[1].stored(),
        tuple((cost, policy.stored()) for cost, policy in zip((0.5, 3.0), policies, strict=True)),
    )  # fmt: skip
    store_profile(profile, tmp_path / "model")
    return tmp_path


def rows(*words: str) -> dict[str, dict[str, Any]]:
    done = CliRunner().invoke(
        reidr,
        ["evaluate", "street", "--reasoner", "model", "--k", "5", "--compare", "all", "--json", "rows.json", *words],
    )
    assert done.exit_code == 0, done.output
    return {row["name"]: row for row in json.loads(Path("rows.json").read_text())["rows"]}


def test_nothing_is_asked_twice_and_adaptive_asks_less(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows()
    assert first["reasoner model"]["calls"] > first["reasoner model, adaptive"]["calls"] > 0
    assert "k-reciprocal, then reasoner model" in first
    assert (place / "cache").exists()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the model was asked again")

    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel

    monkeypatch.setattr(Qwen3VLTextModel, "forward", never)
    again = rows()
    for name, row in first.items():
        assert {metric: again[name][metric] for metric in ("mAP", "rank1", "mINP")} == {
            metric: row[metric] for metric in ("mAP", "rank1", "mINP")
        }, name
    alone = rows("--adaptive")
    assert alone["reasoner model, adaptive"]["mAP"] == first["reasoner model, adaptive"]["mAP"]
    assert "reasoner model" not in alone
    cheap = rows("--adaptive", "--budget", "1")
    assert 0 < cheap["reasoner model, adaptive"]["calls"] < alone["reasoner model, adaptive"]["calls"]
    done = CliRunner().invoke(reidr, ["evaluate", "street", "--reasoner", "model", "--budget", "0.1"])
    # Run in process, the sentence is the exception itself; only the command's entry point prints it.
    assert isinstance(done.exception, ReIDError)
    assert "the least is 0.5" in str(done.exception)
