"""`--compare`: methods by name, and a re-ranker from outside the package by its dotted path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_golden_rows import TUNED, Noisy, silent
from tuned import tuned

from reidr.data.synthetic.settings import StreetSettings
from reidr.data.synthetic.street import render_street
from reidr.data.types import ReIDDataset
from reidr.errors import ReIDError
from reidr.evaluation.experiment.compared_methods import METHODS, chosen_methods
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.experiment.outcome import DEFAULT_COMPARE, Outcome, Settings
from reidr.evaluation.results.rows import rows_json
from reidr.retrieval.embedders.histogram import HistogramEmbedder

OUTSIDE = '''
import numpy as np

class Reversed:
    """Turns the first three candidates round; asks nobody."""
    name = "reversed"
    def rerank(self, ranked, context):
        assert context.gallery_features.shape[0] == len(context.gallery) == len(ranked.gallery_ids)
        return ranked.reordered(-ranked.distances[:, :3], "reversed")

class Asking:
    """Orders the first two candidates by the reasoner's scores."""
    name = "asking"
    def rerank(self, ranked, context):
        scores = context.scores(ranked, ranked.indices[:, :2] >= 0)
        return ranked.reordered(1.0 - scores, "asking")

class Broken:
    name = "broken"
    def rerank(self, ranked, context):
        return ranked.indices
'''


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReIDDataset:
    settings = StreetSettings(
        seed=3, cameras=3, test_people=8, cameras_per_person=3, crops_per_camera=1, distractors=6, junk=4
    )
    return render_street(tmp_path_factory.mktemp("street") / "s", settings)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that lies outside the package."""
    (tmp_path / "rerankers_from_outside.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "rerankers_from_outside"
    sys.modules.pop("rerankers_from_outside", None)


def run(street: ReIDDataset, reasoner: Noisy | None, *compare: str) -> Outcome:
    settings = tuned(**TUNED, compare=compare)
    return run_experiment(street, HistogramEmbedder(), reasoner, settings, silent)[0]  # type: ignore[arg-type]


def test_a_reranker_from_outside_the_package_gets_a_row(street: ReIDDataset, outside: str) -> None:
    outcome = run(street, Noisy(), "csls", f"{outside}:Reversed", f"{outside}:Asking")
    plain, asking = outcome.row("reranker", f"{outside}:Reversed"), outcome.row("reasoner", f"{outside}:Asking")
    assert plain is not None
    assert asking is not None
    assert (plain.name, plain.calls, asking.name) == ("reversed", 0, "asking")
    # Its pairs were scored for the profile's row already: a pair costs calls once.
    assert asking.calls == 0
    turned = outcome.ranked.indices[:, [2, 1, 0]]
    right = outcome.trial.shows_person(turned)[outcome.rows[0].result.evaluated]
    assert plain.metrics()["rank1"] == pytest.approx(right[:, 0].mean())
    kinds = {row["name"]: row["role"] for row in rows_json([outcome])["rows"]}
    assert kinds["reversed"] == "reranker"
    assert outcome.reasoner_row is not None
    assert outcome.reasoner_row.variant == ""


def test_without_a_reasoner_it_may_not_ask_one(street: ReIDDataset, outside: str) -> None:
    assert run(street, None, f"{outside}:Reversed").row("reranker", f"{outside}:Reversed") is not None
    with pytest.raises(ReIDError, match="asks a reasoner, and there is none"):
        run(street, None, f"{outside}:Asking")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module:make", "cannot import no_such_module"),
        ("rerankers_from_outside:Nothing", "has no Nothing"),
        ("rerankers_from_outside:np.zeros", "the call failed: TypeError"),
        ("rerankers_from_outside:Broken", "gave a ndarray, not a RankedList"),
    ],
)
def test_what_is_no_reranker_is_refused_in_one_sentence(
    street: ReIDDataset, outside: str, path: str, words: str
) -> None:
    with pytest.raises(ReIDError, match=words) as caught:
        run(street, None, path)
    assert "\n" not in str(caught.value)


def test_names_are_checked_before_any_work() -> None:
    assert chosen_methods(["all"]) == tuple(METHODS)
    assert chosen_methods(["none"]) == ()
    assert chosen_methods(["csls", "all", "a.b:c"]) == (*METHODS, "a.b:c")
    assert set(DEFAULT_COMPARE) <= set(METHODS)
    with pytest.raises(ReIDError, match="no such method; there are csls"):
        chosen_methods(["hungarian"])


def test_the_first_row_of_a_reasoner_is_the_profiles(street: ReIDDataset) -> None:
    for compare in (("none",), DEFAULT_COMPARE, ("all",)):
        outcome = run(street, Noisy(), *compare)
        assert outcome.reasoner_row is not None
        assert outcome.fused is not None
        first = np.array([outcome.trial.gallery[row[0]].person for row in outcome.fused.indices], dtype=object)
        people = np.array([query.person for query in outcome.trial.query], dtype=object)
        counted = outcome.rows[0].result.evaluated
        assert outcome.reasoner_row.metrics()["rank1"] == pytest.approx((first == people)[counted].mean())
    assert [row.role for row in run(street, Noisy(), "none").rows] == ["retriever", "reasoner", "oracle"]


def test_methods_that_need_what_was_not_tuned_get_no_row(street: ReIDDataset) -> None:
    settings = Settings(k=5, compare=("all",))
    outcome = run_experiment(street, HistogramEmbedder(), Noisy(), settings, silent)[0]  # type: ignore[arg-type]
    assert [(row.role, row.variant) for row in outcome.rows] == [
        ("retriever", ""),
        ("reranker", "CSLS"),
        ("reranker", "k-reciprocal"),
        ("reasoner", ""),
        ("oracle", "5"),
    ]


def test_csls_has_a_row_where_it_is_named_though_the_profile_does_without(street: ReIDDataset) -> None:
    named, default = (
        run_experiment(street, HistogramEmbedder(), None, tuned(k=5, compare=compare), silent)[0]
        for compare in (("csls",), DEFAULT_COMPARE)
    )
    assert named.row("reranker", "CSLS") is not None
    assert default.row("reranker", "CSLS") is None
    assert named.ranked.local is None, "the rows after it are not built on it"
