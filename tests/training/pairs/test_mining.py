"""Candidate pairs: never a test person, never one the ranker was trained on; ranks, labels, balance, Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.data.join import join_training
from reidr.data.types import Crop, ReIDDataset
from reidr.errors import DataError
from reidr.retrieval.embedders.histogram import HistogramEmbedder
from reidr.training.pairs.balance import balance_pairs, share_out
from reidr.training.pairs.folds import Ranker, fold_of, rank_out_of_fold, split_folds
from reidr.training.pairs.mine import mine_pairs
from reidr.training.pairs.table import MinedPair, read_mined, read_pairs, write_pairs
from reidr.training.recipes.pairs import PairsRecipe

RECIPE = PairsRecipe(positives=1, negatives=2, negative_ranks=5, pairs=40)


class Numbers:
    """An embedder whose feature is an angle read from the picture's first pixel; it says whom it was trained on."""

    name, fingerprint = "numbers", "abc"

    def __init__(self, trained_on: frozenset[str] = frozenset()) -> None:
        self.trained_on = trained_on

    def embed_pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        angles = np.array([np.asarray(picture)[0, 0, 0] / 255 * np.pi for picture in pictures])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def people(folder: Path, name: str, count: int, cameras: int = 3) -> list[Crop]:
    random = np.random.default_rng(len(name))
    crops = []
    for person in range(count):
        for camera in range(cameras):
            path = folder / f"{name}-{person}-{camera}.png"
            Image.new("RGB", (4, 8), (int(random.integers(255)), 0, 0)).save(path)
            crops.append(Crop(path.name, path, f"{person}", f"{camera}"))
    return crops


@pytest.fixture
def crops(tmp_path: Path) -> tuple[Crop, ...]:
    sets = [ReIDDataset(name, None, train=tuple(people(tmp_path, name, 12))) for name in ("one", "second")]
    return join_training(sets)


def everyone(crops: Sequence[Crop]) -> frozenset[str]:
    return frozenset(str(crop.person) for crop in crops)


def test_no_pair_shows_a_person_its_ranker_was_trained_on(crops: tuple[Crop, ...]) -> None:
    trained: dict[int, frozenset[str]] = {}

    def train(seen: Sequence[Crop], fold: int) -> Any:
        trained[fold] = everyone(seen)
        return Numbers(trained[fold])

    rankers = rank_out_of_fold(crops, everyone(crops), 3, 0, train)
    mined = [pair for ranker in rankers for pair in mine_pairs(RECIPE, crops, ranker)]
    assert {pair.fold for pair in mined} == {0, 1, 2}
    for pair in mined:
        assert not {pair.query.person, pair.candidate.person} & trained[pair.fold]
    # Every person is trained on by two of the three folds: the test above could fail.
    assert Counter(person for own in trained.values() for person in own) == dict.fromkeys(everyone(crops), 2)
    assert frozenset.union(*(ranker.unseen for ranker in rankers)) == everyone(crops)


def test_a_test_identity_is_refused(crops: tuple[Crop, ...]) -> None:
    with pytest.raises(DataError, match="person one:3 is a test identity"):
        mine_pairs(RECIPE, crops, Ranker(Numbers(), everyone(crops)), {"one:3", "elsewhere:1"})
    # Only those to be mined count: the ranker has seen 3, so 3 is in no pair.
    mined = mine_pairs(RECIPE, crops, Ranker(Numbers(), everyone(crops) - {"one:3"}), {"one:3"})
    assert all("one:3" not in (pair.query.person, pair.candidate.person) for pair in mined)


def test_ranks_and_labels_against_plain_loops(crops: tuple[Crop, ...]) -> None:
    features = Numbers().embed_pictures([crop.open() for crop in crops]).astype(np.float64)
    wanted: dict[frozenset[str], list[tuple[int, bool]]] = {}
    distances: dict[tuple[str, str], tuple[int, float, float]] = {}
    lists: dict[str, list[tuple[int, float, Crop]]] = {}
    for row, query in enumerate(crops):
        found = sorted(
            (float(np.linalg.norm(features[row] - features[other])), other)
            for other, crop in enumerate(crops)
            if crop.camera != query.camera and crop.person.split(":")[0] == query.person.split(":")[0]  # type: ignore[union-attr]
        )
        taken: set[str | None] = set()
        ranked = [(rank, distance, crops[other]) for rank, (distance, other) in enumerate(found, start=1)]
        for rank, distance, crop in ranked:
            distances[query.id, crop.id] = rank, distance, distance - ranked[0][1]
        lists[query.id] = ranked[:5]
        worst = [each for each in ranked if each[2].person == query.person][-1]
        others = []
        for each in ranked[:5]:
            if each[2].person != query.person and each[2].person not in taken:
                taken.add(each[2].person)
                others.append(each)
        # One positive, the worst; two negatives, the first and the last of the other people.
        chosen = [worst, others[0], others[-1]] if len(others) > 1 else [worst, *others]
        for rank, _, crop in chosen:
            wanted.setdefault(frozenset((query.id, crop.id)), []).append((rank, crop.person == query.person))
    mined = mine_pairs(RECIPE, crops, Ranker(Numbers(), everyone(crops)))
    assert len({frozenset((pair.query.id, pair.candidate.id)) for pair in mined}) == len(mined)
    # Equal angles may change places; they are few.
    agreeing = sum((p.rank, p.label) in wanted.get(frozenset((p.query.id, p.candidate.id)), []) for p in mined)
    assert agreeing >= 0.9 * len(mined)
    assert len(mined) == pytest.approx(len(wanted), rel=0.05)
    for pair in mined:
        _, distance, gap = distances[pair.query.id, pair.candidate.id]
        assert (pair.distance, pair.gap) == (pytest.approx(distance, abs=2e-3), pytest.approx(gap, abs=4e-3))
        beside = [far for _, far, crop in lists[pair.query.id] if crop.id != pair.candidate.id]
        # At a tie the candidate itself may stand sixth here and fifth there.
        assert [far for far, _ in pair.others][:4] == pytest.approx(beside[:4], abs=2e-3)
        assert 4 <= len(pair.others) <= 5
        assert pair.label == (pair.query.person == pair.candidate.person)
        assert pair.query.camera != pair.candidate.camera
        assert pair.query.person.split(":")[0] == pair.candidate.person.split(":")[0] == pair.dataset  # type: ignore[union-attr]
    one = min(mined, key=lambda pair: pair.rank)
    people_of = {(round(far, 2), crop.person == one.query.person) for _, far, crop in lists[one.query.id]}
    assert {(round(far, 2), label) for far, label in one.others} <= people_of


