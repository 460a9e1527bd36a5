"""A search of a gallery: who is found, in which order, with which numbers; and that it is the search of `find`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gallery_of_people import VISITS, Bands, Judge, Visit, asked, crops_of, drawn, gallery, models, png, with_profile
from numpy.typing import NDArray

from reidr.errors import DataError
from reidr.fusion.ask_policy import Policy
from reidr.reasoning.types import Pair
from reidr.search import search
from reidr.search.appearances.travel import TravelTime
from reidr.search.appearances.types import SearchAnswer
from reidr.search.task import SearchOptions
from reidr.service.finding.finding import find_people
from reidr.service.finding.models import Models
from reidr.service.finding.request import GivenPicture, SearchRequest
from reidr.service.store.store import GalleryStore

ONES = [visit.track for visit in VISITS if visit.person == 1]


def test_the_person_is_found_in_every_camera_as_appearances_on_a_time_line(store: GalleryStore) -> None:
    answer = find_people(store, models(), asked())
    first = answer.appearances[:3]
    assert {each.camera for each in first} == {"door", "yard", "roof"}
    assert {track.track for each in first for track in each.tracks} == set(ONES)
    door = next(each for each in first if each.camera == "door")
    assert (door.start, door.end) == (100.0, 190.0)  # two tracks, 70 s apart
    assert [each.rank for each in answer.appearances] == list(range(1, len(answer.appearances) + 1))
    assert sorted(rank for line in answer.time_line.cameras for rank in line.appearances) == [
        each.rank for each in answer.appearances
    ]
    assert answer.presence.belief == "probably there"
    assert answer.presence.sentence.startswith("The person is probably here")
    assert answer.searched == 2 * len(VISITS)
    assert SearchAnswer.model_validate_json(answer.model_dump_json()) == answer


def test_somebody_who_is_not_here_is_said_to_be_absent(store: GalleryStore) -> None:
    tuned = with_profile(csls=False)
    answer = find_people(store, models(tuned), asked(person=777))
    assert answer.presence.belief == "perhaps absent"
    assert "may well not be here" in answer.presence.sentence


@pytest.mark.parametrize("profile", ["weighted", "plain", "in doubt", "none"])
def test_it_is_the_search_of_find(tmp_path: Path, profile: str) -> None:
    """One crop a track, far apart in time: the same order, distances, scores and probabilities as `find` gives."""
    tuned = {
        "weighted": with_profile(),
        "plain": with_profile(csls=False, weight=0.7),
        "in doubt": with_profile(asking="in doubt", policy=Policy(2.0, 4, first=3, last=12)),
        "none": None,
    }[profile]
    visits = [Visit(number % 23, "door", 10_000.0 * number, number + 1) for number in range(40)]
    store, folder = gallery(tmp_path / "g", visits[:0]), tmp_path / "crops"
    folder.mkdir()
    crops = [crops_of(visit)[0] for visit in visits]
    store.add(crops)
    for crop in crops:
        (folder / f"{crop.track}.png").write_bytes(crop.picture)
    answer = find_people(store, models(tuned), asked(person=3))
    own = models(tuned)
    options = SearchOptions(own.retriever, own.reasoner, think=0, fold=False)
    found = search(drawn(3), folder, 10, options, keep=False)
    tracks = answer.tracks()
    assert [track.track for track in tracks] == [match.crop.id.removesuffix(".png") for match in found.matches]
    for track, match in zip(tracks, found.matches, strict=True):
        assert track.distance == pytest.approx(match.distance, abs=1e-5)
        assert track.order_value == pytest.approx(match.order_value, abs=1e-5)
        assert track.direct_score == pytest.approx(match.direct_score)
        assert track.p_same == (pytest.approx(match.probability) if match.calibrated else None)
    assert answer.order_by == found.order_by
    assert answer.presence.value == pytest.approx(found.presence.value, abs=1e-5)
    assert (answer.presence.belief, answer.presence.score) == (found.presence.belief, found.presence.score)


def test_cameras_times_and_the_number_of_matches_are_kept_to(store: GalleryStore) -> None:
    answer = find_people(store, models(), asked(cameras=("yard",)))
    assert {each.camera for each in answer.appearances} == {"yard"}
    answer = find_people(store, models(), asked(since=120.0, until=310.0))
    assert {track.track for track in answer.tracks()} >= {"door-000180-1", "yard-000300-1"}
    assert all(track.end >= 120 and track.start <= 310 for track in answer.tracks())  # type: ignore[operator]
    assert len(find_people(store, models(), asked(max_matches=2)).appearances) == 2
    nobody = find_people(store, models(), asked(cameras=("cellar",)))
    assert nobody.appearances == []
    assert nobody.presence.sentence.startswith("Nobody was seen")


def test_a_track_of_the_gallery_is_searched_with_and_not_found(store: GalleryStore) -> None:
    answer = find_people(store, models(), SearchRequest(tracks=(ONES[0],)))
    found = [track.track for track in answer.tracks()]
    assert ONES[0] not in found
    assert set(found[:3]) == set(ONES[1:])
    assert [each.stored for each in answer.query] == [True, True]
    with pytest.raises(DataError, match="track nobody is not in the gallery"):
        find_people(store, models(), SearchRequest(tracks=("nobody",)))


def test_several_pictures_are_one_person(store: GalleryStore) -> None:
    pictures = tuple(GivenPicture(name="same name.png", content=png(drawn(1, frame))) for frame in (11, 12, 13))
    answer = find_people(store, models(), SearchRequest(pictures=pictures))
    assert len({each.id for each in answer.query}) == 3
    assert answer.query_shown in {each.id for each in answer.query}
    assert {track.track for track in answer.tracks()[:4]} == set(ONES)


def test_confirmed_tracks_join_the_query_and_stay_and_rejected_ones_come_last(store: GalleryStore) -> None:
    far = asked(frame=200, confirmed=(ONES[2],), rejected=(ONES[0],))
    answer = find_people(store, models(), far)
    first, last = answer.tracks()[0], answer.tracks()[-1]
    assert (first.track, first.decided, first.order_value) == (ONES[2], "same", None)
    assert (last.track, last.decided) == (ONES[0], "different")
    assert answer.presence.sentence == "The person is here: 1 track confirmed."
    assert answer.query_shown == "query.png"
    assert not last.doubtful
    gone = find_people(store, models(), asked(confirmed=("erased",)))
    assert "no longer in the gallery" in gone.notes[0]


def test_words_alone_and_words_beside_a_picture(store: GalleryStore) -> None:
    answer = find_people(store, models(), SearchRequest(words="backpack", max_matches=40))
    assert answer.order_by == "probability of the words"
    chances = [track.p_words for track in answer.tracks()]
    assert chances == sorted(chances, reverse=True)  # type: ignore[type-var]
    reds = [track for track in answer.tracks() if int(track.track.rsplit("-", 1)[1]) % 2]
    assert all(track.p_words == pytest.approx(0.9, abs=0.01) for track in reds)
    assert answer.presence.belief == "unknown"
    both = find_people(store, models(), asked(words="backpack, purple moustache"))
    assert {track.track for track in both.tracks()[:7]} >= set(ONES)
    assert both.order_by == "looks and words"
    assert both.tracks()[0].terms[0].probability == pytest.approx(0.9, abs=0.01)
    assert any("moustache" in sentence for sentence in both.words_sentences)


def test_words_need_attributes(tmp_path: Path) -> None:
    store = gallery(tmp_path / "g", VISITS[:3])
    with pytest.raises(DataError, match="cannot be searched by words"):
        find_people(store, models(), SearchRequest(words="backpack"))
    with pytest.raises(DataError, match="nothing in the description"):
        find_people(store, models(), SearchRequest(words="xyzzy"))


def test_travel_times_move_the_order_as_they_say(store: GalleryStore) -> None:
    """Of two tracks that look alike the one that came in the usual time goes ahead, and P(same) follows Bayes' rule."""
    table = tuple(
        TravelTime.model_validate({"from": one, "to": other, "least": 60, "usual": 110, "most": 200})
        for one, other in (("door", "yard"), ("yard", "roof"), ("door", "roof"))
    )
    plain = find_people(store, models(), SearchRequest(tracks=(ONES[1],)))
    timed = find_people(store, models(), SearchRequest(tracks=(ONES[1],), travel_times=table))
    before = {track.track: track for track in plain.tracks()}
    for track in timed.tracks():
        old = before[track.track]
        if track.travel is None:
            assert track.p_same == old.p_same
            continue
        assert track.p_same is not None
        assert old.p_same is not None
        odds = np.log(old.p_same / (1 - old.p_same)) + track.travel.log_likelihood
        assert track.p_same == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)
    yard = next(track for track in timed.tracks() if track.track == ONES[2])
    roof = next(track for track in timed.tracks() if track.track == ONES[3])
    assert yard.travel is not None
    assert yard.travel.log_likelihood > 0
    assert roof.travel is not None
    assert roof.travel.log_likelihood < 0  # two hours later
    assert timed.order_by.endswith("with travel times")
    nowhere = find_people(store, models(), asked(travel_times=table))
    assert any("travel times were not used" in note for note in nowhere.notes)


