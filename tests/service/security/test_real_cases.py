"""Erasure and messages on cases as the search itself makes and keeps them, with their exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gallery_of_people import VISITS, asked, gallery, models
from site_of_tests import traces_on_disk

from reidr.service.finding.cases import Saying, case_of, decide, open_case, search_case
from reidr.service.finding.exports.export import export_case
from reidr.service.finding.site import site_of
from reidr.service.notifying.events import events_for
from reidr.service.notifying.targets import add_target
from reidr.service.records.opening import open_records
from reidr.service.records.records import RecordStore
from reidr.service.security.erasure.erasing import erase
from reidr.service.security.erasure.receipts import Erasure
from reidr.service.store.records import CropFilter
from reidr.service.store.store import GalleryStore

OF_ONE = [visit.track for visit in VISITS if visit.person == 1]
OF_OTHERS = [visit.track for visit in VISITS if visit.person != 1]
Site = tuple[GalleryStore, RecordStore]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A gallery, and a case about person 1 in which one track is confirmed and one of somebody else rejected."""
    store, records = gallery(tmp_path / "site"), open_records(tmp_path / "site")
    open_case(records, "lost-child", asked(), "Ada", "a child is missing")
    search_case(store, models(), records, "lost-child")
    decide(store, records, "lost-child", Saying(OF_ONE[0], "same", "Ada", "the same coat"))
    found = case_of(records, "lost-child").answer
    assert found is not None
    wrong = next(track.track for track in found.tracks() if track.track in OF_OTHERS)
    decide(store, records, "lost-child", Saying(wrong, "different", "Ada", "another coat"))
    return store, records


def test_the_person_of_a_case_is_erased_with_the_case_and_its_exports(tmp_path: Path, site: Site) -> None:
    store, records = site
    page = export_case(store, records, "lost-child", "html", tmp_path / "exports")
    erased = store.crops(CropFilter(tracks=frozenset({OF_ONE[0]})))
    assert page.is_file()
    receipt = erase(store, records, Erasure(CropFilter(tracks=frozenset({OF_ONE[0]})), "Otto"))
    assert not page.exists()
    assert str(page) in receipt.files
    assert [records.of_kind(kind) for kind in ("case", "case-pictures", "decision")] == [[], [], []]
    assert all(traces_on_disk(tmp_path / "site", crop) == [] for crop in erased)


def test_somebody_who_was_rejected_leaves_a_case_that_can_still_be_used(site: Site) -> None:
    store, records = site
    wrong = case_of(records, "lost-child").decisions[1].track
    erase(store, records, Erasure(CropFilter(tracks=frozenset({wrong})), "Otto"))
    kept = [record.value for kind in ("case", "decision") for record in records.of_kind(kind)]
    assert wrong not in json.dumps(kept)
    case = case_of(records, "lost-child")
    assert [decision.decided for decision in case.decisions] == ["same", "different"]
    assert (case.decisions[1].by, case.decisions[1].why, case.decisions[1].crops) == ("Ada", "", [])
    assert len(site_of(records).decisions) == 2  # the site's threshold still rests on both
    again = search_case(store, models(), records, "lost-child")
    assert again.answer is not None
    assert wrong not in again.answer.model_dump_json()
    assert OF_ONE[0] in {track.track for track in again.answer.tracks()}


def test_footage_that_grew_too_old_leaves_the_case(site: Site) -> None:
    store, records = site
    erase(store, records, Erasure(CropFilter(tracks=frozenset({OF_ONE[0]})), "Otto", about_person=False))
    case = case_of(records, "lost-child")
    assert OF_ONE[0] not in case.model_dump_json()
    assert search_case(store, models(), records, "lost-child").answer is not None


def test_real_decisions_and_answers_are_told(tmp_path: Path) -> None:
    store, records = gallery(tmp_path / "site"), open_records(tmp_path / "site")
    target = add_target(records, "a", "https://example.org/", by="Otto", found_above=0.01)
    open_case(records, "lost-child", asked(), "Ada")
    answer = search_case(store, models(), records, "lost-child").answer
    assert answer is not None
    probable = {track.track for track in answer.tracks() if track.p_same is not None and track.p_same >= 0.01}
    assert probable
    assert {event.track for event in events_for(records, target)} == probable
    decide(store, records, "lost-child", Saying(OF_ONE[0], "same", "Ada"))
    told = [event for event in events_for(records, target) if event.kind == "match.confirmed"]
    assert [(event.track, event.by, event.case) for event in told] == [(OF_ONE[0], "Ada", "lost-child")]