def made(dataset: str, cameras: tuple[str, str], label: bool, number: int) -> MinedPair:
    query, candidate = (Crop(f"{dataset}{number}{c}", Path("x.png"), "p", c) for c in cameras)
    return MinedPair(query, candidate, dataset, "train", 0, 1, 0.5, 0.0, label, "abc")


def test_balance_by_label_cameras_and_data_set() -> None:
    pairs = [made("a", ("1", "2"), n % 2 == 0, n) for n in range(60)]  # 30 + 30
    pairs += [made("a", ("2", "1"), True, 100 + n) for n in range(10)]  # the same cell, the other way round
    pairs += [made("a", ("1", "3"), n % 4 == 0, 200 + n) for n in range(16)]  # 4 + 12
    pairs += [made("b", ("1", "2"), n < 5, 300 + n) for n in range(20)]  # 5 + 15
    kept = balance_pairs(pairs, 40, seed=0)
    # 20 of each label. b has room for 5, so a gets 15: its cell 1-3 has room for 4, its cell 1-2 takes 11.
    counts = Counter((pair.dataset, pair.cameras, pair.label) for pair in kept)
    assert counts == {
        (dataset, cameras, label): size
        for dataset, cameras, size in (("a", ("1", "2"), 11), ("a", ("1", "3"), 4), ("b", ("1", "2"), 5))
        for label in (True, False)
    }
    assert balance_pairs(pairs, 40, seed=0) == kept
    assert [pairs.index(pair) for pair in kept] == sorted(pairs.index(pair) for pair in kept)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), st.integers(0, 20), max_size=6), st.integers(0, 60))
def test_share_out_against_handing_out_one_by_one(room: dict[str, int], total: int) -> None:
    given_out = share_out(room, total)
    assert sum(given_out.values()) == min(total, sum(room.values()))
    one_by_one = dict.fromkeys(room, 0)
    for _ in range(min(total, sum(room.values()))):
        open_keys = [key for key in room if one_by_one[key] < room[key]]
        one_by_one[min(open_keys, key=lambda key: one_by_one[key])] += 1
    assert sorted(given_out.values()) == sorted(one_by_one.values())


def test_folds_depend_on_the_person_alone() -> None:
    names = [f"m:{number}" for number in range(300)]
    folds = split_folds(names, 3, 0)
    assert all(fold_of(name, 3, 0) == number for number, own in enumerate(folds) for name in own)
    assert min(len(own) for own in folds) > 70
    assert split_folds(names[:50], 3, 0)[1] == folds[1] & set(names[:50])
    with pytest.raises(DataError, match="too few"):
        split_folds(names[:1], 3, 0)


def test_parquet_keeps_everything(tmp_path: Path, crops: tuple[Crop, ...]) -> None:
    known = tuple(replace(crop, attributes={"hat": f"hat {place}"}) for place, crop in enumerate(crops))
    mined = mine_pairs(RECIPE, known, Ranker(HistogramEmbedder(), everyone(known)))
    path = tmp_path / "pairs.parquet"
    write_pairs(path, mined, RECIPE.model_dump(mode="json"), {"kept": [n % 2 == 0 for n in range(len(mined))]})
    again = read_mined(path)
    assert again == mined
    assert [pair.query.open().size for pair in again[:2]] == [(4, 8)] * 2
    pairs = read_pairs(path)
    assert pairs == [pair.pair() for pair in mined[::2]]
    assert read_pairs(path, "held_out") == []
    import pyarrow.parquet as parquet

    metadata = parquet.read_schema(path).metadata
    assert json.loads(metadata[b"reidr_recipe"])["negative_ranks"] == 5


def test_bad_files_and_pictures_in_memory_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file of pairs"):
        read_pairs(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        read_pairs(tmp_path / "bad.parquet")
    crop = Crop("inside", Image.new("RGB", (4, 8)), "p", "1")
    pair = MinedPair(crop, crop, "a", "train", 0, 1, 0.5, 0.0, True, "abc")
    with pytest.raises(DataError, match="crop inside: its picture is in memory"):
        write_pairs(tmp_path / "x.parquet", [pair], {})
