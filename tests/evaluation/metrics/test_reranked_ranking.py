"""Re-ranked lists inside a whole ranking: twins, the oracle, verifiers that say nothing."""

from __future__ import annotations

import naive_ranking as naive
import numpy as np
import pytest
from naive_ranking import POLICIES, counted, random_case, table, unit

from reidr.errors import ReIDError
from reidr.evaluation.metrics import evaluate_features, evaluate_ranking, oracle_at_k, share_of_oracle_gain
from reidr.retrieval.ranked_list import RankedList, rank_features


def random_list(case: dict[str, object], k: int, seed: int, *, nearest: bool) -> RankedList:
    """A list of the k nearest crops in new order with new ties, or of any k crops; some rows end early."""
    random = np.random.default_rng(seed)
    distances = case["distances"]
    queries, gallery = distances.shape
    indices, values = np.full((queries, k), -1), np.full((queries, k), np.inf)
    for query in range(queries):
        items = np.argsort(distances[query], kind="stable") if nearest else random.permutation(gallery)
        length = k if query % 4 else k - 1
        indices[query, :length] = random.permutation(items[:length])
        values[query, :length] = np.sort(random.integers(0, 3, length))
    names = tuple(map(str, range(max(queries, gallery))))
    return RankedList(names[:queries], names[:gallery], indices, values)


def twin(case: dict[str, object], ranked: RankedList, ties: str, maximum_rank: int) -> np.ndarray:
    rows = []
    for query, distances in enumerate(case["distances"]):
        marks = counted(case, query)
        shown = {item: float(distances[item]) for item in marks}
        listed = [item for item in ranked.indices[query].tolist() if item >= 0]
        keys = naive.list_keys(shown, listed, ranked.distances[query, : len(listed)].tolist())
        rows.append(([keys[item] for item in marks], list(marks.values())))
    return np.array(naive.measure(rows, ties, maximum_rank))