def test_the_doubtful_are_the_least_sure_and_no_more_than_the_budget(store: GalleryStore) -> None:
    answer = find_people(store, models(), asked(reasons=3))
    chances = {track.track: track.p_same for track in answer.tracks()}
    bits = {track: -abs(chance - 0.5) for track, chance in chances.items() if chance is not None}
    assert answer.doubtful == sorted(bits, key=lambda track: -bits[track])[:3]
    assert find_people(store, models(None), asked()).doubtful == []


def test_another_retriever_is_refused(store: GalleryStore) -> None:
    class Other:
        name, fingerprint = "other", "0123456789abcdef"

    with pytest.raises(DataError, match="vectors are of the retriever bands, not of this other"):
        find_people(store, Models(Other()), asked())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [{}, {"words": "  "}, {"tracks": ("a",), "since": 5.0, "until": 4.0}, {"tracks": ("a",), "max_matches": 0}],
)
def test_requests_that_ask_for_nothing_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"searched for|before it begins|greater than"):
        SearchRequest.model_validate(fields)


def test_a_track_that_is_unlikely_does_not_lengthen_the_appearance_of_a_likely_one(store: GalleryStore) -> None:
    class Knows(Judge):
        """Says that the second track at the door is somebody else."""

        def score(self, pairs: Sequence[Pair], **_: object) -> NDArray[np.float64]:
            return np.array([0.02 if ONES[1] in pair.candidate.id else 0.97 for pair in pairs])

    door = asked(cameras=("door",), max_matches=20)
    together = find_people(store, models(), door).appearances[0]
    assert [track.track for track in together.tracks] == ONES[:2]
    apart = find_people(store, Models(Bands(), Knows()), door)
    assert [[track.track for track in each.tracks] for each in apart.appearances if each.id in ONES] in (
        [[ONES[0]], [ONES[1]]], [[ONES[1]], [ONES[0]]],
    )  # fmt: skip
    one_said = find_people(store, models(), asked(cameras=("door",), confirmed=(ONES[0],), rejected=(ONES[1],)))
    assert all(len(each.tracks) == 1 for each in one_said.appearances if each.id in ONES)


def test_decided_appearances_do_not_use_up_the_matches_that_were_asked_for(store: GalleryStore) -> None:
    answer = find_people(store, models(), asked(max_matches=3, confirmed=(ONES[3],)))
    assert [each.decided for each in answer.appearances] == ["same", "undecided", "undecided", "undecided"]


def test_a_track_that_is_erased_during_the_search_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gallery(tmp_path / "g", VISITS[:6])
    monkeypatch.setattr(store, "tracks", lambda *_, **__: [])
    with pytest.raises(DataError, match="changed while it was searched"):
        find_people(store, models(), asked())
    store.close()
