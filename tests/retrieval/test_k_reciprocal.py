"""k-reciprocal re-ranking against a dense twin of the published algorithm, written here as plain loops in float64."""

from __future__ import annotations

import numpy as np
import pytest

from reidr.errors import ReIDError
from reidr.retrieval.memory import available_memory
from reidr.retrieval.ranked_list import rank_features
from reidr.retrieval.rerankers.k_reciprocal import estimate_memory, k_reciprocal, k_reciprocal_of_list
from reidr.retrieval.rerankers.neighbours import smallest_in_rows


def names(prefix, number):
    return tuple(f"{prefix}{i}" for i in range(number))


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def scattered(persons, noise, queries, gallery, size, seed):
    """Queries and gallery around the persons' centres: easy with little noise, hard with much."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((persons, size))
    query = centres[random.integers(persons, size=queries)] + noise * random.standard_normal((queries, size))
    found = centres[random.integers(persons, size=gallery)] + noise * random.standard_normal((gallery, size))
    return unit(query), unit(found)


def tied(queries, gallery, seed):
    """Vectors of entries -1/2, 0 and 1/2 and length 1: all products are exact, and most distances are shared."""
    random = np.random.default_rng(seed)
    rows = np.zeros((queries + gallery, 8), dtype=np.float32)
    for row in rows:
        row[random.choice(8, 4, replace=False)] = random.choice([-0.5, 0.5], 4)
    return rows[:queries], rows[queries:]


def repeated(queries, gallery, seed):
    """Every vector about three times, scattered over queries and gallery."""
    random = np.random.default_rng(seed)
    rows = unit(random.standard_normal(((queries + gallery) // 3, 96)))
    rows = rows[random.integers(0, len(rows), queries + gallery)]
    return rows[:queries], rows[queries:]


def dense_twin(query, gallery, k1, k2, weight):
    """Zhong et al. 2017 with full matrices and one vector at a time; ties by position."""
    features = np.concatenate([query, gallery]).astype(np.float64)
    number = len(features)
    # Rounded, or the last bits of the product would decide between equal crops.
    distance = np.maximum(2 - 2 * features @ features.T, 0).round(12)
    ranked = [sorted(range(number), key=lambda j, i=i: (distance[i, j], j)) for i in range(number)]
    scaled = np.array([row / row.max() if row.max() else row for row in distance])

    def reciprocal(i, k):
        return [j for j in ranked[i][: k + 1] if i in ranked[j][: k + 1]]

    vectors = np.zeros((number, number))
    for i in range(number):
        members = set(own := reciprocal(i, k1))
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(set(theirs) & set(own)) > 2 / 3 * len(theirs):
                members |= set(theirs)
        members = sorted(members)
        values = np.exp(-scaled[i, members])
        vectors[i, members] = values / values.sum()
    if k2 > 1:
        vectors = np.array([vectors[ranked[i][:k2]].mean(axis=0) for i in range(number)])
    final = np.empty((len(query), len(gallery)))
    for i in range(len(query)):
        for j in range(len(gallery)):
            shared = np.minimum(vectors[i], vectors[len(query) + j]).sum()
            final[i, j] = (1 - weight) * (1 - shared / (2 - shared)) + weight * scaled[i, len(query) + j]
    return final


CASES = {
    "easy": (scattered(12, 0.3, 25, 110, 16, 0), 20, 6, 0.3),
    "hard": (scattered(30, 1.5, 25, 110, 16, 1), 20, 6, 0.3),
    "odd k1, no query expansion": (scattered(10, 0.8, 20, 90, 8, 2), 7, 1, 0.5),
    "k1 = 5 rounds to 2": (scattered(10, 0.8, 20, 90, 8, 3), 5, 3, 0.3),
    "more neighbours than crops": (scattered(4, 0.8, 6, 9, 8, 4), 20, 30, 0.3),
    "jaccard alone": (scattered(10, 0.8, 20, 90, 8, 5), 10, 4, 0.0),
    "distance alone": (scattered(10, 0.8, 20, 90, 8, 6), 10, 4, 1.0),
    "tied": (tied(20, 100, 7), 20, 6, 0.3),
    "each crop about three times": (repeated(30, 150, 17), 20, 6, 0.3),
    "each crop about three times, few neighbours": (repeated(30, 150, 18), 4, 2, 0.3),
    "all alike": ((np.full((3, 4), 0.5, np.float32), np.full((9, 4), 0.5, np.float32)), 4, 2, 0.3),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_dense_algorithm(case):
    (query, gallery), k1, k2, weight = CASES[case]
    expected = dense_twin(query, gallery, k1, k2, weight)
    found = k_reciprocal(
        query, gallery, names("q", len(query)), names("g", len(gallery)), k=len(gallery), k1=k1, k2=k2, weight=weight
    )
    full = np.empty(expected.shape)
    np.put_along_axis(full, found.indices, found.distances, axis=1)
    np.testing.assert_allclose(full, expected, atol=1e-6)


def test_only_the_first_k_come_out_and_they_are_the_first_of_the_whole_list():
    query, gallery = scattered(12, 0.8, 25, 300, 16, 8)
    arguments = query, gallery, names("q", 25), names("g", 300)
    whole, short = k_reciprocal(*arguments, k=300), k_reciprocal(*arguments, k=7)
    np.testing.assert_array_equal(short.indices, whole.indices[:, :7])
    np.testing.assert_array_equal(short.distances, whole.distances[:, :7])
    assert short.made_by == ("k-reciprocal k1=20 k2=6 lambda=0.3",)


def test_it_finds_a_match_that_looks_different_but_has_the_same_neighbours():
    # Worked by hand, k1 = 2, k2 = 1, lambda = 0. On a circle, degrees: q 0, a 5, b 10.5 and c -9, d -10, e -11.
    # Three nearest, itself included: q: q a c; a: a q b; b: b a q; c: c d e.
    # Reciprocal sets: N(q) = {q, a}, since a has q among its three and c has not; N(a) = {a, q, b};
    # N(b) = {b, a}, since q has no b; N(c), N(d), N(e) lie within {c, d, e}.
    # Sets of k1 / 2 = 1, that is of two nearest: {q, a} for q and a, {b} for b. They add nothing to N(q), and nothing
    # to N(b): of a's {a, q} only one of two is in N(b), which is not more than 2/3.
    # So b shares a with q, while c, d and e share nothing: Jaccard distance 1, though c and d are nearer than b.
    angles = np.radians([0, 5, 10.5, -9, -10, -11])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float64)
    before = rank_features(points[:1], points[1:], ("q",), tuple("abcde"), 5)
    after = k_reciprocal(points[:1], points[1:], ("q",), tuple("abcde"), k=5, k1=2, k2=1, weight=0.0)
    assert [before.gallery_ids[i] for i in before.indices[0]] == ["a", "c", "d", "b", "e"]
    assert [after.gallery_ids[i] for i in after.indices[0, :2]] == ["a", "b"]
    np.testing.assert_allclose(after.distances[0, 2:], 1.0)


def test_the_order_of_the_gallery_and_the_names_change_nothing():
    query, gallery = scattered(12, 0.8, 20, 90, 16, 9)
    order = np.random.default_rng(0).permutation(90)
    plain = k_reciprocal(query, gallery, names("q", 20), names("g", 90), k=90)
    moved = k_reciprocal(query, gallery[order], names("x", 20), tuple(f"g{i}" for i in order), k=90)
    assert [[moved.gallery_ids[i] for i in row] for row in moved.indices] == [
        [plain.gallery_ids[i] for i in row] for row in plain.indices
    ]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [2, 384, 2048])
def test_crops_that_are_all_alike_are_equally_far_and_keep_their_order(kind, columns):
    # Each row's farthest crop is at distance 0 or at what rounding makes of it, by which the algorithm divides. Here
    # everything is everybody's neighbour: Jaccard distance 0, scaled distance 0.
    for seed in range(20):
        row = np.random.default_rng(seed).standard_normal((1, columns))
        row = (row / np.linalg.norm(row)).astype(kind)
        found = k_reciprocal(row, row.repeat(4, axis=0), ("q",), tuple("abcd"), k=4)
        assert found.indices.tolist() == [[0, 1, 2, 3]]
        np.testing.assert_allclose(found.distances, 0.0, atol=1e-6)


def test_crops_that_differ_by_rounding_alone_get_distances_between_0_and_1():
    random = np.random.default_rng(0)
    rows = unit(random.standard_normal((1, 384)) + 1e-7 * random.standard_normal((12, 384)))
    found = k_reciprocal(rows[:3], rows[3:], names("q", 3), names("g", 9), k=9)
    assert (np.abs(found.distances - 0.5) <= 0.5 + 1e-6).all()


def test_weight_one_keeps_the_order_of_the_retriever():
    query, gallery = scattered(12, 0.8, 20, 90, 16, 10)
    before = rank_features(query, gallery, names("q", 20), names("g", 90), 15)
    after = k_reciprocal(query, gallery, names("q", 20), names("g", 90), k=15, weight=1.0)
    np.testing.assert_array_equal(after.indices, before.indices)


def test_excluded_entries_do_not_appear_but_still_count_as_neighbours():
    query, gallery = scattered(5, 0.8, 12, 40, 16, 11)
    whole = k_reciprocal(query, gallery, names("q", 12), names("g", 40), k=40)
    mask = np.random.default_rng(1).random((12, 40)) < 0.5
    mask[0, 3:] = True
    mask[0, :3] = False
    for excluded in (mask, lambda rows: mask[rows]):
        found = k_reciprocal(query, gallery, names("q", 12), names("g", 40), k=30, excluded=excluded)
        for row in range(12):
            kept = [i for i in whole.indices[row] if not mask[row, i]][:30]
            assert found.indices[row, : len(kept)].tolist() == kept
            assert (found.indices[row, len(kept) :] == -1).all()


def test_a_ranked_list_is_re_ranked_within_itself():
    query, gallery = scattered(12, 0.8, 20, 90, 16, 12)
    ranked = rank_features(query, gallery, names("q", 20), names("g", 90), 10, made_by=("retriever test",))
    whole = k_reciprocal(query, gallery, names("q", 20), names("g", 90), k=90)
    found = k_reciprocal_of_list(ranked, query, gallery)
    for row in range(20):
        listed = set(ranked.indices[row].tolist())
        assert found.indices[row].tolist() == [i for i in whole.indices[row].tolist() if i in listed]
    assert found.made_by == ("retriever test", "k-reciprocal k1=20 k2=6 lambda=0.3")


@pytest.mark.parametrize(("columns", "k"), [(700, 4), (700, 11), (129, 1), (30, 30)])
def test_smallest_in_rows_equal_a_full_sort(columns, k):
    rows = np.random.default_rng(columns).integers(0, 40, (17, columns)).astype(np.float32)
    positions, values = smallest_in_rows(rows, k)
    expected = np.argsort(rows, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(rows, expected, axis=1))


@pytest.mark.parametrize("columns", [6, 900])
def test_smallest_in_rows_take_all_below_the_least_value_as_equal(columns):
    rows = np.ones((1, columns), dtype=np.float32)
    rows[0, 1:4] = [-1.1, -1.3, -1.2]
    positions, values = smallest_in_rows(rows, 2, least=-1.0)
    assert positions.tolist() == [[1, 2]]
    assert values.tolist() == [[-1.0, -1.0]]


def test_too_little_memory_is_refused_before_anything_starts():
    query, gallery = scattered(5, 0.8, 12, 40, 16, 14)
    needed = estimate_memory(12, 40, 16, k=5)
    with pytest.raises(ReIDError, match=r"12 queries and 40 gallery crops needs about .* MB but 1.0 kB are free"):
        k_reciprocal(query, gallery, names("q", 12), names("g", 40), k=5, memory_limit=1000)
    assert len(k_reciprocal(query, gallery, names("q", 12), names("g", 40), k=5, memory_limit=needed)) == 12


def test_free_memory_is_read_in_bytes(tmp_path):
    source = tmp_path / "meminfo"
    source.write_text("MemTotal:       100 kB\nMemAvailable:       7 kB\n", encoding="ascii")
    assert available_memory(source) == 7 * 1024
    assert available_memory(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k1": 0}, "k1=0"),
        ({"k2": 0}, "k2=0"),
        ({"weight": 1.5}, "lambda=1.5"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_parameters_out_of_range_are_refused(change, message):
    query, gallery = scattered(5, 0.8, 3, 9, 8, 15)
    with pytest.raises(ReIDError, match=message):
        k_reciprocal(query, gallery, names("q", 3), names("g", 9), **{"k": 5, **change})


@pytest.mark.parametrize(("value", "message"), [(np.nan, "holds NaN"), (3.0, "has length 3")])
def test_unusable_features_are_refused_with_their_row(value, message):
    query, gallery = scattered(5, 0.8, 3, 9, 8, 16)
    gallery[4] = value / np.sqrt(8)
    with pytest.raises(ReIDError, match=f"gallery feature 4 {message}"):
        k_reciprocal(query, gallery, names("q", 3), names("g", 9), k=5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_copy_of_the_query_is_at_distance_zero_never_below(dtype):
    # In 53 of 200 such searches the overlap of two equal vectors exceeded 1 by rounding, and the distance fell below 0.
    for seed in range(200):
        gallery = np.random.default_rng(seed).normal(size=(3, 3)).astype(dtype)
        gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
        for k2 in (1, 6):
            found = k_reciprocal(gallery[:1], gallery, ("q",), ("a", "b", "c"), k=3, k2=k2).distances
            assert found.min() >= 0
            assert found[0, 0] < 1e-6


def test_one_gallery_crop_and_an_empty_side():
    one = np.array([[1.0, 0.0]], dtype=np.float32)
    assert k_reciprocal(one, one, ("q",), ("g",), k=5).distances.tolist() == [[0.0]]
    for query, gallery, what in ((one[:0], one, "query"), (one, one[:0], "gallery")):
        with pytest.raises(ReIDError, match=f"the {what} is empty"):
            k_reciprocal(query, gallery, ("q",) * len(query), ("g",) * len(gallery), k=5)
