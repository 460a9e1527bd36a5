"""A case keeps what was asked, answered and decided; decisions change the next answer and what the site knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gallery_of_people import PROFILE, VISITS, Bands, Judge, asked, models, with_profile

from reidr.errors import DataError
from reidr.fusion.calibration import margin_of
from reidr.fusion.gallery_size import for_gallery
from reidr.fusion.profile import OpenSetRule
from reidr.fusion.recalibration import recalibrated, site_thresholds
from reidr.search.appearances.case import Case
from reidr.search.presence import Presence
from reidr.service.finding.cases import (
    Saying,
    case_of,
    cases,
    decide,
    keep_answer,
    open_case,
    remove_case,
    request_of,
    search_case,
)
from reidr.service.finding.finding import find_people
from reidr.service.finding.models import Models
from reidr.service.finding.request import SearchRequest
from reidr.service.finding.site import site_of
from reidr.service.finding.thinking import think
from reidr.service.records.opening import open_records
from reidr.service.records.records import RecordStore
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore

ONES = [visit.track for visit in VISITS if visit.person == 1]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    found = open_records(tmp_path / "site")
    yield found
    found.close()


@pytest.fixture
def case(store: GalleryStore, records: RecordStore) -> Case:
    open_case(records, "lost-child", asked(), "Ada", "a child is missing")
    return search_case(store, models(), records, "lost-child")


def say(store: GalleryStore, records: RecordStore, track: str, decided: str, by: str = "Ada", why: str = "") -> Case:
    return decide(store, records, "lost-child", Saying(track, decided, by, why))  # type: ignore[arg-type]


def test_a_case_keeps_all_of_it(store: GalleryStore, records: RecordStore, case: Case) -> None:
    assert case.answer is not None
    say(store, records, ONES[0], "same", why="the same coat")
    kept = case_of(records, "lost-child")
    assert kept.answer == case.answer
    assert request_of(records, kept).pictures == asked().pictures
    (decision,) = kept.decisions
    assert (decision.number, decision.track, decision.by, decision.why) == (1, ONES[0], "Ada", "the same coat")
    found = next(track for track in case.answer.tracks() if track.track == ONES[0])
    assert (decision.p_same, decision.direct_score) == (found.p_same, found.direct_score)
    assert decision.crops == [f"{ONES[0]}/0", f"{ONES[0]}/1"]
    assert [each.id for each in cases(records)] == ["lost-child"]


def test_what_is_confirmed_is_searched_with_and_what_is_taken_back_no_longer(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    say(store, records, ONES[0], "same")
    stranger = next(track.track for track in (case.answer or case).tracks() if track.track not in ONES)  # type: ignore[union-attr]
    say(store, records, stranger, "different")
    again = search_case(store, models(), records, "lost-child")
    assert again.answer is not None
    assert again.answer.tracks()[0].decided == "same"
    assert {picture.id for picture in again.answer.query if picture.stored} == {f"{ONES[0]}/0", f"{ONES[0]}/1"}
    assert again.answer.tracks()[-1].track == stranger
    say(store, records, ONES[0], "undecided", by="Bob")
    back = search_case(store, models(), records, "lost-child")
    assert back.answer is not None
    assert not any(picture.stored for picture in back.answer.query)
    assert [decision.by for decision in back.decisions] == ["Ada", "Ada", "Bob"]
    assert set(back.standing()) == {stranger}


def test_decisions_correct_the_probabilities_and_the_thresholds(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    assert case.answer is not None
    before = site_of(records)
    assert before.profile(models()) == PROFILE
    tracks = case.answer.tracks()
    for track in tracks:
        say(store, records, track.track, "same" if track.track in ONES else "different")
    site = site_of(records)
    wrong = [track for track in tracks if track.track not in ONES]
    margins = margin_of([track.direct_score for track in tracks])  # type: ignore[arg-type]
    expected = recalibrated(PROFILE.calibration, margins, [track.track in ONES for track in tracks])
    profile = site.profile(models())
    assert profile is not None
    assert profile.calibration == expected
    assert PROFILE.open_set is not None
    assert profile.open_set is not None
    nearest = min(track.score for track in wrong if track.score is not None)
    assert profile.open_set.thresholds == site_thresholds(PROFILE.open_set.thresholds, [nearest])
    told = site.thresholds(models(), Presence("perhaps there", "", "fused distance", 0.5))
    assert "at most about 1 false alarm in 100 absent people" in told.sentence
    assert f"{len(tracks)} decisions" in told.sentence
    assert ("stricter" in told.sentence) == (told.thresholds[0].value < PROFILE.open_set.thresholds["0.01"])
    for said in (told.sentence, before.thresholds(models(), Presence("unknown", "", "fused distance")).sentence):
        assert not re.search(r"\d\.\d|fused|distance", said)
    answer = find_people(store, models(), asked(person=5), site)
    assert answer.thresholds.decisions == len(tracks)
    shown = find_people(store, models(), asked(person=5)).tracks()[0]
    same = next(track for track in answer.tracks() if track.track == shown.track)
    assert same.p_same == pytest.approx(float(expected.apply(margin_of([shown.direct_score]))[0]))  # type: ignore[list-item]


def test_what_was_shipped_is_fitted_to_the_gallery_before_decisions_are_mixed_in(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    rule = OpenSetRule("fused distance", {"0.01": 0.3, "0.1": 0.7}, 10)
    tuned = models(with_profile(open_set=rule))
    crops = store.count()
    fitted = for_gallery(rule.thresholds, 10, crops)
    assert fitted["0.01"] < 0.3
    before = find_people(store, tuned, asked(), site_of(records))
    told = before.thresholds
    assert {f"{each.false_alarms:g}": each.value for each in told.thresholds} == fitted
    assert before.presence.thresholds == fitted
    assert told.shipped == rule.thresholds
    assert f"as measured on the training people, for a search among {crops} crops;" in told.sentence
    assert f"come as near among {crops} crops" in before.presence.sentence
    assert case.answer is not None
    for track in case.answer.tracks():
        say(store, records, track.track, "same" if track.track in ONES else "different")
    site = site_of(records)
    nearest = site.nearest_wrong(tuned, "fused distance")
    assert len(nearest) == 1
    mixed = site_thresholds(fitted, nearest)
    profile = site.profile(tuned, crops)
    assert profile is not None
    assert profile.open_set == OpenSetRule("fused distance", mixed, crops)
    after = find_people(store, tuned, asked(), site)
    assert after.presence.thresholds == mixed
    # Compared with what was shipped for a small gallery it is stricter; compared with what fits this one it is not.
    assert fitted["0.01"] < mixed["0.01"] < rule.thresholds["0.01"]
    assert "more lenient" in after.thresholds.sentence
    assert after.thresholds.sentence.endswith(f", for a search among {crops} crops.")
    assert f"among {crops} crops, by this site's" in after.presence.sentence


def test_the_thresholds_are_for_the_crops_that_pass_the_filters_and_are_not_the_query_s(store: GalleryStore) -> None:
    rule = OpenSetRule("fused distance", {"0.01": 0.3, "0.1": 0.7}, 10)
    tuned = models(with_profile(open_set=rule))

    def first(request: SearchRequest) -> float:
        return find_people(store, tuned, request).thresholds.thresholds[0].value

    def fits(crops: int) -> float:
        return for_gallery(rule.thresholds, 10, crops)["0.01"]

    whole, yard = store.count(), store.count(CropFilter(cameras=frozenset({"yard"})))
    assert 10 < yard < whole
    assert first(asked()) == fits(whole)
    assert first(asked(cameras=("yard",))) == fits(yard)
    assert first(SearchRequest(tracks=(ONES[0],))) == fits(whole - 2)  # both crops of the track are the query's
    assert first(SearchRequest(tracks=(ONES[0],), cameras=("yard",))) == fits(yard)  # which that track is not in


def test_the_retriever_s_own_thresholds_are_fitted_too(store: GalleryStore) -> None:
    class Measured(Bands):
        threshold_crops = 10.0

    found = find_people(store, Models(Measured(), None), asked())
    fitted = for_gallery(Bands.thresholds, 10, store.count())
    assert (found.presence.score, found.presence.thresholds) == ("distance", fitted)
    assert found.thresholds.shipped == Bands.thresholds


def test_a_rejected_match_behind_undecided_ones_says_nothing_of_the_nearest(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    assert case.answer is not None
    say(store, records, case.answer.tracks()[-1].track, "different")
    assert site_of(records).nearest_wrong(models(), "fused distance") == []


def test_decisions_about_another_model_do_not_count(store: GalleryStore, records: RecordStore, case: Case) -> None:
    say(store, records, ONES[0], "same")
    other = models()
    object.__setattr__(other.reasoner.card, "weights", "judge-2")  # type: ignore[union-attr]
    assert site_of(records).of_models(other) == []
    assert len(site_of(records).of_models(models())) == 1


def test_people_who_decide_at_once_are_all_kept(store: GalleryStore, records: RecordStore, case: Case) -> None:
    assert case.answer is not None
    tracks = [track.track for track in case.answer.tracks()][:8]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda track: say(store, records, track, "different", by=track), tracks))
    kept = case_of(records, "lost-child").decisions
    assert [decision.number for decision in kept] == list(range(1, 9))
    assert {decision.track for decision in kept} == set(tracks)
    assert all(decision.by == decision.track for decision in kept)


def test_reasons_come_one_by_one_and_are_kept_until_the_next_answer(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    assert case.answer is not None
    own, request = models(), request_of(records, case)
    judge = own.reasoner
    assert isinstance(judge, Judge)
    coming = think(store, own, request, case.answer)
    first = next(coming)
    assert judge.thought == [first.crop]
    reasons = [first, *coming]
    assert [reason.track for reason in reasons] == case.answer.doubtful
    assert first.query == "query.png"
    assert [statement.text for statement in first.verdict.statements] == [
        "Both have red shoes.", "A has a black bag, B has none.",
    ]  # fmt: skip
    kept = keep_answer(records, "lost-child", reasons=reasons)
    assert kept.reasons == reasons
    assert search_case(store, models(), records, "lost-child").reasons == []
    (one,) = think(store, own, request, case.answer, [ONES[0]])
    assert one.track == ONES[0]
    with pytest.raises(DataError, match="not in this answer"):
        next(think(store, own, request, case.answer, ["nobody"]))
    assert list(think(store, models(None), request, case.answer)) == []


def test_what_cannot_be_a_case_or_a_decision_is_refused(store: GalleryStore, records: RecordStore, case: Case) -> None:
    with pytest.raises(DataError, match="there is a case named 'lost-child' already"):
        open_case(records, "lost-child", asked(), "Ada")
    for name in ("", "a/b", "..", "x" * 65):
        with pytest.raises(DataError, match="a name has at most 64"):
            open_case(records, name, asked(), "Ada")
    with pytest.raises(DataError, match="name of the person who asks"):
        open_case(records, "new", asked(), " ")
    with pytest.raises(DataError, match="name of the person who makes it"):
        say(store, records, ONES[0], "same", by="")
    with pytest.raises(DataError, match="not in the answer"):
        say(store, records, "nobody", "same")
    with pytest.raises(DataError, match="there is no case other"):
        case_of(records, "other")


def test_a_case_is_removed_with_its_pictures_and_decisions_and_no_other(
    store: GalleryStore, records: RecordStore, case: Case
) -> None:
    say(store, records, ONES[0], "same")
    open_case(records, "lost-child-2", asked(), "Ada")
    assert remove_case(records, "lost-child")
    assert not remove_case(records, "lost-child")
    assert [each.id for each in cases(records)] == ["lost-child-2"]
    assert records.of_kind("decision") == []
    assert [each.key for each in records.of_kind("case-pictures")] == ["lost-child-2"]
