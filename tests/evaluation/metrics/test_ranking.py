"""Golden cases by hand, and naive twins on random data with ties, junk, distractors and missing matches."""

from __future__ import annotations

import naive_ranking as naive
import numpy as np
import pytest
from naive_ranking import POLICIES, counted, random_case, table, unit

from reidr.errors import ReIDError
from reidr.evaluation.metrics import RankingResult, evaluate_features, evaluate_ranking


def one_query(distances: list[float], persons: list[str | None], **options: object) -> RankingResult:
    """Query a/1 against a gallery seen by camera 2."""
    return evaluate_ranking(np.array([distances]), ["a"], persons, ["1"], ["2"] * len(persons), **options)


def test_two_matches_at_ranks_two_and_four() -> None:
    # Order: b a b a. AP = (1/2 + 2/4) / 2 = 1/2. First match at 2. INP = 2 matches / rank 4 = 1/2.
    result = one_query([0.1, 0.2, 0.3, 0.4], ["b", "a", "b", "a"], maximum_rank=3)
    assert result.average_precision.tolist() == [0.5]
    assert result.first_match_rank.tolist() == [2.0]
    assert result.inverse_negative_penalty.tolist() == [0.5]
    assert result.cmc.tolist() == [0.0, 1.0, 1.0]
    assert result.matches.tolist() == [2]


@pytest.mark.parametrize(
    ("ties", "precision", "first", "penalty", "hits"),
    [
        # Matches behind: ranks 3, 4. AP = (1/3 + 2/4) / 2 = 5/12; INP = 2/4.
        ("pessimistic", 5 / 12, 3, 1 / 2, [0, 0, 1, 1]),
        # Matches before: ranks 1, 2.
        ("optimistic", 1, 1, 1, [1, 1, 1, 1]),
        # Six orders of two matches in four places: AP 1, 10/12, 9/12, 7/12, 6/12, 5/12, sum 49/12, mean 49/72.
        # First match at 1 (3 orders), 2 (2), 3 (1): mean 10/6. INP 2/2, 2/3 twice, 2/4 three times: mean 23/36.
        ("expected", 49 / 72, 5 / 3, 23 / 36, [3 / 6, 5 / 6, 1, 1]),
    ],
)
def test_all_distances_equal(ties: str, precision: float, first: float, penalty: float, hits: list[float]) -> None:
    for persons in (["a", "a", "b", "c"], ["b", "a", "c", "a"]):
        result = one_query([0.7] * 4, persons, ties=ties, maximum_rank=4)
        assert table(result)[0].tolist() == pytest.approx([precision, first, penalty, *hits], abs=1e-15)


def test_what_is_ignored_what_is_dropped_and_what_is_a_distractor() -> None:
    # Nearest first: a/1 (query's camera: ignored), junk, unknown person (a distractor: counts as wrong), a/2, a/unknown
    # camera (counts: nothing says that it is the same). Order of what counts: wrong, right, right.
    # AP = (1/2 + 2/3) / 2 = 7/12, first match at 2, INP 2/3.
    result = evaluate_ranking(
        np.array([[1, 2, 3, 4, 5]]), ["a"], ["a", None, None, "a", "a"], ["1"], ["1", "2", "2", "2", None],
        junk=np.array([False, True, False, False, False]),
    )  # fmt: skip
    assert result.average_precision[0] == pytest.approx(7 / 12)
    assert (result.first_match_rank[0], result.inverse_negative_penalty[0]) == (2, pytest.approx(2 / 3))


def test_integer_labels_as_market_1501_has_them() -> None:
    # -1 is junk, 0 a distractor: order wrong (0), right. AP = 1/2. A query -1 matches nothing, not even -1.
    result = evaluate_ranking(
        np.array([[1.0, 2.0, 3.0]] * 2), np.array([5, -1]), np.array([-1, 0, 5]), np.array([1, 1]), np.array([2, 2, 2])
    )
    assert result.average_precision[0] == 0.5
    assert result.queries_without_match == 1
    assert result.mean_average_precision == 0.5


@pytest.mark.parametrize("junk", [-1, "-1"])
def test_unknown_persons_among_others_change_nothing_for_junk(junk: int | str) -> None:
    # Nearest first: junk, the match, somebody unknown. Junk counts for nobody, so the match is first: AP 1. The second
    # query shows somebody unknown, whom no unknown gallery crop matches.
    right = 1 if junk == -1 else "1"
    result = evaluate_ranking([[0.2, 0.1, 0.3], [1, 2, 3]], [right, None], [right, junk, None], [0, 0], [1, 1, 1])
    assert result.average_precision[0] == 1.0
    assert (result.mean_average_precision, result.queries_without_match) == (1.0, 1)


