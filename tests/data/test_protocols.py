from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reidr.data.checks.official_counts import protocol_of
from reidr.data.protocols.dataset_overlap import check_unseen
from reidr.data.protocols.trial import PROTOCOLS, Trial, check_belongs, find_protocol, gallery_draws, trials
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError

NOWHERE = Path("/nowhere")


def crop(name: str, person: str | None, camera: str | None, outfit: str | None = None, junk: bool = False) -> Crop:
    return Crop(name, NOWHERE, person=person, camera=camera, outfit=outfit, junk=junk)


def random_dataset(seed: int, people: int = 8, crops: int = 60) -> ReIDDataset:
    random = np.random.default_rng(seed)

    def draw(name: str, number: int, gallery: bool) -> tuple[Crop, ...]:
        made = []
        for i in range(number):
            kind = random.random()
            junk = gallery and kind < 0.1
            person = None if junk or (gallery and kind < 0.25) else str(random.integers(people))
            camera = None if random.random() < 0.1 else str(random.integers(3))
            made.append(crop(f"{name}{i}", person, camera, str(random.integers(2)), junk))
        return tuple(made)

    return ReIDDataset("random", None, query=draw("q", crops // 3, False), gallery=draw("g", crops, True))


def ignored_twin(query: Crop, gallery: Crop, clothes: str | None, same_camera: bool) -> bool:
    """The rule in plain words, one pair at a time."""
    if gallery.junk:
        return True
    if query.person is None or gallery.person is None or query.person != gallery.person:
        return False
    if same_camera and query.camera is not None and query.camera == gallery.camera:
        return True
    if clothes == "changed":
        return query.outfit == gallery.outfit
    if clothes == "same":
        return query.outfit != gallery.outfit
    return False


@pytest.mark.parametrize(
    "name", ["standard", "any-camera", "ltcc/general", "ltcc/clothes-changing", "ltcc/same-clothes"]
)
@pytest.mark.parametrize("seed", range(3))
def test_ignored_and_matching_pairs_agree_with_the_rule_in_words(name: str, seed: int) -> None:
    protocol = find_protocol(name)
    [trial] = trials(random_dataset(seed), protocol)
    excluded, matches, arguments = trial.excluded(), trial.matches(), trial.arguments()
    for q, query in enumerate(trial.query):
        for g, gallery in enumerate(trial.gallery):
            ignored = ignored_twin(query, gallery, protocol.clothes, protocol.ignore_same_camera)
            same = query.person is not None and query.person == gallery.person
            assert excluded[q, g] == ignored, (query, gallery)
            assert matches[q, g] == (same and not ignored)
            assert (arguments["query_ids"][q] == arguments["gallery_ids"][g]) == same
            same_camera = protocol.ignore_same_camera and query.camera is not None and query.camera == gallery.camera
            assert (arguments["query_cameras"][q] == arguments["gallery_cameras"][g]) == same_camera
    assert trial.mated.tolist() == matches.any(axis=1).tolist()
    assert arguments["junk"].tolist() == [c.junk for c in trial.gallery]
    assert ("clothes" in arguments) == (protocol.clothes is not None)
    # Some evaluators take negative ids for junk, which would drop the distractors.
    assert min(arguments["gallery_ids"].min(), arguments["query_ids"].min()) >= 0


def test_rows_are_slices_of_the_whole() -> None:
    [trial] = trials(random_dataset(4), find_protocol("standard"))
    assert (trial.excluded(slice(5, 9)) == trial.excluded()[5:9]).all()
    assert (trial.matches(slice(5, 9)) == trial.matches()[5:9]).all()


def test_outfit_two_of_one_person_is_not_outfit_two_of_another() -> None:
    dataset = ReIDDataset(
        "d", None, query=(crop("q", "1", "1", "2"),), gallery=(crop("a", "2", "2", "2"), crop("b", "1", "2", "2"))
    )
    [trial] = trials(dataset, find_protocol("ltcc/cc"))
    assert trial.excluded().tolist() == [[False, True]]
    arguments = trial.arguments()
    assert (arguments["query_outfits"][0] == arguments["gallery_outfits"]).tolist() == [False, True]


def test_a_missing_outfit_is_named() -> None:
    dataset = ReIDDataset("d", None, query=(crop("q", "1", "1"),), gallery=(crop("g", "1", "2", "1"),))
    with pytest.raises(DataError, match="q: has no outfit label"):
        trials(dataset, find_protocol("ltcc/clothes-changing"))[0].arguments()


def prcc() -> ReIDDataset:
    gallery = [crop(f"A/{p}/{i}", p, "A", "1") for p in ("1", "2", "3") for i in range(4)]
    query = [
        crop(f"{camera}/{p}", p, camera, "1" if camera == "B" else "2") for camera in "BC" for p in ("1", "2", "3")
    ]
    return ReIDDataset("prcc", None, query=tuple(query), gallery=tuple(gallery))


def test_prcc_multi_shot_and_single_shot() -> None:
    [changed] = trials(prcc(), find_protocol("prcc/cc/multi-shot"))
    assert [c.id for c in changed.query] == ["C/1", "C/2", "C/3"]
    assert len(changed.gallery) == 12
    [same] = trials(prcc(), find_protocol("prcc/same-clothes/multi-shot"))
    assert [c.id for c in same.query] == ["B/1", "B/2", "B/3"]
    draws = trials(prcc(), find_protocol("prcc/clothes-changing/single-shot"), seed=3)
    assert len(draws) == 10
    for trial in draws:
        assert sorted(str(c.person) for c in trial.gallery) == ["1", "2", "3"]
        assert trial.mated.all()
    assert len({tuple(c.id for c in trial.gallery) for trial in draws}) > 3


def test_draws_do_not_depend_on_the_order_of_the_gallery() -> None:
    dataset = prcc()
    turned = replace(dataset, gallery=tuple(reversed(dataset.gallery)))
    protocol = find_protocol("prcc/clothes-changing/single-shot")
    first = [[c.id for c in trial.gallery] for trial in trials(dataset, protocol, seed=7)]
    assert first == [[c.id for c in trial.gallery] for trial in trials(turned, protocol, seed=7)]
    assert first != [[c.id for c in trial.gallery] for trial in trials(dataset, protocol, seed=8)]


def test_draws_leave_junk_and_distractors_aside_and_are_even() -> None:
    gallery = (crop("a", "1", "1"), crop("b", "1", "2"), crop("c", None, "1"), crop("d", None, "1", junk=True))
    draws = gallery_draws(gallery, 400, seed=0)
    assert {tuple(chosen) for chosen in draws} == {(0,), (1,)}
    # 400 fair coin throws: the standard deviation of the count is 10; five of them.
    assert abs(sum(int(chosen[0]) for chosen in draws) - 200) < 50


def test_single_gallery_shot_draws_one_crop_per_person_among_those_not_ignored() -> None:
    dataset = random_dataset(11)
    draws = trials(dataset, find_protocol("single-gallery-shot"), seed=5)
    [standard] = trials(dataset, find_protocol("standard"))
    assert len(draws) == 10
    kept = ~draws[0].excluded()
    for q in range(len(dataset.query)):
        shown = [dataset.gallery[g].person for g in np.flatnonzero(kept[q])]
        allowed = {c.person for c, gone in zip(dataset.gallery, standard.excluded()[q], strict=True) if not gone} - {
            None
        }
        assert sorted(map(str, shown)) == sorted(map(str, allowed))  # each allowed person once, no distractor
    # Whoever can be answered in full can be answered in every draw.
    assert (draws[3].matches().any(axis=1) == standard.matches().any(axis=1)).all()
    assert (draws[0].excluded() != draws[1].excluded()).any()
    assert (draws[0].arguments()["ignored"](slice(2, 4)) == draws[0].not_drawn()[2:4]).all()
    assert (draws[0].arguments(blockwise=False)["ignored"] == draws[0].not_drawn()).all()


def test_single_gallery_shot_does_not_depend_on_any_order() -> None:
    dataset = random_dataset(12)
    protocol = find_protocol("single-gallery-shot")
    first = trials(dataset, protocol, seed=1)[2].excluded()
    turned = replace(dataset, query=dataset.query[::-1], gallery=dataset.gallery[::-1])
    assert (trials(turned, protocol, seed=1)[2].excluded()[::-1, ::-1] == first).all()


def test_vc_clothes_filters_query_and_gallery_by_camera() -> None:
    crops = [crop(f"{camera}", "1", camera, "1") for camera in ("1", "2", "3", "4")]
    dataset = ReIDDataset("vc", None, query=tuple(crops), gallery=tuple(crops))
    for name, cameras in {"vc-clothes/cc": "34", "vc-clothes/sc": "23", "vc-clothes/all": "1234"}.items():
        [trial] = trials(dataset, find_protocol(name))
        assert "".join(str(c.camera) for c in trial.query) == cameras
        assert "".join(str(c.camera) for c in trial.gallery) == cameras


def test_open_set_takes_half_of_the_mated_persons_out() -> None:
    people = [str(i) for i in range(20)]
    dataset = ReIDDataset(
        "d",
        None,
        query=tuple(crop(f"q{p}", p, "1") for p in (*people, "stranger")),
        gallery=(*(crop(f"g{p}{i}", p, "2") for p in people for i in range(3)), crop("x", None, "2")),
    )
    [trial] = trials(dataset, find_protocol("open-set"), seed=1)
    assert trial.mated.sum() == 10
    assert not trial.mated[-1]
    assert len(trial.gallery) == 31  # 10 persons with 3 crops each, and the distractor
    [again] = trials(replace(dataset, gallery=dataset.gallery[::-1]), find_protocol("open-set"), seed=1)
    assert {c.id for c in again.gallery} == {c.id for c in trial.gallery}
    [quarter] = trials(dataset, replace(find_protocol("open-set"), withheld=0.25), seed=1)
    assert quarter.mated.sum() == 15
    assert quarter.gallery[-1].id == "x"
    [other] = trials(dataset, find_protocol("open-set"), seed=2)
    assert {c.id for c in other.gallery} != {c.id for c in trial.gallery}


@pytest.mark.parametrize(
    ("tested", "trained"),
    [
        ("Market-1501-v15.09.15", "market1501-dev"),
        ("MSMT17_V2", "msmt17-v2"),
        ("msmt17-v1", "MSMT17_V2"),
        ("Occluded_Duke", "occluded-duke"),
        ("occluded-duke", "DukeMTMC-reID"),
        ("cuhk03-np-detected", "../shared/data/cuhk03-np-train"),
        ("cuhk03-np-detected", "/data/CUHK03-NP/detected"),
        ("cuhk03-np-detected", "C:\\data\\CUHK03-NP\\detected"),
        ("market1501-dev", "joined market1501 and msmt17"),
        ("market", "Market1501"),
        ("my-shop", "My_Shop"),
        ("my-shop, held-out training identities", "my-shop"),
        ("我的商店", "/data/我的商店/"),
    ],
)
def test_cross_domain_refuses_models_that_saw_the_data_set(tested: str, trained: str) -> None:
    protocol, dataset = find_protocol("cross-domain"), ReIDDataset(tested, None)
    check_unseen(find_protocol("standard"), dataset, {"retriever nano": [trained]})
    for models in ({"retriever nano": ["street", trained]}, {"retriever nano": [], "reasoner big": [trained]}):
        model = list(models)[-1]
        with pytest.raises(DataError, match=re.escape(f"but {model} was trained on {trained};")):
            check_unseen(protocol, dataset, models)


@pytest.mark.parametrize(
    ("tested", "trained"),
    [
        ("market1501-dev", "cuhk03-np-train"),
        ("my-shop", "my-street"),
        ("supermarket", "market1501"),
        ("cuhk03-np-detected", "cuhk02"),
        ("market1501", "~/market1501/others/msmt17"),
        ("...", "---"),
    ],
)
def test_cross_domain_takes_models_that_saw_other_data_sets(tested: str, trained: str) -> None:
    check_unseen(find_protocol("cross-domain"), ReIDDataset(tested, None), {"retriever nano": [trained]})


def test_cross_domain_knows_a_data_set_that_was_recognised_under_another_name() -> None:
    dataset = ReIDDataset("photos", None, kind="market1501")
    with pytest.raises(DataError, match="that have not seen photos"):
        check_unseen(find_protocol("cross-domain"), dataset, {"retriever nano": ["market1501-dev"]})


@pytest.mark.parametrize(
    ("name", "kind", "belongs"),
    [
        ("standard", "market1501", True),
        ("open-set", "prcc", True),
        ("vc-clothes/sc", "market1501", False),
        ("vc-clothes/sc", "the Market-1501 layout", False),
        ("vc-clothes/sc", "vc-clothes", True),
        ("ltcc/cc", "prcc", False),
        ("cuhk03-np/labelled", "cuhk03-np/labelled", True),
        ("cuhk03-np/labelled", "cuhk03-np/detected", False),
        ("ltcc/cc", None, True),  # a manifest may be of any data set
    ],
)
def test_a_data_set_is_measured_by_general_rules_and_its_own(name: str, kind: str | None, belongs: bool) -> None:
    if belongs:
        check_belongs(find_protocol(name), "photos", kind)
        return
    with pytest.raises(DataError, match=r"photos was read as .*use one of standard, ") as refusal:
        check_belongs(find_protocol(name), "photos", kind)
    assert find_protocol(name).name not in str(refusal.value).partition("use one of ")[2]


def test_every_rule_of_a_data_set_is_for_one_that_is_known_and_default_there() -> None:
    for name, protocol in PROTOCOLS.items():
        assert (protocol.data_set is not None) == ("/" in name)
        if protocol.data_set is not None:
            assert name.startswith(protocol.data_set)
            check_belongs(find_protocol(protocol_of(protocol.data_set)), "photos", protocol.data_set)


def test_queries_are_sampled_among_those_of_the_protocol() -> None:
    # B and C each have three queries: of all six, three would leave one or two of either camera now and then.
    for seed in range(20):
        [trial] = trials(prcc(), find_protocol("prcc/cc/multi-shot"), seed, queries=2)
        assert [c.camera for c in trial.query] == ["C", "C"]
    draws = trials(prcc(), find_protocol("prcc/cc/single-shot"), queries=2)
    assert {tuple(c.id for c in trial.query) for trial in draws} == {tuple(c.id for c in draws[0].query)}
    [same] = trials(random_dataset(3), find_protocol("standard"), 1, queries=5)
    [again] = trials(random_dataset(3), find_protocol("standard"), 1, queries=5)
    assert [c.id for c in same.query] == [c.id for c in again.query]
    everyone = [c.id for c in random_dataset(3).query]
    assert [i for i in everyone if i in {c.id for c in same.query}] == [c.id for c in same.query]
    assert len(same.query) == 5
    with pytest.raises(DataError, match="at least 1"):
        trials(prcc(), find_protocol("prcc/cc/multi-shot"), queries=0)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("standard", "standard"),
        (" Standard ", "standard"),
        ("vc-clothes/cc", "vc-clothes/clothes-changing"),
        ("cuhk03-np/labeled", "cuhk03-np/labelled"),
        ("prcc/sc/single-shot", "prcc/same-clothes/single-shot"),
    ],
)
def test_names_and_their_short_forms(typed: str, name: str) -> None:
    assert find_protocol(typed).name == name


