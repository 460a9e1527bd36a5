"""Whether the person is here: one sentence for each belief, by the thresholds that hold, and no surer than these."""

from __future__ import annotations

import pytest
from test_grouping import found

from reidr.search.appearances.here import by_site, entry_of
from reidr.search.appearances.types import SiteThresholds
from reidr.search.presence import Presence, judged

SHIPPED = {"0.01": 0.5, "0.1": 0.8}
NOTHING = SiteThresholds(score="", decisions=0, searches=0, thresholds=[], shipped={}, sentence="")
DECIDED = NOTHING.model_copy(update={"score": "distance", "decisions": 14, "searches": 6})


@pytest.mark.parametrize(
    ("value", "belief", "words"),
    [
        (0.5, "probably there", "The person is probably here: at most about 1 in 100 people who are not here"),
        (0.51, "perhaps there", "The person may be here: at most about 1 in 10 people who are not here"),
        (0.81, "perhaps absent", "The person may well not be here: more than 1 in 10 people who are not here"),
    ],
)
def test_every_belief_has_its_sentence(value: float, belief: str, words: str) -> None:
    entry = entry_of(judged("distance", value, SHIPPED), NOTHING, [found("a")])
    assert entry.belief == belief
    assert entry.sentence.startswith(words)
    assert entry.thresholds == SHIPPED


def test_the_thresholds_of_the_site_decide_and_are_named() -> None:
    before = judged("distance", 0.55, SHIPPED)
    after = by_site(before, {"0.01": 0.6, "0.1": 0.8})
    assert (before.belief, after.belief) == ("perhaps there", "probably there")
    assert entry_of(after, DECIDED, []).sentence.endswith("come as near, by this site's 14 decisions.")
    assert "decisions" not in entry_of(after, DECIDED.model_copy(update={"score": "fused distance"}), []).sentence
    assert by_site(before, {}) == before
    unknown = Presence("unknown", "Nothing can be said.")
    assert by_site(unknown, SHIPPED) == unknown
    assert entry_of(unknown, NOTHING, []).sentence == "Nothing can be said."


def test_the_size_of_the_gallery_is_said_where_the_thresholds_are_for_it() -> None:
    before = judged("distance", 0.55, SHIPPED, 15_913)
    after = by_site(before, {"0.01": 0.6, "0.1": 0.8})
    assert entry_of(before, NOTHING, []).sentence.endswith("who are not here come as near among 15,913 crops.")
    assert entry_of(after, DECIDED, []).sentence.endswith("as near among 15,913 crops, by this site's 14 decisions.")
    assert "among" not in entry_of(judged("distance", 0.55, SHIPPED), DECIDED, []).sentence


def test_what_somebody_confirmed_counts_more_than_any_number() -> None:
    tracks = [found("a", decided="same"), found("b", decided="different"), found("c", decided="same")]
    entry = entry_of(judged("distance", 1.5, SHIPPED), NOTHING, tracks)
    assert (entry.belief, entry.sentence) == ("probably there", "The person is here: 2 tracks confirmed.")