def test_labels_of_other_libraries_and_masks_as_lists_are_read() -> None:
    torch = pytest.importorskip("torch")
    query, gallery = [torch.tensor(3)], [np.int32(4), torch.tensor(3), np.array(3)]
    result = evaluate_ranking([[1.0, 2.0, 3.0]], query, gallery, None, None, ignored=[[True, False, False]])
    assert (result.matches[0], result.first_match_rank[0]) == (2, 1)
    whole = evaluate_ranking([[1.0, 2.0, 3.0]], torch.tensor([3]), torch.tensor([4, 3, 3]), None, None)
    assert whole.first_match_rank[0] == 2


@pytest.mark.parametrize(
    ("persons", "words"),
    [
        ([1, float("nan")], "person label 1 is nan"),
        ([1.0, 2.0], "person label 0 is 1.0"),
        ([True, False], "person label 0 is True"),
        ([1, 2**63], "person label 1 is 9223372036854775808"),
        ([1, [2]], r"person label 1 is \[2\]"),
        ([1, b"2"], "person label 1 is b'2'"),
        ([1, "2"], "integers and strings in one list"),
        (np.array([1.0, np.nan]), "person labels must be integers or strings, not float64"),
        (np.array([[1, 2]]), "one list, not an array of shape"),
        (np.array([1, 2**63], dtype=np.uint64), "person label 1 is 9223372036854775808"),
    ],
)
def test_labels_of_other_kinds_are_refused_with_their_place(persons: object, words: str) -> None:
    with pytest.raises(ReIDError, match=words):
        evaluate_ranking([[1.0, 2.0]], [1], persons, None, None)
    with pytest.raises(ReIDError, match=words.replace("person", "camera")):
        evaluate_ranking([[1.0, 2.0]], [1], [1, 2], [1], persons)


def test_an_empty_gallery_is_said_to_be_empty() -> None:
    for empty in ([], np.array([], dtype=int), np.array([])):
        for query in ([1, 2], ["1", "2"]):
            with pytest.raises(ReIDError, match="the gallery is empty"):
                evaluate_ranking(np.zeros((2, 0)), query, empty, None, None)
    with pytest.raises(ReIDError, match=r"ignored must be \(1, 2\) bool, not \(2,\) bool"):
        evaluate_ranking([[1.0, 2.0]], [1], [1, 2], None, None, ignored=[True, False])


@pytest.mark.parametrize(
    ("clothes", "matches", "rank"),
    [
        (None, 2, 1),
        ("changed", 1, 3),  # a in red is ignored: b, c, then a in blue
        ("same", 1, 1),  # a in blue is ignored
    ],
)
def test_clothes_rules(clothes: str | None, matches: int, rank: int) -> None:
    # Query: a in red. Gallery, nearest first: a in red, b, c, a in blue.
    result = evaluate_ranking(
        np.array([[1, 2, 3, 4]]), ["a"], ["a", "b", "c", "a"], ["1"], ["2"] * 4,
        query_outfits=["a/red"], gallery_outfits=["a/red", "b/red", "c/red", "a/blue"], clothes=clothes,
    )  # fmt: skip
    assert (result.matches[0], result.first_match_rank[0]) == (matches, rank)


def test_query_without_match_is_counted_and_enters_no_mean() -> None:
    result = evaluate_ranking(np.array([[1, 2], [1, 2]]), ["a", "x"], ["b", "a"], None, None, maximum_rank=2)
    assert (result.queries_without_match, result.mean_average_precision) == (1, 0.5)
    assert result.cmc.tolist() == [0, 1]
    assert np.isnan(result.average_precision[1])
    assert np.isnan(result.hits[1]).all()


def twin(case: dict[str, object], ties: str, maximum_rank: int) -> np.ndarray:
    rows = []
    for query, distances in enumerate(case["distances"]):
        marks = counted(case, query)
        rows.append(([float(distances[item]) for item in marks], list(marks.values())))
    return np.array(naive.measure(rows, ties, maximum_rank))


@pytest.mark.parametrize("ties", POLICIES)
@pytest.mark.parametrize("seed", range(12))
def test_equals_the_naive_twin(seed: int, ties: str) -> None:
    case = random_case(seed)
    found = evaluate_ranking(**case, ties=ties, maximum_rank=11)
    np.testing.assert_allclose(table(found), twin(case, ties, 11), rtol=1e-13)


