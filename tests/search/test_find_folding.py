"""Near-duplicates: one rule, checked against a naive twin; what is folded is counted and listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from finding import Bands, Scores, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidr.data.types import Crop
from reidr.search import Found, search
from reidr.search.document.document import document_of
from reidr.search.folding import APART, COPY, SHARE, fold, limit_of, same_pixels
from reidr.search.task import SearchOptions

NEAR = 0.4


def crop(name: str, picture: Image.Image, camera: str | None = None, time: float | None = None) -> Crop:
    return Crop(name, picture, camera=camera, time=time)


def look(gallery: list[Crop], k: int = 10, near: float | None = NEAR, **words: Any) -> Found:
    return search(drawn(1, 9), gallery, k, SearchOptions(Bands(near), None, **words), keep=False)


BURST = [crop(f"{n}", drawn(1, n), "hall", 100.0 + n) for n in range(4)]


def test_a_burst_is_one_match_with_the_rest_behind_it() -> None:
    others = [crop(f"other {n}", drawn(n), "hall", 101.0) for n in (2, 3)]
    found = look([*BURST, *others])
    assert len(found.matches) == 3
    assert len(found.matches[0].like) == 3
    assert {each.id for each in found.matches[0].like} | {found.matches[0].crop.id} == {"0", "1", "2", "3"}
    assert found.folded == 3
    assert found.searched == 6
    entry = document_of(found, created="", facts={}, notice="").matches[0]
    assert entry.like_count == 3
    assert {each.id for each in entry.like} == {each.id for each in found.matches[0].like}
    assert all(each.sha256 is None and each.pixels is not None for each in entry.like)
    assert len(look([*BURST, *others], fold=False).matches) == 6


def test_k_counts_what_is_different_and_deep_bursts_do_not_hide_the_rest() -> None:
    burst = [crop(f"{n}", drawn(1, n), "hall", 100.0) for n in range(60)]
    found = look([*burst, crop("late", drawn(2), "hall", 100.0)], 2)
    assert [len(match.like) for match in found.matches] == [59, 0]
    assert found.matches[1].crop.id == "late"
    assert [match.rank_before for match in found.matches] == [1, 2]


@pytest.mark.parametrize(
    ("other", "folded"),
    [
        (crop("x", drawn(1, 2), "hall", 110.0), True),
        (crop("x", drawn(1, 2), "hall"), True),  # an unknown time forbids nothing
        (crop("x", drawn(1, 2), "hall", 100.0 + APART + 1), False),  # back again later
        (crop("x", drawn(1, 2), "door", 100.0), False),  # another camera
        (crop("x", drawn(1, 2), None, 100.0), False),  # perhaps another camera
        (crop("x", drawn(1, 0), "door", 9999.0), True),  # the very same pixels, wherever they lie
        (crop("x", drawn(5), "hall", 100.0), False),  # somebody else
    ],
)
def test_what_belongs_to_a_burst(other: Crop, folded: bool) -> None:
    found = look([BURST[0], other])
    assert len(found.matches) == (1 if folded else 2)


def test_without_cameras_the_folder_stands_for_one() -> None:
    one, two, three = (crop(name, drawn(1, n)) for n, name in enumerate(("a/1.png", "a/2.png", "b/3.png")))
    assert len(look([one, two]).matches) == 1
    assert len(look([one, three]).matches) == 2


def test_a_retriever_without_thresholds_folds_copies_alone() -> None:
    assert len(look([BURST[0], BURST[1]], near=None).matches) == 2
    assert len(look([BURST[0], crop("copy", drawn(1, 0))], near=None).matches) == 1
    assert limit_of(Bands()) == 0.0
    assert limit_of(Bands(0.8, 0.9)) == SHARE * 0.8


def test_the_numbers_of_a_gallery_without_near_duplicates_do_not_move() -> None:
    gallery = [crop(f"{n}", drawn(n), "hall", 5.0) for n in range(2, 40)]
    scores = {each.id: 0.02 * int(each.id) for each in gallery}
    both = [
        search(drawn(1), gallery, 12, SearchOptions(Bands(NEAR), Scores(scores), fold=fold), keep=False)
        for fold in (True, False)
    ]
    rows = [[(m.crop.id, m.distance, m.order_value, m.rank_before) for m in found.matches] for found in both]
    assert rows[0] == rows[1]


def naive(
    ranked: list[int], features: np.ndarray, crops: list[Crop], k: int, limit: float
) -> list[tuple[int, set[int]]]:
    """The rule, word by word."""
    left, groups = list(ranked), []
    while left and len(groups) < k:
        best = left.pop(0)
        like = set()
        for other in list(left):
            one, two = crops[best], crops[other]
            distance = float(np.linalg.norm(features[best].astype(np.float64) - features[other]))
            same_place = one.camera == two.camera if one.camera or two.camera else True
            apart = one.time is not None and two.time is not None and abs(one.time - two.time) > APART
            burst = limit > 0 and same_place and not apart and distance <= limit
            if burst or (distance <= COPY and same_pixels(one, two)):
                like.add(other)
                left.remove(other)
        groups.append((best, like))
    return groups


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.8]))
def test_folding_follows_the_rule(seed: int, number: int, k: int, limit: float) -> None:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(3, 5))
    rows = centres[random.integers(0, 3, number)] + random.normal(size=(number, 5)) * random.choice([0.0, 0.1, 0.5])
    features = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    crops = [
        Crop(
            str(n),
            drawn(int(random.integers(0, 3))),
            camera=[None, "hall", "door"][random.integers(0, 3)],
            time=[None, 0.0, 20.0, 50.0][random.integers(0, 4)],
        )
        for n in range(number)
    ]
    ranked = random.permutation(number)[: random.integers(0, number + 1)]
    groups = fold(ranked, features, crops, k, limit)
    assert [(group.row, set(group.like)) for group in groups] == naive(ranked.tolist(), features, crops, k, limit)
    assert [int(ranked[group.column]) for group in groups] == [group.row for group in groups]