def test_unknown_names_list_the_near_ones() -> None:
    with pytest.raises(
        DataError, match=r"no protocol 'ltcc'; there are: ltcc/general, ltcc/clothes-changing, ltcc/same"
    ):
        find_protocol("ltcc")
    with pytest.raises(DataError, match=r"there are: standard, cuhk03-np/detected"):
        find_protocol("nonsense")


def test_names_in_the_table_are_the_protocols_own() -> None:
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


def test_empty_splits_and_cameras_that_are_not_there() -> None:
    dataset = ReIDDataset("d", None, query=(crop("q", "1", "1"),))
    with pytest.raises(DataError, match="d: no gallery crops to evaluate on"):
        trials(dataset, find_protocol("standard"))
    full = replace(dataset, gallery=(crop("g", "1", "2"),))
    with pytest.raises(DataError, match="query has crops of cameras 1, but the protocol needs C"):
        trials(full, find_protocol("prcc/cc/multi-shot"))


def test_the_evaluator_takes_the_arguments_as_they_are() -> None:
    ranking = pytest.importorskip("reidr.evaluation.metrics.ranking")
    dataset = random_dataset(21)
    random = np.random.default_rng(0)
    distances = random.random((len(dataset.query), len(dataset.gallery)))
    for name in ("standard", "ltcc/clothes-changing", "single-gallery-shot"):
        trial: Trial = trials(dataset, find_protocol(name))[0]
        result = ranking.evaluate_ranking(distances, **trial.arguments(blockwise=False))
        kept, matches = ~trial.excluded(), trial.matches()
        precisions = []
        for q in range(len(dataset.query)):
            order = [g for g in np.argsort(distances[q]) if kept[q, g]]
            hits = [rank for rank, g in enumerate(order, start=1) if matches[q, g]]
            if hits:
                precisions.append(np.mean([n / rank for n, rank in enumerate(hits, start=1)]))
        assert result.mean_average_precision == pytest.approx(np.mean(precisions), abs=1e-12)