@pytest.mark.parametrize("levels", [60, 5000, 10**6])
def test_equals_the_naive_twin_on_long_rows(levels: int) -> None:
    # Long enough for every branch of the counting: comparing whole rows, cutting them down, sorting the rest.
    case = random_case(3, queries=7, gallery=11_000, levels=levels)
    case["gallery_ids"] = np.random.default_rng(0).choice(["a", "b", "c", *map(str, range(300))], 11_000).tolist()
    case["clothes"] = None
    for ties in ("pessimistic", "optimistic"):
        found = evaluate_ranking(**case, ties=ties, maximum_rank=11)
        np.testing.assert_allclose(table(found), twin(case, ties, 11), rtol=1e-13)


def test_expected_is_the_mean_of_many_random_orders() -> None:
    # An independent check on groups too large to enumerate: break ties at random, many times.
    random = np.random.default_rng(1)
    persons = ["a"] * 9 + ["b"] * 40
    distances = random.integers(0, 3, 49).astype(float)
    exact = table(one_query(distances.tolist(), persons, ties="expected", maximum_rank=5))[0]
    draws = [
        table(one_query((distances + 0.5 * random.random(49)).tolist(), persons, maximum_rank=5))[0]
        for _ in range(1500)
    ]
    spread = np.std(draws, axis=0) / np.sqrt(len(draws)) + 1e-12
    assert (np.abs(np.mean(draws, axis=0) - exact) < 4 * spread).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int32, "columns", "list"])
def test_kinds_of_arrays_give_the_same(kind: object) -> None:
    case = random_case(2)
    wanted = table(evaluate_ranking(**case))
    distances = case["distances"]
    if kind == "columns":
        given = np.asfortranarray(distances)
    else:
        given = distances.tolist() if kind == "list" else distances.astype(kind)
    np.testing.assert_array_equal(table(evaluate_ranking(**{**case, "distances": given})), wanted)


def test_distances_may_be_infinite() -> None:
    # Wrong at 1, and a match and a wrong crop that share +inf: pessimistic rank 3.
    result = one_query([np.inf, 1.0, np.inf], ["a", "b", "c"])
    assert result.first_match_rank[0] == 3


@pytest.mark.parametrize("ties", POLICIES)
@pytest.mark.parametrize("block", [1, 5, 256])
def test_features_give_what_their_matrix_gives(block: int, ties: str) -> None:
    # Features of entries ±1/4 have cosines that are exact in any order of summation, and many of them tie.
    random = np.random.default_rng(4)
    query, gallery = (random.choice([-0.25, 0.25], (n, 16)).astype(np.float32) for n in (12, 40))
    case = random_case(5, gallery=40)
    case.pop("distances")
    wanted = evaluate_ranking(1 - query @ gallery.T, **case, ties=ties)
    found = evaluate_features(query, gallery, **case, ties=ties, block=block)
    np.testing.assert_allclose(table(found), table(wanted), rtol=1e-14)


def test_ignored_may_be_a_function_of_rows() -> None:
    case = random_case(6, queries=300)
    mask = case.pop("ignored")
    np.testing.assert_array_equal(
        table(evaluate_ranking(**case, ignored=lambda rows: mask[rows])), table(evaluate_ranking(**case, ignored=mask))
    )


@pytest.mark.parametrize("seed", range(3))
def test_order_of_the_gallery_and_names_of_labels_do_not_matter(seed: int) -> None:
    case = random_case(seed)
    order = np.random.default_rng(seed).permutation(9)
    names = {"a": "zoe", "b": "17", "c": "x", "absent": "y", None: None}
    changed = {
        **case,
        "distances": case["distances"][:, order],
        "query_ids": [names[label] for label in case["query_ids"]],
        "gallery_ids": [names[case["gallery_ids"][i]] for i in order],
        "gallery_cameras": [case["gallery_cameras"][i] for i in order],
        "gallery_outfits": [case["gallery_outfits"][i] for i in order],
        "junk": case["junk"][order],
        "ignored": case["ignored"][:, order],
    }
    for ties in POLICIES:
        np.testing.assert_allclose(
            table(evaluate_ranking(**changed, ties=ties)), table(evaluate_ranking(**case, ties=ties)), rtol=1e-14
        )


