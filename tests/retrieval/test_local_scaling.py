"""CSLS: against plain loops, and what it is for: crops that are near to everybody lose their advantage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reidr.errors import ReIDError
from reidr.evaluation.metrics.ranking import evaluate_ranking
from reidr.fusion.weighted import fuse, fused_distances
from reidr.retrieval.ranked_list import RankedList, rank_features
from reidr.retrieval.rerankers.csls import with_csls

FIRST, LAST = 3, 8


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def drawn(seed: int, queries: int = 7, gallery: int = 30) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(queries, 6)) + 1), unit(random.normal(size=(gallery, 6)) + 1)


def searched(query: NDArray[np.float32], gallery: NDArray[np.float32], k: int = 12, **options: object) -> RankedList:
    names = tuple(f"q{i}" for i in range(len(query))), tuple(f"g{i}" for i in range(len(gallery)))
    return rank_features(query, gallery, *names, k, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block", [3, 512])
def test_against_plain_loops(seed: int, block: int) -> None:
    query, gallery = drawn(seed)
    junk = np.random.default_rng(seed).random(len(gallery)) < 0.2
    banned = np.random.default_rng(seed + 1).random((len(query), len(gallery))) < 0.2
    ranked = searched(query, gallery, excluded=lambda rows: banned[rows])
    found = with_csls(ranked, gallery, junk=junk, first=FIRST, last=LAST, block=block)
    assert found.local is not None
    np.testing.assert_array_equal(found.indices, ranked.indices)
    np.testing.assert_array_equal(found.distances, ranked.distances)
    cosines = query.astype(np.float64) @ gallery.T.astype(np.float64)
    between = gallery.astype(np.float64) @ gallery.T.astype(np.float64)
    for row in range(len(query)):
        own = sorted((cosines[row, item] for item in range(len(gallery)) if not banned[row, item]), reverse=True)
        around_query = np.mean(own[FIRST - 1 : LAST])
        for column, item in enumerate(ranked.indices[row]):
            others = sorted(
                (between[item, other] for other in range(len(gallery)) if other != item and not junk[other]),
                reverse=True,
            )
            around = np.mean(others[FIRST - 1 : LAST])
            wanted = 1 - (cosines[row, item] - (around_query + around) / 2)
            assert found.local[row, column] == pytest.approx(wanted, abs=1e-5)


def test_a_hub_falls_behind_the_match() -> None:
    """The hub is the mean of all people: of 40 queries it is nearer to 14 than their match is, and scaled to 8."""
    random = np.random.default_rng(0)
    people = unit(random.normal(size=(40, 30)))
    middle = unit(people.mean(axis=0, keepdims=True))
    query, match = unit(people + 0.6 * middle), unit(people + 0.15 * random.normal(size=people.shape))
    gallery = np.concatenate([np.repeat(middle, 3, axis=0), match])
    persons = ["hub"] * 3 + [str(i) for i in range(40)]
    ranked = searched(query, gallery, 43)
    scaled = with_csls(ranked, gallery)
    assert scaled.local is not None
    before, after = (
        evaluate_ranking(
            np.sqrt(np.maximum(2 - 2 * query @ gallery.T, 0)), [str(i) for i in range(40)], persons, None, None,
            reranked=each,
        ).rank(1)
        for each in (ranked, scaled.reordered(scaled.local, "CSLS"))
    )  # fmt: skip
    assert before == 0.65
    assert after == 0.8


def test_names_and_order_of_the_gallery_do_not_matter() -> None:
    query, gallery = drawn(5)
    order = np.random.default_rng(0).permutation(len(gallery))
    one, other = (with_csls(searched(query, part), part, first=FIRST, last=LAST) for part in (gallery, gallery[order]))
    assert one.local is not None
    assert other.local is not None
    np.testing.assert_array_equal(one.indices, order[other.indices])
    np.testing.assert_allclose(one.local, other.local, atol=1e-6)


def test_small_galleries_and_short_lists_come_back_as_they_are() -> None:
    query, gallery = drawn(1, gallery=12)
    for ranked in (searched(query, gallery), searched(query, gallery, 10)):
        assert with_csls(ranked, gallery).local is None
    with pytest.raises(ReIDError, match="gallery features"):
        with_csls(searched(query, gallery), gallery[:5])


def test_padded_places_stay_empty() -> None:
    query, gallery = drawn(2)
    banned = np.zeros((len(query), len(gallery)), dtype=bool)
    banned[0, 10:] = True
    ranked = searched(query, gallery, 20, excluded=lambda rows: banned[rows])
    found = with_csls(ranked, gallery, first=FIRST, last=LAST)
    assert found.local is not None
    assert np.isposinf(found.local[0, 10:]).all()
    assert np.isfinite(found.local[:, :10]).all()


def test_a_list_carries_them_along_and_fusion_takes_them() -> None:
    query, gallery = drawn(3)
    ranked = with_csls(searched(query, gallery), gallery, first=FIRST, last=LAST)
    assert ranked.local is not None
    of_entry = {
        (row, int(i)): v for row in range(7) for i, v in zip(ranked.indices[row], ranked.local[row], strict=True)
    }
    again = ranked.reordered(np.random.default_rng(0).random((7, 5)), "shuffled")
    assert again.local is not None
    for row in range(7):
        assert [of_entry[row, int(i)] for i in again.indices[row]] == again.local[row].tolist()
    assert ranked.top(4).local.shape == (7, 4)  # type: ignore[union-attr]
    chances = np.random.default_rng(1).random((7, 5))
    np.testing.assert_allclose(
        fused_distances(ranked, chances, 0.3), 0.7 * ranked.local[:, :5] + 0.3 * 2 * (1 - chances)
    )
    # With nothing said by the reasoner the first five stand in the order of their scaled distances.
    silent = fuse(ranked, chances, 0.0)
    assert silent.local is not None
    assert (np.diff(silent.local[:, :5], axis=1) >= 0).all()
    with pytest.raises(ReIDError, match="local distances"):
        RankedList(ranked.query_ids, ranked.gallery_ids, ranked.indices, ranked.distances, local=ranked.local[:, :3])
