"""The reasoned score in `find`, `evaluate` and on cards: what the words say, shown with them, bought where it pays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from finding import Bands, Scores, drawn
from numpy.typing import NDArray
from scipy.special import expit, logit

from reidr.cli.find_text import numbers
from reidr.data.types import Crop, ReIDDataset
from reidr.evaluation.experiment.experiment import run_experiment
from reidr.evaluation.experiment.outcome import settings_of
from reidr.fusion.ask_policy import Policy, entropy
from reidr.fusion.profile import InferenceProfile, read_profile
from reidr.reasoning.backends.backend import Capabilities
from reidr.reasoning.backends.reasoned import reasoned_scores, score_pairs
from reidr.reasoning.rationales.claims import parse_claims
from reidr.reasoning.types import Pair, Verdict
from reidr.report.build import build_report
from reidr.report.search import render
from reidr.search import Found, search
from reidr.search.document.document import csv_of, document_of
from reidr.search.task import SearchOptions

GALLERY = [Crop(name, drawn(number)) for name, number in (("a", 1), ("b", 2), ("c", 3), ("d", 4))]
DIRECT = {"a": 0.9, "b": 0.55, "c": 0.5, "d": 0.02}
SAID = {
    "a": "The shoes differ: white shoes in A, black shoes in B.",
    "b": "The shoes agree: white shoes in both. The hair agrees: long hair in both.",
    "c": "The shoes agree: white shoes in both.",
    "d": "The bag cannot be seen in A.",
}


def read(text: str) -> float:
    """P(same) of a reader who counts: two in log-odds for every claim."""
    return float(expit(2 * sum({"agree": 1, "differ": -1}.get(each.agreement, 0) for each in parse_claims(text))))


class Reader(Scores):
    """Writes what `SAID` has of each candidate, and reads words by a known rule; B's turn says less than A's."""

    capabilities = Capabilities(score_words=True)
    name = "reader"

    def think(self, pairs: Sequence[Pair], *_: Any, **__: Any) -> list[Verdict]:
        self.thought += [f"{pair.query.id} {pair.candidate.id}" for pair in pairs]
        names = [SAID.get(pair.candidate.id, "The shoes agree: white shoes in both.") for pair in pairs]
        return [Verdict("same", 0.9, text, (), 5, 0.1, "m", "p", "k") for text in names]

    def score_words(self, reasonings: Sequence[str], **_: Any) -> NDArray[np.float64]:
        return np.array([read(each) for each in reasonings])


def profile(kind: str, policy: Policy | None = None) -> InferenceProfile:
    return InferenceProfile(0.5, "this test", score=kind, policy=policy)  # type: ignore[arg-type]


def look(reader: Reader, **words: Any) -> Found:
    options = SearchOptions(**{"retriever": Bands(), "reasoner": reader, **words})
    return search(drawn(1, 9), GALLERY, 10, options, keep=False)


def pairs() -> list[Pair]:
    query = Crop("q", drawn(1, 9))
    return [Pair(query, crop) for crop in GALLERY]


def test_each_kind_of_score_is_what_it_says() -> None:
    reader = Reader(DIRECT)
    turned = read("The shoes agree: white shoes in both.")  # what is written with the crops in the other order
    direct = np.array([DIRECT[name] for name in "abcd"])
    reasoned = np.array([(read(SAID[name]) + turned) / 2 for name in "abcd"])
    both = expit((logit(direct) + logit(reasoned)) / 2)
    for kind, expected in (("direct", direct), ("reasoned", reasoned), ("both", both)):
        found = score_pairs(reader, pairs(), kind)  # type: ignore[arg-type, arg-type]
        np.testing.assert_allclose(found.scores, expected, atol=1e-9)
    assert [own[0].words for own in reasoned_scores(reader, pairs()).verdicts] == [read(SAID[name]) for name in "abcd"]  # type: ignore[arg-type]


def test_words_are_bought_where_the_direct_score_is_in_doubt() -> None:
    reader = Reader(DIRECT)
    found = score_pairs(reader, pairs(), "both", least_doubt=0.9)  # type: ignore[arg-type]
    bought = entropy(np.array(list(DIRECT.values()))) >= 0.9
    assert bought.tolist() == [False, True, True, False]
    assert np.isfinite(found.reasoned).tolist() == bought.tolist()
    np.testing.assert_array_equal(found.scores[~bought], found.direct[~bought])
    assert (found.scores[bought] > found.direct[bought]).all()
    assert [each is not None for each in found.verdicts] == bought.tolist()
    assert len(reader.thought) == 2 * 2
    policy = Policy(band=9.0, most=10, words=0.9)
    stored = read_profile(json.loads(json.dumps(profile("both", policy).stored())), "here")
    assert stored.least_doubt == 0.9
    assert profile("both").least_doubt == 0


def test_find_orders_by_the_words_and_says_what_they_say() -> None:
    reader = Reader(DIRECT, profile("reasoned"))
    found = look(reader)
    by_name = {match.crop.id: match for match in found.matches}
    for name, match in by_name.items():
        assert match.direct_score is None
        assert match.score == match.reasoned_score == match.probability
        assert match.verdict is not None
        assert match.verdict.words == pytest.approx(read(SAID[name]))
    assert by_name["b"].score > by_name["c"].score > by_name["a"].score  # type: ignore[operator]
    assert "2 x (1 - reasoned score)" in found.order_rule
    line = numbers(by_name["a"], found)
    assert "reasoned score 0.5" in line
    assert line.endswith(f"the words alone say {read(SAID['a']):.2f}")
    document = document_of(found, created="now", facts={}, notice="")
    entry = next(each for each in document.matches if each.id == "b")
    assert document.score_name == "reasoned score"
    assert entry.verdict is not None
    assert (entry.direct_score, entry.verdict.words_alone) == (None, pytest.approx(read(SAID["b"])))
    assert f"The words alone say {read(SAID['b']):.2f}." in render(document)
    assert "words_alone" in csv_of(document).splitlines()[0]
    # The words were written once in each order, and not again for the page.
    assert sorted(reader.thought) == sorted(set(reader.thought))


def test_where_no_reasoned_score_was_asked_nothing_is_said_of_it() -> None:
    found = look(Reader(DIRECT, profile("direct")))
    assert all(match.reasoned_score is None and match.direct_score == match.score for match in found.matches)
    page = render(document_of(found, created="now", facts={}, notice=""))
    assert "The words alone say" not in page
    assert "the words alone" not in numbers(found.matches[0], found)


@contextmanager
def silent(what: str, total: int) -> Iterator[Any]:
    yield lambda steps: None


def people() -> ReIDDataset:
    queries = tuple(Crop(f"q{number}", drawn(number, 9), f"{number}", "1") for number in range(1, 5))
    gallery = tuple(Crop(f"g{number}", drawn(number), f"{number}", "2") for number in range(1, 7))
    return ReIDDataset("people", None, query=queries, gallery=gallery)


@pytest.mark.parametrize(("kind", "compare"), [("direct", ("reasoned",)), ("reasoned", ()), ("both", ())])
def test_evaluate_shows_it_on_every_card(kind: str, compare: tuple[str, ...]) -> None:
    reader = Reader({f"g{number}": 0.1 * number for number in range(1, 7)}, profile(kind))
    settings = replace(settings_of(reader.profile, k=3), compare=compare)
    (outcome,) = run_experiment(people(), Bands(), reader, settings, silent)  # type: ignore[arg-type]
    assert [row.variant for row in outcome.rows if row.role == "reasoner"].count("reasoned") == bool(compare)
    report = build_report([outcome], title="t", facts={})
    calls = {"direct": 2 * 3 + 4 * 3, "reasoned": 4 * 3, "both": 2 * 3 + 4 * 3}[kind]
    assert [card.calls for card in report.query_cards] == [calls] * 4
    assert next(row for row in outcome.rows if row.role == "reasoner").calls == 4 * (6 if kind == "direct" else calls)
    shown = [each for card in report.query_cards for each in card.candidates if each.score_direct is not None]
    assert len(shown) == 4 * 3
    assert all(each.score_words == pytest.approx(read("The shoes agree: white shoes in both.")) for each in shown)
    assert {each.score_name for each in shown} == {
        {"direct": "direct score", "reasoned": "reasoned score", "both": "direct and reasoned score"}[kind]
    }