def test_refusals_are_sentences_with_a_place() -> None:
    case = random_case(0, queries=30)
    case["distances"][7, 3] = np.nan
    with pytest.raises(ReIDError, match="query 7 to gallery crop 3 is nan"):
        evaluate_ranking(**case)
    with pytest.raises(ReIDError, match="query 0 to gallery crop 1 is -inf"):
        one_query([1.0, -np.inf], ["a", "b"])
    with pytest.raises(ReIDError, match="person labels are integers for queries and strings for the gallery"):
        evaluate_ranking(np.ones((1, 1)), [1], ["1"], None, None)
    with pytest.raises(ReIDError, match="gallery ids: 2 entries where 3 are needed"):
        evaluate_ranking(np.ones((1, 3)), ["a"], ["a", "b"], None, None)
    with pytest.raises(ReIDError, match="ties is 'random'"):
        one_query([1.0], ["a"], ties="random")
    with pytest.raises(ReIDError, match="rank 9 was not measured"):
        one_query([1.0], ["a"], maximum_rank=3).rank(9)
    with pytest.raises(ReIDError, match='clothes="changed" needs query_outfits'):
        one_query([1.0], ["a"], clothes="changed")
    with pytest.raises(ReIDError, match="has no outfit label"):
        one_query([1.0], ["a"], clothes="same", query_outfits=["red"], gallery_outfits=[None])


def test_no_match_at_all_says_why() -> None:
    with pytest.raises(ReIDError) as refusal:
        evaluate_ranking(np.ones((4, 2)), ["a", "a", "x", None], ["a", "b"], ["1"] * 4, ["1", "1"])
    assert "none of 4 queries has a match" in str(refusal.value)
    assert "1 have no person label" in str(refusal.value)
    with pytest.raises(ReIDError, match="1 have no person label"):
        evaluate_ranking(np.ones((1, 2)), np.array([-1]), np.array([-1, 3]), None, None)
    assert "1 show a person who is not in the gallery" in str(refusal.value)
    assert "2 are matched only by crops that the rules ignore" in str(refusal.value)


def test_cosines_beyond_one_are_rounding() -> None:
    # Two copies of the query, a hair too long: as distances both are 0, so the wrong one is not nearer but tied.
    query = np.array([[1.0, 0.0]], np.float32)
    gallery = np.array([[1.0004, 0.0], [1.0002, 0.0]], np.float32)
    ranks = [
        evaluate_features(query, gallery, ["a"], ["b", "a"], None, None, ties=ties).first_match_rank[0]
        for ties in ("pessimistic", "optimistic")
    ]
    assert ranks == [2, 1]


def test_copies_of_a_feature_tie_wherever_they_stand() -> None:
    # 5,000 wrong crops and one match have the same feature; the product's last bits differ at the edges of its kernel.
    # Pessimistic: the match stands behind all of them, optimistic: before, whatever the gallery's order.
    random = np.random.default_rng(0)
    query, row = unit(random.standard_normal((20, 512))), unit(random.standard_normal((1, 512)))
    persons = np.array(["b"] * 5000 + ["a"])
    for order in (np.arange(5001), np.arange(5001)[::-1], random.permutation(5001)):
        for ties, rank in (("pessimistic", 5001), ("optimistic", 1)):
            gallery = persons[order].tolist()
            result = evaluate_features(query, row.repeat(5001, axis=0), ["a"] * 20, gallery, None, None, ties=ties)
            assert set(result.first_match_rank) == {rank}


@pytest.mark.parametrize("ties", POLICIES)
def test_the_order_of_a_gallery_with_copies_does_not_matter(ties: str) -> None:
    random = np.random.default_rng(1)
    features = unit(random.standard_normal((60, 128)))
    gallery, query = features[random.integers(0, 60, 900)], features[:25]
    persons, wanted = random.integers(0, 12, 900), random.integers(0, 12, 25)
    plain = evaluate_features(query, gallery, wanted, persons, None, None, ties=ties)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(900)
        moved = evaluate_features(query, gallery[order], wanted, persons[order], None, None, ties=ties)
        np.testing.assert_allclose(table(moved), table(plain), rtol=1e-12)


def test_features_must_be_finite_and_of_length_one() -> None:
    good = unit(np.random.default_rng(0).standard_normal((3, 8)))
    for value, words in ((np.nan, "holds NaN"), (np.inf, "holds NaN or infinity"), (3.0, "has length 3")):
        bad = good.copy()
        bad[1] = 0
        bad[1, 0] = value
        with pytest.raises(ReIDError, match=f"gallery feature 1 {words}"):
            evaluate_features(good, bad, ["a"] * 3, ["a"] * 3, None, None)
