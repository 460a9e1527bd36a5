"""`RankedList`: what it refuses, what `reordered` keeps; `rank_features` against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reidr.errors import ReIDError
from reidr.retrieval.ranked_list import RankedList, rank_features

GALLERY = tuple(f"g{i}" for i in range(8))


def one_row(indices, distances):
    return RankedList(("q",), GALLERY, np.array([indices]), np.array([distances], dtype=float))


@pytest.mark.parametrize(
    ("indices", "distances", "sentence"),
    [
        ([0, 1], [0.1, np.nan], "query q at rank 2 is NaN"),
        ([0, 0], [0.1, 0.2], "same gallery crop twice"),
        ([3, 1, 3], [0.1, 0.2, 0.3], "same gallery crop twice"),
        ([0, 1], [0.2, 0.1], "query q are not ascending"),
        ([0, 8], [0.1, 0.2], "outside the gallery"),
        ([0, -1], [0.1, 0.2], "padded entry has a finite distance"),
        ([0, 1, 2], [0.1, 0.2], "must be equal"),
    ],
)
def test_refuses(indices, distances, sentence):
    with pytest.raises(ReIDError, match=sentence) as caught:
        one_row(indices, distances)
    assert "\n" not in str(caught.value)


def test_refuses_a_row_without_a_query():
    with pytest.raises(ReIDError, match="1 query ids for 2 rows"):
        RankedList(("q",), GALLERY, np.array([[0], [1]]), np.zeros((2, 1)))


def test_padding_may_repeat_and_top_cuts():
    ranked = one_row([5, -1, -1], [0.5, np.inf, np.inf])
    assert (len(ranked), ranked.k) == (1, 3)
    assert ranked.top(1).indices.tolist() == [[5]]


def test_of_queries_keeps_their_lists_in_the_order_asked_for():
    indices, distances = np.array([[0, 1], [2, 3], [4, -1]]), np.array([[0.1, 0.2], [0.3, 0.4], [0.5, np.inf]])
    ranked = RankedList(("a", "b", "c"), GALLERY, indices, distances, ("someone",), distances - 1)
    found = ranked.of_queries(np.array([2, 0]))
    assert found.query_ids == ("c", "a")
    assert found.gallery_ids == GALLERY
    assert found.made_by == ("someone",)
    np.testing.assert_array_equal(found.indices, [[4, -1], [0, 1]])
    np.testing.assert_array_equal(found.distances, [[0.5, np.inf], [0.1, 0.2]])
    np.testing.assert_array_equal(found.local, [[-0.5, np.inf], [-0.9, -0.8]])
    assert ranked.top(1).of_queries(np.array([], dtype=int)).indices.shape == (0, 1)


def test_reordered_golden():
    """Old distances .1 .2 .4 | .9, new 5 3 4: worst new 5, entry at rank 3 is .4, so the shift is .4 - 5 = -4.6.

    Sorted new distances 3 4 5 become -1.6 -.6 .4; the fourth entry stays.
    """
    ranked = one_row([4, 2, 7, 1], [0.1, 0.2, 0.4, 0.9]).reordered(np.array([[5.0, 3.0, 4.0]]), "step")
    assert ranked.indices.tolist() == [[2, 7, 4, 1]]
    assert np.allclose(ranked.distances, [[-1.6, -0.6, 0.4, 0.9]])
    assert ranked.made_by == ("step",)


@pytest.mark.parametrize("shape", [(1, 4), (2, 2)])
def test_reordered_refuses_a_wrong_shape(shape):
    with pytest.raises(ReIDError, match="re-ranking gives"):
        one_row([0, 1, 2], [0.1, 0.2, 0.3]).reordered(np.zeros(shape), "step")


def test_reordered_refuses_nan():
    with pytest.raises(ReIDError, match="NaN"):
        one_row([0, 1, 2], [0.1, 0.2, 0.3]).reordered(np.array([[0.1, np.nan]]), "step")


@st.composite
def rerankings(draw):
    """A list with padding and ties, and new distances for its first m columns. Eighths, so that sums are exact."""
    k = draw(st.integers(1, 6))
    m = draw(st.integers(0, k))
    eighths = st.integers(-40, 40).map(lambda value: value / 8)
    indices, distances, fresh = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        known = draw(st.integers(0, k))
        order = draw(st.permutations(range(len(GALLERY))))
        indices.append([*order[:known], *[-1] * (k - known)])
        values = sorted(draw(st.lists(eighths, min_size=known, max_size=known)))
        distances.append([*values, *[np.inf] * (k - known)])
        fresh.append(draw(st.lists(eighths, min_size=m, max_size=m)))
    names = tuple(f"q{i}" for i in range(len(indices)))
    ranked = RankedList(names, GALLERY, np.array(indices).reshape(-1, k), np.array(distances).reshape(-1, k))
    return ranked, np.array(fresh).reshape(len(indices), m)


@given(rerankings())
def test_reordered_properties(case):
    ranked, fresh = case
    m = fresh.shape[1]
    found = ranked.reordered(fresh, "step")
    assert np.array_equal(found.indices[:, m:], ranked.indices[:, m:])
    assert np.array_equal(found.distances[:, m:], ranked.distances[:, m:])
    for row in range(len(ranked)):
        known = int((ranked.indices[row] >= 0).sum())
        after = found.distances[row]
        assert all(after[column] <= after[column + 1] for column in range(ranked.k - 1))
        assert (found.indices[row] >= 0).tolist() == [column < known for column in range(ranked.k)]
        assert np.isposinf(after[known:]).all()
        head = min(known, m)
        # The order of Python's stable sort, and the distances of the new scores up to one constant.
        order = sorted(range(head), key=lambda column, row=row: fresh[row, column])
        assert found.indices[row, :head].tolist() == [ranked.indices[row, column] for column in order]
        if head:
            assert after[head - 1] == ranked.distances[row, head - 1]
            for one, column in enumerate(order):
                assert after[one] - after[head - 1] == fresh[row, column] - fresh[row, order[-1]]


def naive_ranking(query, gallery, k, excluded):
    rows = []
    for i, vector in enumerate(query):
        found = [
            (float(np.sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(vector, other, strict=True)))), j)
            for j, other in enumerate(gallery)
            if not excluded[i][j]
        ]
        rows.append(sorted(found)[:k])
    return rows


@pytest.mark.parametrize("block", [1, 3, 512])
def test_rank_features_matches_a_loop(block):
    random = np.random.default_rng(1)
    vectors = random.standard_normal((4 + 9, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    query, gallery = vectors[:4], vectors[4:]
    excluded = random.random((4, 9)) < 0.4
    excluded[2] = True  # nothing is left for this query
    names = tuple(f"g{i}" for i in range(9))
    ranked = rank_features(
        query,
        gallery,
        ("a", "b", "c", "d"),
        names,
        7,
        excluded=lambda rows: excluded[rows],
        made_by=("x",),
        block=block,
    )
    for row, expected in enumerate(naive_ranking(query, gallery, 7, excluded)):
        assert ranked.indices[row].tolist() == [j for _, j in expected] + [-1] * (7 - len(expected))
        assert np.allclose(ranked.distances[row, : len(expected)], [d for d, _ in expected], atol=1e-4)
        assert np.isposinf(ranked.distances[row, len(expected) :]).all()
    assert ranked.made_by == ("x",)


def test_ties_keep_the_gallery_order_and_k_is_cut():
    gallery = np.array([[0, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    ranked = rank_features(gallery[1:2], gallery, ("q",), GALLERY[:4], 50)
    assert ranked.indices.tolist() == [[1, 3, 0, 2]]
    assert np.allclose(ranked.distances, [[0, 0, np.sqrt(2), np.sqrt(2)]])
