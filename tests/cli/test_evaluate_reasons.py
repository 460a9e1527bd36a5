"""`reidr evaluate DATA --reasons` on a tiny street with a scripted reasoner: one pair turns with the order."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from reidr.cli.main import reidr
from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import Crop
from reidr.errors import ReIDError
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.card import Card
from reidr.reasoning.rationales.cues import extract_cues
from reidr.reasoning.types import Pair, RequestCounts, Verdict
from reidr.retrieval.embedders.histogram import HistogramEmbedder


class Scripted:
    """Says the truth of each pair, but of the first that it thinks about "same" one way round, "different" the other.

    Of the tops it always says that they agree.
    """

    capabilities = Capabilities()
    card = Card()
    counts = RequestCounts()

    name = "scripted"

    def __init__(self) -> None:
        self.first: tuple[str, str] | None = None

    def answer_logits(self, pairs: Sequence[Pair], *, both_orders: bool = True, **_: object) -> NDArray[np.float64]:
        one = np.array([[2.0, 0.0, 0.0] if pair.label else [0.0, 2.0, 0.0] for pair in pairs]).reshape(-1, 3)
        return np.stack([one] * (2 if both_orders else 1))

    def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
        return np.array([0.9 if pair.label else 0.1 for pair in pairs])

    def think(self, pairs: Sequence[Pair], **_: object) -> list[Verdict]:
        verdicts = []
        for pair in pairs:
            ids = (pair.query.id, pair.candidate.id)
            self.first = self.first or ids
            same = ids == self.first or (bool(pair.label) and set(ids) != set(self.first))
            text = "The tops are the same."
            verdicts.append(
                Verdict("same" if same else "different", 0.5 + 0.4 * (1 if same else -1), text, extract_cues(text), 5,
                        0.1, "scripted", "p", "k")
            )  # fmt: skip
        return verdicts


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reidr.cli.shared.load_retriever", lambda *_, **__: HistogramEmbedder())
    monkeypatch.setattr("reidr.cli.shared.load_reasoner", lambda *_, **__: Scripted())
    settings = StreetSettings(
        seed=6, cameras=3, cameras_per_person=3, test_people=3, crops_per_camera=1, distractors=0, junk=0, absent=0.0
    )
    render_street(tmp_path / "street", settings)
    return tmp_path / "street"


def top_known(crop: Crop) -> dict[str, str]:
    """What is known and visible of a crop's upper clothing."""
    names = ("upper_color", "upper_pattern", "jacket_color")
    return {name: crop.attributes[name] for name in names if crop.attributes.get(name, "not visible") != "not visible"}


def test_numbers_json_and_page(street: Path) -> None:
    from reidr.data.load import load_dataset
    from reidr.data.protocols.trial import find_protocol, trials

    words = ["evaluate", "street", "--k", "3", "--reasons", "0", "--json", "rows.json", "--run", "run"]
    done = CliRunner().invoke(reidr, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    numbers = json.loads(Path("rows.json").read_text())["reasons"]
    dataset = load_dataset(street)
    (trial,) = trials(dataset, find_protocol(dataset.protocol), 0)
    asked = 3 * len(trial.query)
    assert numbers["pairs"] == numbers["pairs_in_all"] == asked
    assert numbers["masks"] == "exact"
    assert numbers["attributes"] == "per crop"
    assert numbers["parsable"]["value"] == 1
    assert numbers["verdict_flips"]["value"] == numbers["hard_flips"]["value"] == pytest.approx(1 / asked)
    assert numbers["score_flips"]["value"] == 0
    assert f"{asked} of {asked} pairs: {2 * asked} thoughts and at most {6 * asked} scores" in done.output
    assert re.search(rf"Order flips +{100 / asked:.1f} %", done.output)
    for title in ("Readable answers", "Text supports verdict", "Cue masking", "True claims"):
        assert title in done.output
    # "The tops are the same." is true where all that is visible of both tops is equal: counted here by a plain loop.
    page = Path("run/reasons.html").read_text(encoding="utf-8")
    crops = {crop.id: crop for crop in (*trial.query, *trial.gallery)}
    marks = {"confirmed": 0, "contradicted": 0, "untestable": 0}
    for query, candidate in re.findall(r'<span class="id">(\S+) beside (\S+)</span>', page):
        a, b = top_known(crops[query]), top_known(crops[candidate])
        shared = [a[name] == b[name] for name in a if name in b]
        marks["untestable" if not shared else "confirmed" if all(shared) else "contradicted"] += 1
    legend = 1
    for mark, times in marks.items():
        assert len(re.findall(rf'<span class="stamp {mark}">', page)) == times + legend, mark
    assert marks["confirmed"]
    assert 'href="reasons.html"' in Path("run/report.html").read_text(encoding="utf-8")
    assert "The order decided" in page


def test_reasons_without_a_number_take_two_hundred_and_without_a_reasoner_are_refused(street: Path) -> None:
    done = CliRunner().invoke(reidr, ["evaluate", "street", "--k", "1", "--reasons"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "testing the reasons for" in done.output
    with pytest.raises(ReIDError, match="--reasoner is none"):
        CliRunner().invoke(reidr, ["evaluate", "street", "--reasons", "--reasoner", "none"], catch_exceptions=False)


class Counting(Scripted):
    """Behind a server that gives no log-probabilities and refused two pairs."""

    counts = RequestCounts(requests=7, sampled=3, without_score=2, refused=2, reasons={"refused: HTTP 400": 2})


def test_what_a_server_did_is_told_in_the_terminal_in_json_and_on_the_page(
    street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reidr.cli.shared.load_reasoner", lambda *_, **__: Counting())
    words = ["evaluate", "street", "--k", "1", "--json", "rows.json", "--run", "run", "--no-cache"]
    done = CliRunner().invoke(reidr, words, catch_exceptions=False)
    document = json.loads(Path("rows.json").read_text(encoding="utf-8"))
    sentences = list(Counting.counts.sentences())
    assert len(sentences) == 2
    assert document["requests"] == {**Counting.counts.stored(), "sentences": sentences}
    assert "7 requests were sent to the server" in done.output
    assert json.loads(Path("run/metrics.json").read_text(encoding="utf-8"))["remarks"] == sentences
    page = unescape(Path("run/report.html").read_text(encoding="utf-8"))
    assert all(sentence in done.output and sentence in page for sentence in sentences)