@pytest.mark.parametrize("ties", POLICIES)
@pytest.mark.parametrize("nearest", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_naive_twin(seed: int, nearest: bool, ties: str) -> None:
    case = random_case(seed)
    ranked = random_list(case, 4, seed, nearest=nearest)
    found = evaluate_ranking(**case, reranked=ranked, ties=ties, maximum_rank=10)
    np.testing.assert_allclose(table(found), twin(case, ranked, ties, 10), rtol=1e-13)


def test_listed_crops_come_first_by_hand() -> None:
    # Retriever: b .1, a .2, c .3, a .4. The list has gallery 3 (a) and 2 (c), in this order; then b, then the other a.
    # Order: a c b a. AP = (1/1 + 2/4) / 2 = 3/4.
    ranked = RankedList(("q",), ("0", "1", "2", "3"), np.array([[3, 2]]), np.array([[0.5, 0.9]]))
    result = evaluate_ranking(
        np.array([[0.1, 0.2, 0.3, 0.4]]), ["a"], ["b", "a", "c", "a"], None, None, reranked=ranked
    )
    assert result.average_precision[0] == 0.75


def street(seed: int = 0, tied: bool = False) -> tuple[RankedList, np.ndarray, dict[str, object]]:
    """Features of 60 queries and 200 crops of 25 persons, the retriever's first 12, and the keyword arguments."""
    random = np.random.default_rng(seed)
    persons = np.arange(25).repeat(8), np.arange(60) % 25
    if tied:
        gallery, query = (random.choice([-0.25, 0.25], (n, 16)).astype(np.float32) for n in (200, 60))
    else:
        centres = random.standard_normal((25, 16))
        gallery = unit(centres[persons[0]] + 1.4 * random.standard_normal((200, 16)))
        query = unit(centres[persons[1]] + 1.4 * random.standard_normal((60, 16)))
    arguments: dict[str, object] = {
        "query_features": query, "gallery_features": gallery, "query_ids": persons[1], "gallery_ids": persons[0],
        "query_cameras": random.integers(0, 3, 60), "gallery_cameras": random.integers(0, 3, 200),
    }  # fmt: skip
    same_person = persons[1][:, None] == persons[0][None]
    excluded = same_person & (arguments["query_cameras"][:, None] == arguments["gallery_cameras"][None])
    names = tuple(map(str, range(200)))
    ranked = rank_features(query, gallery, names[:60], names, 12, excluded=lambda rows: excluded[rows])
    return ranked, same_person[np.arange(60)[:, None], ranked.indices], arguments


@pytest.mark.parametrize("ties", POLICIES)
@pytest.mark.parametrize("tied", [False, True])
def test_the_retrievers_own_list_changes_nothing(tied: bool, ties: str) -> None:
    ranked, _, arguments = street(tied=tied)
    wanted = table(evaluate_features(**arguments, ties=ties))
    np.testing.assert_array_equal(table(evaluate_features(**arguments, ties=ties, reranked=ranked)), wanted)
    # A verifier that says "no" to everything adds the same to every distance.
    always_no = ranked.reordered(ranked.distances[:, :8] + 1.0, "always no")
    np.testing.assert_array_equal(table(evaluate_features(**arguments, ties=ties, reranked=always_no)), wanted)


def test_a_verifier_with_one_answer_for_all_gains_nothing_from_its_ties() -> None:
    ranked, right, arguments = street()
    flat = ranked.reordered(np.zeros((60, 12)), "the same score for all")
    base = evaluate_features(**arguments)
    worst, best = (evaluate_features(**arguments, reranked=flat, ties=ties) for ties in ("pessimistic", "optimistic"))
    assert (worst.average_precision <= base.average_precision).all()
    assert (best.average_precision >= base.average_precision).all()
    # Pessimistic: every right crop of the list stands behind all its wrong ones.
    found = right.sum(axis=1)
    listed = found > 0
    assert worst.first_match_rank[listed].tolist() == (12 - found[listed] + 1).tolist()


@pytest.mark.parametrize("k", [1, 5, 12])
def test_a_perfect_verifier_gives_rank_1_equal_to_recall_at_k(k: int) -> None:
    ranked, right, arguments = street()
    base = evaluate_features(**arguments)
    result = evaluate_features(**arguments, reranked=oracle_at_k(ranked, right[:, :k]))
    assert result.rank(1) == base.rank(k) == right[:, :k].any(axis=1).mean()
    assert (result.average_precision >= base.average_precision).all()
    if k == 1:
        np.testing.assert_array_equal(table(result), table(base))


def test_oracle_keeps_the_order_otherwise_and_the_tail() -> None:
    ranked, right, _ = street()
    oracle = oracle_at_k(ranked, right[:, :8])
    assert oracle.made_by[-1] == "oracle@8"
    np.testing.assert_array_equal(oracle.indices[:, 8:], ranked.indices[:, 8:])
    for before, marks, after in zip(ranked.indices, right, oracle.indices, strict=True):
        head = before[:8].tolist()
        right_ones = [item for item, mark in zip(head, marks[:8], strict=True) if mark]
        assert after[:8].tolist() == right_ones + [item for item in head if item not in right_ones]
    with pytest.raises(ReIDError, match="does not fit"):
        oracle_at_k(ranked, right[:5])


def test_oracle_leaves_no_tie_between_right_and_wrong() -> None:
    # Nearest first: wrong at 1, right at 2, wrong at 4. The oracle: right, wrong, wrong, ending where the list ended.
    ranked = RankedList(("q",), ("0", "1", "2"), np.array([[0, 1, 2]]), np.array([[1.0, 2.0, 4.0]]))
    oracle = oracle_at_k(ranked, np.array([[False, True]]))
    assert oracle.indices.tolist() == [[1, 0, 2]]
    assert oracle.distances[0, 0] < oracle.distances[0, 1] == 2.0
    # Two copies of the query, one of them of another person.
    copies = oracle_at_k(RankedList(("q",), ("0", "1"), [[0, 1]], [[0.0, 0.0]]), np.array([[False, True]]))
    assert copies.distances[0, 0] < copies.distances[0, 1] == 0.0


def test_captured_headroom() -> None:
    assert share_of_oracle_gain(0.5, 0.6, 0.9) == pytest.approx(0.25)  # 0.1 of a possible 0.4
    assert share_of_oracle_gain(0.5, 0.4, 0.9) == pytest.approx(-0.25)
    assert np.isnan(share_of_oracle_gain(0.5, 0.5, 0.5))
    with pytest.raises(ReIDError, match=r"oracle 0\.4 is below base 0\.5"):
        share_of_oracle_gain(0.5, 0.5, 0.4)


def test_nan_is_refused_under_a_list_too() -> None:
    case = random_case(0)
    case["distances"][5, 2] = np.nan
    with pytest.raises(ReIDError, match="query 5 to gallery crop 2 is nan"):
        evaluate_ranking(**case, reranked=random_list(random_case(0), 4, 0, nearest=False))


def test_a_list_of_another_gallery_is_refused() -> None:
    case = random_case(0)
    ranked = RankedList(tuple("abcdefghijkl"), tuple("abcdefgh"), np.zeros((12, 1)), np.zeros((12, 1)))
    with pytest.raises(ReIDError, match="re-ranked list, gallery: 8 entries where 9 are needed"):
        evaluate_ranking(**case, reranked=ranked)
